/* SPDX-License-Identifier: ISC */
/* Modified UTF-7 (RFC 3501 5.1.3): both ways, and one form only. */
#include "services/mail/utf7.h"

#include <criterion/criterion.h>

static const struct {
	const char *wire, *utf8;
} pairs[] = {
	{ "", "" },
	{ "INBOX", "INBOX" },
	{ "~peter/mail/&U,BTFw-/&ZeVnLIqe-",
		"~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e" },
	{ "Entw&APw-rfe", "Entw\xc3\xbcrfe" },
	{ "&-", "&" },
	{ "a&-b&-", "a&b&" },
	{ "&-&AOk-&-", "&\xc3\xa9&" },
	{ "&AOk--", "\xc3\xa9-" },
	{ "&AOkA6Q-", "\xc3\xa9\xc3\xa9" },
	{ "&AOkA6QDp-", "\xc3\xa9\xc3\xa9\xc3\xa9" },
	{ "&2D3eAA-", "\xf0\x9f\x98\x80" },
	{ "&,,8-", "\xef\xbf\xbf" },
	{ "&2,,f,w-", "\xf4\x8f\xbf\xbf" },
	{ "&AIA-", "\xc2\x80" },
	{ " ~+\"\\", " ~+\"\\" },
};

Test(utf7, both_ways)
{
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct arena a;
		struct str got = STR_NONE;
		arena_init(&a, 4096);
		cr_expect_eq(mail_utf7_decode(&got, &a, str_of(pairs[i].wire)), 0);
		cr_expect(str_eq(got, str_of(pairs[i].utf8)), "%s: %.*s", pairs[i].wire,
			STR_ARG(got));
		cr_expect_eq(mail_utf7_encode(&got, &a, str_of(pairs[i].utf8)), 0);
		cr_expect(str_eq(got, str_of(pairs[i].wire)), "%s: %.*s", pairs[i].wire,
			STR_ARG(got));
		arena_free(&a);
	}
}

Test(utf7, refused)
{
	static const char *const wires[] = {
		"&",          /* not closed */
		"a&AOk",      /* not closed */
		"\xc3\xa9",   /* 8-bit */
		"a\tb",       /* control */
		"a\x7f",      /* control */
		"&AOk=-",     /* padding */
		"&AO/k-",     /* "/" is "," here */
		"&AO k-",     /* no digit */
		"&AOl-",      /* bits left over are not zero */
		"&A-",        /* less than a character */
		"&AOkA-",     /* a digit too many */
		"&AGE-",      /* "a" needs no base64 */
		"&AOkAYQ-",   /* the same at the end */
		"&ACY-",      /* nor does "&" */
		"&AAo-",      /* control */
		"&AAA-",      /* NUL */
		"&AH8-",      /* DEL */
		"&2D0-",      /* half a pair */
		"&3gDYPQ-",   /* low half first */
		"&2D0AOQ-",   /* high half before something else */
		"&AOk-&AOk-", /* would have been one */
	};
	static const struct str names[] = { STR("\xff"), STR("\xc3"), STR("\xed\xa0\x80"),
		STR("a\0"), STR("\n"), STR("\x7f") };
	for (size_t i = 0; i < ARRAY_LEN(wires); i++) {
		struct arena a;
		struct str got;
		arena_init(&a, 4096);
		cr_expect_eq(mail_utf7_decode(&got, &a, str_of(wires[i])), ERR_BAD, "%s", wires[i]);
		arena_free(&a);
	}
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct arena a;
		struct str got;
		arena_init(&a, 4096);
		cr_expect_eq(mail_utf7_encode(&got, &a, names[i]), ERR_BAD, "%zu", i);
		arena_free(&a);
	}
}
