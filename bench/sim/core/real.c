#include "real.h"

#include <assert.h>
#include <math.h>

#define LN2_HIGH  6.93147180369123816490e-01 /* its last 32 bits are 0: k * LN2_HIGH is exact */
#define LN2_LOW   1.90821492927058770002e-10
#define SQRT_HALF 0.70710678118654752440

double real_exp(double x)
{
    if (x > 700)
        x = 700;
    if (x < -700)
        x = -700;

    double k = floor(x / SIM_LN2 + 0.5);
    double r = (x - k * LN2_HIGH) - k * LN2_LOW;
    double sum = 1;

    for (int i = 14; i > 0; i--)
        sum = 1 + sum * r / i;
    return ldexp(sum, (int)k);
}

double real_log(double x)
{
    int exponent;

    assert(x > 0);
    double m = frexp(x, &exponent);
    if (m < SQRT_HALF) {
        m *= 2;
        exponent--;
    }

    double s = (m - 1) / (m + 1), square = s * s, sum = 0;

    for (int i = 23; i > 0; i -= 2)
        sum = 1.0 / i + square * sum;
    return exponent * LN2_HIGH + (2 * s * sum + exponent * LN2_LOW);
}

double real_pow(double x, double y)
{
    return x == 1.0 ? 1.0 : real_exp(y * real_log(x));
}
