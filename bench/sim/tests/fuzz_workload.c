/* Any bytes as a recorded workload, and as a trace. */

#include <assert.h>
#include <stdint.h>

#include "common/err.h"

#include "scenario.h"
#include "workload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char base[] = "model a size_gb=1 prefill_tps=50 decode_tps=10\n"
                           "model b size_gb=2 prefill_tps=50 decode_tps=10\n"
                           "board b speed=1 disk_mb_s=85 ram_gb=6 kv=4 min_clock=0.6\n"
                           "kit k idle_c=20 fast_c=10 slow_c=20 tau_s=100\n"
                           "nodes 2 b k ambient_c=25\nuse models=2\nload 0.5\nduration_s 1000\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct scenario scenario;
    struct span text = {(const char *)data, size};
    struct workload workload;
    struct trace trace;
    struct err err = {.msg = ""};

    if (scenario_parse(span_str(base), "base", NULL, &scenario, &err) < 0)
        assert(false);
    if (workload_parse(text, "fuzz", &scenario, 1, &workload, &err) < 0) {
        assert(err.msg[0] != '\0' && !workload.sessions);
    } else {
        assert(workload.n_models == 2 && workload.n_nodes > 0);
        workload_free(&workload);
    }
    err.msg[0] = '\0';
    if (trace_parse(text, "fuzz", &trace, &err) < 0) {
        assert(err.msg[0] != '\0' && !trace.rows);
    } else {
        for (size_t i = 1; i < trace.n; i++)
            assert(trace.rows[i].at_ns >= trace.rows[i - 1].at_ns);
        trace_free(&trace);
    }
    return 0;
}
