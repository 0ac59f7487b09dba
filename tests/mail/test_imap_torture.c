/* SPDX-License-Identifier: ISC */
/* The same bytes in any pieces give the same answers; hostile bytes end politely. */
#include "tests/mail/imap_check.h"

#include <criterion/criterion.h>

static const char dialogue[] = "a1 LOGIN {5+}\r\nalice {6+}\r\nsecret\r\n"
			       "a2 AUTHENTICATE PLAIN =\r\n"
			       "a3 NOOP\r\na4 CAPABILITY\r\n"
			       "a5 LOGIN alice {5}\r\nwrongalice\r\n"
			       "a6 NOOP \"{3}\r\n"
			       "a7 ID (\"x\" {3}\r\n\"\\\" NIL NIL)\r\n"
			       "a8 LOGOUT\r\n";

Test(imap_torture, any_split_gives_the_same_answers)
{
	char *whole = imap_check_feed(dialogue, sizeof(dialogue) - 1, SIZE_MAX);
	cr_assert(strstr(whole, "\r\na1 NO [AUTH") && strstr(whole, "\r\na2 BAD ") &&
			strstr(whole, "\r\na8 OK "),
		"%s", whole);
	for (size_t piece = 1; piece < 24; piece++) {
		char *split = imap_check_feed(dialogue, sizeof(dialogue) - 1, piece);
		cr_expect_str_eq(split, whole, "in pieces of %zu", piece);
		free(split);
	}
	free(whole);
}

Test(imap_torture, every_place_to_stop)
{
	for (size_t n = 0; n < sizeof(dialogue); n += 3)
		free(imap_check_feed(dialogue, n, 7));
}

static void feed_repeated(
	const char *head, const char *unit, size_t times, const char *tail, const char *expected)
{
	struct buf b;
	buf_init(&b, NULL);
	buf_addz(&b, head);
	for (size_t i = 0; i < times; i++)
		buf_addz(&b, unit);
	buf_addz(&b, tail);
	char *answer = imap_check_feed(b.p, b.n, SIZE_MAX);
	cr_expect(strstr(answer, expected), "%.20s: %.200s", head, answer);
	free(answer);
	buf_free(&b);
}

Test(imap_torture, hostile_bytes)
{
	feed_repeated("a1 NOOP ", "x", 100000, "\r\na2 NOOP\r\n", "a1 BAD [TOOBIG]");
	feed_repeated("a1 NOOP ", "x", 100000, "\r\na2 NOOP\r\n", "\r\na2 OK");
	feed_repeated("a1 NOOP ", "(", 60000, "\r\na2 NOOP\r\n", "\r\na2 OK");
	feed_repeated("a1 ID (", "\"\" ", 1000, "\"\")\r\na2 NOOP\r\n", "a1 BAD");
	feed_repeated("", "\r\n", 100, "", "* BYE this does not look like IMAP");
	feed_repeated("", "\xff\xfe \r\n", 100, "", "* BYE");
	feed_repeated("GET / HTTP/1.1\r\n", "X-Y: z\r\n", 30, "\r\n", "* BYE");
	feed_repeated("a1 LOGIN {100000+}\r\n", "0123456789", 10000, " x\r\na2 NOOP\r\n",
		"a1 BAD [TOOBIG]");
	feed_repeated(
		"a1 LOGIN {100000+}\r\n", "0123456789", 10000, " x\r\na2 NOOP\r\n", "\r\na2 OK");
	feed_repeated("a1 APPEND INBOX {20+}\r\n", "01234567890123456789", 1, "\r\na2 NOOP\r\n",
		"a1 BAD log in first\r\na2 OK");
	feed_repeated("a1 LOGIN {99999999999999999999+}\r\n", "x", 10, "", "* BYE");
}

static void deliver_many(struct imap_check_env *e)
{
	for (int i = 0; i < 300; i++)
		imap_check_deliver(e, "INBOX", "Subject: x\r\n\r\nx\r\n");
}

#define SETUP \
	"1> s SELECT INBOX\n1< * FLAGS ~\n1< * OK ~\n1< * 300 EXISTS\n1< * 300 RECENT\n" \
	"1< * OK ~\n1< * OK ~\n1< * OK ~\n1< * OK ~\n1< * OK ~\n1< s OK ~\n"

/* More than one batch of FETCH; a set of seven thousand ranges; commands all at once. */
Test(imap_torture, many_messages_and_large_sets)
{
	struct buf b;
	buf_init(&b, NULL);
	buf_addz(&b, SETUP "1> a1 FETCH 1:* RFC822.TEXT\n");
	for (int i = 1; i <= 300; i++)
		buf_fmt(&b, "1< * %d FETCH (RFC822.TEXT {3}\n1< x\n1<  FLAGS (\\Seen \\Recent))\n",
			i);
	buf_addz(&b, "1< a1 OK ~\n1> a2 UID SEARCH UID 1");
	for (int i = 0; i < 7000; i++)
		buf_fmt(&b, ",%d:%d", 200 + i % 7, 202);
	buf_addz(&b, "\n1< * SEARCH 1 200 201 202 203 204 205 206\n1< a2 OK ~\n1| ");
	for (int i = 0; i < 200; i++)
		buf_fmt(&b, "b%d NOOP\\r\\n", i);
	buf_addz(&b, "\n");
	for (int i = 0; i < 200; i++)
		buf_fmt(&b, "1< b%d OK ~\n", i);
	buf_addz(&b,
		"1> c STORE 1:* +FLAGS.SILENT (\\Deleted)\n1< c OK ~\n"
		"1> c EXPUNGE\n");
	for (int i = 0; i < 300; i++)
		buf_addz(&b, "1< * 1 EXPUNGE\n");
	buf_addz(&b,
		"1< * 0 RECENT\n1< c OK ~\n"
		"1> d FETCH 1:* FLAGS\n1< d OK ~\n1> d FETCH 1 FLAGS\n1< d BAD ~\n"
		"1> d UID FETCH 1:* FLAGS\n1< d OK ~\n"
		"1> d SEARCH 1:*\n1< * SEARCH\n1< d OK ~\n");
	imap_check_in(deliver_many, b.p);
	buf_free(&b);
}
