/* SPDX-License-Identifier: ISC */
/* Addresses: RFC 5322's examples, its obsolete forms, and what senders write. */
#include "tests/mail/mime_check.h"

/* name|route|mailbox|host, "-" for NIL, one address a line. */
static const struct {
	const char *value, *want;
} rows[] = {
	{ "", "" },
	{ " \r\n ", "" },
	{ "a@b", "-|-|a|b\n" },
	{ "John Doe <jdoe@machine.example>", "John Doe|-|jdoe|machine.example\n" },
	{ "\"Joe Q. Public\" <john.q.public@example.com>",
		"Joe Q. Public|-|john.q.public|example.com\n" },
	{ "Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
		"Mary Smith|-|mary|x.test\n-|-|jdoe|example.org\nWho?|-|one|y.test\n" },
	{ "<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
		"-|-|boss|nil.test\nGiant; \"Big\" Box|-|sysservices|example.net\n" },
	{ "A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
		"-|-|A Group|-\nEd "
		"Jones|-|c|a.test\n-|-|joe|where.test\nJohn|-|jdoe|one.test\n-|-|-|-"
		"\n" },
	{ "Undisclosed recipients:;", "-|-|Undisclosed recipients|-\n-|-|-|-\n" },
	{ "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
		"Pete|-|pete|silly.test\n" },
	{ "A Group(Some people)\r\n :Chris Jones <c@(Chris's host.)public.example>,\r\n "
	  "joe@example.org,\r\n John <jdoe@one.test> (my dear friend); (the end of the group)",
		"-|-|A Group|-\nChris "
		"Jones|-|c|public.example\n-|-|joe|example.org\nJohn|-|jdoe|one.test\n-|-|-|-\n" },
	{ "(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;",
		"-|-|Hidden recipients|-\n-|-|-|-\n" },
	{ "Joe Q. Public <john.q.public@example.com>",
		"Joe Q. Public|-|john.q.public|example.com\n" },
	{ "Mary Smith <@node.test,@b.test:mary@example.net>, , jdoe@test  . example",
		"Mary Smith|@node.test,@b.test|mary|example.net\n-|-|jdoe|test.example\n" },
	{ "joe . doe @ x . y", "-|-|joe.doe|x.y\n" },
	{ "\"john doe\"@x", "-|-|john doe|x\n" },
	{ "\"\"@x", "-|-||x\n" },
	{ "user@[192.0.2.1]", "-|-|user|[192.0.2.1]\n" },
	{ "user@host (Full Name)", "Full Name|-|user|host\n" },
	{ "=?utf-8?q?Doe,_Jane?= <j@x>", "=?utf-8?q?Doe,_Jane?=|-|j|x\n" },
	{ "=?utf-8?q?a?=@x,=?utf-8?q?b?= <b@x>", "-|-|=?utf-8?q?a?=|x\n=?utf-8?q?b?=|-|b|x\n" },
	{ "me@example.org <me@example.org>", "me@example.org|-|me|example.org\n" },
	{ "Nick <nick> <n@x>", "Nick|-|n|x\n" },
	{ "<<a@b>>", "-|-|a|b\n" },
	{ "a@b, c@d;e@f", "-|-|a|b\n-|-|c|d\n-|-|e|f\n" },
	{ "A <a@x> B <b@y>", "A|-|a|x\nB|-|b|y\n" },
	{ "A <a@x> trailing words, b@y", "A|-|a|x\n-|-|b|y\n" },
	{ "A <a@x, B <b@y>", "A|-|a|x\nB|-|b|y\n" },
	{ "root", "-|-|root|\n" },
	{ "John Doe john@x", "John Doe|-|john|x\n" },
	{ "Name <>", "Name|-||\n" },
	{ "<>", "" },
	{ ",,;:<>@()[]", "-|-||[]\n" },
	{ "\xc3\xa9t\xc3\xa9 <\xc3\xa9@\xc3\xa9.test>",
		"\xc3\xa9t\xc3\xa9|-|\xc3\xa9|\xc3\xa9.test\n" },
	{ "\"unclosed <a@b>", "-|-|unclosed <a@b>|\n" },
	{ "a@b (unclosed", "unclosed|-|a|b\n" },
	{ "G: a@b", "-|-|G|-\n-|-|a|b\n-|-|-|-\n" },
	{ "G: a@b; c@d", "-|-|G|-\n-|-|a|b\n-|-|-|-\n-|-|c|d\n" },
};

static void put(struct buf *out, struct str s)
{
	if (s.p)
		buf_add(out, s);
	else
		buf_addc(out, '-');
}

Test(mime_addr, lists)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena a;
		struct buf out;
		arena_init(&a, 1024 * 1024);
		buf_init(&out, &a);
		buf_addz(&out, "");
		for (struct mime_addr *m = mime_addrs(&a, str_of(rows[i].value)); m; m = m->next) {
			put(&out, m->name);
			buf_addc(&out, '|');
			put(&out, m->route);
			buf_addc(&out, '|');
			put(&out, m->mailbox);
			buf_addc(&out, '|');
			put(&out, m->host);
			buf_addc(&out, '\n');
		}
		cr_expect_str_eq(out.p, rows[i].want, "%s\n got %s\nwant %s", rows[i].value, out.p,
			rows[i].want);
		arena_free(&a);
	}
}

/* Input made to be slow to read: each of these took minutes in a reader that looks ahead freely. */
Test(mime_addr, hostile_lists_take_no_time, .timeout = 10)
{
	static const char *const pieces[] = { "=?a,", "=?a?q?", "(", "\"\\", "<@a,", "<",
		"a:", "a b ", "@", "[", "a@b,", "=?", "a.", " . ", "(()" };
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		struct arena a;
		struct buf b;
		arena_init(&a, 16 * 1024 * 1024);
		buf_init(&b, NULL);
		while (b.n < MIME_HEADER_MAX)
			buf_addz(&b, pieces[i]);
		size_t count = 0;
		for (struct mime_addr *m = mime_addrs(&a, buf_str(&b)); m; m = m->next)
			count++;
		cr_expect_leq(count, 10001, "%s", pieces[i]);
		arena_free(&a);
		buf_free(&b);
	}
}
