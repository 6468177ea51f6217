#ifndef WORKER_PROBE_H
#define WORKER_PROBE_H

/*
 * Models that hung here: a live HTTP port does not prove that a runner works. A model becomes
 * suspect when a request for it got no first byte or fell silent; it is published as such. A
 * one-token request clears it, as does a whole answer, and so does /api/ps when it no longer lists
 * the model. The probe is sent only for a model that is resident (so that it never loads one; the
 * last round of the poller must have said so), that can generate, and that no job uses. The mark of
 * a model that cannot be probed lapses after PROBE_LAPSE_MS: the next request is the probe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/model_name.h"

#include "answer.h"
#include "health_json.h"
#include "lines.h"

struct http_call;
struct worker;

#define PROBE_MAX          HEALTH_MODELS_MAX /* suspect models; the oldest makes room */
#define PROBE_TIMEOUT_MS   30000
#define PROBE_PAUSE_MS     1000 /* before the first probe: the request before it has to end */
#define PROBE_RETRY_MS     10000
#define PROBE_LAPSE_MS     300000
#define PROBE_ANSWER_BYTES ((size_t)1 << 20)

struct suspect {
    char model[MODEL_NAME_MAX + 1]; /* canonical */
    bool embeds_only;               /* as far as we know: not to be probed */
    int64_t next_ms;                /* of its next probe */
    int64_t lapse_ms;               /* of the mark, if it cannot be probed */
};

struct probe {
    struct suspect suspects[PROBE_MAX]; /* oldest first */
    size_t n;
    struct http_call *call;
    char model[MODEL_NAME_MAX + 1]; /* that is being probed */
    struct buf body;
    struct lines lines;
    struct answer answer;
};

void probe_init(struct worker *w);
void probe_done(struct worker *w);
void probe_tick(struct worker *w, int64_t now_ms);

void probe_suspect(struct worker *w, const char *model_name, bool embeds_only);

/* It has given a whole answer. */
void probe_clear(struct worker *w, const char *model_name);

/* /api/ps has answered. */
void probe_on_resident(struct worker *w);

#endif
