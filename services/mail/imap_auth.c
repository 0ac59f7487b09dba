/* SPDX-License-Identifier: ISC */
/* CAPABILITY NOOP LOGOUT ID ENABLE, STARTTLS AUTHENTICATE LOGIN (RFC 3501 6.1, 6.2). */
#include "os/crypto.h"
#include "services/mail/imap_impl.h"

#define ID_PAIRS_MAX 30 /* RFC 2971 3.3 */

static bool no_arguments(struct imap *c, struct imap_rd *rd)
{
	imap_end(rd);
	if (rd->why)
		imap_bad_args(c, rd);
	return !rd->why;
}

void imap_run_capability(struct imap *c, struct imap_rd *rd)
{
	if (!no_arguments(c, rd))
		return;
	imap_put(c, STR("* CAPABILITY "));
	imap_capabilities(c);
	imap_put(c, STR("\r\n"));
	imap_ok(c, "that is all");
}

void imap_run_noop(struct imap *c, struct imap_rd *rd)
{
	if (no_arguments(c, rd))
		imap_ok(c, "done");
}

void imap_run_logout(struct imap *c, struct imap_rd *rd)
{
	if (!no_arguments(c, rd))
		return;
	imap_bye(c, "see you");
	imap_ok(c, "logged out");
}

void imap_run_id(struct imap *c, struct imap_rd *rd)
{
	imap_sp(rd);
	if (!imap_try_word(rd, "NIL")) {
		imap_expect(rd, '(');
		int i = 0;
		for (; !rd->why && imap_peek(rd) != ')'; i++) {
			if (i)
				imap_sp(rd);
			if (i == 2 * ID_PAIRS_MAX)
				imap_rd_fail(rd, "too many fields");
			if (i % 2 == 0 || !imap_try_word(rd, "NIL"))
				imap_string(rd);
		}
		imap_expect(rd, ')');
		if (i % 2)
			imap_rd_fail(rd, "a field has no value");
	}
	if (!no_arguments(c, rd))
		return;
	imap_put(c, STR("* ID (\"name\" \"Allod\" \"vendor\" \"Allod\")\r\n"));
	imap_ok(c, "pleased to meet you");
}

void imap_run_enable(struct imap *c, struct imap_rd *rd)
{
	bool condstore = false, qresync = false;
	do {
		imap_sp(rd);
		struct str name = imap_atom(rd);
		condstore = condstore || str_ieq(name, STR("CONDSTORE"));
		qresync = qresync || str_ieq(name, STR("QRESYNC"));
	} while (imap_peek(rd) == ' ');
	if (!no_arguments(c, rd))
		return;
	imap_putf(c, "* ENABLED%s%s\r\n", condstore ? " CONDSTORE" : "", qresync ? " QRESYNC" : "");
	if (condstore || qresync)
		imap_condstore(c);
	c->qresync = c->qresync || qresync;
	imap_ok(c, "done");
}

void imap_run_starttls(struct imap *c, struct imap_rd *rd)
{
	if (!no_arguments(c, rd))
		return;
	if (c->s->secure || !c->conf->tls) {
		imap_bad(c, c->s->secure ? "TLS is already in use" : "there is no TLS here");
		return;
	}
	if (c->r.at != c->r.n) { /* they would be taken for bytes sent under TLS */
		imap_bad(c, "[CLIENTBUG] nothing may follow STARTTLS before the handshake");
		imap_bye(c, "bytes after STARTTLS");
		return;
	}
	imap_ok(c, "begin TLS");
	if (os_flush(&c->w) < 0) {
		c->state = IMAP_LOGOUT;
		return;
	}
	struct os_stream *tls;
	int err = os_tls_accept(&tls, c->conf->tls, c->s, c->login_by);
	if (err < 0) {
		os_log(OS_INFO, "svc=imap event=starttls result=failed why=\"%s\"", err_text(err));
		c->s = NULL;
		c->w.err = ERR_CLOSED;
		c->state = IMAP_LOGOUT;
		return;
	}
	c->s = tls;
	os_reader_init(&c->r, tls, c->room, IMAP_ROOM);
	os_writer_init(&c->w, tls, c->room + IMAP_ROOM, IMAP_ROOM, IMAP_WRITE_SEC * OS_SEC);
}

/* ---- logging in ---- */
static void refuse(struct imap *c, const char *code, const char *why)
{
	imap_no(c, "[%s] %s", code, why);
	if (++c->bad_logins >= IMAP_LOGINS_MAX)
		imap_bye(c, "too many failed logins");
}

static int check(struct imap *c, struct str login, struct str password)
{
	os_time wait;
	int err = id_guard_delay(&wait, c->conf->guard, login, &c->s->peer);
	if (err < 0)
		return err;
	if (wait > 0)
		os_sleep(os_after(wait));
	err = id_login(&c->who, c->conf->registry, login, password);
	id_guard_result(c->conf->guard, login, &c->s->peer, err == 0);
	return err;
}

static void log_in(struct imap *c, struct str login, struct str password)
{
	char peer[OS_ADDR_TEXT];
	int err = check(c, login, password);
	if (err == 0)
		err = mail_account_open(&c->acct, c->conf->mail, str_of(c->who.user));
	os_addr_ip(peer, &c->s->peer);
	if (err == ERR_DENIED) {
		os_log(OS_INFO, "svc=imap event=login result=denied login=\"%.*s\" peer=%s",
			STR_ARG(str_sub(login, 0, 100)), peer);
		refuse(c, "AUTHENTICATIONFAILED", err_text(err));
		return;
	}
	if (err < 0) {
		os_log(OS_ERROR, "svc=imap event=login result=failed user=%s peer=%s why=\"%s\"",
			c->who.user, peer, err_text(err));
		refuse(c, "UNAVAILABLE", "your mail cannot be opened now, try again later");
		return;
	}
	os_log(OS_INFO, "svc=imap event=login result=ok user=%s client=%s peer=%s", c->who.user,
		c->who.client, peer);
	c->state = IMAP_AUTH;
	imap_done(c);
	imap_put(c, STR("[CAPABILITY "));
	imap_capabilities(c);
	imap_put(c, STR("] welcome\r\n"));
}

/* No answer carries a password, but buffers would keep it. */
static void forget(struct imap *c)
{
	os_wipe(c->line.p, c->line.n);
	os_wipe(c->r.room, c->r.at);
}

static bool private(struct imap *c)
{
	if (!c->s->secure)
		imap_no(c, "[PRIVACYREQUIRED] passwords travel in TLS only: use STARTTLS");
	return c->s->secure;
}

void imap_run_login(struct imap *c, struct imap_rd *rd)
{
	imap_sp(rd);
	struct str login = imap_astring(rd);
	imap_sp(rd);
	struct str password = imap_astring(rd);
	imap_end(rd);
	if (rd->why)
		imap_bad_args(c, rd);
	else if (private(c))
		log_in(c, login, password);
	forget(c);
}

/* One answer of the client: `first` if it came with the command, else after this challenge. */
static int sasl_step(struct str *out, struct imap *c, struct str *first, const char *challenge)
{
	struct str text = *first;
	if (!text.p) {
		imap_put(c, STR("+ "));
		imap_put(c, str_of(challenge));
		imap_put(c, STR("\r\n"));
		int err = os_flush(&c->w);
		err = err < 0 ? err : imap_read_plain(&text, c, c->login_by);
		if (err < 0)
			return err == ERR_LIMIT ? ERR_CLOSED : err;
	}
	*first = STR_NONE;
	if (str_eq(text, STR("*")))
		return err_set(ERR_BAD, "cancelled");
	if (str_eq(text, STR("=")))
		text = STR("");
	if (os_unbase64(out, &c->arena, text) < 0)
		return err_set(ERR_BAD, "that is not base64");
	return 0;
}

static int sasl_plain(struct str *login, struct str *password, struct imap *c, struct str first)
{
	struct str text, as;
	int err = sasl_step(&text, c, &first, "");
	if (err < 0)
		return err;
	if (!str_cut(&as, &text, text, 0) || !str_cut(login, password, text, 0))
		return err_set(ERR_BAD, "that is not a PLAIN message");
	if (as.n && !str_ieq(as, *login))
		return err_set(ERR_UNSUPPORTED, "nobody may act for another user");
	return 0;
}

static int sasl_login(struct str *login, struct str *password, struct imap *c, struct str first)
{
	int err = sasl_step(login, c, &first, "VXNlcm5hbWU6");                 /* "Username:" */
	return err < 0 ? err : sasl_step(password, c, &first, "UGFzc3dvcmQ6"); /* "Password:" */
}

void imap_run_authenticate(struct imap *c, struct imap_rd *rd)
{
	struct str first = STR_NONE, login = STR_NONE, password = STR_NONE;
	imap_sp(rd);
	struct str mechanism = imap_atom(rd);
	if (imap_try(rd, ' '))
		first = str_n(rd->at, (size_t)(rd->end - rd->at));
	if (rd->why) {
		imap_bad_args(c, rd);
		return;
	}
	if (!private(c))
		return;
	int err;
	if (str_ieq(mechanism, STR("PLAIN")))
		err = sasl_plain(&login, &password, c, first);
	else if (str_ieq(mechanism, STR("LOGIN")))
		err = sasl_login(&login, &password, c, first);
	else {
		imap_no(c, "[CANNOT] there is PLAIN and LOGIN");
		return;
	}
	if (err == 0) {
		log_in(c, login, password);
		os_wipe((char *)password.p, password.n);
	} else if (err == ERR_BAD) {
		imap_bad(c, "%s", err_text(err));
	} else if (err == ERR_UNSUPPORTED) {
		refuse(c, "AUTHORIZATIONFAILED", err_text(err));
	} else {
		imap_bye(c, "%s", err == ERR_TIMEOUT ? "log in faster" : "the answer is too long");
	}
	forget(c);
}
