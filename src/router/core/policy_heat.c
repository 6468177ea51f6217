/*
 * Heat. Once a node has worked for a while its temperature goes to Tss as e^(-t/tau): from one
 * heartbeat to the next dT = c (Tss - T), c = 1 - e^(-5 s/tau). c and Tss are fitted on line by
 * decayed least squares, with a weak optimistic prior so that a node that has never been hot is not
 * feared. When work begins the die itself rises by `jump` within seconds and falls as fast when it
 * ends, so that an idle node's reading says little: all comparisons are of what it would show if it
 * were busy. What the firmware says (throttled, under-voltage) overrides all that.
 */
#include "policy_private.h"

#define FIT_DECAY       0.98 /* per heartbeat: 50 of them count */
#define FIT_PRIOR       1.0  /* weight of each of the two made-up points of the prior */
#define FIT_BEAT_S      5.0
#define FIT_BUSY_MS     10000 /* the die has settled */
#define FIT_BEAT_MIN_MS 1000
#define FIT_BEAT_MAX_MS 30000
#define SETTLED_MS      3000 /* a busy node's reading includes the jump from here */
#define JUMP_SHARE      0.3
#define JUMP_FROM_MS    2500
#define JUMP_TO_MS      5500
#define JUMP_MIN_C      3.0
#define JUMP_MAX_C      20.0
#define JUMP_DRIFT_C    1.0 /* of the rise, the board's share */
#define TSS_MIN_C       50.0
#define TSS_MAX_C       110.0
#define C_MIN           0.005
#define C_MAX           0.2
#define SLOW_RANGE_C    4.0
#define PRIOR_C_0       50.0 /* where the prior's points stand */
#define PRIOR_C_1       60.0
#define CAPPED_FACTOR   1.39 /* clock at 1.5 of 2.4 GHz: 1 / (0.25 + 0.75 * 0.625) */

void policy_heat_init(struct policy_heat *heat)
{
    *heat = (struct policy_heat){
        .tss_c = HEAT_TSS_C,
        .tau_s = HEAT_TAU_S,
        .jump_c = HEAT_JUMP_C,
        .min_c = 99.0,
        .now_ms = INT64_MIN,
        .last_ms = INT64_MIN,
        .duty = 1.0,
    };
}

/* -ln(1 - c) for c up to C_MAX, by its series. */
static double minus_log(double c)
{
    double sum = 0.0, power = c;

    for (int i = 1; i <= 16; i++) {
        sum += power / (double)i;
        power *= c;
    }
    return sum;
}

static void fit_solve(struct policy_heat *heat)
{
    const double *s = heat->sums, w = FIT_PRIOR;
    double c0 = 1.0 - policy_exp_neg(FIT_BEAT_S / HEAT_TAU_S);
    double y0 = c0 * (HEAT_TSS_C - PRIOR_C_0), y1 = c0 * (HEAT_TSS_C - PRIOR_C_1);
    double n = s[0] + 2.0 * w, x = s[1] + w * (PRIOR_C_0 + PRIOR_C_1), y = s[2] + w * (y0 + y1);
    double xx = s[3] + w * (PRIOR_C_0 * PRIOR_C_0 + PRIOR_C_1 * PRIOR_C_1);
    double xy = s[4] + w * (PRIOR_C_0 * y0 + PRIOR_C_1 * y1);
    double determinant = n * xx - x * x;

    if (determinant <= 1e-6)
        return;
    double c = policy_clamp(-(n * xy - x * y) / determinant, C_MIN, C_MAX);
    heat->tss_c = policy_clamp(y / n / c + x / n, TSS_MIN_C, TSS_MAX_C);
    heat->tau_s = FIT_BEAT_S / minus_log(c);
}

static void fit_add(struct policy_heat *heat, int64_t beat_ms)
{
    double x = heat->last_c;
    double y = (heat->now_c - x) * (FIT_BEAT_S * 1000.0 / (double)beat_ms);
    const double sample[5] = {1.0, x, y, x * x, x * y};

    for (int i = 0; i < 5; i++)
        heat->sums[i] = heat->sums[i] * FIT_DECAY + sample[i];
    fit_solve(heat);
}

static bool is_busy(int64_t busy_since_ms)
{
    return busy_since_ms != INT64_MIN;
}

double policy_heat_equal(const struct policy_heat *heat, int64_t busy_since_ms)
{
    if (is_busy(busy_since_ms) && heat->now_ms - busy_since_ms > SETTLED_MS)
        return heat->now_c;
    return heat->now_c + heat->jump_c;
}

static void learn(struct policy_heat *heat, int64_t busy_since_ms)
{
    int64_t beat_ms = heat->now_ms - heat->last_ms;
    int64_t busy_ms = heat->now_ms - busy_since_ms;

    if (beat_ms < FIT_BEAT_MIN_MS || beat_ms > FIT_BEAT_MAX_MS)
        return;
    if (heat->last_ms - busy_since_ms > FIT_BUSY_MS && heat->now_c < HEAT_SOFT_C &&
        heat->last_c < HEAT_SOFT_C)
        fit_add(heat, beat_ms);
    if (heat->last_ms <= busy_since_ms && busy_ms >= JUMP_FROM_MS && busy_ms <= JUMP_TO_MS) {
        double rise =
            policy_clamp(heat->now_c - heat->last_c - JUMP_DRIFT_C, JUMP_MIN_C, JUMP_MAX_C);
        heat->jump_c += JUMP_SHARE * (rise - heat->jump_c);
    }
}

static void rest_update(struct policy_heat *heat, double equal_c)
{
    bool before = heat->is_resting;

    if (equal_c >= HEAT_REST_C || heat->is_throttled) {
        heat->is_resting = true;
    } else if (equal_c <= HEAT_BACK_C) {
        heat->is_resting = false;
    }
    if (heat->is_resting && !before)
        heat->rests++;
}

static double duty_of(const struct policy_heat *heat)
{
    double slow_c = policy_max(SLOW_RANGE_C, heat->tss_c - heat->min_c - heat->jump_c);

    return policy_clamp((HEAT_DUTY_C - heat->min_c - heat->jump_c) / slow_c, HEAT_DUTY_MIN, 1.0);
}

double policy_heat_read(struct policy_heat *heat, const struct policy_heard *heard,
                        int64_t busy_since_ms)
{
    heat->is_throttled = heard->throttled == 1;
    heat->is_capped = heard->under_voltage == 1 || heard->freq_capped == 1;
    if (heard->temp_mc == HEALTH_UNKNOWN) {
        heat->now_ms = INT64_MIN;
        heat->is_resting = heat->is_throttled;
        return heat->duty;
    }
    heat->last_c = heat->now_c;
    heat->last_ms = heat->now_ms;
    heat->now_c = (double)heard->temp_mc / 1000.0;
    heat->now_ms = heard->measured_ms;
    heat->min_c = policy_min(heat->min_c, heat->now_c);
    if (heat->last_ms != INT64_MIN && is_busy(busy_since_ms))
        learn(heat, busy_since_ms);
    rest_update(heat, policy_heat_equal(heat, busy_since_ms));
    return duty_of(heat);
}

double policy_heat_factor(const struct policy_node *node, double lambda_t, double work_s)
{
    const struct policy_heat *heat = &node->heat;
    double capped = heat->is_capped && !heat->is_throttled ? CAPPED_FACTOR : 1.0;

    if (heat->now_ms == INT64_MIN)
        return capped;
    if (heat->now_c + heat->jump_c <= HEAT_PRICE_C && heat->tss_c <= HEAT_PRICE_C)
        return capped; /* cool, busy or not: most are */
    double begin_c = policy_heat_equal(heat, node->busy_since_ms), end_c = begin_c;
    if (heat->tss_c > begin_c)
        end_c += (heat->tss_c - begin_c) * (1.0 - policy_exp_neg(work_s / heat->tau_s));
    double middle_c = 0.5 * (begin_c + end_c);
    double price = lambda_t * policy_clamp((middle_c - HEAT_PRICE_C) / HEAT_PRICE_SPAN_C, 0.0, 1.0);
    double slower = HEAT_SLOW_SHARE * policy_clamp(middle_c - HEAT_SOFT_C, 0.0, HEAT_SLOW_SPAN_C);
    return capped + price + slower;
}
