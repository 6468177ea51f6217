#include <string.h>

#include "common/daemon.h"
#include "common/log.h"
#include "common/setting_rows.h"

#include "capture.h"
#include "test.h"

struct config {
    char prefix[128];
    char log_level[16];
    int64_t count;
};

static const struct setting table[] = {
    SETTING_ROW_PREFIX(config),
    SETTING_ROW_LOG_LEVEL(config),
    {.key = "count",
     .type = SETTING_NUMBER,
     SETTING_AT(config, count),
     .default_text = "1",
     .min = 1,
     .max = 9,
     .why = "c"},
};

static const struct options_program program = {.name = "test",
                                               .summary = "s",
                                               .table = table,
                                               .n = sizeof table / sizeof table[0],
                                               .config_size = sizeof(struct config)};

static void test_an_id_is_the_one_chosen_or_made_of_the_host_name(void **state)
{
    char id[NODE_ID_MAX + 1];

    (void)state;
    daemon_id("pi-1", id);
    assert_string_equal(id, "pi-1");
    daemon_id("", id);
    assert_true(node_id_valid(span_str(id)));
}

static void test_a_faulty_reload_is_refused_and_says_why(void **state)
{
    const struct options options = {.sets = {"count=10"}, .n_sets = 1};
    struct config fresh;
    struct capture capture;
    char text[1024];

    (void)state;
    capture_start(&capture, 2);
    bool ok = daemon_reload_read(&program, &options, &fresh);
    capture_end(&capture, text, sizeof text);
    assert_false(ok);
    const char *fault = strstr(text, "event=bad_setting why=");
    assert_non_null(fault);
    assert_non_null(strstr(fault, "count"));
    assert_non_null(strstr(text, "event=reload_failed"));
}

static void test_a_reload_changes_what_it_may_and_names_the_rest(void **state)
{
    const struct options options = {.sets = {"count=2", "prefix=other"}, .n_sets = 2};
    struct config running = {.prefix = "mine", .log_level = "info", .count = 1};
    struct config fresh;
    struct capture capture;
    char text[1024];

    (void)state;
    assert_true(daemon_reload_read(&program, &options, &fresh));
    capture_start(&capture, 2);
    daemon_reload_apply(&program, &fresh, &running);
    capture_end(&capture, text, sizeof text);
    assert_int_equal(running.count, 2);
    assert_string_equal(running.prefix, "mine");
    assert_non_null(strstr(text, "event=setting_changed key=count value=\"2\""));
    assert_non_null(strstr(text, "event=setting_needs_restart key=prefix value=\"other\""));
    assert_null(strstr(text, "key=log_level"));
}

static void test_the_log_level_is_taken_from_the_setting(void **state)
{
    (void)state;
    daemon_log_level("error");
    assert_false(log_enabled(LOG_LEVEL_WARNING));
    daemon_log_level("info");
    assert_true(log_enabled(LOG_LEVEL_INFO));
    assert_false(log_enabled(LOG_LEVEL_DEBUG));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_id_is_the_one_chosen_or_made_of_the_host_name),
        cmocka_unit_test(test_a_faulty_reload_is_refused_and_says_why),
        cmocka_unit_test(test_a_reload_changes_what_it_may_and_names_the_rest),
        cmocka_unit_test(test_the_log_level_is_taken_from_the_setting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
