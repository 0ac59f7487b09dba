/* SPDX-License-Identifier: ISC */
/*
 * People, their app passwords and the tokens of their devices. Every service has them on its own disk,
 * until identity/ runs: what changes them goes to all, what lists them asks the first. On a stopped
 * service they are written on its disk directly.
 */
#include "os/crypto.h"
#include "provisioner/password.h"
#include "provisioner/say.h"

/* One change, at each service in turn. */
static struct {
	unsigned index; /* of the service */
	unsigned done;  /* where it took effect */
} every;

static struct prov_estate *estate_of(struct prov *p)
{
	struct prov_estate *e = ARENA_NEW(&p->arena, struct prov_estate);
	int err = e ? prov_estate_load(e, p) : ERR_NOMEM;

	if (err < 0)
		prov_fail(err == ERR_NOENT ? "`allod init USER@DOMAIN` makes one" : NULL, "%s",
			err_text(err));
	return err < 0 ? NULL : e;
}

static int at_first(struct prov *p, const struct prov_args *a, int (*fn)(struct prov_session *x))
{
	struct prov_estate *e = estate_of(p);
	return e ? prov_with_client(p, a, e->services[0].name.p, fn) : PROV_FAILED;
}

static int at_every(struct prov *p, const struct prov_args *a, int (*fn)(struct prov_session *x))
{
	struct prov_estate *e = estate_of(p);
	int code = e ? PROV_OK : PROV_FAILED;

	for (size_t i = 0; code == PROV_OK && i < e->service_count; i++) {
		every.index = (unsigned)i;
		code = prov_with_client(p, a, arena_dup(&p->arena, e->services[i].name).p, fn);
	}
	return code;
}

/* Of a change that some services may have had already: has this been the last to be asked, in vain? */
static bool in_vain(const struct prov_session *x)
{
	return every.index + 1 == x->e->service_count && every.done == 0;
}

static json_t *finish(struct prov_session *x, json_t *j, int err, const char *what, int *code)
{
	*code = err < 0 ? prov_client_fail(x->c, err, what) : PROV_OK;
	return err < 0 ? NULL : j;
}

static int print_json(json_t *j)
{
	char *text = json_dumps(j, JSON_INDENT(2));

	if (!text)
		return prov_fail(NULL, "out of memory");
	puts(text);
	free(text);
	return PROV_OK;
}

/* ---- user add ---- */

enum { ADD_NAME, ADD_JSON };
static const struct prov_opt add_opts[] = {
	[ADD_NAME] = { "name", 0, "TEXT", "the person's name (the user's when left out)" },
	[ADD_JSON] = PROV_OPT_JSON,
	{ 0 },
};

static int add(struct prov_session *x)
{
	const char *user = x->args->pos[0], *name = x->args->opt[ADD_NAME];
	json_t *body = json_pack("{s:s,s:s}", "user", user, "name", name ? name : user), *j = NULL;
	int err, code;

	if (!body)
		return prov_usage(NULL, "the name is no UTF-8");
	err = prov_call(&j, x->c, "POST", "/v1/users", body);
	json_decref(body);
	if ((err == ERR_CONFLICT || err == ERR_EXIST) && !in_vain(x))
		return PROV_OK;
	if (err == 0 && every.done++)
		return json_decref(j), PROV_OK;
	j = finish(x, j, err, "cannot add the user", &code);
	if (j && x->args->opt[ADD_JSON])
		code = print_json(j);
	else if (j)
		printf("%s is in. Next: `allod user app-password %s --client NAME`\n", user, user);
	json_decref(j);
	return code;
}

static int run_add(struct prov *p, const struct prov_args *a)
{
	return at_every(p, a, add);
}

const struct prov_verb verb_user_add = { "user add", "USER", "let somebody in",
	"USER is what stands before the @: small letters, digits, '.', '-', '_'.", add_opts, 1, 1,
	run_add };

/* ---- user list ---- */

enum { LIST_JSON };
static const struct prov_opt list_opts[] = { [LIST_JSON] = PROV_OPT_JSON, { 0 } };

static int list(struct prov_session *x)
{
	json_t *j = NULL, *one;
	size_t i;
	int err = prov_call(&j, x->c, "GET", "/v1/users", NULL), code;

	j = finish(x, j, err, "cannot list the users", &code);
	if (j && x->args->opt[LIST_JSON]) {
		code = print_json(j);
	} else {
		json_array_foreach(json_object_get(j, "users"), i, one)
			printf("%-20s %s\n", json_string_value(json_object_get(one, "user")),
				json_string_value(json_object_get(one, "name")));
	}
	json_decref(j);
	return code;
}

static int run_list(struct prov *p, const struct prov_args *a)
{
	return at_first(p, a, list);
}

const struct prov_verb verb_user_list = { "user list", "", "who is in", NULL, list_opts, 0, 0,
	run_list };

/* ---- user app-password ---- */

enum { PASSWORD_CLIENT, PASSWORD_JSON };
static const struct prov_opt password_opts[] = {
	[PASSWORD_CLIENT] = { "client", 0, "NAME", "which program or device it is for (needed)" },
	[PASSWORD_JSON] = PROV_OPT_JSON,
	{ 0 },
};

static int run_password(struct prov *p, const struct prov_args *a)
{
	const char *user = a->pos[0], *client = a->opt[PASSWORD_CLIENT];
	char secret[PROV_SECRET_BYTES];
	struct prov_estate *e;
	json_t *j;
	int code;

	if (!client)
		return prov_usage("such as `--client thunderbird`",
			"`user app-password` needs --client NAME");
	e = estate_of(p);
	code = e ? prov_password_make(secret, p, a, e, user, client) : PROV_FAILED;
	if (code != PROV_OK)
		return code;
	if (a->opt[PASSWORD_JSON]) {
		j = json_pack("{s:s,s:s,s:s}", "user", user, "client", client, "password", secret);
		code = print_json(j);
		json_decref(j);
	} else {
		printf("user      %s\nclient    %s\npassword  %s\n", user, client, secret);
		prov_note("It is shown this once. `allod user revoke %s '%s'` takes it back.", user,
			client);
	}
	os_wipe(secret, sizeof(secret));
	return code;
}

const struct prov_verb verb_user_app_password = { "user app-password", "USER",
	"a new password for one program or device",
	"Clients of every service take only such passwords. One for a client that has one replaces "
	"it.",
	password_opts, 1, 1, run_password };

/* ---- user device-token ---- */

enum { TOKEN_DEVICE, TOKEN_DAYS, TOKEN_JSON };
static const struct prov_opt token_opts[] = {
	[TOKEN_DEVICE] = { "device", 0, "NAME", "which device it is for (needed)" },
	[TOKEN_DAYS] = { "days", 0, "N", "how long it is good (180)" },
	[TOKEN_JSON] = PROV_OPT_JSON,
	{ 0 },
};

struct token {
	uint64_t days;
	json_t *made; /* what the first service answered */
};

static int make_token(struct prov_session *x)
{
	struct token *t = x->ctx;
	json_t *body = json_pack("{s:s,s:I,s:O*}", "device", x->args->opt[TOKEN_DEVICE], "days",
		       (json_int_t)t->days, "token", json_object_get(t->made, "token")),
	       *j = NULL;
	int err;

	if (!body)
		return prov_usage(NULL, "the device's name is no UTF-8");
	err = prov_call(&j, x->c, "POST",
		prov_password_path(x->p, x->args->pos[0], PROV_TOKENS, NULL), body);
	json_decref(body);
	if (t->made)
		json_decref(j);
	else
		t->made = j;
	return err < 0 ? prov_client_fail(x->c, err, "cannot make a device token") : PROV_OK;
}

static void print_token(const char *user, const char *device, const json_t *made)
{
	struct os_date d;

	os_date_of(&d, json_integer_value(json_object_get(made, "expires")));
	printf("user     %s\ndevice   %s\ntoken    %s\nexpires  %04d-%02d-%02d\n", user, device,
		json_string_value(json_object_get(made, "token")), d.year, d.month, d.day);
	prov_note("It is shown this once. `allod user revoke %s --device %s` takes it back.", user,
		device);
}

static int run_token(struct prov *p, const struct prov_args *a)
{
	struct token t = { .days = ID_TOKEN_DAYS };
	struct prov_estate *e;
	int code;

	if (!a->opt[TOKEN_DEVICE])
		return prov_usage(
			"such as `--device laptop`", "`user device-token` needs --device NAME");
	if (a->opt[TOKEN_DAYS] &&
		(str_u64(&t.days, str_of(a->opt[TOKEN_DAYS]), ID_TOKEN_DAYS_MAX) < 0 || !t.days))
		return prov_usage(NULL, "--days takes a number from 1 to %d, not \"%s\"",
			ID_TOKEN_DAYS_MAX, a->opt[TOKEN_DAYS]);
	e = estate_of(p);
	code = e ? PROV_OK : PROV_FAILED;
	for (size_t i = 0; code == PROV_OK && i < e->service_count; i++)
		code = prov_with_client_ctx(
			p, a, arena_dup(&p->arena, e->services[i].name).p, make_token, &t);
	if (code == PROV_OK && a->opt[TOKEN_JSON])
		code = print_json(t.made);
	else if (code == PROV_OK)
		print_token(a->pos[0], a->opt[TOKEN_DEVICE], t.made);
	json_decref(t.made);
	return code;
}

const struct prov_verb verb_user_device_token = { "user device-token", "USER",
	"a token for git on one device",
	"Good for git alone: to read what is USER's, to push to refs/devices/NAME/USER. git takes "
	"it "
	"as the\n"
	"password of USER, or without asking: `git config http.URL.extraHeader \"Authorization: "
	"Bearer "
	"TOKEN\"`,\n"
	"where URL is the `git` (mail) or `https` (calendar, contacts) line of `allod status`. One "
	"for "
	"a device\n"
	"that has one replaces it.",
	token_opts, 1, 1, run_token };

/* ---- user passwords ---- */

static void print_rows(const json_t *rows, const char *name)
{
	const json_t *one;
	size_t i;

	json_array_foreach(rows, i, one)
	{
		const json_t *expires = json_object_get(one, "expires");
		struct os_date d;

		os_date_of(&d, json_integer_value(json_object_get(one, "created")));
		printf("%-20s since %04d-%02d-%02d", json_string_value(json_object_get(one, name)),
			d.year, d.month, d.day);
		if (expires) {
			os_date_of(&d, json_integer_value(expires));
			printf(", device token until %04d-%02d-%02d", d.year, d.month, d.day);
		}
		puts("");
	}
}

static int passwords(struct prov_session *x)
{
	const char *user = x->args->pos[0];
	json_t *j = NULL, *tokens = NULL;
	int err = prov_call(
		&j, x->c, "GET", prov_password_path(x->p, user, PROV_PASSWORDS, NULL), NULL);
	int code;

	if (err == 0)
		err = prov_call(&tokens, x->c, "GET",
			prov_password_path(x->p, user, PROV_TOKENS, NULL), NULL);
	if (err == 0 && json_object_update(j, tokens) < 0)
		err = ERR_NOMEM;
	json_decref(tokens);
	finish(x, j, err, "cannot list the app passwords", &code);
	if (code == PROV_OK && x->args->opt[LIST_JSON]) {
		code = print_json(j);
	} else if (code == PROV_OK) {
		print_rows(json_object_get(j, "passwords"), "client");
		print_rows(json_object_get(j, "tokens"), "device");
	}
	json_decref(j);
	return code;
}

static int run_passwords(struct prov *p, const struct prov_args *a)
{
	return at_first(p, a, passwords);
}

const struct prov_verb verb_user_passwords = { "user passwords", "USER",
	"which programs have one, which devices a token", NULL, list_opts, 1, 1, run_passwords };

/* ---- user revoke ---- */

enum { REVOKE_DEVICE };
static const struct prov_opt revoke_opts[] = {
	[REVOKE_DEVICE] = { "device", 0, "NAME", "the token of this device instead" },
	{ 0 },
};

static int revoke(struct prov_session *x)
{
	const char *device = x->args->opt[REVOKE_DEVICE];
	const char *path = prov_password_path(x->p, x->args->pos[0],
		device ? PROV_TOKENS : PROV_PASSWORDS, device ? device : x->args->pos[1]);
	int err = prov_call(NULL, x->c, "DELETE", path, NULL);

	if (err == ERR_NOENT && !in_vain(x))
		return PROV_OK;
	every.done += err == 0;
	return err < 0 ? prov_client_fail(x->c, err, "cannot revoke it") : PROV_OK;
}

static int run_revoke(struct prov *p, const struct prov_args *a)
{
	if ((a->n == 2) == (a->opt[REVOKE_DEVICE] != NULL))
		return prov_usage("`allod user passwords USER` lists both",
			"`user revoke` needs a CLIENT or --device NAME");
	return at_every(p, a, revoke);
}

const struct prov_verb verb_user_revoke = { "user revoke", "USER [CLIENT]",
	"take an app password or a device token back", NULL, revoke_opts, 1, 2, run_revoke };
