#include "common/node_id.h"

#include <assert.h>
#include <errno.h>

#include "common/err.h"

bool node_id_byte_valid(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' || byte == '-';
}

bool node_id_valid(struct span id)
{
    if (id.len == 0 || id.len > NODE_ID_MAX)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        if (!node_id_byte_valid(id.ptr[i]))
            return false;
    }
    return true;
}

int node_id_check(const char *text, struct err *err)
{
    if (text[0] == '\0' || node_id_valid(span_str(text)))
        return 0;
    return err_set(err, -EINVAL,
                   "must be 1 to 64 of A-Z a-z 0-9 . _ -, or empty for the host name");
}

void node_id_from_host(const char *host, char *buf, size_t cap)
{
    assert(cap > NODE_ID_MAX);
    (void)span_copy(span_str(host[0] ? host : "node"), buf, NODE_ID_MAX + 1);
    for (char *c = buf; *c; c++) {
        if (!node_id_byte_valid(*c))
            *c = '-';
    }
}
