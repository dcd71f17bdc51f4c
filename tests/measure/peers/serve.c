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
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include "peer.h"

enum {
  padding_length = 40, signature_length = 64, mac_length = 16, address_length = 18,
  addresses_most = 55, ack_length = 232, slots = 1 << 14
};

/* HMAC-SHA-256 with the key of 32 bytes on a line of hex of the standard input. */
static EVP_MAC_CTX *read_key(void) {
  uint8_t key[32];
  for (size_t i = 0; i < sizeof key; i++) {
    unsigned byte;
    if (scanf("%2x", &byte) != 1) die("Cannot read the keys");
    key[i] = (uint8_t)byte;
  }
  OSSL_PARAM options[] = {
    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
    OSSL_PARAM_construct_end()};
  EVP_MAC_CTX *mac = EVP_MAC_CTX_new(EVP_MAC_fetch(NULL, "HMAC", NULL));
  if (mac == NULL || !EVP_MAC_init(mac, key, sizeof key, options)) die("Cannot use the keys");
  return mac;
}

/* The first 16 bytes of the HMAC over two parts (the second may be empty), by the same key again. */
static void hmac_128(EVP_MAC_CTX *mac, const uint8_t *a, size_t na, const uint8_t *b, size_t nb,
                     uint8_t out[mac_length]) {
  uint8_t digest[32];
  size_t length;
  EVP_MAC_init(mac, NULL, 0, NULL);
  EVP_MAC_update(mac, a, na);
  EVP_MAC_update(mac, b, nb);
  EVP_MAC_final(mac, digest, &length, sizeof digest);
  memcpy(out, digest, mac_length);
}

/* The service's checks up to the filter, in its order. */
static int is_request(EVP_MAC_CTX *filter, const uint8_t *p, size_t n) {
  static const uint8_t start[6] = {'A', 'R', 'P', 'F', 2, 1};
  if (n < request_length) return 0;
  if (p[38] > addresses_most || n != (size_t)request_length + address_length * p[38]) return 0;
  if (memcmp(p, start, sizeof start) != 0 || p[6] > 2 || p[7] > 3 || p[7] == 2) return 0;
  if ((p[38] > 0) != (p[6] == 2 || p[7] == 3) || p[39] != 0) return 0;
  const uint8_t *padding = p + n - mac_length - signature_length - padding_length;
  for (int i = 0; i < padding_length; i++) if (padding[i] != 0) return 0;
  uint8_t mac[mac_length], difference = 0;
  hmac_128(filter, p, n - mac_length, NULL, 0, mac);
  for (int i = 0; i < mac_length; i++) difference |= mac[i] ^ p[n - mac_length + i];
  return difference == 0;
}

/* The ack "flushed" of a host to a request of n bytes, without reports; nobody has signed it. */
static void make_ack(EVP_MAC_CTX *key, const uint8_t *request, size_t n, const char *host,
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
  hmac_128(key, ack, ack_length - mac_length, request + n - mac_length, mac_length,
           ack + ack_length - mac_length);
}

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
  EVP_MAC_CTX *filter = read_key(), *ack_key = read_key();
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
    if (got < 0 || !is_request(filter, bytes, (size_t)got)) continue;
    if (is_new(bytes + 20)) {
      sendto(fd, "F", 1, 0, (struct sockaddr *)&from, length);
      if (bytes[7] & 1) {
        make_ack(ack_key, bytes, (size_t)got, "c", ack);
        sendto(fd, ack, sizeof ack, 0, (struct sockaddr *)&from, length);
      }
    }
    if (++n == warmup) start = now_ns(), cpu_start = cpu_ns();
    if (count > 0 && n == warmup + count) break;
  }
  printf("%llu %llu\n", (unsigned long long)(now_ns() - start),
         (unsigned long long)(cpu_ns() - cpu_start));
}
