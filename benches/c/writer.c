/* A child that prints lines of 100 bytes as fast as they are read.
 *
 *     writer COUNT        and exits
 *     writer COUNT term   sends TERM to its parent, and waits for a signal
 *     writer 0            never stops */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE = 100, BLOCK = 655 * LINE };

int main(int argc, char **argv) {
    static char block[BLOCK];
    if (argc < 2) return 2;
    memset(block, 'x', BLOCK);
    for (int end = LINE; end <= BLOCK; end += LINE) block[end - 1] = '\n';
    long long count = atoll(argv[1]), left = count ? count * LINE : 1;
    while (left > 0) {
        ssize_t n = write(1, block, left < BLOCK && count ? left : BLOCK);
        /* A blocking pipe accepts everything unless its reader is gone. */
        if (n <= 0) return 1;
        if (count) left -= n;
    }
    if (argc > 2) {
        kill(getppid(), SIGTERM);
        pause();
    }
    return 0;
}
