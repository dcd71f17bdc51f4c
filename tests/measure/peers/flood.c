/*
 * Sends datagrams round and round at a rate.
 *
 *   flood HOST PORT RATE SECONDS [SOURCE [ASKER]] < datagrams
 *
 * RATE in datagrams a second, 0: as fast as the machine can. Ends after SECONDS or at SIGTERM, and
 * prints how many the system took and the ns that took.
 *
 * What comes behind an empty datagram is sent once, from the address ASKER: each at the time that
 * its first four bytes tell (ms since the start, big-endian, rising; they are not sent), between
 * two datagrams of a batch, which don't wait for it. Its answers are printed in hex before the
 * figures, a line each, and kept until the end: nobody is woken up for them.
 *
 * When the system lets others run for long, that time doesn't count: neither is the flood made up
 * for by a burst that no wire of that rate would carry, nor goes a datagram of ASKER's out while there
 * is none.
 *
 * It stays on the processor that it was started on, as a network card's interrupts do: the receiver
 * has the others.
 */
#include "peer.h"
#include <sched.h>
#include <signal.h>

enum { batch = 64, held_most = 4096, time_length = 4 };
/* A longer time from one batch to the next is a pause, of which the rest doesn't count; so is one in
 * which more than a batch has become due. */
static const uint64_t step_most_ns = 1000000;
static uint8_t held[held_most][datagram_most];
static struct iovec parts[held_most];
/* Datagrams of the flood; behind them up to `all` those that are sent once. */
static uint64_t count, all;
static char output[1 << 20];
static volatile sig_atomic_t ended;

static void end_flood(int number) {
  (void)number;
  ended = 1;
}

static void stay_on_processor(void) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET((size_t)sched_getcpu(), &one);
  if (sched_setaffinity(0, sizeof one, &one) != 0) die("Cannot stay on a processor");
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

/* How many of n datagrams of the flood the system took. */
static uint64_t send_flood(int fd, struct sockaddr_in *to, uint64_t n) {
  static struct mmsghdr messages[batch];
  static uint64_t next;
  for (uint64_t i = 0; i < n; i++)
    messages[i].msg_hdr = (struct msghdr){.msg_name = to, .msg_namelen = sizeof *to,
      .msg_iov = &parts[(next + i) % count], .msg_iovlen = 1};
  int took = n == 0 ? 0 : sendmmsg(fd, messages, (unsigned)n, 0);
  if (took <= 0) return 0;
  next += (uint64_t)took;
  return (uint64_t)took;
}

static uint64_t ms_of(const uint8_t *p) {
  return (uint64_t)p[0] << 24 | (uint64_t)p[1] << 16 | (uint64_t)p[2] << 8 | p[3];
}

/* How many datagrams of the flood are to be sent before a time. */
static uint64_t place_at(uint64_t ns, double rate) {
  return (uint64_t)((double)ns * rate / 1e9);
}

static void print_answers(int fd) {
  uint8_t answer[datagram_most];
  for (ssize_t n; (n = recv(fd, answer, sizeof answer, MSG_DONTWAIT)) >= 0;) {
    for (ssize_t i = 0; i < n; i++) printf("%02x", answer[i]);
    putchar('\n');
  }
}

int main(int argc, char **argv) {
  if (argc < 5 || argc > 7) return 2;
  struct sockaddr_in to = address_of(argv[1], argv[2]);
  double rate = atof(argv[3]), seconds = atof(argv[4]);
  int fd = open_socket(argc > 5 ? argv[5] : NULL), asker = argc > 6 ? open_socket(argv[6]) : -1;
  count = hold_datagrams(0);
  all = asker < 0 ? count : hold_datagrams(count);
  if (count == 0) return 2;
  setvbuf(stdout, output, _IOFBF, sizeof output);
  stay_on_processor();
  uint64_t start = now_ns(), last = start, now, clock = 0, sent = 0, once = count;
  uint64_t batch_ns = rate > 0 ? (uint64_t)(batch * 1e9 / rate) : step_most_ns;
  uint64_t step_most = batch_ns < step_most_ns ? batch_ns : step_most_ns;
  signal(SIGTERM, end_flood);
  while (!ended && (double)clock < seconds * 1e9) {
    now = now_ns();
    clock += now - last < step_most ? now - last : step_most;
    last = now;
    uint64_t due = rate > 0 ? place_at(clock, rate) + 1 : UINT64_MAX, took;
    uint64_t n = due <= sent ? 0 : due - sent < batch ? due - sent : batch;
    if (n > 0 && once < all && clock >= ms_of(held[once]) * 1000000) {
      uint64_t place = place_at(ms_of(held[once]) * 1000000, rate);
      uint64_t before = place <= sent ? 0 : place - sent < n ? place - sent : n;
      took = send_flood(fd, &to, before);
      sendto(asker, held[once] + time_length, parts[once].iov_len - time_length, 0,
             (struct sockaddr *)&to, sizeof to);
      took += send_flood(fd, &to, n - before);
      once++;
    } else {
      took = send_flood(fd, &to, n);
    }
    if (asker >= 0) print_answers(asker);
    if (took > 0) sent += took;
    else sleep_until(now + 200000);
  }
  printf("%llu %llu\n", (unsigned long long)sent, (unsigned long long)(now_ns() - start));
}
