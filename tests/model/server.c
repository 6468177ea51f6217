#include "server.h"

#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/keys.h"

#include "redis_fixture.h"
#include "table.h"

#define LOOK_MAX 8192

struct state {
    struct view view;
    redisReply *dumps; /* the answer of look.lua: view, then key, time to live, dump of each key */
};

struct memory {
    uint32_t next;
    struct answer answer;
};

static struct {
    struct redis_fixture *fx;
    char shas[SCRIPT_COUNT][41];
    char look_sha[41];
    struct state *states;
    uint32_t n_states, states_max;
    struct table by_view;
    struct memory *memories;
    uint32_t n_memories, memories_max;
    struct table by_call;
    uint32_t current; /* what the server holds */
    uint64_t calls;
} server;

static _Noreturn void give_up(const char *what, const char *why)
{
    (void)fprintf(stderr, "model: %s: %s\n", what, why);
    server_down();
    exit(2);
}

/* --- the server --------------------------------------------------------------------------------
 */

static void load(const char *source, char sha[static 41])
{
    redisReply *reply = redisCommand(server.fx->client, "SCRIPT LOAD %s", source);

    if (!reply || reply->type != REDIS_REPLY_STRING)
        give_up("SCRIPT LOAD", reply && reply->str ? reply->str : "no answer");
    (void)snprintf(sha, 41, "%s", reply->str);
    freeReplyObject(reply);
}

static void load_broken(const struct breakage *breakage)
{
    const char *source = script_source(breakage->script);
    const char *at = strstr(source, breakage->from);

    if (!at)
        give_up(breakage->name, "the script has no such text any more");
    size_t len = strlen(source) + strlen(breakage->to) + 1;
    char *broken = grow(NULL, len, 1);
    (void)snprintf(broken, len, "%.*s%s%s", (int)(at - source), source, breakage->to,
                   at + strlen(breakage->from));
    load(broken, server.shas[breakage->script]);
    free(broken);
}

static void load_look(void)
{
    char source[LOOK_MAX];
    FILE *file = fopen(MODEL_LOOK, "r");

    if (!file)
        give_up(MODEL_LOOK, "cannot be read");
    size_t n = fread(source, 1, sizeof source - 1, file);
    (void)fclose(file);
    source[n] = '\0';
    load(source, server.look_sha);
}

/* --- states ------------------------------------------------------------------------------------
 */

static uint32_t state_of(redisReply *dumps)
{
    struct view view;
    uint64_t hash;
    uint32_t known;

    if (!dumps || dumps->type != REDIS_REPLY_ARRAY)
        give_up("look.lua", dumps && dumps->str ? dumps->str : "no answer");
    if (dumps->element[0]->len != sizeof view)
        give_up("look.lua", "the view has another size than struct view");
    memcpy(&view, dumps->element[0]->str, sizeof view);
    hash = hash_bytes(&view, sizeof view);
    known = table_find(&server.by_view, hash);
    if (known != TABLE_NONE) {
        freeReplyObject(dumps);
        return known;
    }
    if (server.n_states == server.states_max) {
        server.states_max = server.states_max ? 2 * server.states_max : 1024;
        server.states = grow(server.states, server.states_max, sizeof *server.states);
    }
    server.states[server.n_states] = (struct state){.view = view, .dumps = dumps};
    table_add(&server.by_view, hash, server.n_states);
    return server.n_states++;
}

/* Appends the commands that make the server hold the state; answers how many. */
static unsigned append_restore(uint32_t number)
{
    const redisReply *dumps = server.states[number].dumps;
    unsigned n = 1;

    (void)redisAppendCommand(server.fx->client, "FLUSHDB");
    for (size_t i = 1; i + 2 < dumps->elements; i += 3, n++)
        (void)redisAppendCommand(server.fx->client, "RESTORE %s %s %b", dumps->element[i]->str,
                                 dumps->element[i + 1]->str, dumps->element[i + 2]->str,
                                 (size_t)dumps->element[i + 2]->len);
    return n;
}

static redisReply *next_reply(void)
{
    void *reply = NULL;

    if (redisGetReply(server.fx->client, &reply) != REDIS_OK)
        give_up("redis-server", server.fx->client->errstr);
    return reply;
}

/* --- answers -----------------------------------------------------------------------------------
 */

static uint8_t number_of(const redisReply *reply)
{
    const char *dash = reply->type == REDIS_REPLY_STRING ? strchr(reply->str, '-') : NULL;

    if (reply->type == REDIS_REPLY_INTEGER)
        return (uint8_t)reply->integer;
    return dash ? (uint8_t)strtoul(dash + 1, NULL, 10) : 0;
}

static uint8_t verdict_of(const char *word)
{
    if (!strcmp(word, "cancel"))
        return VERDICT_CANCEL;
    return strcmp(word, "lost") ? VERDICT_RUN : VERDICT_LOST;
}

static void read_answer(const struct call *call, const redisReply *reply, struct answer *answer)
{
    bool reads = call->kind == CALL_READ || call->kind == CALL_FETCH;

    if (reply->type == REDIS_REPLY_ERROR) {
        (void)snprintf(answer->word, sizeof answer->word, "!%.12s", reply->str);
    } else if (reads && reply->type == REDIS_REPLY_ARRAY) {
        (void)snprintf(answer->word, sizeof answer->word, "entry");
        answer->number = number_of(reply->element[0]->element[1]->element[0]->element[0]);
    } else if (reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 &&
               reply->element[0]->type == REDIS_REPLY_STRING) {
        (void)snprintf(answer->word, sizeof answer->word, "%.13s", reply->element[0]->str);
        if (call->kind == CALL_OF(SCRIPT_BEAT))
            answer->number = reply->elements > 3 ? verdict_of(reply->element[3]->str) : VERDICT_RUN;
        else if (reply->elements > 1)
            answer->number = number_of(reply->element[1]);
    } else {
        (void)snprintf(answer->word, sizeof answer->word, "-");
    }
}

/* --- calls -------------------------------------------------------------------------------------
 */

static void carry_out(uint32_t number, const struct call *call, struct memory *memory)
{
    redisContext *client = server.fx->client;
    const char *sha = call->kind < CALL_SCRIPT ? "" : server.shas[call->kind - CALL_SCRIPT];
    unsigned restored = server.current == number ? 0 : append_restore(number);
    struct call_args args;

    call_command(call, sha, &args);
    (void)redisAppendCommandArgv(client, args.n, args.argv, NULL);
    (void)redisAppendCommand(client, "EVALSHA %s 0", server.look_sha);
    for (; restored > 0; restored--) {
        redisReply *reply = next_reply();
        if (reply->type == REDIS_REPLY_ERROR)
            give_up("RESTORE", reply->str);
        freeReplyObject(reply);
    }
    redisReply *reply = next_reply();
    read_answer(call, reply, &memory->answer);
    freeReplyObject(reply);
    server.current = state_of(next_reply());
    memory->next = server.current;
    memory->answer.is_same = memory->next == number;
    server.calls++;
}

uint32_t server_call(uint32_t state, const struct call *call, struct answer *ret_answer)
{
    struct {
        uint32_t state;
        struct call call;
    } key = {.state = state, .call = *call};
    uint64_t hash = hash_bytes(&key, sizeof key);
    uint32_t known = table_find(&server.by_call, hash);

    if (known == TABLE_NONE) {
        struct memory memory = {0};

        carry_out(state, call, &memory);
        if (server.n_memories == server.memories_max) {
            server.memories_max = server.memories_max ? 2 * server.memories_max : 4096;
            server.memories = grow(server.memories, server.memories_max, sizeof memory);
        }
        known = server.n_memories++;
        server.memories[known] = memory;
        table_add(&server.by_call, hash, known);
    }
    *ret_answer = server.memories[known].answer;
    return server.memories[known].next;
}

const struct view *server_view(uint32_t state)
{
    return &server.states[state].view;
}

struct server_figures server_figures(void)
{
    return (struct server_figures){.states = server.n_states, .calls = server.calls};
}

/* --- begin and end -----------------------------------------------------------------------------
 */

static void begin_world(void)
{
    static const char *const streams[] = {PREFIX "requests", PREFIX "control"};

    for (size_t i = 0; i < 2; i++) {
        fixture_ok(server.fx, "XGROUP CREATE %s %s 0 MKSTREAM", streams[i], GROUP_ROUTERS);
        fixture_ok(server.fx, "XSETID %s 9000000000000-0", streams[i]);
    }
    for (size_t i = 0; i < ROUTERS; i++)
        fixture_ok(server.fx, "EVALSHA %s 2 %s %s %s {", server.shas[SCRIPT_PRESENCE],
                   PREFIX "routers", PREFIX "requests", router_names[i]);
    server.current = state_of(fixture_cmd(server.fx, "EVALSHA %s 0", server.look_sha));
}

void server_up(const struct breakage *breakage)
{
    server.fx = redis_fixture_new(NULL);
    if (!server.fx || !redis_fixture_run(server.fx))
        give_up("redis-server", "does not start");
    for (int i = 0; i < SCRIPT_COUNT; i++)
        load(script_source((enum script)i), server.shas[i]);
    if (breakage)
        load_broken(breakage);
    load_look();
    begin_world();
}

void server_down(void)
{
    for (uint32_t i = 0; i < server.n_states; i++)
        freeReplyObject(server.states[i].dumps);
    free(server.states);
    free(server.memories);
    table_free(&server.by_view);
    table_free(&server.by_call);
    redis_fixture_free(server.fx);
    memset(&server, 0, sizeof server);
}
