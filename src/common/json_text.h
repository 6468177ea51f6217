#ifndef COMMON_JSON_TEXT_H
#define COMMON_JSON_TEXT_H

/* Inside json*.c only: the characters of a JSON string, one at a time. Pure. */

#include <stdint.h>

#include "common/span.h"

#define JSON_TEXT_REPLACEMENT 0xfffdu

/* Takes one character, escaped or not, from the front of the inside of a string (*raw is not empty)
 * and returns its code point; U+FFFD for a lone surrogate or for bytes that json_check() would have
 * refused. Always takes at least one byte. */
uint32_t json_text_next(struct span *raw);

#endif
