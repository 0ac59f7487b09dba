/* SPDX-License-Identifier: ISC */
/*
 * SMTP on the wire (RFC 5321): command lines, paths, parameters and the DATA stream. Pure, no I/O.
 *
 *	struct smtp_cmd c;
 *	smtp_parse(&c, line);                         verb and argument of one line, CRLF taken off
 *	err = smtp_path(&p, &arena, c.arg, STR("FROM:"));   "<a@b> SIZE=100" -> address, parameters
 *
 *	struct smtp_data d = { 0 };
 *	while (!d.ended)
 *		smtp_data_push(&used, &text, &d, bytes);  unstuffed text to store; `used` bytes are done with
 */
#ifndef SERVICES_MAIL_SMTP_WIRE_H
#define SERVICES_MAIL_SMTP_WIRE_H

#include "os/time.h"

#define SMTP_ADDRESS_MAX 320 /* local part 64, '@', domain 255 (RFC 5321 4.5.3.1) */
#define SMTP_PARAMS_MAX  16

struct smtp_cmd {
	struct str verb, arg; /* verb as written, arg trimmed; both borrowed from the line */
};
void smtp_parse(struct smtp_cmd *out, struct str line);

struct smtp_param {
	struct str key, value; /* value.p NULL: none was given */
};
struct smtp_path {
	struct str
		address; /* without <>, source route dropped, quoted local part unquoted; empty: the null path */
	struct smtp_param params[SMTP_PARAMS_MAX];
	size_t param_count;
};
/*
 * `arg` of MAIL or RCPT, `lead` "FROM:" or "TO:". ERR_BAD: syntax; ERR_LIMIT: too long or too many
 * parameters; ERR_UNSUPPORTED: not ASCII (RFC 6531 is not offered).
 */
MUST_CHECK int smtp_path(struct smtp_path *out, struct arena *a, struct str arg, struct str lead);

/* `address` as it stands between < and >: a local part that is no dot-string in quotes again. */
void smtp_path_text(struct buf *out, struct str address);

/* ---- message text ---- */
enum smtp_data_fault {
	SMTP_DATA_FINE,
	SMTP_DATA_BARE, /* a CR or LF alone: smuggling (RFC 5321 2.3.8) */
	SMTP_DATA_NUL
};
struct smtp_data {
	enum { SMTP_AT_LINE, SMTP_IN_LINE, SMTP_AFTER_CR, SMTP_AFTER_DOT, SMTP_AFTER_DOT_CR } state;
	enum smtp_data_fault fault; /* the first one */
	bool ended;                 /* "." alone on a line was seen */
	bool header_done;
	uint32_t received; /* Received: fields seen in the header, for loops */
	uint8_t matched;   /* how much of "received:" matches the line so far; 255: does not */
};
/*
 * Takes a stretch of DATA: *text is what of it belongs to the message (borrowed from `bytes`, may be
 * empty), *used how much of it is consumed (at least one byte). Dots are unstuffed. Call again with the rest.
 */
void smtp_data_push(size_t *used, struct str *text, struct smtp_data *d, struct str bytes);
/*
 * When a text that came from `began` on has to have grown beyond `bytes`: some time for any, and as it
 * goes on a second for every SMTP_TEXT_RATE of them. A byte now and then does not hold a connection.
 */
#define SMTP_TEXT_RATE 1024
os_time smtp_text_by(os_time began, uint64_t bytes, uint32_t any_sec);
/* The same checks for BDAT (RFC 3030), where nothing is stuffed or ended. */
void smtp_bdat_push(struct smtp_data *d, struct str bytes);

#endif
