#ifndef WORKER_AVAILABILITY_H
#define WORKER_AVAILABILITY_H

/*
 * May work be sent to this node, and if not, why? Pure.
 *
 * The reason is one enum; the node is available exactly when it is AVAILABILITY_OK. Of several
 * reasons the one highest in this list is shown:
 *
 *     stopping      this process has been told to stop
 *     draining      an operator has drained the node
 *     starting      nothing is known of Ollama yet
 *     ollama down   Ollama does not answer
 *     hot           temperature reached temp_max and has not come back to temp_resume
 *     memory        memory in use reached ram_max and has not come back to ram_resume
 *     ok
 *
 * What is not known never makes a node unavailable: no temperature, no verdict. A node that was hot
 * when its sensor fell silent stays hot for AVAILABILITY_SILENCE_MAX readings (drivers skip one now
 * and then) and is then no longer held to be hot; likewise for memory.
 */

#include <stdbool.h>
#include <stdint.h>

#include "sensor_reading.h"

#define AVAILABILITY_SILENCE_MAX 3 /* readings */

enum availability_reason {
    AVAILABILITY_STARTING = 0, /* so that a zeroed struct is not available */
    AVAILABILITY_OK,
    AVAILABILITY_HOT,
    AVAILABILITY_MEMORY,
    AVAILABILITY_OLLAMA_DOWN,
    AVAILABILITY_DRAINING,
    AVAILABILITY_STOPPING,
    AVAILABILITY_REASON_COUNT
};

/* What the last look at Ollama gave. */
enum ollama_state {
    OLLAMA_STARTING = 0, /* no probe has ended yet; later it means the same as unknown */
    OLLAMA_UP,
    OLLAMA_DOWN,    /* refused, or an answer that Ollama does not give */
    OLLAMA_UNKNOWN, /* a time-out: busy or gone, nobody knows; the last known state stands */
    OLLAMA_STATE_COUNT
};

/* From the settings; handed in at each update, so that a reload takes effect at once. */
struct availability_limits {
    int32_t temp_max_mc;      /* hot at or above */
    int32_t temp_resume_mc;   /* cool again at or below */
    int32_t ram_max_permille; /* full at or above; 900 = 90 % */
    int32_t ram_resume_permille;
};

struct availability_input {
    const struct sensor_reading *reading; /* borrowed for the call; NULL = no new one: what was
                                             hot or full stays so */
    enum ollama_state ollama;
    bool drained;
    bool stopping;
};

/* One of two quantities with hysteresis. Written by availability_update() only. */
struct availability_latch {
    bool is_over;
    uint8_t silent_n; /* readings without a value since the last one; stops at the maximum */
};

/* Zeroed = just started. Written by availability_update() only. */
struct availability {
    enum availability_reason reason;
    enum ollama_state ollama; /* last known: never OLLAMA_UNKNOWN */
    struct availability_latch temp;
    struct availability_latch ram;
};

/* For the log line. */
struct availability_change {
    enum availability_reason from;
    enum availability_reason to;
};

/* Takes in the newest facts. True, with *ret_change filled, if the reason changed; otherwise false
 * and *ret_change is left alone. The same input twice changes nothing the second time, but that a
 * reading without values counts as one more silent one. */
bool availability_update(struct availability *availability,
                         const struct availability_limits *limits,
                         const struct availability_input *input,
                         struct availability_change *ret_change);

/* reason == AVAILABILITY_OK */
bool availability_is_ok(const struct availability *availability);

/* The word of protocol section 5: "ok", "starting", "hot", "memory", "ollama down", "draining",
 * "stopping". Static text. */
const char *availability_reason_name(enum availability_reason reason);

#endif
