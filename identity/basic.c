/* SPDX-License-Identifier: ISC */
#include "identity/basic.h"
#include "os/crypto.h"
#include "os/log.h"

#define HEADER_MAX 1024

/* One request at the door. */
struct visit {
	struct id_login *who;
	struct id_registry *r;
	struct id_guard *g;
	struct http_x *x;
	const char *svc;
};

static int ask(struct http_x *x, int status, const char *challenge, const char *text)
{
	if (challenge)
		http_header(x, "WWW-Authenticate", str_of(challenge));
	http_reply_text(x, status, text);
	return ERR_DENIED;
}

static int ask_password(struct http_x *x, const char *text)
{
	return ask(x, 401, "Basic realm=\"Allod: an app password\", charset=\"UTF-8\"",
		text ? text
		     : "A user's name and an app password are needed: "
		       "`allod user app-password USER --client NAME` makes one.\n");
}

/* 0, or what id_login has to say; ERR_CLOSED: refused unseen, and answered. */
static int check(const struct visit *v, id_login_fn *login_fn, struct str login, struct str secret)
{
	struct http_x *x = v->x;
	char peer[OS_ADDR_TEXT];
	os_time wait;

	if (id_guard_delay(&wait, v->g, login, &x->peer) < 0) {
		http_header(x, "Retry-After", STR("60"));
		http_reply_text(x, 429, "Too many wrong passwords: try again in a minute.\n");
		return ERR_CLOSED;
	}
	if (wait > 0)
		os_sleep(os_after(wait));
	int err = login_fn(v->who, v->r, login, secret);
	id_guard_result(v->g, login, &x->peer, err == 0);
	if (err == 0)
		return 0;
	os_addr_ip(peer, &x->peer);
	os_log(OS_INFO, "svc=%s event=login result=%s login=\"%.*s\" peer=%s", v->svc,
		err == ERR_TIMEOUT ? "expired" : "denied", (int)(login.n < 64 ? login.n : 64),
		login.p, peer);
	return err;
}

static int basic(const struct visit *v, struct str given, id_login_fn *login_fn)
{
	struct str both, login, password;
	int err;

	if (!str_istarts(given, STR("Basic ")) || given.n > HEADER_MAX)
		return ask_password(v->x, NULL);
	if (os_unbase64(&both, &v->x->arena, str_trim(str_sub(given, 6, given.n))) < 0 ||
		!str_cut(&login, &password, both, ':'))
		return ask_password(v->x, NULL);
	err = check(v, login_fn, login, password);
	os_wipe((char *)both.p, both.n);
	if (err == 0 || err == ERR_CLOSED)
		return err;
	return ask_password(v->x, err == ERR_TIMEOUT ? err_text(err) : NULL);
}

int id_basic(struct id_login *who, struct id_registry *r, struct id_guard *g, struct http_x *x,
	const char *svc)
{
	return basic(&(struct visit){ who, r, g, x, svc }, http_get(x, "Authorization"), id_login);
}

int id_basic_or_token(struct id_login *who, struct id_registry *r, struct id_guard *g,
	struct http_x *x, const char *svc, struct str owner)
{
	struct visit v = { who, r, g, x, svc };
	struct str given = http_get(x, "Authorization");
	int err;

	if (!str_istarts(given, STR("Bearer ")) || given.n > HEADER_MAX)
		return basic(&v, given, id_login_either);
	err = check(&v, id_login_device, owner, str_trim(str_sub(given, 7, given.n)));
	if (err == 0 || err == ERR_CLOSED)
		return err;
	if (err == ERR_TIMEOUT)
		return ask(x, 403, NULL, err_text(err));
	return ask(x, 401, "Bearer realm=\"Allod: a device's token\", error=\"invalid_token\"",
		"That is no token of a device of this repository's user.\n");
}
