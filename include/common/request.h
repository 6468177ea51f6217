#ifndef COMMON_REQUEST_H
#define COMMON_REQUEST_H

/*
 * A request entry as it stands on a stream: field-value pairs to a struct. The only code that knows
 * both. Pure; everything in the struct is borrowed from the reply and dies with it.
 *
 * The router decodes what clients wrote (REQUEST_FROM_CLIENT: every rule of protocol section 2 is
 * checked, JSON included); the worker decodes what a router has checked (REQUEST_FROM_ROUTER: the
 * fields that routers add must be there, JSON is not read again).
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/keys.h"
#include "common/model_name.h"
#include "common/span.h"

struct err;
struct redisReply;

#define REQUEST_FIELDS_MAX     64 /* field-value pairs of an entry; more is an error */
#define REQUEST_SESSION_MAX    256
#define REQUEST_CLIENT_MAX     128
#define REQUEST_METADATA_MAX   4096
#define REQUEST_TIMEOUT_MAX_MS 86400000
#define REQUEST_TRIED_MAX      2048 /* bytes of the list of nodes that failed it */
#define REQUEST_ERROR_MAX      512  /* bytes of the last failure's sentence */

enum request_kind { REQUEST_CHAT = 0, REQUEST_GENERATE, REQUEST_EMBED, REQUEST_KIND_COUNT };

enum request_priority { REQUEST_HIGH = 0, REQUEST_NORMAL, REQUEST_LOW, REQUEST_PRIORITY_COUNT };

enum request_source { REQUEST_FROM_CLIENT = 0, REQUEST_FROM_ROUTER };

enum request_outcome {
    REQUEST_OK = 0,
    REQUEST_INVALID,      /* broken, but request_id and callback are good: answer invalid_request */
    REQUEST_UNANSWERABLE, /* request_id or callback unusable: dead-letter it */
};

struct request {
    struct span id;         /* of the stream entry */
    struct span request_id; /* valid unless REQUEST_UNANSWERABLE; then as given, perhaps absent */
    struct span model;      /* as the client wrote it */
    char model_name[MODEL_NAME_MAX + 1]; /* canonical */
    enum request_kind kind;
    struct span payload;  /* messages, prompt or input, by kind */
    struct span params;   /* JSON object, or absent */
    struct span callback; /* as the client wrote it, or absent: see request_callback() */
    struct span session, client, metadata; /* absent if not given */
    enum request_priority priority;
    bool stream, progress;
    int64_t timeout_ms; /* 0: not given */
    size_t bytes;       /* of all names and values but those that routers add */

    /* What routers add. Absent or 0 in an entry straight from a client. */
    bool came_back;     /* one of these fields is there: a node gave it back, or it is forged */
    const char *forged; /* name of the first such field in the entry, for the error */
    int64_t attempt;    /* from 1 */
    struct span origin_id;
    int64_t submitted_ms, deadline_ms; /* Redis time */
    struct span tried, last_error;
};

/*
 * Decodes one [id, [field, value, ...]] element of an XREADGROUP or XRANGE reply. `max_bytes` is
 * the largest entry (request_max). On REQUEST_OK everything in *ret is valid. Otherwise *err says
 * which field is wrong and what would be right, and *ret holds what could be read (id always;
 * request_id, callback and attempt if REQUEST_INVALID).
 */
enum request_outcome request_decode(const struct redisReply *entry, const struct keys *keys,
                                    enum request_source source, size_t max_bytes,
                                    struct request *ret, struct err *err);

/* The stream the reply goes to: the callback given or P:responses:<request_id>. Writes it with NUL
 * into buf of CALLBACK_MAX + 1 bytes and returns buf. */
const char *request_callback(const struct request *request, const struct keys *keys, char *buf);

/* Milliseconds of a stream entry id ("1700000000000-0"); -1 if it is no id. */
int64_t entry_id_ms(struct span id);

/* Has somebody chosen this id in the far future of that Redis time? Whoever may XADD may do so. */
bool entry_id_is_future(struct span id, int64_t redis_ms);

/* An id may be this far ahead of Redis' clock: a failover to a server whose clock is behind is no
 * attack. */
#define ENTRY_FUTURE_MAX_MS INT64_C(86400000)

/* Is `node` in a comma-separated list such as `tried`? */
bool node_list_has(struct span list, struct span node);

/* Writes list plus node (if it is not there yet) with NUL; drops the oldest names that do not fit.
 */
void node_list_add(struct span list, struct span node, char *buf, size_t cap);

#endif
