#ifndef WORKER_ERROR_TEXT_H
#define WORKER_ERROR_TEXT_H

/*
 * The sentence in what Ollama answers when it fails. Pure, no allocation.
 */

#include <stddef.h>

#include "common/span.h"

/*
 * Writes the text of an error to ret, which has cap bytes (at least 1), with NUL: of
 * `{"error":"..."}` the string; of `{"error":{"message":"..."}}`, which a runner's own server
 * sends, the message; of anything else the bytes as they are (text/plain, a proxy's HTML); "" if
 * there are none. One line of valid UTF-8 in any case: control characters become blanks, bytes that
 * are no UTF-8 "?"; cut at a character when too long. Borrows the body until it returns; the body
 * may be any bytes.
 */
void error_text(struct span body, char *ret, size_t cap);

#endif
