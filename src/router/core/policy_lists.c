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

/* The first of the list go to its back as one piece. */
static void cut(struct policy_links links, struct policy_list *list, uint32_t last)
{
    uint32_t first = list->head, next = link_at(links, last)->next;

    link_at(links, list->tail)->next = first;
    link_at(links, first)->prev = list->tail;
    link_at(links, next)->prev = POLICY_NONE;
    link_at(links, last)->next = POLICY_NONE;
    list->head = next;
    list->tail = last;
}

uint32_t policy_sample(struct policy_links links, struct policy_list *list, uint32_t max,
                       uint32_t *out)
{
    uint32_t n = 0;

    for (uint32_t i = list->head; n < max && i != POLICY_NONE; i = link_at(links, i)->next)
        out[n++] = i;
    if (list->n > n)
        cut(links, list, out[n - 1]);
    return n;
}
