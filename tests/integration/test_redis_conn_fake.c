/* What a real server is hard to bring to: a listener that answers each command with a given text.
 */

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>

#include "conn_probe.h"

struct fake {
    struct evconnlistener *listener;
    /* The bytes to answer a command with; "" for none; NULL: close after what has been sent. */
    const char *(*answer)(const char *command, unsigned connection);
    unsigned connections;
};

struct fake_client {
    struct fake *fake;
    redisReader *reader; /* a command is an array of strings, which hiredis can read */
    unsigned connection; /* from 1 */
};

static void client_free(struct bufferevent *be, struct fake_client *client)
{
    redisReaderFree(client->reader);
    free(client);
    bufferevent_free(be);
}

static void on_client_event(struct bufferevent *be, short what, void *arg)
{
    (void)what;
    client_free(be, arg);
}

static void on_client_flushed(struct bufferevent *be, void *arg)
{
    client_free(be, arg);
}

static void close_when_flushed(struct bufferevent *be, struct fake_client *client)
{
    if (evbuffer_get_length(bufferevent_get_output(be)) == 0) {
        client_free(be, client);
        return;
    }
    bufferevent_setcb(be, NULL, on_client_flushed, on_client_event, client);
}

static void on_client_bytes(struct bufferevent *be, void *arg)
{
    struct fake_client *client = arg;
    char bytes[4096];
    void *command;
    size_t n;

    while ((n = bufferevent_read(be, bytes, sizeof bytes)) > 0)
        assert_int_equal(redisReaderFeed(client->reader, bytes, n), REDIS_OK);
    while (redisReaderGetReply(client->reader, &command) == REDIS_OK && command) {
        const redisReply *words = command;
        const char *answer = client->fake->answer(words->element[0]->str, client->connection);
        freeReplyObject(command);
        if (!answer) {
            close_when_flushed(be, client);
            return;
        }
        (void)bufferevent_write(be, answer, strlen(answer));
    }
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
                      int from_len, void *arg)
{
    struct fake_client *client = calloc(1, sizeof *client);
    struct fake *fake = arg;
    struct bufferevent *be =
        bufferevent_socket_new(evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);

    (void)from;
    (void)from_len;
    assert_true(client && be);
    *client = (struct fake_client){
        .fake = fake, .reader = redisReaderCreate(), .connection = ++fake->connections};
    bufferevent_setcb(be, on_client_bytes, NULL, on_client_event, client);
    (void)bufferevent_enable(be, EV_READ | EV_WRITE);
}

/* Points the probe at a listener on loopback, and starts it. */
static void fake_start(struct fake *fake, struct probe *probe,
                       const char *(*answer)(const char *command, unsigned connection),
                       int64_t command_timeout_ms)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;

    probe_init(probe, "", command_timeout_ms);
    *fake = (struct fake){.answer = answer};
    fake->listener = evconnlistener_new_bind(probe->base, on_accept, fake, LEV_OPT_CLOSE_ON_FREE,
                                             16, (struct sockaddr *)&at, sizeof at);
    assert_non_null(fake->listener);
    assert_int_equal(
        getsockname(evconnlistener_get_fd(fake->listener), (struct sockaddr *)&at, &len), 0);
    (void)strcpy(probe->url.host, "127.0.0.1");
    probe->url.port = ntohs(at.sin_port);
    redis_conn_start(probe->conn);
}

static bool nothing_lives(void *arg)
{
    (void)arg;
    return false;
}

static void fake_stop(struct fake *fake, struct probe *probe)
{
    redis_conn_stop(probe->conn);
    (void)wait_until(probe->base, nothing_lives, NULL, 20); /* the fake sees its clients go */
    evconnlistener_free(fake->listener);
    probe_done(probe);
}

static const char *healthy(const char *command)
{
    return strcmp(command, "PING") == 0 ? "+PONG\r\n" : "+OK\r\n";
}

static const char *loading_twice(const char *command, unsigned connection)
{
    return connection <= 2 ? "-LOADING Redis is loading the dataset in memory\r\n"
                           : healthy(command);
}

static void test_a_server_that_is_loading_is_tried_again(void **state)
{
    struct probe probe;
    struct fake fake;

    (void)state;
    fake_start(&fake, &probe, loading_twice, 2000);
    probe_wait_ready(&probe);
    assert_int_equal(fake.connections, 3);
    assert_int_equal(probe.ready, 1);
    assert_int_equal(probe.lost, 0);
    fake_stop(&fake, &probe);
}

static const char *readonly_at_first(const char *command, unsigned connection)
{
    if (strcmp(command, "SET") == 0 && connection == 1)
        return "-READONLY You can't write against a read only replica.\r\n";
    return healthy(command);
}

static bool is_ready_twice(void *arg)
{
    return ((struct probe *)arg)->ready == 2;
}

static void test_read_only_is_the_callers_to_mend_by_a_reset(void **state)
{
    struct probe probe;
    struct fake fake;

    (void)state;
    fake_start(&fake, &probe, readonly_at_first, 2000);
    probe_wait_ready(&probe);
    assert_true(probe_send(&probe, "SET", "a", "b"));
    assert_true(wait_until(probe.base, probe_is_answered, &probe, 2000));
    assert_int_equal(probe.errors, 1);
    redis_conn_reset(probe.conn);
    assert_true(wait_until(probe.base, is_ready_twice, &probe, 2000));
    assert_true(probe_send(&probe, "SET", "a", "b"));
    assert_true(wait_until(probe.base, probe_is_answered, &probe, 2000));
    assert_int_equal(probe.answers, 1);
    fake_stop(&fake, &probe);
}

static const char *fault; /* the first connection's answer to GET */

static const char *faulty_get(const char *command, unsigned connection)
{
    if (connection == 1 && strcmp(command, "GET") == 0)
        return fault;
    return connection == 1 && strcmp(command, "QUIT") == 0 ? NULL : healthy(command);
}

static bool is_lost_and_back(void *arg)
{
    const struct probe *probe = arg;

    return probe->lost == 1 && probe->ready == 2;
}

static void check_fault(const char *bytes, unsigned answers, unsigned nulls)
{
    struct probe probe;
    struct fake fake;

    fault = bytes;
    fake_start(&fake, &probe, faulty_get, 300);
    probe_wait_ready(&probe);
    assert_true(probe_send(&probe, "GET", "a", NULL));
    assert_true(probe_send(&probe, "QUIT", NULL, NULL));
    assert_true(wait_until(probe.base, is_lost_and_back, &probe, 3000));
    assert_int_equal(probe.answers, answers);
    assert_int_equal(probe.nulls, nulls);
    fake_stop(&fake, &probe);
}

static void test_garbage_ends_the_connection_and_every_command_hears_of_it(void **state)
{
    (void)state;
    check_fault("SSH-2.0-OpenSSH_9.2\r\n", 0, 2);
    check_fault("$-7\r\n", 0, 2);
    check_fault("*99999999999\r\n", 0, 2);
    check_fault("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", 0, 2);
}

static void test_half_an_answer_and_a_close_is_no_answer(void **state)
{
    (void)state;
    check_fault("$100\r\nhalf of it", 0, 2);
    check_fault("*2\r\n+one\r\n", 0, 2);
}

static void test_a_whole_answer_before_the_close_counts(void **state)
{
    (void)state;
    check_fault("+whole\r\n", 1, 1);
}

/* hiredis would stop the process (redis_guard.h). */
static void test_answers_that_nobody_asked_for_end_the_connection_only(void **state)
{
    static const char *const extras[] = {
        "+1\r\n+2\r\n+3\r\n+4\r\n",
        "+1\r\n+2\r\n:3\r\n",
        "+1\r\n+2\r\n*1\r\n+3\r\n",
        "+1\r\n+2\r\n$-1\r\n",
        "+1\r\n+2\r\n*0\r\n",
        "+1\r\n+2\r\n*-1\r\n",
        "+1\r\n+2\r\n-ERR max number of clients reached\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof extras / sizeof extras[0]; i++)
        check_fault(extras[i], 2, 0);
}

static const char *never(const char *command, unsigned connection)
{
    return connection == 1 ? "" : healthy(command);
}

static void test_a_greeting_without_an_answer_is_given_up(void **state)
{
    struct probe probe;
    struct fake fake;

    (void)state;
    fake_start(&fake, &probe, never, 60000);
    probe_wait_ready(&probe);
    assert_int_equal(fake.connections, 2);
    fake_stop(&fake, &probe);
}

static const char *quotes_the_password(const char *command, unsigned connection)
{
    (void)connection;
    return strcmp(command, "AUTH") == 0 ? "-ERR unknown command 'AUTH', with 'sesame'\r\n"
                                        : "+OK\r\n";
}

/* What the connection logs between begin and end. */
struct capture {
    char path[32];
    int log_fd, stderr_fd;
    char text[4096];
};

static void capture_begin(struct capture *capture)
{
    *capture = (struct capture){.path = "/tmp/redis-conn-log-XXXXXX"};
    capture->log_fd = mkstemp(capture->path);
    capture->stderr_fd = dup(STDERR_FILENO);
    assert_true(capture->log_fd >= 0 && capture->stderr_fd >= 0);
    assert_true(dup2(capture->log_fd, STDERR_FILENO) >= 0);
}

static void capture_end(struct capture *capture)
{
    assert_true(dup2(capture->stderr_fd, STDERR_FILENO) >= 0);
    assert_true(pread(capture->log_fd, capture->text, sizeof capture->text - 1, 0) > 0);
    (void)close(capture->log_fd);
    (void)close(capture->stderr_fd);
    (void)unlink(capture->path);
}

static void test_the_password_is_never_logged_even_if_the_server_quotes_it(void **state)
{
    struct capture capture;
    struct probe probe;
    struct fake fake;

    (void)state;
    capture_begin(&capture);
    fake_start(&fake, &probe, quotes_the_password, 2000);
    (void)strcpy(probe.url.password, "sesame");
    assert_false(wait_until(probe.base, probe_is_ready, &probe, 200));
    fake_stop(&fake, &probe);
    capture_end(&capture);

    assert_non_null(strstr(capture.text, "AUTH refused: ERR"));
    assert_null(strstr(capture.text, "sesame"));
    const char *first = strstr(capture.text, "event=redis_down");
    assert_non_null(first);
    assert_null(strstr(first + 1, "event=redis_down")); /* once, not once a try */
}

static unsigned count(const char *text, const char *word)
{
    unsigned n = 0;

    for (; (text = strstr(text, word)) != NULL; text++)
        n++;
    return n;
}

static const char *loading_then_full(const char *command, unsigned connection)
{
    if (connection <= 5)
        return connection % 2 == 1 ? "-LOADING Redis is loading the dataset in memory\r\n"
                                   : "-ERR max number of clients reached\r\n";
    return healthy(command);
}

static void test_another_reason_for_being_down_is_logged_at_once_and_each_but_once(void **state)
{
    struct capture capture;
    struct probe probe;
    struct fake fake;

    (void)state;
    capture_begin(&capture);
    fake_start(&fake, &probe, loading_then_full, 2000);
    probe_wait_ready(&probe);
    fake_stop(&fake, &probe);
    capture_end(&capture);
    assert_int_equal(fake.connections, 6);
    assert_int_equal(count(capture.text, "event=redis_down"), 2);
    assert_int_equal(count(capture.text, "LOADING"), 1);
    assert_int_equal(count(capture.text, "max number of clients"), 1);
    assert_int_equal(count(capture.text, "event=redis_up conn="), 1);
    assert_non_null(strstr(capture.text, " after=4"));
}

/* A listener whose backlog is full: the kernel drops our SYN. */
static int deaf_listener(int ret_fillers[2], uint16_t *ret_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len = sizeof at;

    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 0), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    for (int i = 0; i < 2; i++) {
        ret_fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(ret_fillers[i], (struct sockaddr *)&at, sizeof at);
    }
    *ret_port = ntohs(at.sin_port);
    return fd;
}

static void test_a_connect_without_an_answer_is_given_up_after_a_second(void **state)
{
    struct capture capture;
    struct probe probe;
    int fillers[2];

    (void)state;
    probe_init(&probe, "", 60000);
    int listener = deaf_listener(fillers, &probe.url.port);
    (void)strcpy(probe.url.host, "127.0.0.1");
    capture_begin(&capture);
    redis_conn_start(probe.conn);
    assert_false(wait_until(probe.base, probe_is_ready, &probe, 1200));
    capture_end(&capture);
    assert_non_null(strstr(capture.text, "no answer to connect"));
    probe_done(&probe);
    (void)close(fillers[0]);
    (void)close(fillers[1]);
    (void)close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_server_that_is_loading_is_tried_again),
        cmocka_unit_test(test_read_only_is_the_callers_to_mend_by_a_reset),
        cmocka_unit_test(test_garbage_ends_the_connection_and_every_command_hears_of_it),
        cmocka_unit_test(test_half_an_answer_and_a_close_is_no_answer),
        cmocka_unit_test(test_a_whole_answer_before_the_close_counts),
        cmocka_unit_test(test_answers_that_nobody_asked_for_end_the_connection_only),
        cmocka_unit_test(test_a_greeting_without_an_answer_is_given_up),
        cmocka_unit_test(test_the_password_is_never_logged_even_if_the_server_quotes_it),
        cmocka_unit_test(test_another_reason_for_being_down_is_logged_at_once_and_each_but_once),
        cmocka_unit_test(test_a_connect_without_an_answer_is_given_up_after_a_second),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
