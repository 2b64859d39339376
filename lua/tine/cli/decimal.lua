-- Numbers of seconds in files, which programs read: with a point, whatever locale a FUNCTION or a spec has set.
return function(seconds, places)
  return (("%%.%df"):format(places):format(seconds):gsub("[^%d-]+", "."))
end
