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

/* ---- app passwords: /v1/users/<user>/app-passwords[/<client>] ---- */

static int password_row(void *ctx, struct str client, int64_t created_sec)
{
	json_t *row = json_pack(
		"{s:o,s:I}", "client", control_text(client), "created", (json_int_t)created_sec);

	return json_array_append_new(ctx, row) < 0 ? ERR_NOMEM : 0;
}

static void list_passwords(struct id_registry *reg, struct http_x *x, struct str user)
{
	json_t *list = json_array();
	int err = id_password_list(reg, user, password_row, list);

	if (err < 0) {
		json_decref(list);
		control_fail(x, err, NULL);
		return;
	}
	control_reply(x, 200, json_pack("{s:o}", "passwords", list));
}

static void add_password(struct id_registry *reg, struct http_x *x, struct str user)
{
	json_t *body = control_body(x);
	struct str client, secret;
	int err;

	if (!body)
		return;
	client = member(body, "client");
	secret = member(body, "password");
	if (secret.p)
		err = id_password_put(&x->arena, reg, user, client, secret);
	else
		err = id_password_add(&secret, &x->arena, reg, user, client);
	if (err < 0) {
		control_fail(x, err, NULL);
	} else {
		control_reply(x, 201,
			json_pack("{s:s%,s:s%,s:s%}", "user", user.p, user.n, "client", client.p,
				client.n, "password", secret.p, secret.n));
	}
	if (secret.p)
		os_wipe((char *)secret.p, secret.n);
	json_decref(body);
}

void control_user(struct control *c, struct http_x *x, struct str rest)
{
	struct id_registry *reg = registry(c, x);
	struct str user, what, client;
	int err;

	if (!reg)
		return;
	str_cut(&user, &rest, rest, '/');
	str_cut(&what, &client, rest, '/');
	if (!str_eq(what, STR("app-passwords"))) {
		control_fail(x, err_set(ERR_NOENT, "no such path"), NULL);
	} else if (str_eq(x->method, STR("GET")) && client.n == 0) {
		list_passwords(reg, x, user);
	} else if (str_eq(x->method, STR("POST")) && client.n == 0) {
		add_password(reg, x, user);
	} else if (str_eq(x->method, STR("DELETE")) && client.n) {
		err = id_password_revoke(reg, user, client);
		if (err < 0)
			control_fail(x, err, NULL);
		else
			control_reply(x, 200, json_pack("{s:b}", "ok", 1));
	} else {
		control_fail(x, err_set(ERR_BAD, "not with this method"), NULL);
	}
}
