# Writes OUT, a C file that holds the Lua FILES (a list) as the table NAME, of the form of src/bind/sources.h.
# lua/tine/init.lua is the module "tine", any other lua/tine/x/y.lua is "tine.x.y"; another file y.css is "tine.x.y_css",
# a module that gives its text.
set(arrays "")
set(rows "")
set(n 0)
foreach(file IN LISTS FILES)
  string(REGEX REPLACE "^.*/lua/(.*)\\.[a-z]+$" "\\1" module ${file})
  string(REGEX REPLACE "/init$" "" module ${module})
  string(REPLACE "/" "." module ${module})
  file(READ ${file} hex HEX)
  get_filename_component(kind ${file} LAST_EXT)
  if(NOT kind STREQUAL ".lua")
    string(REPLACE "." "_" kind "${kind}")
    string(APPEND module "${kind}")
    # return [=====[ ... ]=====]
    set(hex "72657475726e205b3d3d3d3d3d5b0a${hex}5d3d3d3d3d3d5d")
  endif()
  string(LENGTH "${hex}" length)
  math(EXPR length "${length} / 2")
  string(REGEX REPLACE "(................................)" "\\1\n    " hex "${hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
  string(APPEND arrays "static const unsigned char text${n}[] = {\n    ${hex}0x00};\n\n")
  string(APPEND rows "    {\"${module}\", (const char *)text${n}, ${length}},\n")
  math(EXPR n "${n} + 1")
endforeach()
file(WRITE ${OUT} "/* Made by cmake/embed_lua.cmake from lua/tine. */
#include \"bind/sources.h\"

${arrays}const struct tine__lua_source ${NAME}[] = {
${rows}    {NULL, NULL, 0},
};
")
