#include "common/conn_state.h"

#include <assert.h>

#define NEVER REDIS_CONN_STATE_COUNT

static const enum redis_conn_state next_state[REDIS_CONN_STATE_COUNT][CONN_COUNT] = {
    [REDIS_CONN_IDLE] = {REDIS_CONN_CONNECTING, NEVER, NEVER, NEVER, NEVER, REDIS_CONN_IDLE},
    [REDIS_CONN_CONNECTING] = {REDIS_CONN_CONNECTING, REDIS_CONN_READY, REDIS_CONN_CLOSING, NEVER,
                               NEVER, REDIS_CONN_IDLE},
    [REDIS_CONN_READY] = {REDIS_CONN_READY, NEVER, REDIS_CONN_CLOSING, NEVER, NEVER,
                          REDIS_CONN_IDLE},
    [REDIS_CONN_CLOSING] = {REDIS_CONN_CLOSING, NEVER, REDIS_CONN_CLOSING, REDIS_CONN_WAITING,
                            NEVER, REDIS_CONN_IDLE},
    [REDIS_CONN_WAITING] = {REDIS_CONN_WAITING, NEVER, NEVER, NEVER, REDIS_CONN_CONNECTING,
                            REDIS_CONN_IDLE},
};

_Static_assert(CONN_COUNT == 6, "a new event needs a column above");

enum redis_conn_state conn_next(enum redis_conn_state state, enum conn_event event)
{
    assert(state < REDIS_CONN_STATE_COUNT && event < CONN_COUNT);
    return next_state[state][event];
}
