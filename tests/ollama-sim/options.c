#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "text.h"

enum option_id {
    OPTION_LISTEN = 1000,
    OPTION_PORT_FILE,
    OPTION_VERSION_PROFILE,
    OPTION_MODEL,
    OPTION_FAULT,
    OPTION_SLOTS,
    OPTION_MAX_LOADED,
    OPTION_MAX_QUEUE,
    OPTION_KEEP_ALIVE,
    OPTION_NUM_CTX,
    OPTION_PREFIX_CACHE,
    OPTION_SPEED,
    OPTION_SEED,
    OPTION_ANSWER_TOKENS,
    OPTION_ZONE,
    OPTION_DIGITS,
    OPTION_WEDGE,
    OPTION_DIE_WITH_PARENT,
    OPTION_HELP,
};

static const struct option table[] = {
    {"listen", required_argument, NULL, OPTION_LISTEN},
    {"port-file", required_argument, NULL, OPTION_PORT_FILE},
    {"version-profile", required_argument, NULL, OPTION_VERSION_PROFILE},
    {"model", required_argument, NULL, OPTION_MODEL},
    {"fault", required_argument, NULL, OPTION_FAULT},
    {"slots", required_argument, NULL, OPTION_SLOTS},
    {"max-loaded", required_argument, NULL, OPTION_MAX_LOADED},
    {"max-queue", required_argument, NULL, OPTION_MAX_QUEUE},
    {"keep-alive", required_argument, NULL, OPTION_KEEP_ALIVE},
    {"num-ctx", required_argument, NULL, OPTION_NUM_CTX},
    {"prefix-cache", required_argument, NULL, OPTION_PREFIX_CACHE},
    {"speed", required_argument, NULL, OPTION_SPEED},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"answer-tokens", required_argument, NULL, OPTION_ANSWER_TOKENS},
    {"zone", required_argument, NULL, OPTION_ZONE},
    {"digits", required_argument, NULL, OPTION_DIGITS},
    {"wedge", required_argument, NULL, OPTION_WEDGE},
    {"die-with-parent", no_argument, NULL, OPTION_DIE_WITH_PARENT},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static const char usage[] =
    "Usage: ollama-sim [options]\n"
    "A simulated Ollama: no models, but the HTTP interface, scheduler, timing and faults of one.\n"
    "\n"
    "  --listen ADDRESS:PORT   default 127.0.0.1:11434; port 0: a free one. When ready, prints\n"
    "                          'listening on http://ADDRESS:PORT'\n"
    "  --port-file FILE        writes the port there too\n"
    "  --version-profile V     behave like this release (default the newest):\n"
    "                          %s\n"
    "  --model NAME[,key=value...]  repeatable; without any: gemma3:1b and nomic-embed-text.\n"
    "      size=815MB load=2s prompt_tps=55 gen_tps=11 kind=chat|embed tokens=40\n"
    "      thinking=no|yes|COUNT tools=yes|no template=native|rendered engine=llama|new\n"
    "      dim=768 num_ctx=4096 train_ctx=131072 family=gemma3 digest=HEX\n"
    "  --slots N               OLLAMA_NUM_PARALLEL (default by version)\n"
    "  --max-loaded N          OLLAMA_MAX_LOADED_MODELS (3)\n"
    "  --max-queue N           OLLAMA_MAX_QUEUE (512)\n"
    "  --keep-alive TIME       OLLAMA_KEEP_ALIVE (5m); negative: for ever\n"
    "  --num-ctx N             OLLAMA_CONTEXT_LENGTH (default by version)\n"
    "  --prefix-cache on|off   (on)\n"
    "  --speed X               a machine X times faster: loads, prompts, tokens, keep_alive (1)\n"
    "  --seed N                for tool call ids and embeddings (0)\n"
    "  --answer-tokens N       length of each answer (default by model)\n"
    "  --zone Z|+hh:mm|-hh:mm  of expires_at (default the host's)\n"
    "  --digits 0..9           of its fraction (9)\n"
    "  --wedge on|off          a client that stops reading and leaves wedges its slot (on)\n"
    "  --die-with-parent       end when the process that started this one ends\n"
    "  --fault NAME[=ARG][,count=N][,after=K][,model=M][,path=P][,text=T]  repeatable; also at "
    "run\n"
    "                          time, see README.md. Times of faults are real, whatever the "
    "speed.\n";

static void print_help(void)
{
    printf(usage, profile_names());
    printf("\nFaults (with their usual argument):\n");
    for (int i = 0; i < FAULT_KINDS; i++) {
        char name[64];
        const struct fault_kind_info *info = fault_info((enum fault_kind)i);
        snprintf(name, sizeof(name), info->argument == ARGUMENT_NONE ? "%s" : "%s=%s", info->name,
                 info->standard);
        printf("  %-24s %s\n", name, info->help);
    }
    printf("\nNames for status=:\n ");
    for (size_t i = 0; error_at(i) != NULL; i++)
        printf(" %s", error_at(i)->name);
    printf("\n");
}

static int read_listen(struct settings *settings, const char *text)
{
    const char *colon = strrchr(text, ':');
    int64_t port = 0;
    size_t length = colon != NULL ? (size_t)(colon - text) : 0;
    if (colon == NULL || length == 0 || length >= sizeof(settings->address) ||
        text_integer(colon + 1, 0, 65535, &port) != 0)
        return -EINVAL;
    memcpy(settings->address, text, length);
    settings->address[length] = '\0';
    settings->port = (uint16_t)port;
    return 0;
}

static int read_int(const char *text, int64_t min, int64_t max, int *ret)
{
    int64_t number = 0;
    if (text_integer(text, min, max, &number) != 0)
        return -EINVAL;
    *ret = (int)number;
    return 0;
}

static int read_switch(const char *text, bool *ret)
{
    if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
        return -EINVAL;
    *ret = strcmp(text, "on") == 0;
    return 0;
}

static int read_zone(const char *text, int *ret_minutes)
{
    int hours = 0;
    int minutes = 0;
    char sign = 0;
    if (strcmp(text, "Z") == 0) {
        *ret_minutes = 0;
        return 0;
    }
    if (sscanf(text, "%c%2d:%2d", &sign, &hours, &minutes) != 3 || (sign != '+' && sign != '-') ||
        hours < 0 || hours > 14 || minutes < 0 || minutes > 59)
        return -EINVAL;
    *ret_minutes = (sign == '-' ? -1 : 1) * (hours * 60 + minutes);
    return 0;
}

static int read_keep_alive(const char *text, int64_t *ret_ns)
{
    if (text_duration(text, ret_ns) != 0)
        return -EINVAL;
    if (*ret_ns < 0)
        *ret_ns = DURATION_FOREVER;
    return 0;
}

static int add_model(struct sim *sim, const char *spec, char *why, size_t why_size)
{
    struct model model;
    if (model_parse(spec, &model, why, why_size) != 0)
        return -EINVAL;
    if (sim->model_count == MODEL_COUNT_MAX ||
        model_find(sim->models, sim->model_count, model.name) != NULL) {
        snprintf(why, why_size, "model %s: named twice, or more than %d", model.name,
                 MODEL_COUNT_MAX);
        return -EINVAL;
    }
    sim->models[sim->model_count++] = model;
    return 0;
}

static int add_fault(struct sim *sim, const char *spec, char *why, size_t why_size)
{
    struct fault fault;
    if (fault_parse(spec, &fault, why, why_size) != 0)
        return -EINVAL;
    if (fault.kind == FAULT_CONNECT_REFUSE || faults_add(&sim->faults, &fault) != 0) {
        snprintf(why, why_size, "fault %.200s: only at run time, or too many", spec);
        return -EINVAL;
    }
    return 0;
}

static int read_version(struct sim *sim, const char *text)
{
    const struct profile *profile = profile_find(text);
    if (profile == NULL)
        return -EINVAL;
    sim->profile = profile;
    return 0;
}

static int read_seed(struct settings *settings, const char *text)
{
    int64_t seed = 0;
    if (text_integer(text, 0, UINT32_MAX, &seed) != 0)
        return -EINVAL;
    settings->seed = (uint32_t)seed;
    return 0;
}

static int read_port_file(struct settings *settings, const char *text)
{
    if (strlen(text) >= sizeof(settings->port_file))
        return -EINVAL;
    memcpy(settings->port_file, text, strlen(text) + 1);
    return 0;
}

/* One option with its argument. 0, or -EINVAL with a sentence if there is more to say. */
static int apply(struct sim *sim, enum option_id id, const char *text, char *why, size_t why_size)
{
    struct settings *settings = &sim->settings;
    switch (id) {
    case OPTION_LISTEN:
        return read_listen(settings, text);
    case OPTION_PORT_FILE:
        return read_port_file(settings, text);
    case OPTION_VERSION_PROFILE:
        return read_version(sim, text);
    case OPTION_MODEL:
        return add_model(sim, text, why, why_size);
    case OPTION_FAULT:
        return add_fault(sim, text, why, why_size);
    case OPTION_SLOTS:
        return read_int(text, 1, 64, &settings->slots);
    case OPTION_MAX_LOADED:
        return read_int(text, 1, MODEL_COUNT_MAX, &settings->max_loaded);
    case OPTION_MAX_QUEUE:
        return read_int(text, 0, 100000, &settings->max_queue);
    case OPTION_KEEP_ALIVE:
        return read_keep_alive(text, &settings->keep_alive_ns);
    case OPTION_NUM_CTX:
        return read_int(text, 4, 10000000, &settings->num_ctx);
    case OPTION_PREFIX_CACHE:
        return read_switch(text, &settings->prefix_cache);
    case OPTION_SPEED:
        return text_positive(text, &settings->speed);
    case OPTION_SEED:
        return read_seed(settings, text);
    case OPTION_ANSWER_TOKENS:
        return read_int(text, 1, MODEL_TOKENS_MAX, &settings->answer_tokens);
    case OPTION_ZONE:
        return read_zone(text, &settings->zone_min);
    case OPTION_DIGITS:
        return read_int(text, 0, 9, &settings->digits);
    case OPTION_WEDGE:
        return read_switch(text, &settings->wedge);
    case OPTION_DIE_WITH_PARENT:
        settings->die_with_parent = true;
        return 0;
    case OPTION_HELP:
        return 0;
    }
    return -EINVAL;
}

static const char *option_name(int id)
{
    for (size_t i = 0; table[i].name != NULL; i++)
        if (table[i].val == id)
            return table[i].name;
    return "";
}

static void add_default_models(struct sim *sim)
{
    char why[256];
    if (sim->model_count > 0)
        return;
    add_model(sim, "gemma3:1b,size=815MB", why, sizeof(why));
    add_model(sim, "nomic-embed-text,size=274MB", why, sizeof(why));
}

enum options_outcome options_read(struct sim *sim, int argc, char **argv)
{
    int id = 0;
    while ((id = getopt_long(argc, argv, "", table, NULL)) != -1) {
        char why[512] = "";
        if (id == '?')
            return OPTIONS_BAD;
        if (id == OPTION_HELP) {
            print_help();
            return OPTIONS_STOP;
        }
        if (apply(sim, (enum option_id)id, optarg, why, sizeof(why)) != 0) {
            fprintf(stderr, "ollama-sim: --%s %s: %s\n", option_name(id), optarg,
                    why[0] != '\0' ? why : "not a value for it, see --help");
            return OPTIONS_BAD;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "ollama-sim: %s: options only, see --help\n", argv[optind]);
        return OPTIONS_BAD;
    }
    add_default_models(sim);
    return OPTIONS_RUN;
}
