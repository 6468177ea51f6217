#include "lines.h"

#include <event2/buffer.h>
#include <string.h>

#include "text.h"

static bool ascii_only(const struct job *job)
{
    return job->plan.on[FAULT_ESCAPE_UNICODE];
}

static void add_json(const struct job *job, struct evbuffer *out, const char *text, size_t len)
{
    text_json(out, text, len, ascii_only(job));
}

static void add_tool_call(const struct job *job, struct evbuffer *out)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    const struct answer *answer = &job->answer;
    bool ids = job->sim->profile->tool_call_id;
    evbuffer_add_printf(out, ",\"tool_calls\":[{");
    if (ids) {
        char id[9] = {0};
        uint64_t bits = text_hash64(job->prompt.ids, job->prompt.count * sizeof(uint32_t),
                                    job->sim->settings.seed);
        for (int i = 0; i < 8; i++, bits /= 36)
            id[i] = letters[bits % 36];
        evbuffer_add_printf(out, "\"id\":\"call_%s\",", id);
    }
    evbuffer_add_printf(out, "\"function\":{%s\"name\":", ids ? "\"index\":0," : "");
    add_json(job, out, answer->tool_name, strlen(answer->tool_name));
    evbuffer_add_printf(out, ",\"arguments\":%s}}]", answer->tool_arguments);
}

static void add_message(const struct job *job, const struct line *line, struct evbuffer *out)
{
    evbuffer_add_printf(out, ",\"message\":{\"role\":\"assistant\",\"content\":");
    add_json(job, out, line->content, line->content_bytes);
    if (line->thinking != NULL) {
        evbuffer_add_printf(out, ",\"thinking\":");
        add_json(job, out, line->thinking, line->thinking_bytes);
    }
    if (line->tool_calls)
        add_tool_call(job, out);
    evbuffer_add_printf(out, "}");
}

static void add_response(const struct job *job, const struct line *line, struct evbuffer *out)
{
    evbuffer_add_printf(out, ",\"response\":");
    add_json(job, out, line->content, line->content_bytes);
    if (line->thinking != NULL) {
        evbuffer_add_printf(out, ",\"thinking\":");
        add_json(job, out, line->thinking, line->thinking_bytes);
    }
}

static void add_done(const struct job *job, const struct line *line, struct evbuffer *out)
{
    bool reason_first = job->request.kind == INFER_CHAT && !job->sim->profile->done_reason_last;
    const char *done = line->done ? "true" : "false";
    if (line->done_reason == NULL)
        evbuffer_add_printf(out, ",\"done\":%s", done);
    else if (reason_first)
        evbuffer_add_printf(out, ",\"done_reason\":\"%s\",\"done\":%s", line->done_reason, done);
    else
        evbuffer_add_printf(out, ",\"done\":%s,\"done_reason\":\"%s\"", done, line->done_reason);
}

/* generate's conversation state: prompt and answer as token numbers. */
static void add_context(const struct job *job, struct evbuffer *out)
{
    evbuffer_add_printf(out, ",\"context\":[");
    for (size_t i = 0; i < job->prompt.count; i++)
        evbuffer_add_printf(out, i == 0 ? "%u" : ",%u", job->prompt.ids[i]);
    evbuffer_add_printf(out, "]");
}

static void add_nonzero(struct evbuffer *out, const char *key, int64_t value)
{
    if (value != 0)
        evbuffer_add_printf(out, ",\"%s\":%lld", key, (long long)value);
}

/* The part of the prompt that was evaluated in its last batch, for the versions that report that.
 */
static int64_t reported_prompt_ns(const struct job *job)
{
    int64_t uncached = (int64_t)(job->prompt_count - job->cached);
    int64_t batch = job->options.num_batch > 0 ? job->options.num_batch : 512;
    if (!job->sim->profile->last_batch_only || uncached <= batch)
        return job->prompt_ns;
    int64_t last = uncached % batch > 0 ? uncached % batch : batch;
    return job->prompt_ns / uncached * last;
}

void line_metrics(const struct job *job, struct evbuffer *out)
{
    /* After generation the prompt holds the answer too, for context and cache. */
    int64_t prompt = (int64_t)job->prompt_count;
    if (job->sim->profile->uncached_count)
        prompt -= (int64_t)job->cached;
    add_nonzero(out, "total_duration", sim_now_ns() - job->arrived_ns);
    add_nonzero(out, "load_duration", job->load_ns);
    add_nonzero(out, "prompt_eval_count", prompt);
    if (job->request.kind == INFER_EMBED)
        return;
    add_nonzero(out, "prompt_eval_duration", reported_prompt_ns(job));
    add_nonzero(out, "eval_count", job->answer_tokens);
    add_nonzero(out, "eval_duration", job->eval_ns);
}

static void add_logprobs(const struct job *job, struct evbuffer *out)
{
    if (evbuffer_get_length(job->logprobs) == 0)
        return;
    evbuffer_add_printf(out, ",\"logprobs\":[");
    evbuffer_add_buffer(out, job->logprobs);
    evbuffer_add_printf(out, "]");
}

void line_write(const struct job *job, const struct line *line, struct evbuffer *out)
{
    char when[TEXT_TIME_MAX];
    int64_t seconds = 0;
    int32_t nanos = 0;
    bool chat = job->request.kind == INFER_CHAT;
    sim_wall(&seconds, &nanos);
    evbuffer_add_printf(out, "{\"model\":");
    add_json(job, out, job->request.model, strlen(job->request.model));
    evbuffer_add_printf(out, ",\"created_at\":\"%s\"", text_time(when, seconds, nanos, 0, 9));
    if (chat)
        add_message(job, line, out);
    else
        add_response(job, line, out);
    add_done(job, line, out);
    if (chat)
        add_logprobs(job, out);
    if (!chat && line->done && line->metrics && !job->request.raw)
        add_context(job, out);
    if (line->metrics)
        line_metrics(job, out);
    if (!chat)
        add_logprobs(job, out);
    evbuffer_add_printf(out, "}\n");
}

void line_error(const char *text, bool newline, struct evbuffer *out)
{
    evbuffer_add_printf(out, "{\"error\":");
    text_json(out, text, strlen(text), false);
    evbuffer_add_printf(out, newline ? "}\n" : "}");
}

static void add_token_logprob(const struct job *job, const char *token, size_t len, double value)
{
    evbuffer_add_printf(job->logprobs, "{\"token\":");
    add_json(job, job->logprobs, token, len);
    evbuffer_add_printf(job->logprobs, ",\"logprob\":%.6f,\"bytes\":[", value);
    for (size_t i = 0; i < len; i++)
        evbuffer_add_printf(job->logprobs, i == 0 ? "%d" : ",%d", (unsigned char)token[i]);
    evbuffer_add_printf(job->logprobs, "]");
}

void line_logprob(const struct job *job, const char *token, size_t len)
{
    double value = -1e-6 * (double)(1 + text_hash32(token, len, 7) % 2000000);
    if (evbuffer_get_length(job->logprobs) > 0)
        evbuffer_add_printf(job->logprobs, ",");
    add_token_logprob(job, token, len, value);
    if (job->request.top_logprobs > 0)
        evbuffer_add_printf(job->logprobs, ",\"top_logprobs\":[");
    for (int i = 0; i < job->request.top_logprobs; i++) {
        if (i > 0)
            evbuffer_add_printf(job->logprobs, ",");
        add_token_logprob(job, token, len, value - i);
        evbuffer_add_printf(job->logprobs, "}");
    }
    evbuffer_add_printf(job->logprobs, job->request.top_logprobs > 0 ? "]}" : "}");
}
