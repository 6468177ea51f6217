#include "log_journal.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log_catalog.h"

#define FIELD_NAME_MAX 64 /* of the journal */
#define FIELD_OVERHEAD (FIELD_NAME_MAX + 16)
#define DATAGRAM_MAX   (LOG_TEXT_MAX + LOG_VALUES_MAX + (LOG_FIELDS_MAX + 8) * FIELD_OVERHEAD)

static struct {
    int fd;
    struct sockaddr_un address;
} journal = {.fd = -1};

struct datagram {
    char bytes[DATAGRAM_MAX];
    size_t len;
};

bool log_journal_is_stderr(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char found[64];
    struct stat st;

    if (!stream || fstat(STDERR_FILENO, &st) < 0)
        return false;
    (void)snprintf(found, sizeof found, "%llu:%llu", (unsigned long long)st.st_dev,
                   (unsigned long long)st.st_ino);
    return strcmp(stream, found) == 0;
}

bool log_journal_open(const char *path)
{
    if (journal.fd >= 0)
        (void)close(journal.fd);
    journal.fd = -1;
    if (!path || strlen(path) >= sizeof journal.address.sun_path)
        return false;
    journal.address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(journal.address.sun_path, path, strlen(path));
    journal.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return journal.fd >= 0;
}

static void put(struct datagram *datagram, const char *bytes, size_t len)
{
    if (len > sizeof datagram->bytes - datagram->len)
        return; /* cannot happen: DATAGRAM_MAX is the sum of all limits */
    memcpy(datagram->bytes + datagram->len, bytes, len);
    datagram->len += len;
}

/* "NAME=value\n"; a value with line breaks as "NAME\n", its length in 8 bytes, value, "\n". */
static void put_field(struct datagram *datagram, const char *name, size_t name_len,
                      struct span value)
{
    unsigned char size[8];

    put(datagram, name, name_len);
    if (!value.len || !memchr(value.ptr, '\n', value.len)) {
        put(datagram, "=", 1);
    } else {
        for (size_t i = 0; i < sizeof size; i++)
            size[i] = (unsigned char)((uint64_t)value.len >> (8 * i));
        put(datagram, "\n", 1);
        put(datagram, (const char *)size, sizeof size);
    }
    put(datagram, value.ptr, value.len);
    put(datagram, "\n", 1);
}

static void put_text(struct datagram *datagram, const char *name, const char *value)
{
    put_field(datagram, name, strlen(name), span_str(value));
}

/* ORION_ and the key in capitals. */
static void put_key(struct datagram *datagram, struct span key, struct span value)
{
    char name[FIELD_NAME_MAX] = "ORION_";
    size_t len = strlen(name);

    for (size_t i = 0; i < key.len && len < sizeof name; i++) {
        const char *lower = "abcdefghijklmnopqrstuvwxyz", *at = strchr(lower, key.ptr[i]);

        name[len] = key.ptr[i];
        if (at && *at)
            name[len] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[at - lower];
        len++;
    }
    put_field(datagram, name, len, value);
}

static bool has_key(const struct log_line *line, const char *key)
{
    for (size_t i = 0; i < line->n; i++) {
        if (span_is(line->fields[i].key, key))
            return true;
    }
    return false;
}

enum log_journal_outcome log_journal_send(int syslog_level, const struct log_line *line,
                                          const char *self_key, const char *self)
{
    static struct datagram datagram;
    const char *id = line->n > 0 ? log_catalog_id(line->fields[0].value) : NULL;
    char priority[8];

    if (journal.fd < 0)
        return LOG_JOURNAL_GONE;
    (void)snprintf(priority, sizeof priority, "%d", syslog_level);
    datagram.len = 0;
    put_field(&datagram, "MESSAGE", 7, (struct span){line->text, line->len});
    put_text(&datagram, "PRIORITY", priority);
    put_text(&datagram, "SYSLOG_IDENTIFIER", program_invocation_short_name);
    put_text(&datagram, "SYSLOG_FACILITY", "3"); /* daemon, RFC 5424 section 6.2.1 */
    if (id)
        put_text(&datagram, "MESSAGE_ID", id);
    for (size_t i = 0; i < line->n; i++)
        put_key(&datagram, line->fields[i].key, line->fields[i].value);
    if (self_key[0] && !has_key(line, self_key))
        put_key(&datagram, span_str(self_key), span_str(self));

    ssize_t sent = sendto(journal.fd, datagram.bytes, datagram.len, MSG_DONTWAIT | MSG_NOSIGNAL,
                          (const struct sockaddr *)&journal.address, sizeof journal.address);
    if (sent >= 0)
        return LOG_JOURNAL_SENT;
    return errno == EAGAIN || errno == ENOBUFS ? LOG_JOURNAL_FULL : LOG_JOURNAL_GONE;
}
