#include "redis_fixture.h"

#include <ftw.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

#define ARGS_MAX  64
#define TRIES     500 /* 10 ms apart */
#define OPEN_DIRS 8

static const char *const durable_args[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};

static void exec_server(const struct redis_fixture *fx)
{
    const char *argv[ARGS_MAX] = {
        "redis-server",
        "--port",
        "0",
        "--unixsocket",
        fx->socket_path,
        "--dir",
        fx->dir,
        "--save",
        "",
        "--appendonly",
        "no",
        "--logfile",
        "redis.log",
    };
    size_t n = 13;

    for (size_t i = 0; fx->args && fx->args[i] && n < ARGS_MAX - 1; i++)
        argv[n++] = fx->args[i];
    argv[n] = NULL;

    union { /* execvp() takes char *const * and changes nothing */
        const char **from;
        char **to;
    } cast = {.from = argv};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)execvp("redis-server", cast.to);
    _exit(127);
}

/* PONG, or a wish for a password: not LOADING. */
static bool answers(struct redisContext *client)
{
    if (!client || client->err)
        return false;
    redisReply *reply = redisCommand(client, "PING");
    bool ok = reply && (reply->type == REDIS_REPLY_STATUS || !strncmp(reply->str, "NOAUTH", 6));
    if (reply)
        freeReplyObject(reply);
    return ok;
}

static struct redisContext *connect_within(const char *path, int tries)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000000};

    while (tries-- > 0) {
        struct redisContext *client = redisConnectUnix(path);

        if (answers(client))
            return client;
        if (client)
            redisFree(client);
        (void)nanosleep(&pause, NULL);
    }
    return NULL;
}

struct redis_fixture *redis_fixture_new(const char *const *args)
{
    struct redis_fixture *fx = calloc(1, sizeof *fx);

    if (!fx)
        return NULL;
    (void)snprintf(fx->dir, sizeof fx->dir, "/tmp/redis-test-XXXXXX");
    if (!mkdtemp(fx->dir)) {
        free(fx);
        return NULL;
    }
    (void)snprintf(fx->socket_path, sizeof fx->socket_path, "%s/sock", fx->dir);
    fx->args = args;
    return fx;
}

bool redis_fixture_run(struct redis_fixture *fx)
{
    fx->pid = fork();
    if (fx->pid == 0)
        exec_server(fx);
    if (fx->pid < 0) {
        fx->pid = 0;
        return false;
    }
    fx->client = connect_within(fx->socket_path, TRIES);
    return fx->client != NULL;
}

void redis_fixture_kill(struct redis_fixture *fx)
{
    if (fx->client)
        redisFree(fx->client);
    fx->client = NULL;
    if (fx->pid == 0)
        return;
    (void)kill(fx->pid, SIGKILL);
    (void)waitpid(fx->pid, NULL, 0);
    fx->pid = 0;
}

bool redis_fixture_restart(struct redis_fixture *fx)
{
    redis_fixture_kill(fx);
    return redis_fixture_run(fx);
}

void redis_fixture_freeze(struct redis_fixture *fx)
{
    assert_int_equal(kill(fx->pid, SIGSTOP), 0);
    assert_int_equal(waitpid(fx->pid, NULL, WUNTRACED), fx->pid);
}

void redis_fixture_thaw(struct redis_fixture *fx)
{
    assert_int_equal(kill(fx->pid, SIGCONT), 0);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

void redis_fixture_free(struct redis_fixture *fx)
{
    if (!fx)
        return;
    redis_fixture_kill(fx);
    (void)nftw(fx->dir, remove_one, OPEN_DIRS, FTW_DEPTH | FTW_PHYS);
    free(fx);
}

static int fixture_start(void **state, const char *const *args)
{
    struct redis_fixture *fx = redis_fixture_new(args);

    *state = fx;
    if (fx && redis_fixture_run(fx))
        return 0;
    redis_fixture_free(fx);
    return -1;
}

int redis_fixture_up(void **state)
{
    return fixture_start(state, NULL);
}

int redis_fixture_up_durable(void **state)
{
    return fixture_start(state, durable_args);
}

int redis_fixture_down(void **state)
{
    redis_fixture_free(*state);
    return 0;
}

struct redisReply *fixture_cmd(struct redis_fixture *fx, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    redisReply *reply = redisvCommand(fx->client, fmt, ap);
    va_end(ap);
    assert_non_null(reply);
    return reply;
}

void fixture_ok(struct redis_fixture *fx, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    redisReply *reply = redisvCommand(fx->client, fmt, ap);
    va_end(ap);
    assert_non_null(reply);
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("%s: %s", fmt, reply->str);
    freeReplyObject(reply);
}
