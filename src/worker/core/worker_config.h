#ifndef WORKER_CONFIG_H
#define WORKER_CONFIG_H

/*
 * The worker's settings: the struct, and the table that says what each key means. Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/settings.h"

struct worker_config {
    char redis[512];               /* URL without password */
    char redis_password_file[256]; /* "": $CREDENTIALS_DIRECTORY/redis-password if it exists */
    char prefix[128];              /* of every Redis key; at most SETTING_PREFIX_MAX bytes */
    char node_id[65];              /* "": the daemon makes one of the host name at start */
    char ollama[256];              /* http://HOST:PORT, no '/' at the end */
    char root[256];                /* in front of /sys and /proc; "" on a real node */
    char log_level[16];
    int64_t slots;
    int64_t health_interval_ms;
    int64_t temp_max_mc;
    int64_t temp_resume_mc; /* read it through worker_config_temp_resume_mc() */
    int64_t ram_max_pct;
    int64_t ram_resume_pct; /* read it through worker_config_ram_resume_pct() */
    int64_t drain_timeout_ms;
    int64_t stall_timeout_ms;
    int64_t first_byte_timeout_ms;
    int64_t reply_max_bytes;
    int64_t num_ctx; /* 0: Ollama's own */
    int64_t chunk_interval_ms;
    int64_t chunk_tokens;
    bool allow_runner_options;
    bool log_content;
};

extern const struct setting worker_settings[];
extern const size_t worker_settings_count;

/* Checks across settings; `config` is a struct worker_config. Calls fault(msg, arg) per fault. */
void worker_config_check(const void *config, void (*fault)(const char *msg, void *arg), void *arg);

/* Where the node takes work again: the setting, except that a resume left at its default (70C, 85%)
 * follows a lower maximum at a distance of 5, so that whoever lowers temp_max or ram_max need not
 * set both. Always below the maximum in a config that passed worker_config_check(). */
int64_t worker_config_temp_resume_mc(const struct worker_config *config);
int64_t worker_config_ram_resume_pct(const struct worker_config *config);

#endif
