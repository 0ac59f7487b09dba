/* SPDX-License-Identifier: ISC */
/* What the files smtp*.c share: one session and its transaction. */
#ifndef SERVICES_MAIL_SMTP_IMPL_H
#define SERVICES_MAIL_SMTP_IMPL_H

#include "services/mail/smtp.h"
#include "services/mail/smtp_wire.h"

#define SMTP_LINE_BYTES_MAX (12 * 1024) /* RFC 4954 4 asks for 12288 in AUTH */
#define SMTP_RCPT_MAX       100
#define SMTP_ERRORS_MAX     20
#define SMTP_HOPS_MAX       100
#define SMTP_IDLE           (5 * 60 * OS_SEC)
#define SMTP_WORK_SEC       (30 * 60) /* of commands alone, from one message to the next */
#define SMTP_TEXT_SEC       (10 * 60)

struct smtp_rcpt {
	char user[ID_USER_BYTES_MAX + 1];
};
struct smtp {
	const struct smtp_config *config;
	enum smtp_kind kind;
	struct os_stream *stream;
	struct os_reader in;
	struct os_writer out;
	char in_room[16 * 1024], out_room[2048];

	struct arena greeting; /* what EHLO said; gone with STARTTLS */
	struct str helo;
	bool esmtp;
	char user[ID_USER_BYTES_MAX + 1]; /* logged in as; "" when not */
	unsigned errors, failed_logins;
	os_time work_by; /* commands are waited for no longer: each in time is not enough */

	/* the transaction */
	struct arena a;
	bool has_sender;
	struct str sender; /* empty: the null path */
	struct smtp_rcpt *rcpts;
	size_t rcpt_count; /* different users; several addresses may mean one */
	bool rcpt_accepted, rcpt_refused;
	struct store_spool *spool;
	struct smtp_data data;
	os_time text_from;
	uint64_t size_bytes;
	int spool_err; /* first error of the spool: the rest of the text is read and dropped */
};

/* "250 2.0.0 words"; the line end is added. */
void smtp_reply(struct smtp *s, const char *fmt, ...) PRINTF(2, 3);
/*
 * One line without its end, borrowed until the next read. Flushes first when it would wait. ERR_LIMIT:
 * it was too long, which is answered. BLOCKS.
 */
MUST_CHECK int smtp_line(struct str *line, struct smtp *s);
/* From here on there is time for commands again. */
void smtp_work_on(struct smtp *s);
/* Forget the transaction (RSET). BLOCKS when a spool is under way. */
void smtp_reset(struct smtp *s);

/* Verbs: 0, or < 0 to end the session without another word. All BLOCK. */
int smtp_auth(struct smtp *s, struct str arg);
int smtp_data(struct smtp *s, struct str arg);
int smtp_bdat(struct smtp *s, struct str arg);

#endif
