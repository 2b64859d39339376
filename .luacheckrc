std = "lua54"
codes = true
max_line_length = 120
exclude_files = { "build*", "**/build*" }
files["spec"] = { std = "+busted" }
files["examples"] = { allow_defined_top = true }
files["tests/sim/mutants.lua"] = { max_line_length = false } -- lines of the source, and what to put there
