#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

/*
 * Owns everything of orion-worker and wires it: the loop, the connections, the jobs. The modules
 * around it (session, reconcile, feed, control, jobs, run, publish, node, beat, poller, probe,
 * leave) are parts of one struct; each takes a `struct worker *`, keeps its own part, and calls
 * the others by their headers only. Not thread-safe: one event loop per process. Never blocks, but
 * for what redis_conn.h says about host names.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/keys.h"
#include "common/redis_url.h"

#include "beat.h"
#include "control.h"
#include "feed.h"
#include "jobs.h"
#include "leave.h"
#include "node.h"
#include "poller.h"
#include "probe.h"
#include "reconcile.h"
#include "session.h"
#include "worker_config.h"

struct curl_loop;
struct err;
struct loop;

/* The tick finds whatever is due: it is the resolution of every limit and interval. */
#define WORKER_TICK_MS 25

struct worker {
    struct worker_config config; /* node_id filled in; changed by worker_reload() only */
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
    struct probe probe;
    struct leave leave;
    void (*on_reload)(void *arg);
    void *reload_arg;
    int exit_status;
};

/* `config` is copied. on_reload(arg) is called at SIGHUP; it may call worker_reload(). Returns 0
 * with *ret, or a negative errno value with *err (password file, root, libcurl). */
int worker_new(const struct worker_config *config, void (*on_reload)(void *arg), void *arg,
               struct worker **ret, struct err *err);
void worker_free(struct worker *w);

/* Runs until the worker has left (SIGTERM), or may not go on. Returns the exit code, 0 or 1. */
int worker_run(struct worker *w);

/* Takes over what a reload may change of `config`, and logs each key that changed and each that
 * would need a restart. */
void worker_reload(struct worker *w, const struct worker_config *config);

/* A newer process has this node id: gives up all work without a word to Redis, ends with 1. */
void worker_fenced(struct worker *w);

#endif
