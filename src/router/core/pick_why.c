/* The words of a decision. */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "pick.h"

struct text {
    char *buf;
    size_t cap, len;
};

static void text_add(struct text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void text_add(struct text *text, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(text->buf + text->len, text->cap - text->len, fmt, ap);
    va_end(ap);
    if (n > 0)
        text->len += (size_t)n;
    if (text->len >= text->cap)
        text->len = text->cap - 1; /* cut */
}

static void temperature_add(struct text *text, const char *before, int32_t temp_mc)
{
    if (temp_mc == HEALTH_UNKNOWN)
        return;
    text_add(text, "%s%s%d.%d C", before, temp_mc < 0 ? "-" : "", abs(temp_mc) / 1000,
             abs(temp_mc) % 1000 / 100);
}

static void chosen_add(struct text *text, const struct fleet *fleet,
                       const struct pick_request *request, const struct pick_result *result)
{
    const struct node *node = fleet_at(fleet, result->node);

    text_add(text, "%s %s; %" PRIu32 " of %" PRId32 " slots busy",
             node_is_resident(node, request->model) ? "holds" : "has on disk",
             names_text(fleet->models, request->model).ptr, node->in_flight, node->health.slots);
    if (node_is_warm(node, request->session_hash))
        text_add(text, "; has the conversation's cache");
    temperature_add(text, "; ", node->health.temp_mc);
    if (node->fails >= NODE_FAILS_DEMOTE)
        text_add(text, "; failed %" PRIu32 " times in a row", node->fails);
    if (result->again)
        text_add(text, "; every node that could take it has failed it before");
}

static void other_add(struct text *text, const struct node *node, enum pick_verdict verdict)
{
    text_add(text, "%s %s", node->id, pick_verdict_words(verdict));
    if (verdict == PICK_HOT)
        temperature_add(text, " ", node->health.temp_mc);
    if (verdict == PICK_MEMORY)
        text_add(text, " %d.%d %%", node->health.ram_permille / 10, node->health.ram_permille % 10);
    if (verdict == PICK_UNAVAILABLE && node->health.reason[0])
        text_add(text, " (%s)", node->health.reason);
}

static void counts_add(struct text *text, const uint32_t counts[PICK_VERDICT_COUNT])
{
    const char *separator = "";

    for (int v = 0; v < PICK_VERDICT_COUNT; v++) {
        if (counts[v] == 0)
            continue;
        text_add(text, "%s%" PRIu32 " %s", separator, counts[v],
                 pick_verdict_words((enum pick_verdict)v));
        separator = ", ";
    }
}

/* Names up to PICK_WHY_OTHERS nodes, those that lack the model last, and counts the rest. `counts`
 * are of the others only. */
static void others_add(struct text *text, const struct fleet *fleet, uint32_t chosen,
                       const uint8_t *verdicts, uint32_t counts[PICK_VERDICT_COUNT])
{
    uint32_t named = 0, left = fleet_count(fleet) - (chosen != FLEET_NONE);

    for (int lacking = 0; lacking <= 1; lacking++) {
        uint32_t cursor = 0, i;
        while (named < PICK_WHY_OTHERS && (i = fleet_each(fleet, &cursor)) != FLEET_NONE) {
            enum pick_verdict verdict = (enum pick_verdict)verdicts[i];
            if (i == chosen || (verdict == PICK_NO_MODEL) != (lacking == 1))
                continue;
            text_add(text, "%s", named ? ", " : "");
            other_add(text, &fleet->nodes[i], verdict);
            counts[verdict]--;
            named++;
        }
    }
    if (left > named) {
        text_add(text, ", and %" PRIu32 " more: ", left - named);
        counts_add(text, counts);
    }
}

void pick_why(const struct fleet *fleet, const struct pick_request *request,
              const struct pick_result *result, const uint8_t *verdicts, char *buf, size_t cap)
{
    struct text text = {.buf = buf, .cap = cap};
    struct pick_result others = *result;

    assert(cap > 0);
    buf[0] = '\0';
    if (result->node != FLEET_NONE) {
        chosen_add(&text, fleet, request, result);
        others.counts[PICK_OK]--;
        if (fleet_count(fleet) > 1)
            text_add(&text, "; others: ");
    } else {
        text_add(&text, "no node for %s: ", names_text(fleet->models, request->model).ptr);
        if (fleet_count(fleet) == 0)
            text_add(&text, "none is known");
    }
    others_add(&text, fleet, result->node, verdicts, others.counts);
}

void pick_summary(const struct pick_result *result, char *buf, size_t cap)
{
    struct text text = {.buf = buf, .cap = cap};
    uint32_t n = 0;

    assert(cap > 0);
    buf[0] = '\0';
    for (int v = 0; v < PICK_VERDICT_COUNT; v++)
        n += result->counts[v];
    text_add(&text, "%" PRIu32 " %s%s", n, n == 1 ? "node" : "nodes", n ? ": " : "");
    counts_add(&text, result->counts);
}

const char *pick_verdict_name(enum pick_verdict verdict)
{
    static const char *const names[PICK_VERDICT_COUNT] = {
        [PICK_OK] = "ok",
        [PICK_NEW] = "new",
        [PICK_GONE] = "gone",
        [PICK_LOST] = "lost",
        [PICK_LATE] = "late",
        [PICK_DRAINED] = "drained",
        [PICK_UNAVAILABLE] = "unavailable",
        [PICK_HOT] = "hot",
        [PICK_MEMORY] = "memory",
        [PICK_NO_MODEL] = "no-model",
        [PICK_SUSPECT] = "suspect",
        [PICK_FAILED_IT] = "failed-it",
        [PICK_ON_HOLD] = "on-hold",
        [PICK_NO_CREDIT] = "no-credit",
    };

    assert(verdict < PICK_VERDICT_COUNT);
    return names[verdict];
}

const char *pick_verdict_words(enum pick_verdict verdict)
{
    static const char *const words[PICK_VERDICT_COUNT] = {
        [PICK_OK] = "ranked lower",
        [PICK_NEW] = "without usable health",
        [PICK_GONE] = "gone",
        [PICK_LOST] = "lost",
        [PICK_LATE] = "late",
        [PICK_DRAINED] = "drained",
        [PICK_UNAVAILABLE] = "unavailable",
        [PICK_HOT] = "hot",
        [PICK_MEMORY] = "short of memory",
        [PICK_NO_MODEL] = "without the model",
        [PICK_SUSPECT] = "with the model suspect",
        [PICK_FAILED_IT] = "failed it before",
        [PICK_ON_HOLD] = "on hold after a failure",
        [PICK_NO_CREDIT] = "no slot free",
    };

    assert(verdict < PICK_VERDICT_COUNT);
    return words[verdict];
}
