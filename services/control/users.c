/* SPDX-License-Identifier: ISC */
#include "os/crypto.h"
#include "services/control/control_impl.h"

static struct id_registry *registry(struct control *c, struct http_x *x)
{
	if (!c->cfg.registry)
		control_fail(x, err_set(ERR_NOENT, "this service keeps no users"), NULL);
	return c->cfg.registry;
}

static struct str member(const json_t *j, const char *name)
{
	const json_t *v = json_object_get(j, name);

	return str_n(json_string_value(v), json_string_length(v));
}

static int user_row(void *ctx, struct str user, struct str full_name)
{
	json_t *row =
		json_pack("{s:o,s:o}", "user", control_text(user), "name", control_text(full_name));

	return json_array_append_new(ctx, row) < 0 ? ERR_NOMEM : 0;
}

static void add_user(struct id_registry *reg, struct http_x *x)
{
	json_t *body = control_body(x);
	struct str user, name;
	int err;

	if (!body)
		return;
	user = member(body, "user");
	name = member(body, "name");
	err = id_user_add(reg, user, name.p ? name : user);
	if (err < 0)
		control_fail(x, err, NULL);
	else
		control_reply(x, 201,
			json_pack("{s:s%,s:s%}", "user", user.p, user.n, "name",
				name.p ? name.p : user.p, name.p ? name.n : user.n));
	json_decref(body);
}

void control_users(struct control *c, struct http_x *x, struct str rest)
{
	struct id_registry *reg = registry(c, x);
	json_t *list;
	int err;

	(void)rest;
	if (!reg)
		return;
	if (str_eq(x->method, STR("POST"))) {
		add_user(reg, x);
		return;
	}
	list = json_array();
	err = id_user_list(reg, user_row, list);
	if (err < 0) {
		json_decref(list);
		control_fail(x, err, NULL);
		return;
	}
	control_reply(x, 200, json_pack("{s:o}", "users", list));
}

/* ---- /v1/users/<user>/app-passwords[/<client>], /v1/users/<user>/device-tokens[/<device>] ---- */

struct rows {
	json_t *list;
	bool tokens;
};

static int secret_row(void *ctx, struct str name, int64_t created_sec, int64_t expires_sec)
{
	struct rows *r = ctx;
	json_t *row = json_pack("{s:o,s:I}", r->tokens ? "device" : "client", control_text(name),
		"created", (json_int_t)created_sec);

	if (r->tokens)
		json_object_set_new(row, "expires", json_integer(expires_sec));
	return json_array_append_new(r->list, row) < 0 ? ERR_NOMEM : 0;
}

static void list(struct id_registry *reg, struct http_x *x, const struct id_key *k)
{
	struct rows r = { json_array(), k->kind == ID_TOKEN };
	int err = id_secret_list(reg, k->user, k->kind, secret_row, &r);

	if (err < 0) {
		json_decref(r.list);
		control_fail(x, err, NULL);
		return;
	}
	control_reply(x, 200, json_pack("{s:o}", r.tokens ? "tokens" : "passwords", r.list));
}

/* Days from now in the body, or as many as usual. */
static int expiry(int64_t *expires_sec, const json_t *body)
{
	const json_t *days = json_object_get(body, "days");
	json_int_t n = days ? json_integer_value(days) : ID_TOKEN_DAYS;

	if (n < 1 || n > ID_TOKEN_DAYS_MAX)
		return err_set(ERR_BAD, "a token is good for 1 to %d days", ID_TOKEN_DAYS_MAX);
	*expires_sec = os_wall_sec() + n * 86400;
	return 0;
}

static void add(struct id_registry *reg, struct http_x *x, struct id_key *k)
{
	bool token = k->kind == ID_TOKEN;
	json_t *body = control_body(x), *reply;
	int64_t expires_sec = 0;
	struct str secret;
	int err;

	if (!body)
		return;
	k->name = member(body, token ? "device" : "client");
	secret = member(body, token ? "token" : "password");
	err = token ? expiry(&expires_sec, body) : 0;
	if (err == 0)
		err = id_secret_add(&secret, &x->arena, reg, k, expires_sec);
	if (err < 0) {
		control_fail(x, err, NULL);
	} else {
		reply = json_pack("{s:s%,s:s%,s:s%}", "user", k->user.p, k->user.n,
			token ? "device" : "client", k->name.p, k->name.n,
			token ? "token" : "password", secret.p, secret.n);
		if (token)
			json_object_set_new(reply, "expires", json_integer(expires_sec));
		control_reply(x, 201, reply);
	}
	if (secret.p)
		os_wipe((char *)secret.p, secret.n);
	json_decref(body);
}

static void revoke(struct id_registry *reg, struct http_x *x, const struct id_key *k)
{
	int err = id_secret_revoke(reg, k);

	if (err < 0)
		control_fail(x, err, NULL);
	else
		control_reply(x, 200, json_pack("{s:b}", "ok", 1));
}

void control_user(struct control *c, struct http_x *x, struct str rest)
{
	struct id_registry *reg = registry(c, x);
	struct id_key k = { ID_PASSWORD, STR_NONE, STR_NONE };
	struct str what;

	if (!reg)
		return;
	str_cut(&k.user, &rest, rest, '/');
	str_cut(&what, &k.name, rest, '/');
	if (str_eq(what, STR("device-tokens")))
		k.kind = ID_TOKEN;
	if (k.kind != ID_TOKEN && !str_eq(what, STR("app-passwords")))
		control_fail(x, err_set(ERR_NOENT, "no such path"), NULL);
	else if (str_eq(x->method, STR("GET")) && k.name.n == 0)
		list(reg, x, &k);
	else if (str_eq(x->method, STR("POST")) && k.name.n == 0)
		add(reg, x, &k);
	else if (str_eq(x->method, STR("DELETE")) && k.name.n)
		revoke(reg, x, &k);
	else
		control_fail(x, err_set(ERR_BAD, "not with this method"), NULL);
}
