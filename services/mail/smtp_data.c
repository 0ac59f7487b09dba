/* SPDX-License-Identifier: ISC */
/* DATA (RFC 5321 4.1.1.4) and BDAT (RFC 3030): the text goes to the store's spool as it comes. */
#include "services/mail/smtp_impl.h"
#include "os/log.h"

#define CHUNK_BYTES (16 * 1024)
/* Text is read to its end and dropped after an error, but not without bound. */
#define DROP_FACTOR 2

static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep",
	"Oct", "Nov", "Dec" };

static os_time text_by(const struct smtp *s)
{
	uint32_t sec = s->config->text_sec ? s->config->text_sec : SMTP_TEXT_SEC;
	os_time by = smtp_text_by(s->text_from, s->size_bytes, sec), idle = os_after(SMTP_IDLE);

	return by < idle ? by : idle;
}

static void spool_write(struct smtp *s, struct str text)
{
	s->size_bytes += text.n;
	if (s->spool_err == 0 && s->size_bytes > s->config->message_max_bytes)
		s->spool_err = err_set(ERR_LIMIT, "message over %llu bytes",
			(unsigned long long)s->config->message_max_bytes);
	if (s->spool_err == 0 && text.n > 0)
		s->spool_err = store_spool_write(s->spool, text);
}

/* Return-Path and Received (RFC 5321 4.4), before the first byte of the client's. */
static int spool_begin(struct smtp *s)
{
	char peer[OS_ADDR_TEXT];
	const char *ip = os_addr_ip(peer, &s->stream->peer);
	struct str text;
	struct buf path;
	struct os_date d;
	int err = store_spool_begin(&s->spool, s->config->store);

	if (err < 0)
		return err;
	os_date_of(&d, os_wall_sec());
	buf_init(&path, &s->a);
	smtp_path_text(&path, s->sender);
	text = arena_fmt(&s->a,
		"Return-Path: <%.*s>\r\n"
		"Received: from %.*s ([%s%s])\r\n"
		"\tby %.*s (Allod) with %s id %08x;\r\n"
		"\t%s, %d %s %d %02d:%02d:%02d +0000\r\n",
		STR_ARG(buf_str(&path)), STR_ARG(s->helo), strchr(ip, ':') ? "IPv6:" : "", ip,
		STR_ARG(s->config->hostname),
		s->user[0]                  ? "ESMTPSA"
			: s->stream->secure ? "ESMTPS"
			: s->esmtp          ? "ESMTP"
					    : "SMTP",
		os_fiber_sid(), days[d.wday], d.day, months[d.month - 1], d.year, d.hour, d.min,
		d.sec);
	err = text.p && path.err == 0 ? store_spool_write(s->spool, text) : ERR_LIMIT;
	if (err < 0)
		s->spool_err = err;
	return 0;
}

static void refuse_store(struct smtp *s, int err)
{
	os_log(OS_WARN, "svc=smtp event=deliver result=failed why=\"%s\"", err_text(err));
	if (err == ERR_NOSPACE)
		smtp_reply(s, "452 4.3.1 no room for the message now, try again later");
	else
		smtp_reply(s, "451 4.3.0 the message could not be stored (%s), try again later",
			err_name(err));
}

/* True when the text must not be delivered; the refusal is sent. */
static bool refused(struct smtp *s)
{
	if (s->data.fault == SMTP_DATA_BARE)
		smtp_reply(s,
			"554 5.6.0 the text has a CR or LF on its own, lines end with CR LF (curl: "
			"--crlf)");
	else if (s->data.fault == SMTP_DATA_NUL)
		smtp_reply(s, "554 5.6.0 the text has a NUL byte");
	else if (s->data.received > SMTP_HOPS_MAX)
		smtp_reply(s, "554 5.4.6 more than %d hops, a loop", SMTP_HOPS_MAX);
	else if (s->spool_err == ERR_LIMIT)
		smtp_reply(s, "552 5.3.4 messages here are at most %llu bytes",
			(unsigned long long)s->config->message_max_bytes);
	else if (s->spool_err < 0)
		refuse_store(s, s->spool_err);
	else
		return false;
	return true;
}

static int deliver_one(struct smtp *s, const char *user, const struct mail_item *item)
{
	struct mail_account *acct;
	struct mail_why why = { arena_fmt(&s->a, "smtp: deliver from <%.*s>", STR_ARG(s->sender)) };
	uint32_t uid, validity;
	int err = mail_account_open(&acct, s->config->mail, str_of(user));

	if (err < 0)
		return err;
	err = mail_append(&uid, &validity, acct, STR("INBOX"), item, 1, why);
	mail_account_close(acct);
	if (err == 0)
		os_log(OS_INFO, "svc=smtp event=deliver result=ok user=%s uid=%u bytes=%llu", user,
			uid, (unsigned long long)item->size_bytes);
	return err;
}

/* The whole text is spooled: put it into every INBOX, then say so. */
static void finish(struct smtp *s)
{
	struct mail_item item = { 0 };
	char hex[STORE_HEX];
	int err;

	smtp_work_on(s);
	if (s->data.state == SMTP_AFTER_CR && s->data.fault == SMTP_DATA_FINE)
		s->data.fault = SMTP_DATA_BARE;
	if (refused(s))
		return;
	err = store_spool_finish(&item.blob, &item.size_bytes, s->spool);
	s->spool = NULL;
	/* With several recipients a failure in the middle makes the client try again for all: twice is better than never. */
	for (size_t i = 0; err == 0 && i < s->rcpt_count; i++)
		err = deliver_one(s, s->rcpts[i].user, &item);
	if (err < 0)
		refuse_store(s, err);
	else
		smtp_reply(s, "250 2.0.0 stored as %.12s", store_oid_hex(hex, &item.blob));
}

/* May text come now? Sends the refusal when not. */
static bool ready(struct smtp *s)
{
	if (s->has_sender && s->rcpt_accepted)
		return true;
	s->errors++;
	smtp_reply(s,
		s->has_sender && s->rcpt_refused ? "554 5.5.1 no valid recipients"
						 : "503 5.5.1 say MAIL and RCPT first");
	return false;
}

int smtp_data(struct smtp *s, struct str arg)
{
	uint64_t dropped = 0;
	int err;

	if (arg.n > 0 || s->spool) {
		s->errors++;
		smtp_reply(s,
			arg.n > 0 ? "501 5.5.4 DATA takes no argument"
				  : "503 5.5.1 DATA and BDAT do not mix");
		return 0;
	}
	if (!ready(s))
		return 0;
	if ((err = spool_begin(s)) < 0) {
		refuse_store(s, err);
		smtp_reset(s);
		return 0;
	}
	smtp_reply(s, "354 go ahead, a line with only a dot ends it");
	if ((err = os_flush(&s->out)) < 0)
		return err;
	s->text_from = os_now();
	while (!s->data.ended) {
		struct str bytes, text;
		size_t used;

		err = os_read_some(&bytes, &s->in, CHUNK_BYTES, text_by(s));
		if (err < 0)
			return err;
		while (bytes.n > 0 && !s->data.ended) {
			smtp_data_push(&used, &text, &s->data, bytes);
			spool_write(s, text);
			bytes = str_sub(bytes, used, bytes.n);
			dropped += s->spool_err < 0 ? used : 0;
		}
		os_reader_unread(&s->in, bytes.n);
		if (dropped > DROP_FACTOR * s->config->message_max_bytes) {
			smtp_reply(s, "421 4.3.4 far too long, bye");
			return ERR_LIMIT;
		}
	}
	finish(s);
	smtp_reset(s);
	return 0;
}

/* "size [LAST]". ERR_BAD: no size; another word than LAST is in `odd`. */
static int bdat_arg(uint64_t *size, bool *last, bool *odd, struct str arg)
{
	struct str number, rest;

	str_cut(&number, &rest, arg, ' ');
	rest = str_trim(rest);
	*last = str_ieq(rest, STR("LAST"));
	*odd = rest.n > 0 && !*last;
	return str_u64(size, number, UINT64_MAX / 4);
}

int smtp_bdat(struct smtp *s, struct str arg)
{
	uint64_t left;
	bool last, odd, wanted;
	int err = bdat_arg(&left, &last, &odd, arg);

	if (err == ERR_BAD) {
		s->errors++;
		smtp_reply(s, "501 5.5.4 BDAT takes a size, and LAST");
		smtp_reset(s);
		return 0;
	}
	if (err < 0 ||
		left > DROP_FACTOR *
				s->config
					->message_max_bytes) { /* where the chunk ends is not known, or too far */
		smtp_reply(s, "421 4.3.4 BDAT takes a size of at most %llu",
			(unsigned long long)s->config->message_max_bytes);
		return ERR_BAD;
	}
	if (odd) {
		s->errors++;
		smtp_reply(s, "501 5.5.4 BDAT takes LAST after the size");
	}
	wanted = !odd && ready(s);
	if (!s->spool)
		s->text_from = os_now();
	if (wanted && !s->spool && (err = spool_begin(s)) < 0) {
		refuse_store(s, err);
		wanted = false;
	}
	while (left > 0) {
		struct str bytes;

		if (!os_reader_ready(&s->in) && (err = os_flush(&s->out)) < 0)
			return err;
		err = os_read_some(&bytes, &s->in, left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES,
			text_by(s));
		if (err < 0)
			return err;
		left -= bytes.n;
		if (wanted) {
			smtp_bdat_push(&s->data, bytes);
			spool_write(s, bytes);
		} else {
			s->size_bytes += bytes.n;
		}
	}
	if (!wanted) {
		smtp_reset(s);
	} else if (last) {
		finish(s);
		smtp_reset(s);
	} else if (refused(s)) {
		smtp_reset(s);
	} else {
		smtp_reply(s, "250 2.0.0 chunk taken");
	}
	return 0;
}
