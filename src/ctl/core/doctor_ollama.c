/*
 * Ollama's versions, and what runs on this machine. Sources: Ollama's releases and their issues,
 * whose numbers stand at each row; envconfig/config.go for the defaults of the environment.
 */
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/span.h"

#include "doctor.h"
#include "fleet_seen.h"

#define UPDATE      "update Ollama there (https://ollama.com/download)"
#define PART_DIGITS 5 /* of one number of a version; a longer one ends it */

struct version {
    unsigned part[3];
};

/* "0.32.15", "v0.30.0-rc2"; false for what begins with no number (a build of one's own is 0.0.0).
 */
static bool version_parse(const char *text, struct version *ret)
{
    int n = 0;

    text += text[0] == 'v';
    *ret = (struct version){{0}};
    while (n < 3) {
        size_t digits = strspn(text, "0123456789");
        struct span part = {text, digits < PART_DIGITS ? digits : PART_DIGITS};
        int64_t value;
        if (!span_to_i64(part, &value))
            break;
        ret->part[n++] = (unsigned)value;
        text += part.len;
        if (*text++ != '.')
            break;
    }
    return n >= 2;
}

static int version_compare(const struct version *a, const struct version *b)
{
    for (int i = 0; i < 3; i++) {
        if (a->part[i] != b->part[i])
            return a->part[i] < b->part[i] ? -1 : 1;
    }
    return 0;
}

static const struct rule {
    struct version from, to; /* inclusive */
    enum finding_level level;
    const char *what, *todo;
} rules[] = {
    {{{0, 0, 1}},
     {{0, 4, 999}},
     FINDING_WARN,
     "older than what orion is tested with (0.5.7)",
     UPDATE},
    {{{0, 14, 3}},
     {{0, 14, 3}},
     FINDING_BAD, /* #13860, #13819 */
     "its Linux builds for ARM are about ten times slower",
     "install 0.14.2, or 0.15.1 and later"},
    {{{0, 15, 0}},
     {{0, 15, 0}},
     FINDING_BAD, /* fixed by #13877 */
     "its Linux builds for ARM are about ten times slower",
     "install 0.15.1 or later"},
    {{{0, 13, 0}},
     {{0, 13, 0}},
     FINDING_WARN, /* #13227 */
     "without a GPU it keeps one model in memory only, whatever fits",
     UPDATE},
    {{{0, 12, 5}},
     {{0, 12, 6}},
     FINDING_WARN, /* #12742 */
     "reports the speed of reading a prompt wrong, so it is routed by wrong estimates",
     "install 0.12.7 or later"},
    {{{0, 30, 0}},
     {{0, 30, 0}},
     FINDING_WARN,
     "counts the tokens of a prompt without those in the cache, so the measured speed is wrong",
     "install 0.30.1 or later"},
    {{{0, 0, 1}},
     {{0, 32, 3}},
     FINDING_NOTE, /* #17376 */
     "asked for what is in memory, it may crash now and then (data race in /api/ps)",
     "0.32.4 has it repaired"},
    {{{0, 0, 1}},
     {{0, 24, 999}},
     FINDING_NOTE, /* #11889, #2876 */
     "goes on reading a long prompt although its request was cancelled",
     "nothing: the node is busy for that long; 0.30 and later stop"},
    {{{0, 0, 1}},
     {{0, 6, 7}},
     FINDING_WARN,
     "OLLAMA_NUM_PARALLEL is 4 unless it is set: four contexts in memory",
     "OLLAMA_NUM_PARALLEL=1 in Ollama's unit"},
    {{{0, 6, 8}},
     {{0, 9, 999}},
     FINDING_WARN,
     "OLLAMA_NUM_PARALLEL is 2 unless it is set: two contexts in memory",
     "OLLAMA_NUM_PARALLEL=1 in Ollama's unit"},
    {{{0, 30, 0}},
     {{999, 0, 0}},
     FINDING_NOTE, /* #18264, #18072 */
     "unless told otherwise it loads up to three models without a GPU, and keeps old prompts in up "
     "to 8 GiB of memory",
     "OLLAMA_MAX_LOADED_MODELS=1 and LLAMA_ARG_CACHE_RAM=256 in Ollama's unit (the drop-in "
     "ollama.service.d of orion has them)"},
    {{{0, 0, 1}},
     {{999, 0, 0}},
     FINDING_NOTE,
     "unless told otherwise it forgets a model after 5 minutes without a request",
     "OLLAMA_KEEP_ALIVE=-1 in Ollama's unit (the drop-in has it)"},
};

static bool has_version(const struct seen_node *node, const char *version)
{
    return node->json.ptr && strcmp(node->ollama_version, version) == 0;
}

/* Returns the bytes that the name takes. */
static size_t add_name(char *buf, size_t cap, const char *before, struct span id)
{
    int n = snprintf(buf, cap, "%s%.*s", before, (int)(id.len > 40 ? 40 : id.len), id.ptr);

    return n > 0 ? (size_t)n : 0;
}

/* "Ollama 0.32.15 (pi-1, pi-2 and 3 more)" */
static void subject_of(const struct fleet_seen *fleet, const char *version, char *buf, size_t cap)
{
    size_t len = (size_t)snprintf(buf, cap, "Ollama %.31s%s(", version, version[0] ? " " : "");
    size_t named = 0, more = 0;

    for (size_t i = 0; i < fleet->n_nodes; i++) {
        const struct seen_node *node = &fleet->nodes[i];
        if (!has_version(node, version))
            continue;
        if (named > 0 && len + node->id.len + 20 > cap) {
            more++;
            continue;
        }
        len += add_name(buf + len, cap - len, named ? ", " : "", node->id);
        named++;
    }
    if (more > 0 && len < cap)
        len += (size_t)snprintf(buf + len, cap - len, " and %zu more", more);
    if (len < cap)
        (void)snprintf(buf + len, cap - len, ")");
}

static bool is_first_of_version(const struct fleet_seen *fleet, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (has_version(&fleet->nodes[j], fleet->nodes[i].ollama_version))
            return false;
    }
    return true;
}

static void check_version(struct doctor *doctor, const char *text, const char *subject)
{
    struct version version;

    if (!version_parse(text, &version)) {
        doctor_find(doctor, FINDING_NOTE, subject, "is its Ollama answering?",
                    "its version is not known");
        return;
    }
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        const struct rule *rule = &rules[i];
        if (version_compare(&version, &rule->from) >= 0 &&
            version_compare(&version, &rule->to) <= 0)
            doctor_find(doctor, rule->level, subject, rule->todo, "%s", rule->what);
    }
}

void doctor_ollama(struct doctor *doctor, const struct fleet_seen *fleet)
{
    char subject[sizeof doctor->findings[0].subject];

    for (size_t i = 0; i < fleet->n_nodes; i++) {
        const struct seen_node *node = &fleet->nodes[i];
        if (!node->json.ptr || !is_first_of_version(fleet, i))
            continue;
        subject_of(fleet, node->ollama_version, subject, sizeof subject);
        check_version(doctor, node->ollama_version, subject);
    }
}

/* --- this machine ----------------------------------------------------------------------------- */

#define LOCAL "this machine"

/* The value of a variable; absent if it is not set. */
static struct span variable(struct span list, const char *name)
{
    size_t len = strlen(name);

    while (list.len > 0) {
        const char *end = memchr(list.ptr, '\0', list.len);
        size_t entry = end ? (size_t)(end - list.ptr) : list.len;
        if (entry > len && memcmp(list.ptr, name, len) == 0 && list.ptr[len] == '=')
            return (struct span){list.ptr + len + 1, entry - len - 1};
        size_t skip = end ? entry + 1 : entry;
        list = (struct span){list.ptr + skip, list.len - skip};
    }
    return (struct span){NULL, 0};
}

static void check_environment(struct doctor *doctor, struct span list)
{
    static const struct {
        const char *name, *wanted, *why;
    } rows[] = {
        {"OLLAMA_KEEP_ALIVE", "-1", "a model is forgotten after 5 minutes"},
        {"OLLAMA_MAX_LOADED_MODELS", "1", "recent releases load up to three models"},
        {"OLLAMA_NUM_PARALLEL", "1", "old releases make 2 or 4 contexts"},
        {"OLLAMA_LOAD_TIMEOUT", "30m", "a big model on an SD card may take longer than 5 minutes"},
        {"LLAMA_ARG_CACHE_RAM", "256", "recent releases keep old prompts in up to 8 GiB"},
    };
    char todo[128];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct span value = variable(list, rows[i].name);
        (void)snprintf(todo, sizeof todo, "%s=%s in Ollama's unit (systemctl edit ollama)",
                       rows[i].name, rows[i].wanted);
        if (value.ptr) {
            doctor_find(doctor, FINDING_OK, LOCAL, "", "%s=%.*s", rows[i].name, SPAN_ARG(value));
        } else {
            doctor_find(doctor, FINDING_WARN, LOCAL, todo, "Ollama runs without %s: %s",
                        rows[i].name, rows[i].why);
        }
    }
}

static bool has(struct span text, const char *word)
{
    return text.len > 0 && memmem(text.ptr, text.len, word, strlen(word)) != NULL;
}

void doctor_local(struct doctor *doctor, const struct local_facts *facts)
{
    if (facts->ollama_runs && facts->ollama_environ.ptr) {
        check_environment(doctor, facts->ollama_environ);
    } else if (facts->ollama_runs) {
        doctor_find(doctor, FINDING_NOTE, LOCAL, "run doctor as root to see it",
                    "Ollama runs here, but its environment cannot be read");
    }
    if (facts->ollama_runs &&
        (has(facts->swaps, "/dev/mmcblk") || has(facts->swaps, "/var/swap"))) {
        doctor_find(doctor, FINDING_WARN, LOCAL, "zram instead (apt-get install zram-tools)",
                    "it swaps to a file or partition: slow, and it wears out an SD card");
    }
    if (facts->clock_is_known && !facts->clock_is_synced) {
        doctor_find(doctor, FINDING_NOTE, LOCAL, "timedatectl set-ntp true",
                    "its clock is not set by the network: times in its log may be wrong");
    }
}
