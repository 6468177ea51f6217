/* What doctor concludes from which facts. */

#include <stdlib.h>
#include <string.h>

#include "ctl_fleet_made.h"
#include "ctl_made.h"
#include "doctor.h"
#include "test.h"
#include "text.h"

static struct doctor *doctor;

static int setup(void **state)
{
    (void)state;
    doctor = calloc(1, sizeof *doctor);
    return doctor ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    free(doctor);
    return 0;
}

static bool found(enum finding_level level, const char *what)
{
    for (size_t i = 0; i < doctor->n; i++) {
        if (doctor->findings[i].level == level && strstr(doctor->findings[i].what, what)) {
            /* whoever tells what is wrong tells what to do */
            assert_true(level == FINDING_OK || doctor->findings[i].todo[0]);
            return true;
        }
    }
    return false;
}

static void dump(const char *missing)
{
    for (size_t i = 0; i < doctor->n; i++)
        print_message("%d %s: %s\n", (int)doctor->findings[i].level, doctor->findings[i].subject,
                      doctor->findings[i].what);
    fail_msg("not found: %s", missing);
}

/* --- Redis ------------------------------------------------------------------------------------ */

#define GOOD_INFO                                                                                  \
    "# Server\r\nredis_version:7.0.15\r\nrole:master\r\nevicted_keys:0\r\naof_enabled:1\r\n"       \
    "aof_last_write_status:ok\r\naof_last_bgrewrite_status:ok\r\naof_delayed_fsync:0\r\n"          \
    "used_memory:1000000\r\nmaxmemory:100000000\r\nmaxmemory_policy:noeviction\r\n"
#define GOOD_CONFIG                                                                                \
    "['appendfsync','always','stream-node-max-bytes','1024','bind','127.0.0.1 -::1','port',"       \
    "'6379','protected-mode','yes']"
#define GOOD_RULES "['flags',['on','allkeys'],'passwords',['x']]"

static void look_redis(const char *info, const char *config, const char *rules, int64_t ahead_ms)
{
    redisReply *settings = config ? made(config) : NULL, *user = rules ? made(rules) : NULL;
    const struct redis_facts facts = {
        .info = span_str(info),
        .config = settings,
        .user = span_str("default"),
        .user_rules = user,
        .redis_ms = MADE_NOW_MS + ahead_ms,
        .wall_ms = MADE_NOW_MS,
        .rtt_ms = 1,
        .last_id = span_str("1795553477000-0"),
    };

    memset(doctor, 0, sizeof *doctor);
    doctor_redis(doctor, &facts);
    if (settings)
        freeReplyObject(settings);
    if (user)
        freeReplyObject(user);
}

static void test_a_good_redis(void **state)
{
    (void)state;
    look_redis(GOOD_INFO, GOOD_CONFIG, GOOD_RULES, 10);
    if (doctor->counts[FINDING_BAD] + doctor->counts[FINDING_WARN] + doctor->counts[FINDING_NOTE])
        dump("nothing");
    assert_true(doctor->counts[FINDING_OK] >= 6);
}

static void test_a_bad_redis(void **state)
{
    static const struct {
        const char *from, *to; /* in GOOD_INFO */
        enum finding_level level;
        const char *what;
    } rows[] = {
        {"redis_version:7.0.15", "redis_version:6.2.14", FINDING_BAD, "need 7.0"},
        {"role:master", "role:slave", FINDING_BAD, "replica"},
        {"evicted_keys:0", "evicted_keys:5", FINDING_BAD, "5 keys were evicted"},
        {"aof_enabled:1", "aof_enabled:0", FINDING_BAD, "the AOF is off"},
        {"aof_last_write_status:ok", "aof_last_write_status:err", FINDING_BAD, "last write"},
        {"bgrewrite_status:ok", "bgrewrite_status:err", FINDING_WARN, "last rewrite"},
        {"aof_delayed_fsync:0", "aof_delayed_fsync:101", FINDING_WARN, "were late"},
        {"maxmemory_policy:noeviction", "maxmemory_policy:allkeys-lru", FINDING_BAD, "throws"},
        {"maxmemory:100000000", "maxmemory:0", FINDING_WARN, "no maxmemory"},
        {"used_memory:1000000", "used_memory:90000000", FINDING_WARN, "nearly full"},
    };
    char info[1024];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *at = strstr(GOOD_INFO, rows[i].from);
        assert_non_null(at);
        (void)snprintf(info, sizeof info, "%.*s%s%s", (int)(strlen(GOOD_INFO) - strlen(at)),
                       GOOD_INFO, rows[i].to, at + strlen(rows[i].from));
        look_redis(info, GOOD_CONFIG, GOOD_RULES, 0);
        if (!found(rows[i].level, rows[i].what))
            dump(rows[i].what);
    }
}

static void test_who_may_connect(void **state)
{
    static const char open[] = "['flags',['on','nopass']]";

    (void)state;
    look_redis(GOOD_INFO, GOOD_CONFIG, open, 0);
    assert_true(found(FINDING_NOTE, "loopback only"));
    look_redis(GOOD_INFO, "['bind','192.168.1.10 127.0.0.1','port','6379','protected-mode','no']",
               open, 0);
    assert_true(found(FINDING_BAD, "anybody who reaches it"));
    look_redis(GOOD_INFO, "['bind','','port','6379','protected-mode','no']", open, 0);
    assert_true(found(FINDING_BAD, "anybody who reaches it"));
    look_redis(GOOD_INFO, "['bind','','port','6379','protected-mode','yes']", open, 0);
    assert_true(found(FINDING_NOTE, "protected-mode"));
    look_redis(GOOD_INFO, GOOD_CONFIG, NULL, 0);
    assert_true(found(FINDING_OK, "connected as default, whom an ACL limits"));
}

static void test_settings_and_clock(void **state)
{
    (void)state;
    look_redis(GOOD_INFO, "['appendfsync','everysec','stream-node-max-bytes','4096']", GOOD_RULES,
               0);
    assert_true(found(FINDING_WARN, "two seconds"));
    assert_true(found(FINDING_WARN, "stream-node-max-bytes 4096"));
    look_redis(GOOD_INFO, "['appendfsync','no','stream-node-max-bytes','0']", GOOD_RULES, 60000);
    assert_true(found(FINDING_BAD, "appendfsync no"));
    assert_true(found(FINDING_WARN, "stream-node-max-bytes 0"));
    assert_true(found(FINDING_NOTE, "1m00s ahead of"));
    look_redis(GOOD_INFO, GOOD_CONFIG, GOOD_RULES, -6000);
    assert_true(found(FINDING_NOTE, "6s behind"));
    look_redis(GOOD_INFO, GOOD_CONFIG, GOOD_RULES, -MADE_NOW_MS);
    assert_true(found(FINDING_BAD, "before 2024"));
    look_redis(GOOD_INFO, GOOD_CONFIG, GOOD_RULES, -2 * 86400000LL);
    assert_true(found(FINDING_BAD, "lies in the future"));
    look_redis(NULL, NULL, NULL, 0);
    assert_true(found(FINDING_WARN, "may not call INFO"));
    assert_true(found(FINDING_NOTE, "may not read the configuration"));
}

/* --- nodes, Ollama ---------------------------------------------------------------------------- */

static void test_the_made_fleet(void **state)
{
    static struct fleet_seen fleet;
    redisReply *replies[4];
    struct buf out;
    struct err err;

    (void)state;
    made_fleet(&fleet, replies);
    doctor_fleet(doctor, &fleet);
    doctor_ollama(doctor, &fleet);
    buf_init(&out, 1 << 20);
    doctor_text(doctor, 80, false, &out);
    screen_check(&out, 0, 80);
    golden_check("doctor.txt", &out);
    buf_clear(&out);
    doctor_json(doctor, &out);
    assert_int_equal(json_check(buf_span(&out), &err), 0);
    buf_done(&out);
    made_free(replies);
}

static void look_version(const char *version)
{
    static struct fleet_seen fleet;
    struct seen_node node = {.id = span_str("pi-1"), .json = span_str("{}")};

    (void)snprintf(node.ollama_version, sizeof node.ollama_version, "%s", version);
    memset(doctor, 0, sizeof *doctor);
    memset(&fleet, 0, sizeof fleet);
    fleet.nodes[0] = node;
    fleet.n_nodes = 1;
    doctor_ollama(doctor, &fleet);
}

static void test_versions_of_ollama(void **state)
{
    static const struct {
        const char *version;
        enum finding_level level;
        const char *what;
        bool is_found;
    } rows[] = {
        {"0.14.2", FINDING_BAD, "ten times slower", false},
        {"0.14.3", FINDING_BAD, "ten times slower", true},
        {"0.14.3-rc3", FINDING_BAD, "ten times slower", true},
        {"v0.15.0", FINDING_BAD, "ten times slower", true},
        {"0.15.1", FINDING_BAD, "ten times slower", false},
        {"0.12.4", FINDING_WARN, "wrong estimates", false},
        {"0.12.5", FINDING_WARN, "wrong estimates", true},
        {"0.12.6", FINDING_WARN, "wrong estimates", true},
        {"0.12.7", FINDING_WARN, "wrong estimates", false},
        {"0.13.0", FINDING_WARN, "one model in memory", true},
        {"0.30.0", FINDING_WARN, "without those in the cache", true},
        {"0.30.1", FINDING_WARN, "without those in the cache", false},
        {"0.32.3", FINDING_NOTE, "/api/ps", true},
        {"0.32.4", FINDING_NOTE, "/api/ps", false},
        {"0.24.0", FINDING_NOTE, "goes on reading", true},
        {"0.30.0", FINDING_NOTE, "goes on reading", false},
        {"0.6.7", FINDING_WARN, "is 4 unless", true},
        {"0.9.6", FINDING_WARN, "is 2 unless", true},
        {"0.10.0", FINDING_WARN, "unless it is set", false},
        {"0.24.0", FINDING_NOTE, "8 GiB", false},
        {"0.30.0", FINDING_NOTE, "8 GiB", true},
        {"0.1.24", FINDING_WARN, "older than", true},
        {"0.5.0", FINDING_WARN, "older than", false},
        {"0.0.0", FINDING_WARN, "older than", false}, /* a build of one's own */
        {"", FINDING_NOTE, "not known", true},
        {"nightly", FINDING_NOTE, "not known", true},
        {"99999999999.1", FINDING_WARN, "older than", false},
        {"99999999999.1", FINDING_NOTE, "not known", true},
        {"0", FINDING_NOTE, "not known", true},
        {"0.", FINDING_NOTE, "not known", true},
        {"0.4", FINDING_WARN, "older than", true}, /* two numbers suffice */
        {"0.4.", FINDING_WARN, "older than", true},
        {"0.4.123456", FINDING_WARN, "older than", false}, /* read as 0.4.12345 */
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        look_version(rows[i].version);
        if (found(rows[i].level, rows[i].what) != rows[i].is_found)
            dump(rows[i].version);
    }
}

static const struct seen_node good_node = {
    .id = {"pi-1", 4},
    .json = {"{}", 2},
    .available = true,
    .board = "Raspberry Pi 5 Model B Rev 1.0",
    .ollama_version = "0.32.15",
    .temp_c = 50,
    .ram_pct = 40,
    .keeps_models = 1,
    .slots = 1,
    .n_installed = 2,
    .n_resident = 1,
};

static void look_node(const struct seen_node *node)
{
    memset(doctor, 0, sizeof *doctor);
    doctor_node(doctor, node);
}

static void test_what_a_node_may_have(void **state)
{
    struct seen_node node;

    (void)state;
    look_node(&good_node);
    if (doctor->n != 1 || !found(FINDING_OK, "up, 50.0 C, 40% memory"))
        dump("up, and nothing else");

/* A good node with this one change: this finding and no other. */
#define FINDS(change, level, what)                                                                 \
    do {                                                                                           \
        node = good_node;                                                                          \
        change;                                                                                    \
        look_node(&node);                                                                          \
        if (doctor->n != 1 || !found(level, what))                                                 \
            dump(what);                                                                            \
    } while (0)
    FINDS((node.state = SEEN_LOST, node.age_ms = 20000), FINDING_BAD, "no sign of life for 20s");
    FINDS((node.state = SEEN_LATE, node.age_ms = 12000), FINDING_WARN, "is 12s old");
    FINDS(node.state = SEEN_BAD, FINDING_BAD, "cannot be read");
    FINDS(node.state = SEEN_DRAINED, FINDING_NOTE, "drained");
    FINDS(node.state = SEEN_HOT, FINDING_WARN, "takes no work: hot");
    FINDS(node.state = SEEN_MEMORY, FINDING_WARN, "takes no work: memory");
    FINDS((node.state = SEEN_RESTING, strcpy(node.reason, "ollama down")), FINDING_BAD,
          "ollama down");
    FINDS((node.state = SEEN_RESTING, strcpy(node.reason, "starting")), FINDING_NOTE, "starting");
    FINDS((node.state = SEEN_RESTING, strcpy(node.reason, "stopping")), FINDING_NOTE, "stopping");
    FINDS((node.state = SEEN_RESTING, strcpy(node.reason, "new")), FINDING_WARN, "work: new");
    FINDS(node.temp_c = SEEN_UNKNOWN, FINDING_WARN, "no temperature");
    FINDS(node.throttled = -1, FINDING_NOTE, "throttling and under-voltage cannot be read");
    FINDS(node.ram_pct = SEEN_UNKNOWN, FINDING_WARN, "no memory reading");
    FINDS(node.throttled = 1, FINDING_BAD, "throttled now (50.0 C)");
    FINDS(node.under_voltage = 1, FINDING_BAD, "under-voltage");
    FINDS(node.freq_capped = 1, FINDING_WARN, "clock frequency is capped");
    FINDS(node.temp_c = 80, FINDING_WARN, "80.0 C: a Pi throttles");
    FINDS(node.temp_c = 70, FINDING_NOTE, "70.0 C: warm");
    FINDS(node.swap_per_s = 12, FINDING_WARN, "swaps in 12 pages per second");
    FINDS(node.pressure_pct = 11, FINDING_WARN, "waits for memory 11% of the time");
    FINDS(node.ram_pct = 88, FINDING_NOTE, "88% of its memory");
    FINDS(node.json = span_str("{\"suspect\":[\"m\"]}"), FINDING_BAD, "has hung");
    FINDS(node.n_installed = 0, FINDING_WARN, "no model is installed");
    FINDS(node.keeps_models = 0, FINDING_WARN, "forgets a model");
    FINDS(node.n_resident = 2, FINDING_NOTE, "2 models are in memory");
    FINDS(node.slots = 2, FINDING_NOTE, "2 slots");
#undef FINDS
    node = good_node;
    node.keeps_models = -1;
    look_node(&node);
    assert_int_equal(doctor->counts[FINDING_OK], doctor->n);
}

static void test_this_machine(void **state)
{
    static const char list[] = "PATH=/bin\0OLLAMA_KEEP_ALIVE=-1\0XOLLAMA_NUM_PARALLEL=1\0"
                               "LLAMA_ARG_CACHE_RAM=256";
    struct local_facts facts = {.ollama_runs = true,
                                .ollama_environ = {list, sizeof list - 1},
                                .swaps = span_str("Filename\n/dev/mmcblk0p3 partition 1 0 -2\n"),
                                .clock_is_known = true};

    (void)state;
    doctor_local(doctor, &facts);
    assert_true(found(FINDING_OK, "OLLAMA_KEEP_ALIVE=-1"));
    assert_true(found(FINDING_OK, "LLAMA_ARG_CACHE_RAM=256"));
    assert_true(found(FINDING_WARN, "without OLLAMA_NUM_PARALLEL"));
    assert_true(found(FINDING_WARN, "swaps to a file or partition"));
    assert_true(found(FINDING_NOTE, "not set by the network"));
    memset(doctor, 0, sizeof *doctor);
    facts.ollama_environ = (struct span){NULL, 0};
    doctor_local(doctor, &facts);
    assert_true(found(FINDING_NOTE, "cannot be read"));
    memset(doctor, 0, sizeof *doctor);
    doctor_local(doctor, &(struct local_facts){.clock_is_known = true, .clock_is_synced = true});
    assert_int_equal(doctor->n, 0);
}

static void test_more_findings_than_there_is_room_for(void **state)
{
    (void)state;
    for (int i = 0; i < FINDINGS_MAX + 2; i++)
        doctor_find(doctor, FINDING_BAD, "x", "", "%d", i);
    assert_int_equal(doctor->n, FINDINGS_MAX);
    assert_int_equal(doctor->left_out, 2);
    assert_int_equal(doctor->counts[FINDING_BAD], FINDINGS_MAX + 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_good_redis),
        TEST(test_a_bad_redis),
        TEST(test_who_may_connect),
        TEST(test_settings_and_clock),
        TEST(test_the_made_fleet),
        TEST(test_versions_of_ollama),
        TEST(test_this_machine),
        TEST(test_what_a_node_may_have),
        TEST(test_more_findings_than_there_is_room_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
