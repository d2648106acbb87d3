/* Runs a program, and appends its elapsed time and its CPU time to a file, in nanoseconds. The CPU time includes all
 * threads of the program and none of its children.
 *
 *     stopwatch FILE PROGRAM ARGS... */
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

#include "clock.h"

extern char **environ;

int main(int argc, char **argv) {
    pid_t child;
    siginfo_t end;
    clockid_t cpu;
    if (argc < 3) return 2;
    int64_t before = now();
    if (posix_spawn(&child, argv[2], 0, 0, argv + 2, environ)) return 1;
    /* Its CPU clock exists until it is reaped. */
    if (waitid(P_PID, child, &end, WEXITED | WNOWAIT)) return 1;
    int64_t wall = now() - before;
    if (clock_getcpuclockid(child, &cpu)) return 1;
    FILE *file = fopen(argv[1], "a");
    if (!file) return 1;
    fprintf(file, "%lld %lld\n", (long long)wall, (long long)nanoseconds(cpu));
    fclose(file);
    waitpid(child, 0, 0);
    return 0;
}
