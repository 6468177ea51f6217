#ifndef SIM_RNG_H
#define SIM_RNG_H

/*
 * Random numbers: xoshiro256** (Blackman and Vigna, 2018), seeded by splitmix64. Pure.
 *
 * One stream per concern, so that a policy which rolls dice does not change the sessions that
 * another policy sees (common random numbers). Same seed and concern, same numbers, on every
 * machine.
 */

#include <stdint.h>

enum rng_concern {
    RNG_NODES = 1, /* order of nodes, spread of their speeds, phase of their health */
    RNG_MODELS,    /* which model is how popular */
    RNG_BELIEFS,   /* error of what the router believes about speeds */
    RNG_ARRIVALS,  /* when sessions begin */
    RNG_SESSION,   /* what a session is; one stream per session: `extra` is its number */
    RNG_MEAN,      /* the sample from which the offered load is computed */
    RNG_DEATHS,    /* which nodes die; `extra` is the number of the fault */
    RNG_TRACE,     /* model of each row of a trace, and which rows are kept */
    RNG_POLICY,    /* a policy's own dice */
    RNG_ROUTERS,   /* which of several routers reads a request */
};

struct rng {
    uint64_t s[4];
};

struct rng rng_make(uint64_t seed, enum rng_concern concern, uint64_t extra);

uint64_t rng_next(struct rng *rng);
double rng_unit(struct rng *rng);                      /* 0 <= x < 1 */
double rng_range(struct rng *rng, double a, double b); /* a <= x < b */
uint32_t rng_below(struct rng *rng, uint32_t n);       /* 0..n-1, n >= 1, without bias */
double rng_exponential(struct rng *rng, double rate);  /* mean 1/rate */
double rng_normal(struct rng *rng);                    /* Marsaglia's polar method */
double rng_lognormal(struct rng *rng, double mu, double sigma);

/* Fisher-Yates. */
void rng_shuffle(struct rng *rng, uint32_t *items, uint32_t n);

/* One step of splitmix64, for hashing small integers. */
uint64_t rng_mix(uint64_t x);

#endif
