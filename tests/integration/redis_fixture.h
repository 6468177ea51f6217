#ifndef TESTS_REDIS_FIXTURE_H
#define TESTS_REDIS_FIXTURE_H

/*
 * A private redis-server for one test program: no TCP port (so nothing to collide with), its socket
 * in a fresh temporary directory, killed by the kernel if the test dies, found through $PATH.
 * Usable from any tests/integration/test_*.c. Everything that waits, waits by asking the server.
 */

#include <stdbool.h>
#include <sys/types.h>

struct redisContext;
struct redisReply;

struct redis_fixture {
    char dir[64];
    char socket_path[96];
    const char *const
        *args; /* further arguments of redis-server, ended by NULL; or NULL; borrowed */
    pid_t pid; /* 0 while there is no server */
    struct redisContext
        *client; /* a synchronous connection for the test's own use; NULL likewise */
};

/* cmocka group or test setup and teardown; *state is the fixture. Nothing is written to disk. */
int redis_fixture_up(void **state);
int redis_fixture_down(void **state);

/* The same with `appendonly yes, appendfsync always`: what was answered survives a restart. */
int redis_fixture_up_durable(void **state);

/* Only the directory: no server yet. `args` such as {"--maxmemory", "3mb", NULL}, or NULL, come
 * behind the defaults and so win. NULL if there is no temporary directory. */
struct redis_fixture *redis_fixture_new(const char *const *args);

/* Starts the server and waits until it answers PING (or asks for the password: the test itself then
 * sends AUTH over fx->client); false after 5 s. */
bool redis_fixture_run(struct redis_fixture *fx);

/* kill -9, and waits for the end. Nothing if there is no server. */
void redis_fixture_kill(struct redis_fixture *fx);

/* Both: on the same socket and directory, so that an append-only file is read again. */
bool redis_fixture_restart(struct redis_fixture *fx);

/* SIGSTOP and SIGCONT: a server that is there and answers nothing. */
void redis_fixture_freeze(struct redis_fixture *fx);
void redis_fixture_thaw(struct redis_fixture *fx);

/* Kills the server and removes the directory. NULL is fine. */
void redis_fixture_free(struct redis_fixture *fx);

/* One command over fx->client, as redisCommand(). The caller frees the reply; a lost connection
 * fails the test. fixture_ok() frees it itself and fails the test if it is an error. */
struct redisReply *fixture_cmd(struct redis_fixture *fx, const char *fmt, ...);
void fixture_ok(struct redis_fixture *fx, const char *fmt, ...);

#endif
