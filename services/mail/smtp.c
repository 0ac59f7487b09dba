/* SPDX-License-Identifier: ISC */
#include "services/mail/smtp_impl.h"
#include "os/log.h"

void smtp_reply(struct smtp *s, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line) - 2, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(line) - 3)
		n = (int)sizeof(line) - 3;
	for (int i = 0; i < n; i++) /* what a client sent may be quoted in here */
		if (line[i] == '\r' || line[i] == '\n' || line[i] == 0)
			line[i] = ' ';
	line[n] = '\r';
	line[n + 1] = '\n';
	os_write(&s->out, str_n(line, (size_t)n + 2));
}

void smtp_work_on(struct smtp *s)
{
	uint32_t sec = s->config->work_sec ? s->config->work_sec : SMTP_WORK_SEC;

	s->work_by = os_after(sec * OS_SEC);
}

static os_time line_by(const struct smtp *s)
{
	os_time by = os_after(SMTP_IDLE);

	return s->work_by < by ? s->work_by : by;
}

/* Take what is left of an overlong line off the wire. */
static int skip_line(struct smtp *s, os_time by)
{
	for (;;) {
		struct str part;
		int err = os_read_some(&part, &s->in, 1, by);

		if (err < 0)
			return err;
		if (part.p[0] == '\n')
			return 0;
	}
}

int smtp_line(struct str *line, struct smtp *s)
{
	os_time by = line_by(s);
	int err;

	if (!os_reader_ready(&s->in) && (err = os_flush(&s->out)) < 0)
		return err;
	err = os_read_line(line, &s->in, by);
	if (err == 0 && line->n <= SMTP_LINE_BYTES_MAX) {
		while (line->n > 0 &&
			(line->p[line->n - 1] == '\n' || line->p[line->n - 1] == '\r'))
			line->n--;
		return 0;
	}
	if (err == ERR_LIMIT)
		err = skip_line(s, by);
	if (err < 0)
		return err;
	smtp_reply(s, "500 5.5.2 line over %d bytes", SMTP_LINE_BYTES_MAX);
	s->errors++;
	return ERR_LIMIT;
}

void smtp_reset(struct smtp *s)
{
	if (s->spool)
		store_spool_abort(s->spool);
	s->spool = NULL;
	s->has_sender = s->rcpt_accepted = s->rcpt_refused = false;
	s->sender = STR_NONE;
	s->rcpts = NULL;
	s->rcpt_count = 0;
	s->data = (struct smtp_data){ 0 };
	s->size_bytes = 0;
	s->spool_err = 0;
	arena_reset(&s->a);
}

static int bad(struct smtp *s, const char *words)
{
	s->errors++;
	smtp_reply(s, "%s", words);
	return 0;
}

/* ---- verbs ---- */

static bool helo_ok(struct str name)
{
	if (name.n == 0 || name.n > 255)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] > '~' || strchr("()<>\"\\;", name.p[i]))
			return false;
	return true;
}

static int hello(struct smtp *s, struct str arg, bool esmtp)
{
	char peer[OS_ADDR_TEXT];

	if (!helo_ok(arg))
		return bad(s, "501 5.5.4 say who you are: EHLO host.name or EHLO [address]");
	smtp_reset(s);
	arena_reset(&s->greeting);
	s->helo = arena_dup(&s->greeting, arg);
	s->esmtp = esmtp;
	if (!esmtp) {
		smtp_reply(s, "250 %.*s", STR_ARG(s->config->hostname));
		return 0;
	}
	smtp_reply(s, "250-%.*s greets %s", STR_ARG(s->config->hostname),
		os_addr_ip(peer, &s->stream->peer));
	smtp_reply(s, "250-PIPELINING");
	smtp_reply(s, "250-SIZE %llu", (unsigned long long)s->config->message_max_bytes);
	smtp_reply(s, "250-8BITMIME");
	if (s->config->tls && !s->stream->secure)
		smtp_reply(s, "250-STARTTLS");
	if (s->kind != SMTP_MX && s->stream->secure)
		smtp_reply(s, "250-AUTH PLAIN LOGIN");
	smtp_reply(s, "250-ENHANCEDSTATUSCODES");
	smtp_reply(s, "250 CHUNKING");
	return 0;
}

static int verb_ehlo(struct smtp *s, struct str arg)
{
	return hello(s, arg, true);
}

static int verb_helo(struct smtp *s, struct str arg)
{
	return hello(s, arg, false);
}

static int verb_starttls(struct smtp *s, struct str arg)
{
	struct os_stream *secure;
	int err;

	if (arg.n > 0)
		return bad(s, "501 5.5.4 STARTTLS takes no argument");
	if (s->stream->secure)
		return bad(s, "503 5.5.1 TLS is on already");
	if (!s->config->tls)
		return bad(s, "502 5.5.1 TLS is not configured here");
	if (s->in.at < s->in.n) { /* would be taken for something said inside TLS */
		smtp_reply(s, "554 5.5.1 nothing may follow STARTTLS before its answer");
		return ERR_BAD;
	}
	smtp_reply(s, "220 2.0.0 go ahead");
	if ((err = os_flush(&s->out)) < 0)
		return err;
	err = os_tls_accept(&secure, s->config->tls, s->stream, os_after(60 * OS_SEC));
	s->stream = err < 0 ? NULL : secure;
	if (err < 0)
		return err;
	os_reader_init(&s->in, secure, s->in_room, sizeof(s->in_room));
	os_writer_init(&s->out, secure, s->out_room, sizeof(s->out_room), SMTP_IDLE);
	smtp_reset(s);
	arena_reset(&s->greeting);
	s->helo = STR_NONE;
	return 0;
}

/* Parameters of MAIL; true when a refusal was sent. */
static bool mail_params(struct smtp *s, const struct smtp_path *path)
{
	for (size_t i = 0; i < path->param_count; i++) {
		const struct smtp_param *p = &path->params[i];
		uint64_t size;

		for (size_t k = 0; k < i; k++)
			if (str_ieq(p->key, path->params[k].key))
				return bad(s, "501 5.5.4 a parameter stands twice"), true;
		if (str_ieq(p->key, STR("SIZE"))) {
			int err = str_u64(&size, p->value, UINT64_MAX / 2);

			if (err == ERR_BAD)
				return bad(s, "501 5.5.4 SIZE takes a number"), true;
			if (err == ERR_LIMIT || size > s->config->message_max_bytes) {
				smtp_reply(s, "552 5.3.4 messages here are at most %llu bytes",
					(unsigned long long)s->config->message_max_bytes);
				return true;
			}
		} else if (str_ieq(p->key, STR("BODY"))) {
			if (!str_ieq(p->value, STR("7BIT")) && !str_ieq(p->value, STR("8BITMIME")))
				return bad(s, "501 5.5.4 BODY is 7BIT or 8BITMIME"), true;
		} else if (str_ieq(p->key, STR("AUTH")) && s->kind != SMTP_MX) {
			if (p->value.n == 0)
				return bad(s, "501 5.5.4 AUTH= takes an address, or <>"), true;
		} else {
			s->errors++;
			smtp_reply(s, "555 5.5.4 parameter %.*s is not offered",
				STR_ARG(str_sub(p->key, 0, 40)));
			return true;
		}
	}
	return false;
}

static int verb_mail(struct smtp *s, struct str arg)
{
	struct smtp_path path;
	int err;

	if (!s->helo.p)
		return bad(s, "503 5.5.1 say EHLO first");
	if (s->kind != SMTP_MX && !s->stream->secure)
		return bad(s, "530 5.7.0 say STARTTLS first");
	if (s->kind != SMTP_MX && !s->user[0])
		return bad(s, "530 5.7.0 log in first (AUTH)");
	if (s->has_sender)
		return bad(s, "503 5.5.1 one MAIL for each message, RSET forgets it");
	err = smtp_path(&path, &s->a, arg, STR("FROM:"));
	if (err < 0) {
		s->errors++;
		smtp_reply(s, err == ERR_UNSUPPORTED ? "553 5.6.7 %s" : "501 5.1.7 MAIL: %s",
			err_text(err));
		return 0;
	}
	if (mail_params(s, &path))
		return 0;
	s->sender = path.address;
	s->has_sender = true;
	smtp_reply(s, "250 2.1.0 sender noted");
	return 0;
}

static int rcpt_refused(struct smtp *s, struct str address, int err)
{
	const char *why = "internal";

	s->rcpt_refused = true;
	if (err == ERR_UNSUPPORTED && s->user[0]) {
		why = "other-domain";
		smtp_reply(s,
			"550 5.7.1 sending to other domains is not built yet, only %.*s is served",
			STR_ARG(id_domain(s->config->registry)));
	} else if (err == ERR_UNSUPPORTED) {
		why = "relay";
		smtp_reply(s, "550 5.7.1 no relaying: only mail for %.*s is taken here",
			STR_ARG(id_domain(s->config->registry)));
	} else if (err == ERR_NOENT) {
		why = "no-such-user";
		s->errors++;
		smtp_reply(s, "550 5.1.1 no such user here");
	} else {
		smtp_reply(s, "451 4.3.0 %s, try again later", err_name(err));
	}
	os_log(OS_INFO, "svc=smtp event=rcpt result=refused why=%s rcpt=\"%.*s\"", why,
		STR_ARG(address));
	return 0;
}

static int verb_rcpt(struct smtp *s, struct str arg)
{
	char user[ID_USER_BYTES_MAX + 1];
	struct smtp_path path;
	int err;

	if (!s->has_sender)
		return bad(s, "503 5.5.1 say MAIL first");
	if (s->spool)
		return bad(s, "503 5.5.1 the message has begun, no more recipients");
	err = smtp_path(&path, &s->a, arg, STR("TO:"));
	if (err < 0 || path.address.n == 0) {
		s->errors++;
		smtp_reply(s, err == ERR_UNSUPPORTED ? "553 5.6.7 %s" : "501 5.1.3 RCPT: %s",
			err < 0 ? err_text(err) : "an address is needed");
		return 0;
	}
	if (path.param_count > 0)
		return bad(s, "555 5.5.4 RCPT takes no parameters here");
	err = id_user_of(user, s->config->registry, path.address);
	if (err < 0)
		return rcpt_refused(s, path.address, err);
	for (size_t i = 0; i < s->rcpt_count; i++)
		if (strcmp(s->rcpts[i].user, user) == 0)
			goto accepted;
	if (!s->rcpts)
		s->rcpts = arena_alloc(&s->a, SMTP_RCPT_MAX * sizeof(*s->rcpts));
	if (s->rcpt_count == SMTP_RCPT_MAX || !s->rcpts) {
		smtp_reply(s, "452 4.5.3 at most %d recipients at once", SMTP_RCPT_MAX);
		return 0;
	}
	memcpy(s->rcpts[s->rcpt_count++].user, user, sizeof(user));
accepted:
	s->rcpt_accepted = true;
	smtp_reply(s, "250 2.1.5 recipient noted");
	return 0;
}

static int verb_rset(struct smtp *s, struct str arg)
{
	if (arg.n > 0) /* RFC 5321 4.1.1 */
		return bad(s, "501 5.5.4 RSET takes no argument");
	smtp_reset(s);
	smtp_reply(s, "250 2.0.0 forgotten");
	return 0;
}

static int verb_noop(struct smtp *s, struct str arg)
{
	(void)arg;
	smtp_reply(s, "250 2.0.0 fine");
	return 0;
}

static int verb_vrfy(struct smtp *s, struct str arg)
{
	if (arg.n == 0)
		return bad(s, "501 5.5.4 VRFY takes a user or an address");
	smtp_reply(s, "252 2.5.0 cannot say, but send it and see");
	return 0;
}

static int verb_help(struct smtp *s, struct str arg)
{
	(void)arg;
	smtp_reply(s,
		"214 2.0.0 EHLO HELO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY QUIT, see "
		"RFC 5321");
	return 0;
}

static int verb_expn(struct smtp *s, struct str arg)
{
	(void)arg;
	return bad(s, "502 5.5.1 EXPN is not offered");
}

static int verb_quit(struct smtp *s, struct str arg)
{
	if (arg.n > 0)
		return bad(s, "501 5.5.4 QUIT takes no argument");
	smtp_reply(s, "221 2.0.0 bye");
	return ERR_CLOSED;
}

static const struct {
	const char *name;
	int (*run)(struct smtp *s, struct str arg);
} verbs[] = {
	{ "EHLO", verb_ehlo },
	{ "HELO", verb_helo },
	{ "STARTTLS", verb_starttls },
	{ "AUTH", smtp_auth },
	{ "MAIL", verb_mail },
	{ "RCPT", verb_rcpt },
	{ "DATA", smtp_data },
	{ "BDAT", smtp_bdat },
	{ "RSET", verb_rset },
	{ "NOOP", verb_noop },
	{ "VRFY", verb_vrfy },
	{ "EXPN", verb_expn },
	{ "HELP", verb_help },
	{ "QUIT", verb_quit },
};

static int one_command(struct smtp *s)
{
	struct smtp_cmd c;
	struct str line;
	int err = smtp_line(&line, s);

	if (err < 0)
		return err == ERR_LIMIT ? 0 : err;
	smtp_parse(&c, line);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (str_ieq(c.verb, str_of(verbs[i].name)))
			return verbs[i].run(s, c.arg);
	return bad(s, "500 5.5.2 no such command");
}

/* ---- the session ---- */

static void converse(struct smtp *s)
{
	int err;

	smtp_reply(s, "220 %.*s ESMTP Allod", STR_ARG(s->config->hostname));
	do {
		err = one_command(s);
		if (err == 0 && s->errors >= SMTP_ERRORS_MAX) {
			smtp_reply(s, "421 4.7.0 too many errors, bye");
			err = ERR_LIMIT;
		}
	} while (err == 0);
	if (err == ERR_TIMEOUT)
		smtp_reply(s, "421 4.4.2 silent for too long, or too slow, bye");
	if (err != ERR_CLOSED)
		os_log(OS_INFO, "svc=smtp event=end why=%s", err_name(err));
}

void smtp_session(const struct smtp_config *config, enum smtp_kind kind, struct os_stream *stream)
{
	char peer[OS_ADDR_TEXT];
	struct smtp *s;
	int err;

	if (kind == SMTP_SUBMISSIONS &&
		(err = os_tls_accept(&stream, config->tls, stream, os_after(60 * OS_SEC))) < 0) {
		os_log(OS_INFO, "svc=smtp event=tls result=failed why=\"%s\"", err_text(err));
		return;
	}
	s = calloc(1, sizeof(*s));
	if (!s) {
		os_stream_close(stream);
		return;
	}
	s->config = config;
	s->kind = kind;
	s->stream = stream;
	arena_init(&s->greeting, 4096);
	arena_init(&s->a, 128 * 1024);
	os_reader_init(&s->in, stream, s->in_room, sizeof(s->in_room));
	os_writer_init(&s->out, stream, s->out_room, sizeof(s->out_room), SMTP_IDLE);
	smtp_work_on(s);
	os_log(OS_INFO, "svc=smtp event=connect kind=%s peer=%s",
		kind == SMTP_MX ? "mx" : "submission", os_addr_text(peer, &stream->peer));
	converse(s);
	smtp_reset(s);
	if (s->stream) {
		err = os_flush(
			&s->out); /* the last words; nobody to tell when they do not arrive */
		(void)err;
		os_stream_close(s->stream);
	}
	arena_free(&s->a);
	arena_free(&s->greeting);
	free(s);
}
