/* Any bytes as a scenario. What is accepted can be run: a workload of it is made when it is small.
 */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "common/err.h"

#include "scenario.h"
#include "workload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_back(void *arg, struct span name, struct span *ret_text, struct err *err)
{
    (void)name;
    (void)err;
    *ret_text = *(const struct span *)arg;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct scenario scenario;
    struct span text = {(const char *)data, size};
    const struct scenario_includes includes = {read_back, &text};
    struct err err = {.msg = ""};
    struct workload workload;

    if (size > SCENARIO_BYTES_MAX)
        return 0;
    if (scenario_parse(text, "fuzz", size % 2 ? &includes : NULL, &scenario, &err) < 0) {
        assert(err.msg[0] != '\0');
        return 0;
    }
    assert(scenario.n_nodes > 0 && scenario.n_models > 0 && scenario.load > 0);
    assert(memchr(scenario.models[scenario.n_models - 1].name, 0, SCENARIO_NAME_MAX + 1));
    if (scenario.n_nodes <= 50 && scenario.duration_s <= 1000 && scenario.load < 2) {
        workload_make(&scenario, 1, NULL, &workload);
        workload_free(&workload);
    }
    return 0;
}
