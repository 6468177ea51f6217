#include "common/scripts.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/log.h"
#include "common/reply.h"
#include "common/resp.h"
#include "common/sha1.h"

#include "script_sources.h"

/* A call up to this size is kept until it is answered, so that it can be sent again after NOSCRIPT.
 * A larger one goes out as EVAL at once: beside its arguments the source does not count. */
#define KEEP_MAX_BYTES ((size_t)64 * 1024)

/* EVALSHA or EVAL, the script, the number of keys. */
#define HEAD_ARGS 3

static const char *const names[SCRIPT_COUNT] = {
    [SCRIPT_ADOPT] = "adopt",       [SCRIPT_BEAT] = "beat",         [SCRIPT_BURY] = "bury",
    [SCRIPT_CANCEL] = "cancel",     [SCRIPT_CHUNK] = "chunk",       [SCRIPT_DRAIN] = "drain",
    [SCRIPT_END] = "end",           [SCRIPT_FINISH] = "finish",     [SCRIPT_FORGET] = "forget",
    [SCRIPT_GOODBYE] = "goodbye",   [SCRIPT_HEAL] = "heal",         [SCRIPT_MOVE] = "move",
    [SCRIPT_OUTLINE] = "outline",   [SCRIPT_PRESENCE] = "presence", [SCRIPT_REGISTER] = "register",
    [SCRIPT_REQUEUE] = "requeue",   [SCRIPT_START] = "start",       [SCRIPT_STATUS] = "status",
    [SCRIPT_TAKEBACK] = "takeback",
};

struct loaded_script {
    struct span source; /* "" if there is no such file */
    char sha[SHA1_HEX_MAX];
};

static struct span find_source(const char *name)
{
    for (const struct script_source *row = script_sources; row->name; row++) {
        if (strcmp(row->name, name) == 0)
            return (struct span){row->text, row->len};
    }
    return span_str("");
}

/* The table is made on first use and never changes. */
static const struct loaded_script *loaded(enum script script)
{
    static struct loaded_script table[SCRIPT_COUNT];

    assert(script < SCRIPT_COUNT);
    struct loaded_script *row = &table[script];
    if (!row->source.ptr) {
        row->source = find_source(names[script]);
        sha1_hex(row->source, row->sha);
    }
    return row;
}

const char *script_name(enum script script)
{
    assert(script < SCRIPT_COUNT);
    return names[script];
}

const char *script_source(enum script script)
{
    return loaded(script)->source.ptr;
}

const char *script_sha(enum script script)
{
    return loaded(script)->sha;
}

/* --- loading all ------------------------------------------------------------------------------ */

struct load {
    void (*on_loaded)(bool ok, void *arg);
    void *arg;
    unsigned waiting;
    bool ok;
};

struct load_one {
    struct load *load;
    enum script script;
};

static void load_end(struct load *load)
{
    load->on_loaded(load->ok, load->arg);
    free(load);
}

static void on_load_reply(const struct redisReply *reply, void *arg)
{
    struct load_one *one = arg;
    struct load *load = one->load;
    enum script script = one->script;

    free(one);
    if (!span_is(reply_span(reply), script_sha(script))) {
        load->ok = false;
        if (reply) {
            const char *why = reply_error(reply);
            log_err("event=script_refused script=%s why=\"%s\"", names[script],
                    why ? why : "Redis gave it another SHA1");
        }
    }
    if (--load->waiting == 0)
        load_end(load);
}

static bool load_send(struct redis_conn *conn, struct load *load, enum script script)
{
    const struct span source = loaded(script)->source;
    const char *argv[] = {"SCRIPT", "LOAD", source.ptr};
    const size_t len[] = {6, 4, source.len};
    struct load_one *one = xcalloc(1, sizeof *one);

    *one = (struct load_one){.load = load, .script = script};
    if (redis_conn_send(conn, on_load_reply, one, 3, argv, len))
        return true;
    free(one);
    return false;
}

void scripts_load(struct redis_conn *conn, void (*on_loaded)(bool ok, void *arg), void *arg)
{
    struct load *load = xcalloc(1, sizeof *load);

    *load = (struct load){.on_loaded = on_loaded, .arg = arg, .ok = true};
    for (int i = 0; i < SCRIPT_COUNT; i++) {
        if (load_send(conn, load, (enum script)i)) {
            load->waiting++;
        } else {
            load->ok = false;
        }
    }
    if (load->waiting == 0)
        load_end(load);
}

/* --- arguments -------------------------------------------------------------------------------- */

void script_args_init(struct script_args *args)
{
    args->n = 0;
    args->n_keys = 0;
}

void script_arg_span(struct script_args *args, struct span value)
{
    assert(args->n < SCRIPT_ARGS_MAX);
    args->argv[args->n] = value.ptr ? value.ptr : "";
    args->len[args->n] = value.len;
    args->n++;
}

void script_arg(struct script_args *args, const char *text)
{
    script_arg_span(args, span_str(text));
}

void script_key(struct script_args *args, const char *key)
{
    assert(args->n == args->n_keys);
    script_arg(args, key);
    args->n_keys++;
}

void script_arg_i64(struct script_args *args, int64_t value)
{
    assert(args->n < SCRIPT_ARGS_MAX);
    char *number = args->numbers[args->n];
    script_arg_span(args, (struct span){number, span_i64_text(value, number)});
}

/* --- calling ---------------------------------------------------------------------------------- */

/* One call whose command is kept. */
struct call {
    struct redis_conn *conn;
    enum script script;
    char *evalsha; /* as it was sent; owned; NULL once the call has been sent as EVAL */
    size_t evalsha_len;
    redis_conn_callback *callback;
    void *arg;
};

/* A whole command as argv. */
struct command_line {
    int argc;
    const char *argv[HEAD_ARGS + SCRIPT_ARGS_MAX];
    size_t len[HEAD_ARGS + SCRIPT_ARGS_MAX];
    char n_keys[SPAN_NUMBER_MAX];
};

static void command_line(struct command_line *line, const char *verb, struct span script,
                         const struct script_args *args)
{
    size_t n = span_u64_text(args->n_keys, line->n_keys);
    const struct span head[HEAD_ARGS] = {span_str(verb), script, {line->n_keys, n}};

    for (size_t i = 0; i < HEAD_ARGS; i++) {
        line->argv[i] = head[i].ptr;
        line->len[i] = head[i].len;
    }
    memcpy(line->argv + HEAD_ARGS, args->argv, args->n * sizeof args->argv[0]);
    memcpy(line->len + HEAD_ARGS, args->len, args->n * sizeof args->len[0]);
    line->argc = (int)(HEAD_ARGS + args->n);
}

static void evalsha_free(struct call *call)
{
    free(call->evalsha);
    call->evalsha = NULL;
}

/* Turns "*N EVALSHA sha rest" into "*N EVAL source rest", all in RESP. False if out of memory. */
static bool eval_from_evalsha(const struct call *call, struct buf *ret)
{
    static const char verb[] = "$7\r\nEVALSHA\r\n$40\r\n";
    const struct span source = loaded(call->script)->source;
    const char *end = call->evalsha + call->evalsha_len;
    const char *count_end = (const char *)memchr(call->evalsha, '\n', call->evalsha_len) + 1;
    const char *rest =
        count_end + sizeof verb - 1 + SHA1_HEX_MAX - 1; /* the "\r\n" behind the SHA */

    (void)buf_add(ret, call->evalsha, (size_t)(count_end - call->evalsha));
    (void)buf_add_fmt(ret, "$4\r\nEVAL\r\n$%zu\r\n", source.len);
    (void)buf_add_span(ret, source);
    return buf_add(ret, rest, (size_t)(end - rest));
}

static void on_call_reply(const struct redisReply *reply, void *arg);

/* The server has forgotten the script: the same call, script included. */
static bool call_again(struct call *call)
{
    struct buf eval;

    buf_init(&eval, 2 * KEEP_MAX_BYTES + loaded(call->script)->source.len);
    bool sent = eval_from_evalsha(call, &eval);
    evalsha_free(call);
    if (!sent) /* no memory */
        redis_conn_reset(call->conn);
    sent = sent && redis_conn_send_formatted(call->conn, on_call_reply, call, buf_span(&eval));
    buf_done(&eval);
    return sent;
}

static void on_call_reply(const struct redisReply *reply, void *arg)
{
    struct call *call = arg;

    if (call->evalsha && reply_is_error(reply, "NOSCRIPT")) {
        if (call_again(call))
            return;
        reply = NULL; /* the connection is on its way out: its owner will hear of it */
    }
    if (call->callback)
        call->callback(reply, call->arg);
    evalsha_free(call);
    free(call);
}

static bool call_eval(struct redis_conn *conn, enum script script, const struct script_args *args,
                      redis_conn_callback *callback, void *arg)
{
    struct command_line line;

    command_line(&line, "EVAL", loaded(script)->source, args);
    return redis_conn_send(conn, callback, arg, line.argc, line.argv, line.len);
}

static size_t args_bytes(const struct script_args *args)
{
    size_t bytes = 0;

    for (size_t i = 0; i < args->n; i++)
        bytes += args->len[i];
    return bytes;
}

static bool call_evalsha(struct redis_conn *conn, enum script script,
                         const struct script_args *args, redis_conn_callback *callback, void *arg)
{
    struct command_line line;

    command_line(&line, "EVALSHA", span_str(script_sha(script)), args);
    size_t len = resp_command_bytes(line.argc, line.len);
    char *evalsha = malloc(len + 1);
    if (!evalsha) { /* begin anew, as with any command that could not be sent */
        redis_conn_reset(conn);
        return false;
    }
    resp_command_write(evalsha, line.argc, line.argv, line.len);

    struct call *call = xcalloc(1, sizeof *call);
    *call = (struct call){conn, script, evalsha, len, callback, arg};
    if (redis_conn_send_formatted(conn, on_call_reply, call, (struct span){evalsha, len}))
        return true;
    evalsha_free(call);
    free(call);
    return false;
}

bool scripts_call(struct redis_conn *conn, enum script script, const struct script_args *args,
                  redis_conn_callback *callback, void *arg)
{
    if (!redis_conn_is_ready(conn))
        return false;
    if (args_bytes(args) > KEEP_MAX_BYTES)
        return call_eval(conn, script, args, callback, arg);
    return call_evalsha(conn, script, args, callback, arg);
}
