#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/file.h"
#include "common/options.h"
#include "common/redis_url.h"

#define CREDENTIAL "redis-password"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED
#endif
#endif

/* From now on the process holds a secret, in its own memory and in what hiredis sends: it leaves no
 * core dump and lets no other process of its user look inside. (LeakSanitizer must look.) */
static void keep_secret(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(SANITIZED)
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

/* Checks the file's contents and stores them. No message repeats them. */
static int store(const char *path, struct span text, struct redis_url *url, struct err *err)
{
    if (text.len > 0 && text.ptr[text.len - 1] == '\n')
        text.len--;
    if (text.len > 0 && text.ptr[text.len - 1] == '\r')
        text.len--;
    if (text.len == 0)
        return err_set(err, -EINVAL, "%s: the password file is empty", path);
    if (text.len >= sizeof url->password) {
        return err_set(err, -EINVAL, "%s: the password is longer than %zu bytes", path,
                       sizeof url->password - 1);
    }
    if (memchr(text.ptr, '\0', text.len))
        return err_set(err, -EINVAL, "%s: the password has a NUL byte in it", path);
    keep_secret();
    (void)span_copy(text, url->password, sizeof url->password);
    return 0;
}

static int read_from(const char *path, struct redis_url *url, struct err *err)
{
    struct buf text;

    buf_init(&text, sizeof url->password + 2); /* the newline, and one to see that it is too long */
    int rc = file_read(path, &text, err);
    if (rc == -EFBIG) {
        rc = err_set(err, -EINVAL, "%s: the password is longer than %zu bytes", path,
                     sizeof url->password - 1);
    } else if (rc == 0) {
        rc = store(path, buf_span(&text), url, err);
    }
    if (text.ptr)
        explicit_bzero(text.ptr, text.cap);
    buf_done(&text);
    return rc;
}

int redis_password_read(const char *password_file, struct redis_url *url, struct err *err)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    char path[4096];
    struct err why;

    if (password_file[0])
        return read_from(password_file, url, err);
    if (folder && folder[0]) {
        int len = snprintf(path, sizeof path, "%s/" CREDENTIAL, folder);
        if (len < 0 || (size_t)len >= sizeof path)
            return err_set(err, -ENAMETOOLONG, "CREDENTIALS_DIRECTORY is too long");
        int rc = read_from(path, url, &why);
        if (rc < 0 && rc != -ENOENT)
            *err = why;
        if (rc != -ENOENT)
            return rc;
    }
    url->password[0] = '\0';
    return 0;
}
