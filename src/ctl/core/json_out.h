#ifndef CTL_JSON_OUT_H
#define CTL_JSON_OUT_H

/*
 * JSON for --json: one value after the other, the commas come by themselves. Pure. Whatever a text
 * holds, the result is valid JSON and harmless on a terminal (text_add_json()).
 *
 * Inside an object the name is needed, inside an array it is NULL.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/span.h"

void json_out_open(struct buf *out, const char *name, char bracket); /* '{' or '[' */
void json_out_close(struct buf *out, char bracket);                  /* '}' or ']' */

void json_out_text(struct buf *out, const char *name, struct span text); /* absent: null */
void json_out_str(struct buf *out, const char *name, const char *text);  /* "" and NULL: null */
void json_out_i64(struct buf *out, const char *name, int64_t value);
void json_out_count(struct buf *out, const char *name, int64_t value); /* below 0: null */
void json_out_bool(struct buf *out, const char *name, bool value);
void json_out_decimal(struct buf *out, const char *name, double value); /* three decimals */
/* JSON that json_check() has accepted, as it is; absent: null. */
void json_out_raw(struct buf *out, const char *name, struct span json);
/* The text if it is valid JSON as it is, else as a string; absent: null. */
void json_out_json_or_text(struct buf *out, const char *name, struct span text);

/* A text for a name that others chose. */
void json_out_text_named(struct buf *out, struct span name, struct span text);

#endif
