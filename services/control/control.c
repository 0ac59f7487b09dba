/* SPDX-License-Identifier: ISC */
#include "services/control/control_impl.h"
#include "os/crypto.h"
#include "os/log.h"
#include "sync/git.h"

#define HANDSHAKE_NS (10 * OS_SEC)

static void git(struct control *c, struct http_x *x, struct str rest)
{
	git_answer(x, c->cfg.store, rest, c->cfg.git_objects_max);
}

static const struct control_route routes[] = {
	{ "GET", "/v1/status", false, control_status },
	{ "GET", "/metrics", false, control_metrics },
	{ "GET", "/v1/refs", false, control_refs },
	{ "GET", "/v1/log", false, control_log },
	{ "GET", "/v1/show", false, control_show },
	{ "GET", "/v1/diff", false, control_diff },
	{ "POST", "/v1/restore", false, control_restore },
	{ "POST", "/v1/items", false, control_items_in },
	{ "GET", "/v1/items", false, control_items_out },
	{ "GET", "/v1/milestones", false, control_milestones },
	{ "POST", "/v1/verify", false, control_verify },
	{ "POST", "/v1/sweep", false, control_sweep },
	{ "GET", "/v1/keeping", false, control_keeping },
	{ "POST", "/v1/keeping", false, control_keeping },
	{ "GET", "/git/", true, git },
	{ "POST", "/git/", true, git },
	{ "POST", "/v1/snapshot", false, control_snapshot },
	{ "GET", "/v1/users", false, control_users },
	{ "POST", "/v1/users", false, control_users },
	{ "GET", "/v1/users/", true, control_user },
	{ "POST", "/v1/users/", true, control_user },
	{ "DELETE", "/v1/users/", true, control_user },
	{ "POST", "/v1/powerdown", false, control_powerdown },
};

int control_open(struct control **out, const struct control_config *cfg)
{
	struct control *c;
	struct buf copies;

	if (cfg->token.n < 32)
		return err_set(ERR_BAD, "control: the token is shorter than 32 bytes");
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(ERR_NOMEM, "control: out of memory");
	buf_init(&copies, NULL);
	buf_add(&copies, cfg->name);
	buf_add(&copies, cfg->version);
	if (copies.err < 0) {
		free(c);
		return copies.err;
	}
	c->cfg = *cfg;
	c->cfg.name = str_n(copies.p, cfg->name.n);
	c->cfg.version = str_n(copies.p + cfg->name.n, cfg->version.n);
	c->cfg.token = STR_NONE; /* only its hash stays */
	os_sha256(c->token_hash, cfg->token);
	c->started = os_now();
	*out = c;
	return 0;
}

void control_close(struct control *c)
{
	free((char *)c->cfg.name.p);
	free(c);
}

static bool allowed(const struct control *c, struct http_x *x)
{
	struct str given = http_get(x, "Authorization");
	uint8_t hash[32];

	if (!str_istarts(given, STR("Bearer ")))
		return false;
	os_sha256(hash, str_trim(str_sub(given, 7, given.n)));
	return os_same(hash, c->token_hash, sizeof(hash));
}

static void handle(struct http_x *x, void *ctx)
{
	struct control *c = ctx;
	bool path_known = false;

	http_header(x, "Cache-Control", STR("no-store"));
	if (!allowed(c, x)) {
		http_header(x, "WWW-Authenticate", STR("Bearer"));
		control_reply(x, 401,
			json_pack("{s:s,s:s}", "error", "the control token is missing or wrong",
				"hint", "it stands in keys/control.token of the estate's folder"));
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		const struct control_route *r = &routes[i];
		struct str path = str_of(r->path);

		if (r->prefix ? !str_starts(x->path, path) : !str_eq(x->path, path))
			continue;
		path_known = true;
		if (!str_eq(x->method, str_of(r->method)))
			continue;
		r->handle(c, x, str_sub(x->path, path.n, x->path.n));
		return;
	}
	control_reply(x, path_known ? 405 : 404,
		json_pack("{s:s}", "error", path_known ? "not with this method" : "no such path"));
}

void control_serve(struct control *c, struct os_stream *s)
{
	http_serve(s, handle, c);
}

/* ---- listening ---- */

struct arrival {
	struct control *c;
	struct os_stream *s;
};

static void session(void *arg)
{
	struct arrival *a = arg;
	struct control *c = a->c;
	struct os_stream *secure;
	int err = os_tls_accept(&secure, c->cfg.tls, a->s, os_after(HANDSHAKE_NS));

	free(a);
	if (err < 0)
		os_log(OS_INFO, "svc=control event=tls why=\"%s\"", err_text(err));
	else
		control_serve(c, secure);
	c->connections--;
}

static void take_in(struct control *c, struct os_stream *s)
{
	struct arrival *a;

	if (c->connections >= CONTROL_CONNECTIONS_MAX) {
		os_stream_close(s); /* before TLS there are no words to say it in */
		return;
	}
	a = malloc(sizeof(*a));
	if (!a) {
		os_stream_close(s);
		return;
	}
	*a = (struct arrival){ c, s };
	c->connections++;
	if (os_spawn("control", session, a) < 0) {
		c->connections--;
		free(a);
		os_stream_close(s);
	}
}

struct listening {
	struct control *c;
	struct os_listener *l;
};

static void listening(void *arg)
{
	struct listening l = *(struct listening *)arg;
	struct os_stream *s;
	int err;

	free(arg);
	while ((err = os_accept(&s, l.l, OS_FOREVER)) == 0)
		take_in(l.c, s);
	if (err != ERR_CLOSED)
		os_log(OS_ERROR, "svc=control event=accept why=\"%s\"", err_text(err));
	os_listener_close(l.l);
}

int control_start(const struct control_config *cfg)
{
	static struct control *started; /* lives as long as the service */
	struct listening *l = malloc(sizeof(*l));
	int err;

	os_assert(!started);
	if (!l)
		return err_set(ERR_NOMEM, "control: out of memory");
	err = control_open(&l->c, cfg);
	if (err < 0) {
		free(l);
		return err;
	}
	err = os_listen(&l->l, CONTROL_PORT);
	if (err < 0)
		goto no_listener;
	started = l->c;
	err = os_spawn("control", listening, l);
	if (err == 0)
		return 0;
	started = NULL;
	os_listener_close(l->l);
no_listener:
	control_close(l->c);
	free(l);
	return err;
}
