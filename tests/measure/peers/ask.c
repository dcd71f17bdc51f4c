/*
 * Asks a peer for a flush, again and again, and measures.
 *
 *   ask OWN_PORT PORT PAUSE_US < datagrams
 *
 * Prints for each request the ns until the flush started ("F") and until the ack came, or "lost".
 */
#include "peer.h"

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in own = address_of("127.0.0.1", argv[1]), to = address_of("127.0.0.1", argv[2]);
  struct timeval most = {.tv_sec = 1};
  if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof own) != 0) die("Cannot listen");
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
  uint8_t request[datagram_most], answer[datagram_most];
  for (size_t n; (n = read_datagram(stdin, request)) > 0;) {
    uint64_t start = now_ns(), flush = 0, ack = 0;
    sendto(fd, request, n, 0, (struct sockaddr *)&to, sizeof to);
    while (flush == 0 || ack == 0) {
      ssize_t got = recv(fd, answer, sizeof answer, 0);
      if (got < 0) break;
      if (got == 1) flush = now_ns() - start;
      else if (memcmp(answer + 20, request + 20, 16) == 0) ack = now_ns() - start;
    }
    if (flush == 0 || ack == 0) puts("lost");
    else printf("%llu %llu\n", (unsigned long long)flush, (unsigned long long)ack);
    usleep((useconds_t)atoi(argv[3]));
  }
}
