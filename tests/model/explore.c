/*
 * Explores every interleaving of what two routers, two workers, a client, an operator and time can
 * do to one request, with at most so many disturbances, over the real scripts and a real Redis, and
 * looks at the invariants in every state. See README.md.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "table.h"

#define TRACE_MAX  1024
#define PROGRESS_S 30

struct node {
    struct world world;
    uint32_t parent;
    struct action action; /* from the parent to here */
    uint16_t depth;
};

struct options {
    unsigned depth;   /* no deeper than this */
    uint32_t states;  /* stop (and say so) at so many */
    unsigned seconds; /* likewise */
    unsigned sample;  /* the end is looked at from every so-manyth state, and from every leaf */
    const struct breakage *breakage;
};

struct exploration {
    struct options options;
    struct node *nodes;
    uint32_t n, max, done;
    struct table seen;
    uint64_t transitions, ends, steps;
    unsigned deepest;
    bool is_cut; /* a limit stopped it */
    struct timespec began;
    double told_s; /* when the last line of progress was printed, since then */
};

/* --- gates that can be taken out ---------------------------------------------------------------
 */

static const struct breakage breakages[] = {
    {"finish:pending", SCRIPT_FINISH,
     "#redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[4], ARGV[4], 1, ARGV[2]) == 0", "false"},
    {"finish:epoch", SCRIPT_FINISH, "redis.call('GET', KEYS[2]) ~= ARGV[3]", "false"},
    {"move:pending", SCRIPT_MOVE, "#pending == 0", "false"},
    {"move:job", SCRIPT_MOVE, "if job[1] and not (", "if false and not ("},
    {"move:credit", SCRIPT_MOVE, "redis.call('XLEN', KEYS[2]) >= tonumber(ARGV[5])", "false"},
    {"end:pending", SCRIPT_END,
     "#redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2]) == 0", "false"},
    {"end:job", SCRIPT_END, "if job[1] and not (", "if false and not ("},
    {"takeback:lost", SCRIPT_TAKEBACK, "return {'alive'}", "seen_ms = nil"},
    {"takeback:job", SCRIPT_TAKEBACK, "job[1] == 'done' or", "false and"},
    {"requeue:pending", SCRIPT_REQUEUE,
     "mine ~= (ARGV[9] == 'started') or (#pending > 0 and not mine)", "false"},
    {"requeue:xdel", SCRIPT_REQUEUE, "redis.call('XDEL', KEYS[1], ARGV[4])\nif ARGV[10]",
     "if ARGV[10]"},
    {"chunk:pending", SCRIPT_CHUNK,
     "#redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[4], ARGV[4], 1, ARGV[2]) == 0", "false"},
    {"adopt:pending", SCRIPT_ADOPT, "#pending == 0", "true"},
    {"adopt:alive", SCRIPT_ADOPT, "return {'alive'}", "seen_ms = nil"},
};

static const struct breakage *breakage_find(const char *name)
{
    for (size_t i = 0; i < sizeof breakages / sizeof breakages[0]; i++) {
        if (strcmp(breakages[i].name, name) == 0)
            return &breakages[i];
    }
    (void)fprintf(stderr, "model: --break takes one of:");
    for (size_t i = 0; i < sizeof breakages / sizeof breakages[0]; i++)
        (void)fprintf(stderr, " %s", breakages[i].name);
    (void)fprintf(stderr, "\n");
    exit(2);
}

/* --- states ------------------------------------------------------------------------------------
 */

static double seconds_since(const struct timespec *began)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - began->tv_sec) + (double)(now.tv_nsec - began->tv_nsec) / 1e9;
}

/* False if the state has been seen. */
static bool state_add(struct exploration *x, const struct world *world, uint32_t parent,
                      const struct action *action)
{
    uint64_t hash = world_hash(world);
    unsigned depth = parent == TABLE_NONE ? 0 : x->nodes[parent].depth + 1U;

    if (table_find(&x->seen, hash) != TABLE_NONE)
        return false;
    if (x->n == x->max) {
        x->max = x->max ? 2 * x->max : 65536;
        x->nodes = grow(x->nodes, x->max, sizeof *x->nodes);
    }
    x->nodes[x->n] = (struct node){
        .world = *world, .parent = parent, .action = *action, .depth = (uint16_t)depth};
    table_add(&x->seen, hash, x->n++);
    x->deepest = depth > x->deepest ? depth : x->deepest;
    return true;
}

/* --- the trace ---------------------------------------------------------------------------------
 */

static void print_view(const struct world *world)
{
    static const char *const states[] = {"none", "queued", "routed", "running", "done"};
    const struct view *view = world_view(world);

    (void)printf("      job %s, terminal entries %u, on requests %u, on a %u, on b %u\n",
                 states[view->job_state], (unsigned)view->terminals + world->gone_terminals,
                 (unsigned)view->requests.n, (unsigned)view->streams[0].n,
                 (unsigned)view->streams[1].n);
}

/* The way to a state, and the step that leads on from it (NULL: none). */
static void print_trace(const struct exploration *x, uint32_t number, const struct action *last)
{
    const struct action *way[TRACE_MAX];
    struct world world;
    unsigned n = 0;

    if (last)
        way[n++] = last;
    for (; x->nodes[number].parent != TABLE_NONE && n < TRACE_MAX; number = x->nodes[number].parent)
        way[n++] = &x->nodes[number].action;
    world_init(&world);
    for (unsigned i = 0; i < n; i++) {
        struct outcome outcome;
        char text[160];

        action_take(&world, way[n - 1 - i], &outcome);
        action_text(way[n - 1 - i], &outcome, text, sizeof text);
        (void)printf("%4u. %s\n", i + 1, text);
        if (outcome.call.kind != CALL_COUNT && !outcome.answer.is_same)
            print_view(&world);
    }
}

/* --- exploring ---------------------------------------------------------------------------------
 */

/* One step from a state; the sentence of a violation, or NULL. */
static const char *try_action(struct exploration *x, uint32_t number, const struct action *action,
                              unsigned *n_new)
{
    struct world next = x->nodes[number].world;
    struct outcome outcome;
    const char *wrong;

    action_take(&next, action, &outcome);
    x->transitions++;
    wrong = check_step(&x->nodes[number].world, &outcome);
    if (wrong || memcmp(&next, &x->nodes[number].world, sizeof next) == 0)
        return wrong;
    wrong = check_state(&next);
    if (wrong)
        return wrong;
    if (action->is_lost && outcome.answer.is_same)
        return NULL; /* nothing was done: nothing is lost but a fault */
    *n_new += state_add(x, &next, number, action);
    return NULL;
}

static const char *look_at_end(struct exploration *x, uint32_t number)
{
    unsigned steps = 0;
    const char *wrong = check_end(&x->nodes[number].world, &steps);

    x->ends++;
    x->steps += steps;
    return wrong;
}

/* All steps from a state. False if a violation was found and told. */
static bool expand(struct exploration *x, uint32_t number)
{
    struct actions actions;
    unsigned n_new = 0;
    const char *wrong = NULL;

    actions_find(&x->nodes[number].world, &actions);
    for (unsigned i = 0; i < actions.n; i++) {
        wrong = try_action(x, number, &actions.all[i], &n_new);
        if (!wrong)
            continue;
        (void)printf("VIOLATION: %s\n", wrong);
        print_trace(x, number, &actions.all[i]);
        return false;
    }
    if (n_new == 0 || number % x->options.sample == 0)
        wrong = look_at_end(x, number);
    if (!wrong)
        return true;
    (void)printf("VIOLATION: %s\n", wrong);
    print_trace(x, number, NULL);
    return false;
}

static bool has_reached_limit(struct exploration *x)
{
    double seconds;

    if (x->n >= x->options.states)
        return true;
    if (x->done % 256 != 0)
        return false;
    seconds = seconds_since(&x->began);
    if (seconds >= x->told_s + PROGRESS_S) {
        x->told_s = seconds;
        (void)fprintf(stderr, "%.0f s: %u states, %u looked at, depth %u\n", seconds, x->n, x->done,
                      (unsigned)x->nodes[x->done].depth);
    }
    return seconds >= x->options.seconds;
}

/* Breadth first, so that the first violation found has the shortest trace. */
static bool explore(struct exploration *x)
{
    const struct action none = {0};
    struct world world;

    (void)clock_gettime(CLOCK_MONOTONIC, &x->began);
    world_init(&world);
    (void)state_add(x, &world, TABLE_NONE, &none);
    for (x->done = 0; x->done < x->n; x->done++) {
        x->is_cut = has_reached_limit(x);
        if (x->is_cut)
            break;
        if (x->nodes[x->done].depth < x->options.depth && !expand(x, x->done))
            return false;
    }
    return true;
}

static void print_figures(const struct exploration *x)
{
    struct server_figures redis = server_figures();

    (void)printf("%u states (%u looked at), %llu transitions, depth %u; %u states of Redis, %llu "
                 "calls to it; %llu runs to the end, %llu steps; %.1f s; %s\n",
                 x->n, x->done, (unsigned long long)x->transitions, x->deepest, redis.states,
                 (unsigned long long)redis.calls, (unsigned long long)x->ends,
                 (unsigned long long)x->steps, seconds_since(&x->began),
                 x->is_cut ? "NOT COMPLETE: a limit was reached" : "complete");
}

/* --- the command line --------------------------------------------------------------------------
 */

static unsigned number_option(const char *name, const char *value)
{
    char *end = NULL;
    unsigned long n = value ? strtoul(value, &end, 10) : 0;

    if (!value || end == value || *end != '\0' || n > 1000000000) {
        (void)fprintf(stderr, "model: %s takes a number\n", name);
        exit(2);
    }
    return (unsigned)n;
}

static uint16_t kinds_option(const char *value)
{
    uint16_t kinds = disturbances_parse(value ? value : "");

    if (kinds == 0) {
        (void)fprintf(stderr, "model: --only takes kinds of disturbances with commas between them; "
                              "README.md lists them\n");
        exit(2);
    }
    return kinds;
}

static void read_option(const char *name, const char *value, struct options *options)
{
    if (strcmp(name, "--break") == 0)
        options->breakage = breakage_find(value ? value : "");
    else if (strcmp(name, "--faults") == 0)
        limits.faults = (uint8_t)number_option(name, value);
    else if (strcmp(name, "--only") == 0)
        limits.kinds = kinds_option(value);
    else if (strcmp(name, "--plain") == 0)
        limits.is_plain = number_option(name, value) != 0;
    else if (strcmp(name, "--attempts") == 0)
        limits.attempts = (uint8_t)number_option(name, value);
    else if (strcmp(name, "--depth") == 0)
        options->depth = number_option(name, value);
    else if (strcmp(name, "--states") == 0)
        options->states = number_option(name, value);
    else if (strcmp(name, "--seconds") == 0)
        options->seconds = number_option(name, value);
    else if (strcmp(name, "--sample") == 0 && number_option(name, value) > 0)
        options->sample = number_option(name, value);
    else {
        (void)fprintf(stderr, "usage: explore [--faults N] [--only KIND,...] [--attempts N] "
                              "[--depth N] [--states N] [--seconds N] [--sample N] [--plain 0|1] "
                              "[--break SCRIPT:GATE]\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct exploration x = {
        .options = {.depth = UINT16_MAX, .states = 20000000, .seconds = 3600, .sample = 16}};
    bool is_clean;

    for (int i = 1; i < argc; i += 2)
        read_option(argv[i], i + 1 < argc ? argv[i + 1] : NULL, &x.options);
    server_up(x.options.breakage);
    is_clean = explore(&x);
    print_figures(&x);
    if (x.options.breakage)
        (void)printf("without %s: %s\n", x.options.breakage->name,
                     is_clean ? "NOTHING was found" : "found");
    free(x.nodes);
    table_free(&x.seen);
    world_done();
    server_down();
    return is_clean == (x.options.breakage != NULL);
}
