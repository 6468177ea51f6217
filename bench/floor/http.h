#ifndef BENCH_HTTP_H
#define BENCH_HTTP_H

/*
 * The HTTP exchange with Ollama as the floor programs need it: the request a worker sends, the
 * answer collected and not looked at, connections kept.
 */

#include <curl/curl.h>
#include <stddef.h>

#define HTTP_ANSWER_MAX 65536

struct http_answer {
    char bytes[HTTP_ANSWER_MAX];
    size_t len;
};

static inline size_t http_collect(char *data, size_t size, size_t n, void *arg)
{
    struct http_answer *answer = arg;
    size_t len = size * n;

    for (size_t i = 0; i < len && answer->len < HTTP_ANSWER_MAX; i++)
        answer->bytes[answer->len++] = data[i];
    return len;
}

#define HTTP_BODY                                                                                  \
    "{\"model\":\"gemma3:1b\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":"       \
    "\"Why is the sky blue?\"}]}"

/* A handle that posts a streaming chat to `url` and collects into `answer`. */
static inline CURL *http_handle(const char *url, struct http_answer *answer)
{
    static struct curl_slist *headers;
    CURL *curl = curl_easy_init();

    if (!headers)
        headers = curl_slist_append(NULL, "Content-Type: application/json");
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, HTTP_BODY);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, http_collect);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    (void)curl_easy_setopt(curl, CURLOPT_PRIVATE, answer);
    return curl;
}

#endif
