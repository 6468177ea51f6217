/* Any bytes as a value and as a name in P:health and P:routers: what orionctl then shows has no
 * control character in it, and its JSON is JSON. And any bytes as keys of `top`. */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"

#include "doctor.h"
#include "fleet_view.h"
#include "top_screen.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_screen(const struct buf *out)
{
    assert(!out->failed);
    assert(span_is_utf8(buf_span(out)));
    for (size_t i = 0; i < out->len; i++) {
        unsigned char c = (unsigned char)out->ptr[i];
        assert(c == '\n' || (c >= ' ' && c != 0x7f));
        assert(!(c == 0xc2 && i + 1 < out->len && (unsigned char)out->ptr[i + 1] < 0xa0)); /* C1 */
    }
}

static void show(struct fleet_seen *fleet, const uint8_t *keys, size_t n)
{
    struct top top = {.interval_ms = 1000};
    struct top_view view = {.fleet = fleet, .prefix = "p", .rows = 24, .cols = 80};
    size_t used;
    struct buf out;
    struct err err;

    buf_init(&out, 1 << 24);
    fleet_status(fleet, "redis://x", "p", 80, false, &out);
    check_screen(&out);
    buf_clear(&out);
    fleet_status_json(fleet, "redis://x", "p", &out);
    check_screen(&out);
    assert(json_check(buf_span(&out), &err) == 0);
    top_settle(&top, fleet);
    for (size_t at = 0; at < n && at < 64; at += used) {
        int key = top_key_take((const char *)keys + at, n - at, &used);
        assert(used >= 1 && used <= n - at);
        (void)top_key(&top, &view, key);
        buf_clear(&out);
        top_draw(&top, &view, &out);
        check_screen(&out);
    }
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fleet_seen fleet;
    static struct doctor doctor;
    const struct seen_limits limits = {10000, 15000, 75000, 90};
    struct span whole = {(const char *)data, size},
                id = {(const char *)data, size > 40 ? 40 : size};
    struct buf out;

    seen_begin(&fleet, INT64_C(1795553477000));
    seen_node_decode(id, whole, fleet.redis_ms, &fleet.nodes[0]);
    seen_node_decode(span_str("pi-1"), whole, fleet.redis_ms, &fleet.nodes[1]);
    seen_router_decode(id, whole, fleet.redis_ms, &fleet.routers[0]);
    fleet.n_nodes = 2;
    fleet.n_routers = 1;
    seen_end(&fleet, &limits);
    show(&fleet, data, size);
    doctor.n = doctor.left_out = 0;
    doctor_fleet(&doctor, &fleet);
    doctor_ollama(&doctor, &fleet);
    buf_init(&out, 1 << 24);
    doctor_text(&doctor, 80, false, &out);
    check_screen(&out);
    buf_done(&out);
    return 0;
}
