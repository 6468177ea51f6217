#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "conn.h"
#include "text.h"

/* Copies text[0..len) without blanks at its ends; cut when too long. */
static void copy_trimmed(char *out, size_t size, const char *text, size_t len)
{
    while (len > 0 && (*text == ' ' || *text == '\t')) {
        text++;
        len--;
    }
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t' || text[len - 1] == '\r'))
        len--;
    if (len >= size)
        len = size - 1;
    memcpy(out, text, len);
    out[len] = '\0';
}

static int parse_request_line(const char *line, size_t len, struct http_request *request)
{
    const char *blank = memchr(line, ' ', len);
    if (blank == NULL || blank == line || (size_t)(blank - line) >= sizeof(request->method))
        return 400;
    copy_trimmed(request->method, sizeof(request->method), line, (size_t)(blank - line));
    const char *target = blank + 1;
    size_t left = len - (size_t)(target - line);
    const char *version = memchr(target, ' ', left);
    if (version == NULL)
        return 400;
    size_t target_bytes = (size_t)(version - target);
    const char *query = memchr(target, '?', target_bytes);
    if (query != NULL)
        target_bytes = (size_t)(query - target);
    if (target_bytes >= sizeof(request->path))
        return 414;
    copy_trimmed(request->path, sizeof(request->path), target, target_bytes);
    char protocol[16];
    copy_trimmed(protocol, sizeof(protocol), version + 1, left - (size_t)(version + 1 - target));
    request->http10 = strcmp(protocol, "HTTP/1.0") == 0;
    request->close = request->http10;
    return request->http10 || strcmp(protocol, "HTTP/1.1") == 0 ? 0 : 505;
}

static int apply_header(struct http_request *request, const char *name, const char *value)
{
    if (strcasecmp(name, "Content-Length") == 0)
        return text_integer(value, 0, INT64_MAX, &request->content_length) == 0 ? 0 : 400;
    if (strcasecmp(name, "Transfer-Encoding") == 0) {
        request->chunked = strcasecmp(value, "chunked") == 0;
        return request->chunked ? 0 : 501;
    }
    if (strcasecmp(name, "Connection") == 0) {
        if (strcasecmp(value, "close") == 0)
            request->close = true;
        else if (strcasecmp(value, "keep-alive") == 0)
            request->close = false;
    } else if (strcasecmp(name, "Expect") == 0) {
        request->expects_continue = strcasecmp(value, "100-continue") == 0;
    } else if (strcasecmp(name, "Host") == 0) {
        copy_trimmed(request->host, sizeof(request->host), value, strlen(value));
    } else if (strcasecmp(name, "Origin") == 0) {
        copy_trimmed(request->origin, sizeof(request->origin), value, strlen(value));
    }
    return 0;
}

static int parse_header(const char *line, size_t len, struct http_request *request)
{
    char name[64];
    char value[CONN_HEADER_MAX];
    const char *colon = memchr(line, ':', len);
    if (colon == NULL || colon == line)
        return 400;
    copy_trimmed(name, sizeof(name), line, (size_t)(colon - line));
    copy_trimmed(value, sizeof(value), colon + 1, len - (size_t)(colon + 1 - line));
    return apply_header(request, name, value);
}

int http_parse_head(const char *text, size_t len, struct http_request *ret_request)
{
    struct http_request request = {.content_length = -1};
    const char *line = text;
    for (int number = 0; line < text + len; number++) {
        const char *end = memchr(line, '\n', len - (size_t)(line - text));
        if (end == NULL)
            return 400;
        size_t line_bytes = (size_t)(end - line);
        if (line_bytes == 0 || (line_bytes == 1 && *line == '\r'))
            break;
        int status = number == 0 ? parse_request_line(line, line_bytes, &request)
                                 : parse_header(line, line_bytes, &request);
        if (status != 0)
            return status;
        line = end + 1;
    }
    if (request.method[0] == '\0')
        return 400;
    *ret_request = request;
    return 0;
}
