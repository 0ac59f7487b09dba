/* SPDX-License-Identifier: ISC */
/* The small texts of a mail branch and the names of its folders, without a store. */
#include "services/mail/mailbox_impl.h"

#include <criterion/criterion.h>

#define expect_text(got, want) \
	do { \
		struct str got_ = (got), want_ = (want); \
		cr_expect(str_eq(got_, want_), "got \"%.*s\", want \"%.*s\"", STR_ARG(got_), \
			STR_ARG(want_)); \
	} while (0)

Test(mailbox_layout, paths)
{
	static const struct {
		uint32_t lane, seq;
		const char *message, *leaf;
	} rows[] = {
		{ 0x1, 0x00abcdef, "00000001/15/3/6/3/3/6/00abcdef", "00000001/15/3/6/3/3/6" },
		{ 0xdeadbeef, 1, "deadbeef/0/0/0/0/0/0/00000001", "deadbeef/0/0/0/0/0/0" },
		{ 0x10, 0xffffffff, "00000010/1fff/7/7/7/7/7/ffffffff", "00000010/1fff/7/7/7/7/7" },
		{ 0x10, 0x00120000, "00000010/2/2/0/0/0/0/00120000", "00000010/2/2/0/0/0/0" },
	};
	struct buf b;
	buf_init(&b, NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t lane, seq;
		b.n = 0;
		mail_path_message(&b, rows[i].lane, rows[i].seq);
		expect_text(buf_str(&b), str_of(rows[i].message));
		cr_expect(mail_path_parse_message(&lane, &seq, buf_str(&b)));
		cr_expect(lane == rows[i].lane && seq == rows[i].seq);
		b.n = 0;
		mail_path_leaf(&b, rows[i].lane, rows[i].seq);
		expect_text(buf_str(&b), str_of(rows[i].leaf));
		cr_expect(mail_path_parse_leaf(&lane, &seq, buf_str(&b)));
		cr_expect(lane == rows[i].lane && seq == (rows[i].seq & ~15u));
	}
	buf_free(&b);
}

Test(mailbox_layout, foreign_paths)
{
	static const char *const rows[] = { "", "x", "00000001", "00000001/1/2/3/6/3",
		"00000001/1/2/3/6/3/3/6/7", "00000001/01/2/3/6/3/3/000abcde",
		"00000001/1/2/5/7/1/5/000abcdg", "00000001/1/2/5/7/1/6/000abcde",
		"0000001/1/2/5/7/1/5/000abcde", "00000001/1/2/5/7/1/5/abcde",
		"00000001/A/2/5/7/1/5/00528cde", "00000001/2000/2/5/7/1/5", "00000001/1/22/5/7/1/5",
		"00000001/1/2/5/8/1/5", "00000001/1/2/5/a/1/5", "00000001/1/2/5/7/1/5/",
		"00000001/a/b/c/d", "00000001/a/b/c/d/000abcde" };
	uint32_t lane, seq;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cr_expect(!mail_path_parse_message(&lane, &seq, str_of(rows[i])), "%s", rows[i]);
		cr_expect(!mail_path_parse_leaf(&lane, &seq, str_of(rows[i])), "%s", rows[i]);
	}
}

Test(mailbox_layout, leaf_text)
{
	static const char text[] = "000abcd0 1763700000 1763700001 - $Forwarded NonJunk\n"
				   "000abcd2 -5 0 DFRST\n"
				   "000abcdf 1 2 S\n";
	static struct mail_leaf leaf;
	struct buf b;
	buf_init(&b, NULL);
	mail_leaf_parse(&leaf, str_of(text));
	cr_assert_eq(leaf.n, 3);
	cr_expect_eq(leaf.line[1].flags, MAIL_FLAGS_ALL);
	cr_expect_eq(leaf.line[1].internal_sec, -5);
	expect_text(leaf.line[0].keywords, STR("$Forwarded NonJunk"));
	mail_leaf_format(&b, &leaf);
	expect_text(buf_str(&b), str_of(text));
	cr_expect_null(mail_leaf_find(&leaf, 0x000abcd1));
	struct mail_line *l = mail_leaf_add(&leaf, 0x000abcd1);
	cr_assert_eq(l, &leaf.line[1]);
	cr_expect_eq(leaf.line[2].seq, 0x000abcd2);
	mail_leaf_remove(&leaf, 0x000abcd0);
	mail_leaf_remove(&leaf, 0x000abcd0);
	cr_expect_eq(leaf.n, 3);
	buf_free(&b);
}

Test(mailbox_layout, leaf_of_others)
{
	static struct mail_leaf leaf;
	mail_leaf_parse(&leaf,
		STR("junk\n\n1 2 3 S\n00000001 x 2 S\n00000001 1 2 Q\n00000001 1 2 \n"
		    "00000001 99999999999999999999 2 S\n00000003 1 2 S\n00000002 1 2 F"));
	cr_assert_eq(leaf.n, 2);
	cr_expect(leaf.line[0].seq == 2 && leaf.line[1].seq == 3);
	static char many[64 * 20];
	size_t n = 0;
	for (int i = 0; i < 64; i++)
		n += (size_t)snprintf(many + n, sizeof(many) - n, "%08x 1 2 S\n", (unsigned)i);
	mail_leaf_parse(&leaf, str_n(many, n));
	cr_expect_eq(leaf.n, MAIL_LEAF_MAX);
}

Test(mailbox_layout, mailbox_file)
{
	static const char text[] =
		"id 0123456789abcdef\nname Sent items\nuse sent\nsubscribed yes\n"
		"created 1763700000\n";
	struct mail_file f;
	struct buf b;
	buf_init(&b, NULL);
	mail_file_parse(&f, str_of(text));
	cr_expect(
		f.exists && f.subscribed && f.use == MAIL_USE_SENT && f.created_sec == 1763700000);
	mail_file_format(&b, &f);
	expect_text(buf_str(&b), str_of(text));
	mail_file_parse(&f, STR("colour red\nid 0123\nuse nothing\nsubscribed"));
	cr_expect(!f.exists && !f.subscribed && f.use == MAIL_USE_NONE);
	buf_free(&b);
}

Test(mailbox_layout, lanes)
{
	static const struct {
		const char *before;
		uint32_t lane, seq;
		const char *after;
	} rows[] = {
		{ "", 2, 7, "00000002 00000007\n" },
		{ "00000002 00000007\n", 2, 8, "00000002 00000008\n" },
		{ "00000002 00000007\n", 2, 6, "00000002 00000007\n" },
		{ "00000002 00000007\n", 1, 1, "00000001 00000001\n00000002 00000007\n" },
		{ "00000002 00000007\nrubbish\n", 3, 1, "00000002 00000007\n00000003 00000001\n" },
	};
	struct buf b;
	buf_init(&b, NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		b.n = 0;
		mail_lanes_raise(&b, str_of(rows[i].before), rows[i].lane, rows[i].seq);
		expect_text(buf_str(&b), str_of(rows[i].after));
	}
	buf_free(&b);
}

Test(mailbox_layout, keywords)
{
	struct str kw[] = { STR("b"), STR("A") }, out;
	struct arena a;
	arena_init(&a, 65536);
	cr_expect_eq(mail_keywords_apply(&out, &a, STR("B c"), MAIL_FLAG_ADD, kw, 2), 0);
	expect_text(out, STR("A B c"));
	cr_expect_eq(mail_keywords_apply(&out, &a, out, MAIL_FLAG_DEL, kw, 1), 0);
	expect_text(out, STR("A c"));
	cr_expect_eq(mail_keywords_apply(&out, &a, out, MAIL_FLAG_SET, kw, 1), 0);
	expect_text(out, STR("b"));
	static const char *const bad[] = { "", "a b", "\\Seen", "a(", "a]", "\x80", "a\x01" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		cr_expect(!mail_keyword_valid(str_of(bad[i])), "%s", bad[i]);
	cr_expect(mail_keyword_valid(STR("$MDNSent")));
	arena_free(&a);
}

/* ---- names ---- */
Test(mailbox_name, folders)
{
	static const struct {
		const char *level, *folder;
	} rows[] = {
		{ "INBOX", "INBOX" }, { "Sent items", "Sent items" }, { ".git", "%2Egit" },
		{ ".m", "%2Em" }, { "..", "%2E%2E" }, { "...a", "%2E%2E%2Ea" }, { "a.b", "a.b" },
		{ "a.", "a%2E" }, { "a ", "a%20" }, { " a", " a" }, { "100%", "100%25" },
		{ "git~1", "git%7E1" }, { "a\\.git", "a%5C.git" },
		{ "a:b*c?\"<>|", "a%3Ab%2Ac%3F%22%3C%3E%7C" }, { "\x01\x7f", "%01%7F" },
		{ "Entw\xc3\xbcrfe", "Entw\xc3\xbcrfe" },
		{ "\xe2\x80\x8c.git", "\xe2\x80\x8c%2Egit" }, /* HFS+ ignores U+200C */
	};
	struct buf b, back;
	buf_init(&b, NULL);
	buf_init(&back, NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		b.n = back.n = 0;
		mail_name_escape(&b, str_of(rows[i].level));
		expect_text(buf_str(&b), str_of(rows[i].folder));
		mail_name_unescape(&back, buf_str(&b));
		expect_text(buf_str(&back), str_of(rows[i].level));
		b.n = back.n = 0;
		mail_name_escape_clash(&b, str_of(rows[i].level));
		mail_name_unescape(&back, buf_str(&b));
		expect_text(buf_str(&back), str_of(rows[i].level));
	}
	buf_free(&b);
	buf_free(&back);
}

Test(mailbox_name, normal)
{
	static const struct {
		const char *name;
		int err;
		const char *normal;
	} rows[] = {
		{ "inbox", 0, "INBOX" }, { "iNBoX/Work", 0, "INBOX/Work" },
		{ "inboxes", 0, "inboxes" }, { "a/Inbox", 0, "a/Inbox" }, { "a/b/", 0, "a/b" },
		{ "", ERR_BAD, NULL }, { "/", ERR_BAD, NULL }, { "/a", ERR_BAD, NULL },
		{ "a//b", ERR_BAD, NULL }, { "a\xff", ERR_BAD, NULL },
		{ "\xc0\xaf", ERR_BAD, NULL }, { "\xed\xa0\x80", ERR_BAD, NULL },
		{ "u\xcc\x88", 0, "\xc3\xbc" },             /* u + diaeresis */
		{ "a\xcc\xa3\xcc\x82", 0, "\xe1\xba\xad" }, /* a + dot below + circumflex */
		{ "q\xcc\x88", 0, "q\xcc\x88" },            /* no such character */
		{ "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", 0, "\xed\x95\x9c" }, /* Hangul */
		{ "\xe3\x81\x8b\xe3\x82\x99", 0, "\xe3\x81\x8c" },             /* kana */
	};
	struct arena a;
	arena_init(&a, 65536);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str out = STR_NONE;
		cr_expect_eq(mail_name_normal(&out, &a, str_of(rows[i].name)), rows[i].err, "%s",
			rows[i].name);
		if (rows[i].err == 0)
			expect_text(out, str_of(rows[i].normal));
	}
	static char big[1200];
	struct str out;
	memset(big, 'x', sizeof(big));
	cr_expect_eq(mail_name_normal(&out, &a, str_n(big, 255)), 0);
	cr_expect_eq(mail_name_normal(&out, &a, str_n(big, 256)), ERR_LIMIT);
	memset(big, '%', 100);
	cr_expect_eq(mail_name_normal(&out, &a, str_n(big, 100)), ERR_LIMIT);
	for (size_t i = 0; i < sizeof(big); i += 2)
		memcpy(big + i, "a/", 2);
	cr_expect_eq(mail_name_normal(&out, &a, str_n(big, 63)), 0);
	cr_expect_eq(mail_name_normal(&out, &a, str_n(big, 65)), ERR_LIMIT);
	cr_expect_eq(mail_name_normal(&out, &a, str_n(big, 1101)), ERR_LIMIT);
	arena_free(&a);
}

Test(mailbox_name, order)
{
	static const char *const rows[] = { "INBOX", "INBOX/z", "A", "A/b", "A/b/c", "A b", "A.b",
		"b" };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
			int c = mail_name_cmp(str_of(rows[i]), str_of(rows[k]));
			cr_expect(i < k         ? c < 0
					: i > k ? c > 0
						: c == 0,
				"%s %s", rows[i], rows[k]);
		}
}
