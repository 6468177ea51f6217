#ifndef COMMON_REPLY_H
#define COMMON_REPLY_H

/*
 * Checked access to a redisReply. Pure: no connection, no I/O.
 *
 * Everything returned is borrowed from the reply and dies with it. hiredis frees an asynchronous
 * reply as soon as the callback returns, so copy what must outlive the callback. Every function
 * takes NULL for "absent" and answers with the absent value.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

struct redisReply;

/* Element i of an array reply, or NULL if `r` is not an array or too short. */
const struct redisReply *reply_at(const struct redisReply *r, size_t i);

/* Number of elements; 0 if `r` is not an array. */
size_t reply_count(const struct redisReply *r);

/* The bytes of a string or status reply; otherwise {NULL, 0}. */
struct span reply_span(const struct redisReply *r);

/* The error text, or NULL if it is not an error reply. */
const char *reply_error(const struct redisReply *r);

/* Is it an error whose first word is `code` ("OOM", "NOGROUP", ...)? */
bool reply_is_error(const struct redisReply *r, const char *code);

/* An integer reply, or a string that is a non-negative integer; false otherwise. */
bool reply_i64(const struct redisReply *r, int64_t *ret);

/* In a flat [name, value, name, value ...] array: the value of the first `name`; NULL if absent. */
const struct redisReply *reply_field(const struct redisReply *fields, const char *name);

#endif
