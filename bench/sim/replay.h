#ifndef SIM_REPLAY_H
#define SIM_REPLAY_H

/*
 * orion-sim --replay FILE: plays what a router has recorded (orion-router --record FILE, or
 * --option record=FILE here) through the policy of this build and compares every decision, bit for
 * bit. Prints the first differences and the sum. Returns the exit status: 0, 1 if a decision
 * differs, 2 if the file cannot be read or understood.
 */

#define REPLAY_SHOWN_MAX 20 /* differences that are printed */

int replay_file(const char *path);

#endif
