/* The bare loop of a program with many open descriptors: starts a child and waits for it, STARTS times.
 *
 *     burdened DESCRIPTORS STARTS PROGRAM
 *
 * Prints the time in nanoseconds. */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "clock.h"

extern char **environ;

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    for (int i = atoi(argv[1]); i > 0; i--)
        if (open("/dev/null", O_RDONLY | O_CLOEXEC) < 0) return 1;
    int64_t before = now();
    for (int i = atoi(argv[2]); i > 0; i--) {
        pid_t child;
        if (posix_spawn(&child, argv[3], 0, 0, argv + 3, environ)) return 1;
        if (waitpid(child, 0, 0) < 0) return 1;
    }
    printf("%lld\n", (long long)(now() - before));
    return 0;
}
