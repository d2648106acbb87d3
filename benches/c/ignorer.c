/* A child that ignores TERM and holds a named pipe open.
 *
 *     ignorer FIFO */
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    signal(SIGTERM, SIG_IGN);
    /* TERM is ignored by now, so the reader of the pipe may send it. */
    if (open(argv[1], O_WRONLY) < 0) return 1;
    for (;;) pause();
}
