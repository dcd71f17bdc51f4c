/*
 * Stands in for many hosts that answer one broadcast, each from an address and with a name of its
 * own, as fast as one core can, each after a random delay up to the spread that the request asks for.
 *
 *   hosts PORT COUNT BASE < keys
 *
 * BASE is the first host's address; all must be this machine's (a local route will do). Copies of
 * the same request are answered again, as a service does, 8 times at most.
 */
#include "peer.h"
#include <poll.h>

typedef struct { uint64_t due; uint32_t host; } answer_due;

static int by_due(const void *a, const void *b) {
  uint64_t x = ((const answer_due *)a)->due, y = ((const answer_due *)b)->due;
  return (x > y) - (x < y);
}

static void answer(int fd, const peer_keys *keys, const uint8_t *request, size_t n, uint32_t base,
                   uint32_t host, struct sockaddr_in *to) {
  char name[32];
  uint8_t ack[header_length + mac_length];
  snprintf(name, sizeof name, "host%05u", host);
  make_ack(keys, request, n, name, ack);
  union { char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))]; struct cmsghdr align; } control = {0};
  struct iovec part = {ack, sizeof ack};
  struct msghdr message = {.msg_name = to, .msg_namelen = sizeof *to, .msg_iov = &part,
    .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  struct cmsghdr *head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = IPPROTO_IP, head->cmsg_type = IP_PKTINFO;
  head->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
  struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl(base + host)};
  memcpy(CMSG_DATA(head), &info, sizeof info);
  while (sendmsg(fd, &message, 0) < 0 && (errno == ENOBUFS || errno == EAGAIN)) {}
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  uint32_t count = (uint32_t)atoi(argv[2]), base = ntohl(address_of(argv[3], "1").sin_addr.s_addr);
  peer_keys keys;
  read_keys(&keys);
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in own = address_of("0.0.0.0", argv[1]), from;
  if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof own) != 0) die("Cannot listen");
  answer_due *answers = calloc(count, sizeof *answers);
  puts("ready"), fflush(stdout);
  for (;;) {
    uint8_t request[datagram_most];
    socklen_t length = sizeof from;
    ssize_t got = recvfrom(fd, request, sizeof request, 0, (struct sockaddr *)&from, &length);
    if (got < 0 || !is_request(&keys, request, (size_t)got)) continue;
    uint64_t spread = (uint64_t)(request[36] << 8 | request[37]) * 1000000, now = now_ns();
    for (uint32_t i = 0; i < count; i++) {
      uint64_t delay = spread == 0 ? 0 : (uint64_t)(drand48() * (double)spread);
      answers[i] = (answer_due){now + delay, i};
    }
    if (spread > 0) qsort(answers, count, sizeof *answers, by_due);
    for (uint32_t i = 0; i < count; i++) {
      if (answers[i].due > now_ns()) sleep_until(answers[i].due);
      answer(fd, &keys, request, (size_t)got, base, answers[i].host, &from);
    }
  }
}
