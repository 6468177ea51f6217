#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"

#include "doctor.h"
#include "fleet_seen.h"
#include "text.h"

#define OLD_MS       60000 /* a request that waits longer while nodes are idle */
#define TEMP_WARM_C  70.0
#define TEMP_LIMIT_C 80.0 /* a Pi throttles from here on */
#define RAM_HIGH_PCT 85.0
#define PRESSURE_PCT 10.0

/* --- nodes ------------------------------------------------------------------------------------ */

static void check_silence(struct doctor *doctor, const struct seen_node *node, const char *id)
{
    char text[TEXT_NUMBER_SIZE];

    if (node->state == SEEN_BAD) {
        doctor_find(doctor, FINDING_BAD, id, "is its worker of another version? Update it",
                    "its health value cannot be read");
    }
    if (node->state == SEEN_LOST) {
        doctor_find(doctor, FINDING_BAD, id,
                    "power, network, `systemctl status orion-worker` there; if it is gone for "
                    "good: orionctl forget",
                    "no sign of life for %s", text_duration(node->age_ms, text));
    }
    if (node->state == SEEN_LATE) {
        doctor_find(doctor, FINDING_WARN, id, "look at its network and its load",
                    "its last sign of life is %s old", text_duration(node->age_ms, text));
    }
}

static void check_state(struct doctor *doctor, const struct seen_node *node, const char *id)
{
    static const char hot[] = "better cooling, or fewer requests: it comes back when it has cooled "
                              "down";
    static const char full[] =
        "a smaller model or context; see what else runs there (`ps aux --sort "
        "-rss`)";
    static const struct {
        const char *reason, *todo;
        enum finding_level level;
    } rows[] = {
        {"ollama down", "`systemctl status ollama` there; is its address the one in worker.conf?",
         FINDING_BAD},
        {"starting", "wait; if it stays so, see its log (`journalctl -u orion-worker`)",
         FINDING_NOTE},
        {"stopping", "wait: it goes, or comes back when it is started again", FINDING_NOTE},
    };

    if (node->state == SEEN_DRAINED)
        doctor_find(doctor, FINDING_NOTE, id, "orionctl undrain takes it back", "drained");
    if (node->state == SEEN_HOT || node->state == SEEN_MEMORY) {
        doctor_find(doctor, FINDING_WARN, id, node->state == SEEN_HOT ? hot : full,
                    "takes no work: %s", seen_state_name(node->state));
    }
    if (node->state != SEEN_RESTING)
        return;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(node->reason, rows[i].reason) == 0) {
            doctor_find(doctor, rows[i].level, id, rows[i].todo, "takes no work: %s", node->reason);
            return;
        }
    }
    doctor_find(doctor, FINDING_WARN, id, "see its log (`journalctl -u orion-worker`)",
                "takes no work: %s", node->reason);
}

static void check_sensors(struct doctor *doctor, const struct seen_node *node, const char *id)
{
    bool is_pi = strncmp(node->board, "Raspberry Pi", 12) == 0;

    if (node->temp_c == SEEN_UNKNOWN) {
        doctor_find(doctor, FINDING_WARN, id,
                    "is /sys/class/thermal readable for orion-worker (sandbox, container)?",
                    "no temperature: it cannot be taken out of work when it gets hot");
    }
    if (is_pi && node->throttled < 0) {
        doctor_find(doctor, FINDING_NOTE, id,
                    "the kernel's Raspberry Pi firmware driver tells it; is it a container?",
                    "throttling and under-voltage cannot be read");
    }
    if (node->ram_pct == SEEN_UNKNOWN) {
        doctor_find(doctor, FINDING_WARN, id, "is /proc/meminfo readable for orion-worker?",
                    "no memory reading");
    }
}

static void check_board(struct doctor *doctor, const struct seen_node *node, const char *id)
{
    if (node->throttled == 1) {
        doctor_find(doctor, FINDING_BAD, id, "cooling: a heat sink and a fan",
                    "throttled now (%.1f C): it works at a fraction of its speed",
                    node->temp_c == SEEN_UNKNOWN ? 0.0 : node->temp_c);
    }
    if (node->under_voltage == 1) {
        doctor_find(doctor, FINDING_BAD, id,
                    "a better power supply (Pi 5: 5 V 5 A, Pi 4: 5 V 3 A) and cable",
                    "under-voltage: it may crash, and loses data on its card");
    }
    if (node->freq_capped == 1 && node->throttled != 1) {
        doctor_find(doctor, FINDING_WARN, id, "cooling and power supply",
                    "its clock frequency is capped");
    }
    if (node->throttled != 1 && node->temp_c >= TEMP_LIMIT_C) {
        doctor_find(doctor, FINDING_WARN, id, "cooling: a heat sink and a fan",
                    "%.1f C: a Pi throttles from 80 C", node->temp_c);
    } else if (node->temp_c >= TEMP_WARM_C && node->throttled != 1) {
        doctor_find(doctor, FINDING_NOTE, id, "see that it gets air",
                    "%.1f C: warm, not far from the limit", node->temp_c);
    }
}

static void check_memory(struct doctor *doctor, const struct seen_node *node, const char *id)
{
    if (node->swap_per_s > 0) {
        doctor_find(doctor, FINDING_WARN, id,
                    "a smaller model or context, OLLAMA_MAX_LOADED_MODELS=1, "
                    "LLAMA_ARG_CACHE_RAM=256",
                    "swaps in %.0f pages per second: its memory does not suffice",
                    node->swap_per_s);
    }
    if (node->pressure_pct > PRESSURE_PCT) {
        doctor_find(doctor, FINDING_WARN, id, "a smaller model; see what else runs there",
                    "waits for memory %.0f%% of the time", node->pressure_pct);
    }
    if (node->ram_pct >= RAM_HIGH_PCT && node->state == SEEN_UP) {
        doctor_find(doctor, FINDING_NOTE, id, "a smaller model; see what else runs there",
                    "%.0f%% of its memory is in use: near ram_max", node->ram_pct);
    }
}

static void check_models(struct doctor *doctor, const struct seen_node *node, const char *id)
{
    struct json_iter it;
    size_t suspects = 0;

    for (json_begin(&it, json_get(node->json, "suspect")); json_next(&it);)
        suspects++;
    if (suspects > 0) {
        doctor_find(doctor, FINDING_BAD, id, "`systemctl restart ollama` there",
                    "%zu model%s hung there and %s not used until a probe answers", suspects,
                    suspects == 1 ? " has" : "s have", suspects == 1 ? "is" : "are");
    }
    if (node->n_installed == 0 && node->state != SEEN_LOST && node->state != SEEN_BAD) {
        doctor_find(doctor, FINDING_WARN, id, "`ollama pull MODEL` there",
                    "no model is installed: it can answer nothing");
    }
    if (node->keeps_models == 0) {
        doctor_find(doctor, FINDING_WARN, id,
                    "OLLAMA_KEEP_ALIVE=-1 in Ollama's unit there (the drop-in ollama.service.d of "
                    "orion has it)",
                    "its Ollama forgets a model when nobody asks for it: the next request waits "
                    "until it is loaded again");
    }
    if (node->n_resident > 1) {
        doctor_find(doctor, FINDING_NOTE, id, "OLLAMA_MAX_LOADED_MODELS=1 on a Pi",
                    "%zu models are in memory at once", node->n_resident);
    }
    if (node->slots > 1) {
        doctor_find(doctor, FINDING_NOTE, id,
                    "OLLAMA_NUM_PARALLEL must be the same; more than 1 rarely pays on a Pi",
                    "%" PRId64 " slots", node->slots);
    }
}

void doctor_node(struct doctor *doctor, const struct seen_node *node)
{
    size_t before =
        doctor->counts[FINDING_NOTE] + doctor->counts[FINDING_WARN] + doctor->counts[FINDING_BAD];
    char id[NODE_ID_MAX + 1];

    (void)span_copy(node->id, id, sizeof id);
    check_silence(doctor, node, id);
    if (node->state != SEEN_LOST && node->state != SEEN_BAD) {
        check_state(doctor, node, id);
        check_sensors(doctor, node, id);
        check_board(doctor, node, id);
        check_memory(doctor, node, id);
        check_models(doctor, node, id);
    }
    if (before ==
        doctor->counts[FINDING_NOTE] + doctor->counts[FINDING_WARN] + doctor->counts[FINDING_BAD]) {
        doctor_find(doctor, FINDING_OK, id, "", "up, %.1f C, %.0f%% memory", node->temp_c,
                    node->ram_pct);
    }
}

/* --- routers and queue ------------------------------------------------------------------------ */

static void check_routers(struct doctor *doctor, const struct fleet_seen *fleet)
{
    size_t alive = seen_routers_alive(fleet);

    if (alive == 0) {
        doctor_find(doctor, FINDING_BAD, "routers", "start orion-router",
                    "none is alive: nothing is given to a node");
    }
    if (alive == 1) {
        doctor_find(doctor, FINDING_NOTE, "routers",
                    "a second one on another machine keeps requests moving when the first dies",
                    "one is alive");
    }
    if (alive > 1)
        doctor_find(doctor, FINDING_OK, "routers", "", "%zu are alive", alive);
    for (size_t i = 0; i < fleet->n_routers; i++) {
        const struct seen_router *router = &fleet->routers[i];
        if (!router->alive) {
            doctor_find(doctor, FINDING_WARN, "routers",
                        "the others take over what it had; `systemctl status orion-router` there",
                        "%.*s is silent", SPAN_ARG(router->id));
        }
        if (i > 0 && strcmp(router->version, fleet->routers[0].version) != 0) {
            doctor_find(doctor, FINDING_WARN, "routers", "update all to one version",
                        "versions differ: %s and %s", fleet->routers[0].version, router->version);
        }
    }
}

static bool is_idle(const struct fleet_seen *fleet)
{
    for (size_t i = 0; i < fleet->n_nodes; i++) {
        if (seen_takes_work(&fleet->nodes[i]) && fleet->nodes[i].length == 0)
            return true;
    }
    return false;
}

static void check_queue(struct doctor *doctor, const struct fleet_seen *fleet)
{
    const struct seen_queue *queue = &fleet->queue;
    char text[TEXT_NUMBER_SIZE];

    if (queue->length == 0) {
        doctor_find(doctor, FINDING_OK, "queue", "", "empty");
    } else if (queue->oldest_ms > OLD_MS && is_idle(fleet)) {
        doctor_find(doctor, FINDING_WARN, "queue",
                    "orionctl status shows which model it is; orionctl explain ID tells why",
                    "%" PRId64 " wait, the oldest for %s, although a node is idle", queue->length,
                    text_duration(queue->oldest_ms, text));
    } else {
        doctor_find(doctor, FINDING_NOTE, "queue",
                    "nothing, unless it grows: then fewer requests or more nodes (orionctl status)",
                    "%" PRId64 " wait, the oldest for %s", queue->length,
                    text_duration(queue->oldest_ms, text));
    }
}

void doctor_fleet(struct doctor *doctor, const struct fleet_seen *fleet)
{
    check_routers(doctor, fleet);
    check_queue(doctor, fleet);
    if (fleet->n_nodes == 0) {
        doctor_find(doctor, FINDING_BAD, "nodes", "start orion-worker beside an Ollama",
                    "there is none");
    } else if (seen_count(fleet, SEEN_UP) == 0) {
        doctor_find(doctor, FINDING_BAD, "nodes", "see below, one by one", "none takes work");
    }
    for (size_t i = 0; i < fleet->n_nodes; i++)
        doctor_node(doctor, &fleet->nodes[i]);
}
