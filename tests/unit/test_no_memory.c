/*
 * The decoding and reply paths, with every allocation of theirs refused once: the first, the second
 * ... until a run needs fewer. Whatever was refused, the run ends with a failure that its header
 * names, holds no memory afterwards, and an answer that it calls whole is whole.
 *
 * malloc and its kin are those below (linker option --wrap); cJSON gets them by its own hooks.
 */

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/err.h"

#include "answer.h"
#include "body.h"
#include "chunks.h"
#include "health_json.h"
#include "lines.h"
#include "ps.h"
#include "rates.h"
#include "sensor_reading.h"
#include "test.h"
#include "warm_sessions.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *ptr, size_t size);
void __real_free(void *ptr);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *ptr, size_t size);
void __wrap_free(void *ptr);

static long countdown;  /* n: the n-th allocation from now is refused; 0: none */
static long made, held; /* since the run began */
static bool watches, refused_one;

static bool refuses(void)
{
    made++;
    if (countdown == 0 || --countdown > 0)
        return false;
    refused_one = true;
    return true;
}

static void *keep(void *ptr)
{
    held += ptr ? 1 : 0;
    return ptr;
}

void *__wrap_malloc(size_t size)
{
    if (!watches)
        return __real_malloc(size);
    return refuses() ? NULL : keep(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
    if (!watches)
        return __real_calloc(n, size);
    return refuses() ? NULL : keep(__real_calloc(n, size));
}

void *__wrap_realloc(void *ptr, size_t size)
{
    if (!watches)
        return __real_realloc(ptr, size);
    if (refuses())
        return NULL;
    void *moved = __real_realloc(ptr, size);
    held += moved && !ptr ? 1 : 0;
    return moved;
}

void __wrap_free(void *ptr)
{
    if (watches && ptr)
        held--;
    __real_free(ptr);
}

/* Runs it again and again; returns how many allocations a whole run makes. A run says whether it
 * came to a good end; one of which nothing was refused must. */
static long refuse_each(bool (*run)(void))
{
    for (long n = 1;; n++) {
        countdown = n;
        made = held = 0;
        refused_one = false;
        watches = true;
        bool is_good = run();
        watches = false;
        countdown = 0;
        assert_int_equal(held, 0);
        if (!refused_one) {
            assert_true(is_good);
            return made;
        }
    }
}

/* --- the request's body for Ollama ------------------------------------------------------------ */

static bool builds_a_body(void)
{
    static const char content[] = "[{\"role\":\"user\",\"content\":\"why is the sky blue\"}]";
    const struct body_request request = {
        .kind = BODY_CHAT,
        .model = span_str("gemma3:1b"),
        .content = span_str(content),
        .params = span_str("{\"options\":{\"top_k\":3,\"num_ctx\":1},\"keep_alive\":1}"),
        .num_ctx = 4096,
    };
    unsigned long shortages = buf_shortages();
    char dropped[BODY_DROPPED_MAX];
    struct buf body;
    struct err err;

    buf_init(&body, 1 << 20);
    int rc = body_build(&request, &body, dropped, &err);
    bool is_whole = rc == 0 && memmem(body.ptr, body.len, content, sizeof content - 1);
    if (rc < 0) /* the worker tells by this that it is not the request's fault */
        assert_int_equal(buf_shortages(), shortages + 1);
    buf_done(&body);
    return is_whole;
}

static void test_a_body_is_whole_or_refused_for_want_of_memory(void **state)
{
    (void)state;
    assert_true(refuse_each(builds_a_body) >= 1);
}

/* --- an answer, line by line -------------------------------------------------------------------
 */

#define PIECE                                                                                      \
    "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"%s\"},\"done\":%s}\n"

static bool takes(struct answer *answer, struct chunks *chunks, struct lines *lines)
{
    struct span line;
    enum lines_result got;

    while ((got = lines_next(lines, &line)) == LINES_LINE) {
        enum answer_result result = answer_add_line(answer, line);
        if ((result == ANSWER_CHUNK || result == ANSWER_FINAL) &&
            !chunks_add(chunks, &answer->piece))
            result = ANSWER_TOO_LARGE;
        if (result == ANSWER_TOO_LARGE)
            return false;
        assert_true(result == ANSWER_CHUNK || result == ANSWER_FINAL);
    }
    return got != LINES_TOO_LONG;
}

static bool reads(struct answer *answer, struct chunks *chunks, struct lines *lines)
{
    char text[4096];
    int len = 0;

    for (int i = 0; i < 20; i++)
        len += snprintf(text + len, sizeof text - (size_t)len, PIECE, "word ",
                        i < 19 ? "false" : "true");
    for (int at = 0; at < len; at += 77) { /* lines are cut anywhere */
        int n = len - at < 77 ? len - at : 77;
        lines_feed(lines, (struct span){text + at, (size_t)n});
        if (!takes(answer, chunks, lines))
            return false;
    }
    return true;
}

static bool answers(void)
{
    unsigned long shortages = buf_shortages();
    struct answer answer;
    struct chunks chunks;
    struct lines lines;
    struct buf whole, piece;

    answer_init(&answer, BODY_CHAT, 1 << 20);
    chunks_init(&chunks, BODY_CHAT, 1 << 20, 50, 4);
    lines_init(&lines, 1 << 20);
    buf_init(&whole, 1 << 20);
    buf_init(&piece, 1 << 20);
    bool is_good = reads(&answer, &chunks, &lines);
    for (int64_t now_ms = 0; is_good && chunks_take(&chunks, now_ms, &piece); now_ms += 1000)
        buf_clear(&piece);
    is_good = is_good && !piece.failed && answer_compose(&answer, &whole);
    if (is_good) {
        size_t words = 0;
        for (size_t i = 0; i + 5 <= whole.len; i++)
            words += memcmp(whole.ptr + i, "word ", 5) == 0;
        assert_int_equal(words, 20);
    } else {
        assert_true(buf_shortages() > shortages);
    }
    answer_done(&answer);
    chunks_done(&chunks);
    lines_done(&lines);
    buf_done(&whole);
    buf_done(&piece);
    return is_good;
}

static void test_an_answer_is_whole_or_fails_for_want_of_memory(void **state)
{
    (void)state;
    assert_true(refuse_each(answers) >= 5);
}

/* --- what Ollama says about itself, what a node says --------------------------------------------
 */

static bool decodes_what_ollama_says(void)
{
    static const char models[] =
        "{\"models\":[{\"name\":\"a:1b\",\"model\":\"a:1b\",\"size\":5,\"size_vram\":7,\"digest\":"
        "\"x\","
        "\"details\":{\"family\":\"f\",\"families\":[\"f\",\"g\"]}},{\"name\":\"b:latest\"}]}";
    static struct ps ps;
    static struct tags tags;
    char version[64];
    struct err err;

    int rc = ps_decode(span_str(models), &ps, &err);
    rc = tags_decode(span_str(models), &tags, &err) < 0 ? -1 : rc;
    rc = version_decode(span_str("{\"version\":\"0.12.5\"}"), version, &err) < 0 ? -1 : rc;
    return rc == 0;
}

static void test_what_ollama_says_is_decoded_or_refused(void **state)
{
    cJSON_Hooks hooks = {__wrap_malloc, __wrap_free};

    (void)state;
    cJSON_InitHooks(&hooks);
    assert_true(refuse_each(decodes_what_ollama_says) >= 20);
    cJSON_InitHooks(NULL);
}

static bool encodes_health(void)
{
    static const struct sensor_reading reading = {.has_cpu = false};
    static const struct warm_sessions sessions = {.n = 0};
    static struct rates rates;
    struct buf out;

    rates_clear(&rates);
    const struct health health = {
        .node_id = span_str("pi-1"),
        .reading = &reading,
        .reason = "ok",
        .rates = &rates,
        .sessions = &sessions,
        .agent_version = "1",
    };
    buf_init(&out, HEALTH_JSON_MAX_BYTES);
    bool is_good = health_encode(&health, &out);
    buf_done(&out);
    return is_good;
}

static void test_health_is_encoded_or_not_sent(void **state)
{
    (void)state;
    assert_true(refuse_each(encodes_health) >= 1);
}

/* --- small things of our own --------------------------------------------------------------------
 */

static bool allocates(void)
{
    void *small = xcalloc(1, 100);

    __wrap_free(small);
    return small != NULL;
}

static void test_the_reserve_stands_in_when_memory_is_refused(void **state)
{
    (void)state;
    alloc_reserve_fill();
    countdown = 1;
    watches = true;
    bool is_there = allocates();
    watches = false;
    assert_true(refused_one && is_there);
    assert_true(alloc_reserve_lend()); /* it was filled again */
    assert_false(alloc_reserve_lend());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_body_is_whole_or_refused_for_want_of_memory),
        cmocka_unit_test(test_an_answer_is_whole_or_fails_for_want_of_memory),
        cmocka_unit_test(test_what_ollama_says_is_decoded_or_refused),
        cmocka_unit_test(test_health_is_encoded_or_not_sent),
        cmocka_unit_test(test_the_reserve_stands_in_when_memory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
