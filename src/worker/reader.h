#ifndef WORKER_READER_H
#define WORKER_READER_H

/*
 * A connection of its own for a read that blocks. One read at a time. An error is never answered by
 * reading again at once: it is told once, and the next read waits for a backoff.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/log.h"
#include "common/redis_conn.h"

struct worker;

/* What a read may block: an answer that does not come then tells of a connection that swallows what
 * it is given, which no keepalive does if something between us and Redis acknowledges it. */
#define READER_BLOCK_MS       5000
#define READER_BLOCK_TEXT_MAX 24

/* The same for the next command, in words; see redis_command_block_ms(). */
const char *reader_block(const struct worker *w, char buf[static READER_BLOCK_TEXT_MAX]);

struct reader {
    struct redis_conn *conn;
    const char *role;  /* "feed": for the log */
    bool is_reading;   /* a command is on its way */
    unsigned failures; /* in a row */
    int64_t retry_ms;  /* not before this moment */
    struct log_repeat refused;
    char name[96]; /* of the connection: "pi-1:feed" */
};

/* Begins to connect; on_ready(w) as in redis_conn.h. `role` is borrowed. */
void reader_init(struct reader *reader, struct worker *w, const char *role,
                 void (*on_ready)(void *arg));
void reader_done(struct reader *reader);

/* May a read be sent now? */
bool reader_is_free(const struct reader *reader, int64_t now_ms);

/* Is there a connection on which nothing is being read, or about to be? */
bool reader_is_idle(const struct reader *reader);

/* Sends it; the callback's argument is `w`. The callback asks reader_took() first. */
void reader_send(struct reader *reader, struct worker *w, redis_conn_callback *callback, int argc,
                 const char *const *argv);

/* Is the answer one to read? */
bool reader_took(struct reader *reader, struct worker *w, const struct redisReply *reply);

#endif
