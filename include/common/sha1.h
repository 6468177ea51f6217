#ifndef COMMON_SHA1_H
#define COMMON_SHA1_H

/*
 * SHA-1 (RFC 3174), because that is how Redis names a Lua script. Not for secrets. Pure.
 */

#include "common/span.h"

#define SHA1_HEX_MAX 41 /* 40 lower-case hex digits and NUL */

/* Writes the digest of `bytes` as text. */
void sha1_hex(struct span bytes, char hex[SHA1_HEX_MAX]);

#endif
