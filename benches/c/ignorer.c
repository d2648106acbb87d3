/* A child that is deaf to TERM, and holds a named pipe open for as long as it lives.
 *
 *     ignorer FIFO */
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    signal(SIGTERM, SIG_IGN);
    /* Deaf by now: whoever has the other end open may send TERM. */
    if (open(argv[1], O_WRONLY) < 0) return 1;
    for (;;) pause();
}
