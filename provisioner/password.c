/* SPDX-License-Identifier: ISC */
#include "provisioner/password.h"
#include "provisioner/say.h"

const char *prov_password_path(struct prov *p, const char *user, const char *kind, const char *name)
{
	struct buf b;

	buf_init(&b, &p->arena);
	buf_addz(&b, "/v1/users/");
	prov_encode(&b, str_of(user));
	buf_addc(&b, '/');
	buf_addz(&b, kind);
	if (name) {
		buf_addc(&b, '/');
		prov_encode(&b, str_of(name));
	}
	os_assert(b.err == 0);
	return b.p;
}

struct making {
	const char *user, *client;
	char *secret; /* "" until the first service made it */
};

static int make(struct prov_session *x)
{
	struct making *m = x->ctx;
	json_t *body = json_pack("{s:s,s:s*}", "client", m->client, "password",
		       m->secret[0] ? m->secret : NULL),
	       *j = NULL;
	int err;

	if (!body)
		return prov_usage(NULL, "the client's name is no UTF-8");
	err = prov_call(
		&j, x->c, "POST", prov_password_path(x->p, m->user, PROV_PASSWORDS, NULL), body);
	json_decref(body);
	if (err == 0 && !m->secret[0])
		snprintf(m->secret, PROV_SECRET_BYTES, "%s",
			json_string_value(json_object_get(j, "password")));
	json_decref(j);
	return err < 0 ? prov_client_fail(x->c, err, "cannot make an app password") : PROV_OK;
}

int prov_password_make(char secret[static PROV_SECRET_BYTES], struct prov *p,
	const struct prov_args *a, const struct prov_estate *e, const char *user,
	const char *client)
{
	struct making m = { user, client, secret };
	int code = PROV_OK;

	secret[0] = '\0';
	for (size_t i = 0; code == PROV_OK && i < e->service_count; i++)
		code = prov_with_client_ctx(
			p, a, arena_dup(&p->arena, e->services[i].name).p, make, &m);
	return code;
}
