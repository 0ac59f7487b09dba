/* SPDX-License-Identifier: ISC */
/*
 * SMTP: mail from the world (port 25, RFC 5321) and from the people here (587 and 465, RFC 6409, 8314).
 *
 *	static void fiber(void *arg) { smtp_session(&config, SMTP_MX, arg); }
 *
 * Offers PIPELINING SIZE 8BITMIME ENHANCEDSTATUSCODES CHUNKING, STARTTLS where TLS is configured, and
 * AUTH PLAIN LOGIN inside TLS on the submission ports. A 250 after the message means that it is on stable
 * storage in every recipient's INBOX. Mail for other domains is refused: nothing can send it yet.
 */
#ifndef SERVICES_MAIL_SMTP_H
#define SERVICES_MAIL_SMTP_H

#include "identity/guard.h"
#include "identity/registry.h"
#include "os/tls.h"
#include "services/mail/mailbox.h"

enum smtp_kind {
	SMTP_MX,          /* 25 */
	SMTP_SUBMISSION,  /* 587: STARTTLS, then AUTH */
	SMTP_SUBMISSIONS, /* 465: TLS from the first byte */
};
struct smtp_config {
	struct store *store;
	struct mail *mail;
	struct id_registry *registry;
	struct id_guard *guard;
	struct os_tls *tls;  /* NULL: none, and then no AUTH either */
	struct str hostname; /* what the greeting says */
	uint64_t message_max_bytes;
	uint32_t work_sec,
		text_sec; /* without a message; for one, see smtp_text_by(); 0: as usual */
};
/* One connection from greeting to end. BLOCKS; closes the stream. */
void smtp_session(const struct smtp_config *config, enum smtp_kind kind, struct os_stream *stream);

#endif
