#ifndef ROUTER_MEASURE_H
#define ROUTER_MEASURE_H

/*
 * What the metrics show of Redis and nothing else needs: how many routers there are, dead letters,
 * durability. Asked every MEASURE_INTERVAL_MS, durability every MEASURE_SLOW_MS, and only while
 * somebody can scrape it (http_listen).
 */

struct router;

#define MEASURE_INTERVAL_MS 5000
#define MEASURE_SLOW_MS     60000

void measure_tick(struct router *router);

#endif
