/* Runs tests/golden/verdict/ollama.tbl against verdict_decide(). */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"

#include "golden.h"
#include "test.h"
#include "verdict.h"

#define TABLE "tests/golden/verdict/ollama.tbl"

struct example {
    char name[128];
    struct verdict_input input;
    char text[1024];
    bool has_text;
    char expect[128];
    char says[256];
    char note[128];
};

static bool events_seen[VERDICT_EVENT_COUNT];

/* What was decided, in the words of the table. */
static void render(const struct verdict *verdict, char *ret, size_t cap)
{
    const char *code = verdict_code_name(verdict->code);

    (void)snprintf(ret, cap, "%s%s%s%s%s%s", verdict_class_name(verdict->class), *code ? " " : "",
                   code, verdict->refresh_tags ? " refresh_tags" : "",
                   verdict->suspect_model ? " suspect_model" : "",
                   verdict->still_busy ? " still_busy" : "");
}

static void check_sentence(const struct example *example, const struct verdict *verdict)
{
    bool silent = verdict->class == VERDICT_DONE || verdict->class == VERDICT_DROP;

    if (silent != (verdict->sentence[0] == '\0'))
        fail_msg("%s: the sentence is '%s'", example->name, verdict->sentence);
    if (!strstr(verdict->sentence, example->says))
        fail_msg("%s: expected '%s' in '%s'", example->name, example->says, verdict->sentence);
    if (!strstr(verdict->note ? verdict->note : "", example->note))
        fail_msg("%s: expected '%s' in the note '%s'", example->name, example->note,
                 verdict->note ? verdict->note : "");
}

static void check_once(struct example *example, bool chunks_sent)
{
    struct verdict verdict;
    char expected[160];
    char actual[160];
    bool retry = strncmp(example->expect, "retry", 5) == 0;

    (void)snprintf(expected, sizeof expected, "%s%s", retry && chunks_sent ? "ambiguous" : "",
                   example->expect + (retry && chunks_sent ? 5 : 0));
    example->input.chunks_sent = chunks_sent;
    verdict_decide(&example->input, &verdict);
    render(&verdict, actual, sizeof actual);
    if (strcmp(actual, expected) != 0)
        fail_msg("%s: expected '%s', got '%s' (%s)", example->name, expected, actual,
                 verdict.sentence);
    check_sentence(example, &verdict);
}

static void check(struct example *example)
{
    if (!example->name[0])
        return;
    if (example->has_text)
        example->input.text = span_str(example->text);
    events_seen[example->input.event] = true;
    check_once(example, false);
    check_once(example, true);
}

static void read_given(struct example *example, const char *rest)
{
    char name[32] = "";

    (void)sscanf(rest, "%31s %d", name, &example->input.http_status);
    for (enum verdict_event event = 0; event < VERDICT_EVENT_COUNT; event++) {
        if (strcmp(name, verdict_event_name(event)) == 0) {
            example->input.event = event;
            return;
        }
    }
    fail_msg("%s: unknown event '%s'", example->name, name);
}

static void read_line(const char *word, const char *rest, void *arg)
{
    struct example *example = arg;

    if (strcmp(word, "case") == 0) {
        check(example);
        *example = (struct example){.name = ""};
        (void)snprintf(example->name, sizeof example->name, "%s", rest);
    } else if (strcmp(word, "given") == 0) {
        read_given(example, rest);
    } else if (strcmp(word, "text") == 0) {
        (void)snprintf(example->text, sizeof example->text, "%s", rest);
        example->has_text = true;
    } else if (strcmp(word, "expect") == 0) {
        (void)snprintf(example->expect, sizeof example->expect, "%s", rest);
    } else if (strcmp(word, "says") == 0) {
        (void)snprintf(example->says, sizeof example->says, "%s", rest);
    } else if (strcmp(word, "note") == 0) {
        (void)snprintf(example->note, sizeof example->note, "%s", rest);
    } else {
        fail_msg("%s: unknown word '%s'", example->name, word);
    }
}

static void test_each_row_of_the_table(void **state)
{
    struct example example = {.name = ""};

    (void)state;
    golden_read(TABLE, read_line, &example);
    check(&example);
}

static void test_the_table_has_every_event(void **state)
{
    (void)state;
    for (enum verdict_event event = 0; event < VERDICT_EVENT_COUNT; event++) {
        if (!events_seen[event])
            fail_msg("no case for '%s'", verdict_event_name(event));
    }
}

static void test_every_status_has_a_verdict_that_is_not_success(void **state)
{
    struct verdict verdict;

    (void)state;
    for (int status = -1; status <= 1000; status++) {
        struct verdict_input input = {.event = VERDICT_EVENT_HTTP_STATUS, .http_status = status};
        verdict_decide(&input, &verdict);
        assert_true(verdict.class == VERDICT_RETRY || verdict.class == VERDICT_FINAL);
        assert_true(status >= 400 || verdict.class == VERDICT_RETRY);
    }
}

static void test_any_bytes_make_one_line_of_utf8(void **state)
{
    static char text[VERDICT_TEXT_MAX];
    struct verdict verdict;
    struct verdict_input input = {.event = VERDICT_EVENT_HTTP_STATUS, .http_status = 500};

    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * 7);
    for (size_t start = 0; start < 512; start++) {
        input.text = (struct span){text + start, sizeof text - start};
        verdict_decide(&input, &verdict);
        assert_true(span_is_utf8(span_str(verdict.sentence)));
        assert_null(strpbrk(verdict.sentence, "\r\n\t"));
        assert_true(strlen(verdict.sentence) > 400);
    }
}

static void test_a_long_sentence_is_cut_at_a_character(void **state)
{
    static char text[VERDICT_TEXT_MAX];
    struct verdict verdict;
    struct verdict_input input = {.event = VERDICT_EVENT_CUT, .text = {text, 0}};

    (void)state;
    for (size_t i = 0; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    for (size_t len = 400; len < 700; len += 2) {
        input.text.len = len;
        verdict_decide(&input, &verdict);
        assert_true(span_is_utf8(span_str(verdict.sentence)));
        assert_null(strchr(verdict.sentence, '?'));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_row_of_the_table),
        cmocka_unit_test(test_the_table_has_every_event),
        cmocka_unit_test(test_every_status_has_a_verdict_that_is_not_success),
        cmocka_unit_test(test_any_bytes_make_one_line_of_utf8),
        cmocka_unit_test(test_a_long_sentence_is_cut_at_a_character),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
