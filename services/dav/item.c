/* SPDX-License-Identifier: ISC */
/* GET, HEAD, PUT, DELETE (RFC 4918, 9.4 to 9.7; RFC 4791, 5.3.2; RFC 6352, 6.3.2). */
#include "services/dav/dav_impl.h"
#include "services/dav/rejected.h"

#define OLD_BYTES (16u << 20) /* to read an item that is to be replaced */

/* ---- GET ---- */
/* What is told of an item's bytes, and as what: those of our kind in the version that is accepted. */
static int represent(struct str *bytes, struct dav_request *r, struct dav_res *up)
{
	const struct dav_service *s = r->cfg->service;
	struct str type = STR("application/octet-stream");
	int err = 0;

	if (dav_res_meta(up, r)->kind == s->kind) {
		type = s->type;
		if (s->prefer)
			http_header(r->x, "Vary", STR("Accept"));
		if (s->prefer && http_get(r->x, "Accept").p)
			err = s->prefer(bytes, &type, &r->a, http_get(r->x, "Accept"));
	}
	if (err >= 0)
		http_header(r->x, "Content-Type", type);
	return err;
}

void dav_get(struct dav_request *r)
{
	struct dav_res res, up;
	struct str bytes;
	struct buf tag;
	int err = dav_res_find(&res, r, &r->path);

	if (err >= 0 && !res.node.collection)
		err = dav_res_bytes(&bytes, &res, r);
	if (err < 0) {
		dav_fail_err(r, err);
		return;
	}
	if (res.node.collection) {
		dav_page(r, &res);
		return;
	}
	buf_init(&tag, &r->a);
	dav_etag(&tag, &res.node.oid);
	http_header(r->x, "ETag", buf_str(&tag));
	if (!dav_conditions(r, &res.node.oid)) {
		if (http_get(r->x, "If-Match").p)
			dav_refuse(r, 412, STR_NONE, NULL, "it has changed meanwhile");
		else
			http_reply(r->x, 304, STR(""));
		return;
	}
	up = (struct dav_res){ .path = r->path };
	up.path.n--;
	err = dav_node_find(&up.node, r->cfg->store, &r->root, up.path.segs, up.path.n);
	if (err >= 0)
		err = represent(&bytes, r, &up);
	if (err < 0)
		dav_fail_err(r, err);
	else
		http_reply(r->x, 200, bytes);
}

/* ---- PUT ---- */
static int body(struct str *out, struct dav_request *r)
{
	struct str part;
	struct buf b;
	int err;

	buf_init(&b, &r->a);
	buf_add(&b, STR(""));
	while ((err = http_body(&part, r->x)) == 0 && part.n) {
		if (b.n + part.n > DAV_ITEM_MAX) {
			dav_refuse(r, 403, r->cfg->service->data_ns, "max-resource-size",
				"one item has at most 1 MiB");
			return ERR_LIMIT;
		}
		buf_add(&b, part);
	}
	if (err == 0)
		err = b.err;
	if (err < 0)
		dav_fail_err(r, err);
	*out = buf_str(&b);
	return err;
}

int dav_above(struct dav_res *up, struct dav_request *r, const struct dav_path *p)
{
	int err;

	*up = (struct dav_res){ .path = *p };
	if (p->place != DAV_RESOURCE || p->n == 0) {
		dav_refuse(r, 405, STR_NONE, NULL, "this can't be written");
		return ERR_DENIED;
	}
	up->path.n--;
	err = dav_node_find(&up->node, r->cfg->store, &r->root, up->path.segs, up->path.n);
	if (err < 0 || !up->node.collection) {
		dav_refuse(r, 409, STR_NONE, NULL, "there is no collection to put it into");
		return ERR_NOENT;
	}
	return 0;
}

/* Nobody else in the collection has its UID (RFC 4791 5.3.2.1); < 0: replied. */
int dav_uid_other(struct str *name, struct dav_request *r, struct store_edit *e,
	const struct dav_path *at, const struct dav_res *up)
{
	struct buf folder;
	int err;

	if (r->uid.n == 0)
		return ERR_NOENT;
	buf_init(&folder, &r->a);
	buf_add(&folder, STR(""));
	dav_collection_folder(&folder, up->path.segs, up->path.n);
	err = folder.err < 0 ? folder.err : dav_uid_name(name, r, e, buf_str(&folder), r->uid);
	return err >= 0 && str_eq(*name, at->segs[at->n - 1]) ? ERR_NOENT : err;
}

void dav_refuse_uid(struct dav_request *r, const struct dav_path *other)
{
	struct buf href;

	buf_init(&href, &r->a);
	xml_root(&href, XML_DAV, "error");
	xml_open(&href, r->cfg->service->data_ns, "no-uid-conflict");
	xml_open(&href, XML_DAV, "href");
	dav_href(&href, other, false);
	xml_close(&href, XML_DAV, "href");
	xml_close(&href, r->cfg->service->data_ns, "no-uid-conflict");
	xml_close(&href, XML_DAV, "error");
	http_header(r->x, "Content-Type", STR("application/xml; charset=utf-8"));
	http_reply(r->x, 409, buf_str(&href));
}

static int uid_free(struct dav_request *r, const struct dav_path *at, const struct dav_res *up)
{
	struct dav_path other = up->path;
	struct str name;
	int err = dav_uid_other(&name, r, NULL, at, up);

	if (err == ERR_NOENT)
		return 0;
	if (err < 0) {
		dav_fail_err(r, err);
		return err;
	}
	other.segs[other.n++] = name;
	dav_refuse_uid(r, &other);
	return ERR_CONFLICT;
}

int dav_uid_kept(
	bool *kept, struct dav_request *r, struct str uid, struct store_edit *e, struct str file)
{
	struct dav_facts facts;
	struct dav_refusal why;
	struct str bytes;
	struct arena a;
	int err;

	*kept = true;
	if (uid.n == 0)
		return 0;
	arena_init(&a, OLD_BYTES);
	err = store_edit_bytes(&bytes, &a, e, file, DAV_ITEM_MAX);
	if (err >= 0 && r->cfg->service->check(&facts, &why, &a, NULL, bytes) >= 0)
		*kept = facts.uid.n == 0 || str_eq(facts.uid, uid);
	arena_free(&a);
	return err == ERR_LIMIT ? 0 : err; /* none of ours */
}

/* What can't be read, and was not said to be of this type, is of another: that is its fault (RFC 4791, 5.3.2.1; RFC
 * 6352, 6.3.2.1). */
static void name_fault(struct dav_refusal *why, struct dav_request *r)
{
	const struct dav_service *s = r->cfg->service;
	struct str type = http_get(r->x, "Content-Type"), ours, rest;
	const char *valid = arena_fmt(&r->a, "valid-%s", s->data_name).p;

	str_cut(&ours, &rest, s->type, ';');
	if (why->condition && valid && strcmp(why->condition, valid) == 0 && type.p &&
		!str_istarts(type, ours))
		why->condition = arena_fmt(&r->a, "supported-%s", s->data_name).p;
}

int dav_item_check(
	struct dav_request *r, const struct dav_path *at, struct dav_res *up, struct str bytes)
{
	const struct dav_service *s = r->cfg->service;
	const struct dav_meta *m = dav_res_meta(up, r);
	struct dav_refusal why = { .status = 403 };
	struct dav_facts facts = { 0 };
	int err;

	if (m->kind != s->kind)
		return 0;
	err = s->check(&facts, &why, &r->a, m, bytes);
	r->uid = facts.uid;
	if (err >= 0)
		return uid_free(r, at, up);
	name_fault(&why, r);
	if (err == ERR_BAD || err == ERR_LIMIT)
		dav_refuse_as(r, &why, err);
	else
		dav_fail_err(r, err);
	return err;
}

static bool is_collection(struct dav_request *r)
{
	struct dav_node node;

	return dav_node_find(&node, r->cfg->store, &r->root, r->path.segs, r->path.n) >= 0 &&
		node.collection;
}

/* The bytes are kept as they came, so the tag holds for what the client has; it may ask for them (RFC 7240, 4.2). */
static void tell_put(struct dav_request *r, struct dav_res *up, const struct store_oid *oid,
	struct str bytes, bool is_new)
{
	struct buf tag, at;

	buf_init(&tag, &r->a);
	dav_etag(&tag, oid);
	http_header(r->x, "ETag", buf_str(&tag));
	if (!dav_prefers(r, "return=representation") || represent(&bytes, r, up) < 0) {
		http_reply(r->x, is_new ? 201 : 204, STR(""));
		return;
	}
	buf_init(&at, &r->a);
	dav_href(&at, &r->path, false);
	http_header(r->x, "Content-Location", buf_str(&at));
	http_header(r->x, "Preference-Applied", STR("return=representation"));
	http_reply(r->x, is_new ? 201 : 200, bytes);
}

void dav_put(struct dav_request *r)
{
	struct store_edit *e;
	struct store_entry there;
	struct dav_res up;
	struct str bytes;
	struct buf file;
	bool is_new, kept = true;
	int err;

	if (http_get(r->x, "Content-Range").p) { /* RFC 9110, 14.5 */
		dav_refuse(r, 400, STR_NONE, NULL, "an item is put as a whole");
		return;
	}
	if (body(&bytes, r) < 0 || dav_above(&up, r, &r->path) < 0)
		return;
	if (is_collection(r)) {
		dav_refuse(r, 405, STR_NONE, NULL, "there is a collection of that name");
		return;
	}
	if (dav_item_check(r, &r->path, &up, bytes) < 0)
		return;
	buf_init(&file, &r->a);
	dav_item_file(&file, r->path.segs, r->path.n);
	if (file.err < 0 || dav_edit_begin(&e, r) < 0)
		return;
	/* The body took its time, and so may the turn: what was checked has to hold now. */
	err = dav_still(e, r, &up, &r->path);
	if (err >= 0 && is_collection(r))
		err = err_set(ERR_CONFLICT, "there is a collection of that name");
	if (err < 0) {
		store_edit_abort(e);
		dav_fail_err(r, err);
		return;
	}
	err = store_edit_find(&there, e, buf_str(&file));
	is_new = err == ERR_NOENT;
	if ((err >= 0 || is_new) && !dav_conditions(r, is_new ? NULL : &there.oid)) {
		store_edit_abort(e);
		dav_rejected(r, bytes);
		dav_refuse(r, 412, STR_NONE, NULL, "it has changed meanwhile");
		return;
	}
	if (err >= 0)
		err = dav_uid_kept(&kept, r, r->uid, e, buf_str(&file));
	if (!kept) {
		store_edit_abort(e);
		dav_refuse_uid(r, &r->path);
		return;
	}
	if (err >= 0 || is_new)
		err = store_edit_put_bytes(e, buf_str(&file), bytes);
	if (err >= 0)
		err = store_edit_find(&there, e, buf_str(&file));
	if (err < 0) {
		store_edit_abort(e);
		dav_fail_err(r, err);
		return;
	}
	if (dav_edit_commit(e, r, is_new ? "put new" : "put") < 0)
		return;
	dav_settled(r, bytes);
	tell_put(r, &up, &there.oid, bytes, is_new);
}

/* ---- DELETE ---- */
int dav_remove(struct store_edit *e, const struct dav_path *p, bool collection)
{
	struct buf path;
	int err;

	buf_init(&path, NULL);
	if (collection)
		dav_collection_folder(&path, p->segs, p->n);
	else
		dav_item_file(&path, p->segs, p->n);
	err = path.err < 0 ? path.err : store_edit_del(e, buf_str(&path));
	if (err >= 0 && !collection) {
		path.n = 0;
		dav_props_file(&path, p->segs, p->n);
		err = path.err < 0 ? path.err : store_edit_del(e, buf_str(&path));
		if (err == ERR_NOENT)
			err = 0;
	}
	buf_free(&path);
	return err;
}

void dav_delete(struct dav_request *r)
{
	struct store_edit *e;
	struct store_entry there;
	struct dav_res res;
	struct buf path;
	int err = dav_res_find(&res, r, &r->path);

	if (err < 0) {
		dav_fail_err(r, err);
		return;
	}
	if (r->path.place != DAV_RESOURCE || r->path.n == 0) {
		dav_refuse(r, 403, STR_NONE, NULL, "this can't be deleted");
		return;
	}
	buf_init(&path, &r->a);
	if (res.node.collection)
		dav_collection_folder(&path, r->path.segs, r->path.n);
	else
		dav_item_file(&path, r->path.segs, r->path.n);
	if (path.err < 0 || dav_edit_begin_reserved(&e, r) < 0)
		return;
	err = dav_refresh(r, e);
	if (err >= 0)
		err = store_edit_find(&there, e, buf_str(&path));
	if (err >= 0 && dav_hold(e, r, &there.oid) < 0)
		return;
	if (err >= 0)
		err = dav_remove(e, &r->path, res.node.collection);
	if (err < 0) {
		store_edit_abort(e);
		dav_fail_err(r, err);
	} else if (dav_edit_commit(e, r, "delete") >= 0) {
		http_reply(r->x, 204, STR(""));
	}
}
