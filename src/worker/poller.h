#ifndef WORKER_POLLER_H
#define WORKER_POLLER_H

/*
 * Asks Ollama about itself. With each heartbeat /api/ps (what is resident?), whose answer also says
 * that it is alive; /api/version (is it alive?) before that, if that was not known, if /api/ps gave
 * no good answer, and every POLLER_VERSION_MS; /api/tags (what is installed?) at the start, every
 * POLLER_TAGS_MS and when somebody wants it. One call at a time. A time-out means busy or unknown,
 * not dead; Ollama is down after POLLER_FAILURES_MAX refusals or strange answers of /api/version in
 * a row.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

#include "availability.h"
#include "ps.h"
#include "residency.h"

struct http_call;
struct worker;

#define POLLER_TIMEOUT_MS       3000
#define POLLER_VERSION_MS       60000
#define POLLER_TAGS_MS          60000
#define POLLER_TAGS_RETRY_MS    5000
#define POLLER_FAILURES_MAX     2
#define POLLER_AGAIN_MS         500 /* at most, after a first failure */
#define POLLER_ANSWER_MAX_BYTES ((size_t)8 << 20)

enum poller_step { POLLER_IDLE = 0, POLLER_VERSION, POLLER_PS, POLLER_TAGS, POLLER_STEP_COUNT };

struct poller {
    enum poller_step step; /* which call is on its way */
    struct http_call *call;
    struct buf answer;
    enum ollama_state state;
    unsigned failures;       /* in a row, of /api/version */
    bool is_alive;           /* /api/version has answered in this round */
    bool is_ps_fresh;        /* /api/ps has answered in this round */
    bool has_asked_ps_twice; /* in this round: an empty 500 is a known race of Ollama's */
    bool wants_tags;
    bool is_soon;
    int64_t again_ms; /* after a failure: the next round, before the next heartbeat */
    int64_t next_version_ms, next_tags_ms;
    int64_t ps_asked_ms;   /* of the answer in `ps`, or of the one that is coming */
    uint64_t foreign_hash; /* of the models that are loaded otherwise: told when it changes */
    struct residency residency;
    char version[PS_VERSION_MAX]; /* "" until known */
    struct ps ps;
    struct tags tags;
};

void poller_init(struct worker *w);
void poller_done(struct worker *w);
void poller_tick(struct worker *w, int64_t now_ms);

/* When the tick has something to do, monotonic: 0 at once, INT64_MAX not before something comes. */
int64_t poller_due_ms(const struct worker *w);

/* A round as soon as possible; with /api/tags in it. */
void poller_soon(struct worker *w);
void poller_want_tags(struct worker *w);

/* Was the model (canonical name) in memory at the last look, whoever has loaded it? */
bool poller_is_loaded(const struct worker *w, const char *model_name);

/* ... and the way we ask for it (residency.h)? Only then it is resident for the fleet. */
bool poller_is_resident(const struct worker *w, const char *model_name);

/* The resident models; returns their number. The names are borrowed until the next answer. */
size_t poller_residents(const struct worker *w, struct span ret[PS_RESIDENT_MAX]);

/* Likewise those that are loaded, but not the way we ask for them. */
size_t poller_foreigns(const struct worker *w, struct span ret[PS_RESIDENT_MAX]);

/* A request or a load of ours has ended well. */
void poller_on_ran(struct worker *w, const char *model_name);

#endif
