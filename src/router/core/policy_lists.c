/* Intrusive doubly linked lists by index. */
#include <assert.h>

#include "policy_private.h"

static struct policy_link *link_at(struct policy_links links, uint32_t index)
{
    return (struct policy_link *)(void *)(links.at + links.stride * index);
}

void policy_list_clear(struct policy_list *list)
{
    *list = (struct policy_list){POLICY_NONE, POLICY_NONE, 0};
}

void policy_list_push(struct policy_links links, struct policy_list *list, uint32_t index)
{
    *link_at(links, index) = (struct policy_link){POLICY_NONE, list->tail};
    if (list->tail == POLICY_NONE) {
        list->head = index;
    } else {
        link_at(links, list->tail)->next = index;
    }
    list->tail = index;
    list->n++;
}

void policy_list_drop(struct policy_links links, struct policy_list *list, uint32_t index)
{
    struct policy_link link = *link_at(links, index);

    assert(list->n > 0);
    if (link.prev == POLICY_NONE) {
        list->head = link.next;
    } else {
        link_at(links, link.prev)->next = link.next;
    }
    if (link.next == POLICY_NONE) {
        list->tail = link.prev;
    } else {
        link_at(links, link.next)->prev = link.prev;
    }
    list->n--;
}

uint32_t policy_list_next(struct policy_links links, uint32_t index)
{
    return link_at(links, index)->next;
}

void policy_list_rotate(struct policy_links links, struct policy_list *list, uint32_t index)
{
    if (list->tail == index)
        return;
    policy_list_drop(links, list, index);
    policy_list_push(links, list, index);
}

uint32_t policy_sample(struct policy_links links, struct policy_list *list, uint32_t max,
                       uint32_t *out)
{
    uint32_t n = 0, all = list->n;

    for (uint32_t i = list->head; n < max && i != POLICY_NONE; i = link_at(links, i)->next)
        out[n++] = i;
    for (uint32_t k = 0; all > max && k < n; k++)
        policy_list_rotate(links, list, out[k]);
    return n;
}
