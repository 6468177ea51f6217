#ifndef ROUTER_NODE_HEALTH_H
#define ROUTER_NODE_HEALTH_H

/*
 * One value of P:health as a struct: protocol section 5. Pure.
 *
 * The value comes from outside. Every field is optional or null but for the time it was written;
 * what is not known is HEALTH_UNKNOWN, never a guess. Fields not named here are ignored. What is
 * there must have the right type and a sane size, or the whole value is refused.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/span.h"

struct err;

#define NODE_HEALTH_BYTES_MAX ((size_t)512 * 1024) /* of the whole value */
#define NODE_RESIDENT_MAX     64 /* names of a list that are used; the rest is ignored */
#define NODE_INSTALLED_MAX    512
#define NODE_SUSPECT_MAX      64
#define NODE_SESSIONS_MAX     16
#define NODE_REASON_MAX       63 /* bytes, without NUL; cut */
#define NODE_SLOTS_MAX        1024
#define HEALTH_UNKNOWN        INT32_MIN

struct node_health {
    bool available;                   /* false also if it is not said */
    char reason[NODE_REASON_MAX + 1]; /* printable ASCII; "" if none */
    int64_t last_seen_ms; /* Redis time: last_seen_ms, else the end of the second last_seen */
    int32_t temp_mc;      /* -100000 to 200000 */
    int32_t ram_permille; /* 0 to 1000 */
    int32_t cpu_permille;
    int32_t pressure_permille;                     /* memory_pressure, PSI some avg10 */
    int32_t throttled, under_voltage, freq_capped; /* 0, 1 */
    int32_t slots;                                 /* 0 to NODE_SLOTS_MAX; 1 if not said */
    int32_t in_flight;                             /* as the worker says; 0 if not said */
    uint32_t n_sessions;
    uint64_t sessions[NODE_SESSIONS_MAX]; /* span_hash() of the keys, newest first */
    /* Arrays of model names, walked with json_iter and node_health_model(); absent if not there. */
    struct span resident, installed, suspect, foreign;
};

/* Decodes `json`, the value of the hash field `node_id`. Returns 0, or -EINVAL with a sentence in
 * *err: too long, not JSON, not an object, a member of the wrong type or out of range, node_id that
 * differs from the field's, no last_seen. *ret is then undefined. Its spans point into `json`. */
int node_health_decode(struct span json, struct span node_id, struct node_health *ret,
                       struct err *err);

/* One element of a list of models: its canonical name with NUL into buf of MODEL_NAME_MAX + 1
 * bytes. False if it is no name; the element is then to be passed over. */
bool node_health_model(struct span element, char *buf);

/* A JSON number times 1000, cut towards zero. False if it is none, or 10^15 or more. */
bool node_health_milli(struct span number, int64_t *ret);

#endif
