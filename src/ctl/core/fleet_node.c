/* One node, in full. */
#include <inttypes.h>
#include <stdlib.h>

#include "common/json.h"

#include "fleet_view.h"

#define LABEL_COLS 13

static void add_label(struct buf *out, const char *label)
{
    size_t cols = text_add(out, span_str(label), LABEL_COLS - 1);

    text_pad(out, LABEL_COLS - cols);
}

static void add_line(struct buf *out, size_t width, const char *label, struct span text)
{
    add_label(out, label);
    text_wrap(out, text.len ? text : span_str("-"), LABEL_COLS, LABEL_COLS, width);
    (void)buf_add_str(out, "\n");
}

static const char *flag_word(int flag)
{
    return flag < 0 ? "unknown" : flag ? "YES" : "no";
}

/* The elements of an array of strings, or the names of an object, separated by ", ". */
static void add_names(struct buf *out, size_t width, const char *label, struct span list)
{
    char name[MODEL_NAME_MAX + 1], bytes[2048];
    struct json_iter it;
    struct buf joined;

    text_fixed(&joined, bytes, sizeof bytes);
    for (json_begin(&it, list); json_next(&it);) {
        if (!json_string_decode(it.value, name, sizeof name))
            continue;
        (void)buf_add_str(&joined, joined.len ? ", " : "");
        (void)text_add(&joined, span_str(name), TEXT_NO_LIMIT);
    }
    if (joined.failed)
        (void)buf_add_str(&joined, " ...");
    add_line(out, width, label, buf_span(&joined));
}

static void add_number(struct buf *out, const char *before, double value, int decimals,
                       const char *unit)
{
    (void)buf_add_str(out, before);
    if (value == SEEN_UNKNOWN) {
        (void)buf_add_str(out, "unknown");
    } else {
        (void)buf_add_fmt(out, "%.*f%s", decimals, value, unit);
    }
}

static void add_rates(struct buf *out, size_t width, struct span rates)
{
    static const struct {
        const char *member, *before, *after;
    } parts[] = {{"gen_tps", "", " tok/s"},
                 {"prompt_tps", ", prompt ", " tok/s"},
                 {"load_ms", ", loads in ", " ms"},
                 {"tokens_out", ", answers of ", " tokens"},
                 {"n", ", measured ", "x"}};
    struct json_iter it;
    size_t shown = 0;

    for (json_begin(&it, rates); json_next(&it) && shown < 8; shown++) {
        char bytes[512];
        struct buf line;
        text_fixed(&line, bytes, sizeof bytes);
        (void)text_add(&line, it.key, 40);
        (void)buf_add_str(&line, ": ");
        for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++) {
            struct span value = json_get(it.value, parts[p].member);
            if (json_type(value) != JSON_NUMBER)
                continue;
            (void)buf_add_str(&line, parts[p].before);
            (void)text_add(&line, value, 16);
            (void)buf_add_str(&line, parts[p].after);
        }
        add_line(out, width, shown ? "" : "speed", buf_span(&line));
    }
}

static void add_load(const struct seen_node *node, size_t width, struct buf *out)
{
    char bytes[256];
    struct buf line;

    text_fixed(&line, bytes, sizeof bytes);
    add_number(&line, "", node->temp_c, 1, " C");
    (void)buf_add_fmt(&line, "; throttled: %s, under-voltage: %s, frequency capped: %s",
                      flag_word(node->throttled), flag_word(node->under_voltage),
                      flag_word(node->freq_capped));
    add_line(out, width, "board", buf_span(&line));
    text_fixed(&line, bytes, sizeof bytes);
    add_number(&line, "", node->cpu_pct, 0, "%");
    add_number(&line, "; memory ", node->ram_pct, 0, "%");
    add_number(&line, " (", node->ram_used_mb, 0, " of ");
    add_number(&line, "", node->ram_total_mb, 0, " MiB)");
    add_number(&line, "; pressure ", node->pressure_pct, 1, "%");
    add_number(&line, "; swaps in ", node->swap_per_s, 0, "/s");
    add_line(out, width, "CPU", buf_span(&line));
}

static void add_work(const struct seen_node *node, size_t width, struct buf *out)
{
    char bytes[256], text[TEXT_NUMBER_SIZE];
    struct buf line;

    text_fixed(&line, bytes, sizeof bytes);
    (void)buf_add_fmt(&line, "%" PRId64 " on its stream, %" PRId64 " running, %" PRId64 " slots",
                      node->length < 0 ? 0 : node->length,
                      node->in_flight < 0 ? 0 : node->in_flight, node->slots < 0 ? 0 : node->slots);
    add_line(out, width, "work", buf_span(&line));
    text_fixed(&line, bytes, sizeof bytes);
    (void)buf_add_fmt(&line, "%s ago", text_duration(node->age_ms, text));
    if (node->uptime_s >= 0) {
        (void)buf_add_fmt(&line, "; board up %s",
                          text_duration((int64_t)(node->uptime_s * 1000), text));
    }
    (void)buf_add_str(&line, "; orion-worker ");
    (void)text_add(&line, span_str(node->agent_version[0] ? node->agent_version : "?"), 30);
    (void)buf_add_str(&line, "; Ollama ");
    (void)text_add(&line, span_str(node->ollama_version[0] ? node->ollama_version : "?"), 30);
    add_line(out, width, "seen", buf_span(&line));
}

void fleet_node_details(const struct seen_node *node, size_t width, bool color, struct buf *out)
{
    text_style(out, color, TEXT_BOLD);
    size_t cols = text_add(out, node->id, width / 2);
    text_style(out, color, TEXT_PLAIN);
    (void)buf_add_str(out, "  ");
    (void)text_add(out, span_str(node->board), width - cols - 2);
    (void)buf_add_str(out, "\n\n");
    add_label(out, "state");
    text_style(out, color, fleet_state_style(node->state));
    (void)text_add(out, span_str(seen_state_text(node)), width - LABEL_COLS);
    text_style(out, color, TEXT_PLAIN);
    (void)buf_add_str(out, node->drained && node->state != SEEN_DRAINED ? ", drained\n" : "\n");
    add_work(node, width, out);
    add_load(node, width, out);
    add_names(out, width, "in memory", json_get(node->json, "models"));
    add_names(out, width, "installed", json_get(node->json, "installed"));
    if (json_type(json_get(node->json, "suspect")) == JSON_ARRAY &&
        json_get(node->json, "suspect").len > 2)
        add_names(out, width, "suspect", json_get(node->json, "suspect"));
    if (json_type(json_get(node->json, "foreign")) == JSON_ARRAY &&
        json_get(node->json, "foreign").len > 2)
        add_names(out, width, "foreign", json_get(node->json, "foreign"));
    add_rates(out, width, json_get(node->json, "rates"));
}
