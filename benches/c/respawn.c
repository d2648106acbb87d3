/* The bare restart loop: start, wait, start again. Ended by TERM.
 *
 *     respawn PROGRAM ARGS... */
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    for (;;) {
        pid_t child;
        if (posix_spawn(&child, argv[1], 0, 0, argv + 1, environ)) return 1;
        if (waitpid(child, 0, 0) < 0) return 1;
    }
}
