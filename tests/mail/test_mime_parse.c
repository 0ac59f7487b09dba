/* SPDX-License-Identifier: ISC */
/* The structure of messages, well-formed and broken, as BODYSTRUCTURE tells it. */
#include "tests/mail/mime_check.h"

#define CAP ((size_t)64 * 1024 * 1024)

#define TEXT(octets, lines) \
	"(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" " #octets " " #lines ")"
#define MULTI "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"

/* BODY of each; the long form has tests of its own in test_mime_envelope.c. */
static const struct row {
	const char *what, *message, *body;
} rows[] = {
	{ "empty", "", TEXT(0, 0) },
	{ "empty header", "\r\nhi\r\n", TEXT(4, 1) },
	{ "no line end at the end", "A: b\r\n\r\nhi\r\nho", TEXT(6, 1) },
	{ "no empty line", "A: b\r\nC: d\r\n", TEXT(0, 0) },
	{ "bare line feeds", "A: b\n\nhi\nho\n", TEXT(6, 2) },
	{ "mixed line ends", "A: b\r\nC: d\n\r\nhi\nho\r\n", TEXT(7, 2) },
	{ "bare CR is no line end", "A: b\r\n\r\nhi\rho\r\n", TEXT(7, 1) },
	{ "CR before an empty line feed", "A: b\r\n\r\r\n\r\nx", TEXT(1, 0) },
	{ "white space is no empty line", "A: b\r\n  \r\nC: d\r\n\r\nhi", TEXT(2, 0) },
	{ "a header line without colon",
		"Subject: x\r\nnonsense\r\nContent-Type: text/html\r\n\r\n<p>",
		"(\"text\" \"html\" NIL NIL NIL \"7bit\" 3 0)" },
	{ "mbox line", "From me Sat Jan  1 00:00:00 2000\r\nContent-Type: text/html\r\n\r\n",
		"(\"text\" \"html\" NIL NIL NIL \"7bit\" 0 0)" },
	{ "first field wins", "Content-Type: a/b\r\nContent-Type: c/d\r\n\r\n",
		"(\"a\" \"b\" NIL NIL NIL \"7bit\" 0)" },
	{ "no slash in the type", "Content-Type: text\r\n\r\n", TEXT(0, 0) },
	{ "empty type", "Content-Type:\r\n\r\n", TEXT(0, 0) },
	{ "comments in the type",
		"Content-Type: (a (nested) one) text (x) / (y) html (z); (p) charset (q) = (r) "
		"utf-8 (s)\r\n\r\n",
		"(\"text\" \"html\" (\"charset\" \"utf-8\") NIL NIL \"7bit\" 0 0)" },
	{ "all fields",
		"Content-Type: image/png\r\nContent-ID: <a@b>\r\nContent-Description: a  "
		"\r\n picture\r\nContent-Transfer-Encoding: BASE64 (really)\r\n\r\nAAAA\r\n",
		"(\"image\" \"png\" NIL \"<a@b>\" \"a   picture\" \"BASE64\" 6)" },
	{ "8-bit in a field is a literal", "Content-Description: \xc3\xa9\r\n\r\n",
		"(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL {2}\r\n\xc3\xa9 \"7bit\" 0 "
		"0)" },
	{ "two parts", MULTI "pre\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n\r\n--b--\r\npost",
		"(" TEXT(3, 0) TEXT(5, 1) " \"mixed\")" },
	{ "two parts, bare line feeds",
		"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n\n--b--\n",
		"(" TEXT(3, 0) TEXT(4, 1) " \"mixed\")" },
	{ "no closing boundary", MULTI "--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n",
		"(" TEXT(3, 0) TEXT(5, 1) " \"mixed\")" },
	{ "closing boundary at the very end", MULTI "--b\r\n\r\none\r\n--b--",
		"(" TEXT(3, 0) " \"mixed\")" },
	{ "boundary with white space after it", MULTI "--b \t\r\n\r\none\r\n--b--  \r\n",
		"(" TEXT(3, 0) " \"mixed\")" },
	{ "a longer line is no boundary", MULTI "--b\r\n\r\none\r\n--bb\r\n--b-\r\n--b--",
		"(" TEXT(15, 2) " \"mixed\")" },
	{ "no boundary after the last", MULTI "--b\r\n\r\none\r\n--b--\r\n--b\r\n\r\nx\r\n",
		"(" TEXT(3, 0) " \"mixed\")" },
	{ "part without header", MULTI "--b\r\n\r\n--b--\r\n", "(" TEXT(0, 0) " \"mixed\")" },
	{ "part without anything", MULTI "--b\r\n--b\r\n--b--\r\n",
		"(" TEXT(0, 0) TEXT(0, 0) " \"mixed\")" },
	{ "boundary in a part's header",
		MULTI "--b\r\nContent-Type: text/html\r\n--b\r\n\r\nx\r\n--b--\r\n",
		"((\"text\" \"html\" NIL NIL NIL \"7bit\" 0 0)" TEXT(1, 0) " \"mixed\")" },
	{ "boundary in quotes with spaces",
		"Content-Type: multipart/mixed; boundary=\"a b: c \"\r\n\r\n--a b: c\r\n\r\nx\r\n"
		"--a b: c--\r\n",
		"(" TEXT(1, 0) " \"mixed\")" },
	{ "boundary folded",
		"Content-Type: multipart/mixed;\r\n\tboundary=\r\n\t\"b\"\r\n\r\n--b\r\n\r\nx",
		"(" TEXT(1, 0) " \"mixed\")" },
	{ "semicolon forgotten",
		"Content-Type: multipart/mixed boundary=b charset=x\r\n\r\n--b\r\n\r\nx",
		"(" TEXT(1, 0) " \"mixed\")" },
	{ "no boundary parameter", "Content-Type: multipart/mixed\r\n\r\nreadable\r\n",
		TEXT(10, 1) },
	{ "boundary never seen", MULTI "readable\r\n", TEXT(10, 1) },
	{ "closed at once: no part", MULTI "--b--\r\n",
		"((\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0) \"mixed\")" },
	{ "nested, one boundary the beginning of the other",
		MULTI "--b\r\nContent-Type: multipart/alternative; boundary=bb\r\n\r\n--bb\r\n\r\n"
		      "x\r\n--bb\r\n\r\ny\r\n--bb--\r\n--b\r\n\r\nz\r\n--b--\r\n",
		"((" TEXT(1, 0) TEXT(1, 0) " \"alternative\")" TEXT(1, 0) " \"mixed\")" },
	{ "nested, the outer is the longer",
		"Content-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\nContent-Type: "
		"multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--bb\r\n\r\nz\r\n--bb--\r\n",
		"((" TEXT(1, 0) " \"mixed\")" TEXT(1, 0) " \"mixed\")" },
	{ "inner not closed",
		MULTI "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n"
		      "--b\r\n\r\nz\r\n--b--\r\n",
		"((" TEXT(1, 0) " \"mixed\")" TEXT(1, 0) " \"mixed\")" },
	{ "digest",
		"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: "
		"s\r\n\r\nhi\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\nx\r\n--b--\r\n",
		"((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 18 (NIL \"s\" NIL NIL NIL NIL NIL "
		"NIL NIL NIL) " TEXT(4, 1) " 3)(\"text\" \"html\" NIL NIL NIL \"7bit\" 1 0) "
					   "\"digest\")" },
	{ "message in a message",
		"Content-Type: message/rfc822\r\n\r\nSubject: in\r\nFrom: a@b\r\n\r\nbody\r\n",
		"(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 32 (NIL \"in\" ((NIL NIL \"a\" "
		"\"b\")) ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL "
		"NIL) " TEXT(6, 1) " 4)" },
	{ "message without bytes", MULTI "--b\r\nContent-Type: message/rfc822\r\n\r\n--b--\r\n",
		"((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 0 (NIL NIL NIL NIL NIL NIL NIL NIL "
		"NIL NIL) " TEXT(0, 0) " 0) \"mixed\")" },
};

static struct str body_of(struct arena *a, const struct mime_part *root, bool extensible)
{
	struct buf out;
	buf_init(&out, a);
	mime_bodystructure(&out, root, a, extensible);
	cr_assert_eq(out.err, 0);
	return buf_str(&out);
}

Test(mime_parse, structure)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena a;
		arena_init(&a, CAP);
		const struct mime_part *root =
			parse_pieces(&a, str_of(rows[i].message), NULL, NULL);
		cr_assert_not_null(root, "%s", rows[i].what);
		struct str got = body_of(&a, root, false);
		cr_expect_str_eq(got.p, rows[i].body, "%s:\n got %.*s\nwant %s", rows[i].what,
			STR_ARG(got), rows[i].body);
		arena_free(&a);
	}
}

/* Messages for the tests on splits and offsets: all rows, and one with all that is difficult. */
static struct str big_message(struct arena *a)
{
	struct buf b;
	buf_init(&b, a);
	buf_addz(&b,
		"From: a@example.org\r\nContent-Type: multipart/mixed; boundary=\"out\"\r\n\r\n"
		"-\n--\r\n--ou\r\npreamble\r\n--out\r\n\r\nplain\r\r\n\r\n--out--out\r\n");
	for (int i = 0; i < 3; i++)
		buf_addz(&b,
			"--out \r\nContent-Type: message/rfc822\r\n\r\nSubject: =?x\r\n y\r\n"
			"Content-Type: multipart/alternative;\r\n boundary=out-in\r\n\r\n"
			"--out-in\n\nbare\n--out-in\r\nContent-Type: text/html;\r\n "
			"name*0*=utf-8''%e2;\r\n name*1*=%82%ac\r\n\r\n<p>\r\n\r\n--out-in--\r\n"
			"epilogue\r\n");
	for (int i = 0; i < 1200; i++)
		buf_addc(&b, ' ');
	buf_addz(&b, "\r\n--out-- \r\nend\r");
	return buf_str(&b);
}

static size_t one_byte(void *ctx)
{
	(void)ctx;
	return 1;
}

struct split_at {
	size_t at;
	bool second;
};
static size_t two_pieces(void *ctx)
{
	struct split_at *s = ctx;
	size_t n = s->second ? SIZE_MAX / 2 : s->at;
	s->second = true;
	return n;
}

static size_t random_piece(void *ctx)
{
	uint32_t *x = ctx;
	*x = *x * 1664525 + 1013904223;
	return 1 + (*x >> 24) % ((*x >> 12) % 40 + 1);
}

static struct str describe_with(struct arena *a, struct str text, size_t (*next)(void *), void *ctx)
{
	const struct mime_part *root = parse_pieces(a, text, next, ctx);
	struct buf out;
	buf_init(&out, a);
	cr_assert_not_null(root);
	describe(&out, a, root, 0);
	cr_assert_eq(out.err, 0);
	return buf_str(&out);
}

static void check_splits(struct str text)
{
	struct arena whole, split;
	arena_init(&whole, CAP);
	struct str want = describe_with(&whole, text, NULL, NULL);
	arena_init(&split, CAP);
	struct str got = describe_with(&split, text, one_byte, NULL);
	cr_assert(str_eq(got, want), "bytewise:\n%.*s\n%.*s", STR_ARG(got), STR_ARG(want));
	for (size_t at = 1; at < text.n; at++) {
		struct split_at s = { at, false };
		arena_free(&split);
		got = describe_with(&split, text, two_pieces, &s);
		cr_assert(
			str_eq(got, want), "at %zu:\n%.*s\n%.*s", at, STR_ARG(got), STR_ARG(want));
	}
	for (uint32_t seed = 0; seed < 50; seed++) {
		uint32_t x = seed;
		arena_free(&split);
		got = describe_with(&split, text, random_piece, &x);
		cr_assert(str_eq(got, want), "seed %u:\n%.*s\n%.*s", seed, STR_ARG(got),
			STR_ARG(want));
	}
	arena_free(&split);
	arena_free(&whole);
}

Test(mime_parse, any_split_gives_the_same_tree)
{
	struct arena a;
	arena_init(&a, CAP);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_splits(str_of(rows[i].message));
	check_splits(big_message(&a));
	arena_free(&a);
}

/* Offsets are what a partial FETCH reads by, so they must be exact to the byte. */
Test(mime_parse, offsets)
{
	struct arena a;
	arena_init(&a, CAP);
	struct str text =
		STR(MULTI "pre\r\n--b\r\nX: y\r\n\r\none\r\n--b\r\n"
			  "Content-Type: message/rfc822\r\n\r\nS: t\r\n\r\nin\r\n--b--\r\n");
	const struct mime_part *root = parse_pieces(&a, text, NULL, NULL);
	const struct mime_part *one = root->child, *two = one->next;
	struct {
		uint64_t from, to;
		const char *want;
	} slices[] = {
		{ root->header_at, root->body_at, MULTI },
		{ one->header_at, one->body_at, "X: y\r\n\r\n" },
		{ one->body_at, one->end_at, "one" },
		{ two->header_at, two->body_at, "Content-Type: message/rfc822\r\n\r\n" },
		{ two->body_at, two->end_at, "S: t\r\n\r\nin" },
		{ two->child->header_at, two->child->body_at, "S: t\r\n\r\n" },
		{ two->child->body_at, two->child->end_at, "in" },
	};
	for (size_t i = 0; i < ARRAY_LEN(slices); i++) {
		struct str got = str_sub(text, slices[i].from, slices[i].to);
		cr_expect(str_eq(got, str_of(slices[i].want)), "%zu: %.*s", i, STR_ARG(got));
	}
	cr_expect_eq(root->end_at, text.n);
	cr_expect_eq(root->header_lines, 3);
	cr_expect_eq(two->child->header_lines, 2);
	arena_free(&a);
}

/* RFC 3501 6.4.5: which part a section number names. */
Test(mime_parse, find)
{
	struct arena a;
	arena_init(&a, CAP);
	const struct mime_part *root = parse_pieces(&a,
		STR(MULTI "--b\r\n\r\none\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" MULTI
			  "--b\r\n\r\nlost\r\n"),
		NULL, NULL);
	/* The inner message has the outer's boundary: the innermost takes it. */
	const struct mime_part *message = root->child->next;
	cr_assert_eq(root->child_count, 2);
	cr_assert_eq(message->child->child_count, 1);
	const struct {
		uint32_t path[3];
		size_t n;
		const struct mime_part *want;
	} find[] = {
		{ { 0 }, 0, root },
		{ { 1 }, 1, root->child },
		{ { 2 }, 1, message },
		{ { 2, 1 }, 2, message->child->child },
		{ { 2, 2 }, 2, NULL },
		{ { 2, 1, 1 }, 3, NULL },
		{ { 3 }, 1, NULL },
		{ { 0 }, 1, NULL },
		{ { 1, 1 }, 2, NULL },
		{ { UINT32_MAX }, 1, NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(find); i++)
		cr_expect_eq(mime_find(root, find[i].path, find[i].n), find[i].want, "row %zu", i);

	const struct mime_part *text = parse_pieces(&a, STR("A: b\r\n\r\nx"), NULL, NULL);
	cr_expect_eq(mime_find(text, (uint32_t[]){ 1 }, 1), text);
	cr_expect_null(mime_find(text, (uint32_t[]){ 2 }, 1));
	cr_expect_null(mime_find(text, (uint32_t[]){ 1, 1 }, 2));

	const struct mime_part *nest = parse_pieces(
		&a, STR("Content-Type: message/rfc822\r\n\r\nA: b\r\n\r\nx"), NULL, NULL);
	cr_expect_eq(mime_find(nest, (uint32_t[]){ 1 }, 1), nest);
	cr_expect_eq(mime_find(nest, (uint32_t[]){ 1, 1 }, 2), nest->child);
	cr_expect_null(mime_find(nest, (uint32_t[]){ 1, 1, 1 }, 3));
	arena_free(&a);
}

/* ---- limits ---- */

static const struct mime_part *parse_buf(struct arena *a, const struct buf *b)
{
	cr_assert_eq(b->err, 0);
	return parse_pieces(a, buf_str(b), NULL, NULL);
}

Test(mime_parse, parts_limit)
{
	struct arena a;
	struct buf b;
	arena_init(&a, CAP);
	buf_init(&b, NULL);
	buf_addz(&b, MULTI);
	for (int i = 0; i < MIME_PARTS_MAX + 5; i++)
		buf_addz(&b, "--b\r\n\r\nx\r\n");
	buf_addz(&b, "--b--\r\n");
	const struct mime_part *root = parse_buf(&a, &b), *p = root->child;
	cr_assert_eq(root->child_count, MIME_PARTS_MAX - 1);
	while (p->next)
		p = p->next;
	/* The last holds all the rest, and nothing is lost. */
	cr_expect_eq(p->end_at, b.n);
	cr_expect_eq(p->end_at - p->body_at,
		strlen("x\r\n--b\r\n\r\nx\r\n") + 5 * strlen("--b\r\n\r\nx\r\n") +
			strlen("--b--\r\n"));
	arena_free(&a);
	buf_free(&b);
}

Test(mime_parse, depth_limit)
{
	static const char *const kinds[] = { "multipart/mixed; boundary=b%d", "message/rfc822" };
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		struct arena a;
		struct buf b;
		arena_init(&a, CAP);
		buf_init(&b, NULL);
		for (int i = 0; i < 1000; i++) {
			if (k == 0)
				buf_fmt(&b,
					"Content-Type: multipart/mixed; "
					"boundary=b%d\r\n\r\n--b%d\r\n",
					i, i);
			else
				buf_addz(&b, "Content-Type: message/rfc822\r\n\r\n");
		}
		const struct mime_part *p = parse_buf(&a, &b);
		struct str body = body_of(&a, p, true);
		cr_expect_gt(body.n, 0);
		int depth = 1;
		for (; p->child; p = p->child)
			depth++;
		cr_expect_eq(depth, MIME_DEPTH_MAX, "%s: %d", kinds[k], depth);
		cr_expect(str_eq(p->type, STR("text")));
		cr_expect_eq(p->end_at, b.n);
		arena_free(&a);
		buf_free(&b);
	}
}

Test(mime_parse, huge_header)
{
	struct arena a;
	struct buf b;
	arena_init(&a, 4 * 1024 * 1024);
	buf_init(&b, NULL);
	buf_addz(&b, "Content-Type: text/html\r\n");
	while (b.n < 3 * MIME_HEADER_MAX)
		buf_addz(&b, "X-Filler: 0123456789012345678901234567890123456789\r\n");
	buf_addz(&b, "Content-Description: not looked at\r\n\r\nbody");
	const struct mime_part *root = parse_buf(&a, &b);
	cr_assert_not_null(root);
	cr_expect(str_eq(root->subtype, STR("html")));
	cr_expect_null(root->description.p);
	cr_expect_eq(root->end_at - root->body_at, 4);
	cr_expect_eq(root->header.n, MIME_HEADER_MAX);
	arena_free(&a);
	buf_free(&b);
}

/* mime.h promises 8 MiB, whatever the message says; the structure still stands. */
Test(mime_parse, memory_is_bounded)
{
	static const char *const fills[] = { "a=b;", "a*0*=utf-8''%e9;", "a=\"0123456789abcdef\";",
		"\xff\xff\xff\xff" };
	for (size_t f = 0; f < ARRAY_LEN(fills); f++) {
		struct arena a;
		struct buf b;
		arena_init(&a, 8 * 1024 * 1024);
		buf_init(&b, NULL);
		buf_addz(&b, "Content-Type: multipart/mixed; boundary=b; title*0*=iso-8859-1''");
		while (b.n < MIME_HEADER_MAX - 64)
			buf_addz(&b, fills[f]);
		buf_addz(&b, "\r\n\r\n");
		for (int i = 0; i < MIME_PARTS_MAX - 1; i++) {
			buf_addz(&b, "--b\r\nContent-ID: x\r\nContent-Type: text/html; ");
			for (int k = 0; k < 150; k++)
				buf_addz(&b, fills[f]);
			buf_addz(&b, i % 2 ? "\r\n\r\nx\r\n" : "\r\nContent-MD5: x\r\n\r\nx\r\n");
		}
		const struct mime_part *root = parse_buf(&a, &b);
		cr_assert_not_null(root, "%s", fills[f]);
		cr_expect_eq(root->child_count, MIME_PARTS_MAX - 1);
		arena_free(&a);
		buf_free(&b);
	}
}

Test(mime_parse, arena_full_is_null)
{
	struct buf b;
	buf_init(&b, NULL);
	buf_addz(&b, MULTI);
	for (int i = 0; i < 1000; i++)
		buf_addz(&b, "--b\r\nContent-Type: text/html; name=\"a name\"\r\n\r\nx\r\n");
	for (size_t cap = 0; cap < 400 * 1024; cap += 3333) {
		struct arena a;
		arena_init(&a, cap);
		const struct mime_part *root = parse_buf(&a, &b);
		if (cap < 200 * 1024)
			cr_expect_null(root, "%zu", cap);
		arena_free(&a);
	}
	buf_free(&b);
}
