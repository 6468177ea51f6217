#include "curl_loop.h"

#include <assert.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/log.h"
#include "common/loop.h"

#define IDLE_CONNECTIONS_MAX 64L /* kept for reuse: one for each slot that a worker may have */

enum transfer_state {
    TRANSFER_WAITING = 0, /* added inside curl, which takes it when it has returned */
    TRANSFER_RUNNING,     /* curl has it */
    TRANSFER_ENDING,      /* aborted inside curl, which still has it */
    TRANSFER_ENDED,       /* aborted; on_done() is due */
};

struct transfer {
    CURL *easy;
    curl_loop_done *on_done;
    void *arg;
    enum transfer_state state;
    CURLcode result;     /* for on_done(), once aborted */
    struct event *watch; /* of its socket; NULL: none */
    bool is_paced;
    struct transfer *next;
};

struct curl_loop {
    struct event_base *base;
    struct event_base *paced; /* watches paced sockets; is asked, never waited for */
    unsigned handled;         /* sockets at which something had come */
    CURLM *multi;
    struct event *timer; /* curl's */
    struct event *sweep; /* something was aborted */
    struct transfer *first;
    bool is_held, inside;
};

static void run_curl(struct curl_loop *loop, curl_socket_t fd, int mask);

/* --- what curl asks of the event loop --------------------------------------------------------- */

static void on_socket_event(evutil_socket_t fd, short what, void *arg)
{
    int mask = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
    struct curl_loop *loop = arg;

    loop->handled++;
    run_curl(loop, fd, mask);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    run_curl(arg, CURL_SOCKET_TIMEOUT, 0);
}

/* A socket that is not watched would leave its transfer hanging, and libcurl, once told of a
 * failure here, never works again. */
static struct event *watch(struct curl_loop *loop, struct event_base *base, curl_socket_t fd,
                           short what)
{
    struct event *event = event_new(base, fd, what, on_socket_event, loop);

    if (!event && alloc_reserve_lend())
        event = event_new(base, fd, what, on_socket_event, loop);
    if (!event)
        alloc_give_up("libevent");
    if (event_add(event, NULL) != 0 && (!alloc_reserve_lend() || event_add(event, NULL) != 0))
        alloc_give_up("libevent");
    alloc_reserve_fill(); /* as xcalloc() does: the next tick may be far */
    return event;
}

/* NULL for a handle that curl uses by itself. */
static struct transfer *transfer_of(CURL *easy)
{
    struct transfer *transfer = NULL;

    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    return transfer;
}

static void unwatch(struct curl_loop *loop, struct event *event)
{
    for (struct transfer *each = loop->first; each; each = each->next) {
        if (each->watch == event)
            each->watch = NULL;
    }
    event_free(event);
}

/* Only reading is paced or held. */
static struct event_base *base_for(const struct curl_loop *loop, const struct transfer *transfer,
                                   short what)
{
    bool is_quiet = transfer && (transfer->is_paced || loop->is_held);

    return is_quiet && !(what & EV_WRITE) ? loop->paced : loop->base;
}

/* CURLMOPT_SOCKETFUNCTION: `assigned` is our event for this socket, or NULL. */
static int watch_socket(CURL *easy, curl_socket_t fd, int wanted, void *arg, void *assigned)
{
    struct curl_loop *loop = arg;
    struct transfer *transfer = transfer_of(easy);
    struct event *event = NULL;
    short what = EV_PERSIST;

    if (assigned)
        unwatch(loop, assigned);
    if (wanted & CURL_POLL_IN)
        what |= EV_READ;
    if (wanted & CURL_POLL_OUT)
        what |= EV_WRITE;
    if (wanted != CURL_POLL_REMOVE)
        event = watch(loop, base_for(loop, transfer, what), fd, what);
    if (transfer && event)
        transfer->watch = event;
    (void)curl_multi_assign(loop->multi, fd, event);
    return 0;
}

/* CURLMOPT_TIMERFUNCTION: -1 means no timer. */
static int set_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct curl_loop *loop = arg;
    const struct timeval tv = loop_tv(timeout_ms > 0 ? timeout_ms : 0);

    (void)multi;
    if (timeout_ms < 0) {
        (void)event_del(loop->timer);
    } else {
        (void)event_add(loop->timer, &tv);
    }
    return 0;
}

/* --- transfers -------------------------------------------------------------------------------- */

static void transfer_join(struct curl_loop *loop, struct transfer *transfer)
{
    if (curl_multi_add_handle(loop->multi, transfer->easy) == CURLM_OK) {
        transfer->state = TRANSFER_RUNNING;
        event_active(loop->timer, EV_TIMEOUT, 0); /* in this turn of the loop, not in the next */
        return;
    }
    transfer->result = CURLE_OUT_OF_MEMORY;
    transfer->state = TRANSFER_ENDED;
    event_active(loop->sweep, 0, 0);
}

static bool is_in_curl(const struct transfer *transfer)
{
    return transfer->state == TRANSFER_RUNNING || transfer->state == TRANSFER_ENDING;
}

static void unlist(struct curl_loop *loop, const struct transfer *transfer)
{
    struct transfer **link = &loop->first;

    while (*link != transfer) {
        assert(*link);
        link = &(*link)->next;
    }
    *link = transfer->next;
}

/* Takes the transfer out of curl and out of the list, frees it, and tells its owner. */
static void transfer_finish(struct curl_loop *loop, struct transfer *transfer, CURLcode result)
{
    curl_loop_done *on_done = transfer->on_done;
    void *arg = transfer->arg;

    if (is_in_curl(transfer))
        (void)curl_multi_remove_handle(loop->multi, transfer->easy);
    unlist(loop, transfer);
    free(transfer);
    on_done(result, arg);
}

static struct transfer *find_aborted(const struct curl_loop *loop)
{
    struct transfer *each = loop->first;

    while (each && each->state != TRANSFER_ENDING && each->state != TRANSFER_ENDED)
        each = each->next;
    return each;
}

/* What could not be done while curl was running, or in the function that asked for it. */
static void sweep(struct curl_loop *loop)
{
    struct transfer *aborted;

    while ((aborted = find_aborted(loop)) != NULL)
        transfer_finish(loop, aborted, aborted->result);
    for (struct transfer *each = loop->first; each; each = each->next) {
        if (each->state == TRANSFER_WAITING)
            transfer_join(loop, each);
    }
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    sweep(arg);
}

static void multi_set_up(struct curl_loop *loop)
{
    loop->multi = curl_multi_init();
    if (!loop->multi)
        alloc_give_up("libcurl");
    (void)curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    (void)curl_multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop);
    (void)curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    (void)curl_multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop);
    (void)curl_multi_setopt(loop->multi, CURLMOPT_MAXCONNECTS, IDLE_CONNECTIONS_MAX);
}

/* libcurl 7.88 that had no memory to note which transfer uses a socket divides by zero when the
 * next one does. So all that it had ends, and a new multi handle knows nothing of it. */
static void multi_renew(struct curl_loop *loop)
{
    for (struct transfer *each = loop->first; each; each = each->next) {
        if (!is_in_curl(each))
            continue;
        (void)curl_multi_remove_handle(loop->multi, each->easy);
        if (each->state == TRANSFER_RUNNING)
            each->result = CURLE_OUT_OF_MEMORY;
        each->state = TRANSFER_ENDED;
    }
    (void)curl_multi_cleanup(loop->multi);
    multi_set_up(loop);
}

static void run_curl(struct curl_loop *loop, curl_socket_t fd, int mask)
{
    const CURLMsg *msg;
    int left;
    CURLMcode rc;

    loop->inside = true;
    rc = curl_multi_socket_action(loop->multi, fd, mask, &left);
    loop->inside = false;

    if (rc == CURLM_OUT_OF_MEMORY)
        multi_renew(loop);
    sweep(loop);
    while ((msg = curl_multi_info_read(loop->multi, &left)) != NULL) {
        if (msg->msg == CURLMSG_DONE)
            transfer_finish(loop, transfer_of(msg->easy_handle), msg->data.result);
    }
}

/* --- for the owner ---------------------------------------------------------------------------- */

struct curl_loop *curl_loop_new(struct event_base *base)
{
    struct curl_loop *loop = xcalloc(1, sizeof *loop);
    CURLcode rc = curl_global_init(CURL_GLOBAL_DEFAULT);

    loop->base = base;
    loop->paced = event_base_new();
    loop->timer = evtimer_new(base, on_timer, loop);
    loop->sweep = evtimer_new(base, on_sweep, loop);
    if (rc != CURLE_OK || !loop->paced || !loop->timer || !loop->sweep) {
        log_err("event=curl_failed why=\"libcurl cannot be set up\"");
        exit(EXIT_FAILURE);
    }
    multi_set_up(loop);
    return loop;
}

void curl_loop_free(struct curl_loop *loop)
{
    if (!loop)
        return;
    assert(!loop->inside);
    while (loop->first)
        transfer_finish(loop, loop->first, CURLE_ABORTED_BY_CALLBACK);
    (void)curl_multi_cleanup(loop->multi);
    event_free(loop->timer);
    event_free(loop->sweep);
    event_base_free(loop->paced);
    free(loop);
    curl_global_cleanup();
}

static struct transfer *transfer_new(struct curl_loop *loop, CURL *easy, curl_loop_done *on_done,
                                     void *arg)
{
    struct transfer *transfer = xcalloc(1, sizeof *transfer);

    *transfer =
        (struct transfer){.easy = easy, .on_done = on_done, .arg = arg, .next = loop->first};
    loop->first = transfer;
    return transfer;
}

void curl_loop_fail(struct curl_loop *loop, curl_loop_done *on_done, void *arg, CURLcode result)
{
    struct transfer *transfer = transfer_new(loop, NULL, on_done, arg);

    transfer->result = result;
    transfer->state = TRANSFER_ENDED;
    event_active(loop->sweep, 0, 0);
}

void curl_loop_add(struct curl_loop *loop, CURL *easy, curl_loop_done *on_done, void *arg)
{
    struct transfer *transfer = transfer_new(loop, easy, on_done, arg);

    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    if (!loop->inside)
        transfer_join(loop, transfer);
}

void curl_loop_begin(struct curl_loop *loop)
{
    if (!loop->inside)
        run_curl(loop, CURL_SOCKET_TIMEOUT, 0);
}

void curl_loop_abort(struct curl_loop *loop, CURL *easy, CURLcode result)
{
    struct transfer *transfer = transfer_of(easy);

    if (transfer->state == TRANSFER_ENDING || transfer->state == TRANSFER_ENDED)
        return;
    transfer->result = result;
    if (!is_in_curl(transfer)) {
        transfer->state = TRANSFER_ENDED;
    } else if (loop->inside) {
        transfer->state = TRANSFER_ENDING;
    } else {
        (void)curl_multi_remove_handle(loop->multi, easy);
        transfer->state = TRANSFER_ENDED;
    }
    event_active(loop->sweep, 0, 0);
}

/* --- pacing ----------------------------------------------------------------------------------- */

static bool is_reading(const struct transfer *transfer)
{
    return transfer->watch && event_get_events(transfer->watch) == (EV_READ | EV_PERSIST);
}

/* On the base that is right for it now. */
static void watch_anew(struct curl_loop *loop, struct transfer *transfer)
{
    const short reading = EV_READ | EV_PERSIST;
    evutil_socket_t fd = event_get_fd(transfer->watch);

    event_free(transfer->watch);
    transfer->watch = watch(loop, base_for(loop, transfer, reading), fd, reading);
    (void)curl_multi_assign(loop->multi, fd, transfer->watch);
}

bool curl_loop_pace(struct curl_loop *loop, CURL *easy, bool is_paced)
{
    struct transfer *transfer = transfer_of(easy);

    assert(!loop->inside);
    if (!is_reading(transfer))
        return transfer->is_paced;
    transfer->is_paced = is_paced;
    watch_anew(loop, transfer);
    return is_paced;
}

void curl_loop_read_paced(struct curl_loop *loop)
{
    unsigned looks = 0;

    if (event_base_get_num_events(loop->paced, EVENT_BASE_COUNT_ADDED) == 0)
        return;
    do {
        loop->handled = 0;
        (void)event_base_loop(loop->paced, EVLOOP_NONBLOCK);
    } while (loop->handled > 0 && ++looks < CURL_LOOP_LOOKS);
}

/* --- holding ---------------------------------------------------------------------------------- */

void curl_loop_hold(struct curl_loop *loop)
{
    loop->is_held = true;
}

void curl_loop_release(struct curl_loop *loop)
{
    if (!loop->is_held)
        return;
    loop->is_held = false;
    curl_loop_read_paced(loop);
    for (struct transfer *each = loop->first; each; each = each->next) {
        if (is_reading(each) && !each->is_paced && event_get_base(each->watch) == loop->paced)
            watch_anew(loop, each);
    }
}
