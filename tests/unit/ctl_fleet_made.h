#ifndef TESTS_UNIT_CTL_FLEET_MADE_H
#define TESTS_UNIT_CTL_FLEET_MADE_H

/* A fleet in which everything that can be seen is there to see. Header only. */

#include "ctl_made.h"
#include "fleet_seen.h"

#define MADE_NOW_MS 1795553477000

static const struct seen_limits made_limits = {
    .node_late_ms = 10000, .node_lost_ms = 15000, .temp_max_mc = 75000, .ram_max_pct = 90};

static const char *const made_health =
    "['pi-1','{`node_id`:`pi-1`,`temp_c`:48.3,`cpu_percent`:12.5,`ram_percent`:41.0,"
    "`ram_used_mb`:3302,`ram_total_mb`:8064,`models`:[`gemma3:1b`],`installed`:[`gemma3:1b`,"
    "`all-minilm:latest`],`available`:true,`reason`:`ok`,`slots`:1,`in_flight`:1,"
    "`throttled`:false,`under_voltage`:false,`freq_capped`:false,`memory_pressure`:0.5,"
    "`swap_in_per_s`:0,`board`:`Raspberry Pi 5 Model B Rev 1.0`,`uptime_s`:90061,"
    "`rates`:{`gemma3:1b`:{`gen_tps`:12.04,`prompt_tps`:201.5,`load_ms`:812,`tokens_out`:60.2,"
    "`n`:17},`other:latest`:{`gen_tps`:99,`n`:5000}},`agent_version`:`0.1.0`,"
    "`ollama_version`:`0.32.15`,`last_seen_ms`:1795553476000}',"
    "'raspberrypi-kitchen','{`temp_c`:81.9,`cpu_percent`:100,`ram_percent`:35,`models`:[],"
    "`available`:false,`reason`:`hot`,`slots`:1,`throttled`:true,`under_voltage`:true,"
    "`freq_capped`:false,`board`:`Raspberry Pi 4 Model B Rev 1.4`,`ollama_version`:`0.14.3`,"
    "`installed`:[`gemma3:1b`],`last_seen_ms`:1795553475000}',"
    "'pi-10','{`temp_c`:55.5,`ram_percent`:58,`available`:true,`slots`:2,`models`:[`a`,`b`],"
    "`board`:`Raspberry Pi Compute Module 4 Rev 1.1`,`ollama_version`:`0.32.15`,"
    "`installed`:[`a`],`last_seen_ms`:1795553471000}',"
    "'pi-2','{`temp_c`:76.0,`available`:true,`slots`:1,`board`:`NUC`,`last_seen`:1795553476}',"
    "'pi-3','{`temp_c`:40,`available`:true,`slots`:1,`last_seen_ms`:1795553462001}',"
    "'pi-4','{`temp_c`:40,`available`:true,`slots`:1,`last_seen_ms`:1795553000000}',"
    "'evil\\u001b[31m\\u202e','not json']";

/* Fills `fleet`; what it borrows is in `ret`, to be freed. */
static inline void made_fleet(struct fleet_seen *fleet, redisReply *ret[4])
{
    char health[8192];
    size_t n = 0;

    /* ` is the quote inside the JSON of a node: \" in the JSON of the reply. */
    for (const char *c = made_health; *c && n < sizeof health - 3; c++) {
        if (*c == '`')
            health[n++] = '\\';
        health[n++] = *c == '`' ? '\'' : *c;
    }
    health[n] = '\0';
    ret[0] = made(health);
    ret[1] = made("['pi-10']");
    ret[2] = made("['router-1','{\\'version\\':\\'0.1.0\\',\\'window\\':3,\\'parked\\':0,"
                  "\\'last_seen_ms\\':1795553475000}','router-2','{\\'version\\':\\'0.0.9\\',"
                  "\\'window\\':0,\\'last_seen_ms\\':1795553000000}']");
    ret[3] = made("[1795553477000,7,7,1795553464000,'high','gemma3:1b',1,1795553476500,"
                  "'normal','gemma3:1b',4,1795553464000,'low','qwen\\u001b[2J',2,1795553470000]");
    seen_begin(fleet, MADE_NOW_MS);
    seen_health(fleet, ret[0]);
    seen_drained(fleet, ret[1]);
    seen_routers(fleet, ret[2], &made_limits);
    seen_queue(fleet, ret[3]);
    for (size_t i = 0; i < fleet->n_nodes; i++)
        fleet->nodes[i].length = i == 0 ? 1 : 0;
    seen_end(fleet, &made_limits);
}

static inline void made_free(redisReply *replies[4])
{
    for (int i = 0; i < 4; i++)
        freeReplyObject(replies[i]);
}

#endif
