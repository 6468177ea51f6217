#ifndef COMMON_IO_LOG_JOURNAL_H
#define COMMON_IO_LOG_JOURNAL_H

/*
 * The journal's native protocol: one datagram of fields per line
 * (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/). Not libsystemd: see notify.h.
 *
 * A line has MESSAGE (the text), PRIORITY, SYSLOG_IDENTIFIER, MESSAGE_ID if its event is in
 * log_catalog.h, and each of its fields as ORION_<KEY>: `journalctl ORION_REQUEST_ID=r1`.
 */

#include <stdbool.h>

#include "common/span.h"

#include "log_line.h"

#define LOG_JOURNAL_SOCKET "/run/systemd/journal/socket"

/* Is stderr the stream that systemd has connected to the journal ($JOURNAL_STREAM)? */
bool log_journal_is_stderr(void);

/* Lines go to the socket at `path` from now on; NULL: no longer. False if none can be made. */
bool log_journal_open(const char *path);

enum log_journal_outcome {
    LOG_JOURNAL_SENT = 0,
    LOG_JOURNAL_FULL, /* journald does not keep up: the line is lost, and counted by the caller */
    LOG_JOURNAL_GONE, /* nobody is at the socket (not opened): say it another way */
};

/* Sends a line; never blocks. `self_key` and `self` are a field for lines that lack it ("" = none).
 */
enum log_journal_outcome log_journal_send(int syslog_level, const struct log_line *line,
                                          const char *self_key, const char *self);

#endif
