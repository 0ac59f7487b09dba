/* SPDX-License-Identifier: ISC */
/*
 * IMAP sessions over memory, with a real store on a fake disk, driven by a script:
 *
 *	imap_check("1> a1 LOGIN alice {password}\n"     session 1 says this and CRLF
 *		   "1< a1 OK ~\n"                       and must answer with this line; ~ is anything
 *		   "1| raw bytes\r\n"                   the same without CRLF; \r \n \0 are bytes
 *		   "1.\n"                               it has said all and waits
 *		   "1! \n"                             it must have ended
 *		   "1* \n");                            between() of the environment is called
 *
 * A session begins, over "TLS", when its number is first named, with its greeting taken and alice
 * logged in, unless the number is followed by '-' at its first line: "1-< * OK ~".  "1=" for one
 * without TLS, "1s" for one of SMTP (as from another server). {a} is a number: the first time any, but 0, from then on the same; {b>a} is a new one
 * above {a}.
 */
#ifndef TESTS_MAIL_IMAP_CHECK_H
#define TESTS_MAIL_IMAP_CHECK_H

#include "services/mail/imap.h"
#include "services/mail/smtp.h"

struct imap_check_env {
	struct os_disk *disk;
	struct store *store;
	struct mail *mail;
	struct imap_config conf;
	struct smtp_config smtp;
	char password[64];
	void (*between)(struct imap_check_env *); /* for `before` to set */
};

/* Runs the script with `before` called in a fiber first (NULL: nothing). Fails the test by itself. */
void imap_check_in(void (*before)(struct imap_check_env *), const char *script);
#define imap_check(script) imap_check_in(NULL, script)
/* Appends to INBOX of alice, as delivery would. */
void imap_check_deliver(struct imap_check_env *e, const char *mailbox, const char *bytes);

/* One session fed `input` in pieces of `piece` bytes; all it answered, malloc'ed. */
char *imap_check_feed(const char *input, size_t n, size_t piece);

#endif
