#include <string.h>

#include "common/err.h"
#include "common/ollama_host.h"

#include "test.h"

static void test_ollamas_own_forms_become_a_url(void **state)
{
    static const struct {
        const char *text, *url; /* NULL: refused */
    } cases[] = {
        {"", "http://127.0.0.1:11434"},
        {"pi-1", "http://pi-1:11434"},
        {"pi-1:8080", "http://pi-1:8080"},
        {":8080", "http://127.0.0.1:8080"},
        {" 10.0.0.7 ", "http://10.0.0.7:11434"},
        {"0.0.0.0", "http://127.0.0.1:11434"},
        {"0.0.0.0:1234", "http://127.0.0.1:1234"},
        {"http://0.0.0.0:11434", "http://127.0.0.1:11434"},
        {"http://pi-1:11434", "http://pi-1:11434"},
        {"http://pi-1:11434/", "http://pi-1:11434"},
        {"http://pi-1", "http://pi-1:80"},
        {"https://pi-1", "https://pi-1:443"},
        {"https://pi-1:1", "https://pi-1:1"},
        {"[::1]", "http://[::1]:11434"},
        {"[::1]:8080", "http://[::1]:8080"},
        {"::1", "http://[::1]:11434"},
        {"[::]:8080", "http://[::1]:8080"},
        {"fe80::1%eth0", "http://[fe80::1%eth0]:11434"},
        {"pi-1:", NULL},
        {"pi-1:0", NULL},
        {"pi-1:65536", NULL},
        {"pi-1:x", NULL},
        {"pi 1", NULL},
        {"u:p@pi-1:80", NULL},
        {"[::1", NULL},
        {"[::1]80", NULL},
        {"ftp://pi-1", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char url[256] = "untouched";
        struct err err;
        int rc = ollama_host_to_url(cases[i].text, url, sizeof url, &err);
        if ((rc == 0) != (cases[i].url != NULL))
            fail_msg("\"%s\" gave %s", cases[i].text, rc == 0 ? url : err.msg);
        assert_string_equal(url, rc == 0 ? cases[i].url : "untouched");
        if (rc == 0)
            assert_int_equal(ollama_url_check(url, &err), 0);
        else
            assert_string_equal(err.msg, "must be HOST, HOST:PORT, :PORT or http://HOST:PORT, for "
                                         "example 127.0.0.1:11434");
    }
}

static void test_the_setting_takes_a_whole_url_only(void **state)
{
    static const char *const bad[] = {
        "",
        "pi-1:11434",
        "http://pi-1",
        "http://:11434",
        "http://pi-1:11434/",
        "http://",
        "http://u@pi-1:11434",
        "http://pi-1:11434/api",
        "http://::1",
        "http://pi-1:99999",
    };
    struct err err;

    (void)state;
    assert_int_equal(ollama_url_check("http://127.0.0.1:11434", &err), 0);
    assert_int_equal(ollama_url_check("https://pi-1.local:443", &err), 0);
    assert_int_equal(ollama_url_check("http://[::1]:11434", &err), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (ollama_url_check(bad[i], &err) == 0)
            fail_msg("took %s", bad[i]);
        assert_string_equal(err.msg, "must be http://HOST:PORT and nothing more, for example "
                                     "http://127.0.0.1:11434");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ollamas_own_forms_become_a_url),
        cmocka_unit_test(test_the_setting_takes_a_whole_url_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
