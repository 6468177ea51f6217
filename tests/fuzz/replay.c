/* Feeds each file named on the command line to a libFuzzer target. For compilers without libFuzzer,
 * and so that every corpus entry is also an ordinary ctest. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
    static uint8_t data[1 << 22];

    for (int i = 1; i < argc; i++) {
        FILE *f = fopen(argv[i], "rbe");
        if (!f) {
            perror(argv[i]);
            return EXIT_FAILURE;
        }
        size_t size = fread(data, 1, sizeof data, f);
        (void)fclose(f);
        (void)LLVMFuzzerTestOneInput(data, size);
    }
    return EXIT_SUCCESS;
}
