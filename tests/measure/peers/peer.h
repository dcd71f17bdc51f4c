/* What the peers in C share: requests and acks as docs/protocol.md has them, keys, time. */
#ifndef PEER_H
#define PEER_H
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "hmac_sha256.h"

enum {
  header_length = 112, padding_length = 40, signature_length = 64, mac_length = 16,
  address_length = 18, addresses_most = 55, request_length = 232, ack_length = 232,
  datagram_most = 2048
};

typedef struct { hmac_key filter, ack; } peer_keys;

static inline void die(const char *what) {
  perror(what);
  exit(1);
}

static inline uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void sleep_until(uint64_t ns) {
  struct timespec t = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {}
}

/* Two lines of hex on the standard input: the derived filter key and ack key. */
static inline void read_keys(peer_keys *keys) {
  uint8_t bytes[64];
  for (int i = 0; i < 64; i++) {
    unsigned byte;
    if (scanf("%2x", &byte) != 1) die("Cannot read the keys");
    bytes[i] = (uint8_t)byte;
  }
  hmac_init(&keys->filter, bytes, 32);
  hmac_init(&keys->ack, bytes + 32, 32);
}

static inline struct sockaddr_in address_of(const char *host, const char *port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1) die(host);
  return address;
}

/* The service's checks up to the filter, in its order. */
static inline int is_request(const peer_keys *keys, const uint8_t *p, size_t n) {
  static const uint8_t start[6] = {'A', 'R', 'P', 'F', 2, 1};
  if (n < request_length) return 0;
  if (p[38] > addresses_most || n != (size_t)request_length + address_length * p[38]) return 0;
  if (memcmp(p, start, sizeof start) != 0 || p[6] > 2 || p[7] > 3 || p[7] == 2) return 0;
  if ((p[38] > 0) != (p[6] == 2 || p[7] == 3) || p[39] != 0) return 0;
  const uint8_t *padding = p + n - mac_length - signature_length - padding_length;
  for (int i = 0; i < padding_length; i++) if (padding[i] != 0) return 0;
  uint8_t mac[mac_length], difference = 0;
  hmac_128(&keys->filter, p, n - mac_length, NULL, 0, mac);
  for (int i = 0; i < mac_length; i++) difference |= mac[i] ^ p[n - mac_length + i];
  return difference == 0;
}

/* The ack "flushed" of a host to a request of n bytes, without reports; nobody has signed it. */
static inline void make_ack(const peer_keys *keys, const uint8_t *request, size_t n, const char *host,
                     uint8_t ack[ack_length]) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  uint64_t ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
  memset(ack, 0, ack_length);
  memcpy(ack, request, 5);
  ack[5] = 2, ack[6] = 2;
  memcpy(ack + 8, request + 8, 4);
  for (int i = 0; i < 8; i++) ack[12 + i] = (uint8_t)(ms >> (56 - 8 * i));
  memcpy(ack + 20, request + 20, 16);
  strncpy((char *)ack + 48, host, 63);
  hmac_128(&keys->ack, ack, ack_length - mac_length, request + n - mac_length, mac_length,
           ack + ack_length - mac_length);
}

/* The next datagram of a file of datagrams, each behind its length (2 bytes, big-endian). */
static inline size_t read_datagram(FILE *file, uint8_t bytes[datagram_most]) {
  int high = getc(file), low = getc(file);
  if (low == EOF) return 0;
  size_t n = (size_t)high << 8 | (size_t)low;
  if (n > datagram_most || fread(bytes, 1, n, file) != n) die("Cannot read the datagrams");
  return n;
}
#endif
