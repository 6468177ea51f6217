#ifndef SIM_OPTIONS_H
#define SIM_OPTIONS_H

#include "sim.h"

enum options_outcome { OPTIONS_RUN, OPTIONS_STOP, OPTIONS_BAD };

/*
 * Reads the command line into sim->settings, profile and models, and arms the faults. Those that
 * act at once (connect-refuse) are not for the command line. --help is printed here (OPTIONS_STOP),
 * as is what is wrong (OPTIONS_BAD).
 */
enum options_outcome options_read(struct sim *sim, int argc, char **argv);

#endif
