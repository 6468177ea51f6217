/* Runs the tables tests/golden/pick/ against pick_node(), pick_why() and pick_summary(). */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"

#include "pick.h"
#include "test.h"

#define NODES  16
#define NAMES  64
#define NOW_MS INT64_C(1000000)

struct table {
    const char *path;
    int line;
    char name[256];
    char tried[256];
    struct names names;
    struct fleet fleet;
    void *names_mem, *fleet_mem;
    uint32_t model;
};

static void fleet_make(struct table *t)
{
    const struct fleet_limits limits = {
        .node_late_ms = 10000, .node_lost_ms = 15000, .temp_max_mc = 75000, .ram_max_pct = 90};

    t->names_mem = calloc(1, names_bytes(NAMES));
    t->fleet_mem = calloc(1, fleet_bytes(NODES, NAMES));
    assert_non_null(t->names_mem);
    assert_non_null(t->fleet_mem);
    names_init(&t->names, t->names_mem, NAMES);
    fleet_init(&t->fleet, t->fleet_mem, NODES, &t->names);
    fleet_limits_set(&t->fleet, &limits);
    t->model = names_hold(&t->names, span_str("m:latest"));
    t->tried[0] = '\0';
}

static void fleet_drop(struct table *t)
{
    free(t->names_mem);
    free(t->fleet_mem);
}

/* The value of key= in a node line, or `otherwise`. */
static const char *value_of(const char *line, const char *key, const char *otherwise,
                            char buf[static 32])
{
    char pattern[32];

    (void)snprintf(pattern, sizeof pattern, " %s=", key);
    const char *found = strstr(line, pattern);
    if (!found)
        return otherwise;
    (void)snprintf(buf, 32, "%.*s", (int)strcspn(found + strlen(pattern), " "),
                   found + strlen(pattern));
    return buf;
}

static bool has_flag(const char *line, const char *flag)
{
    size_t len = strlen(flag);
    const char *found = strstr(line, flag);

    return found && found[-1] == ' ' && (found[len] == '\0' || found[len] == ' ');
}

static int64_t seen_ms(const char *state)
{
    if (strcmp(state, "late") == 0)
        return NOW_MS - 12000;
    return strcmp(state, "lost") == 0 ? NOW_MS - 20000 : NOW_MS;
}

static void health_write(const char *line, const char *model, const char *state, char *json,
                         size_t cap)
{
    char slots[32], temp[32], ram[32], reason[32];
    bool is_ready = strcmp(model, "none") != 0 && strcmp(model, "disk") != 0;

    (void)snprintf(json, cap,
                   "{\"last_seen_ms\":%lld,\"available\":%s,\"reason\":\"%s\",\"slots\":%s,"
                   "\"temp_c\":%s,\"ram_percent\":%s,\"installed\":[%s],\"models\":[%s],"
                   "\"suspect\":[%s],\"sessions\":[%s]%s",
                   (long long)seen_ms(state), strcmp(state, "unavailable") ? "true" : "false",
                   value_of(line, "reason", "", reason), value_of(line, "slots", "1", slots),
                   value_of(line, "temp", "null", temp), value_of(line, "ram", "null", ram),
                   strcmp(model, "disk") == 0 ? "\"m\"" : "", is_ready ? "\"m\"" : "",
                   strcmp(model, "suspect") == 0 ? "\"m\"" : "",
                   has_flag(line, "warm") ? "\"talk\"" : "",
                   strcmp(state, "new") == 0 ? "" : "}"); /* broken: it stays new */
}

static void add_node(struct table *t, const char *line)
{
    char id[32], model[32], state[32], number[32], json[1024];
    struct fleet_change change;
    struct fleet_change gone[NODES];
    struct err err;

    if (sscanf(line, "node %31s %31s", id, model) != 2)
        fail_msg("%s:%d: bad node line", t->path, t->line);
    const char *s = value_of(line, "state", "up", state);
    health_write(line, model, s, json, sizeof json);
    (void)fleet_health(&t->fleet, span_str(id), span_str(json), (struct fleet_time){NOW_MS, NOW_MS},
                       &change, &err);
    if (strcmp(s, "gone") == 0) {
        fleet_round_begin(&t->fleet);
        for (uint32_t i = 0; i < change.node; i++)
            t->fleet.seen[i] = true;
        assert_int_equal(fleet_round_end(&t->fleet, gone, NODES), 1);
    }
    fleet_length(&t->fleet, change.node, (uint64_t)atoi(value_of(line, "flight", "0", number)));
    (void)fleet_drained(&t->fleet, span_str(id), has_flag(line, "drained"));
    if (has_flag(line, "full"))
        fleet_full(&t->fleet, change.node);
    for (int n = atoi(value_of(line, "failed", "0", number)); n > 0; n--)
        fleet_failed(&t->fleet, change.node, NOW_MS - 30000);
    int fails = atoi(value_of(line, "fails", has_flag(line, "hold") ? "1" : "0", number));
    for (; fails > 0; fails--)
        fleet_failed(&t->fleet, change.node, NOW_MS);
}

static struct pick_request request_of(const struct table *t)
{
    return (struct pick_request){.model = t->model,
                                 .tried = span_str(t->tried),
                                 .session_hash = span_hash(span_str("talk"))};
}

/* The set of open models agrees with what is picked. */
static void check_open(const struct table *t, const struct pick_result *result)
{
    uint64_t open[NAMES_SET_WORDS(NAMES)];

    pick_open_models(&t->fleet, NOW_MS, open);
    bool is_open = names_set_has(open, t->model);
    if (result->node != FLEET_NONE && !is_open)
        fail_msg("%s:%d: %s: picked, but the model is not open", t->path, t->line, t->name);
    if (result->node == FLEET_NONE && is_open && t->tried[0] == '\0')
        fail_msg("%s:%d: %s: not picked, but the model is open", t->path, t->line, t->name);
}

static void check_expect(struct table *t, char *expected)
{
    const struct pick_request request = request_of(t);
    uint8_t verdicts[NODES];
    struct pick_result result = pick_node(&t->fleet, &request, NOW_MS, verdicts);
    const char *got = result.node == FLEET_NONE ? "none" : fleet_at(&t->fleet, result.node)->id;
    char *word = strtok(expected, " ");

    if (!word || strcmp(word, got) != 0)
        fail_msg("%s:%d: %s: expected %s, got %s", t->path, t->line, t->name, word, got);
    while ((word = strtok(NULL, " ")) != NULL) {
        char *want = strchr(word, '=');
        assert_non_null(want);
        *want++ = '\0';
        uint32_t i = fleet_find(&t->fleet, span_str(word));
        assert_int_not_equal(i, FLEET_NONE);
        const char *is = pick_verdict_name((enum pick_verdict)verdicts[i]);
        if (strcmp(is, want) != 0)
            fail_msg("%s:%d: %s: %s is %s, not %s", t->path, t->line, t->name, word, is, want);
    }
    check_open(t, &result);
}

static void check_words(const struct table *t, bool is_summary, const char *expected)
{
    const struct pick_request request = request_of(t);
    uint8_t verdicts[NODES];
    char text[PICK_WHY_MAX + 1], cut[20];
    struct pick_result result = pick_node(&t->fleet, &request, NOW_MS, verdicts);

    if (is_summary)
        pick_summary(&result, text, sizeof text);
    else
        pick_why(&t->fleet, &request, &result, verdicts, text, sizeof text);
    if (strcmp(text, expected) != 0)
        fail_msg("%s:%d: %s:\n got '%s'\nwant '%s'", t->path, t->line, t->name, text, expected);
    pick_why(&t->fleet, &request, &result, verdicts, cut, sizeof cut);
    assert_int_equal(strlen(cut), sizeof cut - 1);
}

static void run_line(struct table *t, char *line)
{
    if (strncmp(line, "case ", 5) == 0) {
        fleet_drop(t);
        fleet_make(t);
        (void)snprintf(t->name, sizeof t->name, "%.200s", line + 5);
    } else if (strncmp(line, "node ", 5) == 0) {
        add_node(t, line);
    } else if (strncmp(line, "tried ", 6) == 0) {
        (void)snprintf(t->tried, sizeof t->tried, "%.200s", line + 6);
    } else if (strncmp(line, "expect ", 7) == 0) {
        check_expect(t, line + 7);
    } else if (strncmp(line, "why ", 4) == 0) {
        check_words(t, false, line + 4);
    } else if (strncmp(line, "summary ", 8) == 0) {
        check_words(t, true, line + 8);
    } else if (line[0] != '\0' && line[0] != '#') {
        fail_msg("%s:%d: what is '%s'?", t->path, t->line, line);
    }
}

static void run_table(const char *path)
{
    struct table t = {.path = path};
    char line[1024];
    FILE *f = fopen(path, "re");

    assert_non_null(f);
    fleet_make(&t);
    while (fgets(line, sizeof line, f)) {
        t.line++;
        line[strcspn(line, "\n")] = '\0';
        run_line(&t, line);
    }
    assert_true(t.line > 20);
    (void)fclose(f);
    fleet_drop(&t);
}

static void test_the_choice_follows_the_rules_of_the_table(void **state)
{
    (void)state;
    run_table("tests/golden/pick/rules.tbl");
}

static void test_the_decision_is_put_into_words(void **state)
{
    (void)state;
    run_table("tests/golden/pick/why.tbl");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_choice_follows_the_rules_of_the_table),
        cmocka_unit_test(test_the_decision_is_put_into_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
