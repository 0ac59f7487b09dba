/* SPDX-License-Identifier: ISC */
/* AES-GCM as mbedTLS gets it: from libsodium for 256-bit keys, or its own (mbedtls_gcm_plain_*). */
#include "os/crypto.h"

#include <criterion/criterion.h>
#include <mbedtls/error.h>
#include <mbedtls/gcm.h>
#include <sodium.h>

#define MOST 16400

static mbedtls_gcm_context ctx;
static mbedtls_gcm_plain_context plain;
static uint8_t key[32], iv[12], ad[100], text[MOST], ours[MOST], theirs[MOST];

static void setup(void)
{
	cr_assert_eq(os_crypto_init(), 0);
	mbedtls_gcm_init(&ctx);
	mbedtls_gcm_plain_init(&plain);
	for (size_t i = 0; i < MOST; i++)
		text[i] = (uint8_t)(i * 31 + i / 251);
	memcpy(key, text + 7, sizeof(key));
	memcpy(iv, text + 99, sizeof(iv));
	memcpy(ad, text + 300, sizeof(ad));
}
static void teardown(void)
{
	mbedtls_gcm_free(&ctx);
	mbedtls_gcm_plain_free(&plain);
}
TestSuite(gcm, .init = setup, .fini = teardown);

static size_t unhex(uint8_t *out, const char *hex)
{
	size_t n = strlen(hex) / 2;

	cr_assert_eq(os_unhex(out, n, str_of(hex)), 0);
	return n;
}

#define P60 \
	"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e24" \
	"49a6b525b16aedf5aa0de657ba637b39"
#define K128 "feffe9928665731c6d6a8f9467308308"
#define A20  "feedfacedeadbeeffeedfacedeadbeefabaddad2"

/* McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B: the test cases numbered. */
Test(gcm, known_answers)
{
	static const struct {
		int number;
		const char *key, *iv, *p, *a, *c, *tag;
	} rows[] = {
		{ 2, "00000000000000000000000000000000", "000000000000000000000000",
			"00000000000000000000000000000000", "", "0388dace60b6a392f328c2b971b2fe78",
			"ab6e47d42cec13bdf53a67b21257bddf" },
		{ 4, K128, "cafebabefacedbaddecaf888", P60, A20,
			"42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
			"21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
			"5bc94fbc3221a5db94fae95ae7121a47" },
		{ 13, "0000000000000000000000000000000000000000000000000000000000000000",
			"000000000000000000000000", "", "", "",
			"530f8afbc74536b9a963b4f1c4cb738b" },
		{ 14, "0000000000000000000000000000000000000000000000000000000000000000",
			"000000000000000000000000", "00000000000000000000000000000000", "",
			"cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919" },
		{ 16, K128 K128, "cafebabefacedbaddecaf888", P60, A20,
			"522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
			"8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
			"76fc6ece0f4e1768cddf8853bb2d551b" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t want[64], want_tag[16], tag[16];
		unsigned bits = (unsigned)unhex(key, rows[i].key) * 8;
		size_t n = unhex(text, rows[i].p), ad_n = unhex(ad, rows[i].a);

		unhex(iv, rows[i].iv);
		unhex(want, rows[i].c);
		unhex(want_tag, rows[i].tag);
		cr_assert_eq(mbedtls_gcm_setkey(&ctx, MBEDTLS_CIPHER_ID_AES, key, bits), 0);
		cr_expect_eq(mbedtls_gcm_crypt_and_tag(&ctx, MBEDTLS_GCM_ENCRYPT, n, iv, 12, ad,
				     ad_n, text, ours, 16, tag),
			0);
		cr_expect_arr_eq(ours, want, n, "case %d", rows[i].number);
		cr_expect_arr_eq(tag, want_tag, 16, "case %d", rows[i].number);
		cr_expect_eq(mbedtls_gcm_auth_decrypt(
				     &ctx, n, iv, 12, ad, ad_n, want_tag, 16, want, ours),
			0);
		cr_expect_arr_eq(ours, text, n, "case %d", rows[i].number);
	}
}

static void both_keys(void)
{
	cr_assert_eq(mbedtls_gcm_setkey(&ctx, MBEDTLS_CIPHER_ID_AES, key, 256), 0);
	cr_assert_eq(mbedtls_gcm_plain_setkey(&plain, MBEDTLS_CIPHER_ID_AES, key, 256), 0);
}

/* One length by both implementations; ours also in place, and with its output `back` bytes before. */
static void agree(size_t n, size_t ad_n)
{
	uint8_t tag[16], other[16];

	cr_assert_eq(mbedtls_gcm_plain_crypt_and_tag(&plain, MBEDTLS_GCM_ENCRYPT, n, iv, 12, ad,
			     ad_n, text, theirs, 16, other),
		0);
	for (size_t back = 0; back <= 16; back += 8) {
		memcpy(ours + back, text, n);
		cr_assert_eq(mbedtls_gcm_crypt_and_tag(&ctx, MBEDTLS_GCM_ENCRYPT, n, iv, 12, ad,
				     ad_n, ours + back, ours, 16, tag),
			0);
		cr_assert(memcmp(ours, theirs, n) == 0, "%zu bytes, %zu back", n, back);
		cr_assert(memcmp(tag, other, 16) == 0, "%zu bytes, %zu back", n, back);
		memmove(ours + back, theirs, n);
		cr_assert_eq(mbedtls_gcm_auth_decrypt(
				     &ctx, n, iv, 12, ad, ad_n, tag, 16, ours + back, ours),
			0);
		cr_assert(memcmp(ours, text, n) == 0, "%zu bytes, %zu back", n, back);
	}
}

Test(gcm, agrees_with_the_other_implementation)
{
	both_keys();
	for (size_t n = 0; n < 300; n++)
		agree(n, n % 70);
	for (size_t n = 16384 - 2; n <= 16384; n++)
		agree(n, 13);
	agree(1000, 5);
}

/* Catches: a tag not looked at; and whatever was decrypted under a wrong one must not stay there. */
Test(gcm, tampering_is_noticed)
{
	static const size_t lengths[] = { 1, 16, 127, 128, 1000 };
	uint8_t tag[16];

	both_keys();
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		size_t n = lengths[i];
		uint8_t *const where[] = { theirs, theirs + n - 1, tag, tag + 15, ad, ad + 12, iv,
			iv + 11 };

		cr_assert_eq(mbedtls_gcm_crypt_and_tag(&ctx, MBEDTLS_GCM_ENCRYPT, n, iv, 12, ad, 13,
				     text, theirs, 16, tag),
			0);
		for (size_t k = 0; k < ARRAY_LEN(where); k++) {
			*where[k] ^= 0x80;
			memset(ours, 0xee, n);
			cr_expect_eq(mbedtls_gcm_auth_decrypt(
					     &ctx, n, iv, 12, ad, 13, tag, 16, theirs, ours),
				MBEDTLS_ERR_GCM_AUTH_FAILED, "%zu bytes, place %zu", n, k);
			cr_expect(ours[0] == 0 && ours[n - 1] == 0);
			*where[k] ^= 0x80;
		}
	}
}

/* A context is what its last key makes it, and a fast one refuses what it cannot do. */
Test(gcm, keys_change)
{
	uint8_t tag[16], other[16];
	size_t put;

	both_keys();
	if (crypto_aead_aes256gcm_is_available()) {
		cr_expect_lt(mbedtls_gcm_starts(&ctx, MBEDTLS_GCM_ENCRYPT, iv, 12), 0);
		cr_expect_lt(mbedtls_gcm_update_ad(&ctx, ad, 1), 0);
		cr_expect_lt(mbedtls_gcm_update(&ctx, text, 16, ours, 16, &put), 0);
		cr_expect_lt(mbedtls_gcm_finish(&ctx, NULL, 0, &put, tag, 16), 0);
		cr_expect_lt(mbedtls_gcm_crypt_and_tag(&ctx, MBEDTLS_GCM_DECRYPT, 16, iv, 12, ad, 0,
				     text, ours, 16, tag),
			0);
		cr_expect_lt(mbedtls_gcm_auth_decrypt(&ctx, 16, iv, 12, ad, 0, tag, 12, text, ours),
			0, "a short tag");
		cr_expect_lt(mbedtls_gcm_auth_decrypt(&ctx, 16, iv, 8, ad, 0, tag, 16, text, ours),
			0, "a short nonce");
	}
	cr_assert_eq(mbedtls_gcm_setkey(&ctx, MBEDTLS_CIPHER_ID_AES, key, 128), 0);
	cr_assert_eq(mbedtls_gcm_plain_setkey(&plain, MBEDTLS_CIPHER_ID_AES, key, 128), 0);
	agree(100, 13);
	cr_assert_eq(mbedtls_gcm_starts(&ctx, MBEDTLS_GCM_ENCRYPT, iv, 12), 0);
	cr_assert_eq(mbedtls_gcm_update_ad(&ctx, ad, 13), 0);
	cr_assert_eq(mbedtls_gcm_update(&ctx, text, 100, ours, MOST, &put), 0);
	cr_assert_eq(mbedtls_gcm_finish(&ctx, NULL, 0, &put, tag, 16), 0);
	cr_assert_eq(mbedtls_gcm_plain_crypt_and_tag(&plain, MBEDTLS_GCM_ENCRYPT, 100, iv, 12, ad,
			     13, text, theirs, 16, other),
		0);
	cr_expect(memcmp(tag, other, 16) == 0 && memcmp(ours, theirs, 100) == 0);
	both_keys();
	agree(100, 13);
	cr_expect_lt(mbedtls_gcm_setkey(&ctx, MBEDTLS_CIPHER_ID_AES, key, 255), 0);
}
