/*
 * SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104) for the peers, with the keyed states computed
 * once, as the service has it. Only for messages whose length is known beforehand.
 */
#ifndef HMAC_SHA256_H
#define HMAC_SHA256_H
#include <stdint.h>
#include <string.h>

typedef struct { uint32_t h[8]; uint8_t block[64]; uint64_t length; } sha256;
/* States after the inner and the outer key block. */
typedef struct { sha256 inner, outer; } hmac_key;

static const uint32_t sha256_k[64] = {
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t rotr(uint32_t x, int n) { return x >> n | x << (32 - n); }

static inline void sha256_block(sha256 *s, const uint8_t *p) {
  uint32_t w[64], v[8];
  for (int i = 0; i < 16; i++)
    w[i] = (uint32_t)p[4 * i] << 24 | p[4 * i + 1] << 16 | p[4 * i + 2] << 8 | p[4 * i + 3];
  for (int i = 16; i < 64; i++) {
    uint32_t a = w[i - 15], b = w[i - 2];
    w[i] = w[i - 16] + (rotr(a, 7) ^ rotr(a, 18) ^ a >> 3) + w[i - 7] +
           (rotr(b, 17) ^ rotr(b, 19) ^ b >> 10);
  }
  memcpy(v, s->h, sizeof v);
  for (int i = 0; i < 64; i++) {
    uint32_t t1 = v[7] + (rotr(v[4], 6) ^ rotr(v[4], 11) ^ rotr(v[4], 25)) +
                  ((v[4] & v[5]) ^ (~v[4] & v[6])) + sha256_k[i] + w[i];
    uint32_t t2 = (rotr(v[0], 2) ^ rotr(v[0], 13) ^ rotr(v[0], 22)) +
                  ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
    v[7] = v[6], v[6] = v[5], v[5] = v[4], v[4] = v[3] + t1;
    v[3] = v[2], v[2] = v[1], v[1] = v[0], v[0] = t1 + t2;
  }
  for (int i = 0; i < 8; i++) s->h[i] += v[i];
}

static inline void sha256_init(sha256 *s) {
  static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  memcpy(s->h, start, sizeof start);
  s->length = 0;
}

static inline void sha256_update(sha256 *s, const uint8_t *p, size_t n) {
  for (; n > 0;) {
    size_t at = s->length % 64, part = n < 64 - at ? n : 64 - at;
    memcpy(s->block + at, p, part);
    s->length += part, p += part, n -= part;
    if (s->length % 64 == 0) sha256_block(s, s->block);
  }
}

static inline void sha256_final(sha256 *s, uint8_t out[32]) {
  uint64_t bits = s->length * 8;
  uint8_t end[72] = {0x80};
  size_t pad = 64 - (s->length + 8) % 64;
  for (int i = 0; i < 8; i++) end[pad + i] = (uint8_t)(bits >> (56 - 8 * i));
  sha256_update(s, end, pad + 8);
  for (int i = 0; i < 32; i++) out[i] = (uint8_t)(s->h[i / 4] >> (24 - 8 * (i % 4)));
}

/* A key of at most 64 bytes. */
static inline void hmac_init(hmac_key *k, const uint8_t *key, size_t n) {
  uint8_t inner[64], outer[64];
  memset(inner, 0x36, 64), memset(outer, 0x5c, 64);
  for (size_t i = 0; i < n; i++) inner[i] ^= key[i], outer[i] ^= key[i];
  sha256_init(&k->inner), sha256_update(&k->inner, inner, 64);
  sha256_init(&k->outer), sha256_update(&k->outer, outer, 64);
}

/* The first 16 bytes of the HMAC over two parts (the second may be empty). */
static inline void hmac_128(const hmac_key *k, const uint8_t *a, size_t na, const uint8_t *b, size_t nb,
                     uint8_t out[16]) {
  uint8_t digest[32];
  sha256 s = k->inner;
  sha256_update(&s, a, na), sha256_update(&s, b, nb), sha256_final(&s, digest);
  s = k->outer;
  sha256_update(&s, digest, 32), sha256_final(&s, digest);
  memcpy(out, digest, 16);
}
#endif
