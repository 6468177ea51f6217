#include "worker_config.h"

#include "common/node_id.h"
#include "common/ollama_host.h"
#include "common/setting_checks.h"
#include "common/setting_rows.h"

#define AT(member)   SETTING_AT(worker_config, member)
#define TEXT(member) SETTING_TEXT_AT(worker_config, member)

const struct setting worker_settings[] = {
    SETTING_ROW_REDIS(worker_config),
    SETTING_ROW_REDIS_PASSWORD_FILE(worker_config),
    SETTING_ROW_PREFIX(worker_config),
    {.key = "node_id",
     .type = SETTING_TEXT,
     TEXT(node_id),
     .default_text = "",
     .needs_restart = true,
     .why = "This node's name, unlike any other node's; empty: the host name.",
     .check = node_id_check},
    SETTING_ROW_LOG_LEVEL(worker_config),
    {.key = "log_content",
     .type = SETTING_BOOL,
     AT(log_content),
     .default_text = "no",
     .why =
         "Also log what is asked and answered, the first 1500 bytes of each: for hunting faults, "
         "never for ordinary days."},
    {.key = "ollama",
     .type = SETTING_TEXT,
     TEXT(ollama),
     .default_text = "http://127.0.0.1:11434",
     .needs_restart = true,
     .why = "Where this node's Ollama is: http://HOST:PORT.",
     .check = ollama_url_check},
    {.key = "root",
     .type = SETTING_TEXT,
     TEXT(root),
     .default_text = "",
     .needs_restart = true,
     .why = "Directory in front of /sys and /proc when sensors are read; for tests and containers.",
     .check = setting_check_path},
    {.key = "slots",
     .type = SETTING_NUMBER,
     AT(slots),
     .default_text = "1",
     .min = 1,
     .max = 64,
     .why = "Requests that run at once; more than OLLAMA_NUM_PARALLEL would only queue inside "
            "Ollama."},
    {.key = "health_interval",
     .type = SETTING_DURATION,
     AT(health_interval_ms),
     .default_text = "5s",
     .min = 100,
     .max = MINUTE,
     .why =
         "How often sensors are read and a heartbeat is sent; well below node_late of the router."},
    {.key = "temp_max",
     .type = SETTING_CELSIUS,
     AT(temp_max_mc),
     .default_text = "75C",
     .min = 0,
     .max = 120 * CELSIUS,
     .why = "At this temperature the node takes no new work; a Pi throttles from 80C."},
    {.key = "temp_resume",
     .type = SETTING_CELSIUS,
     AT(temp_resume_mc),
     .default_text = "70C",
     .min = 0,
     .max = 120 * CELSIUS,
     .why = "At this temperature it takes work again; below temp_max, so that it does not flap."},
    {.key = "ram_max",
     .type = SETTING_PERCENT,
     AT(ram_max_pct),
     .default_text = "90%",
     .min = 1,
     .max = 100,
     .why = "With this much memory in use the node takes no new work: swapping to an SD card "
            "stalls everything."},
    {.key = "ram_resume",
     .type = SETTING_PERCENT,
     AT(ram_resume_pct),
     .default_text = "85%",
     .min = 1,
     .max = 100,
     .why = "With this much memory in use it takes work again; below ram_max."},
    {.key = "drain_timeout",
     .type = SETTING_DURATION,
     AT(drain_timeout_ms),
     .default_text = "30s",
     .min = 0,
     .max = DAY,
     .why = "How long an orderly stop waits for running requests before it gives them back."},
    {.key = "stall_timeout",
     .type = SETTING_DURATION,
     AT(stall_timeout_ms),
     .default_text = "120s",
     .min = 100,
     .max = DAY,
     .why = "Longest silence between two pieces of an answer before Ollama counts as hung."},
    {.key = "first_byte_timeout",
     .type = SETTING_DURATION,
     AT(first_byte_timeout_ms),
     .default_text = "10m",
     .min = 100,
     .max = DAY,
     .why = "Longest wait for the first piece of an answer; loading the model and reading the "
            "prompt included."},
    {.key = "reply_max",
     .type = SETTING_BYTES,
     AT(reply_max_bytes),
     .default_text = "16MiB",
     .min = KIB,
     .max = 128 * MIB,
     .why = "Largest answer held in memory; a larger one gets reply_too_large."},
    {.key = "num_ctx",
     .type = SETTING_NUMBER,
     AT(num_ctx),
     .default_text = "",
     .min = 4,
     .max = 1048576,
     .why = "Context length asked of Ollama for every request, so that none makes it reload; "
            "empty: Ollama's own."},
    {.key = "allow_runner_options",
     .type = SETTING_BOOL,
     AT(allow_runner_options),
     .default_text = "no",
     .why = "Pass on the client options that reload or pin a model (num_ctx, keep_alive, num_gpu "
            "...) instead of removing them."},
    {.key = "chunk_interval",
     .type = SETTING_DURATION,
     AT(chunk_interval_ms),
     .default_text = "50ms",
     .min = 1,
     .max = 10 * SECOND,
     .why = "Pieces of an answer that come within this time share one entry on the reply stream. "
            "While 9 or more answers stream at once and it is 50ms or more, the worker looks for "
            "pieces every 25 ms instead of at each one."},
    {.key = "chunk_tokens",
     .type = SETTING_NUMBER,
     AT(chunk_tokens),
     .default_text = "64",
     .min = 1,
     .max = 4096,
     .why = "Pieces after which an entry is sent without waiting for chunk_interval."},
};
const size_t worker_settings_count = sizeof worker_settings / sizeof worker_settings[0];
_Static_assert(sizeof worker_settings / sizeof worker_settings[0] <= SETTINGS_ROWS_MAX,
               "too many rows");

#define TEMP_RESUME_DEFAULT_MC (70 * CELSIUS)
#define RAM_RESUME_DEFAULT_PCT 85
#define TEMP_GAP_MC            (5 * CELSIUS)
#define RAM_GAP_PCT            5

/* A default that would not leave the gap gives way; what somebody chose does not. */
static int64_t resume(int64_t chosen, int64_t default_value, int64_t max, int64_t gap)
{
    if (chosen != default_value || chosen <= max - gap)
        return chosen;
    return max > gap ? max - gap : max - 1;
}

int64_t worker_config_temp_resume_mc(const struct worker_config *config)
{
    return resume(config->temp_resume_mc, TEMP_RESUME_DEFAULT_MC, config->temp_max_mc, TEMP_GAP_MC);
}

int64_t worker_config_ram_resume_pct(const struct worker_config *config)
{
    return resume(config->ram_resume_pct, RAM_RESUME_DEFAULT_PCT, config->ram_max_pct, RAM_GAP_PCT);
}

void worker_config_check(const void *config, void (*fault)(const char *msg, void *arg), void *arg)
{
    const struct worker_config *c = config;

    if (worker_config_temp_resume_mc(c) >= c->temp_max_mc)
        fault("temp_resume must be below temp_max", arg);
    if (worker_config_ram_resume_pct(c) >= c->ram_max_pct)
        fault("ram_resume must be below ram_max", arg);
}
