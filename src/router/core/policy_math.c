#include "policy_math.h"

#include <assert.h>
#include <string.h>

#define STEPS         64                   /* of the table: 2^(-i/64) */
#define PER_STEP      92.332482616893657   /* 64 log2 e */
#define STEP_LN       0.010830424696249145 /* ln 2 / 64 */
#define EXP_ZERO      700.0
#define POWER_BIAS    1023
#define POWER_BITS    52

#define SOON_BUSY_MAX 256

/* clang-format off */
static const double table[STEPS] = {
    1, 0.98922801319397546, 0.97857206208770009, 0.96803089674614717,
    0.9576032806985737, 0.9472879907934828, 0.93708381705514998, 0.92698956254169274,
    0.91700404320467122, 0.90712608775019943, 0.89735453750155358, 0.88768824626326059,
    0.87812608018664973, 0.86866691763685311, 0.85930964906123897, 0.85005317685926174,
    0.8408964152537145, 0.83183829016336819, 0.82287773907698247, 0.81401371092867392,
    0.80524516597462714, 0.7965710756711335, 0.78799042255394325, 0.77950220011891846,
    0.77110541270397037, 0.76279907537226921, 0.75458221379671142, 0.74645386414563242,
    0.73841307296974967, 0.73045889709032352, 0.72259040348852333, 0.71480666919598501,
    0.70710678118654757, 0.69948983626915562, 0.69195494098191601, 0.68450121148729526,
    0.67712777346844633, 0.66983376202665146, 0.66261832157987066, 0.65548060576238221,
    0.64841977732550482, 0.64143500803938913, 0.63452547859586661, 0.62769037851234555,
    0.620928906036742, 0.61424026805343501, 0.60762367999023448, 0.60107836572635154,
    0.59460355750136051, 0.58819849582514061, 0.58186242938878874, 0.57559461497649134,
    0.56939431737834578, 0.56326080930412092, 0.55719337129794622, 0.55119129165392045,
    0.54525386633262884, 0.53938039887855993, 0.53357020033841185, 0.52782258918027858,
    0.52213689121370688, 0.51651243951061421, 0.51094857432705831, 0.50544464302585024,
};
/* clang-format on */

/* 2^-k, 0 <= k <= 1022, by writing the exponent. */
static double power_of_half(uint32_t k)
{
    uint64_t bits = (uint64_t)(POWER_BIAS - k) << POWER_BITS;
    double result;

    memcpy(&result, &bits, sizeof result);
    return result;
}

/* x = (k + r) ln 2 / 64: e^-x = 2^-(k / 64) 2^-(k % 64 / 64) e^-r, and for r < ln 2 / 64 the Taylor
 * series of e^-r to the third power is good to 6e-10. */
double policy_exp_neg(double x)
{
    uint32_t k;
    double r;

    if (x <= 0.0)
        return 1.0;
    if (x >= EXP_ZERO)
        return 0.0;
    k = (uint32_t)(x * PER_STEP);
    r = x - (double)k * STEP_LN;
    return (1.0 - r * (1.0 - r * (0.5 - r * (1.0 / 6.0)))) * table[k % STEPS] *
           power_of_half(k / STEPS);
}

static double erlang_stable(uint32_t servers, double a)
{
    double b = 1.0, k = (double)servers;

    for (uint32_t j = 1; j <= servers; j++)
        b = a * b / ((double)j + a * b);
    return b / (1.0 - a / k * (1.0 - b)) / (k - a);
}

double policy_erlang_wait(uint32_t servers, double a)
{
    double edge = POLICY_OVERLOAD_SHARE * (double)servers;

    assert(servers >= 1);
    if (a < edge)
        return erlang_stable(servers, a);
    return erlang_stable(servers, edge) + (a - edge) * POLICY_OVERLOAD_SLOPE;
}

/* Chances of N = 0 to top. */
static void soon_chances(uint32_t top, uint32_t busy, double stay, double arrivals, double *chances)
{
    chances[0] = policy_exp_neg(arrivals);
    for (uint32_t n = 1; n <= top; n++)
        chances[n] = chances[n - 1] * arrivals / (double)n;
    for (uint32_t i = 0; i < busy; i++) {
        for (uint32_t n = top; n > 0; n--)
            chances[n] = chances[n] * (1.0 - stay) + chances[n - 1] * stay;
        chances[0] *= 1.0 - stay;
    }
}

/* E[max(0, N - k + 1)] = E[N] - k + 1 + the sum of (k - 1 - n) P(n) over n < k - 1. */
void policy_soon_waits(uint32_t servers, uint32_t busy, double stay, double arrivals,
                       double ret_waits[3])
{
    double chances[POLICY_SOON_MAX + 1], mean;

    assert(servers <= POLICY_SOON_MAX);
    busy = busy < SOON_BUSY_MAX ? busy : SOON_BUSY_MAX;
    mean = (double)busy * stay + arrivals;
    soon_chances(servers, busy, stay, arrivals, chances);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t k = servers + i;
        double above;

        if (k <= 1)
            continue;
        k--;
        above = mean - (double)k + 1.0;
        for (uint32_t n = 0; n + 1 < k; n++)
            above += (double)(k - 1 - n) * chances[n];
        ret_waits[i] += policy_max(0.0, above) / (double)k;
    }
}
