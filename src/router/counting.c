#include "counting.h"

#include "common/clock.h"

#include "base.h"
#include "control_entry.h"
#include "router_state.h"

/* A model that no node has may be anything that a client has made up. */
static bool is_of_fleet(const struct router *router, struct span name)
{
    uint32_t index = names_find(&router->names, name);

    return index != NAME_NONE && fleet_model_absent_ms(&router->fleet, index, clock_now_ms()) == 0;
}

size_t counting_model(struct router *router, struct span name)
{
    return metrics_model(&router->metrics, name, is_of_fleet(router, name));
}

void counting_received(struct router *router)
{
    router->metrics.received++;
}

/* The event has the model as the client wrote it. */
static struct metric_model *model_of(struct router *router, struct span given)
{
    char name[MODEL_NAME_MAX + 1] = "";

    (void)model_name_canonical(given, name);
    return &router->metrics.models[counting_model(router, span_str(name))];
}

void counting_event(struct router *router, const struct event_entry *event)
{
    if (event->router.ptr || !span_is(event->routed_by, router->id))
        return;
    if (event->kind == EVENT_REQUEUED) {
        router->metrics.retries++;
    } else if (event->kind == EVENT_ENDED) {
        struct metric_model *model = model_of(router, event->model);

        model->outcomes[metrics_outcome(event->code)]++;
        if (event->code.len == 0)
            metrics_done(model, &event->run);
    }
}

void counting_decided(struct router *router, const char *reason)
{
    metrics_word(&router->metrics.decisions, span_str(reason));
}

void counting_moved(struct router *router, const struct window_request *request, struct span result)
{
    struct metrics *metrics = &router->metrics;

    if (span_is(result, "duplicate")) {
        metrics->duplicates++;
    } else if (!span_is(result, "moved")) {
        metrics_word(&metrics->moves_refused, result);
    } else {
        metrics->moves++;
        if (request->attempt == 1) {
            size_t model = counting_model(router, names_text(&router->names, request->model));
            metrics_observe(&metrics->models[model].queue,
                            router_redis_ms(router) - request->submitted_ms);
        }
    }
}

void counting_taken_back(struct router *router, const char *mode)
{
    metrics_word(&router->metrics.takebacks, span_str(mode));
}

void counting_ended(struct router *router, size_t model, const char *code, struct span result)
{
    if (span_is(result, "duplicate"))
        router->metrics.duplicates++;
    if (span_is(result, "ended") || span_is(result, "undeliverable"))
        router->metrics.models[model].outcomes[metrics_outcome(span_str(code))]++;
}
