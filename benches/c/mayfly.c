/* A child that appends the times of its first and its last instruction to a file.
 *
 *     mayfly FILE COUNT
 *
 * The COUNT-th child sends TERM to its parent first, so that it has no successor. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"

int main(int argc, char **argv) {
    int64_t life[2] = {now(), 0};
    if (argc != 3) return 2;
    int file = open(argv[1], O_WRONLY | O_APPEND | O_CREAT, 0600);
    life[1] = now();
    if (write(file, life, sizeof life) != sizeof life) return 1;
    if (lseek(file, 0, SEEK_CUR) >= atol(argv[2]) * (off_t)sizeof life) kill(getppid(), SIGTERM);
    return 0;
}
