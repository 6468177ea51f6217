#ifndef WORKER_CURL_LOOP_H
#define WORKER_CURL_LOOP_H

/*
 * libcurl's multi interface on the libevent loop. Connections are kept and reused by the multi
 * handle. Everything runs from the event loop; nothing blocks. Most callers want http_call.h.
 */

#include <curl/curl.h>
#include <stdbool.h>

struct event_base;
struct curl_loop;

/* `result` as curl_easy_perform() would return it. The easy handle has been removed from the loop
 * and may be reused, cleaned up or added again here. */
typedef void curl_loop_done(CURLcode result, void *arg);

/* Stops the process if libcurl cannot be set up (no memory, no descriptors). */
struct curl_loop *curl_loop_new(struct event_base *base);

/* Ends what still runs: each on_done() is called with CURLE_ABORTED_BY_CALLBACK. Closes all
 * connections. Not from inside a callback of this loop. NULL is fine. */
void curl_loop_free(struct curl_loop *loop);

/* Starts the transfer. `easy` is borrowed until on_done() or curl_loop_remove(); its
 * CURLOPT_PRIVATE belongs to the loop. on_done() is called once, from the event loop, never inside
 * this function. May be called from anywhere, a write callback included. */
void curl_loop_add(struct curl_loop *loop, CURL *easy, curl_loop_done *on_done, void *arg);

/* Does now what transfers that were just added wait for: over a connection that is there the
 * request is sent when this returns. Any callback may come. Nothing inside a callback of curl. */
void curl_loop_begin(struct curl_loop *loop);

/* A transfer that could not even be set up: on_done() comes with `result`, from the event loop. */
void curl_loop_fail(struct curl_loop *loop, curl_loop_done *on_done, void *arg, CURLcode result);

/*
 * A paced transfer wakes nobody when something has come on its socket: curl_loop_read_paced() looks
 * at all of them at once. Aborting it works at once as ever; that the server has closed the
 * connection is seen with the next look.
 *
 * Returns whether it is paced now: nothing changes while it has no socket or writes to it. Not
 * inside a callback of curl, nor after on_done().
 */
bool curl_loop_pace(struct curl_loop *loop, CURL *easy, bool is_paced);

/* Reads all that has come on paced transfers, but at most CURL_LOOP_LOOKS reads of each: a server
 * that never stops must not hold up everything else. Costs nothing if none is paced. */
void curl_loop_read_paced(struct curl_loop *loop);

#define CURL_LOOP_LOOKS 16

/* Ends a transfer: its connection is closed before this returns (inside a callback of curl, which
 * allows no removal then: right after it, and no write callback may be relied on to stop before).
 * on_done() comes with `result`, from the event loop. From its own write callback one may also
 * return 0: on_done() then comes with CURLE_WRITE_ERROR. The first call counts; not after
 * on_done(). */
void curl_loop_abort(struct curl_loop *loop, CURL *easy, CURLcode result);

/* Between the two the answers to transfers that are started, and of connections that are watched
 * anew, wake nobody: what has come is read by curl_loop_release(). Time-outs go on. Neither inside
 * a callback of curl. */
void curl_loop_hold(struct curl_loop *loop);
void curl_loop_release(struct curl_loop *loop);

#endif
