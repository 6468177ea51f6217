#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "options.h"
#include "route.h"
#include "sched.h"
#include "sim.h"

static const struct settings DEFAULTS = {
    .address = "127.0.0.1",
    .port = 11434,
    .max_loaded = 3,
    .max_queue = 512,
    .keep_alive_ns = 300LL * 1000000000,
    .prefix_cache = true,
    .speed = 1,
    .zone_min = ZONE_LOCAL,
    .digits = 9,
    .wedge = true,
};

static void on_signal(evutil_socket_t number, short what, void *context)
{
    (void)number;
    (void)what;
    event_base_loopbreak(context);
}

/* The parent may have ended before this was called; then nobody would tell. */
static void die_with_parent(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        exit(0);
}

static struct event_base *make_base(void)
{
    struct event_config *config = event_config_new();
    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    if (base == NULL)
        abort();
    return base;
}

/* Via a temporary name, so that who waits for the file never sees half of it. */
static int write_port_file(const char *path, uint16_t port)
{
    char temporary[600];
    snprintf(temporary, sizeof(temporary), "%s.%d", path, (int)getpid());
    FILE *file = fopen(temporary, "w");
    if (file == NULL)
        return -1;
    fprintf(file, "%u\n", port);
    if (fclose(file) != 0)
        return -1;
    return rename(temporary, path);
}

static int announce(const struct sim *sim)
{
    const char *path = sim->settings.port_file;
    if (path[0] != '\0' && write_port_file(path, sim->server.port) != 0) {
        perror(path);
        return -1;
    }
    printf("listening on http://%s:%u\n", sim->server.address, sim->server.port);
    return fflush(stdout);
}

static int run(struct sim *sim)
{
    struct event *term = evsignal_new(sim->base, SIGTERM, on_signal, sim->base);
    struct event *interrupt = evsignal_new(sim->base, SIGINT, on_signal, sim->base);
    event_add(term, NULL);
    event_add(interrupt, NULL);
    int r = server_open(&sim->server, sim->base, sim->settings.address, sim->settings.port);
    if (r != 0)
        fprintf(stderr, "ollama-sim: cannot listen on %s:%u: %s\n", sim->settings.address,
                sim->settings.port, strerror(-r));
    else if (announce(sim) == 0)
        event_base_dispatch(sim->base);
    server_close(&sim->server);
    sched_close(sim);
    bodies_free(&sim->bodies);
    event_free(term);
    event_free(interrupt);
    return r == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    pid_t parent = getppid();
    struct sim *sim = calloc(1, sizeof(*sim));
    int32_t nanos = 0;
    if (sim == NULL)
        abort();
    signal(SIGPIPE, SIG_IGN);
    sim->settings = DEFAULTS;
    sim->profile = profile_newest();
    TAILQ_INIT(&sim->jobs);
    sim_wall(&sim->started_s, &nanos);
    enum options_outcome outcome = options_read(sim, argc, argv);
    int exit_code = outcome == OPTIONS_BAD ? 2 : 0;
    if (outcome == OPTIONS_RUN) {
        if (sim->settings.die_with_parent)
            die_with_parent(parent);
        sim->base = make_base();
        sim->server.serve = route_serve;
        sim->server.context = sim;
        sched_init(sim);
        exit_code = run(sim);
        event_base_free(sim->base);
    }
    free(sim);
    return exit_code;
}
