#ifndef ROUTER_HTTP_H
#define ROUTER_HTTP_H

/*
 * The router's HTTP server: /metrics, /healthz, /readyz. libmicrohttpd without threads, driven by
 * the router's own event loop through the epoll descriptor that it lends.
 *
 * Nobody can make it grow or stand still: at most HTTP_CONNECTIONS_MAX connections, of one address
 * HTTP_PER_ADDRESS_MAX, each with HTTP_MEMORY_BYTES for its request and HTTP_LIFETIME_MS to be
 * served, after which it is cut, however busy it looks; one request per connection; GET and HEAD
 * only; a page of at most HTTP_PAGE_MAX.
 *
 * Nor can anybody keep others out: when one more would find no room, those that are older than
 * HTTP_CROWDED_MS go. Whoever asks and reads is done in milliseconds.
 *
 * A port that is in use, or an address that this machine does not have, is logged and tried again
 * every HTTP_RETRY_MS: routing goes on.
 *
 * (Why not libevent's evhttp: no limit on connections, headers that never end are never cut off,
 * and it takes two different Content-Length headers.)
 */

#include <stddef.h>

struct http;
struct router;

#define HTTP_CONNECTIONS_MAX 16
#define HTTP_PER_ADDRESS_MAX 8
#define HTTP_MEMORY_BYTES    ((size_t)16 * 1024)
#define HTTP_LIFETIME_MS     10000
#define HTTP_CROWDED_MS      1000
#define HTTP_RETRY_MS        10000
#define HTTP_PAGE_MAX        ((size_t)8 << 20)

/* Begins to listen where the setting http_listen says; NULL if that is empty. `router` is borrowed.
 */
struct http *http_new(struct router *router);
void http_free(struct http *http);

#endif
