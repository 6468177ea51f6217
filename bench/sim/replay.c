#include "replay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"

#include "policy_replay.h"
#include "tap.h"

#define STATUS_DIFFERS 1
#define STATUS_WRONG   2
#define SHOW_EVERY     65536 /* lines between two moves of the progress figure */

struct player {
    const char *path;
    FILE *file;
    struct policy_replay replay;
    void *mem;
    char line[TAP_LINE_MAX + 2];
    unsigned long long number; /* of the line */
};

static int fault(const struct player *player, const char *what)
{
    (void)fprintf(stderr, "orion-sim: %s:%llu: %s\n", player->path, player->number, what);
    return STATUS_WRONG;
}

/* The next line without its newline. Returns 1, 0 at the end, -EINVAL if a line is too long. A last
 * line without its end was being written when the router died: it does not count. */
static int next_line(struct player *player, struct span *ret)
{
    if (!fgets(player->line, sizeof player->line, player->file))
        return 0;
    player->number++;
    size_t len = strlen(player->line);
    if (len == 0 || player->line[len - 1] != '\n')
        return len + 1 < sizeof player->line ? 0 : -EINVAL;
    *ret = (struct span){player->line, len - 1};
    return 1;
}

static int begin(struct player *player)
{
    struct span header;
    size_t bytes = next_line(player, &header) == 1 ? policy_replay_bytes(header) : 0;

    if (bytes == 0)
        return fault(player, "not a record of this version; it must begin with \"orion-record\"");
    player->mem = calloc(1, bytes);
    if (!player->mem)
        return fault(player, "not enough memory for a router of that size");
    policy_replay_begin(&player->replay, player->mem, header);
    return 0;
}

static void show_progress(const struct player *player)
{
    if (player->number % SHOW_EVERY == 0 && isatty(STDERR_FILENO))
        (void)fprintf(stderr, "\r%llu lines", player->number);
}

static int play(struct player *player)
{
    struct span line;
    struct err err = {.msg = ""};
    unsigned long long shown = 0;
    int got;

    while ((got = next_line(player, &line)) == 1) {
        int rc = policy_replay_line(&player->replay, line, &err);
        if (rc < 0)
            return fault(player, err.msg);
        if (rc > 0 && shown++ < REPLAY_SHOWN_MAX)
            (void)printf("%s:%llu: %s\n", player->path, player->number, err.msg);
        show_progress(player);
    }
    return got < 0 ? fault(player, "the line is too long") : 0;
}

int replay_file(const char *path)
{
    static struct player player;
    int status;

    player.path = path;
    player.file = fopen(path, "re");
    if (!player.file) {
        (void)fprintf(stderr, "orion-sim: %s: %s\n", path, strerror(errno));
        return STATUS_WRONG;
    }
    status = begin(&player);
    if (status == 0)
        status = play(&player);
    if (status == 0) {
        (void)printf("%llu lines, %llu decisions, %llu of them differ\n", player.number,
                     (unsigned long long)player.replay.decisions,
                     (unsigned long long)player.replay.differences);
        if (player.replay.differences > 0)
            status = STATUS_DIFFERS;
    }
    (void)fclose(player.file);
    free(player.mem);
    return status;
}
