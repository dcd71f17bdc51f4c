/*
 * The service's receive path in C: checks each datagram as the service does up to the filter,
 * remembers ids, tells ask.c when a flush would start ("F") and acknowledges. It neither verifies nor
 * signs anything. For the ratio to a bare metal peer.
 *
 *   serve PORT WARMUP COUNT < keys
 *
 * With COUNT it ends after that many accepted datagrams behind the WARMUP ones, and prints the ns of
 * time and of processor time they took; 0: serves until it is ended.
 */
#include "peer.h"

enum { slots = 1 << 14 };
static uint8_t seen[slots][16];

/* Whether an id is new; remembers it. A colliding id replaces the older one: enough for a bench. */
static int is_new(const uint8_t *id) {
  uint32_t hash;
  memcpy(&hash, id, 4);
  uint8_t *slot = seen[(hash ^ hash >> 15) % slots];
  if (memcmp(slot, id, 16) == 0) return 0;
  memcpy(slot, id, 16);
  return 1;
}

static uint64_t cpu_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  unsigned long warmup = strtoul(argv[2], NULL, 10), count = strtoul(argv[3], NULL, 10), n = 0;
  peer_keys keys;
  read_keys(&keys);
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in own = address_of("127.0.0.1", argv[1]);
  if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof own) != 0) die("Cannot listen");
  puts("ready"), fflush(stdout);
  uint64_t start = 0, cpu_start = 0;
  for (;;) {
    uint8_t bytes[65536], ack[ack_length];
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    ssize_t got = recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &length);
    if (got < 0 || !is_request(&keys, bytes, (size_t)got)) continue;
    if (is_new(bytes + 20)) {
      sendto(fd, "F", 1, 0, (struct sockaddr *)&from, length);
      if (bytes[7] & 1) {
        make_ack(&keys, bytes, (size_t)got, "c", ack);
        sendto(fd, ack, sizeof ack, 0, (struct sockaddr *)&from, length);
      }
    }
    if (++n == warmup) start = now_ns(), cpu_start = cpu_ns();
    if (count > 0 && n == warmup + count) break;
  }
  printf("%llu %llu\n", (unsigned long long)(now_ns() - start),
         (unsigned long long)(cpu_ns() - cpu_start));
}
