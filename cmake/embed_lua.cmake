# Turns src/common/lua/*.lua into one C table, so that a daemon carries its scripts and each script
# stays a file that redis-cli can run alone.
# Usage: cmake -DOUT=FILE -DDIR=DIR [-DSYMBOL=NAME_OF_THE_TABLE] -P embed_lua.cmake
#
# The text is emitted as a byte array: C has no string literal without a length limit.
if(NOT SYMBOL)
    set(SYMBOL script_sources)
endif()
file(GLOB scripts ${DIR}/*.lua)
list(SORT scripts)
set(text "/* Made by cmake/embed_lua.cmake from ${DIR}. */\n#include \"script_sources.h\"\n\n")
set(table "")
foreach(path ${scripts})
    get_filename_component(name ${path} NAME_WE)
    file(READ ${path} hex HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(REGEX REPLACE "((0x..,){20})" "\\1\n" bytes "${bytes}")
    string(APPEND text "static const unsigned char lua_${name}[] = {\n${bytes}0};\n")
    string(APPEND table "    {\"${name}\", (const char *)lua_${name}, sizeof lua_${name} - 1},\n")
endforeach()
string(APPEND text "\nconst struct script_source ${SYMBOL}[] = {\n${table}    {0}};\n")
file(WRITE ${OUT} "${text}")
