/* SPDX-License-Identifier: ISC */
/* Marking: a walk over all that is wanted, begun again until nothing new turned up. */
#include "store/receive_impl.h"
#include "store/sweep_impl.h"

#define ROUNDS 4

void mark_end(struct sweep *w)
{
	for (uint32_t i = 0; w->units && i < w->s->super.units; i++)
		free(w->units[i].bits);
	free(w->units);
	free(w->stack.p);
}

static bool has(const struct marks *u, uint32_t ordinal)
{
	return ordinal < u->cap && u->bits[ordinal / 8] >> (ordinal % 8) & 1;
}

bool mark_lacks(const struct sweep *w, const struct place *p)
{
	return p->unit < w->s->super.units && p->ordinal < w->units[p->unit].limit &&
		!has(&w->units[p->unit], p->ordinal);
}

static int grow(struct marks *u, uint32_t ordinal)
{
	uint32_t cap = u->cap ? u->cap : 1024;
	uint8_t *bits;

	while (cap <= ordinal)
		cap *= 2;
	bits = realloc(u->bits, cap / 8);
	if (!bits)
		return err_set(ERR_NOMEM, "store: out of memory");
	memset(bits + u->cap / 8, 0, (cap - u->cap) / 8);
	u->bits = bits;
	u->cap = cap;
	return 0;
}

static int mark(bool *fresh, struct sweep *w, const struct place *p)
{
	uint64_t unit_bytes = w->s->super.unit_bytes;
	struct marks *u;
	int err = 0;

	if (p->unit >= w->s->super.units || p->ordinal > unit_bytes / 8)
		return err_set(ERR_CORRUPT, "store: index: a place is damaged");
	u = &w->units[p->unit];
	if (p->ordinal >= u->cap)
		err = grow(u, p->ordinal);
	*fresh = err >= 0 && !has(u, p->ordinal);
	if (!*fresh)
		return err;
	u->bits[p->ordinal / 8] |= (uint8_t)(1 << p->ordinal % 8);
	u->live += p->n;
	return 0;
}

/* ---- objects ---- */
static int mark_frames(struct sweep *w, const struct head *h)
{
	bool fresh;
	int err = 0;

	for (uint32_t n = 0; (uint64_t)n * FRAME_BYTES < h->size && err >= 0; n++) {
		char key[FRAME_KEY];
		struct str value;
		struct place at;
		err = kv_get(&value, w->s->kv, KV_FRAME, frame_key(key, h->content, n));
		if (err == ERR_NOENT) { /* damage, which verify tells: nothing to keep */
			err = 0;
			continue;
		}
		if (err >= 0)
			err = place_parse(&at, value);
		if (err >= 0)
			err = mark(&fresh, w, &at);
	}
	return err;
}

/* It is wanted. What is not here has nothing below it to keep. */
static int want(struct sweep *w, const struct store_oid *id)
{
	struct str value;
	struct head h;
	bool fresh;
	int err = kv_get(&value, w->s->kv, KV_OBJ, oid_str(id));

	if (err < 0)
		return err == ERR_NOENT ? 0 : err;
	err = head_parse(&h, value);
	if (err < 0)
		return err;
	err = mark(&fresh, w, &h.place);
	if (err < 0 || !fresh)
		return err;
	w->told->objects++;
	if (h.form == FORM_FRAMES)
		err = mark_frames(w, &h);
	return err < 0 || h.type == OBJ_BLOB ? err : oids_add(&w->stack, id);
}

static int want_tree(struct sweep *w, struct str raw)
{
	struct tcur c = { (const uint8_t *)raw.p, raw.n, 0 };
	struct tent t;
	int err;

	while ((err = tree_next(&t, &c)) >= 0) {
		struct store_oid id;
		if ((t.mode & 0170000) == 0160000) /* another repository's commit */
			continue;
		memcpy(id.b, t.id, sizeof(id.b));
		err = want(w, &id);
		if (err < 0)
			return err;
	}
	return err == ERR_NOENT ? 0 : err;
}

/* The header lines of a commit or tag. Its tree comes onto the stack last and so off it first:
 * else all the trees of a long history would wait there. */
static int want_headers(struct sweep *w, struct str text, bool cut)
{
	struct store_oid id, tree;
	bool has_tree = false;
	struct str line, key, value;
	int err = 0;

	while (err >= 0 && str_cut(&line, &text, text, '\n') && line.n > 0) {
		bool is_tree, is_parent;
		str_cut(&key, &value, line, ' ');
		is_tree = str_eq(key, STR("tree"));
		is_parent = str_eq(key, STR("parent"));
		if (!is_tree && !is_parent && !str_eq(key, STR("object")))
			break;
		err = store_oid_parse(is_tree ? &tree : &id, value);
		has_tree |= is_tree;
		if (err >= 0 && !is_tree && !(is_parent && cut))
			err = want(w, &id);
	}
	return err >= 0 && has_tree ? want(w, &tree) : err;
}

static int look_into(struct sweep *w, const struct store_oid *id)
{
	struct view v;
	int err = view_open(&v, w->s, id, 0, OBJECT_BYTES);

	if (err < 0)
		return err;
	if (v.type == OBJ_TREE)
		err = want_tree(w, str_n(v.p, v.n));
	else
		err = want_headers(w, str_n(v.p, v.n), store_shallow_has(w->s, id));
	view_end(&v);
	return err;
}

static int drain(struct sweep *w)
{
	int err = 0;

	for (unsigned turns = 1; w->stack.n > 0 && err >= 0; turns++) {
		struct store_oid id = w->stack.p[--w->stack.n];
		err = look_into(w, &id);
		if (turns % YIELD_EVERY)
			continue;
		if (w->told->progress)
			w->told->progress(w->told->ctx, w->told->objects, 0);
		os_yield();
		if (w->s->closing)
			err = err_set(ERR_CLOSED, "store: closing");
	}
	return err;
}

/* ---- where it begins ---- */
static int want_ref(void *ctx, struct str ref, const struct store_oid *commit)
{
	(void)ref;
	return want(ctx, commit);
}

static int want_receive(void *ctx, const struct store_oid *id, bool below)
{
	(void)below; /* what a received object names may come with it */
	return want(ctx, id);
}

static int want_record(void *ctx, struct str ref, struct str key, const struct store_ref_record *r)
{
	struct sweep *w = ctx;
	int err = r->to ? want(w, r->to) : 0; /* `from` is the record's before it, if still kept */

	(void)ref;
	(void)key;
	return err < 0 ? err : drain(w);
}

static int want_frame(void *ctx, struct str key, struct str value)
{
	struct place at;
	bool fresh;
	int err = place_parse(&at, value);

	(void)key;
	return err < 0 ? err : mark(&fresh, ctx, &at);
}

/* Large blobs in the making: no object names their frames yet. */
static int want_spools(struct sweep *w)
{
	struct store *s = w->s;
	uint64_t first = s->next_content;
	char from[FRAME_KEY];

	for (struct spooling *x = s->spools; x; x = x->next)
		if (x->content && x->content < first)
			first = x->content;
	return kv_scan(s->kv, KV_FRAME, STR_NONE, frame_key(from, first, 0), want_frame, w);
}

/* Holding the turn, nothing in the group: all that is wanted now. */
static int want_roots(struct sweep *w)
{
	struct store *s = w->s;
	int err = store_ref_list(s, STR("refs/"), want_ref, w);

	if (err >= 0)
		err = store_pin_list(s, STR_NONE, want_ref, w);
	for (size_t i = 0; i < s->pending.cap && err >= 0; i++)
		if (s->pending.slots[i])
			err = want(w, &s->pending.slots[i]->id);
	if (err >= 0)
		err = receive_each(s, want_receive, w);
	return err < 0 ? err : want_spools(w);
}

/* What is not marked now and stands before the log's end is not wanted. */
static void settle(struct sweep *w)
{
	struct store *s = w->s;
	struct log_pos now;

	log_tell(&now, s->log);
	for (uint32_t i = 0; i < s->super.units; i++)
		if (s->units[i].state == UNIT_LOG && s->units[i].generation)
			w->units[i].limit = s->units[i].records;
	w->units[now.unit].limit = now.ordinal;
	w->generation = now.generation;
	w->settled = true;
	s->sweep = w;
}

int mark_all(struct sweep *w)
{
	int err;

	w->units = calloc(w->s->super.units, sizeof(*w->units));
	if (!w->units)
		return err_set(ERR_NOMEM, "store: out of memory");
	err = ref_record_each(w->s, want_record, w);
	for (unsigned round = 1; err >= 0 && !w->settled; round++) {
		err = drain(w);
		if (err >= 0)
			err = store_turn(w->s, OS_FOREVER);
		if (err < 0)
			break;
		err = group_flush(w->s);
		if (err >= 0)
			err = want_roots(w);
		if (err >= 0 && round > ROUNDS) /* who writes without pause waits this once */
			err = drain(w);
		if (err >= 0 && w->stack.n == 0)
			settle(w);
		store_turn_end(w->s);
	}
	return err;
}
