/* HTTP exchanges with a server in this process (http_server.h). */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "curl_loop.h"
#include "http_call.h"
#include "http_server.h"
#include "test.h"
#include "test_wait.h"

/* --- one exchange ------------------------------------------------------------------------------
 */

struct world {
    struct event_base *base;
    struct curl_loop *curl;
    struct server server;
};

struct exchange {
    struct world *world;
    struct http_call *call;
    struct exchange *next; /* started inside the first on_data() */
    bool cancels_on_data;
    unsigned dones, pieces, pieces_after_cancel;
    bool cancelled;
    enum http_result result;
    int status, status_in_data;
    char text[256], why[256];
    size_t len;
};

static int world_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    assert_non_null(world);
    world->base = event_base_new();
    world->curl = curl_loop_new(world->base);
    server_up(&world->server, world->base);
    *state = world;
    return 0;
}

static bool everybody_is_gone(void *arg)
{
    const struct server *server = arg;

    return server->gone >= server->accepts;
}

static int world_down(void **state)
{
    struct world *world = *state;

    curl_loop_free(world->curl);
    (void)wait_until(world->base, everybody_is_gone, &world->server, 50);
    evconnlistener_free(world->server.listener);
    event_base_free(world->base);
    free(world);
    return 0;
}

static void on_data(struct span bytes, void *arg);

static void on_done(const struct http_outcome *outcome, void *arg)
{
    struct exchange *exchange = arg;

    exchange->dones++;
    exchange->result = outcome->result;
    exchange->status = outcome->status;
    (void)snprintf(exchange->why, sizeof exchange->why, "%s", outcome->why);
}

static void begin(struct exchange *exchange, struct world *world, const char *path,
                  struct span body, int64_t timeout_ms)
{
    char url[128];

    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u%s", world->server.port, path);
    exchange->world = world;
    exchange->call = http_call_start(world->curl, &(struct http_request){
                                                      .method = body.ptr ? HTTP_POST : HTTP_GET,
                                                      .url = url,
                                                      .body = body,
                                                      .total_timeout_ms = timeout_ms,
                                                      .on_data = on_data,
                                                      .on_done = on_done,
                                                      .arg = exchange,
                                                  });
    assert_int_equal(exchange->dones, 0);
}

static void on_data(struct span bytes, void *arg)
{
    struct exchange *exchange = arg;

    if (exchange->cancelled)
        exchange->pieces_after_cancel++;
    exchange->status_in_data = http_call_status(exchange->call);
    for (size_t i = 0; i < bytes.len && exchange->len + i + 1 < sizeof exchange->text; i++)
        exchange->text[exchange->len + i] = bytes.ptr[i];
    exchange->len += bytes.len;
    if (exchange->pieces++ == 0 && exchange->next)
        begin(exchange->next, exchange->world, "/echo", span_str("second"), 0);
    if (exchange->cancels_on_data) {
        exchange->cancelled = true;
        http_call_cancel(exchange->call);
    }
}

static bool is_done(void *arg)
{
    return ((const struct exchange *)arg)->dones > 0;
}

static bool has_data(void *arg)
{
    return ((const struct exchange *)arg)->pieces > 2;
}

static void finish(struct exchange *exchange)
{
    assert_true(wait_until(exchange->world->base, is_done, exchange, 60000));
    assert_int_equal(exchange->dones, 1);
}

static struct exchange exchange_at(struct world *world, const char *path, struct span body)
{
    struct exchange exchange = {0};

    begin(&exchange, world, path, body, 0);
    finish(&exchange);
    return exchange;
}

/* --- tests -------------------------------------------------------------------------------------
 */

static void test_a_connection_is_used_again(void **state)
{
    struct world *world = *state;

    for (int i = 0; i < 5; i++) {
        struct exchange got = exchange_at(world, "/echo", span_str("{\"n\":1}"));
        assert_int_equal(got.result, HTTP_OK_COMPLETE);
        assert_int_equal(got.status, 200);
        assert_int_equal(got.status_in_data, 200);
        assert_string_equal(got.text, "{\"n\":1}");
        assert_string_equal(got.why, "");
    }
    assert_int_equal(world->server.requests, 5);
    assert_int_equal(world->server.accepts, 1);
    assert_non_null(strstr(world->server.head, "POST /echo HTTP/1.1"));
    assert_non_null(strstr(world->server.head, "Content-Type: application/json"));
}

/* As many as a worker can have slots: each batch finds the connections of the one before. */
static void test_the_connections_of_many_slots_are_used_again(void **state)
{
    enum { SLOTS = 64 };
    static struct exchange exchanges[SLOTS];
    struct world *world = *state;

    for (int batch = 0; batch < 3; batch++) {
        for (int i = 0; i < SLOTS; i++) {
            exchanges[i] = (struct exchange){0};
            begin(&exchanges[i], world, "/echo", span_str("{}"), 0);
        }
        for (int i = 0; i < SLOTS; i++) {
            finish(&exchanges[i]);
            assert_int_equal(exchanges[i].result, HTTP_OK_COMPLETE);
        }
    }
    assert_int_equal(world->server.requests, 3 * SLOTS);
    assert_int_equal(world->server.accepts, SLOTS);
}

static void test_get_has_no_body_and_an_error_status_is_a_whole_answer(void **state)
{
    struct exchange got = exchange_at(*state, "/busy", (struct span){NULL, 0});
    const struct world *world = *state;

    assert_int_equal(got.result, HTTP_OK_COMPLETE);
    assert_int_equal(got.status, 503);
    assert_int_equal(got.status_in_data, 503);
    assert_string_equal(got.text, "{\"error\":\"busy\"}");
    assert_non_null(strstr(world->server.head, "GET /busy"));
    assert_null(strstr(world->server.head, "Content-Length"));
}

static void test_an_answer_in_single_bytes_is_put_together(void **state)
{
    struct exchange got = exchange_at(*state, "/split", span_str("{}"));

    assert_int_equal(got.result, HTTP_OK_COMPLETE);
    assert_string_equal(got.text, "{\"a\":1}\n");
    assert_true(got.pieces > 1);
}

static void test_a_body_of_64_mib_goes_out_and_comes_back(void **state)
{
    char *big = malloc(HTTP_BODY_MAX_BYTES);

    assert_non_null(big);
    memset(big, 'x', HTTP_BODY_MAX_BYTES);
    struct exchange got = exchange_at(*state, "/echo", (struct span){big, HTTP_BODY_MAX_BYTES});
    assert_int_equal(got.result, HTTP_OK_COMPLETE);
    assert_int_equal(got.len, HTTP_BODY_MAX_BYTES);
    assert_null(strstr(((const struct world *)*state)->server.head, "Expect")); /* curl's wish */
    free(big);
}

static void test_every_way_of_failing_has_its_name(void **state)
{
    static const struct {
        const char *path;
        enum http_result result;
        int status;
        const char *text;
    } rows[] = {
        {"/cut", HTTP_CUT, 200, "0123456789"},
        {"/reset", HTTP_CUT, 200, "0123456789"},
        {"/nothing", HTTP_CUT, 0, ""},
        {"/garbage", HTTP_CUT, 0, ""},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct exchange got = exchange_at(*state, rows[i].path, span_str("{}"));
        if (got.result != rows[i].result)
            fail_msg("%s: %s (%s)", rows[i].path, http_result_name(got.result), got.why);
        assert_int_equal(got.status, rows[i].status);
        assert_string_equal(got.text, rows[i].text);
        assert_true(got.why[0] != '\0');
    }
}

static void test_a_body_that_is_not_taken_is_a_failure_to_send(void **state)
{
    size_t len = (size_t)16 << 20;
    char *big = calloc(1, len);

    assert_non_null(big);
    struct exchange got = exchange_at(*state, "/deaf", (struct span){big, len});
    assert_int_equal(got.result, HTTP_SEND_FAILED);
    free(big);
}

static void check_url(struct world *world, const char *url)
{
    struct exchange exchange = {.world = world};

    exchange.call = http_call_start(world->curl, &(struct http_request){
                                                     .method = HTTP_GET,
                                                     .url = url,
                                                     .on_data = on_data,
                                                     .on_done = on_done,
                                                     .arg = &exchange,
                                                 });
    finish(&exchange);
    if (exchange.result != HTTP_CONNECT_FAILED)
        fail_msg("%s: %s (%s)", url, http_result_name(exchange.result), exchange.why);
    assert_int_equal(exchange.status, 0);
}

static void test_what_cannot_be_connected_to_is_told(void **state)
{
    struct world *world = *state;
    char url[64];

    struct server closed;
    server_up(&closed, world->base);
    evconnlistener_free(closed.listener);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/", closed.port);
    check_url(world, url);
    check_url(world, "http://[");
    check_url(world, "file:///etc/hostname");
    assert_int_equal(world->server.accepts, 0);
}

static void test_the_total_time_is_limited(void **state)
{
    struct exchange exchange = {0};

    begin(&exchange, *state, "/hang", span_str("{}"), 100);
    finish(&exchange);
    assert_int_equal(exchange.result, HTTP_TIMED_OUT);
}

static bool server_has_a_request(void *arg)
{
    return ((const struct server *)arg)->requests > 0;
}

static bool server_lost_a_client(void *arg)
{
    return ((const struct server *)arg)->gone > 0;
}

static void test_cancelling_a_hanging_call_closes_its_connection_at_once(void **state)
{
    struct world *world = *state;
    struct exchange exchange = {0};

    begin(&exchange, world, "/hang", span_str("{}"), 0);
    assert_true(wait_until(world->base, server_has_a_request, &world->server, 2000));
    http_call_cancel(exchange.call);
    http_call_cancel(exchange.call);
    assert_int_equal(exchange.dones, 0);
    finish(&exchange);
    assert_int_equal(exchange.result, HTTP_ABORTED);
    assert_true(wait_until(world->base, server_lost_a_client, &world->server, 1000));
}

static void test_cancelling_between_two_pieces_stops_the_pieces(void **state)
{
    struct world *world = *state;
    struct exchange exchange = {0};

    begin(&exchange, world, "/dribble", span_str("{}"), 0);
    assert_true(wait_until(world->base, has_data, &exchange, 2000));
    exchange.cancelled = true;
    http_call_cancel(exchange.call);
    finish(&exchange);
    assert_int_equal(exchange.result, HTTP_ABORTED);
    assert_int_equal(exchange.pieces_after_cancel, 0);
    assert_true(wait_until(world->base, server_lost_a_client, &world->server, 1000));
}

static void test_cancelling_inside_on_data_is_allowed(void **state)
{
    struct world *world = *state;
    struct exchange exchange = {.cancels_on_data = true};

    begin(&exchange, world, "/dribble", span_str("{}"), 0);
    finish(&exchange);
    assert_int_equal(exchange.result, HTTP_ABORTED);
    assert_int_equal(exchange.pieces, 1);
    assert_true(wait_until(world->base, server_lost_a_client, &world->server, 1000));
}

/* Waits for as long as several pieces of /dribble take. */
static void let_pieces_come(struct world *world)
{
    struct exchange exchange = {0};

    begin(&exchange, world, "/hang", span_str("{}"), 60);
    finish(&exchange);
    assert_int_equal(exchange.result, HTTP_TIMED_OUT);
}

static void test_a_paced_call_is_read_only_when_it_is_asked_for(void **state)
{
    struct world *world = *state;
    struct exchange exchange = {0};

    begin(&exchange, world, "/dribble", span_str("{}"), 0);
    assert_false(http_call_pace(exchange.call, true)); /* it has no socket yet */
    assert_true(wait_until(world->base, has_data, &exchange, 2000));
    assert_true(http_call_pace(exchange.call, true));
    unsigned pieces = exchange.pieces;
    let_pieces_come(world);
    assert_int_equal(exchange.pieces, pieces);
    curl_loop_read_paced(world->curl);
    assert_true(exchange.pieces > pieces);

    assert_false(http_call_pace(exchange.call, false));
    pieces = exchange.pieces;
    let_pieces_come(world);
    assert_true(exchange.pieces > pieces);
    http_call_cancel(exchange.call);
    finish(&exchange);
}

static void test_a_paced_call_is_cancelled_at_once(void **state)
{
    struct world *world = *state;
    struct exchange exchange = {0};

    begin(&exchange, world, "/dribble", span_str("{}"), 0);
    assert_true(wait_until(world->base, has_data, &exchange, 2000));
    assert_true(http_call_pace(exchange.call, true));
    http_call_cancel(exchange.call);
    assert_false(http_call_pace(exchange.call, true));
    finish(&exchange);
    assert_int_equal(exchange.result, HTTP_ABORTED);
    assert_true(wait_until(world->base, server_lost_a_client, &world->server, 1000));
    curl_loop_read_paced(world->curl); /* there is nobody */
}

static void test_a_paced_call_that_cancels_inside_on_data_gets_no_more(void **state)
{
    struct world *world = *state;
    struct exchange exchange = {0};

    begin(&exchange, world, "/dribble", span_str("{}"), 0);
    assert_true(wait_until(world->base, has_data, &exchange, 2000));
    assert_true(http_call_pace(exchange.call, true));
    let_pieces_come(world);
    exchange.cancels_on_data = true;
    curl_loop_read_paced(world->curl);
    finish(&exchange);
    assert_int_equal(exchange.result, HTTP_ABORTED);
    assert_int_equal(exchange.pieces_after_cancel, 0);
}

static void test_starting_a_call_inside_on_data_of_another_is_allowed(void **state)
{
    struct world *world = *state;
    struct exchange second = {0}, first = {.next = &second};

    begin(&first, world, "/dribble", span_str("{}"), 0);
    assert_true(wait_until(world->base, is_done, &second, 2000));
    assert_int_equal(second.result, HTTP_OK_COMPLETE);
    assert_string_equal(second.text, "second");
    http_call_cancel(first.call);
    finish(&first);
}

static void test_a_call_cancelled_before_it_began_ends_too(void **state)
{
    struct world *world = *state;
    struct exchange exchange = {0};

    begin(&exchange, world, "/echo", span_str("{}"), 0);
    http_call_cancel(exchange.call);
    finish(&exchange);
    assert_int_equal(exchange.result, HTTP_ABORTED);
    assert_int_equal(world->server.requests, 0);
}

static void test_freeing_the_loop_ends_all_calls(void **state)
{
    struct world *world = *state;
    struct exchange running = {0}, cancelled = {0}, fresh = {0};

    begin(&running, world, "/hang", span_str("{}"), 0);
    begin(&cancelled, world, "/hang", span_str("{}"), 0);
    assert_true(wait_until(world->base, server_has_a_request, &world->server, 2000));
    begin(&fresh, world, "/hang", span_str("{}"), 0);
    http_call_cancel(cancelled.call);
    curl_loop_free(world->curl);
    assert_int_equal(running.dones + cancelled.dones + fresh.dones, 3);
    assert_int_equal(running.result, HTTP_ABORTED);
    world->curl = NULL;
}

static void test_a_request_that_is_begun_is_on_its_way_before_the_loop_goes_on(void **state)
{
    struct world *world = *state;
    struct exchange exchange = {0};

    (void)exchange_at(world, "/echo", span_str("first"));
    begin(&exchange, world, "/echo", span_str("second"), 0);
    curl_loop_begin(world->curl);
    assert_int_equal(world->server.requests, 1); /* it lies in the server's socket */
    (void)event_base_loop(world->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    assert_int_equal(world->server.requests, 2);
    finish(&exchange);
}

static bool server_has_two_requests(void *arg)
{
    return ((const struct server *)arg)->requests > 1;
}

static void test_an_answer_that_is_held_is_read_when_it_is_released(void **state)
{
    struct world *world = *state;
    struct exchange held = {0}, hangs = {0};

    (void)exchange_at(world, "/echo", span_str("first")); /* the connection is there now */
    curl_loop_hold(world->curl);
    begin(&held, world, "/echo", span_str("held"), 0);
    begin(&hangs, world, "/hang", span_str("hangs"), 2000);
    assert_false(wait_until(world->base, is_done, &held, 200));
    assert_int_equal(world->server.requests, 3); /* they were sent, and one was answered */

    curl_loop_release(world->curl);
    assert_true(is_done(&held)); /* what had come is read at once */
    finish(&held);
    assert_string_equal(held.text, "held");
    curl_loop_release(world->curl); /* does nothing */
    (void)exchange_at(world, "/echo", span_str("afterwards"));
    assert_false(is_done(&hangs));
    http_call_cancel(hangs.call);
    finish(&hangs);
}

/* Not yet answered when it is released: it is waited for as always. */
static void test_an_answer_that_comes_after_the_release_is_read_when_it_comes(void **state)
{
    struct world *world = *state;
    struct exchange dribbles = {0};

    (void)exchange_at(world, "/echo", span_str("first"));
    curl_loop_hold(world->curl);
    begin(&dribbles, world, "/dribble", span_str("{}"), 0);
    assert_true(wait_until(world->base, server_has_two_requests, &world->server, 2000));
    curl_loop_release(world->curl);
    assert_true(wait_until(world->base, has_data, &dribbles, 2000));
    http_call_cancel(dribbles.call);
    finish(&dribbles);
}

static void test_a_transfer_that_is_held_can_be_cancelled_and_times_out(void **state)
{
    struct world *world = *state;
    struct exchange late = {0}, cancelled = {0};

    (void)exchange_at(world, "/echo", span_str("first"));
    curl_loop_hold(world->curl);
    begin(&late, world, "/echo", span_str("late"), 200);
    finish(&late);
    assert_int_equal(late.result, HTTP_TIMED_OUT);
    begin(&cancelled, world, "/echo", span_str("cancelled"), 0);
    assert_false(wait_until(world->base, is_done, &cancelled, 100));
    http_call_cancel(cancelled.call);
    finish(&cancelled);
    curl_loop_release(world->curl);
    (void)exchange_at(world, "/echo", span_str("afterwards"));
}

#define HTTP_TEST(name) cmocka_unit_test_setup_teardown(name, world_up, world_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTP_TEST(test_a_connection_is_used_again),
        HTTP_TEST(test_the_connections_of_many_slots_are_used_again),
        HTTP_TEST(test_get_has_no_body_and_an_error_status_is_a_whole_answer),
        HTTP_TEST(test_an_answer_in_single_bytes_is_put_together),
        HTTP_TEST(test_a_body_of_64_mib_goes_out_and_comes_back),
        HTTP_TEST(test_every_way_of_failing_has_its_name),
        HTTP_TEST(test_a_body_that_is_not_taken_is_a_failure_to_send),
        HTTP_TEST(test_what_cannot_be_connected_to_is_told),
        HTTP_TEST(test_the_total_time_is_limited),
        HTTP_TEST(test_cancelling_a_hanging_call_closes_its_connection_at_once),
        HTTP_TEST(test_cancelling_between_two_pieces_stops_the_pieces),
        HTTP_TEST(test_cancelling_inside_on_data_is_allowed),
        HTTP_TEST(test_a_paced_call_is_read_only_when_it_is_asked_for),
        HTTP_TEST(test_a_paced_call_is_cancelled_at_once),
        HTTP_TEST(test_a_paced_call_that_cancels_inside_on_data_gets_no_more),
        HTTP_TEST(test_starting_a_call_inside_on_data_of_another_is_allowed),
        HTTP_TEST(test_a_call_cancelled_before_it_began_ends_too),
        HTTP_TEST(test_a_request_that_is_begun_is_on_its_way_before_the_loop_goes_on),
        HTTP_TEST(test_an_answer_that_is_held_is_read_when_it_is_released),
        HTTP_TEST(test_an_answer_that_comes_after_the_release_is_read_when_it_comes),
        HTTP_TEST(test_a_transfer_that_is_held_can_be_cancelled_and_times_out),
        HTTP_TEST(test_freeing_the_loop_ends_all_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
