#include "router.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/loop.h"
#include "common/node_id.h"
#include "common/reply.h"
#include "common/scripts.h"

#include "router_state.h"

#define ARGS_MAX 16

bool router_send(struct redis_conn *conn, redis_conn_callback *callback, void *arg, int argc,
                 const char **argv)
{
    size_t len[ARGS_MAX];

    assert(argc <= ARGS_MAX);
    for (int i = 0; i < argc; i++)
        len[i] = strlen(argv[i]);
    return redis_conn_send(conn, callback, arg, argc, argv, len);
}

static struct log_repeat *trouble_gate(struct router *router, const char *what)
{
    size_t i = 0;

    while (i + 1 < ROUTER_TROUBLES_MAX && router->troubles[i].what &&
           strcmp(router->troubles[i].what, what) != 0)
        i++;
    router->troubles[i].what = what;
    return &router->troubles[i].gate;
}

bool router_refused(struct router *router, const struct redisReply *reply, const char *what)
{
    struct log_repeat *gate = trouble_gate(router, what);
    const char *error = reply_error(reply);

    if (!error) {
        if (log_repeat_end(gate))
            log_info("event=redis_accepts_again what=\"%s\" refused=%u", what, gate->repeats);
        return false;
    }
    if (log_repeat_begin(gate, clock_now_ms()))
        log_warn("event=redis_refuses what=\"%s\" error=\"%s\" times=%u", what, error,
                 gate->repeats);
    if (reply_is_error(reply, "READONLY") || reply_is_error(reply, "LOADING") ||
        reply_is_error(reply, "MASTERDOWN"))
        redis_conn_reset(router->commands);
    return true;
}

/* --- Redis comes and goes -----------------------------------------------------------------------
 */

static void become_ready(struct router *router)
{
    int64_t now_ms = clock_now_ms();

    router->redis_ok = true;
    router->redis_ok_ms = now_ms;
    router->presence_ms = router->health_ms = router->lengths_ms = router->adopt_ms = now_ms;
    router->hold_until_ms = 0;
    fleet_grace(&router->fleet, now_ms + router->config.node_lost_ms);
    log_info("event=redis_ready router=%s", router->id);
    presence_tick(router);
    watch_tick(router);
    redis_conn_start(router->intake);
    redis_conn_start(router->listen);
    intake_start(router);
}

/* The origin's group is the last thing to be made: with it everything a router needs is there. */
static void on_group(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;

    if (!reply)
        return;
    if (reply_error(reply) && !reply_is_error(reply, "BUSYGROUP")) {
        (void)router_refused(router, reply, "group");
        redis_conn_reset(router->commands);
        return;
    }
    become_ready(router);
}

void router_make_groups(struct router *router, redis_conn_callback *on_made)
{
    const char *control[] = {"XGROUP",      "CREATE", router->keys.control,
                             GROUP_ROUTERS, "0",      "MKSTREAM"};
    const char *requests[] = {"XGROUP",      "CREATE", router->keys.requests,
                              GROUP_ROUTERS, "0",      "MKSTREAM"};

    (void)router_send(router->commands, NULL, NULL, 6, control);
    (void)router_send(router->commands, on_made, router, 6, requests);
}

static void on_time(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;
    int64_t seconds, micros;

    if (!reply || router_refused(router, reply, "time"))
        return;
    if (reply_i64(reply_at(reply, 0), &seconds) && reply_i64(reply_at(reply, 1), &micros))
        router->redis_ahead_ms = seconds * 1000 + micros / 1000 - clock_now_ms();
    router_make_groups(router, on_group);
}

static void on_scripts(bool ok, void *arg)
{
    struct router *router = arg;
    const char *time[] = {"TIME"};

    if (!ok) {
        redis_conn_reset(router->commands);
        return;
    }
    (void)router_send(router->commands, on_time, router, 1, time);
}

static void on_commands_ready(void *arg)
{
    struct router *router = arg;

    scripts_load(router->commands, on_scripts, router);
}

static void on_commands_lost(void *arg)
{
    struct router *router = arg;

    if (router->redis_ok)
        log_warn("event=redis_lost waiting=%u", (unsigned)window_count(&router->window));
    router->redis_ok = false;
    router->health_running = false;
    router->reconcile_running = false;
    router->fetching = 0;
    redis_conn_stop(router->intake);
    redis_conn_stop(router->listen);
    router->intake_reading = false;
    router->listening = false;
}

static void on_intake_ready(void *arg)
{
    intake_read(arg);
}

static void on_intake_lost(void *arg)
{
    struct router *router = arg;

    router->intake_reading = false;
    router->reconcile_wanted = true; /* a reply that got lost has entries that are ours by now */
}

static void on_listen_ready(void *arg)
{
    listen_start(arg);
}

static void on_listen_lost(void *arg)
{
    struct router *router = arg;

    router->listening = false;
}

/* --- time ----------------------------------------------------------------------------------------
 */

#define STOP_PATIENCE_MS 2000

static void stop_when_idle(struct router *router)
{
    if (redis_conn_pending(router->commands) == 0 ||
        clock_now_ms() - router->stop_ms > STOP_PATIENCE_MS)
        loop_quit(router->loop);
}

static void on_tick(void *arg)
{
    struct router *router = arg;

    if (router->stopping) {
        stop_when_idle(router);
        return;
    }
    if (!router->redis_ok)
        return;
    presence_tick(router);
    watch_tick(router);
    adopt_tick(router);
    intake_tick(router);
    sweep_tick(router);
}

/* --- signals -------------------------------------------------------------------------------------
 */

/* A router leaves its queue pending: the others claim it as soon as its presence is gone. */
static void on_stop(void *arg)
{
    struct router *router = arg;

    log_info("event=stopping router=%s waiting=%u", router->id,
             (unsigned)window_count(&router->window));
    router->stopping = true;
    router->stop_ms = clock_now_ms();
    redis_conn_stop(router->intake);
    redis_conn_stop(router->listen);
    if (router->redis_ok)
        presence_leave(router);
    stop_when_idle(router);
}

static void on_reload_fault(const char *msg, void *arg)
{
    (void)arg;
    log_err("event=reload_failed why=\"%s\"", msg);
}

/* Names what is different. */
static void on_change(const struct setting *row, void *arg)
{
    char value[512];

    settings_format(row, arg, value, sizeof value);
    if (row->needs_restart)
        log_warn("event=setting_needs_restart key=%s value=\"%s\"", row->key, value);
    else
        log_info("event=setting_changed key=%s value=\"%s\"", row->key, value);
}

static void apply_settings(struct router *router)
{
    enum log_level level = LOG_LEVEL_INFO;

    if (log_level_parse(router->config.log_level, &level))
        log_set_level(level);
    fleet_limits_set(&router->fleet, &(struct fleet_limits){
                                         .node_late_ms = router->config.node_late_ms,
                                         .node_lost_ms = router->config.node_lost_ms,
                                         .temp_max_mc = router->config.temp_max_mc,
                                         .ram_max_pct = router->config.ram_max_pct,
                                         .prefetch = router->config.prefetch,
                                     });
}

static void on_reload(void *arg)
{
    struct router *router = arg;
    struct router_config fresh;

    if (options_reload(router->program, router->options, &fresh, on_reload_fault, NULL) > 0) {
        log_err("event=reload_failed why=\"nothing was changed\"");
        return;
    }
    settings_diff(router_settings, router_settings_count, &router->config, &fresh, on_change,
                  &fresh);
    settings_keep(router_settings, router_settings_count, &router->config, &fresh);
    router->config = fresh;
    apply_settings(router);
    log_info("event=reloaded");
}

/* --- life ----------------------------------------------------------------------------------------
 */

static void choose_id(struct router *router)
{
    char host[256] = "";

    if (router->config.router_id[0] != '\0') {
        (void)span_copy(span_str(router->config.router_id), router->id, sizeof router->id);
        return;
    }
    (void)gethostname(host, sizeof host - 1);
    node_id_from_host(host, router->id, sizeof router->id);
}

static struct redis_conn *connect_as(struct router *router, const char *role, int64_t timeout_ms,
                                     void (*on_ready)(void *), void (*on_lost)(void *))
{
    return redis_conn_new(&(struct redis_conn_config){
        .base = loop_base(router->loop),
        .url = &router->url,
        .name = role,
        .command_timeout_ms = timeout_ms,
        .on_ready = on_ready,
        .on_lost = on_lost,
        .arg = router,
    });
}

/* The names table holds every model that a request of the window or a node can name. */
static void make_core(struct router *router)
{
    uint32_t window = (uint32_t)router->config.window;
    uint32_t names = window + FLEET_MODELS_MAX;
    const struct window_sizes sizes = {window, (uint32_t)router->config.max_queue};
    uint64_t seed = 0;

    (void)getrandom(&seed, sizeof seed, 0);
    router->core_memory[0] = xcalloc(1, names_bytes(names));
    names_init(&router->names, router->core_memory[0], names);
    router->core_memory[1] = xcalloc(1, window_bytes(sizes, names));
    window_init(&router->window, router->core_memory[1], sizes, &router->names, seed);
    router->core_memory[2] = xcalloc(1, fleet_bytes(FLEET_NODES_MAX, names));
    fleet_init(&router->fleet, router->core_memory[2], FLEET_NODES_MAX, &router->names);
    router->verdicts = xcalloc(FLEET_NODES_MAX, sizeof *router->verdicts);
    router->open = xcalloc(NAMES_SET_WORDS(names), sizeof *router->open);
}

struct router *router_new(const struct options_program *program, const struct options *options,
                          const struct router_config *config)
{
    struct router *router = xcalloc(1, sizeof *router);
    const struct loop_handlers handlers = {on_tick, on_stop, on_reload, router};
    struct err err;

    router->program = program;
    router->options = options;
    router->config = *config;
    if (redis_url_parse(config->redis, &router->url, &err) < 0 ||
        redis_password_read(config->redis_password_file, &router->url, &err) < 0) {
        log_err("event=bad_setting why=\"%s\"", err.msg);
        free(router);
        return NULL;
    }
    keys_init(&router->keys, config->prefix);
    choose_id(router);
    router->loop = loop_new(&handlers, ROUTER_TICK_MS);
    make_core(router);
    apply_settings(router);
    router->commands = connect_as(router, "orion-router:commands", ROUTER_COMMAND_TIMEOUT_MS,
                                  on_commands_ready, on_commands_lost);
    router->intake =
        connect_as(router, "orion-router:intake", ROUTER_BLOCK_MS + ROUTER_COMMAND_TIMEOUT_MS,
                   on_intake_ready, on_intake_lost);
    router->listen =
        connect_as(router, "orion-router:listen", ROUTER_BLOCK_MS + ROUTER_COMMAND_TIMEOUT_MS,
                   on_listen_ready, on_listen_lost);
    dispatch_init(router);
    return router;
}

int router_run(struct router *router)
{
    int rc;

    log_info("event=started program=orion-router version=%s router=%s prefix=%s", ORION_VERSION,
             router->id, router->keys.prefix);
    redis_conn_start(router->commands);
    rc = loop_run(router->loop);
    log_info("event=stopped router=%s", router->id);
    return rc;
}

void router_free(struct router *router)
{
    redis_conn_free(router->listen);
    redis_conn_free(router->intake);
    redis_conn_free(router->commands);
    dispatch_done(router);
    loop_free(router->loop);
    for (size_t i = 0; i < sizeof router->core_memory / sizeof router->core_memory[0]; i++)
        free(router->core_memory[i]);
    free(router->verdicts);
    free(router->open);
    free(router->cancels);
    free(router);
}
