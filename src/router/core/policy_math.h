#ifndef ROUTER_POLICY_MATH_H
#define ROUTER_POLICY_MATH_H

/*
 * The arithmetic of the policy: IEEE 754 doubles, + - * / only, never contracted to fused
 * operations (-ffp-contract=off), no libm. So a decision is the same in every bit on amd64 and
 * arm64, where the operations are exact to the last bit but the C libraries differ. Pure.
 */

#include <float.h>
#include <stdint.h>

_Static_assert(FLT_EVAL_METHOD == 0, "doubles are to be calculated as doubles");

/* e^-x for x >= 0, within 1e-9 relative; 0 from x = 700 on; 1 for x <= 0. */
double policy_exp_neg(double x);

/*
 * Erlang C: the mean wait in a queue with `servers` >= 1 and offered load `a` >= 0 (both in
 * servers' worth of work), as a multiple of the mean service time. From 95 % utilization on it goes
 * on as a straight line of slope POLICY_OVERLOAD_SLOPE: the real value has a pole at 100 %, and
 * which of two overloaded models gets the next node must still be decided by how much. O(servers).
 *
 *     B_0 = 1;  B_k = a B_(k-1) / (k + a B_(k-1))          Erlang B, by recurrence
 *     C = B / (1 - a/k (1 - B));  wait = C / (k - a)
 */
#define POLICY_OVERLOAD_SHARE 0.95
#define POLICY_OVERLOAD_SLOPE 2.0
double policy_erlang_wait(uint32_t servers, double a);

/*
 * How a queue goes on from now on: `busy` requests are served or wait, services last exponentially
 * long, and `arrivals` more have come at a moment when each of the present ones is still there with
 * chance `stay`. Then N, the number there, is Binomial(busy, stay) + Poisson(arrivals) (M/G/inf),
 * and who comes waits (N - k + 1) / k services for one of k servers if N >= k. Adds the mean of
 * that for k = servers - 1, servers and servers + 1 to ret_waits[0 to 2], where k > 0; servers up
 * to POLICY_SOON_MAX; of more than 256 busy 256 count. O(servers * busy).
 */
#define POLICY_SOON_MAX 62
void policy_soon_waits(uint32_t servers, uint32_t busy, double stay, double arrivals,
                       double ret_waits[3]);

static inline double policy_min(double a, double b)
{
    return a < b ? a : b;
}

static inline double policy_max(double a, double b)
{
    return a > b ? a : b;
}

static inline double policy_clamp(double x, double low, double high)
{
    return policy_min(policy_max(x, low), high);
}

#endif
