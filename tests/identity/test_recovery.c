/* SPDX-License-Identifier: ISC */
#include "identity/recovery.h"
#include "os/crypto.h"

#include <criterion/criterion.h>

static void start(void)
{
	cr_assert_eq(os_crypto_init(), 0);
}
TestSuite(recovery, .init = start);

Test(recovery, seals_and_opens)
{
	char code[ID_CODE_TEXT];
	struct id_seal_key key, again;
	struct id_code secret;
	struct buf text, sealed, plain;

	buf_init(&text, NULL);
	buf_init(&sealed, NULL);
	buf_init(&plain, NULL);
	id_recovery_make(code, &key);
	id_recovery_key_text(&text, &key);
	cr_assert_eq(id_recovery_key_parse(&again, buf_str(&text)), 0);
	cr_assert_eq(id_recovery_seal(&sealed, &again, STR("a\0secret")), 0);
	cr_expect_eq(str_find(buf_str(&sealed), STR("secret")), -1);
	cr_assert_eq(
		id_recovery_parse(&secret, str_of(code)), 0, "%s: %s", code, err_text(ERR_BAD));
	cr_assert_eq(id_recovery_open(&plain, &secret, buf_str(&sealed)), 0);
	cr_expect(str_eq(buf_str(&plain), STR("a\0secret")));
	cr_expect_lt(id_recovery_key_parse(&again, STR("zz")), 0);
	buf_free(&text);
	buf_free(&sealed);
	buf_free(&plain);
}

Test(recovery, refuses_what_is_not_its_own)
{
	char code[ID_CODE_TEXT], other[ID_CODE_TEXT];
	struct id_seal_key key, other_key;
	struct id_code secret, other_secret;
	struct buf sealed, plain;

	buf_init(&sealed, NULL);
	buf_init(&plain, NULL);
	id_recovery_make(code, &key);
	id_recovery_make(other, &other_key);
	cr_assert_str_neq(code, other);
	cr_assert_eq(id_recovery_parse(&secret, str_of(code)), 0);
	cr_assert_eq(id_recovery_parse(&other_secret, str_of(other)), 0);
	cr_assert_eq(id_recovery_seal(&sealed, &key, STR("secret")), 0);
	struct str s = buf_str(&sealed);
	cr_expect_eq(id_recovery_open(&plain, &other_secret, s), ERR_DENIED);
	for (size_t n = 0; n < s.n; n++)
		cr_expect_lt(id_recovery_open(&plain, &secret, str_sub(s, 0, n)), 0, "%zu", n);
	for (size_t i = 0; i < s.n; i++) {
		sealed.p[i] ^= 1;
		cr_expect_lt(id_recovery_open(&plain, &secret, s), 0, "%zu", i);
		sealed.p[i] ^= 1;
	}
	cr_expect_eq(plain.n, 0);
	cr_expect_eq(id_recovery_open(&plain, &secret, s), 0);
	buf_free(&sealed);
	buf_free(&plain);
}

/* Every single slip is found, in the group where it is. */
Test(recovery, finds_slips)
{
	static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
	char code[ID_CODE_TEXT], says[64];
	struct id_seal_key key;
	struct id_code secret;

	id_recovery_make(code, &key);
	for (size_t i = 0; i < ID_CODE_TEXT - 1; i++) {
		char was = code[i];
		if (was == '-')
			continue;
		snprintf(says, sizeof(says), "group %zu ", i / 6 + 1);
		for (const char *c = letters; *c; c++) {
			code[i] = *c;
			int err = id_recovery_parse(&secret, str_of(code));
			cr_expect_eq(err, *c == was ? 0 : ERR_BAD, "%s", code);
			if (err < 0)
				cr_expect(str_starts(str_of(err_text(err)), str_of(says)), "%s",
					err_text(err));
		}
		code[i] = was;
		if (i % 6 >= 4 || code[i + 1] == was)
			continue;
		code[i] = code[i + 1];
		code[i + 1] = was;
		cr_expect_eq(id_recovery_parse(&secret, str_of(code)), ERR_BAD, "%s", code);
		code[i + 1] = code[i];
		code[i] = was;
	}
	/* Two groups exchanged. */
	char swapped[ID_CODE_TEXT];
	memcpy(swapped, code, sizeof(code));
	memcpy(swapped, code + 6, 5);
	memcpy(swapped + 6, code, 5);
	if (memcmp(code, swapped, sizeof(code)) != 0)
		cr_expect_eq(id_recovery_parse(&secret, str_of(swapped)), ERR_BAD);
}

Test(recovery, reads_what_people_write)
{
	char code[ID_CODE_TEXT], text[128];
	struct id_seal_key key;
	struct id_code secret;
	size_t n = 0;

	id_recovery_make(code, &key);
	text[n++] = '\n';
	for (const char *c = code; *c; c++)
		if (*c != '-')
			text[n++] = *c >= 'a' && *c <= 'z' ? (char)(*c - 32) : *c;
	text[n++] = ' ';
	text[n++] = '\r';
	text[n++] = '\n';
	cr_expect_eq(id_recovery_parse(&secret, str_n(text, n)), 0, "%s", err_text(ERR_BAD));
	cr_expect(memcmp(&secret.key, &key, sizeof(key)) == 0);
	static const struct {
		const char *typed, *says;
	} rows[] = { { "", "ends after 0 of 35" }, { "abc-", "group 1 of the code has 3" },
		{ "aaaaa-bb1bb", "group 2: there is no \"1\" in a code; perhaps an \"i\"?" },
		{ "aaaaao", "group 2: there is no \"o\"" },
		{ "\xc3\xa4", "group 1 holds something" },
		{ "aaaaa-aaaaa-aaaaa-aaaaa-aaaaa-aaaaa-aaaaa-a", "too long" } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cr_expect_eq(id_recovery_parse(&secret, str_of(rows[i].typed)), ERR_BAD);
		cr_expect(str_find(str_of(err_text(ERR_BAD)), str_of(rows[i].says)) >= 0, "%s: %s",
			rows[i].typed, err_text(ERR_BAD));
	}
}
