#ifndef CTL_DOCTOR_H
#define CTL_DOCTOR_H

/*
 * What `orionctl doctor` concludes from what it sees. Pure: facts go in, findings come out. Each
 * finding says what is wrong, and what to do about it.
 *
 * Sources of the facts about Ollama's versions: its releases and issues, named in doctor_ollama.c;
 * about Redis: config/redis.conf, which says why for each of its lines.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/span.h"

struct fleet_seen;
struct redisReply;
struct seen_node;

#define FINDINGS_MAX 2048

enum finding_level {
    FINDING_OK = 0, /* looked at, and as it should be */
    FINDING_NOTE,   /* worth knowing */
    FINDING_WARN,   /* will bite under some circumstances */
    FINDING_BAD,    /* wrong: the promise or a node is at stake */
    FINDING_LEVEL_COUNT
};

struct finding {
    enum finding_level level;
    char subject[96]; /* "redis", "router", "pi-2", "Ollama 0.14.3 (pi-1)" */
    char what[240];
    char todo[280]; /* "" where there is nothing to do */
};

struct doctor {
    struct finding findings[FINDINGS_MAX];
    size_t n, left_out;
    size_t counts[FINDING_LEVEL_COUNT];
};

/* Adds one. `what` and `todo` are cut to their size. */
void doctor_find(struct doctor *doctor, enum finding_level level, const char *subject,
                 const char *todo, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* What Redis says of itself. */
struct redis_facts {
    struct span info;                    /* INFO; absent: not allowed */
    const struct redisReply *config;     /* CONFIG GET *; NULL: not allowed */
    struct span user;                    /* ACL WHOAMI */
    const struct redisReply *user_rules; /* ACL GETUSER default; NULL: not allowed */
    int64_t redis_ms, wall_ms;           /* its clock and ours, at about the same moment */
    int64_t rtt_ms;                      /* of one PING; the least of some */
    struct span last_id;                 /* last-generated-id of P:requests; absent: no stream */
    int64_t dead;                        /* dead letters */
};

void doctor_redis(struct doctor *doctor, const struct redis_facts *facts);

/* Routers, nodes, the queue. */
void doctor_fleet(struct doctor *doctor, const struct fleet_seen *fleet);

/* One node: its state and its board. */
void doctor_node(struct doctor *doctor, const struct seen_node *node);

/* Ollama's versions, each once with the nodes that have it. */
void doctor_ollama(struct doctor *doctor, const struct fleet_seen *fleet);

/* What can be seen on this machine alone. Absent spans: it could not be read. */
struct local_facts {
    bool ollama_runs;
    struct span ollama_environ; /* /proc/PID/environ: NUL between the variables */
    struct span swaps;          /* /proc/swaps */
    bool clock_is_synced, clock_is_known;
};

void doctor_local(struct doctor *doctor, const struct local_facts *facts);

/* The report: findings below their subjects, the worst of each first. */
void doctor_text(const struct doctor *doctor, size_t width, bool color, struct buf *out);
void doctor_json(const struct doctor *doctor, struct buf *out);

#endif
