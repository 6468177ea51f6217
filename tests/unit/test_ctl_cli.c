#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"

#include "cli.h"
#include "test.h"

static struct cli cli;
static struct err err;

static int parse(const char *line)
{
    static char copy[512];
    static char *argv[64];
    int argc = 0;

    (void)snprintf(copy, sizeof copy, "orionctl %s", line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    err.msg[0] = '\0';
    return cli_parse(argc, argv, &cli, &err);
}

static void test_the_table_is_in_order_and_every_row_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLI_COUNT; i++) {
        const struct cli_command *command = &cli_commands[i];
        assert_int_equal(command->id, i);
        assert_true(command->n_options <= CLI_OPTIONS_MAX);
        assert_true(command->max_args <= CLI_ARGS_MAX);
        for (size_t o = 0; o < command->n_options; o++) {
            assert_non_null(command->options[o].help);
            for (size_t p = 0; p < o; p++) { /* no name and no letter twice */
                assert_string_not_equal(command->options[o].name, command->options[p].name);
                assert_true(command->options[o].letter == 0 ||
                            command->options[o].letter != command->options[p].letter);
            }
            for (size_t p = 0; p < cli_globals_count; p++)
                assert_string_not_equal(command->options[o].name, cli_globals[p].name);
        }
    }
}

static void test_what_is_understood(void **state)
{
    (void)state;
    assert_int_equal(parse("--json submit -m gemma3:1b --timeout=5s why is - blue"), 0);
    assert_int_equal(cli.command->id, CLI_SUBMIT);
    assert_true(cli_has(&cli, "json"));
    assert_string_equal(cli_value(&cli, "model"), "gemma3:1b");
    assert_string_equal(cli_value(&cli, "timeout"), "5s");
    assert_null(cli_value(&cli, "session"));
    assert_int_equal(cli.n_args, 4);
    assert_string_equal(cli.args[2], "-");

    assert_int_equal(parse("submit --stream -mgemma3 -- --json"), 0);
    assert_string_equal(cli_value(&cli, "model"), "gemma3");
    assert_true(cli_has(&cli, "stream") && !cli_has(&cli, "json"));
    assert_string_equal(cli.args[0], "--json");

    assert_int_equal(parse("dead list --redis redis://x"), 0);
    assert_int_equal(cli.command->id, CLI_DEAD_LIST);
    assert_string_equal(cli_value(&cli, "redis"), "redis://x");
    assert_int_equal(parse("drain --help"), 0);
    assert_true(cli.wants_help);
    assert_int_equal(parse("-h"), 0);
    assert_int_equal(cli.command->id, CLI_HELP);
}

static void test_what_is_refused_is_named(void **state)
{
    static const struct {
        const char *line, *says;
    } rows[] = {
        {"", "no command"},
        {"frob", "unknown command \"frob\""},
        {"dead", "list, show, retry, purge"},
        {"dead frob", "list, show, retry, purge"},
        {"--frob status", "unknown option \"--frob\""},
        {"status --model x", "status has no option \"--model\""},
        {"status x", "unexpected argument \"x\""},
        {"wait", "wait needs ID"},
        {"wait a b", "unexpected argument \"b\""},
        {"submit --model", "--model needs a value"},
        {"submit --stream=1", "--stream takes no value"},
        {"submit -m a -m b", "--model is given twice"},
        {"x\033[31m", "unknown command \"x?[31m\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(parse(rows[i].line), -EINVAL);
        if (!strstr(err.msg, rows[i].says))
            fail_msg("%s: %s", rows[i].line, err.msg);
    }
}

static void test_numbers_and_durations_have_a_range(void **state)
{
    int64_t value = 7;

    (void)state;
    assert_int_equal(parse("events -n 30"), 0);
    assert_int_equal(cli_number(&cli, "lines", (struct cli_range){0, 10000, 20}, &value, &err), 0);
    assert_int_equal(value, 30);
    assert_int_equal(cli_duration_ms(&cli, "since", (struct cli_range){1, 1000, -1}, &value, &err),
                     0);
    assert_int_equal(value, -1);
    assert_int_equal(parse("events -n 10001 --since 5"), 0);
    assert_int_equal(cli_number(&cli, "lines", (struct cli_range){0, 10000, 20}, &value, &err),
                     -EINVAL);
    assert_non_null(strstr(err.msg, "--lines"));
    assert_int_equal(cli_duration_ms(&cli, "since", (struct cli_range){1, 1000, -1}, &value, &err),
                     -EINVAL);
    assert_non_null(strstr(err.msg, "--since"));
}

static void check_columns(const struct buf *out)
{
    size_t col = 0;

    assert_false(out->failed);
    for (size_t i = 0; i < out->len; i++) {
        col = out->ptr[i] == '\n' ? 0 : col + 1;
        if (col > 80)
            fail_msg("longer than 80: %.*s", 100, out->ptr + i + 1 - col);
    }
}

static void test_help_names_everything_in_80_columns(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 65536);
    cli_help(&out);
    check_columns(&out);
    (void)buf_add(&out, "", 1);
    for (size_t i = 0; i < CLI_COUNT; i++)
        assert_non_null(strstr(out.ptr, cli_commands[i].summary));
    for (size_t i = 0; i < CLI_COUNT; i++) {
        buf_clear(&out);
        cli_help_command(&cli_commands[i], &out);
        check_columns(&out);
        (void)buf_add(&out, "", 1);
        for (size_t o = 0; o < cli_commands[i].n_options; o++)
            assert_non_null(strstr(out.ptr, cli_commands[i].options[o].name));
    }
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_table_is_in_order_and_every_row_is_whole),
        cmocka_unit_test(test_what_is_understood),
        cmocka_unit_test(test_what_is_refused_is_named),
        cmocka_unit_test(test_numbers_and_durations_have_a_range),
        cmocka_unit_test(test_help_names_everything_in_80_columns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
