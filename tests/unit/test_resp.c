#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/resp.h"

#include "test.h"

#define ARGS_MAX 12

/* The same bytes as hiredis', and as many as were promised. */
static void assert_like_hiredis(int argc, const char **argv, const size_t *len)
{
    char *theirs = NULL;
    long long n = redisFormatCommandArgv(&theirs, argc, argv, len);
    size_t bytes = resp_command_bytes(argc, len);
    char *ours = malloc(bytes + 2);

    assert_non_null(ours);
    ours[bytes + 1] = '!'; /* not written over */
    resp_command_write(ours, argc, argv, len);
    assert_int_equal(bytes, n);
    assert_memory_equal(ours, theirs, bytes);
    assert_int_equal(ours[bytes], '\0');
    assert_int_equal(ours[bytes + 1], '!');
    free(ours);
    redisFreeCommand(theirs);
}

static void test_a_command_is_written_as_hiredis_does(void **state)
{
    const char *argv[] = {"EVALSHA", "", "a\0b\r\n", "caf\xc3\xa9"};
    const size_t len[] = {7, 0, 5, 5};

    (void)state;
    assert_like_hiredis(4, argv, len);
    assert_like_hiredis(1, argv, len);
}

static void test_lengths_of_every_number_of_digits(void **state)
{
    static char text[100001];
    const char *argv[ARGS_MAX];
    size_t len[ARGS_MAX] = {0, 1, 9, 10, 11, 99, 100, 999, 1000, 9999, 10000, 100000};

    (void)state;
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < ARGS_MAX; i++)
        argv[i] = text;
    assert_like_hiredis(ARGS_MAX, argv, len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_command_is_written_as_hiredis_does),
        cmocka_unit_test(test_lengths_of_every_number_of_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
