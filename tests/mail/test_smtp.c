/* SPDX-License-Identifier: ISC */
/* What SMTP sessions do that no client of the end-to-end tests has the time to wait for. */
#include "tests/mail/imap_check.h"

#include <criterion/criterion.h>

#define TALK(line, answer) "1> " line "\n1< " answer " ~\n"
#define HELLO \
	"1s< 220 ~\n" TALK("EHLO a", \
		"250-mail.example.org greets") "1< 250-PIPELINING\n1< 250-SIZE 1000000\n1< " \
					       "250-8BITMIME\n1< 250-ENHANCEDSTATUSCODES\n" \
					       "1< 250 CHUNKING\n"
#define SENDER \
	HELLO TALK("MAIL FROM:<b@c>", "250 2.1.0") TALK("RCPT TO:<alice@example.org>", "250 2.1.5")
#define ENDS "1< 421 4.4.2 ~\n1! \n"

static void hurry(struct imap_check_env *e)
{
	e->smtp.work_sec = e->smtp.text_sec = 1;
}

/* Breaks when any of them is waited for as long as something comes now and then. */
Test(smtp, nobody_waits_for_ever)
{
	imap_check_in(hurry, HELLO TALK("NOOP", "250 2.0.0") "1| N\n" ENDS);
	imap_check_in(hurry, SENDER TALK("DATA", "354 go") "1| Subject: x\\r\\n\n" ENDS);
	imap_check_in(hurry, SENDER "1> BDAT 3\n1| a\\r\\n\n1< 250 2.0.0 ~\n" ENDS);
	imap_check_in(hurry, SENDER "1> BDAT 30\n1| abc\n" ENDS);
	imap_check_in(hurry, HELLO "1> BDAT 30\n1< 503 ~\n1| abc\n" ENDS);
}
