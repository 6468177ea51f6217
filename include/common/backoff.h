#ifndef COMMON_BACKOFF_H
#define COMMON_BACKOFF_H

/*
 * How long to wait before trying something again that has failed. Pure.
 */

#include <stdint.h>

#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 5000

/*
 * The delay before try number `attempt` + 1, where 0 is the first one that follows a failure: the
 * base doubles from BACKOFF_MIN_MS up to BACKOFF_MAX_MS, and `random` (any number, all values
 * equally likely) picks a point between half the base and the base, so that a fleet that lost one
 * server does not come back in step. Milliseconds, BACKOFF_MIN_MS / 2 to BACKOFF_MAX_MS.
 */
int64_t backoff_ms(unsigned attempt, uint32_t random);

#endif
