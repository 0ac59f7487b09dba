/* SPDX-License-Identifier: ISC */
/* Text: encoded-words, transfer encodings, charsets, folding. */
#include "tests/mail/mime_check.h"

/* ---- encoded-words ---- */

static const struct {
	const char *value, *want;
} words[] = {
	{ "", "" },
	{ "plain", "plain" },
	{ " a\r\n\tb ", "a\tb" },
	{ "=?ISO-8859-1?Q?a?=", "a" },
	{ "=?ISO-8859-1?Q?a?= b", "a b" },
	{ "=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab" },
	{ "=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=", "ab" },
	{ "=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=", "ab" },
	{ "=?ISO-8859-1?Q?a_b?=", "a b" },
	{ "=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b" },
	{ "=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>" },
	{ "=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?=", "Keld J\xc3\xb8rn Simonsen" },
	{ "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n "
	  "=?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
		"If you can read this you understand the example." },
	{ "=?utf-8?b?w6k?= no padding", "\xc3\xa9 no padding" },
	{ "=?utf-8*en?q?x?=", "x" },
	{ "=?UTF-8?Q?=C3?= =?utf-8?B?qQ==?=", "\xc3\xa9" }, /* a character cut in two */
	{ "=?iso-8859-1?q?raw blanks inside?=", "raw blanks inside" },
	{ "a=?utf-8?q?b?=c", "abc" },
	{ "=?utf-8?x?b?=", "=?utf-8?x?b?=" },
	{ "=?utf-8?q?not closed", "=?utf-8?q?not closed" },
	{ "=?=?utf-8?q?b?=", "=?b" },
	{ "=?nonsense?q?=C3=A9=E9?=", "\xc3\xa9\xc3\xa9" },
	{ "=?koi8-r?B?8NLJ18XU?=", "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82" },
	{ "=?IBM866?Q?=8F=E0?=", "\xd0\x9f\xd1\x80" },
	{ "=?cp437?Q?caf=82?=", "caf\xc3\xa9" },
	{ "=?cp850?Q?caf=82?=", "caf\xc3\xa9" },
	{ "=?windows-874?Q?=A1?=", "\xe0\xb8\x81" },
	{ "=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "\xe6\x97\xa5\xe6\x9c\xac" },
	{ "=?gb2312?B?1tDOxA==?=", "\xe4\xb8\xad\xe6\x96\x87" },
	{ "=?utf-8?q?a=0D=0ABcc:_x=00?=", "a  Bcc: x " }, /* no line may be smuggled in */
	{ "\xc3\xa9 kept", "\xc3\xa9 kept" },
	{ "\xe9 is Latin-1", "\xc3\xa9 is Latin-1" },
	{ "\x80 is Windows-1252", "\xe2\x82\xac is Windows-1252" },
};

Test(mime_text, encoded_words)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		struct arena a;
		arena_init(&a, 1024 * 1024);
		struct str got = mime_decode_words(&a, str_of(words[i].value));
		cr_expect(got.p && str_eq(got, str_of(words[i].want)), "%s: got %.*s, want %s",
			words[i].value, STR_ARG(got), words[i].want);
		arena_free(&a);
	}
}

/* ---- bodies ---- */

static const struct body {
	const char *encoding, *charset;
	struct str in, want;
} bodies[] = {
	{ "7bit", "us-ascii", STR("a\r\nb"), STR("a\r\nb") },
	{ "", "", STR("\xc3\xa9\xe9"), STR("\xc3\xa9\xc3\xa9") },
	{ "8bit", "utf-8", STR("\xc3\xa9\xe9x\xe2\x82"),
		STR("\xc3\xa9\xef\xbf\xbdx\xef\xbf\xbd\xef\xbf\xbd") },
	{ "8bit", "utf-8", STR("\xed\xa0\x80"), STR("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd") },
	{ "8bit", "utf-8", STR("\xc0\xaf"), STR("\xef\xbf\xbd\xef\xbf\xbd") },
	{ "x-unknown", "x-unknown", STR("a=41\xe9"), STR("a=41\xc3\xa9") },
	{ "base64", "utf-8", STR("w6kg\r\n4o Ks"), STR("\xc3\xa9 \xe2\x82\xac") },
	{ "BASE64", "utf-8", STR("YQ==YmM=ZA"), STR("abcd") },
	{ "base64", "utf-8", STR("Y"), STR("") },
	{ "base64", "utf-8", STR("*-Y?W!J\xff j"), STR("abc") },
	{ "quoted-printable", "utf-8", STR("=C3=a9=e2=82=AC"), STR("\xc3\xa9\xe2\x82\xac") },
	{ "quoted-printable", "", STR("a=\r\nb=\nc= \t\r\nd="), STR("abcd") },
	{ "quoted-printable", "", STR("a \t\r\nb  \nc d  e\t\tf  "), STR("a\r\nb\nc d  e\t\tf") },
	{ "quoted-printable", "", STR("=4 =zz =\x01 ==41 =4=41 =4"),
		STR("=4 =zz =\x01 =A =4A =4") },
	{ "quoted-printable", "", STR("a\rb=\rc \rd\r\r\n"), STR("a\rb=\rc \rd\r\r\n") },
	{ "8bit", "iso-8859-1", STR("\xa3\x80"), STR("\xc2\xa3\xe2\x82\xac") },
	{ "8bit", "\tISO_8859-2 ", STR("\xb1"), STR("\xc4\x85") },
	{ "8bit", "iso-8859-16", STR("\xaa"), STR("\xc8\x98") },
	{ "8bit", "Windows-1251", STR("\xcf"), STR("\xd0\x9f") },
	{ "8bit", "macintosh", STR("caf\x8e \xdb\xff x"),
		STR("caf\xc3\xa9 \xe2\x82\xac\xcb\x87 x") },
	{ "8bit", "x-mac-roman", STR("\x80\xf0"), STR("\xc3\x84\xef\xa3\xbf") },
	{ "8bit", "KOI8-U", STR("\xa4"), STR("\xd1\x94") },
	{ "8bit", "utf-16", STR("\xff\xfe\x41\x00\x3d\xd8\x00\xde"), STR("A\xf0\x9f\x98\x80") },
	{ "8bit", "utf-16be", STR("\x00\x41\x20\xac"), STR("A\xe2\x82\xac") },
	{ "8bit", "utf-32le", STR("\xac\x20\x00\x00"), STR("\xe2\x82\xac") },
	{ "7bit", "ISO-2022-JP", STR("\x1b$BF|\x1b(Bx"), STR("\xe6\x97\xa5x") },
	{ "8bit", "Shift_JIS", STR("\x93\xfa\x41"), STR("\xe6\x97\xa5\x41") },
	{ "8bit", "EUC-JP", STR("\xc6\xfc"), STR("\xe6\x97\xa5") },
	{ "8bit", "ks_c_5601-1987", STR("\xc7\xd1"), STR("\xed\x95\x9c") },
	{ "8bit", "GB18030", STR("\x81\x30\x81\x30\xd6\xd0"), STR("\xc2\x80\xe4\xb8\xad") },
	{ "8bit", "gbk",
		STR("\x94\x39\xfc\x36"
		    "A"),
		STR("\xf0\x9f\x98\x80"
		    "A") },
	{ "8bit", "gb18030", STR("\xff\x80\x94\x39\xfcz\xd6\xd0\x94\x39"),
		STR("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
		    "9\xe9\xbc\x81\xe4\xb8\xad\xef\xbf\xbd"
		    "9") },
	{ "8bit", "Big5", STR("\xa4\xa4"), STR("\xe4\xb8\xad") },
	{ "8bit", "big5", STR("\xa4"), STR("\xef\xbf\xbd") },
	{ "8bit", "euc-kr", STR("\xff\x41"), STR("\xef\xbf\xbd\x41") },
};

static struct str decode(struct arena *a, const struct body *row, size_t step)
{
	struct mime_text t;
	struct buf out;
	buf_init(&out, a);
	buf_addz(&out, "");
	cr_assert_eq(mime_text_begin(&t, a, str_of(row->encoding), str_of(row->charset)), 0);
	for (size_t at = 0; at < row->in.n; at += step)
		mime_text_push(&t, str_sub(row->in, at, at + step), false, &out);
	mime_text_push(&t, STR(""), true, &out);
	cr_assert_eq(out.err, 0);
	return buf_str(&out);
}

Test(mime_text, bodies_in_any_split)
{
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		struct arena a;
		arena_init(&a, 4 * 1024 * 1024);
		for (size_t step = 1; step <= bodies[i].in.n + 1; step++) {
			struct str got = decode(&a, &bodies[i], step);
			cr_expect(str_eq(got, bodies[i].want), "%s %s row %zu step %zu: got %.*s",
				bodies[i].encoding, bodies[i].charset, i, step, STR_ARG(got));
		}
		arena_free(&a);
	}
}

Test(mime_text, binary)
{
	static const struct {
		const char *encoding;
		struct str in, want;
	} rows[] = {
		{ "base64", STR("AP+A6Q=="), STR("\0\xff\x80\xe9") },
		{ "quoted-printable", STR("=00=FF=E9"), STR("\0\xff\xe9") },
		{ "binary", STR("\0\xff"), STR("\0\xff") },
		{ "8BIT", STR("\xe9"), STR("\xe9") },
	};
	struct arena a;
	arena_init(&a, 1024 * 1024);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct mime_text t;
		struct buf out;
		buf_init(&out, &a);
		cr_assert_eq(mime_binary_begin(&t, &a, str_of(rows[i].encoding)), 0);
		mime_text_push(&t, rows[i].in, true, &out);
		cr_expect(str_eq(buf_str(&out), rows[i].want), "%s", rows[i].encoding);
	}
	struct mime_text t;
	cr_expect_eq(mime_binary_begin(&t, &a, STR("x-uuencode")), ERR_UNSUPPORTED);
	arena_free(&a);
}

Test(mime_text, no_memory)
{
	struct mime_text t;
	struct arena a;
	arena_init(&a, 64);
	cr_expect_eq(mime_text_begin(&t, &a, STR("base64"), STR("utf-8")), ERR_LIMIT);
	cr_expect_eq(mime_binary_begin(&t, &a, STR("base64")), ERR_LIMIT);
	mime_text_end(&t);
	arena_free(&a);
}

/* ---- folding ---- */

Test(mime_text, fold)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "", "" }, { "AZaz@[`{09", "azaz@[`{09" },
		{ "\xc3\x89T\xc3\x89", "\xc3\xa9t\xc3\xa9" },                       /* É */
		{ "\xc4\x80\xc4\x81\xc5\xb8", "\xc4\x81\xc4\x81\xc3\xbf" },         /* Ā ā Ÿ */
		{ "\xce\xa3\xcf\x82\xcf\x83", "\xcf\x83\xcf\x83\xcf\x83" },         /* Σ ς σ */
		{ "\xd0\x96\xd0\x81\xd1\xa0", "\xd0\xb6\xd1\x91\xd1\xa1" },         /* Ж Ё Ѡ */
		{ "\xd4\xb1", "\xd5\xa1" },                                         /* Armenian */
		{ "\xe1\x82\xa0", "\xe2\xb4\x80" },                                 /* Georgian */
		{ "\xe1\xba\x9e\xc3\x9f", "\xc3\x9f\xc3\x9f" },                     /* ẞ ß */
		{ "\xf0\x90\x90\x80", "\xf0\x90\x90\xa8" },                         /* Deseret */
		{ "\xe2\x84\xaa\xef\xbc\xa1", "k\xef\xbd\x81" },                    /* K Ａ */
		{ "\xe6\x97\xa5\xf0\x9f\x98\x80", "\xe6\x97\xa5\xf0\x9f\x98\x80" }, /* 日 */
		{ "A\xff\xc3", "a\xff\xc3" },                                       /* broken */
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out, twice;
		buf_init(&out, NULL);
		buf_init(&twice, NULL);
		mime_fold(&out, str_of(rows[i].in));
		cr_expect(str_eq(buf_str(&out), str_of(rows[i].want)), "%s: %.*s", rows[i].in,
			STR_ARG(buf_str(&out)));
		mime_fold(&twice, buf_str(&out));
		cr_expect(str_eq(buf_str(&out), buf_str(&twice)), "%s twice", rows[i].in);
		buf_free(&out);
		buf_free(&twice);
	}
}
