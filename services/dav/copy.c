/* SPDX-License-Identifier: ISC */
/* COPY and MOVE (RFC 4918, 9.8 and 9.9), each one commit. */
#include "services/dav/dav_impl.h"

/* Copies of copies grow as powers do, and each of their files gets rows. */
#define COPY_MAX 20000

struct job {
	struct dav_request *r;
	struct dav_path to;
	struct dav_res from, up;
	struct str uid; /* of the item, where it comes into a calendar or an address book */
	bool move, shallow, overwrite, replaced;
};

static bool below(const struct dav_path *p, const struct dav_path *top)
{
	if (p->n < top->n)
		return false;
	for (size_t i = 0; i < top->n; i++)
		if (!str_eq(p->segs[i], top->segs[i]))
			return false;
	return true;
}

/* < 0: replied. */
static int read_headers(struct job *j)
{
	struct dav_request *r = j->r;
	struct str to = http_get(r->x, "Destination"), over = http_get(r->x, "Overwrite");
	int depth = dav_depth(r, -1), err;

	if (depth == -2)
		return ERR_BAD;
	err = to.p ? dav_path_parse(&j->to, &r->a, to)
		   : err_set(ERR_BAD, "the Destination header is missing");
	if (err < 0) {
		dav_refuse(r, 400, STR_NONE, NULL, err_text(err));
		return err;
	}
	j->overwrite = !over.p || !str_ieq(over, STR("F"));
	j->shallow = depth == 0 && !j->move;
	if (j->to.place != DAV_RESOURCE || !str_eq(j->to.user, r->user) ||
		!str_eq(j->to.home, r->cfg->service->home)) {
		dav_refuse(r, 403, STR_NONE, NULL, "that destination is not yours");
		return ERR_DENIED;
	}
	if (r->path.place != DAV_RESOURCE || r->path.n == 0 || j->to.n == 0 ||
		(below(&r->path, &j->to) || below(&j->to, &r->path))) {
		dav_refuse(r, 403, STR_NONE, NULL, "the one stands in the other");
		return ERR_DENIED;
	}
	return 0;
}

static int count(void *ctx, const struct store_change *c)
{
	(void)c;
	return ++*(uint32_t *)ctx > COPY_MAX
		? err_set(ERR_LIMIT, "dav: over %d files in a collection to copy", COPY_MAX)
		: 0;
}

/* < 0: replied. */
static int not_too_many(struct job *j)
{
	uint32_t n = 0;
	int err = store_diff(j->r->cfg->store, NULL, &j->from.node.oid, STR(""), count, &n);

	if (err < 0)
		dav_fail_err(j->r, err);
	return err;
}

/* A calendar or address book holds items only (RFC 4791, 4.2; RFC 6352, 5.2). */
static void refuse_place(struct job *j)
{
	static const struct {
		struct str ns;
		const char *condition;
	} rows[] = {
		[DAV_PLAIN] = { { 0 }, NULL },
		[DAV_CALENDAR] = { { "urn:ietf:params:xml:ns:caldav", 29 },
			"calendar-collection-location-ok" },
		[DAV_ADDRESSBOOK] = { { "urn:ietf:params:xml:ns:carddav", 30 },
			"addressbook-collection-location-ok" },
	};
	enum dav_kind kind = dav_res_meta(&j->from, j->r)->kind;

	dav_refuse(j->r, 403, rows[kind].ns, rows[kind].condition,
		"a calendar or address book holds items only");
}

static struct str uid_of(struct job *j, struct str bytes)
{
	const struct dav_service *s = j->r->cfg->service;
	struct dav_facts facts = { 0 };
	struct dav_refusal why;

	if (dav_res_meta(&j->up, j->r)->kind != s->kind ||
		s->check(&facts, &why, &j->r->a, NULL, bytes) < 0)
		return STR_NONE;
	return facts.uid;
}

/* May what is here stand there? < 0: replied. */
static int suits(struct job *j)
{
	struct dav_request *r = j->r;
	struct str bytes;
	enum dav_kind kind;
	int err;

	if (dav_above(&j->up, r, &j->to) < 0)
		return ERR_NOENT;
	kind = dav_res_meta(&j->up, r)->kind;
	if (j->from.node.collection) {
		if (kind == DAV_PLAIN)
			return j->move || j->shallow ? 0 : not_too_many(j);
		refuse_place(j);
		return ERR_DENIED;
	}
	err = dav_res_bytes(&bytes, &j->from, r);
	if (err < 0) {
		dav_fail_err(r, err);
		return err;
	}
	j->uid = uid_of(j, bytes);
	/* A move within one collection keeps its UID. */
	if (j->move && below(&r->path, &j->up.path) && r->path.n == j->to.n)
		return 0;
	return dav_item_check(r, &j->to, &j->up, bytes);
}

static void path_of(struct buf *b, const struct dav_path *p, bool collection)
{
	if (collection)
		dav_collection_folder(b, p->segs, p->n);
	else
		dav_item_file(b, p->segs, p->n);
}

static int put_copy(struct store_edit *e, struct job *j)
{
	struct dav_request *r = j->r;
	struct store_entry there;
	struct buf to, side;
	int err;

	buf_init(&to, &r->a);
	buf_init(&side, &r->a);
	path_of(&to, &j->to, j->from.node.collection);
	if (j->shallow && j->from.node.collection) { /* the collection without its members */
		struct buf text;
		buf_init(&text, &r->a);
		dav_meta_format(&text, dav_res_meta(&j->from, r));
		buf_add(&to, STR("/.collection"));
		err = to.err < 0 ? to.err : text.err;
		return err < 0 ? err : store_edit_put_bytes(e, buf_str(&to), buf_str(&text));
	}
	err = to.err < 0 ? to.err
			 : store_edit_put(e, buf_str(&to), &j->from.node.oid,
				   j->from.node.collection ? STORE_TREE : STORE_BLOB);
	if (err < 0 || j->from.node.collection)
		return err;
	dav_props_file(&side, r->path.segs, r->path.n);
	err = side.err < 0 ? side.err : store_edit_find(&there, e, buf_str(&side));
	if (err < 0)
		return err == ERR_NOENT ? 0 : err;
	side.n = 0;
	dav_props_file(&side, j->to.segs, j->to.n);
	return side.err < 0 ? side.err : store_edit_put(e, buf_str(&side), &there.oid, STORE_BLOB);
}

static void refuse_there(struct dav_request *r)
{
	dav_refuse(r, 412, STR_NONE, NULL, "the destination is there already");
}

/* Makes room at the destination; < 0 with the edit aborted and an answer given. */
static int replace(struct store_edit *e, struct job *j, const struct dav_res *there)
{
	struct dav_request *r = j->r;
	bool kept = true;
	struct buf to;
	int err = 0;

	j->replaced = true;
	if (!j->overwrite) {
		store_edit_abort(e);
		refuse_there(r);
		return ERR_EXIST;
	}
	if (!there->node.collection) {
		buf_init(&to, &r->a);
		path_of(&to, &j->to, false);
		err = to.err < 0 ? to.err : dav_uid_kept(&kept, r, j->uid, e, buf_str(&to));
	}
	if (!kept) {
		store_edit_abort(e);
		dav_refuse_uid(r, &j->to);
		return ERR_CONFLICT;
	}
	if (err >= 0)
		err = dav_remove(e, &j->to, there->node.collection);
	if (err < 0) {
		store_edit_abort(e);
		dav_fail_err(r, err);
	}
	return err;
}

/* < 0 with the edit aborted and an answer given. */
static int change(struct store_edit *e, struct job *j)
{
	struct dav_request *r = j->r;
	struct dav_res there;
	bool collection = j->from.node.collection;
	int err = dav_still(e, r, &j->up, collection ? NULL : &j->to);

	if (err >= 0)
		err = dav_res_find(&j->from, r, &r->path);
	if (err >= 0 && j->from.node.collection != collection)
		err = err_set(ERR_CONFLICT, "it has changed meanwhile");
	if (err >= 0 && dav_hold(e, r, &j->from.node.oid) < 0)
		return ERR_CONFLICT;
	if (err >= 0 && dav_res_find(&there, r, &j->to) >= 0 && (err = replace(e, j, &there)) < 0)
		return err;
	if (err >= 0)
		err = put_copy(e, j);
	if (err >= 0 && j->move)
		err = dav_remove(e, &r->path, j->from.node.collection);
	if (err < 0) {
		store_edit_abort(e);
		dav_fail_err(r, err);
	}
	return err;
}

static void copy(struct dav_request *r, bool move)
{
	struct job *j = ARENA_NEW(&r->a, struct job);
	struct store_edit *e;
	struct dav_res there;
	int err;

	if (!j) {
		dav_fail_err(r, err_set(ERR_LIMIT, "dav: over the memory for one request"));
		return;
	}
	j->r = r;
	j->move = move;
	if (read_headers(j) < 0)
		return;
	err = dav_res_find(&j->from, r, &r->path);
	if (err < 0) {
		dav_fail_err(r, err);
		return;
	}
	/* Said before what is wrong with the item: an UID that is taken there, by this very item. */
	if (!j->overwrite && dav_res_find(&there, r, &j->to) >= 0) {
		refuse_there(r);
		return;
	}
	if (suits(j) < 0 || dav_edit_begin(&e, r) < 0 || change(e, j) < 0)
		return;
	if (dav_edit_commit(e, r, move ? "move" : "copy") < 0)
		return;
	http_reply(r->x, j->replaced ? 204 : 201, STR(""));
}

void dav_copy(struct dav_request *r)
{
	copy(r, false);
}

void dav_move(struct dav_request *r)
{
	copy(r, true);
}
