#include <errno.h>
#include <string.h>

#include "common/err.h"

#include "real.h"
#include "scenario_parser.h"

static int parse_text(struct parser *parser, struct span text, const char *file);

/* --- what happens ----------------------------------------------------------------------------- */

static int parse_length(struct parser *parser, struct scenario_length *length)
{
    double min = length->min, max = length->max;
    const struct words_key list[] = {
        {"mu", -10, 15, &length->mu, true},
        {"sigma", 0, 5, &length->sigma, true},
        {"min", 1, 1e6, &min, true},
        {"max", 1, 1e6, &max, true},
    };
    int rc = parser_keys(parser, 1, list, ARRAY_LEN(list));

    length->min = (int32_t)min;
    length->max = (int32_t)max;
    if (rc == 0 && length->min > length->max)
        return words_fault(&parser->words, parser->err, "min is larger than max");
    return rc;
}

static int parse_use(struct parser *parser)
{
    double models = 0;
    const struct words_key list[] = {
        {"models", 1, SCENARIO_MODELS_MAX, &models, false},
        {"zipf", 0, 10, &parser->out->zipf, true},
    };
    int rc = parser_keys(parser, 1, list, ARRAY_LEN(list));

    parser->out->n_models = (uint32_t)models;
    return rc;
}

static int parse_session(struct parser *parser)
{
    struct scenario *out = parser->out;
    double turns_max = out->turns_max, apps = out->apps;
    const struct words_key list[] = {
        {"turns", 1, 1000, &out->turns, true},
        {"turns_max", 1, SCENARIO_TURNS_MAX, &turns_max, true},
        {"apps", 1, 1e6, &apps, true},
    };
    int rc = parser_keys(parser, 1, list, ARRAY_LEN(list));

    out->turns_max = (uint32_t)turns_max;
    out->apps = (uint32_t)apps;
    return rc;
}

static int parse_context(struct parser *parser)
{
    double system = parser->out->system_tokens, max = parser->out->context_max;
    const struct words_key list[] = {
        {"system", 0, 1e6, &system, true},
        {"max", 1, 1e7, &max, true},
    };
    int rc = parser_keys(parser, 1, list, ARRAY_LEN(list));

    parser->out->system_tokens = (int32_t)system;
    parser->out->context_max = (int32_t)max;
    return rc;
}

static int parse_burst(struct parser *parser)
{
    struct scenario *out = parser->out;
    const struct words_key list[] = {
        {"low", 0.001, 1000, &out->burst_low, false},
        {"high", 0.001, 1000, &out->burst_high, false},
        {"low_s", 1, 1e6, &out->burst_low_s, false},
        {"high_s", 1, 1e6, &out->burst_high_s, false},
    };

    out->has_burst = true;
    return parser_keys(parser, 1, list, ARRAY_LEN(list));
}

static int parse_shift(struct parser *parser)
{
    double by = 0;
    const struct words_key list[] = {
        {"at_s", 0, 1e7, &parser->out->shift_at_s, false},
        {"by", 0, SCENARIO_MODELS_MAX, &by, false},
    };
    int rc = parser_keys(parser, 1, list, ARRAY_LEN(list));

    parser->out->has_shift = true;
    parser->out->shift_by = (uint32_t)by;
    return rc;
}

static int parse_death(struct parser *parser)
{
    struct scenario *out = parser->out;
    int rc = parser_room(parser, out->n_deaths, SCENARIO_DEATHS_MAX);

    if (rc < 0)
        return rc;
    struct scenario_death *death = &out->deaths[out->n_deaths++];
    const struct words_key list[] = {
        {"at_s", 0, 1e7, &death->at_s, false},
        {"share", 0, 1, &death->share, false},
        {"until_s", 0, 1e7, &death->until_s, false},
    };
    return parser_keys(parser, 1, list, ARRAY_LEN(list));
}

static int parse_trace(struct parser *parser)
{
    struct scenario *out = parser->out;
    double input_max = out->trace_input_max;
    const struct words_key list[] = {
        {"input_scale", 1e-6, 1000, &out->trace_input_scale, true},
        {"output_scale", 1e-6, 1000, &out->trace_output_scale, true},
        {"input_max", 1, 1e6, &input_max, true},
    };
    int rc = parser_keys(parser, 1, list, ARRAY_LEN(list));

    out->has_trace = true;
    out->trace_input_max = (int32_t)input_max;
    return rc;
}

static int parse_spread(struct parser *parser)
{
    const struct words_key list[] = {
        {"speed", 0, 0.9, &parser->out->spread_speed, true},
        {"disk", 0, 0.9, &parser->out->spread_disk, true},
        {"ambient_c", 0, 40, &parser->out->spread_ambient_c, true},
        {"belief", 0, 10, &parser->out->spread_belief, true},
    };

    return parser_keys(parser, 1, list, ARRAY_LEN(list));
}

static int parse_include(struct parser *parser)
{
    struct span text = {NULL, 0};
    char name[SCENARIO_NAME_MAX + 1];
    struct words kept = parser->words;
    int rc = parser_name(parser, 1, name);

    if (rc < 0)
        return rc;
    if (!parser->includes || parser->depth >= SCENARIO_INCLUDE_MAX)
        return words_fault(&parser->words, parser->err, "\"%s\" cannot be included here", name);

    struct err inner = {.msg = ""};
    rc = parser->includes->read(parser->includes->arg, parser->words.word[1], &text, &inner);
    if (rc < 0)
        return words_fault(&parser->words, parser->err, "%s", inner.msg);
    parser->depth++;
    rc = parse_text(parser, text, name);
    parser->depth--;
    parser->words = kept;
    return rc;
}

static int parse_about(struct parser *parser)
{
    const struct words *words = &parser->words;

    if (words->n < 2)
        return words_fault(words, parser->err, "about needs words");

    const char *start = words->word[1].ptr;
    struct span last = words->word[words->n - 1], all;

    all = (struct span){start, (size_t)(last.ptr + last.len - start)};
    if (!span_copy(all, parser->out->about, sizeof parser->out->about))
        return words_fault(words, parser->err, "longer than %d bytes", SCENARIO_ABOUT_MAX);
    return 0;
}

/* --- statements ------------------------------------------------------------------------------- */

static int parse_prompt(struct parser *parser)
{
    return parse_length(parser, &parser->out->prompt);
}

static int parse_answer(struct parser *parser)
{
    return parse_length(parser, &parser->out->answer);
}

static int parse_think(struct parser *parser)
{
    const struct words_key list[] = {
        {"mu", -10, 15, &parser->out->think.mu, true},
        {"sigma", 0, 5, &parser->out->think.sigma, true},
    };

    return parser_keys(parser, 1, list, ARRAY_LEN(list));
}

static const struct statement_row {
    const char *word;
    enum statement once;
    int (*parse)(struct parser *parser);
} statements[] = {
    {"include", SAID_NOT_COUNTED, parse_include},
    {"model", SAID_NOT_COUNTED, parse_model},
    {"board", SAID_NOT_COUNTED, parse_board},
    {"kit", SAID_NOT_COUNTED, parse_kit},
    {"nodes", SAID_NOT_COUNTED, parse_nodes},
    {"death", SAID_NOT_COUNTED, parse_death},
    {"about", SAID_ABOUT, parse_about},
    {"spread", SAID_SPREAD, parse_spread},
    {"use", SAID_USE, parse_use},
    {"session", SAID_SESSION, parse_session},
    {"prompt", SAID_PROMPT, parse_prompt},
    {"answer", SAID_ANSWER, parse_answer},
    {"think", SAID_THINK, parse_think},
    {"context", SAID_CONTEXT, parse_context},
    {"burst", SAID_BURST, parse_burst},
    {"shift", SAID_SHIFT, parse_shift},
    {"trace", SAID_TRACE, parse_trace},
};

/* Statements that are one number. False if it is none of them. */
static bool find_number(struct scenario *out, struct span word, struct words_key *ret_key,
                        enum statement *ret_once)
{
    const struct {
        struct words_key key;
        enum statement once;
    } rows[] = {
        {{"load", 0.001, 10, &out->load, false}, SAID_LOAD},
        {{"duration_s", 1, 1e6, &out->duration_s, false}, SAID_DURATION},
        {{"warmup_s", 0, 1e6, &out->warmup_s, false}, SAID_WARMUP},
        {{"drain_s", 0, 1e6, &out->drain_s, false}, SAID_DRAIN},
        {{"health_s", 1, 3600, &out->health_s, false}, SAID_HEALTH},
        {{"notice_s", 0, 3600, &out->notice_s, false}, SAID_NOTICE},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (span_is(word, rows[i].key.name)) {
            *ret_key = rows[i].key;
            *ret_once = rows[i].once;
            return true;
        }
    }
    return false;
}

static int say_once(struct parser *parser, enum statement once)
{
    if (parser->said & (unsigned)once)
        return words_fault(&parser->words, parser->err, "%.*s is said a second time",
                           SPAN_ARG(parser->words.word[0]));
    parser->said |= (unsigned)once;
    return 0;
}

static int parse_statement(struct parser *parser)
{
    struct words *words = &parser->words;
    struct words_key key;
    enum statement once;
    int rc;

    for (size_t i = 0; i < ARRAY_LEN(statements); i++) {
        if (!span_is(words->word[0], statements[i].word))
            continue;
        rc = say_once(parser, statements[i].once);
        return rc < 0 ? rc : statements[i].parse(parser);
    }
    if (!find_number(parser->out, words->word[0], &key, &once))
        return words_fault(words, parser->err, "there is no statement \"%.*s\"",
                           SPAN_ARG(words->word[0]));
    if ((rc = say_once(parser, once)) < 0 || (rc = words_number(words, 1, &key, parser->err)) < 0)
        return rc;
    return parser_keys(parser, 2, NULL, 0);
}

static int parse_text(struct parser *parser, struct span text, const char *file)
{
    unsigned number = 0;

    while (text.len > 0) {
        const char *newline = memchr(text.ptr, '\n', text.len);
        size_t len = newline ? (size_t)(newline - text.ptr) : text.len;
        struct span line = {text.ptr, len};
        int rc = words_split(line, file, ++number, &parser->words, parser->err);

        if (rc == 0 && parser->words.n > 0)
            rc = parse_statement(parser);
        if (rc < 0)
            return rc;
        len += newline ? 1 : 0;
        text = (struct span){text.ptr + len, text.len - len};
    }
    return 0;
}

static const struct scenario defaults = {
    .time_scale = 1,
    .spread_speed = 0.05,
    .spread_disk = 0.1,
    .spread_ambient_c = 1.5,
    .spread_belief = 1,
    .zipf = 0.9,
    .warmup_s = 600,
    .drain_s = 2400,
    .health_s = 5,
    .notice_s = 10,
    .turns = 3.5,
    .turns_max = 12,
    .apps = 3,
    .prompt = {4.3, 0.9, 8, 700},
    .answer = {4.6, 0.8, 4, 512},
    .think = {3.2, 0.9, 0, 0},
    .system_tokens = 150,
    .context_max = 1800,
    .trace_input_scale = 1,
    .trace_output_scale = 1,
    .trace_input_max = 1200,
};

/* Models beyond those listed are copies of them: other names, same numbers. */
static void copy_models(struct scenario *out)
{
    for (uint32_t i = out->n_catalogue; i < out->n_models; i++) {
        struct scenario_model *copy = &out->models[i];
        uint32_t round = i / out->n_catalogue;
        size_t len;

        *copy = out->models[i % out->n_catalogue];
        len = strlen(copy->name);
        if (len > SCENARIO_NAME_MAX - 4)
            len = SCENARIO_NAME_MAX - 4;
        copy->name[len] = '-';
        copy->name[len + 1] = (char)('0' + round / 100 % 10);
        copy->name[len + 2] = (char)('0' + round / 10 % 10);
        copy->name[len + 3] = (char)('0' + round % 10);
        copy->name[len + 4] = '\0';
    }
}

static int check(const struct scenario *out, const char *file, struct err *err)
{
    const char *missing = NULL;

    if (out->n_catalogue == 0)
        missing = "a model";
    else if (out->n_models == 0)
        missing = "use models=";
    else if (out->n_nodes == 0)
        missing = "nodes";
    else if (out->load <= 0)
        missing = "load";
    else if (out->duration_s <= 0)
        missing = "duration_s";
    if (missing)
        return err_set(err, -EINVAL, "%.100s: it needs %s", file, missing);
    for (uint32_t d = 0; d < out->n_deaths; d++) {
        if (out->deaths[d].until_s <= out->deaths[d].at_s + out->notice_s)
            return err_set(err, -EINVAL, "%.100s: a death lasts longer than notice_s", file);
    }
    if (out->warmup_s >= out->duration_s)
        return err_set(err, -EINVAL, "%.100s: warmup_s is not before the end, duration_s", file);
    return 0;
}

int scenario_parse(struct span text, const char *file, const struct scenario_includes *includes,
                   struct scenario *ret, struct err *err)
{
    struct parser parser = {.out = ret, .includes = includes, .err = err};
    int rc;

    *ret = defaults;
    rc = parse_text(&parser, text, file);
    if (rc == 0)
        rc = check(ret, file, err);
    if (rc < 0)
        return rc;
    copy_models(ret);

    const char *slash = strrchr(file, '/');
    (void)span_copy(span_str(slash ? slash + 1 : file), ret->name, sizeof ret->name);
    return 0;
}

void scenario_speed(struct scenario *scenario, double factor)
{
    for (uint32_t m = 0; m < scenario->n_models; m++) {
        scenario->models[m].prefill_tps *= factor;
        scenario->models[m].decode_tps *= factor;
    }
    for (uint32_t b = 0; b < scenario->n_boards; b++)
        scenario->boards[b].disk_mb_s *= factor;
    for (uint32_t k = 0; k < scenario->n_kits; k++)
        scenario->kits[k].tau_s /= factor;
    for (uint32_t d = 0; d < scenario->n_deaths; d++) {
        scenario->deaths[d].at_s /= factor;
        scenario->deaths[d].until_s /= factor;
    }
    scenario->time_scale *= factor;
    scenario->think.mu -= real_log(factor);
    scenario->duration_s /= factor;
    scenario->warmup_s /= factor;
    scenario->drain_s /= factor;
    scenario->burst_low_s /= factor;
    scenario->burst_high_s /= factor;
    scenario->shift_at_s /= factor;
}
