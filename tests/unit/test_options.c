#include <errno.h>
#include <string.h>

#include "common/err.h"
#include "common/options.h"
#include "common/redis_url.h"

#include "capture.h"
#include "test.h"
#include "worker_config.h"

static const struct options_program *program(void)
{
    static struct options_program worker = {.name = "orion-worker",
                                            .summary = "Runs requests on this node's Ollama.",
                                            .config_size = sizeof(struct worker_config),
                                            .check = worker_config_check};
    worker.table = worker_settings;
    worker.n = worker_settings_count;
    return &worker;
}

/* One call of options_start() and all that came of it. */
struct run {
    int outcome, status;
    struct options options;
    struct worker_config config;
    char out[16384], errors[4096];
};

static struct run run; /* large */

static void start(int argc, const char **argv)
{
    struct capture out, errors;

    memset(&run, 0, sizeof run);
    capture_start(&out, 1);
    capture_start(&errors, 2);
    run.outcome = options_start(program(), argc, (char **)(uintptr_t)argv, &run.options,
                                &run.config, &run.status);
    capture_end(&errors, run.errors, sizeof run.errors);
    capture_end(&out, run.out, sizeof run.out);
}

#define START(...)                                                                                 \
    do {                                                                                           \
        const char *argv_[] = {"orion-worker", __VA_ARGS__};                                       \
        start((int)(sizeof argv_ / sizeof argv_[0]), argv_);                                       \
    } while (0)

static char folder[] = "/tmp/options-XXXXXX";
static char path[64];

static void write_file(const char *name, const void *bytes, size_t len)
{
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void write_text(const char *text)
{
    write_file("worker.conf", text, strlen(text));
}

/* "FOLDER/worker.conf:1: ..." with FOLDER filled in. */
static void assert_errors(const char *want)
{
    char text[4096] = "";
    size_t len = 0;

    for (const char *c = want; *c && len < sizeof text - 100; c++) {
        if (*c == '@')
            len += (size_t)snprintf(text + len, sizeof text - len, "%s/worker.conf", folder);
        else
            text[len++] = *c;
        text[len] = '\0';
    }
    assert_string_equal(run.errors, text);
}

static int clean(void **state)
{
    static const char *const names[] = {
        "REDIS_URL",    "OLLAMA_HOST",       "ORION_SLOTS",    "ORION_REDIS",
        "ORION_OLLAMA", "ORION_TEST_OLLAMA", "ORION_TEMP_MAX", "CREDENTIALS_DIRECTORY"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)unsetenv(names[i]);
    return 0;
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    static const char *const names[] = {"worker.conf", "password", "redis-password"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    return rmdir(folder);
}

static void test_without_arguments_the_defaults_apply(void **state)
{
    (void)state;
    const char *argv[] = {"orion-worker", NULL};
    start(1, argv);
    assert_int_equal(run.outcome, OPTIONS_RUN);
    assert_string_equal(run.errors, "");
    assert_string_equal(run.config.redis, "redis://127.0.0.1:6379");
    assert_string_equal(run.config.prefix, "orion:inference");
    assert_string_equal(run.config.node_id, "");
    assert_int_equal(run.config.slots, 1);
    assert_int_equal(run.config.num_ctx, 0);
    assert_null(run.options.config_path);
}

static void test_each_source_wins_over_the_one_before(void **state)
{
    (void)state;
    write_text("slots = 2\ntemp_max = 74C\nnode_id = from-file\n");
    START("--config", path);
    assert_int_equal(run.config.slots, 2);
    (void)setenv("ORION_SLOTS", "3", 1);
    (void)setenv("ORION_TEMP_MAX", "", 1); /* empty: not set */
    START("--config", path);
    assert_int_equal(run.config.slots, 3);
    assert_int_equal(run.config.temp_max_mc, 74000);
    START("--set", "slots=4", "--config", path, "--set=slots=5");
    assert_int_equal(run.outcome, OPTIONS_RUN);
    assert_int_equal(run.config.slots, 5);
    assert_string_equal(run.config.node_id, "from-file");
    assert_string_equal(run.options.config_path, path);
    assert_int_equal(run.options.n_sets, 2);
}

static void test_known_variables_set_redis_and_ollama_unless_ours_do(void **state)
{
    (void)state;
    (void)setenv("REDIS_URL", "redis://h1:1", 1);
    (void)setenv("OLLAMA_HOST", "0.0.0.0:8080", 1);
    (void)setenv("ORION_TEST_OLLAMA", "ignored", 1);
    START("--set=slots=2");
    assert_int_equal(run.outcome, OPTIONS_RUN);
    assert_string_equal(run.config.redis, "redis://h1:1");
    assert_string_equal(run.config.ollama, "http://127.0.0.1:8080");
    (void)setenv("ORION_REDIS", "unix:///run/r.sock", 1);
    (void)setenv("ORION_OLLAMA", "http://pi-1:11434", 1);
    START("--set=slots=2");
    assert_string_equal(run.config.redis, "unix:///run/r.sock");
    assert_string_equal(run.config.ollama, "http://pi-1:11434");
    (void)unsetenv("ORION_OLLAMA");
    (void)setenv("OLLAMA_HOST", "pi-1:x", 1);
    START("--set=slots=2");
    assert_string_equal(run.errors, "environment OLLAMA_HOST: must be HOST, HOST:PORT, :PORT or "
                                    "http://HOST:PORT, for example 127.0.0.1:11434\n");
}

static void test_every_error_is_printed_with_its_place(void **state)
{
    (void)state;
    write_text("slots = 0\n\nnod_id = x\nhealth_interval = 5\n");
    (void)setenv("ORION_SLOTS", "x", 1);
    START("--check-config", "--config", path, "--set", "slots=65", "--set", "slot=2", "--set",
          "slots");
    assert_int_equal(run.outcome, OPTIONS_EXIT);
    assert_int_equal(run.status, 2);
    assert_string_equal(run.out, "");
    assert_errors("@:1: slots: 0 is out of range: 1 to 64\n"
                  "@:3: unknown key \"nod_id\"; the nearest known key is \"node_id\"\n"
                  "@:4: health_interval: \"5\" is not a duration with its unit, such as 250ms, "
                  "15s, 2m, 1h or 1d\n"
                  "environment ORION_SLOTS: slots: \"x\" is not a whole number without a unit, "
                  "such as 3\n"
                  "--set slots=65: slots: 65 is out of range: 1 to 64\n"
                  "--set slot: unknown key \"slot\"; the nearest known key is \"slots\"\n"
                  "--set: expected KEY=VALUE, for example log_level=debug\n");
}

static void test_bad_settings_stop_the_start_too(void **state)
{
    (void)state;
    START("--set", "slots=65");
    assert_int_equal(run.outcome, OPTIONS_EXIT);
    assert_int_equal(run.status, 2);
    START("--set", "temp_resume=80C");
    assert_int_equal(run.status, 2);
    assert_string_equal(run.errors, "temp_resume must be below temp_max\n");
    write_text("ram_resume = 95%\n");
    START("--config", path);
    assert_errors("@: ram_resume must be below ram_max\n");
}

static void test_a_default_resume_follows_a_lower_maximum(void **state)
{
    (void)state;
    START("--set=temp_max=60C", "--set=ram_max=50%");
    assert_int_equal(run.outcome, OPTIONS_RUN);
    assert_int_equal(worker_config_temp_resume_mc(&run.config), 55000);
    assert_int_equal(worker_config_ram_resume_pct(&run.config), 45);
    START("--set=temp_max=72C", "--set=ram_max=3%");
    assert_int_equal(worker_config_temp_resume_mc(&run.config), 67000);
    assert_int_equal(worker_config_ram_resume_pct(&run.config), 2);
    START("--set=temp_max=80C", "--set=ram_max=95%");
    assert_int_equal(worker_config_temp_resume_mc(&run.config), 70000);
    assert_int_equal(worker_config_ram_resume_pct(&run.config), 85);
    START("--set=temp_max=60C", "--set=temp_resume=59C");
    assert_int_equal(worker_config_temp_resume_mc(&run.config), 59000);
}

static void test_check_config_says_ok(void **state)
{
    char want[100];

    (void)state;
    write_text("slots = 2 # fine\n");
    START("--check-config", "--config", path);
    (void)snprintf(want, sizeof want, "%s: ok\n", path);
    assert_string_equal(run.out, want);
    assert_string_equal(run.errors, "");
    assert_int_equal(run.outcome, OPTIONS_EXIT);
    assert_int_equal(run.status, 0);
    START("--check-config");
    assert_string_equal(run.out, "configuration: ok\n");
    assert_int_equal(run.status, 0);
}

static void test_a_file_that_cannot_be_read_is_an_error(void **state)
{
    static char large[OPTIONS_FILE_MAX_BYTES + 1];

    (void)state;
    START("--config", "/nonexistent/worker.conf");
    assert_int_equal(run.status, 2);
    assert_string_equal(run.errors, "/nonexistent/worker.conf: No such file or directory\n");
    START("--config", "/");
    assert_string_equal(run.errors, "/: Is a directory\n");
    memset(large, '\n', sizeof large);
    write_file("worker.conf", large, sizeof large);
    START("--config", path);
    assert_errors("@: the file is too large\n");
}

static void test_a_password_is_never_repeated(void **state)
{
    (void)state;
    (void)setenv("REDIS_URL", "redis://u:hunter2@h", 1);
    write_text("redis = redis://:hunter2@h\n"
               "redis_password = hunter2\n"
               "redis redis://:hunter2@h\n"
               "redis://:hunter2@h = 1\n"
               "ollama = http://u:hunter2@h:1\n");
    START("--config", path, "--set", "redis=redis://:hunter2@h", "--set", "redis://u:hunter2@h",
          "--set", "redis_password=hunter2", "--set", "redis:hunter2@h=1");
    assert_int_equal(run.status, 2);
    assert_null(strstr(run.errors, "hunter2"));
    assert_non_null(strstr(run.errors, "environment REDIS_URL: redis: a password may not stand in "
                                       "the Redis address: put it in a file and name that file in "
                                       "redis_password_file\n"));
    START("--redis-password=hunter2");
    assert_string_equal(run.errors, "orion-worker: unknown option \"--redis-password\"; see "
                                    "orion-worker --help\n");
    START("--redis", "redis://:hunter2@h");
    assert_null(strstr(run.errors, "hunter2"));
}

static void test_wrong_usage_is_named(void **state)
{
    static const struct {
        const char *arg, *errors;
    } cases[] = {
        {"--confg", "orion-worker: unknown option \"--confg\"; see orion-worker --help\n"},
        {"-x", "orion-worker: unknown option \"-x\"; see orion-worker --help\n"},
        {"run", "orion-worker: unexpected argument \"run\"; see orion-worker --help\n"},
        {"", "orion-worker: unexpected argument \"\"; see orion-worker --help\n"},
        {"--config", "orion-worker: no FILE behind \"--config\"; see orion-worker --help\n"},
        {"--config=", "orion-worker: no FILE behind \"--config\"; see orion-worker --help\n"},
        {"--set", "orion-worker: no KEY=VALUE behind \"--set\"; see orion-worker --help\n"},
        {"--settings", "orion-worker: unknown option \"--settings\"; see orion-worker --help\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        START(cases[i].arg);
        assert_int_equal(run.outcome, OPTIONS_EXIT);
        assert_int_equal(run.status, 2);
        assert_string_equal(run.errors, cases[i].errors);
    }
    const char *argv[140] = {"orion-worker"};
    for (size_t i = 1; i < 131; i += 2) {
        argv[i] = "--set";
        argv[i + 1] = "slots=1";
    }
    start(131, argv);
    assert_string_equal(run.errors, "orion-worker: more than 64 --set; use --config FILE\n");
}

static void test_control_characters_do_not_reach_the_terminal(void **state)
{
    (void)state;
    START("--set", "slots=\x1b[31m\n9");
    assert_string_equal(run.errors, "--set slots=?[31m?9: slots: \"?[31m?9\" is not a whole number "
                                    "without a unit, such as 3\n");
}

static void test_version_and_help_are_answered_whatever_else_is_there(void **state)
{
    (void)state;
    START("--version", "--set", "slots=x");
    assert_string_equal(run.out, "orion-worker " ORION_VERSION "\n");
    assert_int_equal(run.outcome, OPTIONS_EXIT);
    assert_int_equal(run.status, 0);
    START("--help");
    assert_int_equal(run.status, 0);
    assert_non_null(strstr(run.out, "Usage: orion-worker [--config FILE] [--set KEY=VALUE]..."));
    assert_non_null(strstr(run.out, "the later winning over the earlier: its default"));
    assert_non_null(strstr(run.out, "Exit codes: 0 orderly stop, 1 failure at run time, 2 bad"));
    assert_non_null(strstr(run.out, "  slots = NUMBER  (default: 1; range: 1 to 64)\n      "));
    assert_non_null(strstr(run.out, "  node_id = TEXT  (default: empty; needs a restart)\n"));
    for (const char *line = run.out; *line; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") <= 80);
}

static void keep_last(const char *msg, void *arg)
{
    char *text = arg;

    (void)snprintf(text, 300, "%s", msg);
}

static void test_reload_reads_everything_again(void **state)
{
    struct worker_config config;
    char last[300] = "", want[300];

    (void)state;
    write_text("slots = 2\nchunk_tokens = 7\n");
    START("--config", path, "--set", "slots=3");
    write_text("slots = 9\nchunk_tokens = 8\n");
    assert_int_equal(options_reload(program(), &run.options, &config, keep_last, last), 0);
    assert_int_equal(config.slots, 3);
    assert_int_equal(config.chunk_tokens, 8);
    write_text("slots = x\n");
    assert_int_equal(options_reload(program(), &run.options, &config, keep_last, last), 1);
    (void)snprintf(want, sizeof want,
                   "%s:1: slots: \"x\" is not a whole number without a unit, "
                   "such as 3",
                   path);
    assert_string_equal(last, want);
}

static void test_the_password_comes_from_a_file(void **state)
{
    struct redis_url url = {.port = 1};
    struct err err;
    char name[64];

    (void)state;
    assert_int_equal(redis_password_read("", &url, &err), 0);
    assert_string_equal(url.password, "");
    write_file("password", "hunter2 \n\n", 10);
    (void)strcpy(name, path);
    assert_int_equal(redis_password_read(name, &url, &err), 0);
    assert_string_equal(url.password, "hunter2 \n"); /* one newline is dropped */

    (void)setenv("CREDENTIALS_DIRECTORY", folder, 1);
    assert_int_equal(redis_password_read("", &url, &err), 0); /* none there */
    assert_string_equal(url.password, "");
    write_file("redis-password", "credential\n", 11);
    assert_int_equal(redis_password_read("", &url, &err), 0);
    assert_string_equal(url.password, "credential");
    assert_int_equal(redis_password_read(name, &url, &err), 0); /* the setting wins */
    assert_string_equal(url.password, "hunter2 \n");
}

static void test_an_unusable_password_file_is_an_error(void **state)
{
    struct redis_url url = {.password = "before"};
    struct err err;
    char text[300], want[200];

    (void)state;
    assert_int_equal(redis_password_read("/nonexistent", &url, &err), -ENOENT);
    assert_string_equal(err.msg, "/nonexistent: No such file or directory");
    write_file("password", "a\0b\n", 4);
    assert_int_equal(redis_password_read(path, &url, &err), -EINVAL);
    (void)snprintf(want, sizeof want, "%s: the password has a NUL byte in it", path);
    assert_string_equal(err.msg, want);
    write_file("password", "\n", 1);
    assert_int_equal(redis_password_read(path, &url, &err), -EINVAL);
    memset(text, 'p', sizeof text);
    text[255] = '\n';
    write_file("password", text, 256);
    assert_int_equal(redis_password_read(path, &url, &err), 0);
    assert_int_equal(strlen(url.password), 255);
    (void)strcpy(url.password, "before");
    for (size_t len = 256; len <= 300; len += 1) {
        text[255] = 'p';
        write_file("password", text, len);
        assert_int_equal(redis_password_read(path, &url, &err), -EINVAL);
        (void)snprintf(want, sizeof want, "%s: the password is longer than 255 bytes", path);
        assert_string_equal(err.msg, want);
    }
    assert_string_equal(url.password, "before");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, clean, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_without_arguments_the_defaults_apply),
        TEST(test_each_source_wins_over_the_one_before),
        TEST(test_known_variables_set_redis_and_ollama_unless_ours_do),
        TEST(test_every_error_is_printed_with_its_place),
        TEST(test_bad_settings_stop_the_start_too),
        TEST(test_a_default_resume_follows_a_lower_maximum),
        TEST(test_check_config_says_ok),
        TEST(test_a_file_that_cannot_be_read_is_an_error),
        TEST(test_a_password_is_never_repeated),
        TEST(test_wrong_usage_is_named),
        TEST(test_control_characters_do_not_reach_the_terminal),
        TEST(test_version_and_help_are_answered_whatever_else_is_there),
        TEST(test_reload_reads_everything_again),
        TEST(test_the_password_comes_from_a_file),
        TEST(test_an_unusable_password_file_is_an_error),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
