-- A module that is a function.
return function(name) return "hello " .. tostring(name) end
