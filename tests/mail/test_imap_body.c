/* SPDX-License-Identifier: ISC */
/* FETCH of parts of a message with everything nested. Numbers as in RFC 3501 6.4.5. */
#include "tests/mail/imap_check.h"

#include <criterion/criterion.h>

static void deliver(struct imap_check_env *e)
{
	imap_check_deliver(e, "INBOX",
		"Subject: outer\r\nFrom: a@example.org\r\nMIME-Version: 1.0\r\n"
		"Content-Type: multipart/mixed; boundary=xx\r\n\r\n"
		"--xx\r\n\r\nfirst\r\n"
		"--xx\r\nContent-Type: message/rfc822\r\n\r\n"
		"Subject: inner\r\nX: y\r\nContent-Type: multipart/alternative; boundary=yy\r\n\r\n"
		"--yy\r\nContent-Type: text/html\r\n\r\n<b>\r\n"
		"--yy\r\nContent-Type: text/plain\r\n\r\nplain\r\n--yy--\r\n"
		"--xx--\r\n");
	imap_check_deliver(e, "INBOX", "Subject: simple\r\n\r\nbody\r\n");
}

#define SETUP \
	"1> s SELECT INBOX\n1< * FLAGS ~\n1< * OK ~\n1< * 2 EXISTS\n1< * 2 RECENT\n1< * OK ~\n" \
	"1< * OK ~\n1< * OK ~\n1< * OK ~\n1< * OK ~\n1< s OK ~\n"

static const struct {
	const char *message, *item, *label, *text; /* NULL: NIL */
} rows[] = {
	{ "1", "BODY.PEEK[1]", "BODY[1]", "first" },
	{ "1", "BODY.PEEK[1.MIME]", "BODY[1.MIME]", "\n" },
	{ "1", "BODY.PEEK[2.MIME]", "BODY[2.MIME]", "Content-Type: message/rfc822\n\n" },
	{ "1", "BODY.PEEK[2.HEADER.FIELDS (X)]", "BODY[2.HEADER.FIELDS (X)]", "X: y\n\n" },
	{ "1", "BODY.PEEK[2.HEADER.FIELDS.NOT (X CONTENT-TYPE)]",
		"BODY[2.HEADER.FIELDS.NOT (X CONTENT-TYPE)]", "Subject: inner\n\n" },
	{ "1", "BODY.PEEK[2.HEADER]", "BODY[2.HEADER]",
		"Subject: inner\nX: y\nContent-Type: multipart/alternative; boundary=yy\n\n" },
	{ "1", "BODY.PEEK[2.1]", "BODY[2.1]", "<b>" },
	{ "1", "BODY.PEEK[2.2]", "BODY[2.2]", "plain" },
	{ "1", "BODY.PEEK[2.2]<1.3>", "BODY[2.2]<1>", "lai" },
	{ "1", "BODY.PEEK[2.2]<3.99>", "BODY[2.2]<3>", "in" },
	{ "1", "BODY.PEEK[2.2]<5.1>", "BODY[2.2]<5>", "" },
	{ "1", "BODY.PEEK[2.2]<4294967295.4294967295>", "BODY[2.2]<4294967295>", "" },
	{ "1", "BODY.PEEK[2.2.MIME]", "BODY[2.2.MIME]", "Content-Type: text/plain\n\n" },
	{ "1", "BODY.PEEK[3]", "BODY[3]", NULL },
	{ "1", "BODY.PEEK[1.HEADER]", "BODY[1.HEADER]", NULL },
	{ "1", "BODY.PEEK[HEADER.FIELDS (SUBJECT)]", "BODY[HEADER.FIELDS (SUBJECT)]",
		"Subject: outer\n\n" },
	{ "1", "BODY.PEEK[HEADER.FIELDS (none)]", "BODY[HEADER.FIELDS (none)]", "\n" },
	{ "2", "BODY.PEEK[1]", "BODY[1]", "body\n" },
	{ "2", "BODY.PEEK[TEXT]", "BODY[TEXT]", "body\n" },
	{ "2", "BODY.PEEK[HEADER]<0.7>", "BODY[HEADER]<0>", "Subject" },
	{ "2", "BODY.PEEK[1.1]", "BODY[1.1]", NULL },
};

Test(imap_body, sections)
{
	struct buf b;
	buf_init(&b, NULL);
	buf_addz(&b, SETUP);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t crs = 0;
		buf_fmt(&b, "1> a FETCH %s %s\n", rows[i].message, rows[i].item);
		if (!rows[i].text) {
			buf_fmt(&b, "1< * %s FETCH (%s NIL)\n1< a OK ~\n", rows[i].message,
				rows[i].label);
			continue;
		}
		for (const char *p = rows[i].text; *p; p++)
			crs += *p == '\n';
		buf_fmt(&b, "1< * %s FETCH (%s {%zu}\n1< ", rows[i].message, rows[i].label,
			strlen(rows[i].text) + crs);
		for (const char *p = rows[i].text; *p; p++)
			if (*p == '\n')
				buf_addz(&b, "\n1< ");
			else
				buf_addc(&b, *p);
		buf_addz(&b, ")\n1< a OK ~\n");
	}
	imap_check_in(deliver, b.p);
	buf_free(&b);
}

Test(imap_body, structure)
{
	imap_check_in(deliver,
		SETUP
		"1> a1 FETCH 2 (ENVELOPE BODY)\n"
		"1< * 2 FETCH (ENVELOPE (NIL \"simple\" NIL NIL NIL NIL NIL NIL NIL NIL) BODY "
		"(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 6 1))\n"
		"1< a1 OK ~\n"
		"1> a2 FETCH 1 BODYSTRUCTURE\n"
		"1< * 1 FETCH (BODYSTRUCTURE ((\"text\" \"plain\" ~)(\"message\" \"rfc822\" ~ "
		"((\"text\" \"html\" ~)(\"text\" \"plain\" ~) \"alternative\" ~) ~) \"mixed\" "
		"~))\n"
		"1< a2 OK ~\n"
		"1> a3 FETCH 2 FULL\n"
		"1< * 2 FETCH (FLAGS (\\Recent) INTERNALDATE \" 9-Sep-2001 01:46:40 +0000\" "
		"RFC822.SIZE 25 ENVELOPE ~ BODY ~)\n"
		"1< a3 OK ~\n");
}
