#ifndef WORKER_SERVICE_H
#define WORKER_SERVICE_H

/*
 * What `systemctl status orion-worker` shows in one line (notify.h):
 *
 *     1 of 2 slots busy, 61.2 C, 45 % memory, Ollama 0.12.3
 *     gets no work: hot; 0 of 2 slots busy, 78.1 C, 45 % memory, Ollama 0.12.3
 *     waiting for Redis at 10.0.0.2: Connection refused
 */

#include <stdint.h>

struct worker;

struct service {
    int64_t next_ms;
};

/* At each tick: tells READY once the node may read work, and the line if it has changed, at most
 * every second. */
void service_tick(struct worker *w, int64_t now_ms);

#endif
