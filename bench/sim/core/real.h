#ifndef SIM_REAL_H
#define SIM_REAL_H

/*
 * Exponential and logarithm that are the same bits on every machine. Pure.
 *
 * libm's differ in the last bit between amd64 and arm64 (one has fused multiply-add, the other
 * not), and one bit is enough for another order of two events. These use +, -, *, / and exact
 * scaling only (IEEE 754; the build has -ffp-contract=off); error below 2 units in the last place.
 */

#define SIM_LN2 0.693147180559945309417

double real_exp(double x);           /* x is cut to -700..700 */
double real_log(double x);           /* x > 0 */
double real_pow(double x, double y); /* x > 0 */

#endif
