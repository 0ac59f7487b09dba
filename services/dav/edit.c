/* SPDX-License-Identifier: ISC */
/* Edits of a user's branch, and what every account begins with. */
#include "os/crypto.h"
#include "os/log.h"
#include "services/dav/dav_impl.h"

#define EDIT_NS (30 * OS_SEC)

void dav_fail_err(struct dav_request *r, int err)
{
	static const struct {
		int err, status;
		const char *condition;
	} rows[] = {
		{ ERR_NOSPACE, 507, "quota-not-exceeded" },
		{ ERR_LIMIT, 507, NULL },
		{ ERR_BAD, 400, NULL },
		{ ERR_NOENT, 404, NULL },
		{ ERR_CONFLICT, 409, NULL },
		{ ERR_TIMEOUT, 503, NULL },
		{ ERR_CLOSED, 503, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].err == err) {
			dav_refuse(r, rows[i].status, XML_DAV, rows[i].condition, err_text(err));
			return;
		}
	os_log(OS_ERROR, "svc=%s event=request result=failed method=%.*s why=\"%s\"",
		r->cfg->service->name, STR_ARG(r->x->method), err_text(err));
	dav_refuse(r, 500, STR_NONE, NULL, "the server failed; its log says why");
}

static int begun(int err, struct dav_request *r)
{
	if (err == ERR_CORRUPT || err == ERR_IO) /* nothing is written any more */
		dav_refuse(r, 503, STR_NONE, NULL, err_text(err));
	else if (err < 0)
		dav_fail_err(r, err);
	return err;
}

int dav_edit_begin(struct store_edit **e, struct dav_request *r)
{
	return begun(store_edit_begin(e, r->cfg->store, r->ref, os_after(EDIT_NS)), r);
}

int dav_edit_begin_reserved(struct store_edit **e, struct dav_request *r)
{
	return begun(store_edit_begin_reserved(e, r->cfg->store, r->ref, os_after(EDIT_NS)), r);
}

int dav_refresh(struct dav_request *r, struct store_edit *e)
{
	struct store_entry top;
	int err = store_edit_find(&top, e, STR(""));

	if (err >= 0)
		r->root = top.oid;
	return err;
}

int dav_hold(struct store_edit *e, struct dav_request *r, const struct store_oid *etag)
{
	if (dav_conditions(r, etag))
		return 0;
	store_edit_abort(e);
	dav_refuse(r, 412, STR_NONE, NULL, "it has changed meanwhile");
	return ERR_CONFLICT;
}

int dav_still(
	struct store_edit *e, struct dav_request *r, struct dav_res *up, const struct dav_path *at)
{
	struct str name;
	const struct dav_meta *was = dav_res_meta(up, r);
	struct dav_res now = { .path = up->path };
	int err = dav_refresh(r, e);

	if (err >= 0)
		err = dav_node_find(&now.node, r->cfg->store, &r->root, now.path.segs, now.path.n);
	if (err < 0 && err != ERR_NOENT)
		return err;
	if (err < 0 || !now.node.collection || dav_res_meta(&now, r)->kind != was->kind ||
		dav_res_meta(&now, r)->components != was->components)
		return err_set(ERR_CONFLICT, "the collection has gone or changed meanwhile");
	err = at ? dav_uid_other(&name, r, e, at, up) : ERR_NOENT;
	if (err >= 0)
		return err_set(ERR_CONFLICT, "another item took its UID meanwhile");
	return err == ERR_NOENT ? 0 : err;
}

static int commit(struct store_edit *e, struct dav_request *r, struct str message)
{
	struct str email = arena_fmt(
		&r->a, "%.*s@%.*s", STR_ARG(r->user), STR_ARG(id_domain(r->cfg->registry)));
	struct store_why why = { .name = r->user, .email = email, .message = message };

	return store_edit_commit(NULL, e, &why);
}

int dav_edit_commit(struct store_edit *e, struct dav_request *r, const char *what)
{
	struct buf b;
	int err;

	buf_init(&b, &r->a);
	buf_fmt(&b, "%s: %s ", r->cfg->service->name, what);
	for (size_t i = 0; i < r->path.n; i++)
		buf_fmt(&b, "%s%.*s", i ? "/" : "", STR_ARG(r->path.segs[i]));
	err = commit(e, r, buf_str(&b));
	if (err < 0)
		dav_fail_err(r, err);
	return err;
}

#define SECRET_KEY STR("dav/secret")

int dav_open(struct dav_config *cfg)
{
	struct store_why why = { STR("allod"), STR(""), STR("secret"), 0 };
	struct store_edit *e;
	struct arena a;
	struct str have;
	int err;

	arena_init(&a, 4096);
	err = store_local_get(&have, &a, cfg->store, SECRET_KEY);
	if (err >= 0 && have.n == sizeof(cfg->secret))
		memcpy(cfg->secret, have.p, have.n);
	arena_free(&a);
	if (err != ERR_NOENT)
		return err;
	os_random(cfg->secret, sizeof(cfg->secret));
	err = store_edit_begin(&e, cfg->store, STR("refs/heads/estate"), OS_FOREVER);
	if (err < 0)
		return err;
	err = store_edit_local_put(e, SECRET_KEY, str_n(cfg->secret, sizeof(cfg->secret)));
	if (err >= 0)
		return store_edit_commit(NULL, e, &why);
	store_edit_abort(e);
	return err;
}

int dav_found_in(struct store_edit *e, struct arena *a, const struct dav_service *service)
{
	struct store_entry there;
	struct buf text;
	int err;

	if (store_edit_find(&there, e, STR(".gitattributes")) >= 0)
		return 0; /* somebody was faster */
	err = store_edit_put_bytes(e, STR(".gitattributes"), STR("* -text\n"));
	for (const struct dav_default *d = service->defaults; d->folder && err >= 0; d++) {
		struct str path = arena_fmt(a, "%s/.collection", d->folder);
		struct dav_meta meta = d->meta;
		meta.name = str_of(d->name);
		buf_init(&text, a);
		dav_meta_format(&text, &meta);
		err = text.err < 0 ? text.err : store_edit_put_bytes(e, path, buf_str(&text));
	}
	return err;
}

int dav_found(struct dav_request *r)
{
	struct store_edit *e;
	int err = store_edit_begin(&e, r->cfg->store, r->ref, os_after(EDIT_NS));

	if (err < 0)
		return err;
	err = dav_found_in(e, &r->a, r->cfg->service);
	if (err < 0) {
		store_edit_abort(e);
		return err;
	}
	return commit(e, r, arena_fmt(&r->a, "%s: begin", r->cfg->service->name));
}
