-- --tag: prefixes each line with a tag and a tab. `continued`: the text begins within a line.
return function(text, tag, continued)
  if text == "" then return text end
  local before = tag .. "\t"
  local lines = text:gsub("\n", "\n" .. before:gsub("%%", "%%%%"))
  if text:byte(-1) == 10 then lines = lines:sub(1, -#before - 1) end
  return continued and lines or before .. lines
end
