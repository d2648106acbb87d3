/* The bare output path: reads 64 KiB at a time, and writes each line with a prefix, without a copy.
 *
 *     copier NAME PROGRAM ARGS... */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

extern char **environ;

enum { SIZE = 64 * 1024 };

static char prefix[128];
static struct iovec out[IOV_MAX];
static int used;

/* Writes all that was collected. */
static int write_out(void) {
    struct iovec *from = out;
    while (used) {
        ssize_t n = writev(1, from, used);
        if (n < 0) return -1;
        while (used && (size_t)n >= from->iov_len) n -= from->iov_len, from++, used--;
        if (used) from->iov_base = (char *)from->iov_base + n, from->iov_len -= n;
    }
    return 0;
}

int main(int argc, char **argv) {
    static char buffer[SIZE];
    int ends[2];
    pid_t child;
    posix_spawn_file_actions_t actions;
    if (argc < 3 || pipe2(ends, O_CLOEXEC)) return 2;
    size_t prefix_length = snprintf(prefix, sizeof prefix, "[%s] ", argv[1]);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    if (posix_spawn(&child, argv[2], &actions, 0, argv + 2, environ)) return 1;
    close(ends[1]);

    /* An incomplete line, kept for the next read. */
    size_t kept = 0;
    for (;;) {
        ssize_t n = read(ends[0], buffer + kept, SIZE - kept);
        if (n <= 0) break;
        char *line = buffer, *end = buffer + kept + n, *lf;
        while ((lf = memchr(line, '\n', end - line))) {
            if (used + 2 > IOV_MAX && write_out()) return 1;
            out[used++] = (struct iovec){prefix, prefix_length};
            out[used++] = (struct iovec){line, lf + 1 - line};
            line = lf + 1;
        }
        if (write_out()) return 1;
        kept = end - line;
        memmove(buffer, line, kept);
    }
    return 0;
}
