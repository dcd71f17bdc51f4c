/*
 * Sends datagrams round and round at a rate.
 *
 *   flood HOST PORT RATE SECONDS [SOURCE ROUTER SLOT_MS] < datagrams
 *
 * RATE in datagrams a second, 0: as fast as the machine can. Ends after SECONDS or at SIGTERM, and
 * prints how many the system took and the ns that took.
 *
 * What stands behind an empty datagram is sent once, from the address ROUTER: one in each slot of the
 * flood, between two of its datagrams. A program of its own would be a third busy process, which takes
 * the receiver's core away just before it sends. Answers are printed in hex before the figures.
 *
 * Time in which the system lets others run doesn't count: no wire of this rate would carry the burst
 * that makes up for it. The program stays on the processor that it was started on, as a network card's
 * interrupts do; the receiver has the others.
 */
#include "peer.h"
#include <sched.h>
#include <signal.h>

enum { batch = 64, held_most = 4096 };
/* A longer time from one batch to the next is a pause, of which the rest doesn't count. */
static const uint64_t step_most_ns = 1000000;
static uint8_t held[held_most][datagram_most];
static struct iovec parts[held_most];
static char output[1 << 20];
static volatile sig_atomic_t ended;

static void end_flood(int number) {
  (void)number;
  ended = 1;
}

static int open_socket(const char *source) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0), yes = 1;
  if (fd < 0) die("Cannot open a socket");
  setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &yes, sizeof yes);
  if (source == NULL) return fd;
  struct sockaddr_in address = address_of(source, "0");
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) die("Cannot bind");
  return fd;
}

static uint64_t hold_datagrams(uint64_t from) {
  for (size_t n; (n = read_datagram(stdin, held[from])) > 0; from++) {
    parts[from] = (struct iovec){held[from], n};
    if (from + 1 == held_most) errno = ENOBUFS, die("Cannot hold the datagrams");
  }
  return from;
}

/* How many of n datagrams of the flood, from the given one on, the system took. */
static uint64_t send_flood(int fd, struct sockaddr_in *to, uint64_t from, uint64_t n, uint64_t count) {
  static struct mmsghdr messages[batch];
  for (uint64_t i = 0; i < n; i++)
    messages[i].msg_hdr = (struct msghdr){.msg_name = to, .msg_namelen = sizeof *to,
      .msg_iov = &parts[(from + i) % count], .msg_iovlen = 1};
  int took = n == 0 ? 0 : sendmmsg(fd, messages, (unsigned)n, 0);
  return took < 0 ? 0 : (uint64_t)took;
}

static void print_answers(int fd) {
  uint8_t answer[datagram_most];
  for (ssize_t n; (n = recv(fd, answer, sizeof answer, MSG_DONTWAIT)) >= 0;) {
    for (ssize_t i = 0; i < n; i++) printf("%02x", answer[i]);
    putchar('\n');
  }
}

int main(int argc, char **argv) {
  if (argc != 5 && argc != 8) return 2;
  struct sockaddr_in to = address_of(argv[1], argv[2]);
  double rate = atof(argv[3]), seconds = atof(argv[4]);
  int fd = open_socket(argc > 5 ? argv[5] : NULL), router = argc > 5 ? open_socket(argv[6]) : -1;
  uint64_t count = hold_datagrams(0), once = count, all = router < 0 ? count : hold_datagrams(count);
  if (count == 0) return 2;
  uint64_t slot = argc > 5 ? (uint64_t)(rate * atof(argv[7]) / 1000) : 0, slot_end = slot;
  setvbuf(stdout, output, _IOFBF, sizeof output);
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET((size_t)sched_getcpu(), &one);
  if (sched_setaffinity(0, sizeof one, &one) != 0) die("Cannot stay on a processor");
  signal(SIGTERM, end_flood);
  uint64_t start = now_ns(), last = start, clock = 0, sent = 0;
  uint64_t batch_ns = rate > 0 ? (uint64_t)(batch * 1e9 / rate) : step_most_ns;
  uint64_t step_most = batch_ns < step_most_ns ? batch_ns : step_most_ns;
  while (!ended && (double)clock < seconds * 1e9) {
    uint64_t now = now_ns();
    clock += now - last < step_most ? now - last : step_most;
    last = now;
    uint64_t due = rate > 0 ? (uint64_t)((double)clock * rate / 1e9) + 1 : UINT64_MAX;
    uint64_t n = due <= sent ? 0 : due - sent < batch ? due - sent : batch;
    if (once < all && slot_end - sent < n) n = slot_end - sent;
    uint64_t took = send_flood(fd, &to, sent, n, count);
    sent += took;
    if (once < all && sent == slot_end) {
      sendto(router, held[once], parts[once].iov_len, 0, (struct sockaddr *)&to, sizeof to);
      once++, slot_end += slot;
    }
    if (router >= 0) print_answers(router);
    if (took == 0) sleep_until(now + 200000);
  }
  printf("%llu %llu\n", (unsigned long long)sent, (unsigned long long)(now_ns() - start));
}
