/* SPDX-License-Identifier: ISC */
/*
 * Group commit. Edits add to one group in memory; the first of them then queues for the
 * writer's turn a second time, behind every edit already waiting, and writes for all.
 */
#include "store/store_impl.h"

#include "os/log.h"

int group_open(struct group **out, struct store *s)
{
	struct group *g = s->group;
	if (!g) {
		g = calloc(1, sizeof(*g));
		if (!g)
			return err_set(ERR_NOMEM, "store: out of memory");
		g->refs = 1;
		g->seq = s->seq + 1;
		s->group = g;
	}
	*out = g;
	return 0;
}

/* What only writing needs; the refs' results stay for those who wait. */
static void group_empty(struct group *g)
{
	for (size_t i = 0; i < g->objs.cap; i++)
		if (g->objs.slots[i]) /* a loose one may outlive the group */
			g->objs.slots[i]->reach = NULL;
	omap_free(&g->objs);
	omap_free(&g->pending);
	omap_free(&g->adopted);
	changes_free(&g->kv);
	for (struct gref *r = g->grefs; r; r = r->next) {
		for (struct why *w = r->whys, *next; w; w = next) {
			next = w->next;
			free(w);
		}
		r->whys = NULL;
	}
}

void group_unref(struct group *g)
{
	if (!g || --g->refs > 0)
		return;
	group_empty(g);
	for (struct gref *r = g->grefs, *next; r; r = next) {
		next = r->next;
		free(r);
	}
	free(g);
}

size_t group_bytes(const struct group *g)
{
	return g->objs.bytes + g->pending.bytes + g->kv.bytes;
}

struct gref *group_ref(struct group *g, struct str name)
{
	struct gref *r = g->grefs;
	while (r && !str_eq(r->name, name))
		r = r->next;
	return r;
}

int group_ref_add(struct gref **out, struct store *s, struct group *g, struct str name)
{
	struct gref *r = group_ref(g, name);
	struct ref_value v;
	int err;

	*out = r;
	if (r)
		return 0;
	err = ref_read(&v, s, name);
	if (err < 0 && err != ERR_NOENT)
		return err;
	r = calloc(1, sizeof(*r) + name.n);
	if (!r)
		return err_set(ERR_NOMEM, "store: out of memory");
	memcpy(r + 1, name.p, name.n);
	r->name = str_n(r + 1, name.n);
	r->whys_end = &r->whys;
	if (err >= 0) {
		r->has_head = r->has_base = r->has_tree = r->has_commit = true;
		r->head = r->commit = v.commit;
		r->base = r->tree = v.tree;
	}
	r->next = g->grefs;
	g->grefs = r;
	*out = r;
	return 0;
}

void gref_fix(
	struct gref *r, const struct store_oid *to, const struct store_oid *tree, struct why *w)
{
	r->fixed = true;
	r->has_tree = r->has_commit = to != NULL;
	if (to) {
		r->commit = *to;
		r->tree = *tree;
	}
	r->whys = w;
	r->whys_end = &w->next;
}

/* ---- writing ---- */
/* Writes the group's objects below `id`. A stack of ids instead of recursion. */
static int write_reachable(
	struct store *s, struct changes *out, struct group *g, const struct store_oid *id)
{
	struct obj *o = omap_get(&g->objs, id), *top = NULL;
	int err = 0;

	if (o && !o->reach) {
		o->reach = o; /* marks the bottom: every object is pushed once */
		top = o;
	}
	while (top && err >= 0) {
		o = top;
		top = o->reach == o ? NULL : o->reach;
		err = object_write(s, out, o);
		if (o->type != OBJ_TREE || err < 0)
			continue;
		struct tcur c = { o->p, o->n, 0 };
		struct tent t;
		while ((err = tree_next(&t, &c)) >= 0) {
			struct store_oid below;
			memcpy(below.b, t.id, sizeof(below.b));
			struct obj *b = omap_get(&g->objs, &below);
			if (b && !b->reach) {
				b->reach = top ? top : b;
				top = b;
			}
		}
		if (err == ERR_NOENT)
			err = 0;
	}
	return err;
}

static int write_commit(struct store *s, struct changes *out, struct gref *r)
{
	struct buf text;
	struct obj *o = NULL;
	int err;

	buf_init(&text, NULL);
	err = commit_text(&text, r);
	if (err >= 0)
		err = oid_of(&r->commit, s, OBJ_COMMIT, buf_str(&text));
	if (err >= 0 && !(o = obj_new(&r->commit, OBJ_COMMIT, buf_str(&text))))
		err = err_set(ERR_NOMEM, "store: out of memory");
	if (err >= 0)
		err = object_write(s, out, o);
	obj_unref(o);
	buf_free(&text);
	return err;
}

static int write_ref(struct store *s, struct changes *out, struct group *g, struct gref *r)
{
	struct ref_value v;
	char room[1 + REF_MAX];
	struct str key = sys_key(room, 'r', r->name);
	int err;

	if (!r->fixed && (!r->has_tree || (r->has_base && store_oid_eq(&r->base, &r->tree))))
		return 0;
	err = r->has_tree ? write_reachable(s, out, g, &r->tree) : 0;
	if (err >= 0 && r->fixed)
		err = r->has_commit ? write_reachable(s, out, g, &r->commit) : 0;
	else if (err >= 0)
		err = write_commit(s, out, r);
	if (err < 0)
		return err;
	r->has_commit = r->fixed ? r->has_commit : true;
	r->moved = true;
	v.commit = r->commit;
	v.tree = r->tree;
	err = r->has_commit ? changes_put(out, KV_SYS, key, str_n(&v, sizeof(v)))
			    : changes_del(out, KV_SYS, key);
	return err < 0 ? err : ref_record_add(out, g->seq, r);
}

/* A finished large blob; its frames stand in this group or in those before. */
static int write_big(struct store *s, struct changes *out, struct change *c)
{
	char room[OBJECT_VALUE_MAX];
	struct store_oid id;
	struct head h;
	int err = head_parse(&h, change_value(c));

	memcpy(id.b, change_key(c).p, sizeof(id.b));
	if (err >= 0)
		err = log_big(&h.place, s->log, &id, h.type, h.size, h.content);
	return err < 0 ? err : changes_put(out, KV_OBJ, change_key(c), object_value(room, &h));
}

static int write_key(struct store *s, struct change *c)
{
	if (s->rebuilding && c->table == KV_ROW) /* counts once all are there (derive.c) */
		return 0;
	return c->del ? log_del(s->log, c->table, change_key(c))
		      : log_put(s->log, c->table, change_key(c), change_value(c));
}

static int write_change(struct store *s, struct changes *out, struct change *c)
{
	struct str key = change_key(c);

	switch (c->table) {
	case KV_OBJ: return c->del ? 0 : write_big(s, out, c);
	case KV_FRAME:
		return c->del
			? 0
			: frame_log(s, out, load_be64(key.p), frame_number(key), change_value(c));
	default: return write_key(s, c);
	}
}

/* Everything of the group into the log; `out`: what follows for the index. */
static int write_records(struct store *s, struct changes *out, struct group *g)
{
	int err = log_begin(s->log, g->seq);

	for (struct gref *r = g->grefs; r && err >= 0; r = r->next)
		err = write_ref(s, out, g, r);
	for (struct change *c = changes_seek(out, KV_SYS, STR_NONE, false); c && err >= 0;
		c = changes_next_in(c))
		err = write_key(s, c);
	for (size_t i = 0; i < g->pending.cap && err >= 0; i++)
		if (g->pending.slots[i])
			err = object_write(s, out, g->pending.slots[i]);
	for (struct change *c = changes_first(&g->kv); c && err >= 0; c = changes_next(c))
		err = write_change(s, out, c);
	return err < 0 ? err : log_commit(s->log);
}

static int write_group(struct store *s, struct group *g)
{
	struct changes out = { 0 };
	int err = write_records(s, &out, g);

	if (err < 0) {
		log_abort(s->log);
		changes_free(&out);
		return err;
	}
	changes_move(&g->kv, &out);
	kv_apply(s->kv, &g->kv);
	return 0;
}

/* ---- afterwards ---- */
static void settle(struct store *s, struct group *g)
{
	s->seq = g->seq;
	s->stats.groups++;
	s->stats.edits += g->edits;
	for (size_t i = 0; i < g->objs.cap && s->loose.n; i++)
		if (g->objs.slots[i] && g->objs.slots[i]->reach)
			loose_del(s, &g->objs.slots[i]->id);
	pending_forget(s, &g->adopted);
	for (struct gref *r = g->grefs; r; r = r->next)
		for (struct watch *w = r->moved ? s->watches : NULL, *next; w; w = next) {
			next = w->next; /* a watcher may leave when called */
			w->fn(w->ctx, r->name, r->has_commit ? &r->commit : NULL);
		}
}

void group_write(struct store *s)
{
	struct group *g = s->group;

	if (!g)
		return;
	s->stats.flushes++;
	g->err = write_group(s, g);
	s->group = NULL;
	if (g->err >= 0) {
		settle(s, g);
	} else {
		if (g->err == ERR_IO)
			store_fail(s, ERR_IO, "store: the disk has failed; writing stopped");
		os_log(OS_WARN, "svc=store event=group-lost err=%s why=\"%s\"", err_name(g->err),
			err_text(g->err));
	}
	g->done = true;
	group_empty(g);
	os_wake_all(&g->wait);
	group_unref(g);
	if (s->keeper && store_sweep_wanted(s))
		os_wake_all(&s->keeper_wake);
	/* They have their answer; who wants to write next waits for the index. */
	if (!s->failed && index_wants(s))
		(void)!index_forward(s);
}

int group_flush(struct store *s)
{
	struct group *g = s->group;
	int err;

	if (!g)
		return 0;
	g->refs++;
	group_write(s);
	err = g->err;
	group_unref(g);
	return err;
}

int group_wait(struct store *s, struct group *g)
{
	bool leads = !g->led;

	g->led = true;
	if (group_bytes(g) > GROUP_BYTES)
		group_write(s);
	store_turn_end(s);
	if (leads && !g->done) {
		os_yield(); /* whoever is ready to edit queues before us */
		if (os_lock(&s->turn, OS_FOREVER) < 0)
			os_panic("store: a wait without end ended");
		if (!g->done)
			group_write(s);
		store_turn_end(s);
	}
	while (!g->done)
		if (os_wait(&g->wait, OS_FOREVER) < 0)
			os_panic("store: a wait without end ended");
	return g->err < 0 ? err_set(g->err, "store: not written: %s", err_name(g->err)) : 0;
}
