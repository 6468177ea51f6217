#ifndef COMMON_RESP_H
#define COMMON_RESP_H

/*
 * Commands as Redis reads them: "*<argc>\r\n", then "$<length>\r\n<bytes>\r\n" for each argument
 * (RESP2, "Sending commands to a Redis server"). Pure; nothing is allocated.
 *
 * hiredis can do this too, with printf for each argument: 700 instructions apiece, and a move has
 * thirty. Answers are read by hiredis.
 */

#include <stddef.h>

/* The bytes of the command. */
size_t resp_command_bytes(int argc, const size_t *argv_len);

/* Writes the command and a NUL to `out`: of a command of one word (PING, TIME) hiredis looks at the
 * byte where the next argument would begin. */
void resp_command_write(char *out, int argc, const char *const *argv, const size_t *argv_len);

#endif
