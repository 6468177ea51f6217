#ifndef COMMON_OPTIONS_PRINT_H
#define COMMON_OPTIONS_PRINT_H

/* Inside options*.c only. */

struct options_program;

/* --help, on stdout: how to call the program, then every key with default, range and reason. */
void options_print_help(const struct options_program *program);

#endif
