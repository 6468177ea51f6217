#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/reply.h"
#include "common/request.h"

#include "doctor.h"
#include "reply_view.h"
#include "text.h"

#define SUBJECT      "redis"
#define SLOW_RTT_MS  20
#define CLOCK_MAX_MS 5000
#define DAY_MS       INT64_C(86400000)
#define YEAR_2024_MS INT64_C(1704067200000)
#define NODE_BYTES   4096 /* the default of stream-node-max-bytes */

/* The value of "name:value" in INFO; absent if it is not there. */
static struct span info(const struct redis_facts *facts, const char *name)
{
    struct span rest = facts->info;
    size_t len = strlen(name);

    while (rest.len > 0) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        size_t line = end ? (size_t)(end - rest.ptr) : rest.len;
        if (line > len && memcmp(rest.ptr, name, len) == 0 && rest.ptr[len] == ':')
            return span_trim((struct span){rest.ptr + len + 1, line - len - 1});
        size_t skip = end ? line + 1 : line;
        rest = (struct span){rest.ptr + skip, rest.len - skip};
    }
    return (struct span){NULL, 0};
}

static int64_t info_number(const struct redis_facts *facts, const char *name)
{
    int64_t value;

    return span_to_i64(info(facts, name), &value) ? value : 0;
}

static struct span config(const struct redis_facts *facts, const char *name)
{
    return view_field(facts->config, name);
}

static void check_server(struct doctor *doctor, const struct redis_facts *facts)
{
    struct span version = info(facts, "redis_version");
    char text[32];

    (void)span_copy(version, text, sizeof text);
    if (!version.ptr) {
        doctor_find(doctor, FINDING_WARN, SUBJECT,
                    "run doctor as a user that may call INFO and CONFIG GET",
                    "this user may not call INFO: version, persistence and memory are not checked");
        return;
    }
    if (strtol(text, NULL, 10) < 7) {
        doctor_find(doctor, FINDING_BAD, SUBJECT, "install Redis 7.0 or later (Debian 12 has it)",
                    "version %s: orion's scripts need 7.0", text);
    } else {
        doctor_find(doctor, FINDING_OK, SUBJECT, "", "version %s", text);
    }
    if (span_is(info(facts, "role"), "slave")) {
        doctor_find(doctor, FINDING_BAD, SUBJECT, "name the master in the settings",
                    "this is a replica: it takes no writes");
    }
    if (info_number(facts, "evicted_keys") > 0) {
        doctor_find(doctor, FINDING_BAD, SUBJECT, "maxmemory-policy noeviction",
                    "%" PRId64 " keys were evicted: requests may have been lost with them",
                    info_number(facts, "evicted_keys"));
    }
}

static void check_durability(struct doctor *doctor, const struct redis_facts *facts)
{
    bool aof = span_is(info(facts, "aof_enabled"), "1");
    struct span fsync = config(facts, "appendfsync");

    if (!info(facts, "aof_enabled").ptr)
        return;
    if (!aof) {
        doctor_find(doctor, FINDING_BAD, SUBJECT,
                    "appendonly yes, appendfsync always (the head of orion's redis.conf says how "
                    "to switch a server over that has data)",
                    "the AOF is off: a crash of Redis forgets every request since the last "
                    "snapshot");
    } else if (span_is(fsync, "always")) {
        doctor_find(doctor, FINDING_OK, SUBJECT, "", "AOF with appendfsync always");
    } else if (fsync.ptr) {
        bool is_second = span_is(fsync, "everysec");
        doctor_find(doctor, is_second ? FINDING_WARN : FINDING_BAD, SUBJECT, "appendfsync always",
                    "appendfsync %.*s: a crash of Redis may lose %s of requests that it had "
                    "accepted",
                    SPAN_ARG(fsync), is_second ? "up to two seconds" : "any number");
    }
    if (span_is(info(facts, "aof_last_write_status"), "err")) {
        doctor_find(doctor, FINDING_BAD, SUBJECT, "make room on its disk; see its log",
                    "the last write to the AOF failed: Redis refuses writes");
    }
    if (span_is(info(facts, "aof_last_bgrewrite_status"), "err")) {
        doctor_find(doctor, FINDING_WARN, SUBJECT,
                    "see its log: memory for a fork (vm.overcommit_memory=1), room on the disk",
                    "the last rewrite of the AOF failed: the file only grows");
    }
    if (info_number(facts, "aof_delayed_fsync") > 100) {
        doctor_find(doctor, FINDING_WARN, SUBJECT, "put its data on an SSD instead of an SD card",
                    "%" PRId64 " flushes to the disk were late",
                    info_number(facts, "aof_delayed_fsync"));
    }
}

static void check_memory(struct doctor *doctor, const struct redis_facts *facts)
{
    int64_t used = info_number(facts, "used_memory"), most = info_number(facts, "maxmemory");
    struct span policy = info(facts, "maxmemory_policy");
    char text[TEXT_NUMBER_SIZE], of[TEXT_NUMBER_SIZE];

    if (!policy.ptr)
        return;
    if (span_is(policy, "noeviction")) {
        doctor_find(doctor, FINDING_OK, SUBJECT, "", "maxmemory-policy noeviction");
    } else {
        doctor_find(doctor, most > 0 ? FINDING_BAD : FINDING_WARN, SUBJECT,
                    "maxmemory-policy noeviction",
                    "maxmemory-policy %.*s: when memory is full Redis throws streams away, with "
                    "all that waits in them",
                    SPAN_ARG(policy));
    }
    if (most == 0) {
        doctor_find(doctor, FINDING_WARN, SUBJECT,
                    "maxmemory: at most half of the machine's memory",
                    "no maxmemory: Redis (%s now) can take all memory of its machine",
                    text_bytes(used, text));
    } else if (used > most / 5 * 4) {
        doctor_find(doctor, FINDING_WARN, SUBJECT,
                    "raise maxmemory, lower max_queue or response_ttl of the routers",
                    "memory is nearly full: %s of %s", text_bytes(used, text),
                    text_bytes(most, of));
    } else {
        doctor_find(doctor, FINDING_OK, SUBJECT, "", "memory: %s of %s", text_bytes(used, text),
                    text_bytes(most, of));
    }
}

static void check_streams(struct doctor *doctor, const struct redis_facts *facts)
{
    int64_t node_bytes, last_ms = entry_id_ms(facts->last_id);

    if (span_to_i64(config(facts, "stream-node-max-bytes"), &node_bytes)) {
        bool is_large = node_bytes == 0 || node_bytes >= NODE_BYTES;
        doctor_find(doctor, is_large ? FINDING_WARN : FINDING_OK, SUBJECT,
                    is_large ? "stream-node-max-bytes 1024" : "",
                    is_large ? "stream-node-max-bytes %" PRId64
                               ": each small reply takes about three times the memory"
                             : "stream-node-max-bytes %" PRId64,
                    node_bytes);
    }
    if (facts->last_id.ptr && last_ms > facts->redis_ms + DAY_MS) {
        doctor_find(doctor, FINDING_BAD, SUBJECT,
                    "find who wrote it; empty the queue, then delete the stream: it begins anew",
                    "the newest id of the request stream lies in the future: its ids may run out");
    }
    if (facts->dead > 0) {
        doctor_find(doctor, FINDING_NOTE, SUBJECT, "orionctl dead list; retry or purge them",
                    "%" PRId64 " dead letter%s", facts->dead, facts->dead == 1 ? "" : "s");
    }
}

static bool has_flag(const struct redisReply *rules, const char *flag)
{
    const struct redisReply *flags = reply_field(rules, "flags");

    for (size_t i = 0; i < reply_count(flags); i++) {
        if (span_is(reply_span(reply_at(flags, i)), flag))
            return true;
    }
    return false;
}

static bool is_loopback_only(struct span bind)
{
    char text[512];

    if (bind.len == 0 || !span_copy(bind, text, sizeof text))
        return false;
    for (char *word = text; *word;) {
        word += strspn(word, " -");
        size_t len = strcspn(word, " ");
        struct span address = {word, len};
        if (len > 0 && !span_starts(address, "127.") && !span_is(address, "::1"))
            return false;
        word += len;
    }
    return true;
}

/* The default user has no password: how bad that is depends on who can connect. */
static void check_open(struct doctor *doctor, const struct redis_facts *facts)
{
    struct span port = config(facts, "port"), bind = config(facts, "bind");

    if (span_is(port, "0") || is_loopback_only(bind)) {
        doctor_find(doctor, FINDING_NOTE, SUBJECT,
                    "set a password or an ACL before other machines may connect",
                    "anybody on that machine may do everything (no password); it listens on the "
                    "loopback only");
    } else if (span_is(config(facts, "protected-mode"), "yes") && bind.len == 0) {
        doctor_find(doctor, FINDING_NOTE, SUBJECT,
                    "set a password or an ACL, then bind the address of the Pis' network",
                    "no password: protected-mode lets only that machine connect");
    } else {
        doctor_find(doctor, FINDING_BAD, SUBJECT,
                    "requirepass, or an aclfile with the default user off; a firewall besides",
                    "anybody who reaches it may do everything: no password, and it listens on the "
                    "network");
    }
}

static void check_access(struct doctor *doctor, const struct redis_facts *facts)
{
    bool is_open = has_flag(facts->user_rules, "nopass") && has_flag(facts->user_rules, "on");

    if (!facts->user_rules) {
        /* A user need not even be allowed to ask for its own name. */
        bool is_known = facts->user.len > 0;
        doctor_find(doctor, FINDING_OK, SUBJECT, "", "connected as %.*s%s whom an ACL limits",
                    (int)facts->user.len, is_known ? facts->user.ptr : "",
                    is_known ? "," : "a user");
        return;
    }
    if (is_open) {
        check_open(doctor, facts);
    } else {
        doctor_find(doctor, FINDING_OK, SUBJECT, "", "the default user needs a password%s",
                    has_flag(facts->user_rules, "off") ? ", and is off" : "");
    }
}

static void check_clock(struct doctor *doctor, const struct redis_facts *facts)
{
    int64_t ahead_ms = facts->redis_ms - facts->wall_ms;
    char text[TEXT_NUMBER_SIZE];

    if (facts->redis_ms < YEAR_2024_MS) {
        doctor_find(doctor, FINDING_BAD, SUBJECT,
                    "let its machine get the time (systemd-timesyncd, chrony)",
                    "its clock is before 2024: deadlines and lifetimes will jump when it is set");
    } else if (ahead_ms > CLOCK_MAX_MS || ahead_ms < -CLOCK_MAX_MS) {
        doctor_find(doctor, FINDING_NOTE, SUBJECT, "let both get the time (timedatectl status)",
                    "its clock is %s %s this machine's: orion goes by Redis' clock, but logs of "
                    "the two will not match",
                    text_duration(ahead_ms < 0 ? -ahead_ms : ahead_ms, text),
                    ahead_ms < 0 ? "behind" : "ahead of");
    } else {
        doctor_find(doctor, FINDING_OK, SUBJECT, "", "its clock agrees with this machine's");
    }
    if (facts->rtt_ms > SLOW_RTT_MS) {
        doctor_find(doctor, FINDING_WARN, SUBJECT,
                    "look for a busy machine, slow storage with appendfsync always, or Wi-Fi",
                    "slow: a PING takes %" PRId64 " ms at best", facts->rtt_ms);
    }
}

void doctor_redis(struct doctor *doctor, const struct redis_facts *facts)
{
    check_server(doctor, facts);
    if (!facts->config) {
        doctor_find(doctor, FINDING_NOTE, SUBJECT, "run doctor as a user that may call CONFIG GET",
                    "this user may not read the configuration: appendfsync and "
                    "stream-node-max-bytes are not checked");
    }
    check_durability(doctor, facts);
    check_memory(doctor, facts);
    check_streams(doctor, facts);
    check_access(doctor, facts);
    check_clock(doctor, facts);
}
