/* Any bytes as /api/ps, /api/tags and /api/version: an error or a list within its limits. */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "common/err.h"

#include "ps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ps ps;
static struct tags tags;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span body = {(const char *)data, size};
    char version[PS_VERSION_MAX] = "";
    char name[MODEL_NAME_MAX + 1];
    struct err err = {.msg = ""};

    if (ps_decode(body, &ps, &err) == 0) {
        assert(ps.n <= PS_RESIDENT_MAX);
        for (size_t i = 0; i < ps.n; i++) {
            assert(model_name_canonical(span_str(ps.models[i].name), name));
            assert(strcmp(name, ps.models[i].name) == 0);
            assert(ps.models[i].size_bytes >= 0);
        }
    }
    if (tags_decode(body, &tags, &err) == 0)
        assert(tags.n <= PS_INSTALLED_MAX);
    if (version_decode(body, version, &err) < 0)
        assert(version[0] == '\0' && err.msg[0] != '\0');
    return 0;
}
