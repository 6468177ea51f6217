#include "pacing.h"

#include "common/log.h"

#include "curl_loop.h"
#include "http_call.h"
#include "pace.h"
#include "worker.h"

/* Does it stream, with the first piece behind it? */
static bool is_streaming(const struct job *job)
{
    return job->state == JOB_RUNNING && job->call && job->wants_stream && job->first_ms >= 0;
}

static unsigned count_streams(const struct worker *w)
{
    unsigned n = 0;

    for (size_t i = 0; i < w->jobs.used; i++)
        n += is_streaming(&w->jobs.all[i]);
    return n;
}

static void decide(struct worker *w)
{
    struct pacing *pacing = &w->pacing;
    unsigned streams = count_streams(w);
    bool is_wanted = pace_is_wanted(streams, w->config.chunk_interval_ms, WORKER_TICK_MS);

    if (is_wanted != pacing->is_on)
        log_debug("event=streams_paced streams=%u paced=%d", streams, is_wanted);
    pacing->is_on = is_wanted;
    for (size_t i = 0; streams > 0 && i < w->jobs.used; i++) {
        struct job *job = &w->jobs.all[i];
        if (is_streaming(job) && job->stream.is_paced != is_wanted)
            job->stream.is_paced = http_call_pace(job->call, is_wanted);
    }
}

void pacing_tick(struct worker *w)
{
    decide(w);
    curl_loop_read_paced(w->curl);
}
