#include "rng.h"

#include <assert.h>
#include <math.h>

#include "real.h"

uint64_t rng_mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

struct rng rng_make(uint64_t seed, enum rng_concern concern, uint64_t extra)
{
    struct rng rng;
    uint64_t x = rng_mix(rng_mix(seed) ^ rng_mix((uint64_t)concern << 32) ^ rng_mix(~extra));

    for (int i = 0; i < 4; i++) {
        x += UINT64_C(0x9e3779b97f4a7c15);
        rng.s[i] = rng_mix(x);
    }
    return rng;
}

static uint64_t rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t rng_next(struct rng *rng)
{
    uint64_t *s = rng->s;
    uint64_t result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

double rng_unit(struct rng *rng)
{
    return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

double rng_range(struct rng *rng, double a, double b)
{
    return a + (b - a) * rng_unit(rng);
}

uint32_t rng_below(struct rng *rng, uint32_t n)
{
    assert(n > 0);
    uint64_t limit = (UINT64_C(1) << 32) / n * n, x;

    do
        x = rng_next(rng) >> 32;
    while (x >= limit);
    return (uint32_t)(x % n);
}

double rng_exponential(struct rng *rng, double rate)
{
    return -real_log(1 - rng_unit(rng)) / rate;
}

double rng_normal(struct rng *rng)
{
    double u, v, s;

    do {
        u = rng_range(rng, -1, 1);
        v = rng_range(rng, -1, 1);
        s = u * u + v * v;
    } while (s >= 1 || s < 1e-300);
    return u * sqrt(-2 * real_log(s) / s);
}

double rng_lognormal(struct rng *rng, double mu, double sigma)
{
    return real_exp(mu + sigma * rng_normal(rng));
}

void rng_shuffle(struct rng *rng, uint32_t *items, uint32_t n)
{
    for (uint32_t i = n; i > 1; i--) {
        uint32_t k = rng_below(rng, i), kept = items[i - 1];
        items[i - 1] = items[k];
        items[k] = kept;
    }
}
