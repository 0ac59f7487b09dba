/* SPDX-License-Identifier: ISC */
#include "services/mail/imap_envelope.h"
#include "services/mail/imap_glob.h"
#include "services/mail/imap_items.h"
#include "services/mail/imap_query.h"
#include "services/mail/imap_seq.h"

#include <criterion/criterion.h>

static struct arena arena;

static struct imap_rd reader(const char *text)
{
	struct imap_rd rd;
	arena_free(&arena);
	arena_init(&arena, 1 << 20);
	imap_rd_init(&rd, str_of(text), &arena);
	return rd;
}

Test(imap_wire, where_a_command_ends)
{
	static const struct {
		const char *line;
		enum imap_step step;
		uint64_t literal;
		bool sync;
	} rows[] = {
		{ "a NOOP\r\n", IMAP_LINE, 0, false },
		{ "a NOOP\n", IMAP_LINE, 0, false },
		{ "\r\n", IMAP_LINE, 0, false },
		{ "a LOGIN {5}\r\n", IMAP_LITERAL, 5, true },
		{ "a LOGIN {5+}\r\n", IMAP_LITERAL, 5, false },
		{ "a LOGIN {5+}\n", IMAP_LITERAL, 5, false },
		{ "a LOGIN {}\r\n", IMAP_LINE, 0, false },
		{ "a LOGIN {5} \r\n", IMAP_LINE, 0, false },
		{ "a LOGIN {5-}\r\n", IMAP_LINE, 0, false },
		{ "a LOGIN {5++}\r\n", IMAP_LINE, 0, false },
		{ "a LOGIN {{5}\r\n", IMAP_LITERAL, 5, true },
		{ "a LOGIN {5}}\r\n", IMAP_LINE, 0, false },
		{ "a LOGIN \"{5}\r\n", IMAP_LINE, 0, false },
		{ "a LOGIN \"\\\"{5}\r\n", IMAP_LINE, 0, false },
		{ "a LOGIN \"x\\\\\" {5}\r\n", IMAP_LITERAL, 5, true },
		{ "a X {18446744073709551615}\r\n", IMAP_LITERAL, UINT64_MAX, true },
		{ "a X {99999999999999999999999999}\r\n", IMAP_LITERAL, UINT64_MAX, true },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t step = 1; step < 40; step += step < 3 ? 1 : 36) {
			struct imap_scan s;
			struct str rest = str_of(rows[i].line);
			enum imap_step got = IMAP_MORE;
			imap_scan_begin(&s);
			while (rest.n) {
				cr_assert_eq(got, IMAP_MORE);
				got = imap_scan(&s, str_sub(rest, 0, step));
				rest = str_sub(rest, step, rest.n);
			}
			cr_assert_eq(got, rows[i].step, "%s", rows[i].line);
			if (got == IMAP_LITERAL)
				cr_assert(s.literal == rows[i].literal && s.sync == rows[i].sync,
					"%s", rows[i].line);
		}
}

Test(imap_wire, strings)
{
	static const struct {
		const char *text, *value, *why;
	} rows[] = {
		{ "INBOX", "INBOX", NULL },
		{ "a]b", "a]b", NULL },
		{ "\"a b\"", "a b", NULL },
		{ "\"\"", "", NULL },
		{ "\"a\\\"\\\\b\"", "a\"\\b", NULL },
		{ "{3}\r\na\r\n\r\n", "a\r\n", NULL },
		{ "{3+}\r\nabc", "abc", NULL },
		{ "{0}\r\n\r\n", "", NULL },
		{ "{4}\r\nabc", NULL, "a literal is shorter than announced" },
		{ "{99999999999999999999}\r\nabc", NULL, "a number is too large" },
		{ "\"abc", NULL, "a quoted string is broken" },
		{ "\"abc\\", NULL, "a quoted string is broken" },
		{ "\"a\\bc\"", NULL, "a quoted string is broken" },
		{ "\"a\rb\"", NULL, "a quoted string is broken" },
		{ "", NULL, "expected a word or a string" },
		{ "(a)", NULL, "expected a word or a string" },
		{ "%", NULL, "expected a word or a string" },
		{ "a\\b", NULL, "there is something after the last argument" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct imap_rd rd = reader(rows[i].text);
		struct str s = imap_astring(&rd);
		imap_end(&rd);
		if (rows[i].why)
			cr_expect(rd.why && !strcmp(rd.why, rows[i].why), "%s: %s", rows[i].text,
				rd.why ? rd.why : "(taken)");
		else
			cr_expect(!rd.why && str_eq(s, str_of(rows[i].value)), "%s: %s",
				rows[i].text, rd.why ? rd.why : "other text");
	}
}

Test(imap_wire, dates)
{
	static const struct {
		const char *text;
		bool time, good;
		int64_t value;
	} rows[] = {
		{ "1-Feb-1994", false, true, 8797 },
		{ "\"01-FEB-1994\"", false, true, 8797 },
		{ "1-Jan-1970", false, true, 0 },
		{ "31-Dec-1969", false, true, -1 },
		{ "30-Feb-1994", false, false, 0 },
		{ "0-Feb-1994", false, false, 0 },
		{ "1-Foo-1994", false, false, 0 },
		{ "1-Feb-94", false, false, 0 },
		{ "1-Fe", false, false, 0 },
		{ "\" 1-Feb-1994 21:52:25 -0800\"", true, true, 760168345 },
		{ "\"01-Feb-1994 21:52:25 +0000\"", true, true, 760139545 },
		{ "\"17-Jul-1996 02:44:25 -0700\"", true, true, 837596665 },
		{ "\"17-Jul-1996 24:44:25 -0700\"", true, false, 0 },
		{ "\"17-Jul-1996 02:44:25 0700\"", true, false, 0 },
		{ "\"17-Jul-1996 02:44:25 -0760\"", true, false, 0 },
		{ "17-Jul-1996 02:44:25 -0700", true, false, 0 },
		{ "\"17-Jul-1996 02:44:25 -0700", true, false, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct imap_rd rd = reader(rows[i].text);
		int64_t v = rows[i].time ? imap_date_time(&rd) : imap_date(&rd);
		imap_end(&rd);
		cr_expect_eq(!rd.why, rows[i].good, "%s", rows[i].text);
		if (rows[i].good)
			cr_expect_eq(v, rows[i].value, "%s: %lld", rows[i].text, (long long)v);
	}
	char text[IMAP_DATE_TEXT];
	cr_expect_str_eq(imap_date_text(text, 837596665), "17-Jul-1996 09:44:25 +0000");
	cr_expect_str_eq(imap_date_text(text, 1), " 1-Jan-1970 00:00:01 +0000");
}

static void gather(void *ctx, struct str s)
{
	buf_add(ctx, s);
}

Test(imap_wire, sets)
{
	static const struct {
		const char *text;
		uint32_t last;
		const char *resolved; /* NULL: malformed */
	} rows[] = {
		{ "1", 10, "1" },
		{ "1,2,3", 10, "1:3" },
		{ "3:1", 10, "1:3" },
		{ "*", 10, "10" },
		{ "5:*", 10, "5:10" },
		{ "*:5", 10, "5:10" },
		{ "20:*", 10, "10:20" },
		{ "7,1:3,2:5,9", 10, "1:5,7,9" },
		{ "4294967295,4294967294", 10, "4294967294:4294967295" },
		{ "*,1:*,3", 0, "3" },
		{ "1:*", 0, "" },
		{ "0", 10, NULL },
		{ "1:", 10, NULL },
		{ ",1", 10, NULL },
		{ "1,,2", 10, NULL },
		{ "1:2:3", 10, NULL },
		{ "4294967296", 10, NULL },
		{ "a", 10, NULL },
		{ "", 10, NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct imap_rd rd = reader(rows[i].text);
		struct imap_set s;
		struct buf b;
		struct imap_set_text t = { .put = gather, .ctx = &b };
		imap_set_parse(&s, &rd);
		imap_end(&rd);
		cr_expect_eq(!rd.why, rows[i].resolved != NULL, "%s", rows[i].text);
		if (rd.why || !rows[i].resolved)
			continue;
		imap_set_resolve(&s, rows[i].last);
		buf_init(&b, &arena);
		for (size_t k = 0; k < s.n; k++) {
			uint32_t v = s.r[k].from;
			cr_expect(imap_set_has(&s, v) && imap_set_has(&s, s.r[k].to));
			for (; v < s.r[k].to; v++)
				imap_set_add(&t, v);
			imap_set_add(&t, v);
		}
		imap_set_flush(&t);
		cr_expect(str_eq(b.p ? buf_str(&b) : STR(""), str_of(rows[i].resolved)), "%s: %.*s",
			rows[i].text, STR_ARG(buf_str(&b)));
		cr_expect(!imap_set_has(&s, 0) && !imap_set_has(&s, 1000));
	}
}

Test(imap_wire, patterns)
{
	static const struct {
		const char *pattern, *name;
		bool match;
	} rows[] = {
		{ "*", "a/b/c", true },
		{ "%", "a", true },
		{ "%", "a/b", false },
		{ "%/%", "a/b", true },
		{ "a/%/c", "a/b/c", true },
		{ "a%c", "abbc", true },
		{ "a%c", "ab/c", false },
		{ "a*c", "ab/c", true },
		{ "*%a%b", "x/ya/zb", false },
		{ "*%a%b", "x/yazb", true },
		{ "*a%", "b/ca/ca", true },
		{ "%*", "a/b", true },
		{ "", "", true },
		{ "", "a", false },
		{ "a", "", false },
		{ "a*", "a", true },
		{ "inbox", "INBOX", true },
		{ "inbox/%", "INBOX/x", true },
		{ "inbox/X", "INBOX/x", false },
		{ "inboxes", "INBOXES", false },
		{ "A", "a", false },
		{ "*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_expect_eq(imap_glob(str_of(rows[i].pattern), str_of(rows[i].name)),
			rows[i].match, "%s %s", rows[i].pattern, rows[i].name);
}

Test(imap_wire, fetch_items)
{
	static const struct {
		const char *text, *labels; /* NULL: malformed */
		bool seen;
	} rows[] = {
		{ "FLAGS", "FLAGS", false },
		{ "(flags UID)", "FLAGSUID", false },
		{ "FULL", "", false },
		{ "(FULL)", NULL, false },
		{ "BODY[]", "BODY[]", true },
		{ "BODY.PEEK[]<0.10>", "BODY[]<0>", false },
		{ "body[header.fields (From \"x y\")]", "BODY[HEADER.FIELDS (From \"x y\")]",
			true },
		{ "BODY.PEEK[1.2.mime]", "BODY[1.2.MIME]", false },
		{ "(BODY[1] RFC822.TEXT RFC822)", "BODY[1]RFC822.TEXTRFC822", true },
		{ "RFC822.HEADER", "RFC822.HEADER", false },
		{ "BODY[MIME]", NULL, false },
		{ "BODY[1.]", NULL, false },
		{ "BODY[0]", NULL, false },
		{ "BODY[]<0>", NULL, false },
		{ "BODY[]<0.0>", NULL, false },
		{ "BODY[HEADER.FIELDS]", NULL, false },
		{ "BODY[HEADER.FIELDS ()]", NULL, false },
		{ "BODY[FROB]", NULL, false },
		{ "BODY[", NULL, false },
		{ "BODY.PEEK", NULL, false },
		{ "()", NULL, false },
		{ "(FLAGS", NULL, false },
		{ "FLAGS UID", NULL, false },
		{ "FROB", NULL, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct imap_rd rd = reader(rows[i].text);
		struct imap_items items;
		struct buf b;
		imap_items_parse(&items, &rd, false);
		imap_end(&rd);
		cr_expect_eq(!rd.why, rows[i].labels != NULL, "%s: %s", rows[i].text,
			rd.why ? rd.why : "taken");
		if (rd.why || !rows[i].labels)
			continue;
		buf_init(&b, &arena);
		for (size_t k = 0; k < items.n; k++)
			buf_add(&b, items.v[k].label);
		cr_expect(str_eq(b.p ? buf_str(&b) : STR(""), str_of(rows[i].labels)), "%s: %.*s",
			rows[i].text, STR_ARG(buf_str(&b)));
		cr_expect_eq(items.marks_seen, rows[i].seen, "%s", rows[i].text);
	}
}

Test(imap_wire, limits_of_items_and_queries)
{
	struct imap_rd rd;
	struct imap_items items;
	struct imap_query *q = malloc(sizeof(*q));
	struct buf b;
	buf_init(&b, NULL);
	buf_addc(&b, '(');
	for (int i = 0; i < 1000; i++)
		buf_addz(&b, "FLAGS ");
	buf_addz(&b, "FLAGS)");
	rd = reader(b.p);
	imap_items_parse(&items, &rd, false);
	cr_expect_str_eq(rd.why, "too many items");

	b.n = 0;
	for (int i = 0; i < 20000; i++)
		buf_addz(&b, " NOT");
	rd = reader(b.p);
	imap_query_parse(q, &rd);
	cr_expect_str_eq(rd.why, "the search is nested too deeply");
	b.n = 0;
	for (int i = 0; i < 5000; i++)
		buf_addz(&b, " SEEN");
	rd = reader(b.p);
	imap_query_parse(q, &rd);
	cr_expect_str_eq(rd.why, "the search has too many keys");
	buf_free(&b);
	free(q);
}

static void show(struct buf *out, const struct imap_key *k)
{
	static const char *const names[] = { "and", "or", "not", "seq", "uid", "flag", "keyword",
		"recent", "before", "on", "since", "savedbefore", "savedon", "savedsince", "modseq",
		"emailid", "none", "larger", "smaller", "younger", "older", "envelope",
		"sentbefore", "senton", "sentsince", "header", "body", "text" };
	buf_addz(out, names[k->op]);
	if (k->child)
		buf_addc(out, '(');
	for (const struct imap_key *c = k->child; c; c = c->next) {
		show(out, c);
		buf_addc(out, c->next ? ' ' : ')');
	}
}

Test(imap_wire, search_keys_stand_cheapest_first)
{
	static const struct {
		const char *text, *tree; /* NULL: malformed */
	} rows[] = {
		{ " ALL", "and(and)" },
		{ " BODY x SUBJECT y SEEN", "and(flag envelope body)" },
		{ " OR TEXT x UNSEEN 1:3", "and(seq or(not(flag) text))" },
		{ " NOT (NEW OLD)", "and(not(and(and(recent not(flag)) not(recent))))" },
		{ " UID 5:* LARGER 10 SINCE 1-Feb-1994", "and(uid larger since)" },
		{ " HEADER \"X-Y\" \"\" KEYWORD a UNKEYWORD b",
			"and(keyword not(keyword) header)" },
		{ " CHARSET utf-8 YOUNGER 5 OLDER 5", "and(younger older)" },
		{ " RETURN (MIN ALL) SENTON 1-Feb-1994", "and(senton)" },
		{ " MODSEQ 5 BODY x", "and(modseq body)" },
		{ " MODSEQ \"/flags/\\\\draft\" all 0", "and(modseq)" },
		{ " SAVEDON 1-Feb-1994 THREADID t EMAILID e SAVEDATESUPPORTED",
			"and(savedon none emailid and)" },
		{ " MODSEQ \"/flags/\\\\draft\" 5", NULL },
		{ " MODSEQ \"frob\" all 5", NULL },
		{ " MODSEQ x", NULL },
		{ " OR SEEN", NULL },
		{ " (SEEN", NULL },
		{ " ()", NULL },
		{ " FROB", NULL },
		{ " SEEN ", NULL },
		{ "", NULL },
		{ " RETURN (FROB) SEEN", NULL },
		{ " YOUNGER 0", NULL },
		{ " BEFORE 32-Feb-1994", NULL },
	};
	struct imap_query *q = malloc(sizeof(*q));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct imap_rd rd = reader(rows[i].text);
		struct buf b;
		imap_query_parse(q, &rd);
		cr_expect_eq(!rd.why, rows[i].tree != NULL, "%s: %s", rows[i].text,
			rd.why ? rd.why : "taken");
		if (rd.why || !rows[i].tree)
			continue;
		buf_init(&b, &arena);
		show(&b, q->root);
		cr_expect_str_eq(b.p, rows[i].tree);
	}
	free(q);
}

Test(imap_wire, envelopes)
{
	static const struct {
		const char *text;
		enum imap_envelope_field field;
		const char *read; /* NULL: NIL */
	} rows[] = {
		{ "(\"d\" \"=?utf-8?q?A=C3=84?= B\" NIL NIL NIL NIL NIL NIL NIL \"<m>\")",
			IMAP_ENVELOPE_SUBJECT, "a\303\244 b" },
		{ "(NIL NIL ((\"A\" NIL \"u\" \"H.x\")(NIL NIL \"v\" \"h\")) NIL NIL NIL NIL NIL "
		  "NIL NIL)",
			IMAP_ENVELOPE_FROM, "a <u@h.x>, <v@h>" },
		{ "(NIL {4}\r\nab\"c NIL NIL NIL NIL NIL NIL NIL NIL)", IMAP_ENVELOPE_SUBJECT,
			"ab\"c" },
		{ "(NIL \"a\\\"b\" NIL NIL NIL NIL NIL NIL NIL NIL)", IMAP_ENVELOPE_SUBJECT,
			"a\"b" },
		{ "(NIL NIL NIL NIL NIL ((NIL NIL \"Team\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL "
		  "NIL)) "
		  "NIL NIL NIL NIL)",
			IMAP_ENVELOPE_TO, "<team>, <a@b>, " },
		{ "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)", IMAP_ENVELOPE_CC, NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct imap_rd rd = reader(rows[i].text);
		struct imap_envelope e;
		struct buf b;
		imap_envelope_read(&e, &rd);
		cr_assert(!rd.why, "%s: %s", rows[i].text, rd.why);
		cr_expect_eq(e.field[rows[i].field].p != NULL, rows[i].read != NULL);
		if (!rows[i].read)
			continue;
		buf_init(&b, &arena);
		imap_envelope_text(&b, &arena, &e, rows[i].field);
		cr_expect_str_eq(b.p, rows[i].read);
	}
	struct imap_envelope e;
	struct imap_rd rd = reader("(NIL NIL NIL)");
	imap_envelope_read(&e, &rd);
	cr_expect(rd.why != NULL);
}
