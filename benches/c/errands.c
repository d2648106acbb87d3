/* The bare plan: starts COUNT children and waits for all of them.
 *
 *     errands MANNER COUNT PROGRAM
 *
 * MANNER is "together", all are started before the first is waited for, or "in-turn". Prints the time in nanoseconds. */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "clock.h"

extern char **environ;

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    int together = !strcmp(argv[1], "together"), count = atoi(argv[2]), status;
    int64_t before = now();
    for (int i = 0; i < count; i++) {
        pid_t child;
        if (posix_spawn(&child, argv[3], 0, 0, argv + 3, environ)) return 1;
        if (!together && (waitpid(child, &status, 0) != child || status)) return 1;
    }
    for (int i = 0; together && i < count; i++)
        if (wait(&status) < 0 || status) return 1;
    printf("%lld\n", (long long)(now() - before));
    return 0;
}
