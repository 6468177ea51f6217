#include <stdlib.h>
#include <string.h>

#include "common/sha1.h"

#include "test.h"

static void check(struct span bytes, const char *expected)
{
    char hex[SHA1_HEX_MAX];

    sha1_hex(bytes, hex);
    assert_string_equal(hex, expected);
}

/* RFC 3174, section 7.3 (TEST4 is 80 times eight bytes, TEST3 a million 'a'). */
static void test_the_vectors_of_the_rfc_come_out(void **state)
{
    char eighty[80 * 8];
    char *million = malloc(1000000);

    (void)state;
    assert_non_null(million);
    memset(million, 'a', 1000000);
    for (size_t i = 0; i < sizeof eighty; i++)
        eighty[i] = "01234567"[i % 8];
    check(span_str("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
    check(span_str("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
          "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    check((struct span){million, 1000000}, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    check((struct span){eighty, sizeof eighty}, "dea356a2cddd90c7a7ecedc5ebb563934f460452");
    free(million);
}

static void test_nothing_has_a_digest_too(void **state)
{
    (void)state;
    check((struct span){NULL, 0}, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    check(span_str(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

/* The padding needs a second block from 56 bytes on: the neighbours of every boundary. Digests from
 * coreutils' sha1sum. */
static void test_lengths_around_the_padding_boundary_come_out(void **state)
{
    static const struct {
        size_t len;
        const char *expected;
    } rows[] = {
        {55, "cef734ba81a024479e09eb5a75b6ddae62e6abf1"},
        {56, "901305367c259952f4e7af8323f480d59f81335b"},
        {63, "0ddc4e0cccd9a12850deb5abb0853a4425559fec"},
        {64, "bb2fa3ee7afb9f54c6dfb5d021f14b1ffe40c163"},
        {65, "78c741ddc482e4cdf8c474a0876347a0905b6233"},
        {119, "4300320394f7ee239bcdce7d3b8bcee173a0cd5c"},
        {120, "ceb2821639c4b6dcb10bce0e522ca2e608ce056d"},
        {128, "150fa3fbdc899bd0b8f95a9fb6027f564d953762"},
    };
    char text[200];

    (void)state;
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check((struct span){text, rows[i].len}, rows[i].expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_vectors_of_the_rfc_come_out),
        cmocka_unit_test(test_nothing_has_a_digest_too),
        cmocka_unit_test(test_lengths_around_the_padding_boundary_come_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
