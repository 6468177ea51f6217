#include <event2/buffer.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lines.h"
#include "text.h"

/* Bytes that one number takes in the JSON, at least: "0.1," and so on. */
enum { NUMBER_BYTES_MIN = 10 };

void embed_tokens(const struct infer_request *request, struct tokens *out)
{
    const cJSON *input = cJSON_GetObjectItemCaseSensitive(
        request->root, request->kind == INFER_EMBED ? "input" : "prompt");
    const cJSON *item = NULL;
    if (cJSON_IsString(input))
        tokens_add_text(out, input->valuestring, strlen(input->valuestring));
    cJSON_ArrayForEach(item, input)
    {
        tokens_add_text(out, item->valuestring, strlen(item->valuestring));
    }
}

/* The i-th number of the vector of a text with that hash, from -1 to 1 (splitmix64). */
static double component(uint64_t text_hash, int i)
{
    uint64_t bits = text_hash + ((uint64_t)i + 1) * 0x9e3779b97f4a7c15ULL;
    bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9ULL;
    bits = (bits ^ bits >> 27) * 0x94d049bb133111ebULL;
    bits ^= bits >> 31;
    return (double)(bits >> 11) / 4503599627370496.0 - 1.0;
}

static void add_vector(const struct job *job, const char *text, int dim, bool normal,
                       struct evbuffer *out)
{
    char number[TEXT_FLOAT_MAX];
    double squares = 0;
    uint64_t hash = text_hash64(text, strlen(text), job->sim->settings.seed);
    for (int i = 0; i < dim; i++)
        squares += pow(component(hash, i), 2);
    double scale = normal && squares > 0 ? 1 / sqrt(squares) : 1;
    evbuffer_add_printf(out, "[");
    for (int i = 0; i < dim; i++) {
        float value = (float)(component(hash, i) * scale);
        evbuffer_add_printf(out, i == 0 ? "%s" : ",%s", text_float(number, value));
    }
    evbuffer_add_printf(out, "]");
}

static int vector_length(const struct job *job)
{
    if (job->plan.on[FAULT_BIG_EMBED])
        return (int)(job->plan.number[FAULT_BIG_EMBED] / NUMBER_BYTES_MIN) + 1;
    int wanted = job->request.dimensions;
    return wanted > 0 && wanted < job->model->dim ? wanted : job->model->dim;
}

static void add_vectors(const struct job *job, struct evbuffer *out)
{
    const cJSON *input = cJSON_GetObjectItemCaseSensitive(job->request.root, "input");
    const cJSON *item = NULL;
    int dim = vector_length(job);
    int number = 0;
    if (cJSON_IsString(input))
        add_vector(job, input->valuestring, dim, true, out);
    cJSON_ArrayForEach(item, input)
    {
        if (number++ > 0)
            evbuffer_add(out, ",", 1);
        add_vector(job, item->valuestring, dim, true, out);
    }
}

void embed_write(const struct job *job, struct evbuffer *out)
{
    const cJSON *prompt = cJSON_GetObjectItemCaseSensitive(job->request.root, "prompt");
    if (job->request.kind == INFER_EMBEDDINGS) {
        evbuffer_add_printf(out, "{\"embedding\":");
        if (job->request.empty)
            evbuffer_add_printf(out, "[]");
        else
            add_vector(job, prompt->valuestring, vector_length(job), false, out);
        evbuffer_add_printf(out, "}");
        return;
    }
    evbuffer_add_printf(out, "{\"model\":");
    text_json(out, job->request.model, strlen(job->request.model), false);
    evbuffer_add_printf(out, ",\"embeddings\":[");
    if (!job->request.empty)
        add_vectors(job, out);
    evbuffer_add_printf(out, "]");
    if (!job->request.empty)
        line_metrics(job, out);
    evbuffer_add_printf(out, "}");
}
