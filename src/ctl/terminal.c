#include "terminal.h"

#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "common/buf.h"

#include "ctl.h"

#define ENTER            "\033[?1049h\033[?25l\033[H\033[2J"
#define LEAVE            "\033[?25h\033[?1049l"

#define SCREEN_MAX_BYTES ((size_t)4 << 20)

static struct termios before;
static volatile sig_atomic_t is_ours;

/* Only calls that are safe in a signal handler. */
static void give_back(void)
{
    if (!is_ours)
        return;
    is_ours = 0;
    (void)!write(STDOUT_FILENO, LEAVE, sizeof LEAVE - 1);
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

static void on_crash(int number)
{
    give_back();
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

bool terminal_enter(void)
{
    static const int crashes[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL};
    struct termios raw;

    if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &before) != 0)
        return false;
    raw = before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_iflag &= ~(tcflag_t)(IXON);
    raw.c_oflag &= ~(tcflag_t)(OPOST);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
        (void)signal(crashes[i], on_crash);
    is_ours = 1;
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) != 0) {
        is_ours = 0;
        return false;
    }
    (void)!write(STDOUT_FILENO, ENTER, sizeof ENTER - 1);
    return true;
}

void terminal_leave(void)
{
    give_back();
}

void terminal_show(struct buf *lines)
{
    struct span rest = buf_span(lines);
    struct buf out;

    buf_init(&out, SCREEN_MAX_BYTES);
    (void)buf_add_str(&out, "\033[H");
    while (rest.len > 0) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        size_t len = end ? (size_t)(end - rest.ptr) : rest.len;
        (void)buf_add(&out, rest.ptr, len);
        (void)buf_add_str(&out, end ? "\033[K\r\n" : "\033[K");
        rest = (struct span){rest.ptr + len + (end ? 1 : 0), rest.len - len - (end ? 1 : 0)};
    }
    (void)buf_add_str(&out, "\033[J");
    (void)ctl_write(&out);
    buf_done(&out);
}
