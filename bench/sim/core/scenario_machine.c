/* Statements about what there is: models, boards, kits, nodes; and what all statements use. */

#include <string.h>

#include "common/err.h"

#include "scenario_parser.h"

int parser_name(struct parser *parser, uint32_t i, char *ret)
{
    struct words *words = &parser->words;

    if (i >= words->n || memchr(words->word[i].ptr, '=', words->word[i].len))
        return words_fault(words, parser->err, "%.*s needs a name", SPAN_ARG(words->word[0]));
    words->used[i] = true;
    if (!span_copy(words->word[i], ret, SCENARIO_NAME_MAX + 1))
        return words_fault(words, parser->err, "the name is longer than %d bytes",
                           SCENARIO_NAME_MAX);
    return 0;
}

int parser_keys(struct parser *parser, uint32_t from, const struct words_key *list, size_t n)
{
    return words_keys(&parser->words, from, list, n, parser->err);
}

int parser_room(struct parser *parser, uint32_t n, uint32_t max)
{
    if (n < max)
        return 0;
    return words_fault(&parser->words, parser->err, "more than %u of these", max);
}

int parse_model(struct parser *parser)
{
    struct scenario *out = parser->out;
    int rc = parser_room(parser, out->n_catalogue, SCENARIO_MODELS_MAX);

    if (rc < 0)
        return rc;
    struct scenario_model *model = &out->models[out->n_catalogue];
    const struct words_key list[] = {
        {"size_gb", 0.001, 1000, &model->size_gb, false},
        {"prefill_tps", 0.001, 1e6, &model->prefill_tps, false},
        {"decode_tps", 0.001, 1e6, &model->decode_tps, false},
    };
    rc = parser_name(parser, 1, model->name);
    if (rc == 0)
        rc = parser_keys(parser, 2, list, ARRAY_LEN(list));
    out->n_catalogue++;
    return rc;
}

int parse_board(struct parser *parser)
{
    struct scenario *out = parser->out;
    int rc = parser_room(parser, out->n_boards, SCENARIO_KINDS_MAX);
    double kv = 1;

    if (rc < 0)
        return rc;
    struct scenario_board *board = &out->boards[out->n_boards];
    const struct words_key list[] = {
        {"speed", 0.01, 100, &board->speed, false},
        {"disk_mb_s", 1, 1e6, &board->disk_mb_s, false},
        {"ram_gb", 0.1, 1e4, &board->ram_gb, false},
        {"kv", 1, SCENARIO_KV_MAX, &kv, false},
        {"min_clock", 0.1, 1, &board->min_clock, false},
    };
    rc = parser_name(parser, 1, board->name);
    if (rc == 0)
        rc = parser_keys(parser, 2, list, ARRAY_LEN(list));
    board->kv = (uint32_t)kv;
    out->n_boards++;
    return rc;
}

int parse_kit(struct parser *parser)
{
    struct scenario *out = parser->out;
    int rc = parser_room(parser, out->n_kits, SCENARIO_KINDS_MAX);

    if (rc < 0)
        return rc;
    struct scenario_kit *kit = &out->kits[out->n_kits];
    const struct words_key list[] = {
        {"idle_c", 0, 100, &kit->idle_c, false},
        {"fast_c", 0, 100, &kit->fast_c, false},
        {"slow_c", 0, 100, &kit->slow_c, false},
        {"tau_s", 1, 1e5, &kit->tau_s, false},
    };
    rc = parser_name(parser, 1, kit->name);
    if (rc == 0)
        rc = parser_keys(parser, 2, list, ARRAY_LEN(list));
    out->n_kits++;
    return rc;
}

int parse_nodes(struct parser *parser)
{
    struct scenario *out = parser->out;
    char board[SCENARIO_NAME_MAX + 1], kit[SCENARIO_NAME_MAX + 1];
    double count = 0;
    const struct words_key number = {"the number of nodes", 1, SCENARIO_NODES_MAX, &count, false};
    int rc = parser_room(parser, out->n_groups, SCENARIO_GROUPS_MAX);

    if (rc < 0)
        return rc;
    struct scenario_group *group = &out->groups[out->n_groups];
    const struct words_key list[] = {{"ambient_c", -40, 80, &group->ambient_c, false}};
    if ((rc = words_number(&parser->words, 1, &number, parser->err)) < 0 ||
        (rc = parser_name(parser, 2, board)) < 0 || (rc = parser_name(parser, 3, kit)) < 0 ||
        (rc = parser_keys(parser, 4, list, ARRAY_LEN(list))) < 0)
        return rc;
    while (group->board < out->n_boards && strcmp(out->boards[group->board].name, board) != 0)
        group->board++;
    while (group->kit < out->n_kits && strcmp(out->kits[group->kit].name, kit) != 0)
        group->kit++;
    if (group->board == out->n_boards)
        return words_fault(&parser->words, parser->err, "there is no board \"%s\"", board);
    if (group->kit == out->n_kits)
        return words_fault(&parser->words, parser->err, "there is no kit \"%s\"", kit);
    group->count = (uint32_t)count;
    out->n_nodes += group->count;
    out->n_groups++;
    if (out->n_nodes > SCENARIO_NODES_MAX)
        return words_fault(&parser->words, parser->err, "more than %d nodes", SCENARIO_NODES_MAX);
    return 0;
}
