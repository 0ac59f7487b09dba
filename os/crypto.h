/* SPDX-License-Identifier: ISC */
/* Random bytes, hashes, encodings. Behind it stands libsodium, for SHA-256 mbedTLS, which images have
 * for TLS; the generator is seeded by the platform. */
#ifndef OS_CRYPTO_H
#define OS_CRYPTO_H

#include "os/base.h"

MUST_CHECK int os_crypto_init(void); /* called by os_start; ERR_UNSUPPORTED without real entropy */
void os_random(void *p, size_t n);
void os_wipe(void *p, size_t n);
bool os_same(const void *a, const void *b, size_t n); /* constant time */

#define OS_SHA256_BYTES 32
#define OS_MAC_BYTES    32
void os_sha256(uint8_t out[static OS_SHA256_BYTES], struct str s);
void os_hmac_sha256(uint8_t out[static OS_SHA256_BYTES], struct str key, struct str s);
void os_mac(uint8_t out[static OS_MAC_BYTES], struct str key,
	struct str s); /* keyed BLAKE2b, key 16..64 bytes */

/* A quick checksum that nobody makes without the key: SipHash-2-4, key 16 bytes. */
uint64_t os_siphash(const uint8_t key[static 16], struct str s);

/* Encoders append to `b` (sticky error there). Decoders: ERR_BAD; whole input, padding required, no
 * spaces. */
void os_base64(struct buf *b, struct str s);
MUST_CHECK int os_unbase64(struct str *out, struct arena *a, struct str s);
void os_hex(struct buf *b, struct str s);
MUST_CHECK int os_unhex(uint8_t *out, size_t n, struct str s); /* exactly 2n digits */

#endif
