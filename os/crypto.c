/* SPDX-License-Identifier: ISC */
#include "os/crypto_impl.h"
#include "os/platform.h"

#include <mbedtls/md.h>
#include <mbedtls/sha256.h>
#include <sodium.h>

/*
 * Fast key erasure: ChaCha20 under a key makes the pool; its first 32 bytes are the next key and
 * every byte is wiped as it is handed out, so a later look at memory tells nothing of the past.
 * Fresh entropy is hashed into the key every RESEED_BYTES.
 */
#define RESEED_BYTES ((size_t)1 << 20)
static struct {
	uint8_t key[crypto_stream_chacha20_KEYBYTES];
	uint8_t pool[512];
	size_t left; /* unused bytes at the end of pool */
	size_t until_reseed;
} rng;

static int reseed(void)
{
	uint8_t fresh[64];
	int err = plat_entropy(fresh, sizeof(fresh));

	if (err < 0)
		return err;
	crypto_generichash(
		rng.key, sizeof(rng.key), fresh, sizeof(fresh), rng.key, sizeof(rng.key));
	sodium_memzero(fresh, sizeof(fresh));
	sodium_memzero(rng.pool, sizeof(rng.pool));
	rng.left = 0;
	rng.until_reseed = RESEED_BYTES;
	return 0;
}

void os_random_fork(void)
{
	if (reseed() < 0)
		os_panic("no entropy after a fork");
}

static void refill(void)
{
	static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];

	/* A source that fails later is no reason to stop: the key stays secret. */
	if (rng.until_reseed == 0 && reseed() < 0)
		rng.until_reseed = RESEED_BYTES;
	crypto_stream_chacha20(rng.pool, sizeof(rng.pool), nonce, rng.key);
	memcpy(rng.key, rng.pool, sizeof(rng.key));
	sodium_memzero(rng.pool, sizeof(rng.key));
	rng.left = sizeof(rng.pool) - sizeof(rng.key);
}

void os_random(void *p, size_t n)
{
	uint8_t *out = p;

	while (n > 0) {
		uint8_t *from;
		size_t m;

		if (rng.left == 0)
			refill();
		m = n < rng.left ? n : rng.left;
		from = rng.pool + sizeof(rng.pool) - rng.left;
		memcpy(out, from, m);
		sodium_memzero(from, m);
		rng.left -= m;
		rng.until_reseed -= m < rng.until_reseed ? m : rng.until_reseed;
		out += m;
		n -= m;
	}
}

static const char *sodium_name(void)
{
	return "os_random";
}

/* Made once, at start where there is one: later nothing can fail. */
static mbedtls_md_context_t hmac;
static int hmac_make(void)
{
	static bool made;

	if (!made) {
		mbedtls_md_init(&hmac);
		made = mbedtls_md_setup(&hmac, mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), 1) ==
			0;
	}
	return made ? 0 : err_set(ERR_NOMEM, "crypto: no memory");
}

static uint32_t sodium_word(void)
{
	uint32_t v;

	os_random(&v, sizeof(v));
	return v;
}

int os_crypto_init(void)
{
	static randombytes_implementation ours = {
		.implementation_name = sodium_name,
		.random = sodium_word,
		.buf = os_random,
	};
	static bool done;
	int err;

	if (done)
		return 0;
	err = reseed();
	if (err < 0)
		return err;
	randombytes_set_implementation(&ours);
	err = hmac_make();
	if (err < 0)
		return err;
	if (sodium_init() < 0)
		return err_set(ERR_UNSUPPORTED, "crypto: libsodium refuses to start");
	done = true;
	return 0;
}

void os_wipe(void *p, size_t n)
{
	sodium_memzero(p, n);
}

bool os_same(const void *a, const void *b, size_t n)
{
	return sodium_memcmp(a, b, n) == 0;
}

void os_sha256(uint8_t out[static OS_SHA256_BYTES], struct str s)
{
	os_assert(mbedtls_sha256((const uint8_t *)s.p, s.n, out, 0) == 0);
}

void os_hmac_sha256(uint8_t out[static OS_SHA256_BYTES], struct str key, struct str s)
{
	os_assert(hmac_make() == 0 &&
		mbedtls_md_hmac_starts(&hmac, (const uint8_t *)key.p, key.n) == 0 &&
		mbedtls_md_hmac_update(&hmac, (const uint8_t *)s.p, s.n) == 0 &&
		mbedtls_md_hmac_finish(&hmac, out) == 0 &&
		mbedtls_md_hmac_starts(&hmac, (const uint8_t *)"", 0) == 0 /* forgets the key */);
}

void os_mac(uint8_t out[static OS_MAC_BYTES], struct str key, struct str s)
{
	os_assert(key.n >= crypto_generichash_KEYBYTES_MIN &&
		key.n <= crypto_generichash_KEYBYTES_MAX);
	crypto_generichash(
		out, OS_MAC_BYTES, (const uint8_t *)s.p, s.n, (const uint8_t *)key.p, key.n);
}

uint64_t os_siphash(const uint8_t key[static 16], struct str s)
{
	uint64_t h;

	crypto_shorthash((uint8_t *)&h, (const uint8_t *)s.p, s.n, key);
	return h;
}

void os_base64(struct buf *b, struct str s)
{
	char room[65];

	for (size_t at = 0; at < s.n; at += 48) {
		struct str part = str_sub(s, at, at + 48);
		sodium_bin2base64(room, sizeof(room), (const uint8_t *)part.p, part.n,
			sodium_base64_VARIANT_ORIGINAL);
		buf_addz(b, room);
	}
	sodium_memzero(room, sizeof(room));
}

int os_unbase64(struct str *out, struct arena *a, struct str s)
{
	size_t cap = s.n / 4 * 3, n;
	char *p = arena_alloc(a, cap + 1);
	const char *end;

	if (!p)
		return err_set(ERR_LIMIT, "base64: %zu bytes are too many", s.n);
	if (sodium_base642bin((uint8_t *)p, cap, s.n ? s.p : "", s.n, NULL, &n, &end,
		    sodium_base64_VARIANT_ORIGINAL) != 0 ||
		(s.n && end != s.p + s.n))
		return err_set(ERR_BAD, "base64: malformed");
	p[n] = 0;
	*out = str_n(p, n);
	return 0;
}

void os_hex(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		buf_addc(b, "0123456789abcdef"[(uint8_t)s.p[i] >> 4]);
		buf_addc(b, "0123456789abcdef"[(uint8_t)s.p[i] & 15]);
	}
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int os_unhex(uint8_t *out, size_t n, struct str s)
{
	if (s.n / 2 != n || s.n % 2)
		return err_set(ERR_BAD, "hex: %zu digits, not %zu", s.n, 2 * n);
	for (size_t i = 0; i < n; i++) {
		int hi = digit(s.p[2 * i]), lo = digit(s.p[2 * i + 1]);
		if (hi < 0 || lo < 0)
			return err_set(ERR_BAD, "hex: not a digit");
		out[i] = (uint8_t)(hi << 4 | lo);
	}
	return 0;
}
