#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

/*
 * Owns everything of orion-worker and wires it: the loop, the connections, the jobs. The modules
 * around it (session, reconcile, feed, control, jobs, run, publish, node, beat, poller, probe,
 * leave, service, counters) are parts of one struct; each takes a `struct worker *`, keeps its own
 * part, and calls the others by their headers only. Not thread-safe: one event loop per process.
 * Never blocks, but for what redis_conn.h says about host names.
 */

#include "common/keys.h"
#include "common/redis_url.h"

#include "beat.h"
#include "control.h"
#include "counters.h"
#include "feed.h"
#include "jobs.h"
#include "leave.h"
#include "node.h"
#include "pacing.h"
#include "poller.h"
#include "preload.h"
#include "probe.h"
#include "reconcile.h"
#include "service.h"
#include "session.h"
#include "worker_config.h"

struct curl_loop;
struct err;
struct loop;
struct options;
struct options_program;

/* The tick finds whatever is due: it is the resolution of every limit and interval. */
#define WORKER_TICK_MS 25

struct worker {
    const struct options_program *program;
    const struct options *options;
    struct worker_config config; /* node_id filled in; changed by SIGHUP only */
    struct redis_url redis_url;
    struct keys keys;
    char stream_key[KEY_MAX]; /* requests:<node> */
    char epoch_key[KEY_MAX];
    struct loop *loop;
    struct curl_loop *curl;
    struct session session;
    struct reconcile reconcile;
    struct feed feed;
    struct control control;
    struct jobs jobs;
    struct node node;
    struct beat beat;
    struct poller poller;
    struct pacing pacing;
    struct probe probe;
    struct preload preload;
    struct leave leave;
    struct service service;
    struct counters counters;
    int exit_status;
};

/* `program` and `options` are borrowed for the worker's life; `config` is copied. Returns 0 with
 * *ret, or a negative errno value with *err (password file, root, libcurl). */
int worker_new(const struct options_program *program, const struct options *options,
               const struct worker_config *config, struct worker **ret, struct err *err);
void worker_free(struct worker *w);

/* Runs until the worker has left (SIGTERM), or may not go on. Returns the exit code: 0, 1 or 2. */
int worker_run(struct worker *w);

/* A newer process has this node id: gives up all work without a word to Redis. Ends with 2, as with
 * wrong settings, so that systemd leaves the newer one alone: started again, each would fence the
 * other for ever. With 1 if that may have been a registration of our own whose answer was lost. */
void worker_fenced(struct worker *w);

#endif
