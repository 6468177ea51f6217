#include <errno.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/file.h"
#include "common/reply.h"
#include "common/request.h"

#include "ask.h"
#include "ctl.h"
#include "ctl_follow.h"
#include "ctl_submit.h"
#include "json_out.h"
#include "signals.h"

/* --- what is asked ---------------------------------------------------------------------------- */

static int read_stdin(struct buf *out, struct err *err)
{
    char bytes[16384];

    for (;;) {
        signals_open();
        ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);
        signals_close();
        if (signals_stops() > 0)
            return err_set(err, -EINTR, "interrupted");
        if (n == 0)
            return 0;
        if (n < 0)
            return err_set(err, -EINVAL, "stdin: %s", strerror(errno));
        if (!buf_add(out, bytes, (size_t)n))
            return err_set(err, -EINVAL, "stdin: more than %zu MiB", out->max_bytes >> 20);
    }
}

static int take_file(struct ask *ask, const char *path, struct err *err)
{
    struct buf text;
    struct err why;

    buf_init(&text, ASK_MAX_BYTES);
    int rc = strcmp(path, "-") == 0 ? read_stdin(&text, &why) : file_read(path, &text, &why);
    if (rc == -EINTR) {
        rc = err_set(err, rc, "interrupted");
    } else if (rc < 0) {
        rc = err_set(err, -EINVAL, "%.250s", why.msg);
    } else {
        rc = ask_from_json(ask, buf_span(&text), &why);
        if (rc < 0) {
            rc =
                err_set(err, rc, "%.60s: %.180s", strcmp(path, "-") == 0 ? "stdin" : path, why.msg);
        }
    }
    buf_done(&text);
    return rc;
}

/* The arguments with a blank between them, or stdin. */
static int read_text(const struct cli *cli, struct buf *text, struct err *err)
{
    for (size_t i = 0; i < cli->n_args; i++) {
        (void)buf_add_str(text, i ? " " : "");
        (void)buf_add_str(text, cli->args[i]);
    }
    if (cli->n_args > 0)
        return text->failed ? err_set(err, -EINVAL, "the text is too long") : 0;
    if (isatty(STDIN_FILENO))
        return err_set(err, -EINVAL, "no text: orionctl submit --model M 'text', or on stdin");
    return read_stdin(text, err);
}

static int take_text(struct ctl *ctl, struct ask *ask, struct err *err)
{
    enum ask_kind kind = cli_has(&ctl->cli, "generate") ? ASK_GENERATE
                         : cli_has(&ctl->cli, "embed")  ? ASK_EMBED
                                                        : ASK_CHAT;
    struct buf text;

    if (ctl->cli.n_args == 0 && cli_has(&ctl->cli, "file")) /* the file has it */
        return 0;
    buf_init(&text, ASK_MAX_BYTES);
    int rc = read_text(&ctl->cli, &text, err);
    if (rc == 0)
        rc = ask_text(ask, kind, buf_span(&text), cli_value(&ctl->cli, "system"), err);
    buf_done(&text);
    return rc;
}

static int take_timeout(const struct cli *cli, struct ask *ask, struct err *err)
{
    int64_t ms;
    char text[24];
    int rc =
        cli_duration_ms(cli, "timeout", (struct cli_range){1, REQUEST_TIMEOUT_MAX_MS, 0}, &ms, err);

    if (rc < 0 || ms == 0)
        return rc;
    (void)snprintf(text, sizeof text, "%" PRId64, ms);
    return ask_set(ask, FIELD_TIMEOUT_MS, span_str(text)) ? 0 : -ENOMEM;
}

static int take_options(struct ctl *ctl, struct ask *ask, struct err *err)
{
    static const struct {
        const char *option, *field;
    } map[] = {{"model", FIELD_MODEL},   {"params", FIELD_PARAMS},     {"session", FIELD_SESSION},
               {"client", FIELD_CLIENT}, {"priority", FIELD_PRIORITY}, {"metadata", FIELD_METADATA},
               {"id", FIELD_REQUEST_ID}};

    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++) {
        const char *value = cli_value(&ctl->cli, map[i].option);
        if (value && !ask_set(ask, map[i].field, span_str(value)))
            return err_set(err, -EINVAL, "--%s is too long", map[i].option);
    }
    bool wants_progress =
        (ctl->err_is_tty || cli_has(&ctl->cli, "progress")) && !cli_has(&ctl->cli, "quiet");
    if (wants_progress)
        (void)ask_set(ask, FIELD_PROGRESS, span_str("1"));
    if (cli_has(&ctl->cli, "stream"))
        (void)ask_set(ask, FIELD_STREAM, span_str("1"));
    return take_timeout(&ctl->cli, ask, err);
}

void ctl_random_id(const char *before, char *buf, size_t cap)
{
    uint64_t number = 0;

    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        number = (uint64_t)getpid();
    (void)snprintf(buf, cap, "%s-%016" PRIx64, before, number);
}

static int take_id(struct ask *ask, char *id, size_t cap, struct err *err)
{
    struct span given = ask_get(ask, FIELD_REQUEST_ID);

    if (given.ptr) {
        (void)span_copy(given, id, cap);
        return ctl_request_id(id, err);
    }
    ctl_random_id("ctl", id, cap);
    return ask_set(ask, FIELD_REQUEST_ID, span_str(id)) ? 0 : -ENOMEM;
}

static int make(struct ctl *ctl, struct ask *ask, char *id, size_t cap, struct err *err)
{
    const char *file = cli_value(&ctl->cli, "file");
    int rc = file ? take_file(ask, file, err) : 0;

    if (rc == 0)
        rc = take_text(ctl, ask, err);
    if (rc == 0)
        rc = take_options(ctl, ask, err);
    if (rc == 0)
        rc = ask_check(ask, err);
    if (rc == 0)
        rc = take_id(ask, id, cap, err);
    return rc;
}

/* --- asking ----------------------------------------------------------------------------------- */

int ctl_submit(struct ctl *ctl, const struct ask *ask, char ret_entry[static 64], struct err *err)
{
    struct conn_args args;
    redisReply *reply = NULL;

    conn_args(&args, "XADD");
    conn_arg(&args, ctl->keys.requests);
    conn_arg(&args, "*");
    for (size_t i = 0; i < ask->n; i++) {
        conn_arg(&args, ask->fields[i].name);
        conn_arg_span(&args, ask_get(ask, ask->fields[i].name));
    }
    int rc = conn_ask(ctl->conn, &args, 0, &reply, err);
    if (rc < 0)
        return rc;
    (void)span_copy(reply_span(reply), ret_entry, 64);
    freeReplyObject(reply);
    return 0;
}

static int print_id(struct ctl *ctl, const char *id)
{
    char bytes[256];
    struct buf out;

    buf_init(&out, sizeof bytes);
    if (ctl->json) {
        json_out_open(&out, NULL, '{');
        json_out_str(&out, "request_id", id);
        json_out_close(&out, '}');
        (void)buf_add_str(&out, "\n");
    } else {
        (void)buf_add_fmt(&out, "%s\n", id);
    }
    bool ok = ctl_write(&out);
    buf_done(&out);
    return ok ? CLI_EXIT_OK : CLI_EXIT_FAILED;
}

static int ask_and_print(struct ctl *ctl, const struct ask *ask, const char *id)
{
    char callback[CALLBACK_MAX + 1], own[KEY_MAX], entry[64];
    struct span given = ask_get(ask, FIELD_CALLBACK);
    struct err err;
    int rc = ctl_submit(ctl, ask, entry, &err);

    if (rc < 0)
        return ctl_fail(rc, &err);
    if (cli_has(&ctl->cli, "no-wait"))
        return print_id(ctl, id);
    if (!span_copy(given.ptr ? given : span_str(key_responses(&ctl->keys, span_str(id), own)),
                   callback, sizeof callback)) {
        ctl_tell("the callback is longer than %d bytes", CALLBACK_MAX);
        return CLI_EXIT_USAGE;
    }
    const struct follow follow = {
        .ctl = ctl,
        .request_id = id,
        .callback = callback,
        .stream = cli_has(&ctl->cli, "stream"),
        .progress = ask_get(ask, FIELD_PROGRESS).ptr != NULL && !cli_has(&ctl->cli, "quiet"),
        .quiet = cli_has(&ctl->cli, "quiet"),
        .cancel_on_signal = true,
        .timeout_ms = -1,
    };
    return ctl_follow(&follow);
}

int cmd_submit(struct ctl *ctl)
{
    char id[REQUEST_ID_MAX + 2];
    struct ask ask;
    struct err err;

    ask_init(&ask);
    int rc = make(ctl, &ask, id, sizeof id, &err);
    int status = rc < 0 ? ctl_fail(rc, &err) : ask_and_print(ctl, &ask, id);
    ask_done(&ask);
    return status;
}
