#ifndef COMMON_KEYS_H
#define COMMON_KEYS_H

/*
 * Every Redis key, group and field name of the wire protocol, once (docs/protocol.md). No other
 * file spells one; tests/checks/keys.sh looks. Pure.
 *
 * All keys of an installation begin with its prefix. On Redis Cluster the prefix carries a hash tag
 * ("{orion}:inference"), so that the scripts' keys share a slot.
 */

#include <stdbool.h>

#include "common/span.h"

#define GROUP_ROUTERS  "inference-routers"
#define GROUP_WORKERS  "inference-workers"

#define REQUEST_ID_MAX 128                                    /* bytes, without NUL */
#define PREFIX_MAX     100                                    /* bytes, without NUL */
#define KEY_MAX        (PREFIX_MAX + 16 + REQUEST_ID_MAX + 1) /* bytes of any key of ours, with NUL */
#define CALLBACK_MAX   512 /* bytes of a callback key that a client names */

/* About how many entries the event, dead and control streams keep. */
#define STREAM_KEEP_TEXT "10000" /* as XADD and XTRIM take it; the scripts say the same */

/* Keys that exist once per installation; written once at start by keys_init(). */
struct keys {
    char prefix[PREFIX_MAX + 1];
    char requests[KEY_MAX];
    char health[KEY_MAX];
    char routers[KEY_MAX];
    char events[KEY_MAX];
    char dead[KEY_MAX];
    char drained[KEY_MAX];
    char control[KEY_MAX];
};

/* `prefix` has at most PREFIX_MAX bytes (the settings check it). */
void keys_init(struct keys *keys, const char *prefix);

/* Keys that belong to a node or a request; each writes into buf and returns it. The ids are within
 * their limits (request_id_valid(), node_id_valid()). */
const char *key_node_requests(const struct keys *keys, struct span node, char buf[static KEY_MAX]);
const char *key_epoch(const struct keys *keys, struct span node, char buf[static KEY_MAX]);
const char *key_job(const struct keys *keys, struct span request_id, char buf[static KEY_MAX]);
const char *key_responses(const struct keys *keys, struct span request_id,
                          char buf[static KEY_MAX]);

/* May this key receive a reply? It must begin with P:responses:, have something behind it, at most
 * CALLBACK_MAX bytes, and no byte below 0x21 or above 0x7e. */
bool key_callback_valid(const struct keys *keys, struct span callback);

/* 1 to REQUEST_ID_MAX of A-Z a-z 0-9 . _ : - */
bool request_id_valid(struct span id);

/* Fields of a request entry: protocol section 2. */
#define FIELD_REQUEST_ID "request_id"
#define FIELD_MODEL      "model"
#define FIELD_MESSAGES   "messages"
#define FIELD_PROMPT     "prompt"
#define FIELD_INPUT      "input"
#define FIELD_CALLBACK   "callback"
#define FIELD_PARAMS     "params"
#define FIELD_STREAM     "stream"
#define FIELD_PROGRESS   "progress"
#define FIELD_SESSION    "session"
#define FIELD_CLIENT     "client"
#define FIELD_PRIORITY   "priority"
#define FIELD_TIMEOUT_MS "timeout_ms"
#define FIELD_METADATA   "metadata"

/* Fields that routers and workers add: section 4. */
#define FIELD_ATTEMPT      "attempt"
#define FIELD_ORIGIN_ID    "origin_id"
#define FIELD_SUBMITTED_MS "submitted_ms"
#define FIELD_DEADLINE_MS  "deadline_ms"
#define FIELD_TRIED        "tried"
#define FIELD_LAST_ERROR   "last_error"

/* Error codes of the reply: section 3. */
#define CODE_INVALID_REQUEST    "invalid_request"
#define CODE_UNKNOWN_MODEL      "unknown_model"
#define CODE_QUEUE_FULL         "queue_full"
#define CODE_DEADLINE_EXCEEDED  "deadline_exceeded"
#define CODE_CANCELLED          "cancelled"
#define CODE_ATTEMPTS_EXHAUSTED "attempts_exhausted"
#define CODE_REPLY_TOO_LARGE    "reply_too_large"

#endif
