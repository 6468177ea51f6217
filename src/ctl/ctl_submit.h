#ifndef CTL_SUBMIT_H
#define CTL_SUBMIT_H

/* Submitting a request, for submit, preload and bench. */

#include <stddef.h>

struct ask;
struct ctl;
struct err;

/* A request id that nobody else has: "BEFORE-0123456789abcdef". */
void ctl_random_id(const char *before, char *buf, size_t cap);

/* XADD P:requests. 0 with the entry's id, or an error of conn.h. */
int ctl_submit(struct ctl *ctl, const struct ask *ask, char ret_entry[static 64], struct err *err);

#endif
