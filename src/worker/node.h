#ifndef WORKER_NODE_H
#define WORKER_NODE_H

/*
 * What this node knows about itself: sensors, whether it may get work, how fast it is, which
 * conversations are warm. Logs each change of availability once, with the readings.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

#include "availability.h"
#include "rates.h"
#include "sensor_reading.h"
#include "sensors.h"
#include "warm_sessions.h"

struct err;
struct worker;

/* A CPU load says little about less time than this. */
#define NODE_CPU_WINDOW_MS 1000

struct node {
    struct sensors sensors;
    struct sensor_reading reading; /* the last one */
    int64_t window_ms;             /* when the window of the CPU load began; 0: never */
    struct availability availability;
    struct rates rates;
    struct warm_sessions sessions;
    bool is_drained; /* as the last heartbeat told */
};

/* 0, or a negative errno value with *err (a `root` that is too long). */
int node_init(struct worker *w, struct err *err);

/* Takes a reading and judges it. */
void node_read(struct worker *w, int64_t now_ms);

/* Judges again, because Ollama, drained or stopping has changed. */
void node_judge(struct worker *w);

/* An answer of this model (canonical name) is whole. */
void node_learn(struct worker *w, const char *model_name, const struct rates_sample *sample,
                struct span session);

/* Ollama's version or its resident models have changed. */
void node_forget_rates(struct worker *w);
void node_on_resident(struct worker *w);

#endif
