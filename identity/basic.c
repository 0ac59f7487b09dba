/* SPDX-License-Identifier: ISC */
#include "identity/basic.h"
#include "os/crypto.h"
#include "os/log.h"

#define HEADER_MAX 1024

static int ask(struct http_x *x)
{
	http_header(x, "WWW-Authenticate",
		STR("Basic realm=\"Allod: an app password\", charset=\"UTF-8\""));
	http_reply_text(x, 401,
		"A user's name and an app password are needed: "
		"`allod user app-password USER --client NAME` makes one.\n");
	return ERR_DENIED;
}

static int check(struct id_login *who, struct id_registry *r, struct id_guard *g, struct http_x *x,
	const char *svc, struct str login, struct str password)
{
	char peer[OS_ADDR_TEXT];
	os_time wait;
	int err = id_guard_delay(&wait, g, login, &x->peer);

	if (err < 0) {
		http_header(x, "Retry-After", STR("60"));
		http_reply_text(x, 429, "Too many wrong passwords: try again in a minute.\n");
		return err;
	}
	if (wait > 0)
		os_sleep(os_after(wait));
	err = id_login(who, r, login, password);
	id_guard_result(g, login, &x->peer, err == 0);
	if (err == 0)
		return 0;
	os_addr_ip(peer, &x->peer);
	os_log(OS_INFO, "svc=%s event=login result=denied login=\"%.*s\" peer=%s", svc,
		(int)(login.n < 64 ? login.n : 64), login.p, peer);
	return ask(x);
}

int id_basic(struct id_login *who, struct id_registry *r, struct id_guard *g, struct http_x *x,
	const char *svc)
{
	struct str given = http_get(x, "Authorization"), both, login, password;
	int err;

	if (!str_istarts(given, STR("Basic ")) || given.n > HEADER_MAX)
		return ask(x);
	if (os_unbase64(&both, &x->arena, str_trim(str_sub(given, 6, given.n))) < 0 ||
		!str_cut(&login, &password, both, ':'))
		return ask(x);
	err = check(who, r, g, x, svc, login, password);
	os_wipe((char *)both.p, both.n);
	return err;
}
