/* talk PORT: sends its input to a loopback socket and prints what comes back, to the end. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include "check.h"

static void copy(int from, int to) {
    char bytes[4096];
    ssize_t n;
    while ((n = read(from, bytes, sizeof bytes)) > 0)
        CHECK_EQ(write(to, bytes, (size_t)n), n);
    CHECK_EQ(n, 0);
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    CHECK_EQ(argc, 2);
    address.sin_port = htons((uint16_t)atoi(argv[1]));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    copy(0, fd);
    CHECK_EQ(shutdown(fd, SHUT_WR), 0);
    copy(fd, 1);
    return 0;
}
