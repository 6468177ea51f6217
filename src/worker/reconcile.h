#ifndef WORKER_RECONCILE_H
#define WORKER_RECONCILE_H

/*
 * Finds entries that are pending in our name and that we know nothing of. Protocol 4.6.
 *
 * At the start of the process they are what a predecessor had when it died: each is given back as a
 * further attempt. Later they were delivered in a reply that the connection lost: they are run as
 * if they had just been read, or given back if no slot is free. Looked through with XPENDING and
 * XRANGE, because XREADGROUP from 0 would count a delivery at each look.
 *
 * Runs at each registration and reconnect, and every RECONCILE_INTERVAL_MS besides: Redis may give
 * an entry to a connection of ours whose death it has not noticed yet. A job that is in the table
 * is never touched. One command at a time, so one entry in memory.
 *
 * What is given back is read as an outline (outline.lua). So is an entry of which
 * RECONCILE_READS_MAX reads in a row were lost with their connection: most likely there is no
 * memory for it here (hiredis gives up a connection for that), and another node may have it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct worker;

#define RECONCILE_INTERVAL_MS       10000
#define RECONCILE_PAGE              100  /* pending entries looked at in one XPENDING */
#define RECONCILE_READS_MAX         2    /* of one entry that brought no answer, in a row */
#define RECONCILE_OUTLINE_MAX_BYTES 4096 /* of a value in an outline: REQUEST_METADATA_MAX */
#define ENTRY_ID_MAX                48   /* bytes of a stream entry id, with NUL */

struct reconcile {
    bool is_busy;         /* a command is on its way, or waiting_ms is set */
    bool again;           /* begin anew as soon as its answer is there */
    bool has_buried_past; /* the predecessor's entries have been given back */
    int64_t next_ms;      /* of the regular look */
    int64_t waiting_ms;   /* no room for an entry: look at it again then; 0: not waiting */
    char page[RECONCILE_PAGE][ENTRY_ID_MAX]; /* ids pending in our name that are not in the table */
    size_t n, i;
    bool is_last_page;
    char unread[ENTRY_ID_MAX];   /* the entry that was asked for last as a whole */
    unsigned unread_times;       /* how often in a row no answer came */
    bool gives_up;               /* the entry on its way is an outline, because of that */
    char from[ENTRY_ID_MAX + 1]; /* XPENDING's start: "-" or "(<last id>" */
};

/* Begins (anew). Tells session_on_reconciled() when it is through. */
void reconcile_start(struct worker *w);

void reconcile_tick(struct worker *w, int64_t now_ms);

/* When it has something to do that cannot wait for the next heartbeat, monotonic; INT64_MAX: not
 * before something comes. */
int64_t reconcile_due_ms(const struct worker *w);

#endif
