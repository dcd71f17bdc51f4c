/*
 * Sends datagrams round and round at a rate.
 *
 *   flood HOST PORT RATE SECONDS [SOURCE] < datagrams
 *
 * RATE in datagrams a second, 0: as fast as the machine can. Ends after SECONDS or at SIGTERM, and
 * prints how many the system took and the ns that took.
 */
#include "peer.h"
#include <signal.h>

enum { batch = 32, held_most = 1024 };
static uint8_t held[held_most][datagram_most];
static struct iovec parts[held_most];
static volatile sig_atomic_t ended;

static void end_flood(int number) {
  (void)number;
  ended = 1;
}

int main(int argc, char **argv) {
  if (argc != 5 && argc != 6) return 2;
  struct sockaddr_in to = address_of(argv[1], argv[2]);
  double rate = atof(argv[3]), seconds = atof(argv[4]);
  int count = 0, fd = socket(AF_INET, SOCK_DGRAM, 0), yes = 1;
  if (fd < 0) die("Cannot open a socket");
  setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &yes, sizeof yes);
  if (argc == 6) {
    struct sockaddr_in source = address_of(argv[5], "0");
    if (bind(fd, (struct sockaddr *)&source, sizeof source) != 0) die("Cannot bind");
  }
  for (size_t n; count < held_most && (n = read_datagram(stdin, held[count])) > 0; count++)
    parts[count] = (struct iovec){held[count], n};
  if (count == 0) return 2;
  struct mmsghdr messages[batch];
  uint64_t start = now_ns(), end = start + (uint64_t)(seconds * 1e9), now, sent = 0, next = 0;
  signal(SIGTERM, end_flood);
  while (!ended && (now = now_ns()) < end) {
    uint64_t due = rate > 0 ? (uint64_t)((double)(now - start) * rate / 1e9) + 1 : UINT64_MAX;
    int n = due <= sent ? 0 : due - sent < batch ? (int)(due - sent) : batch;
    for (int i = 0; i < n; i++)
      messages[i].msg_hdr = (struct msghdr){.msg_name = &to, .msg_namelen = sizeof to,
        .msg_iov = &parts[(next + (uint64_t)i) % (uint64_t)count], .msg_iovlen = 1};
    int took = n == 0 ? 0 : sendmmsg(fd, messages, (unsigned)n, 0);
    if (took > 0) sent += (uint64_t)took, next += (uint64_t)took;
    else sleep_until(now + 200000);
  }
  printf("%llu %llu\n", (unsigned long long)sent, (unsigned long long)(now_ns() - start));
}
