/* SPDX-License-Identifier: ISC */
/* ENVELOPE, BODYSTRUCTURE and parameters: the exact forms of RFC 3501 7.4.2. */
#include "tests/mail/mime_check.h"

#define CAP ((size_t)8 * 1024 * 1024)

#define ENV(date, subject, from, to, cc) \
	"(" date " " subject " " from " " from " " from " " to " " cc " NIL NIL NIL)"

static const struct row {
	const char *what, *header, *envelope;
} rows[] = {
	{ "nothing", "", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)" },
	{ "RFC 3501 section 8",
		"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
		"From: Terry Gray <gray@cac.washington.edu>\r\n"
		"Subject: IMAP4rev1 WG mtg summary and minutes\r\n"
		"To: imap@cac.washington.edu\r\n"
		"cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
		"Message-Id: <B27397-0100000@cac.washington.edu>\r\n\r\n",
		"(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" "
		"\"IMAP4rev1 WG mtg summary and minutes\" "
		"((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
		"((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
		"((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
		"((NIL NIL \"imap\" \"cac.washington.edu\")) "
		"((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")"
		"(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL "
		"\"<B27397-0100000@cac.washington.edu>\")" },
	{ "present but empty",
		"Date:\r\nSubject: \r\nTo:\r\nMessage-ID: \t\r\nIn-Reply-To:\r\n\r\n",
		"(\"\" \"\" NIL NIL NIL NIL NIL NIL \"\" \"\")" },
	{ "sender and reply-to of their own",
		"From: a@b\r\nSender: c@d\r\nReply-To: e@f, g@h\r\n\r\n",
		"(NIL NIL ((NIL NIL \"a\" \"b\")) ((NIL NIL \"c\" \"d\")) "
		"((NIL NIL \"e\" \"f\")(NIL NIL \"g\" \"h\")) NIL NIL NIL NIL NIL)" },
	{ "empty sender defaults to from", "From: a@b\r\nSender:\r\nReply-To: ,\r\n\r\n",
		ENV("NIL", "NIL", "((NIL NIL \"a\" \"b\"))", "NIL", "NIL") },
	{ "folding goes, its white space stays", "Subject: a\r\n  b\r\n\tc \r\n\r\n",
		"(NIL \"a  b\tc\" NIL NIL NIL NIL NIL NIL NIL NIL)" },
	{ "quotes and backslashes", "Subject: say \"\\\"\r\n\r\n",
		"(NIL \"say \\\"\\\\\\\"\" NIL NIL NIL NIL NIL NIL NIL NIL)" },
	{ "encoded-words stay", "Subject: =?utf-8?q?=C3=A9?=\r\nFrom: =?utf-8?q?=C3=A9?= <a@b>\r\n",
		ENV("NIL", "\"=?utf-8?q?=C3=A9?=\"", "((\"=?utf-8?q?=C3=A9?=\" NIL \"a\" \"b\"))",
			"NIL", "NIL") },
	{ "8-bit is a literal", "Subject: \xc3\xa9\"t\\\r\nTo: \xe9 <\xe9@x>\r\n\r\n",
		"(NIL {5}\r\n\xc3\xa9\"t\\ NIL NIL NIL (({1}\r\n\xe9 NIL {1}\r\n\xe9 \"x\")) NIL "
		"NIL "
		"NIL NIL)" },
	{ "group", "To: A Group: b@c, D <e@f>;\r\nCc: undisclosed-recipients:;\r\n\r\n",
		"(NIL NIL NIL NIL NIL ((NIL NIL \"A Group\" NIL)(NIL NIL \"b\" \"c\")(\"D\" NIL "
		"\"e\" \"f\")(NIL NIL NIL NIL)) ((NIL NIL \"undisclosed-recipients\" NIL)(NIL NIL "
		"NIL NIL)) NIL NIL NIL)" },
	{ "two fields are one list", "To: a@b\r\nTo: c@d\r\nTo: e@f\r\n\r\n",
		"(NIL NIL NIL NIL NIL ((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")(NIL NIL \"e\" "
		"\"f\")) NIL NIL NIL NIL)" },
	{ "two subjects: the first", "Subject: a\r\nSubject: b\r\n\r\n",
		"(NIL \"a\" NIL NIL NIL NIL NIL NIL NIL NIL)" },
	{ "nothing of the body", "A: b\r\n\r\nSubject: x\r\n",
		"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)" },
	{ "space before the colon", "Subject : x\nFROM: a@b\n\n",
		ENV("NIL", "\"x\"", "((NIL NIL \"a\" \"b\"))", "NIL", "NIL") },
};

Test(mime_envelope, forms)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena a;
		struct buf out;
		arena_init(&a, CAP);
		buf_init(&out, &a);
		mime_envelope(&out, &a, str_of(rows[i].header));
		cr_expect_str_eq(out.p, rows[i].envelope, "%s:\n got %s\nwant %s", rows[i].what,
			out.p, rows[i].envelope);
		arena_free(&a);
	}
}

Test(mime_envelope, nul_is_dropped)
{
	struct arena a;
	struct buf out;
	arena_init(&a, CAP);
	buf_init(&out, &a);
	mime_envelope(&out, &a, STR("Subject: a\0b\r\nDate: \0\xff\0\r\n\r\n"));
	cr_expect_str_eq(out.p, "({1}\r\n\xff \"ab\" NIL NIL NIL NIL NIL NIL NIL NIL)");
	arena_free(&a);
}

#define HEAD  "(\"a\" \"b\" NIL NIL NIL \"7bit\" 0 "
#define PLAIN "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" "

static const struct row structures[] = {
	{ "nothing said", "\r\n", PLAIN "0 0 NIL NIL NIL NIL)" },
	{ "all extension data",
		"Content-Type: a/b\r\nContent-MD5: Q2hlY2s=\r\nContent-Disposition: attachment; "
		"filename=\"x \\\"y\\\".txt\"; size=1\r\nContent-Language: en\r\n"
		"Content-Location: http://x/\r\n y\r\n\r\n",
		HEAD "\"Q2hlY2s=\" (\"attachment\" (\"filename\" \"x \\\"y\\\".txt\" \"size\" "
		     "\"1\")) \"en\" \"http://x/ y\")" },
	{ "languages are a list",
		"Content-Type: a/b\r\nContent-Disposition: inline\r\nContent-Language: en, "
		"fr-CA\r\n\r\n",
		HEAD "NIL (\"inline\" NIL) (\"en\" \"fr-CA\") NIL)" },
	{ "multipart",
		"Content-Type: multipart/x-y; boundary=b; a=c\r\nContent-Disposition: "
		"inline\r\nContent-Language: en\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n",
		"(" PLAIN
		"1 0 NIL NIL NIL NIL) \"x-y\" (\"boundary\" \"b\" \"a\" \"c\") (\"inline\" "
		"NIL) \"en\" NIL)" },
	{ "multipart closed at once", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n",
		"((\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL) \"mixed\" "
		"(\"boundary\" \"b\") NIL NIL NIL)" },
	{ "message/global", "Content-Type: message/global\r\n\r\nSubject: x\r\n\r\n",
		"(\"message\" \"global\" NIL NIL NIL \"7bit\" 14 (NIL \"x\" NIL NIL NIL NIL NIL "
		"NIL NIL NIL) " PLAIN "0 0 NIL NIL NIL NIL) 2 NIL NIL NIL NIL)" },
	{ "RFC 2231: parts, in any order, joined",
		"Content-Type: a/b; URL*1=\"cs.utk.edu/pub\"; url*0=\"ftp://\"; x=y\r\n\r\n",
		"(\"a\" \"b\" (\"url\" \"ftp://cs.utk.edu/pub\" \"x\" \"y\") NIL NIL \"7bit\" 0 "
		"NIL NIL NIL NIL)" },
	{ "RFC 2231: charset, kept as written",
		"Content-Type: a/b; "
		"title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A\r\n\r\n",
		"(\"a\" \"b\" (\"title*\" \"us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A\") "
		"NIL "
		"NIL \"7bit\" 0 NIL NIL NIL NIL)" },
	{ "RFC 2231: mixed segments",
		"Content-Type: a/b; title*0*=us-ascii'en'This%20is%20even%20more%20; "
		"title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\"\r\n\r\n",
		"(\"a\" \"b\" (\"title*\" \"us-ascii'en'This%20is%20even%20more%20%2A%2A%2Afun%2A"
		"%2A%2A%20isn%27t%20it!\") NIL NIL \"7bit\" 0 NIL NIL NIL NIL)" },
};

Test(mime_envelope, extensible)
{
	for (size_t i = 0; i < ARRAY_LEN(structures); i++) {
		struct arena a;
		struct buf out;
		arena_init(&a, CAP);
		buf_init(&out, &a);
		const struct mime_part *root =
			parse_pieces(&a, str_of(structures[i].header), NULL, NULL);
		cr_assert_not_null(root);
		mime_bodystructure(&out, root, &a, true);
		cr_expect_str_eq(out.p, structures[i].envelope, "%s:\n got %s\nwant %s",
			structures[i].what, out.p, structures[i].envelope);
		arena_free(&a);
	}
}

/* Field values and the parameter `p` they give, in UTF-8. */
static const struct row params[] = {
	{ "plain", "p=v", "v" },
	{ "quoted", "p=\"a;b\\\"c\"", "a;b\"c" },
	{ "empty", "p=\"\"", "" },
	{ "upper-case name", "P=v", "v" },
	{ "comment after", "p=us-ascii (Plain text)", "us-ascii" },
	{ "comment before", "p = (x) v", "v" },
	{ "unquoted blanks", "p=my file.txt; q=2", "my file.txt" },
	{ "parentheses in a name", "p=copy(1).txt", "copy(1).txt" },
	{ "unquoted junk", "p=a/b@c?=d; q=2", "a/b@c?=d" },
	{ "semicolon forgotten", "q=\"1\" p=v", "v" },
	{ "semicolon forgotten, unquoted", "q=1 p=v", "v" },
	{ "semicolons too many", ";;; ; p=v;;", "v" },
	{ "junk between", "@@@; =x; p=v", "v" },
	{ "quote not closed", "p=\"v; q=2", "v; q=2" },
	{ "the first of two", "p=v; p=w", "v" },
	{ "RFC 2231 before plain", "p=fallback; p*=utf-8''%e2%82%ac", "\xe2\x82\xac" },
	{ "RFC 2231 charset", "p*=iso-8859-1'en'%A3%20rates", "\xc2\xa3 rates" },
	{ "RFC 2231 segments of one charset", "p*0*=utf-8''%e2; p*1*=%82%ac; p*2=\" 5%41\"",
		"\xe2\x82\xac 5%41" },
	{ "RFC 2231 without charset", "p*=%41b", "Ab" },
	{ "RFC 2231, bad escapes stay", "p*=utf-8''%4x%", "%4x%" },
	{ "RFC 2231 with a gap", "p*0=a; p*2=c", "ac" },
	{ "more than ten segments",
		"p*10=k; p*0=a; p*1=b; p*2=c; p*3=d; p*4=e; p*5=f; p*6=g; p*7=h; p*8=i; p*9=j",
		"abcdefghijk" },
	{ "8-bit stays", "p=\"\xc3\xa9\"", "\xc3\xa9" },
};

Test(mime_envelope, parameters)
{
	for (size_t i = 0; i < ARRAY_LEN(params); i++) {
		struct arena a;
		arena_init(&a, CAP);
		struct str text = arena_fmt(&a, "Content-Type: a/b; %s\r\n\r\n", params[i].header);
		const struct mime_part *root = parse_pieces(&a, text, NULL, NULL);
		struct str got = mime_param(root->params, "p");
		cr_expect(got.p && str_eq(got, str_of(params[i].envelope)), "%s: got %.*s, want %s",
			params[i].what, STR_ARG(got), params[i].envelope);
		cr_expect_null(mime_param(root->params, "absent").p);
		arena_free(&a);
	}
}
