#include "common/daemon.h"

#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/redis_url.h"

void daemon_id(const char *chosen, char id[static NODE_ID_MAX + 1])
{
    char host[256] = "";

    if (chosen[0] != '\0') {
        (void)span_copy(span_str(chosen), id, NODE_ID_MAX + 1);
        return;
    }
    (void)gethostname(host, sizeof host - 1);
    node_id_from_host(host, id, NODE_ID_MAX + 1);
}

int daemon_redis_url(const char *redis, const char *password_file, struct redis_url *ret,
                     struct err *err)
{
    int rc = redis_url_parse(redis, ret, err);

    return rc < 0 ? rc : redis_password_read(password_file, ret, err);
}

void daemon_log_level(const char *level)
{
    enum log_level wanted = LOG_LEVEL_INFO;

    if (log_level_parse(level, &wanted))
        log_set_level(wanted);
}

static void on_fault(const char *msg, void *arg)
{
    (void)arg;
    log_err("event=bad_setting why=\"%s\"", msg);
}

bool daemon_reload_read(const struct options_program *program, const struct options *options,
                        void *fresh)
{
    if (options_reload(program, options, fresh, on_fault, NULL) == 0)
        return true;
    log_err("event=reload_failed why=\"the settings are faulty; nothing was changed\"");
    return false;
}

static void on_change(const struct setting *row, void *arg)
{
    char value[512];

    settings_format(row, arg, value, sizeof value);
    if (row->needs_restart) {
        log_warn("event=setting_needs_restart key=%s value=\"%s\"", row->key, value);
    } else {
        log_info("event=setting_changed key=%s value=\"%s\"", row->key, value);
    }
}

void daemon_reload_apply(const struct options_program *program, void *fresh, void *running)
{
    settings_diff(program->table, program->n, running, fresh, on_change, fresh);
    settings_keep(program->table, program->n, running, fresh);
    memcpy(running, fresh, program->config_size);
    log_info("event=reloaded");
}
