#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/file.h"
#include "common/reply.h"

#include "ctl.h"
#include "ctl_clock.h"
#include "ctl_look.h"
#include "doctor.h"
#include "reply_view.h"

#define OUT_MAX_BYTES  ((size_t)4 << 20)
#define FILE_MAX_BYTES ((size_t)128 * 1024)
#define PINGS          5

/* --- Redis ------------------------------------------------------------------------------------ */

enum { ASK_INFO = 0, ASK_CONFIG, ASK_USER, ASK_RULES, ASK_STREAM, ASK_DEAD, ASK_TIME, ASK_COUNT };

/* What this user may not ask, or what is not there, is left out; a broken connection is an error.
 */
static int ask_if_allowed(struct ctl *ctl, redisReply **ret, struct err *err, const char *a,
                          const char *b, const char *c)
{
    int rc = conn_ask_texts(ctl->conn, ret, err, a, b, c, NULL);

    return rc == -EACCES || rc == -EPROTO ? 0 : rc;
}

static int ask_redis(struct ctl *ctl, redisReply *replies[static ASK_COUNT], struct err *err)
{
    const char *const questions[ASK_COUNT][3] = {
        [ASK_INFO] = {"INFO", NULL, NULL},
        [ASK_CONFIG] = {"CONFIG", "GET", "*"},
        [ASK_USER] = {"ACL", "WHOAMI", NULL},
        [ASK_RULES] = {"ACL", "GETUSER", "default"},
        [ASK_STREAM] = {"XINFO", "STREAM", ctl->keys.requests},
        [ASK_DEAD] = {"XLEN", ctl->keys.dead, NULL},
        [ASK_TIME] = {"TIME", NULL, NULL},
    };
    int rc = 0;

    for (int i = 0; i < ASK_COUNT && rc == 0; i++) {
        rc = ask_if_allowed(ctl, &replies[i], err, questions[i][0], questions[i][1],
                            questions[i][2]);
    }
    return rc;
}

static int measure_rtt(struct ctl *ctl, int64_t *ret_ms, struct err *err)
{
    *ret_ms = INT64_MAX;
    for (int i = 0; i < PINGS; i++) {
        redisReply *reply = NULL;
        int64_t before_ms = ctl_now_ms();
        int rc = conn_ask_texts(ctl->conn, &reply, err, "PING", NULL);
        if (rc < 0)
            return rc;
        freeReplyObject(reply);
        int64_t took_ms = ctl_now_ms() - before_ms;
        *ret_ms = took_ms < *ret_ms ? took_ms : *ret_ms;
    }
    return 0;
}

static int look_at_redis(struct ctl *ctl, struct doctor *doctor, struct err *err)
{
    redisReply *replies[ASK_COUNT] = {NULL};
    int64_t seconds = 0, micros = 0;
    struct redis_facts facts = {.wall_ms = ctl_wall_ms()};
    int rc = ask_redis(ctl, replies, err);

    if (rc == 0)
        rc = measure_rtt(ctl, &facts.rtt_ms, err);
    if (rc == 0) {
        facts.wall_ms = ctl_wall_ms() - facts.rtt_ms * (PINGS + 1);
        (void)reply_i64(reply_at(replies[ASK_TIME], 0), &seconds);
        (void)reply_i64(reply_at(replies[ASK_TIME], 1), &micros);
        facts.redis_ms = seconds * 1000 + micros / 1000;
        facts.info = reply_span(replies[ASK_INFO]);
        facts.config = replies[ASK_CONFIG];
        facts.user = reply_span(replies[ASK_USER]);
        facts.user_rules = replies[ASK_RULES];
        facts.last_id = view_field(replies[ASK_STREAM], "last-generated-id");
        (void)reply_i64(replies[ASK_DEAD], &facts.dead);
        doctor_redis(doctor, &facts);
    }
    for (int i = 0; i < ASK_COUNT; i++) {
        if (replies[i])
            freeReplyObject(replies[i]);
    }
    return rc;
}

/* --- this machine ----------------------------------------------------------------------------- */

static struct span read_or_absent(const char *path, struct buf *buf)
{
    struct err err;

    buf_init(buf, FILE_MAX_BYTES);
    if (file_read(path, buf, &err) < 0)
        return (struct span){NULL, 0};
    return buf_span(buf);
}

static bool is_ollama(const char *pid)
{
    char path[300];
    struct buf name;

    (void)snprintf(path, sizeof path, "/proc/%.20s/comm", pid);
    bool is = span_is(span_trim(read_or_absent(path, &name)), "ollama");
    buf_done(&name);
    return is;
}

/* The process of Ollama's server; "" if there is none. The oldest one: it starts the runners. */
static void find_ollama(char ret[static 32])
{
    DIR *proc = opendir("/proc");
    long lowest = -1;

    ret[0] = '\0';
    for (struct dirent *entry; proc && (entry = readdir(proc)) != NULL;) {
        if (!isdigit((unsigned char)entry->d_name[0]) || !is_ollama(entry->d_name))
            continue;
        long pid = strtol(entry->d_name, NULL, 10);
        if (lowest < 0 || pid < lowest)
            lowest = pid;
    }
    if (proc)
        (void)closedir(proc);
    if (lowest >= 0)
        (void)snprintf(ret, 32, "%ld", lowest);
}

static void look_here(struct doctor *doctor)
{
    char pid[32], path[64];
    struct buf environ_text, swaps;
    struct timex clock = {.modes = 0};
    int state = adjtimex(&clock);

    find_ollama(pid);
    (void)snprintf(path, sizeof path, "/proc/%s/environ", pid);
    const struct local_facts facts = {
        .ollama_runs = pid[0] != '\0',
        .ollama_environ = read_or_absent(path, &environ_text),
        .swaps = read_or_absent("/proc/swaps", &swaps),
        .clock_is_known = state >= 0,
        .clock_is_synced = state >= 0 && (clock.status & STA_UNSYNC) == 0,
    };
    doctor_local(doctor, &facts);
    buf_done(&environ_text);
    buf_done(&swaps);
}

/* --- all of it -------------------------------------------------------------------------------- */

static int print(struct ctl *ctl, const struct doctor *doctor)
{
    struct buf out;

    buf_init(&out, OUT_MAX_BYTES);
    if (ctl->json) {
        doctor_json(doctor, &out);
    } else {
        doctor_text(doctor, ctl->cols, ctl->color, &out);
    }
    bool ok = ctl_write(&out);
    buf_done(&out);
    return ok && doctor->counts[FINDING_BAD] == 0 ? CLI_EXIT_OK : CLI_EXIT_FAILED;
}

int cmd_doctor(struct ctl *ctl)
{
    struct doctor *doctor = xcalloc(1, sizeof *doctor);
    struct look *look = look_new();
    struct err err;
    int rc = look_at_redis(ctl, doctor, &err);

    if (rc == 0)
        rc = look_fleet(look, ctl, &err);
    if (rc == 0) {
        doctor_fleet(doctor, look_seen(look));
        doctor_ollama(doctor, look_seen(look));
        look_here(doctor);
    }
    int status = rc < 0 ? ctl_fail(rc, &err) : print(ctl, doctor);
    look_free(look);
    free(doctor);
    return status;
}
