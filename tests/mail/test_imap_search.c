/* SPDX-License-Identifier: ISC */
/* SEARCH over a small mailbox: each row names the numbers it must find. */
#include "tests/mail/imap_check.h"

#include <criterion/criterion.h>

static void deliver(struct imap_check_env *e)
{
	/* Internal date of all: 9 Sep 2001 01:46:40 UTC. */
	imap_check_deliver(e, "INBOX",
		"From: Alice Liddell <alice@wonder.example>\r\nTo: bob@example.org\r\n"
		"Subject: Tea party\r\nDate: Thu, 1 Feb 2001 23:30:00 -0800\r\n\r\n"
		"Come at six. The hatter brings cake.\r\n");
	imap_check_deliver(e, "INBOX",
		"From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\r\nCc: carol@example.org\r\n"
		"Subject: =?iso-8859-1?q?Gr=FC=DFe_aus?=\r\n =?utf-8?q?_K=C3=B6ln?=\r\n"
		"Date: Fri, 2 Feb 2001 10:00:00 +0000\r\nX-Empty:\r\n"
		"Content-Type: text/plain; charset=iso-8859-1\r\n"
		"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
		"Sch=F6ne Gr=FC=\r\n=DFe vom Rhein\r\n");
	imap_check_deliver(e, "INBOX",
		"From: list@example.org\r\nSubject: digest\r\nBcc: dave@example.org\r\n"
		"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=xx\r\n\r\n"
		"preamble\r\n--xx\r\nContent-Type: text/plain; charset=utf-8\r\n"
		"Content-Transfer-Encoding: base64\r\n\r\n"
		"w4RwZmVsIHVuZCBCaXJuZW4=\r\n--xx\r\nContent-Type: message/rfc822\r\n\r\n"
		"Subject: inner wonder\r\n\r\ndeep text\r\n--xx\r\n"
		"Content-Type: application/octet-stream\r\n\r\nbinarycake\r\n--xx--\r\n");
	imap_check_deliver(e, "INBOX", "no header at all\r\n");
}

static const struct {
	const char *query, *found;
} rows[] = {
	{ "ALL", " 1 2 3 4" },
	{ "1:2,4", " 1 2 4" },
	{ "UID 3:*", " 3 4" },
	{ "NOT 2", " 1 3 4" },
	{ "OR 1 4", " 1 4" },
	{ "(1:3 NOT (OR 2 3))", " 1" },
	{ "9", "" },
	{ "FROM alice", " 1" },
	{ "FROM \"Alice Liddell <ALICE@\"", " 1" },
	{ "TO bob@example.org", " 1" },
	{ "CC CAROL", " 2" },
	{ "BCC dave", " 3" },
	{ "SUBJECT \"tea PARTY\"", " 1" },
	{ "SUBJECT inner", "" },
	{ "HEADER X-Empty \"\"", " 2" },
	{ "HEADER Subject \"\"", " 1 2 3" },
	{ "HEADER X-None \"\"", "" },
	{ "BODY hatter", " 1" },
	{ "BODY cake", " 1" }, /* not in what is no text */
	{ "BODY \"\"", " 1 2 3 4" },
	{ "BODY party", "" },
	{ "TEXT party", " 1" },
	{ "TEXT wonder", " 1 3" }, /* also the header of a message within */
	{ "BODY \"deep text\"", " 3" },
	{ "BODY birnen", " 3" },
	{ "BODY preamble", "" },
	{ "NOT TEXT e", "" },
	{ "BODY hatter BODY cake", " 1" },
	{ "OR BODY rhein BODY birnen", " 2 3" },
	{ "SENTON 1-Feb-2001", " 1" },
	{ "SENTBEFORE 2-Feb-2001", " 1" },
	{ "SENTSINCE 2-Feb-2001", " 2" },
	{ "ON 9-Sep-2001", " 1 2 3 4" },
	{ "BEFORE 9-Sep-2001", "" },
	{ "SINCE 9-Sep-2001", " 1 2 3 4" },
	{ "SINCE 10-Sep-2001", "" },
	{ "LARGER 300", " 2 3" },
	{ "SMALLER 100", " 4" },
	{ "OLDER 60", " 1 2 3 4" },
	{ "YOUNGER 60", "" },
	{ "FLAGGED", " 1" },
	{ "UNFLAGGED", " 2 3 4" },
	{ "SEEN", " 2" },
	{ "UNSEEN", " 1 3 4" },
	{ "NEW", " 1 3 4" },
	{ "OLD", "" },
	{ "RECENT", " 1 2 3 4" },
	{ "KEYWORD Work", " 3" },
	{ "UNKEYWORD work", " 1 2 4" },
	{ "KEYWORD nothing", "" },
	{ "DELETED", "" },
	{ "UNANSWERED UNDRAFT UNDELETED", " 1 2 3 4" },
	{ "CHARSET UTF-8 SUBJECT {7+}\\r\\ngr\303\274\303\237e", " 2" }, /* folded encoded-words */
	{ "SUBJECT {9+}\\r\\naus k\303\266ln", " 2" },
	{ "SUBJECT {8+}\\r\\naus kuln", "" },
	{ "SUBJECT {9+}\\r\\naus K\303\226LN", " 2" },
	{ "FROM {7+}\\r\\nj\303\274rgen", " 2" },
	{ "BODY {7+}\\r\\ngr\303\274\303\237e", " 2" },
	{ "BODY {6+}\\r\\n\303\244pfel", " 3" },
};

#define SETUP \
	"1> s SELECT INBOX\n1< * FLAGS ~\n1< * OK ~\n1< * 4 EXISTS\n1< * 4 RECENT\n1< * OK ~\n" \
	"1< * OK ~\n1< * OK ~\n1< * OK ~\n1< * OK ~\n1< s OK ~\n" \
	"1> s STORE 1 FLAGS.SILENT \\Flagged\n1< s OK ~\n" \
	"1> s STORE 2 FLAGS.SILENT \\Seen\n1< s OK ~\n" \
	"1> s STORE 3 FLAGS.SILENT work\n1< * FLAGS ~\n1< * OK ~\n1< s OK ~\n"

Test(imap_search, each_key)
{
	struct buf b;
	buf_init(&b, NULL);
	buf_addz(&b, SETUP);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		buf_fmt(&b, "1| a%zu SEARCH %s\\r\\n\n1< * SEARCH%s\n1< a%zu OK ~\n", i,
			rows[i].query, rows[i].found, i);
	imap_check_in(deliver, b.p);
	buf_free(&b);
}

Test(imap_search, results)
{
	imap_check_in(deliver,
		SETUP "1> a1 STORE 2 +FLAGS.SILENT \\Deleted\n1< a1 OK ~\n"
		      "1> a2 EXPUNGE\n1< * 2 EXPUNGE\n1< * 3 RECENT\n1< a2 OK ~\n"
		      "1> a3 UID SEARCH ALL\n"
		      "1< * SEARCH 1 3 4\n"
		      "1< a3 OK ~\n"
		      "1> a4 UID SEARCH RETURN (MIN MAX COUNT ALL) ALL\n"
		      "1< * ESEARCH (TAG \"a4\") UID ALL 1,3:4 MIN 1 MAX 4 COUNT 3\n"
		      "1< a4 OK ~\n"
		      "1> a5 SEARCH RETURN () 2:3\n"
		      "1< * ESEARCH (TAG \"a5\") ALL 2:3\n"
		      "1< a5 OK ~\n"
		      "1> a6 SEARCH RETURN (MIN COUNT ALL) DRAFT\n"
		      "1< * ESEARCH (TAG \"a6\") COUNT 0\n"
		      "1< a6 OK ~\n"
		      "1> a7 SEARCH RETURN (MIN) ALL\n"
		      "1< * ESEARCH (TAG \"a7\") MIN 1\n"
		      "1< a7 OK ~\n"
		      "1> a8 SEARCH CHARSET KOI8-R SUBJECT x\n"
		      "1< a8 NO [BADCHARSET (UTF-8 US-ASCII)] ~\n"
		      "1> a9 SEARCH SUBJECT\n"
		      "1< a9 BAD ~\n");
}
