#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/file.h"
#include "common/options.h"

#include "capture.h"
#include "ctl_config.h"
#include "router_config.h"
#include "test.h"
#include "worker_config.h"

/* The tables in the code, the files in config and --help say the same. In the
 * files a line of prose begins with "# ", a setting that is commented out with "#". */

struct daemon {
    const char *name, *path;
    const struct setting *table;
    size_t n, config_size;
    void (*check)(const void *config, void (*fault)(const char *msg, void *arg), void *arg);
};

static void check_nothing(const void *config, void (*fault)(const char *msg, void *arg), void *arg)
{
    (void)config;
    (void)fault;
    (void)arg;
}

static void for_each_daemon(void (*test)(const struct daemon *daemon))
{
    const struct daemon daemons[] = {
        {"orion-router", "config/router.conf", router_settings, router_settings_count,
         sizeof(struct router_config), router_config_check},
        {"orion-worker", "config/worker.conf", worker_settings, worker_settings_count,
         sizeof(struct worker_config), worker_config_check},
        {"orionctl", "config/orionctl.conf", ctl_settings, ctl_settings_count,
         sizeof(struct ctl_config), check_nothing},
    };

    for (size_t i = 0; i < sizeof daemons / sizeof daemons[0]; i++)
        test(&daemons[i]);
}

static char text[32768];

static void read_text(const char *path)
{
    struct buf buf;
    struct err err;

    buf_init(&buf, sizeof text - 1);
    if (file_read(path, &buf, &err) < 0)
        fail_msg("%s", err.msg);
    (void)span_copy(buf_span(&buf), text, sizeof text);
    buf_done(&buf);
}

static bool is_setting(const char *line)
{
    return line[0] == '#' && line[1] != ' ' && line[1] != '\n' && line[1] != '#';
}

static void on_error(unsigned line, const char *msg, void *arg)
{
    (void)arg;
    fail_msg("line %u: %s", line, msg);
}

static void on_fault(const char *msg, void *arg)
{
    (void)arg;
    fail_msg("%s", msg);
}

static void on_change(const struct setting *row, void *arg)
{
    (void)arg;
    fail_msg("%s differs from its default", row->key);
}

static void check_uncommented(const struct daemon *daemon)
{
    static char defaults[32768], config[32768];

    assert_true(daemon->config_size <= sizeof config);
    memset(defaults, 0, sizeof defaults);
    memset(config, 0, sizeof config);
    settings_defaults(daemon->table, daemon->n, defaults);
    settings_defaults(daemon->table, daemon->n, config);
    read_text(daemon->path);
    settings_parse(daemon->table, daemon->n, config, span_str(text), on_error, NULL);
    for (char *line = text; *line; line += strcspn(line, "\n") + 1) {
        if (is_setting(line))
            line[0] = ' ';
    }
    settings_parse(daemon->table, daemon->n, config, span_str(text), on_error, NULL);
    settings_diff(daemon->table, daemon->n, defaults, config, on_change, NULL);
    daemon->check(defaults, on_fault, NULL);
}

static void test_every_line_uncommented_is_the_default(void **state)
{
    (void)state;
    for_each_daemon(check_uncommented);
}

/* Joins the lines of a comment: "one\n# two" becomes "one two". */
static void join_prose(char *joined, size_t cap)
{
    size_t len = 0;

    for (const char *c = text; *c && len < cap - 1; c++) {
        if (strncmp(c, "\n# ", 3) == 0 && c > text && c[-1] != '\n') {
            joined[len++] = ' ';
            c += 2;
        } else {
            joined[len++] = *c;
        }
    }
    joined[len] = '\0';
}

static void check_rows(const struct daemon *daemon)
{
    static char joined[sizeof text];
    size_t settings = 0;

    read_text(daemon->path);
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        settings += is_setting(line) ? 1 : 0;
    assert_int_equal(settings, daemon->n);
    join_prose(joined, sizeof joined);
    for (size_t i = 0; i < daemon->n; i++) {
        const struct setting *row = &daemon->table[i];
        char range[96], want[1024];
        settings_range(row, range, sizeof range);
        (void)snprintf(want, sizeof want, "\n#%s =%s%s\n", row->key,
                       row->default_text[0] ? " " : "", row->default_text);
        const char *at = strstr(joined, want);
        if (!at)
            fail_msg("%s lacks %s", daemon->path, want);
        /* What is said about it stands in the paragraph before. */
        const char *from = at;
        while (from > joined && strncmp(from - 1, "\n\n", 2) != 0)
            from--;
        struct span said = {from, (size_t)(at - from)};
        (void)span_copy(said, want, sizeof want);
        if (!strstr(want, row->why) || !strstr(want, range) ||
            (strstr(want, "Needs a restart.") != NULL) != row->needs_restart)
            fail_msg("%s: %s: \"%s\"", daemon->path, row->key, want);
    }
}

static void test_the_files_have_every_key_with_default_range_and_reason(void **state)
{
    (void)state;
    for_each_daemon(check_rows);
}

static void print_help(const struct daemon *daemon)
{
    const struct options_program program = {.name = daemon->name,
                                            .summary = "x",
                                            .table = daemon->table,
                                            .n = daemon->n,
                                            .config_size = daemon->config_size};
    const char *argv[] = {daemon->name, "--help", NULL};
    struct options options;
    struct capture out;
    static char config[4096];
    int status = -1;

    capture_start(&out, 1);
    int outcome = options_start(&program, 2, (char **)(uintptr_t)argv, &options, config, &status);
    capture_end(&out, text, sizeof text);
    assert_int_equal(outcome, OPTIONS_EXIT);
    assert_int_equal(status, 0);
}

/* Without line breaks and indentation. */
static void squeeze(void)
{
    size_t len = 0;

    for (const char *c = text; *c; c++) {
        char plain = *c == '\n' ? ' ' : *c;
        if (plain != ' ' || (len > 0 && text[len - 1] != ' '))
            text[len++] = plain;
    }
    text[len] = '\0';
}

static void check_help(const struct daemon *daemon)
{
    print_help(daemon);
    squeeze();
    for (size_t i = 0; i < daemon->n; i++) {
        const struct setting *row = &daemon->table[i];
        char range[96], want[200];
        settings_range(row, range, sizeof range);
        (void)snprintf(want, sizeof want, "(default: %s%s%s%s) ",
                       row->default_text[0] ? row->default_text : "empty",
                       range[0] ? "; range: " : "", range,
                       row->needs_restart ? "; needs a restart" : "");
        char key[64];
        (void)snprintf(key, sizeof key, " %s = ", row->key);
        const char *at = strstr(text, key);
        if (!at)
            fail_msg("--help lacks %s", row->key);
        at = strstr(at, "(default");
        assert_non_null(at);
        assert_memory_equal(at, want, strlen(want));
        assert_memory_equal(at + strlen(want), row->why, strlen(row->why));
    }
}

static void test_help_has_every_key_with_default_range_and_reason(void **state)
{
    (void)state;
    for_each_daemon(check_help);
}

static void test_the_promised_defaults_are_in_the_tables(void **state)
{
    struct router_config router = {0};
    struct worker_config worker = {0};

    (void)state;
    settings_defaults(router_settings, router_settings_count, &router);
    settings_defaults(worker_settings, worker_settings_count, &worker);
    assert_int_equal(router.window, 4096);
    assert_int_equal(router.max_queue, 100000);
    assert_int_equal(router.default_timeout_ms, 30 * 60 * 1000);
    assert_int_equal(router.request_max_bytes, 8 << 20);
    assert_int_equal(router.max_attempts, 3);
    assert_int_equal(router.response_ttl_ms, 3600 * 1000);
    assert_int_equal(router.node_late_ms, 10000);
    assert_int_equal(router.node_lost_ms, 15000);
    assert_int_equal(router.node_forget_ms, 24 * 3600 * 1000);
    assert_int_equal(router.model_wait_ms, 30000);
    assert_int_equal(router.temp_max_mc, 75000);
    assert_int_equal(router.ram_max_pct, 90);
    assert_int_equal(router.prefetch, 0);
    assert_int_equal(router.priority_age_ms, 60000);
    assert_int_equal(worker.slots, 1);
    assert_int_equal(worker.health_interval_ms, 5000);
    assert_int_equal(worker.temp_max_mc, 75000);
    assert_int_equal(worker.temp_resume_mc, 70000);
    assert_int_equal(worker.ram_max_pct, 90);
    assert_int_equal(worker.ram_resume_pct, 85);
    assert_int_equal(worker.drain_timeout_ms, 30000);
    assert_int_equal(worker.stall_timeout_ms, 120000);
    assert_int_equal(worker.first_byte_timeout_ms, 600000);
    assert_int_equal(worker.reply_max_bytes, 16 << 20);
    assert_int_equal(worker.num_ctx, 0);
    assert_int_equal(worker.chunk_interval_ms, 50);
    assert_int_equal(worker.chunk_tokens, 64);
    assert_false(worker.allow_runner_options);
    assert_string_equal(worker.ollama, "http://127.0.0.1:11434");
    assert_string_equal(worker.root, "");
    assert_string_equal(router.router_id, "");
    assert_string_equal(router.log_level, "info");
}

static void keep_fault(const char *msg, void *arg)
{
    (void)strcpy(arg, msg);
}

static void test_the_router_checks_its_times_against_each_other(void **state)
{
    struct router_config config = {0};
    char fault[200] = "";

    (void)state;
    settings_defaults(router_settings, router_settings_count, &config);
    config.node_late_ms = config.node_lost_ms;
    router_config_check(&config, keep_fault, fault);
    assert_string_equal(fault, "");
    config.node_late_ms++;
    router_config_check(&config, keep_fault, fault);
    assert_string_equal(fault, "node_late must not be longer than node_lost");
    config.node_forget_ms = 1000;
    router_config_check(&config, keep_fault, fault);
    assert_string_equal(fault, "node_lost must not be longer than node_forget");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_line_uncommented_is_the_default),
        cmocka_unit_test(test_the_files_have_every_key_with_default_range_and_reason),
        cmocka_unit_test(test_help_has_every_key_with_default_range_and_reason),
        cmocka_unit_test(test_the_promised_defaults_are_in_the_tables),
        cmocka_unit_test(test_the_router_checks_its_times_against_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
