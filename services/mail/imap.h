/* SPDX-License-Identifier: ISC */
/*
 * IMAP4rev1 (RFC 3501) with IDLE UIDPLUS MOVE UNSELECT LITERAL+ NAMESPACE ID ENABLE SASL-IR
 * SPECIAL-USE CREATE-SPECIAL-USE CHILDREN ESEARCH LIST-EXTENDED LIST-STATUS STATUS=SIZE
 * MULTIAPPEND APPENDLIMIT WITHIN CONDSTORE QRESYNC OBJECTID SAVEDATE, as a fiber per connection:
 *
 *	struct imap_config conf = { .mail = m, .store = s, .registry = reg, .guard = g, .tls = tls };
 *	...	imap_session(&conf, stream, false);      143: STARTTLS first
 *	...	imap_session(&conf, stream, true);       993: TLS from the first byte
 *
 * The caller bounds how many sessions there are. Nothing is accepted before TLS but CAPABILITY,
 * NOOP, ID, STARTTLS and LOGOUT.
 */
#ifndef SERVICES_MAIL_IMAP_H
#define SERVICES_MAIL_IMAP_H

#include "identity/guard.h"
#include "identity/registry.h"
#include "os/tls.h"
#include "services/mail/mailbox.h"

#define IMAP_LINE_MAX           (64 * 1024) /* a command with its literals, APPEND's apart */
#define IMAP_APPEND_MAX_DEFAULT (50 * 1024 * 1024)
#define IMAP_LOGIN_SEC          60   /* from the connection to the login */
#define IMAP_IDLE_SEC           1800 /* autologout, RFC 3501 5.4; IDLE too */
#define IMAP_LOGINS_MAX         3    /* failures before BYE */

struct imap_config {
	struct mail *mail;
	struct store *store;
	struct id_registry *registry;
	struct id_guard *guard;
	struct os_tls *tls;        /* NULL: no TLS here, so nobody can log in on a bare stream */
	uint64_t append_max_bytes; /* 0: the default; so are the next two */
	uint32_t login_sec, idle_sec;
};

/* One connection to its end. BLOCKS; closes the stream. With implicit_tls, does the handshake. */
void imap_session(const struct imap_config *conf, struct os_stream *s, bool implicit_tls);

#endif
