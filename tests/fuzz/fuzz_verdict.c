/* Any bytes as the body or the text of a failure: a verdict whose sentence can go into a reply and
 * a log. Byte 0: what happened; byte 1: HTTP status, and whether chunks were sent. */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "error_text.h"
#include "verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const char *text, size_t cap)
{
    assert(strlen(text) < cap && span_is_utf8(span_str(text)));
    for (const char *c = text; *c; c++)
        assert((unsigned char)*c >= ' ' && *c != 0x7f);
}

static void check_verdict(const struct verdict_input *input)
{
    struct verdict verdict;

    verdict_decide(input, &verdict);
    assert((unsigned)verdict.class < VERDICT_CLASS_COUNT);
    assert((unsigned)verdict.code < VERDICT_CODE_COUNT);
    assert((verdict.class == VERDICT_FINAL) == (verdict.code != VERDICT_CODE_NONE));
    assert(verdict.class != VERDICT_RETRY || !input->chunks_sent);
    assert(verdict.class != VERDICT_AMBIGUOUS || input->chunks_sent);
    check_line(verdict.sentence, sizeof verdict.sentence);
    bool is_silent = verdict.class == VERDICT_DONE || verdict.class == VERDICT_DROP;
    assert(is_silent == (verdict.sentence[0] == '\0'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[64];

    if (size < 2)
        return 0;
    struct verdict_input input = {
        .event = (enum verdict_event)(data[0] % VERDICT_EVENT_COUNT),
        .http_status = 400 + data[1] % 128,
        .text = {(const char *)data + 2, size - 2},
        .chunks_sent = data[1] >> 7,
    };
    check_verdict(&input);
    for (size_t cap = 1; cap <= sizeof text; cap *= 2) {
        error_text(input.text, text, cap);
        check_line(text, cap);
    }
    return 0;
}
