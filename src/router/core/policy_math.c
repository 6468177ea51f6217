#include "policy_math.h"

#include <assert.h>
#include <string.h>

#define LOG2_E     1.4426950408889634
#define EXP_ZERO   700.0
#define POWER_BIAS 1023
#define POWER_BITS 52

/* 2^-k, 0 <= k <= 1022, by writing the exponent. */
static double power_of_half(uint32_t k)
{
    uint64_t bits = (uint64_t)(POWER_BIAS - k) << POWER_BITS;
    double result;

    memcpy(&result, &bits, sizeof result);
    return result;
}

/* e^-x = 2^-k e^-r with k = floor(x log2 e) and r = x - k ln 2 in [0, ln 2): the Taylor series of
 * e^-r to the eleventh power is good to 1e-10. */
double policy_exp_neg(double x)
{
    static const double inverse[] = {1.0 / 11, 1.0 / 10, 1.0 / 9, 1.0 / 8, 1.0 / 7, 1.0 / 6,
                                     1.0 / 5,  1.0 / 4,  1.0 / 3, 1.0 / 2, 1.0};
    double sum = 1.0;

    if (x <= 0.0)
        return 1.0;
    if (x >= EXP_ZERO)
        return 0.0;
    uint32_t k = (uint32_t)(x * LOG2_E);
    double r = x - (double)k * 0.6931471805599453;
    for (unsigned i = 0; i < sizeof inverse / sizeof inverse[0]; i++)
        sum = 1.0 - r * inverse[i] * sum;
    return sum * power_of_half(k);
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
