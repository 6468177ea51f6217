#include "router.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "common/daemon.h"
#include "common/err.h"
#include "common/loop.h"
#include "common/notify.h"
#include "common/redis_command.h"
#include "common/reply.h"
#include "common/scripts.h"

#include "accept.h"
#include "adopt.h"
#include "base.h"
#include "dispatch.h"
#include "heal.h"
#include "http.h"
#include "intake.h"
#include "listen.h"
#include "measure.h"
#include "presence.h"
#include "record.h"
#include "router_state.h"
#include "service.h"
#include "shed.h"
#include "sweep.h"
#include "trim.h"
#include "watch.h"

/* --- Redis comes and goes --------------------------------------------------------------------- */

static void become_ready(struct router *router)
{
    int64_t now_ms = clock_now_ms();

    router->redis_ok = true;
    router->redis_ok_ms = now_ms;
    router->presence_ms = router->health_ms = router->lengths_ms = now_ms;
    router->adopt_ms = INT64_MAX;
    router->hold_until_ms = 0;
    fleet_grace(&router->fleet, now_ms + router->config.node_lost_ms);
    log_info("event=redis_ready router=%s", router->id);
    presence_tick(router);
    watch_tick(router);
    redis_conn_start(router->intake);
    redis_conn_start(router->listen);
    intake_start(router);
    notify_ready();
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

static void on_time(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;
    int64_t seconds, micros;

    if (!reply)
        return;
    if (router_refused(router, reply, "time")) {
        redis_conn_reset(router->commands); /* or nobody would ask again */
        return;
    }
    if (reply_i64(reply_at(reply, 0), &seconds) && reply_i64(reply_at(reply, 1), &micros))
        router->redis_ahead_ms = seconds * 1000 + micros / 1000 - clock_now_ms();
    router->time_told_ms = clock_now_ms();
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
    (void)redis_command_send(router->commands, on_time, router, 1, time);
}

static void on_commands_ready(void *arg)
{
    struct router *router = arg;

    scripts_load(router->commands, on_scripts, router);
}

static void lose_redis(struct router *router)
{
    router->metrics.reconnects++;
    router->metrics.durable = -1;
    log_warn("event=redis_lost waiting=%u", (unsigned)window_count(&router->window));
}

static void on_commands_lost(void *arg)
{
    struct router *router = arg;

    if (router->redis_ok)
        lose_redis(router);
    router->redis_ok = false;
    router->health_running = false;
    router->reconcile_running = false;
    router->fetching = 0;
    redis_conn_stop(router->intake);
    redis_conn_stop(router->listen);
    router->intake_reads = 0;
    router->listening = false;
}

static void on_intake_ready(void *arg)
{
    intake_read(arg);
}

static void on_intake_lost(void *arg)
{
    struct router *router = arg;

    router->intake_reads = 0;
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

#define POLICY_PAIRS    262144 /* (node, model): 16 models on each of the most nodes there can be */
#define POLICY_SESSIONS 65536  /* conversations that have a home */

/* --- time ------------------------------------------------------------------------------------- */

#define STOP_PATIENCE_MS 2000

static void stop_when_idle(struct router *router)
{
    if (redis_conn_pending(router->commands) == 0 ||
        clock_now_ms() - router->stop_ms > STOP_PATIENCE_MS)
        loop_quit(router->loop);
}

/* Nothing waits, and nothing is on its way that would give us something to do. */
static bool has_no_work(const struct router *router)
{
    return window_count(&router->window) == 0 && window_parked_count(&router->window) == 0 &&
           router->moving == 0 && router->fetching == 0 && !router->shedding;
}

static void on_tick(void *arg)
{
    struct router *router = arg;

    if (router->stopping) {
        stop_when_idle(router);
        return;
    }
    service_tick(router);
    if (!router->redis_ok)
        return;
    presence_tick(router);
    measure_tick(router);
    watch_tick(router);
    adopt_tick(router);
    heal_tick(router);
    intake_tick(router);
    listen_start(router);
    shed_tick(router);
    sweep_tick(router);
    trim_tick(router);
    router_wake(router);
    if (router->is_beat && has_no_work(router))
        presence_hold_reads(router);
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Nothing is on its way but the answers of blocking reads. */
static bool is_idle(const struct router *router)
{
    return router->redis_ok && !router->stopping && has_no_work(router) &&
           !router->reconcile_wanted && !router->reconcile_running &&
           router->queue_length <= router->config.max_queue && router->intake_reads > 0 &&
           router->listening;
}

/* Without work the next thing to do is a heartbeat; what else is due by then is done with it: one
 * wake-up to send it all, one for the answers. */
static int64_t next_ms(void *arg)
{
    const struct router *router = arg;
    int64_t due_ms;

    if (!is_idle(router))
        return 0;
    if (presence_is_due(router))
        return LOOP_NOW;
    due_ms = sooner(router->presence_ms, watch_due_ms(router));
    due_ms = sooner(due_ms, adopt_due_ms(router));
    return due_ms - clock_now_ms();
}

/* What may be possible now that something has changed: on to the nodes, and entries into the room
 * there is. */
static void on_turn(struct router *router)
{
    accept_parked(router);
    dispatch_pass(router);
    intake_read(router);
    listen_hurry(router);
    record_flush(router);
}

/* --- signals ---------------------------------------------------------------------------------- */

/* A router leaves its queue pending: the others claim it as soon as its presence is gone. */
static void on_stop(void *arg)
{
    struct router *router = arg;

    log_info("event=stopping router=%s waiting=%u", router->id,
             (unsigned)window_count(&router->window));
    notify_stopping(STOP_PATIENCE_MS);
    router->stopping = true;
    router->stop_ms = clock_now_ms();
    redis_conn_stop(router->intake);
    redis_conn_stop(router->listen);
    if (router->redis_ok)
        presence_leave(router);
    stop_when_idle(router);
}

static void apply_policy_settings(struct router *router)
{
    const struct router_config *config = &router->config;
    struct policy_settings settings;

    policy_settings_default(&settings);
    (void)policy_kind_parse(span_str(config->policy), &settings.kind); /* it was checked */
    settings.placement = config->placement;
    settings.lambda_t_permille = config->lambda_t_pct * 10;
    settings.home_wait_pct = config->home_wait_pct;
    settings.swap_margin_ms = config->swap_margin_ms;
    settings.swap_factor_pct = config->swap_factor_pct;
    settings.place_phase_ms =
        (int64_t)(span_hash(span_str(router->id)) % POLICY_PLACE_PHASE_MAX_MS);
    policy_settings_set(router->policy, &settings);
    router->rules = (struct place_rules){config->pin, config->avoid};
}

static void apply_settings(struct router *router)
{
    apply_policy_settings(router);
    daemon_log_level(router->config.log_level);
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

    if (!daemon_reload_read(router->program, router->options, &fresh))
        return;
    daemon_reload_apply(router->program, &fresh, &router->config);
    apply_settings(router);
}

/* --- life ------------------------------------------------------------------------------------- */

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
    const struct policy_sizes policy_sizes = {FLEET_NODES_MAX, POLICY_PAIRS, POLICY_SESSIONS};
    struct policy_settings settings;
    uint64_t seed = 0;

    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed = (uint64_t)clock_now_ms(); /* any that differs between routers will do */
    router->core_memory[0] = xcalloc(1, names_bytes(names));
    names_init(&router->names, router->core_memory[0], names);
    router->core_memory[1] = xcalloc(1, window_bytes(sizes, names));
    window_init(&router->window, router->core_memory[1], sizes, &router->names, seed);
    router->core_memory[2] = xcalloc(1, fleet_bytes(FLEET_NODES_MAX, names));
    fleet_init(&router->fleet, router->core_memory[2], FLEET_NODES_MAX, &router->names);
    router->feed = xcalloc(1, sizeof *router->feed);
    router->feed->rules = &router->rules;
    policy_settings_default(&settings);
    router->core_memory[3] = xcalloc(1, policy_bytes(policy_sizes, &router->window));
    router->policy = policy_init(router->core_memory[3], policy_sizes, &router->window, &settings,
                                 seed, clock_now_ms());
}

struct router *router_new(const struct options_program *program, const struct options *options,
                          const struct router_config *config)
{
    struct router *router = xcalloc(1, sizeof *router);
    const struct loop_handlers handlers = {on_tick, on_stop, on_reload, router, next_ms};
    struct err err;

    router->program = program;
    router->options = options;
    router->config = *config;
    if (daemon_redis_url(config->redis, config->redis_password_file, &router->url, &err) < 0) {
        log_err("event=bad_setting why=\"%s\"", err.msg);
        free(router);
        return NULL;
    }
    if (options->record_path && !record_open(router, options->record_path)) {
        free(router);
        return NULL;
    }
    keys_init(&router->keys, config->prefix);
    daemon_id(config->router_id, router->id);
    log_set_self("router", router->id);
    router->loop = loop_new(&handlers, ROUTER_TICK_MS);
    make_core(router);
    record_begin(router);
    apply_settings(router);
    router->commands = connect_as(router, "orion-router:commands", ROUTER_COMMAND_TIMEOUT_MS,
                                  on_commands_ready, on_commands_lost);
    router->intake =
        connect_as(router, "orion-router:intake", ROUTER_BLOCK_MS + ROUTER_COMMAND_TIMEOUT_MS,
                   on_intake_ready, on_intake_lost);
    router->listen =
        connect_as(router, "orion-router:listen", ROUTER_BLOCK_MS + ROUTER_COMMAND_TIMEOUT_MS,
                   on_listen_ready, on_listen_lost);
    router_turn_init(router, on_turn);
    metrics_init(&router->metrics);
    router->started_s = clock_wall_s();
    return router;
}

int router_run(struct router *router)
{
    int rc;

    log_info("event=started program=orion-router version=%s router=%s prefix=%s", ORION_VERSION,
             router->id, router->keys.prefix);
    router->http = http_new(router);
    redis_conn_start(router->commands);
    rc = loop_run(router->loop);
    log_info("event=stopped router=%s", router->id);
    return rc;
}

void router_free(struct router *router)
{
    router->stopping = true; /* commands without an answer get one now: nothing new may begin */
    router->redis_ok = false;
    redis_conn_free(router->listen);
    redis_conn_free(router->intake);
    redis_conn_free(router->commands);
    record_close(router);
    router_turn_done(router);
    http_free(router->http);
    loop_free(router->loop);
    for (size_t i = 0; i < sizeof router->core_memory / sizeof router->core_memory[0]; i++)
        free(router->core_memory[i]);
    free(router->feed);
    free(router->cancels);
    free(router);
}
