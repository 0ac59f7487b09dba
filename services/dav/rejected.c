/* SPDX-License-Identifier: ISC */
#include "services/dav/rejected.h"
#include "os/log.h"
#include "services/dav/dav_impl.h"
#include "services/dav/if.h"
#include "services/dav/rejected_impl.h"

#define EDIT_NS     (30 * OS_SEC)
#define CHECK_BYTES (16u << 20)

/* ---- what it is about ---- */
/* Is it an item for such a collection (NULL: for any)? `uid` NULL: not asked for. */
static bool is_item(
	struct rejected *j, const struct dav_meta *meta, struct str bytes, struct str *uid)
{
	struct dav_facts facts = { .uid = STR("") };
	struct dav_refusal why;
	struct arena a;
	bool is;

	arena_init(&a, CHECK_BYTES);
	is = j->r->cfg->service->check(&facts, &why, &a, meta, bytes) >= 0;
	if (uid)
		*uid = is ? arena_dup(&j->r->a, facts.uid) : STR("");
	arena_free(&a);
	return is && (!uid || uid->p);
}

/* Of one entity tag: is it a blob with this item's UID? Perhaps a state of it. */
static void try_base(struct rejected *j, struct str tag)
{
	struct str uid;

	if (tag.n != STORE_HEX + 1 || store_oid_parse(&j->base, str_sub(tag, 1, tag.n - 1)) < 0)
		return;
	j->made_up = false;
	j->has_base = store_blob_all(&j->base_bytes, &j->r->a, j->s, &j->base, DAV_ITEM_MAX) >= 0 &&
		is_item(j, NULL, j->base_bytes, &uid) && str_eq(uid, j->r->uid);
}

/* The first of the entity tags that If-Match and If name. */
static void find_base(struct rejected *j)
{
	struct str one, list = http_get(j->r->x, "If-Match"), lists = http_get(j->r->x, "If");
	unsigned tags = 0;

	j->made_up = list.n > 0 || lists.n > 0;
	while (list.n && ++tags <= TAGS_MAX && !j->has_base) {
		str_cut(&one, &list, list, ',');
		try_base(j, str_trim(one));
	}
	while (++tags <= 2 * TAGS_MAX && !j->has_base && dav_if_etag(&one, &lists))
		try_base(j, one);
}

static int begin(struct rejected *j, struct dav_request *r, struct str bytes)
{
	struct buf file, folder;

	*j = (struct rejected){ .r = r, .s = r->cfg->store, .bytes = bytes };
	buf_init(&file, &r->a);
	buf_init(&folder, &r->a);
	buf_add(&folder, STR(""));
	dav_item_file(&file, r->path.segs, r->path.n);
	dav_collection_folder(&folder, r->path.segs, r->path.n - 1);
	j->file = buf_str(&file);
	j->folder = buf_str(&folder);
	j->ref = arena_fmt(&r->a, "refs/rejected/%.*s", STR_ARG(r->user));
	return file.err < 0 || folder.err < 0 || !j->ref.p
		? err_set(ERR_LIMIT, "over the memory for one request")
		: 0;
}

/* ---- what is done ---- */
static int put_copy(struct rejected *j, struct store_edit *e, const struct dav_merged *d)
{
	const struct dav_service *s = j->r->cfg->service;
	struct str name = arena_fmt(&j->r->a, "%.*s%s", STR_ARG(d->copy_uid),
		s->kind == DAV_CALENDAR ? ".ics" : ".vcf");
	struct dav_path at = j->r->path;
	struct str uid, other;
	struct store_entry there;
	struct buf file;
	int err;

	if (!name.p)
		return err_set(ERR_LIMIT, "over the memory for one request");
	j->what = "kept";
	if (!is_item(j, j->meta, d->copy, &uid) || j->copies >= DAV_REJECTED_EACH)
		return 0;
	/* One too large to become another item still has the UID of this one. */
	err = uid.n ? dav_uid_name(&other, j->r, e, j->folder, uid) : ERR_NOENT;
	if (err != ERR_NOENT)
		return err < 0 ? err : 0;
	at.segs[at.n - 1] = name;
	buf_init(&file, &j->r->a);
	dav_item_file(&file, at.segs, at.n);
	if (file.err < 0)
		return file.err;
	if (store_edit_find(&there, e, buf_str(&file)) >= 0)
		return 0;
	err = store_edit_put_bytes(e, buf_str(&file), d->copy);
	if (err >= 0)
		err = store_edit_find(&there, e, buf_str(&file));
	j->what = "copied";
	j->copy = buf_str(&file);
	j->copy_blob = there.oid;
	return err;
}

/* `now`: the item as it is. */
static int join(struct rejected *j, struct store_edit *e, struct str now)
{
	struct dav_merged d;
	struct str uid;
	int err;

	if (dav_item_same(now, j->bytes))
		return 0;
	if (j->has_base ? str_eq(now, j->base_bytes) /* refused for another reason */
			: j->made_up || !is_item(j, NULL, now, &uid) || !str_eq(uid, j->r->uid)) {
		j->what = "kept";
		return 0;
	}
	err = dav_item_merge_into(
		&d, &j->r->a, j->has_base ? &j->base_bytes : NULL, now, j->bytes, j->r->client);
	if (err < 0)
		return err;
	if (!d.copy.p && dav_item_same(d.bytes, now))
		return 0;
	/* That it joined by chance is no reason to; a copy of one occurrence lacks what else is new. */
	if (d.copy.p ? !dav_item_same(d.bytes, now) : !j->has_base)
		err = dav_item_copy(&d, &j->r->a, j->bytes, j->r->client);
	if (err < 0 || d.copy.p)
		return err < 0 ? err : put_copy(j, e, &d);
	if (!is_item(j, j->meta, d.bytes, NULL)) {
		j->what = "kept";
		return 0;
	}
	j->what = "merged";
	return store_edit_put_bytes(e, j->file, d.bytes);
}

static int act(struct rejected *j, struct store_edit *e)
{
	struct str now;
	int err = store_edit_bytes(&now, &j->r->a, e, j->file, DAV_ITEM_MAX);

	if (err >= 0)
		return join(j, e, now);
	if (err != ERR_NOENT)
		return err;
	if (!j->has_base)
		return 0;
	j->what = "put back";
	return store_edit_put_bytes(e, j->file, j->bytes);
}

static int commit(struct rejected *j, struct store_edit *e)
{
	struct str email = arena_fmt(&j->r->a, "%.*s@%.*s", STR_ARG(j->r->user),
		STR_ARG(id_domain(j->r->cfg->registry)));
	struct str message = arena_fmt(&j->r->a, "%s: refused edit %s %.*s",
		j->r->cfg->service->name, j->what, STR_ARG(j->file));
	struct store_why why = { .name = j->r->user, .email = email, .message = message };

	return store_edit_commit(NULL, e, &why);
}

/* In the user's branch, in one turn. */
static int settle(struct rejected *j, struct dav_res *up)
{
	struct store_edit *e;
	int err = store_edit_begin(&e, j->s, j->r->ref, os_after(EDIT_NS));

	if (err < 0)
		return err;
	err = dav_still(e, j->r, up, &j->r->path);
	if (err >= 0)
		err = act(j, e);
	if (err < 0 || !j->what || strcmp(j->what, "kept") == 0) {
		store_edit_abort(e);
		return err;
	}
	return commit(j, e);
}

static int rejected(struct rejected *j, struct dav_request *r, struct str bytes)
{
	struct dav_res up = { .path = r->path };
	bool known = false;
	int err = begin(j, r, bytes);

	up.path.n--;
	if (err >= 0)
		err = dav_node_find(&up.node, j->s, &r->root, up.path.segs, up.path.n);
	if (err < 0)
		return err;
	j->meta = dav_res_meta(&up, r);
	if (j->meta->kind != r->cfg->service->kind)
		return 0;
	find_base(j);
	if (j->has_base && dav_item_same(j->base_bytes, bytes))
		return 0;
	err = dav_rejected_known(&known, j);
	if (err >= 0 && !known && j->has_base) { /* only now look through history */
		err = dav_had(&j->has_base, j->s, r->ref, j->file, &j->base);
		if (err >= 0 && !j->has_base)
			err = dav_rejected_known(&known, j);
	}
	if (err >= 0 && !known)
		err = settle(j, &up);
	return err >= 0 && !known && j->what ? dav_rejected_keep(j) : err;
}

void dav_rejected(struct dav_request *r, struct str bytes)
{
	struct rejected *j = ARENA_NEW(&r->a, struct rejected);
	int err = j ? rejected(j, r, bytes) : err_set(ERR_LIMIT, "over the memory for one request");

	if (err < 0)
		os_log(OS_WARN, "svc=%s event=rejected result=failed why=\"%s\"",
			r->cfg->service->name, err_text(err));
	else if (j->what)
		os_log(OS_INFO, "svc=%s event=rejected result=\"%s\" base=%s",
			r->cfg->service->name, j->what, j->has_base ? "known" : "unknown");
}

/* ---- afterwards ---- */
/* Has `bytes` all that this one wanted? */
static bool contains(struct arena *a, const struct str *base, struct str bytes, struct str wanted)
{
	struct dav_merged d;

	return dav_item_same(bytes, wanted) ||
		(base && dav_item_merge_into(&d, a, base, bytes, wanted, STR_NONE) >= 0 &&
			!d.copy.p && dav_item_same(d.bytes, bytes));
}

static int drop_copy(struct rejected *j, const struct rejected_why *w)
{
	struct store_edit *e;
	struct store_entry there;
	int err = store_edit_begin(&e, j->s, j->r->ref, os_after(EDIT_NS));

	if (err < 0)
		return err;
	err = store_edit_find(&there, e, w->copy);
	if (err < 0 || !store_oid_eq(&there.oid, &w->copy_blob)) { /* somebody took it up */
		store_edit_abort(e);
		return err == ERR_NOENT ? 0 : err;
	}
	err = store_edit_del(e, w->copy);
	if (err < 0) {
		store_edit_abort(e);
		return err;
	}
	j->what = "settled";
	return commit(j, e);
}

static int settled_one(void *ctx, const struct rejected_why *w)
{
	struct rejected *j = ctx;
	struct str base, wanted;
	struct arena a;
	bool all = false;
	int err;

	if (!w->copy.n)
		return 0;
	arena_init(&a, CHECK_BYTES);
	err = store_blob_all(&wanted, &a, j->s, &w->body, DAV_ITEM_MAX);
	if (err >= 0 && w->has_base)
		err = store_blob_all(&base, &a, j->s, &w->base, DAV_ITEM_MAX);
	if (err >= 0)
		all = contains(&a, w->has_base ? &base : NULL, j->bytes, wanted);
	arena_free(&a);
	if (err < 0)
		return err == ERR_NOENT ? 0 : err;
	return all ? drop_copy(j, w) : 0;
}

void dav_settled(struct dav_request *r, struct str bytes)
{
	struct rejected *j = ARENA_NEW(&r->a, struct rejected);
	int err = j ? begin(j, r, bytes) : err_set(ERR_LIMIT, "over the memory for one request");

	if (err >= 0)
		err = dav_rejected_of(j, settled_one, j);
	if (err < 0)
		os_log(OS_WARN, "svc=%s event=settled result=failed why=\"%s\"",
			r->cfg->service->name, err_text(err));
}
