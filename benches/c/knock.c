/* The bare loop that starts a server: spawn it, connect every 0.1 ms until that succeeds, kill it; TIMES times. Prints
 * the time of each start in nanoseconds.
 *
 *     knock TIMES PORT PROGRAM ARGS... */
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

extern char **environ;

static int answers(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int client = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int refused = connect(client, (struct sockaddr *)&address, sizeof address);
    close(client);
    return !refused;
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    for (int times = atoi(argv[1]); times > 0; times--) {
        pid_t child;
        int64_t start = now();
        if (posix_spawn(&child, argv[3], 0, 0, argv + 3, environ)) return 1;
        while (!answers(atoi(argv[2]))) usleep(100);
        printf("%lld\n", (long long)(now() - start));
        kill(child, SIGTERM);
        if (waitpid(child, 0, 0) < 0) return 1;
    }
}
