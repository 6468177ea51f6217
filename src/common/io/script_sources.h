#ifndef COMMON_SCRIPT_SOURCES_H
#define COMMON_SCRIPT_SOURCES_H

/* The table that cmake/embed_lua.cmake generates: sorted by name, ended by a row with name NULL. */

#include <stddef.h>

struct script_source {
    const char *name;
    const char *text; /* NUL-terminated */
    size_t len;
};

extern const struct script_source script_sources[];

#endif
