/* SPDX-License-Identifier: ISC */
#include "os/crypto.h"

#include <criterion/criterion.h>
#include <sys/wait.h>
#include <unistd.h>

static struct arena a;

static void setup(void)
{
	arena_init(&a, 65536);
	cr_assert_eq(os_crypto_init(), 0);
}
static void teardown(void)
{
	arena_free(&a);
}
TestSuite(crypto, .init = setup, .fini = teardown);

static struct str hex(const void *p, size_t n)
{
	struct buf b;

	buf_init(&b, &a);
	os_hex(&b, str_n(p, n));
	return buf_str(&b);
}

Test(crypto, known_answers)
{
	uint8_t out[32];
	uint8_t key[64];

	os_sha256(out, STR("abc")); /* FIPS 180-2, B.1 */
	cr_expect(str_eq(hex(out, 32),
		STR("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")));
	os_hmac_sha256(out, STR("Jefe"), STR("what do ya want for nothing?")); /* RFC 4231, 4.3 */
	cr_expect(str_eq(hex(out, 32),
		STR("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")));
	for (int i = 0; i < 64; i++)
		key[i] = (uint8_t)i;
	os_mac(out, str_n(key, 64), str_n(key, 3));
	/* python3: hashlib.blake2b(bytes([0,1,2]), key=bytes(range(64)), digest_size=32) */
	cr_expect(str_eq(hex(out, 32),
			  STR("3e57c5ab79418defd6e252719a380096d9abf1901db38e0be7d404eb7206c0dc")),
		"%.*s", STR_ARG(hex(out, 32)));
}

Test(crypto, base64)
{
	static const struct {
		struct str plain, coded;
	} rows[] = {
		{ STR(""), STR("") },
		{ STR("f"), STR("Zg==") },
		{ STR("fo"), STR("Zm8=") },
		{ STR("foo"), STR("Zm9v") },
		{ STR("\0alice\0pw\xff"), STR("AGFsaWNlAHB3/w==") },
	};
	static const struct str bad[] = { STR("Zg="), STR("Zg"), STR("Zg== "), STR("Z g=="),
		STR("Zh=="), STR("Zg==Zg=="), STR("Zm9v\n"), STR("-_8="), STR("="), STR("Z") };
	struct str out;
	static char big[1000];
	struct buf b;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_init(&b, &a);
		os_base64(&b, rows[i].plain);
		cr_expect(str_eq(buf_str(&b), rows[i].coded), "row %zu", i);
		cr_expect_eq(os_unbase64(&out, &a, rows[i].coded), 0, "row %zu", i);
		cr_expect(str_eq(out, rows[i].plain), "row %zu", i);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		cr_expect_eq(os_unbase64(&out, &a, bad[i]), ERR_BAD, "bad row %zu", i);
	for (size_t n = 900; n < 1000; n++) {
		os_random(big, n);
		buf_init(&b, &a);
		os_base64(&b, str_n(big, n));
		cr_expect_eq(b.n, (n + 2) / 3 * 4);
		cr_assert_eq(os_unbase64(&out, &a, buf_str(&b)), 0);
		cr_expect(str_eq(out, str_n(big, n)));
		arena_reset(&a);
	}
}

Test(crypto, hex)
{
	uint8_t out[2];

	cr_expect_eq(os_unhex(out, 2, STR("00fF")), 0);
	cr_expect(out[0] == 0 && out[1] == 255);
	cr_expect_eq(os_unhex(out, 2, STR("00f")), ERR_BAD);
	cr_expect_eq(os_unhex(out, 2, STR("00fff")), ERR_BAD);
	cr_expect_eq(os_unhex(out, 2, STR("00fg")), ERR_BAD);
}

static int order(const void *x, const void *y)
{
	return memcmp(x, y, 16);
}

/* Catches a generator that repeats: within a stream, after a reseed, or in a forked child. */
Test(crypto, random_does_not_repeat)
{
	static uint8_t seen[40000][16];
	uint8_t mine[16], childs[16];
	size_t ones = 0;
	int p[2];

	for (size_t i = 0; i < 40000; i++) {
		os_random(seen[i], 16);
		for (int j = 0; j < 16; j++)
			ones += (size_t)__builtin_popcount(seen[i][j]);
		os_random(childs, i % 16);
	}
	qsort(seen, 40000, 16, order);
	for (size_t i = 1; i < 40000; i++)
		cr_assert(memcmp(seen[i - 1], seen[i], 16) != 0);
	cr_expect(ones > 40000 * 64 - 16000 && ones < 40000 * 64 + 16000, "%zu ones", ones);
	cr_assert_eq(pipe(p), 0);
	if (fork() == 0) {
		os_random(childs, 16);
		_exit(write(p[1], childs, 16) != 16);
	}
	os_random(mine, 16);
	cr_assert_eq(read(p[0], childs, 16), 16);
	wait(NULL);
	cr_expect(memcmp(mine, childs, 16) != 0);
}
