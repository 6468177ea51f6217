#ifndef CTL_CLOCK_H
#define CTL_CLOCK_H

/*
 * The clock of a command: monotonic milliseconds, read anew at each call (common/clock.h reads once
 * per turn of a loop that is not here). Times that are shown are Redis time.
 */

#include <stdint.h>

int64_t ctl_now_ms(void);

/* This machine's wall clock, Unix milliseconds: for doctor, which compares it with Redis'. */
int64_t ctl_wall_ms(void);

#endif
