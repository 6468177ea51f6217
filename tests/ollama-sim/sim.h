#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <event2/util.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "conn.h"
#include "faults.h"
#include "model.h"
#include "profile.h"

/* The one object of the program, and the small things that all of its parts need. */

/* What a timer calls: libevent's event_callback_fn. */
typedef void (*sim_callback)(evutil_socket_t fd, short what, void *context);

struct event_base;
struct event;
struct evbuffer;
struct job;
struct runner;

enum { SIM_BODIES_MAX = 32, SIM_BODIES_BYTES = 64 << 20, SIM_PATHS = 10 };

/* Settings of one run. Times are at speed 1. */
struct settings {
    char address[64];
    uint16_t port;
    char port_file[512];
    bool die_with_parent;
    int slots;             /* OLLAMA_NUM_PARALLEL; 0: by version */
    int max_loaded;        /* OLLAMA_MAX_LOADED_MODELS; 3 like Ollama on a CPU */
    int max_queue;         /* OLLAMA_MAX_QUEUE */
    int64_t keep_alive_ns; /* OLLAMA_KEEP_ALIVE */
    int num_ctx;           /* OLLAMA_CONTEXT_LENGTH; 0: by version */
    bool prefix_cache;
    double speed;
    uint32_t seed;
    int answer_tokens; /* 0: by model */
    int zone_min;      /* of expires_at; ZONE_LOCAL: the host's */
    int digits;        /* of its fraction */
    bool wedge;        /* a client that stops reading and leaves wedges its slot */
};

enum { ZONE_LOCAL = 100000 };

/* Sum of what happened. */
struct counters {
    uint64_t by_path[SIM_PATHS];
    uint64_t loads, unloads, load_aborts, completed, failed, aborted, wedged;
    int in_flight, max_in_flight;
};

/* The last request bodies, as received. */
struct bodies {
    struct {
        char *text;
        size_t bytes;
    } ring[SIM_BODIES_MAX];
    size_t first, count, total_bytes;
};

TAILQ_HEAD(job_queue, job);
LIST_HEAD(runner_list, runner);

/* See sched.h. */
struct scheduler {
    struct runner_list runners;
    struct job_queue pending;
    size_t pending_count;
    struct job *current; /* the one that processPending works on */
    struct runner *load; /* what it is loading, if it is */
    struct event *step;
    struct event *ping; /* a dead runner is being found out */
};

struct sim {
    struct event_base *base;
    struct settings settings;
    const struct profile *profile;
    struct model models[MODEL_COUNT_MAX];
    size_t model_count;
    struct fault_set faults;
    struct server server;
    struct scheduler sched;
    TAILQ_HEAD(, job) jobs;
    struct counters counters;
    struct bodies bodies;
    int64_t started_s; /* wall clock */
};

/* Monotonic clock in ns. */
int64_t sim_now_ns(void);

/* Wall clock. */
void sim_wall(int64_t *ret_seconds, int32_t *ret_nanos);

/* A time of the simulated machine in ns, as long as it takes at this speed. Forever stays so. */
int64_t sim_scaled_ns(const struct sim *sim, int64_t ns);

/* Arms a timer that many real ns from now (0: next loop turn). */
void sim_timer(struct event *event, int64_t delay_ns);

/* Makes a timer; aborts the program when memory runs out. */
struct event *sim_timer_new(struct sim *sim, sim_callback callback, void *context);

/* The number of slots of a runner of that model. */
int sim_slots(const struct sim *sim, const struct model *model);

/* Keeps a copy of a request body, dropping the oldest ones. */
void bodies_keep(struct bodies *bodies, const char *text, size_t len);
void bodies_free(struct bodies *bodies);

#endif
