/* SPDX-License-Identifier: ISC */
/*
 * People and their app passwords. Every service has them on its own disk, until identity/ runs: what
 * changes them goes to all, what lists them asks the first. On a stopped service they are written on
 * its disk directly.
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

/* ---- user passwords ---- */

static int passwords(struct prov_session *x)
{
	json_t *j = NULL, *one;
	size_t i;
	int err = prov_call(&j, x->c, "GET", prov_password_path(x->p, x->args->pos[0], NULL), NULL),
	    code;

	j = finish(x, j, err, "cannot list the app passwords", &code);
	if (j && x->args->opt[LIST_JSON]) {
		code = print_json(j);
	} else {
		json_array_foreach(json_object_get(j, "passwords"), i, one)
		{
			struct os_date d;

			os_date_of(&d, json_integer_value(json_object_get(one, "created")));
			printf("%-20s since %04d-%02d-%02d\n",
				json_string_value(json_object_get(one, "client")), d.year, d.month,
				d.day);
		}
	}
	json_decref(j);
	return code;
}

static int run_passwords(struct prov *p, const struct prov_args *a)
{
	return at_first(p, a, passwords);
}

const struct prov_verb verb_user_passwords = { "user passwords", "USER",
	"which programs and devices have one", NULL, list_opts, 1, 1, run_passwords };

/* ---- user revoke ---- */

static int revoke(struct prov_session *x)
{
	const char *path = prov_password_path(x->p, x->args->pos[0], x->args->pos[1]);
	int err = prov_call(NULL, x->c, "DELETE", path, NULL);

	if (err == ERR_NOENT && !in_vain(x))
		return PROV_OK;
	every.done += err == 0;
	return err < 0 ? prov_client_fail(x->c, err, "cannot revoke it") : PROV_OK;
}

static int run_revoke(struct prov *p, const struct prov_args *a)
{
	return at_every(p, a, revoke);
}

const struct prov_verb verb_user_revoke = { "user revoke", "USER CLIENT",
	"take an app password back", NULL, NULL, 2, 2, run_revoke };
