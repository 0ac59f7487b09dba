/* SPDX-License-Identifier: ISC */
/* AUTH PLAIN and LOGIN (RFC 4954, 4616), only inside TLS and only for submission. */
#include "services/mail/smtp_impl.h"
#include "os/crypto.h"
#include "os/log.h"

#define FAILED_LOGINS_MAX 3

/* One base64 answer of the client, decoded in the arena. ERR_BAD, or ERR_DENIED when it gives up with "*": that was answered. */
static int answer(struct str *out, struct arena *a, struct smtp *s, struct str given)
{
	if (str_eq(given, STR("*"))) {
		smtp_reply(s, "501 5.7.0 as you like");
		return ERR_DENIED;
	}
	if (str_eq(given, STR("=")))
		given = STR("");
	if (os_unbase64(out, a, given) < 0) {
		s->errors++;
		smtp_reply(s, "501 5.5.2 that is not base64");
		return ERR_BAD;
	}
	return 0;
}

static int ask(struct str *out, struct arena *a, struct smtp *s, const char *challenge)
{
	struct str line;
	int err;

	smtp_reply(s, "334 %s", challenge);
	err = smtp_line(&line, s);
	return err < 0 ? err : answer(out, a, s, line);
}

static int plain(struct str *login, struct str *password, struct arena *a, struct smtp *s,
	struct str initial)
{
	struct str msg, authzid;
	int err = initial.n > 0 ? answer(&msg, a, s, initial) : ask(&msg, a, s, "");

	if (err < 0)
		return err;
	if (!str_cut(&authzid, &msg, msg, 0) || !str_cut(login, password, msg, 0)) {
		s->errors++;
		smtp_reply(s, "501 5.5.2 PLAIN is authzid NUL authcid NUL password");
		return ERR_BAD;
	}
	if (authzid.n > 0 && !str_ieq(authzid, *login)) {
		smtp_reply(s, "535 5.7.8 logging in as somebody else is not offered");
		return ERR_BAD;
	}
	return 0;
}

static int login_words(struct str *login, struct str *password, struct arena *a, struct smtp *s,
	struct str initial)
{
	int err = initial.n > 0 ? answer(login, a, s, initial) : ask(login, a, s, "VXNlcm5hbWU6");

	return err < 0 ? err : ask(password, a, s, "UGFzc3dvcmQ6");
}

static int check(struct smtp *s, struct str login, struct str password)
{
	char peer[OS_ADDR_TEXT];
	struct id_login who;
	os_time wait;
	int err = id_guard_delay(&wait, s->config->guard, login, &s->stream->peer);

	os_addr_ip(peer, &s->stream->peer);
	if (err == 0) {
		os_sleep(os_after(wait));
		err = id_login(&who, s->config->registry, login, password);
		id_guard_result(s->config->guard, login, &s->stream->peer, err == 0);
	}
	if (err == 0) {
		memcpy(s->user, who.user, sizeof(s->user));
		os_log(OS_INFO, "svc=smtp event=login result=ok user=%s client=%s peer=%s",
			who.user, who.client, peer);
		smtp_reply(s, "235 2.7.0 welcome");
		return 0;
	}
	os_log(OS_WARN, "svc=smtp event=login result=refused user=\"%.*s\" peer=%s",
		STR_ARG(str_sub(login, 0, 64)), peer);
	smtp_reply(s, "535 5.7.8 %s", err_text(err));
	if (++s->failed_logins < FAILED_LOGINS_MAX)
		return 0;
	smtp_reply(s, "421 4.7.0 too many failed logins, bye");
	return ERR_DENIED;
}

int smtp_auth(struct smtp *s, struct str arg)
{
	struct str mechanism, initial, login, password;
	struct arena a;
	int err;

	if (s->kind == SMTP_MX || !s->stream->secure) {
		s->errors++;
		smtp_reply(s,
			s->kind == SMTP_MX ? "502 5.5.1 log in on the submission port"
					   : "530 5.7.0 say STARTTLS first");
		return 0;
	}
	if (!s->helo.p || s->user[0] || s->has_sender) {
		s->errors++;
		smtp_reply(s, !s->helo.p ? "503 5.5.1 say EHLO first" : "503 5.5.1 not now");
		return 0;
	}
	str_cut(&mechanism, &initial, arg, ' ');
	initial = str_trim(initial);
	arena_init(&a, 64 * 1024);
	/* the line is overwritten by the next read, the initial answer is decoded before */
	if (str_ieq(mechanism, STR("PLAIN"))) {
		err = plain(&login, &password, &a, s, initial);
	} else if (str_ieq(mechanism, STR("LOGIN"))) {
		err = login_words(&login, &password, &a, s, initial);
	} else {
		smtp_reply(s,
			mechanism.n ? "504 5.5.4 PLAIN and LOGIN are offered"
				    : "501 5.5.4 AUTH takes a mechanism");
		err = ERR_BAD;
	}
	if (err == 0) {
		err = check(s, login, password);
		os_wipe((char *)password.p, password.n);
	} else if (err == ERR_BAD || err == ERR_DENIED || err == ERR_LIMIT) {
		err = 0; /* answered */
	}
	arena_free(&a);
	return err;
}
