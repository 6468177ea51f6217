/* model_name: a canonical name is lower case, has a tag, fits, and is its own canonical name. */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/model_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char once[MODEL_NAME_MAX + 1], twice[MODEL_NAME_MAX + 1];
    char *copy = malloc(size ? size : 1);

    if (!copy)
        return 0;
    if (size > 0)
        memcpy(copy, data, size);
    if (model_name_canonical((struct span){copy, size}, once)) {
        size_t len = strlen(once);
        assert(len > 0 && len <= MODEL_NAME_MAX && strchr(once, ':'));
        for (size_t i = 0; i < len; i++)
            assert(once[i] > ' ' && once[i] < 0x7f && !(once[i] >= 'A' && once[i] <= 'Z'));
        bool ok = model_name_canonical(span_str(once), twice);
        assert(ok && strcmp(once, twice) == 0);
        (void)ok;
    }
    free(copy);
    return 0;
}
