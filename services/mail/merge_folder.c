/* SPDX-License-Identifier: ISC */
/*
 * The folders of the three trees, down to the mailboxes, except where all are the same; then each
 * gets a key: its mailbox's id, or for a folder without one its place below a key. Folders with
 * one key are one.
 */
#include "services/mail/merge_impl.h"

#define SPOTS_MAX (4 * MAIL_MAILBOXES_MAX)

/* ---- three folders side by side ---- */
static int add_item(void *ctx, struct str name, const struct store_entry *e)
{
	struct merge_items *l = ctx;
	int err = mail_grow(&l->v, &l->cap, l->n, sizeof(*l->v));
	if (err < 0)
		return err;
	struct merge_item *it = &l->v[l->n++];
	*it = (struct merge_item){ .name_at = l->names.n, .name_n = name.n };
	it->x.there[l->side] = true;
	it->x.at[l->side] = *e;
	buf_add(&l->names, name);
	return l->names.err;
}

static int item_cmp(const void *a, const void *b, void *names)
{
	const struct merge_item *x = a, *y = b;
	const char *p = names;
	return str_cmp(str_n(p + x->name_at, x->name_n), str_n(p + y->name_at, y->name_n));
}

void mail_merge_items_free(struct merge_items *l)
{
	free(l->v);
	buf_free(&l->names);
}

int mail_merge_read(struct merge_items *out, struct merge *m, const struct merge_trio *folder)
{
	int err = 0;
	size_t n = 0;
	*out = (struct merge_items){ 0 };
	buf_init(&out->names, NULL);
	for (out->side = BASE; err == 0 && out->side < SIDES; out->side++)
		if (folder->there[out->side] && folder->at[out->side].kind == STORE_TREE)
			err = store_list(m->s, &folder->at[out->side].oid, STR_NONE, add_item, out);
	if (err < 0) {
		mail_merge_items_free(out);
		return err;
	}
	if (out->n > 1)
		qsort_r(out->v, out->n, sizeof(*out->v), item_cmp, out->names.p);
	for (size_t i = 0; i < out->n; i++) {
		struct merge_item *last = n > 0 ? &out->v[n - 1] : NULL, *it = &out->v[i];
		if (last == NULL || item_cmp(last, it, out->names.p) != 0) {
			out->v[n++] = *it;
			continue;
		}
		for (enum merge_side s = BASE; s < SIDES; s++)
			if (it->x.there[s]) {
				last->x.there[s] = true;
				last->x.at[s] = it->x.at[s];
			}
	}
	out->n = n;
	return 0;
}

/* ---- spots ---- */
static int read_file(struct merge_rec *r, struct merge *m, const struct store_oid *blob)
{
	int err = store_blob_all(&r->file_text, &m->arena, m->s, blob, MAIL_FILE_MAX);
	r->has_file = true;
	r->file_oid = *blob;
	if (err == ERR_LIMIT) { /* none of ours, as derive() sees it */
		r->file_text = STR("");
		err = 0;
	}
	if (err == 0)
		mail_file_parse(&r->file, r->file_text);
	return err;
}

static int join_path(struct str *out, struct merge *m, struct str parent, struct str name)
{
	*out = parent.n == 0 ? arena_dup(&m->arena, name)
			     : arena_fmt(&m->arena, "%.*s/%.*s", STR_ARG(parent), STR_ARG(name));
	return out->p != NULL ? 0 : err_set(ERR_LIMIT, "mail: too many mailboxes to merge");
}

static int add_loose(struct merge *m, struct str parent, struct str name,
	const struct merge_trio *x, bool folder)
{
	int err = mail_grow(&m->loose, &m->loose_cap, m->loose_count, sizeof(*m->loose));
	if (err < 0)
		return err;
	struct merge_loose *l = &m->loose[m->loose_count++];
	*l = (struct merge_loose){ .folder = folder, .x = *x };
	return join_path(&l->path, m, parent, name);
}

static bool is_own(struct str name)
{
	return str_eq(name, STR(".mailbox")) || str_eq(name, STR(".m")) || str_eq(name, STR(".f"));
}

/* The kinds of `name` that are of a mailbox, kept in the spot and taken out of *x. */
static int own_file(struct merge *m, size_t spot, struct str name, struct merge_trio *x)
{
	bool file = str_eq(name, STR(".mailbox")), messages = str_eq(name, STR(".m"));
	int err = 0;
	if (spot == NOWHERE || !is_own(name))
		return 0;
	for (enum merge_side s = BASE; err == 0 && s < SIDES; s++) {
		struct merge_rec *r = &m->spots[spot].at[s];
		if (!x->there[s] || x->at[s].kind != (file ? STORE_BLOB : STORE_TREE))
			continue;
		x->there[s] = false;
		if (file)
			err = read_file(r, m, &x->at[s].oid);
		else
			*(messages ? &r->m : &r->f) =
				(struct merge_trio_entry){ true, x->at[s].oid };
	}
	return err;
}

static bool any(const struct merge_trio *x, enum store_kind kind)
{
	for (enum merge_side s = BASE; s < SIDES; s++)
		if (x->there[s] && x->at[s].kind == kind)
			return true;
	return false;
}

static bool all_same(const struct merge_trio *x)
{
	return mail_merge_same(x, OURS, THEIRS) && mail_merge_same(x, BASE, OURS);
}

static int add_spot(
	size_t *out, struct merge *m, size_t parent, struct str name, const struct merge_trio *x)
{
	int err = m->spot_count < SPOTS_MAX
		? mail_grow(&m->spots, &m->spot_cap, m->spot_count, sizeof(*m->spots))
		: err_set(ERR_LIMIT, "mail: too many mailboxes to merge");
	if (err < 0)
		return err;
	*out = m->spot_count++;
	struct merge_spot *p = &m->spots[*out];
	*p = (struct merge_spot){ .parent = parent, .pruned = m->has_base && all_same(x) };
	for (enum merge_side s = BASE; s < SIDES; s++)
		p->at[s].there = x->there[s] && x->at[s].kind == STORE_TREE;
	err = mail_merge_dup(&p->folder, m, name);
	return err < 0
		? err
		: join_path(&p->path, m, parent == NOWHERE ? STR("") : m->spots[parent].path, name);
}

static int walk(struct merge *m, size_t spot, const struct merge_trio *folder, unsigned depth);

static int walk_item(
	struct merge *m, size_t spot, struct str name, struct merge_trio x, unsigned depth)
{
	struct str parent = spot == NOWHERE ? STR("") : m->spots[spot].path;
	size_t below;
	int err = own_file(m, spot, name, &x);
	if (err < 0 || (spot == NOWHERE && str_eq(name, STR(".lanes")) && any(&x, STORE_BLOB)))
		return err;
	/* Too deep, or no folder of ours: only files to us. */
	bool other = name.p[0] == '.' || depth >= MAIL_DEPTH_MAX;
	if (!other && any(&x, STORE_TREE)) {
		struct merge_trio trees = x;
		for (enum merge_side s = BASE; s < SIDES; s++) {
			trees.there[s] = x.there[s] && x.at[s].kind == STORE_TREE;
			x.there[s] = x.there[s] && !trees.there[s];
		}
		err = add_spot(&below, m, spot, name, &trees);
		if (err == 0 && !m->spots[below].pruned)
			err = walk(m, below, &trees, depth + 1);
	}
	bool folder = any(&x, STORE_TREE) && !(spot != NOWHERE && is_own(name));
	return err < 0 || all_same(&x) ? err : add_loose(m, parent, name, &x, folder);
}

static int walk(struct merge *m, size_t spot, const struct merge_trio *folder, unsigned depth)
{
	struct merge_items l;
	int err = mail_merge_read(&l, m, folder);
	if (err < 0)
		return err;
	for (size_t i = 0; err == 0 && i < l.n; i++)
		err = walk_item(m, spot, merge_item_name(&l, &l.v[i]), l.v[i].x, depth);
	mail_merge_items_free(&l);
	return err;
}

/* ---- keys ---- */
struct owner { /* a folder that has an id */
	struct mail_id id;
	enum merge_side side;
	size_t spot;
};
struct owners {
	struct owner *v;
	size_t n, cap;
};

static int owner_cmp(const void *a, const void *b)
{
	const struct owner *x = a, *y = b;
	int c = memcmp(x->id.b, y->id.b, MAIL_ID_BYTES);
	if (c == 0)
		c = (int)x->side - (int)y->side;
	return c != 0 ? c : x->spot < y->spot ? -1 : x->spot > y->spot;
}

static bool has_id(const struct owners *o, enum merge_side s, const struct mail_id *id)
{
	size_t low = 0, high = o->n;
	struct owner want = { *id, s, 0 };
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (owner_cmp(&o->v[mid], &want) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < o->n && o->v[low].side == s && mail_id_eq(&o->v[low].id, id);
}

static int find_owners(struct owners *o, struct merge *m)
{
	int err = 0;
	for (size_t i = 0; err == 0 && i < m->spot_count; i++)
		for (enum merge_side s = BASE; err == 0 && s < SIDES; s++) {
			struct merge_rec *r = &m->spots[i].at[s];
			if (!r->there || !r->file.exists)
				continue;
			err = mail_grow(&o->v, &o->cap, o->n, sizeof(*o->v));
			if (err == 0)
				o->v[o->n++] = (struct owner){ r->file.id, s, i };
		}
	if (o->n > 1)
		qsort(o->v, o->n, sizeof(*o->v), owner_cmp);
	for (size_t i = 0; i < o->n; i++)
		m->spots[o->v[i].spot].at[o->v[i].side].first = i == 0 ||
			o->v[i].side != o->v[i - 1].side ||
			!mail_id_eq(&o->v[i].id, &o->v[i - 1].id);
	return err;
}

/* A mailbox both sides made for the same use in the same place, starting apart, is one. */
static bool made_twice(const struct merge_spot *p, const struct owners *o)
{
	const struct merge_rec *a = &p->at[OURS], *b = &p->at[THEIRS];
	return a->first && b->first && a->file.use != MAIL_USE_NONE && a->file.use == b->file.use &&
		!mail_id_eq(&a->file.id, &b->file.id) && !has_id(o, BASE, &a->file.id) &&
		!has_id(o, BASE, &b->file.id) && !has_id(o, OURS, &b->file.id) &&
		!has_id(o, THEIRS, &a->file.id);
}

static int id_key(struct str *out, struct merge *m, const struct mail_id *id)
{
	char text[2 + MAIL_ID_HEX];
	size_t n = 1;
	text[0] = 'i';
	for (int i = 0; i < MAIL_ID_BYTES; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%02x", id->b[i]);
	return mail_merge_dup(out, m, str_n(text, n));
}

static int give_key(struct merge *m, size_t spot, enum merge_side s, const struct owners *o)
{
	struct merge_spot *p = &m->spots[spot];
	struct merge_rec *r = &p->at[s], *was = &p->at[BASE];
	struct str parent = p->parent == NOWHERE ? STR("") : m->spots[p->parent].at[s].key;
	if (p->parent == NOWHERE && str_eq(p->folder, STR("INBOX")))
		return mail_merge_dup(&r->key, m, STR("INBOX"));
	if (r->first) {
		const struct mail_id *id = &r->file.id, *twin = &p->at[merge_other(s)].file.id;
		if (s != BASE && made_twice(p, o) && memcmp(twin->b, id->b, MAIL_ID_BYTES) < 0)
			id = twin;
		return id_key(&r->key, m, id);
	}
	/* What a deleted mailbox left of its folder is still its place. */
	if (!r->file.exists && s != BASE && was->first && !has_id(o, s, &was->file.id))
		return id_key(&r->key, m, &was->file.id);
	r->key = arena_fmt(&m->arena, "p%.*s/%.*s", STR_ARG(parent), STR_ARG(p->folder));
	return r->key.p != NULL ? 0 : err_set(ERR_LIMIT, "mail: too many mailboxes to merge");
}

static int give_keys(struct merge *m)
{
	struct owners o = { 0 };
	int err = find_owners(&o, m);
	for (size_t i = 0; err == 0 && i < m->spot_count; i++)
		for (enum merge_side s = BASE; err == 0 && s < SIDES; s++)
			if (m->spots[i].at[s].there && !m->spots[i].pruned)
				err = give_key(m, i, s, &o);
	free(o.v);
	return err;
}

/* ---- nodes ---- */
static int node_cmp(const void *a, const void *b)
{
	const struct merge_node *x = a, *y = b;
	return str_cmp(x->key, y->key);
}

static int make_nodes(struct merge *m)
{
	size_t n = 0;
	for (size_t i = 0; i < m->spot_count; i++)
		for (enum merge_side s = BASE; s < SIDES; s++) {
			struct merge_node one = { .key = m->spots[i].at[s].key,
				.spot = { NOWHERE, NOWHERE, NOWHERE },
				.parent = NOWHERE };
			if (!m->spots[i].at[s].there || m->spots[i].pruned)
				continue;
			one.spot[s] = i;
			int err = mail_grow(
				&m->nodes, &m->node_cap, m->node_count, sizeof(*m->nodes));
			if (err < 0)
				return err;
			m->nodes[m->node_count++] = one;
		}
	if (m->node_count > 1)
		qsort(m->nodes, m->node_count, sizeof(*m->nodes), node_cmp);
	for (size_t i = 0; i < m->node_count; i++) {
		struct merge_node *last = n > 0 ? &m->nodes[n - 1] : NULL, *it = &m->nodes[i];
		if (last == NULL || !str_eq(last->key, it->key)) {
			m->nodes[n++] = *it;
			continue;
		}
		for (enum merge_side s = BASE; s < SIDES; s++)
			if (it->spot[s] != NOWHERE && last->spot[s] == NOWHERE)
				last->spot[s] = it->spot[s];
	}
	m->node_count = n;
	return 0;
}

size_t mail_merge_node(const struct merge *m, struct str key)
{
	size_t low = 0, high = m->node_count;
	while (low < high) {
		size_t mid = (low + high) / 2;
		int c = str_cmp(m->nodes[mid].key, key);
		if (c == 0)
			return mid;
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NOWHERE;
}

struct merge_trio mail_merge_below(const struct merge *m, const struct merge_node *n, bool messages)
{
	struct merge_trio x = { 0 };
	for (enum merge_side s = BASE; s < SIDES; s++) {
		const struct merge_rec *r = merge_rec_of(m, n, s);
		const struct merge_trio_entry *t = r == NULL ? NULL : messages ? &r->m : &r->f;
		x.there[s] = t != NULL && t->there;
		if (x.there[s])
			x.at[s] = (struct store_entry){ t->oid, STORE_TREE };
	}
	return x;
}

int mail_merge_folders(struct merge *m)
{
	struct merge_trio root = { 0 };
	for (enum merge_side s = BASE; s < SIDES; s++) {
		root.there[s] = s != BASE || m->has_base;
		root.at[s] = (struct store_entry){ m->root[s], STORE_TREE };
	}
	int err = walk(m, NOWHERE, &root, 0);
	if (err == 0)
		err = give_keys(m);
	return err < 0 ? err : make_nodes(m);
}
