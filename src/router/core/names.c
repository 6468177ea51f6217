#include "names.h"

#include <assert.h>
#include <inttypes.h>

#include "common/model_name.h"

#include "tap.h"

struct name_slot {
    uint32_t holds; /* 0 = free */
    uint32_t len;
    char text[MODEL_NAME_MAX + 1];
};

size_t names_bytes(uint32_t capacity)
{
    return index_pool_bytes(capacity) + index_table_bytes(capacity) +
           carve_bytes(capacity * sizeof(struct name_slot));
}

void names_init(struct names *names, void *mem, uint32_t capacity)
{
    char *at = mem;

    assert(capacity > 0 && capacity <= UINT32_C(1) << 24);
    names->tap = NULL;
    index_pool_init(&names->pool, &at, capacity);
    index_table_init(&names->by_text, &at, capacity);
    names->slots = carve(&at, capacity * sizeof(struct name_slot));
}

uint32_t names_find(const struct names *names, struct span name)
{
    uint32_t i = index_table_first(&names->by_text, span_hash(name));

    while (i != INDEX_NONE && !span_eq(names_text(names, i), name))
        i = index_table_next(&names->by_text, i);
    return i;
}

uint32_t names_hold(struct names *names, struct span name)
{
    uint32_t i = names_find(names, name);

    if (i == NAME_NONE) {
        if (name.len > MODEL_NAME_MAX)
            return NAME_NONE;
        i = index_pool_take(&names->pool);
        if (i == NAME_NONE)
            return NAME_NONE;
        (void)span_copy(name, names->slots[i].text, sizeof names->slots[i].text);
        names->slots[i].len = (uint32_t)name.len;
        index_table_add(&names->by_text, span_hash(name), i);
        tap_line(names->tap, "name %" PRIu32 " %.*s", i, SPAN_ARG(name));
    }
    names->slots[i].holds++;
    return i;
}

void names_drop(struct names *names, uint32_t index)
{
    assert(index < names->pool.high && names->slots[index].holds > 0);
    if (--names->slots[index].holds > 0)
        return;
    tap_line(names->tap, "unname %" PRIu32, index);
    index_table_remove(&names->by_text, span_hash(names_text(names, index)), index);
    index_pool_give(&names->pool, index);
}

struct span names_text(const struct names *names, uint32_t index)
{
    assert(index < names->pool.high);
    return (struct span){names->slots[index].text, names->slots[index].len};
}

void names_rest(struct names *names, index_idle *idle, void *arg)
{
    index_table_rest(&names->by_text, &names->pool, idle, arg);
    index_pool_idle(&names->pool, names->slots, sizeof names->slots[0], idle, arg);
    index_pool_rest(&names->pool);
}

void names_tap_all(const struct names *names)
{
    for (uint32_t i = 0; i < names->pool.high; i++) {
        if (names->slots[i].holds > 0)
            tap_line(names->tap, "name %" PRIu32 " %.*s", i, SPAN_ARG(names_text(names, i)));
    }
}
