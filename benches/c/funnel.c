/* The bare output path of many children: waits for all pipes with poll, reads 64 KiB from each that is readable, counts
 * the lines, and writes them with a prefix.
 *
 *     funnel MILLISECONDS COUNT PROGRAM ARGS...
 *
 * Waits until every child has written, counts for MILLISECONDS, and prints the time in nanoseconds
 * and the lines of each child on stderr. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

extern char **environ;

enum { SIZE = 64 * 1024, MOST = 256 };

static struct iovec out[IOV_MAX];
static int used;

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
    static char buffers[MOST][2 * SIZE], prefixes[MOST][16];
    static size_t kept[MOST];
    static long lines[MOST];
    struct pollfd fds[MOST];
    pid_t children[MOST];
    if (argc < 4) return 2;
    int count = atoi(argv[2]);
    if (count > MOST) return 2;
    for (int i = 0; i < count; i++) {
        int ends[2];
        posix_spawn_file_actions_t actions;
        if (pipe2(ends, O_CLOEXEC)) return 1;
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
        if (posix_spawn(&children[i], argv[3], &actions, 0, argv + 3, environ)) return 1;
        close(ends[1]);
        fds[i] = (struct pollfd){.fd = ends[0], .events = POLLIN};
        snprintf(prefixes[i], sizeof prefixes[i], "[%d] ", i);
    }
    int silent = count;
    int64_t begin = 0, end = 0, last_time = 0;
    for (;;) {
        if (poll(fds, count, -1) < 0) return 1;
        for (int i = 0; i < count; i++) {
            if (!(fds[i].revents & POLLIN)) continue;
            char *buffer = buffers[i];
            ssize_t n = read(fds[i].fd, buffer + kept[i], SIZE);
            if (n <= 0) continue;
            char *line = buffer, *last = buffer + kept[i] + n, *lf;
            long before = lines[i];
            while ((lf = memchr(line, '\n', last - line))) {
                if (used + 2 > IOV_MAX && write_out()) return 1;
                out[used++] = (struct iovec){prefixes[i], strlen(prefixes[i])};
                out[used++] = (struct iovec){line, lf + 1 - line};
                line = lf + 1;
                lines[i]++;
            }
            if (write_out()) return 1;
            kept[i] = last - line;
            memmove(buffer, line, kept[i]);
            if (!before && lines[i] && !end) silent--;
        }
        if (!silent && !end) {
            memset(lines, 0, sizeof lines);
            begin = now();
            end = begin + atoll(argv[1]) * 1000000;
        }
        if (end && (last_time = now()) >= end) break;
    }
    fprintf(stderr, "%lld\n", (long long)(last_time - begin));
    for (int i = 0; i < count; i++) {
        fprintf(stderr, "%ld\n", lines[i]);
        kill(children[i], SIGKILL);
    }
    for (int i = 0; i < count; i++) waitpid(children[i], 0, 0);
    return 0;
}
