#include "log_catalog.h"

#include <stddef.h>

static const struct {
    const char *event;
    const char *id;
} ids[] = {
    {"node_lost", "35ec6b22e30b4d038e237173c3a3a130"},
    {"node_hot", "759ff452f7ef4d3483269cb2e10c749d"},
    {"availability", "d890a25f475b4565b720cffa27709c71"},
    {"redis_down", "6a6ed9f0647f47f2a35879f836adc3ad"},
    {"redis_up", "751c8d01a7404206915d67422d627664"},
    {"redis_refuses", "c27c753664f8475c9b9942a6c049879b"},
    {"redis_refused", "c27c753664f8475c9b9942a6c049879b"},
    {"fenced", "9ef85a26b13e41e2a0cf19492c6c4f60"},
    {"attempt_failed", "e862301be91f4c8fbafc1c57cd53fdc4"},
    {"unanswerable", "f541a4d44c05400c96dbf62a843014ba"},
    {"entry_unanswerable", "f541a4d44c05400c96dbf62a843014ba"},
    {"undeliverable", "be3d20e56cae4228831a4345788399f0"},
    {"taken_back", "1ee00870ef1b449880b6eee121daf48a"},
    {"ollama_down", "e6510847762441deb4499556145ccd0d"},
    {"ollama_up", "45e52fc14cb245b4a7f50fc6383d9061"},
    {"model_suspect", "d02be542750a4e5e80075adbe3f9dbf9"},
    {"health_refused", "02aa8e023053449ba3beac4f0c823d1a"},
    {"waits_for_node", "b0d003b6b34e480a854891f63863ac48"},
};

const char *log_catalog_id(struct span event)
{
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        if (span_is(event, ids[i].event))
            return ids[i].id;
    }
    return NULL;
}
