/* The bare loop around many children: starts them with two pipes each, or one if they are merged, which stay open; ends
 * them with TERM.
 *
 *     crowd COUNT PROGRAM [merged]
 *
 * Prints "ready". Takes one step for each line of standard input, and prints the time of the step in nanoseconds. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

extern char **environ;

static int start(char *program, int merged, pid_t *child) {
    char *words[] = {program, 0};
    int one[2], two[2];
    posix_spawn_file_actions_t actions;
    if (pipe2(one, O_CLOEXEC) || (!merged && pipe2(two, O_CLOEXEC))) return -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, one[1], 1);
    posix_spawn_file_actions_adddup2(&actions, merged ? one[1] : two[1], 2);
    int error = posix_spawn(child, program, &actions, 0, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(one[1]);
    if (!merged) close(two[1]);
    return error;
}

static void say_and_wait(const char *what) {
    char line[16];
    puts(what);
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin)) exit(1);
}

int main(int argc, char **argv) {
    char said[64];
    if (argc < 3) return 2;
    int count = atoi(argv[1]);
    pid_t *children = calloc(count, sizeof *children);
    say_and_wait("ready");

    int64_t before = now();
    for (int i = 0; i < count; i++)
        if (start(argv[2], argc > 3, children + i)) return 1;
    snprintf(said, sizeof said, "%lld", (long long)(now() - before));
    say_and_wait(said);

    before = now();
    for (int i = 0; i < count; i++) kill(children[i], SIGTERM);
    for (int i = 0; i < count; i++) waitpid(children[i], 0, 0);
    printf("%lld\n", (long long)(now() - before));
    return 0;
}
