/* A child that prints the time: COUNT lines, 20 ms apart.
 *
 *     ticker COUNT        and exits
 *     ticker COUNT term   sends TERM to its parent, and waits for a signal */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    for (long left = atol(argv[1]); left > 0; left--) {
        char line[32];
        usleep(20000);
        int length = snprintf(line, sizeof line, "%lld\n", (long long)now());
        if (write(1, line, length) != length) return 1;
    }
    if (argc > 2) {
        kill(getppid(), SIGTERM);
        pause();
    }
    return 0;
}
