/* What the peers in C share: datagrams from a file, sockets, time. */
#ifndef PEER_H
#define PEER_H
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { request_length = 232, datagram_most = 2048 };

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

static inline struct sockaddr_in address_of(const char *host, const char *port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1) die(host);
  return address;
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
