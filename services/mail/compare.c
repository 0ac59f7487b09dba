/* SPDX-License-Identifier: ISC */
/*
 * Mailboxes are paired first (compare_pairs.c); then their .m and .f folders are walked together, lane by lane, down
 * to the folder that serves 8,192 numbers of a lane: a block. What differs in one block, in all
 * mailboxes, is gathered, so that one message leaving here and coming there is seen as moved.
 */
#include "services/mail/compare.h"

#define BLOCK_ARENA (64 * 1024 * 1024)
#define LEVELS      4 /* lane, seq >> MAIL_TOP_SHIFT, seq >> 16 & 7, seq >> 13 & 7 */
#define LEAF_READ   (MAIL_LEAF_BYTES / 4)

enum { M, F }; /* .m and .f */
struct cut {   /* of one pair: its folders at some level */
	uint32_t pair;
	bool has[2][2]; /* by side, M or F */
	struct store_oid oid[2][2];
};
struct level {
	struct cut *cuts; /* those that differ */
	size_t n, cap;
	uint32_t *names; /* of the folders below */
	size_t name_count, name_cap, at;
};
struct item { /* what a block says of one message in one mailbox */
	uint32_t pair, seq;
	bool in[2], lined[2], new_line;
	struct store_oid blob[2];
	struct mail_line line[2];
};
struct mail_compare_impl {
	struct arena block_arena;
	struct level levels[LEVELS + 1];
	uint32_t number[LEVELS]; /* of the folders above the block */
	int depth;
	struct item *items;
	size_t item_count, item_cap;
	struct mail_change *changes;
	size_t change_count, change_cap;
	const struct cut *cut; /* under work */
	struct mail_leaf leaf[2];
	struct buf path;
};

static bool same(bool has_a, const struct store_oid *a, bool has_b, const struct store_oid *b)
{
	return has_a == has_b && (!has_a || store_oid_eq(a, b));
}

/* ---- levels ---- */
static bool cut_differs(const struct cut *c)
{
	for (int k = M; k <= F; k++)
		if (!same(c->has[MAIL_OLD][k], &c->oid[MAIL_OLD][k], c->has[MAIL_NEW][k],
			    &c->oid[MAIL_NEW][k]))
			return true;
	return false;
}

static int add_cut(struct level *l, const struct cut *cut)
{
	if (!cut_differs(cut))
		return 0;
	int err = mail_grow(&l->cuts, &l->cap, l->n, sizeof(*l->cuts));
	if (err == 0)
		l->cuts[l->n++] = *cut;
	return err;
}

static int take_name(void *ctx, struct str name, const struct store_entry *e)
{
	struct level *l = ctx;
	uint32_t number;
	if (e->kind != STORE_TREE || !mail_hex32(&number, name, 1))
		return 0;
	int err = mail_grow(&l->names, &l->name_cap, l->name_count, sizeof(*l->names));
	if (err == 0)
		l->names[l->name_count++] = number;
	return err;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

/* The folders below those of a level, each once. */
static int gather_names(struct mail_compare *c, struct level *l)
{
	size_t n = 0;
	int err = 0;
	l->at = l->name_count = 0;
	for (size_t i = 0; err == 0 && i < l->n; i++)
		for (int k = 0; err == 0 && k < 4; k++)
			if (l->cuts[i].has[k / 2][k % 2])
				err = store_list(c->s, &l->cuts[i].oid[k / 2][k % 2], STR_NONE,
					take_name, l);
	if (l->name_count > 1)
		qsort(l->names, l->name_count, sizeof(*l->names), by_number);
	for (size_t i = 0; i < l->name_count; i++)
		if (i == 0 || l->names[i] != l->names[n - 1])
			l->names[n++] = l->names[i];
	l->name_count = n;
	return err;
}

static int below(struct cut *out, struct mail_compare *c, const struct cut *cut, struct str name)
{
	*out = (struct cut){ .pair = cut->pair };
	for (int k = 0; k < 4; k++) {
		struct store_entry e;
		if (!cut->has[k / 2][k % 2])
			continue;
		int err = store_find(&e, c->s, &cut->oid[k / 2][k % 2], name);
		if (err < 0 && err != ERR_NOENT)
			return err;
		out->has[k / 2][k % 2] = err == 0 && e.kind == STORE_TREE;
		if (err == 0)
			out->oid[k / 2][k % 2] = e.oid;
	}
	return 0;
}

/* The next folder of the innermost level becomes a level of its own. */
static int descend(struct mail_compare *c)
{
	struct mail_compare_impl *w = c->impl;
	struct level *l = &w->levels[w->depth], *next = &w->levels[w->depth + 1];
	uint32_t number = l->names[l->at++];
	char text[16];
	struct cut cut;
	int n = snprintf(text, sizeof(text), w->depth == 0 ? "%08x" : "%x", number), err = 0;
	next->n = next->name_count = next->at = 0;
	for (size_t i = 0; err == 0 && i < l->n; i++) {
		err = below(&cut, c, &l->cuts[i], str_n(text, (size_t)n));
		if (err == 0)
			err = add_cut(next, &cut);
	}
	w->number[w->depth++] = number;
	if (err == 0 && w->depth < LEVELS)
		err = gather_names(c, next);
	return err;
}

/* ---- blocks ---- */
static uint32_t block_lane(const struct mail_compare_impl *w)
{
	return w->number[0];
}

static int add_item(struct item **out, struct mail_compare_impl *w, uint32_t seq)
{
	int err = mail_grow(&w->items, &w->item_cap, w->item_count, sizeof(*w->items));
	if (err < 0)
		return err;
	*out = &w->items[w->item_count++];
	**out = (struct item){ .pair = w->cut->pair, .seq = seq };
	return 0;
}

/* The path in full, from the lane on, of what stands in the block at `path`. */
static struct str full_path(struct mail_compare_impl *w, struct str path)
{
	w->path.n = 0;
	buf_fmt(&w->path, "%08x/%x/%x/%x/", w->number[0], w->number[1], w->number[2], w->number[3]);
	buf_add(&w->path, path);
	return buf_str(&w->path);
}

static int on_message(void *ctx, const struct store_change *ch)
{
	struct mail_compare_impl *w = ctx;
	uint32_t lane, seq;
	struct item *it;
	if (!mail_path_parse_message(&lane, &seq, full_path(w, ch->path)))
		return w->path.err;
	int err = add_item(&it, w, seq);
	if (err < 0)
		return err;
	const struct store_oid *blob[2] = { ch->before, ch->after };
	for (int k = 0; k < 2; k++)
		if ((it->in[k] = blob[k] != NULL))
			it->blob[k] = *blob[k];
	return 0;
}

static int read_leaf(struct mail_leaf *out, struct mail_compare *c, const struct store_oid *blob)
{
	struct str text;
	out->n = 0;
	if (blob == NULL)
		return 0;
	int err = store_blob_all(&text, &c->impl->block_arena, c->s, blob, LEAF_READ);
	if (err == 0)
		mail_leaf_parse(out, text);
	return err;
}

static bool same_line(const struct mail_line *a, const struct mail_line *b)
{
	return a->flags == b->flags && a->internal_sec == b->internal_sec &&
		a->saved_sec == b->saved_sec && str_eq(a->keywords, b->keywords);
}

static int on_leaf(void *ctx, const struct store_change *ch)
{
	struct mail_compare *c = ctx;
	struct mail_compare_impl *w = c->impl;
	struct mail_leaf *leaf = w->leaf;
	uint32_t lane, first;
	struct item *it;
	if (!mail_path_parse_leaf(&lane, &first, full_path(w, ch->path)))
		return w->path.err;
	int err = read_leaf(&leaf[MAIL_OLD], c, ch->before);
	if (err == 0)
		err = read_leaf(&leaf[MAIL_NEW], c, ch->after);
	for (uint32_t seq = first; err == 0 && seq - first < MAIL_LEAF_MAX; seq++) {
		const struct mail_line *o = mail_leaf_find(&leaf[MAIL_OLD], seq);
		const struct mail_line *n = mail_leaf_find(&leaf[MAIL_NEW], seq);
		if ((o == NULL && n == NULL) || (o != NULL && n != NULL && same_line(o, n)))
			continue;
		err = add_item(&it, w, seq);
		if (err < 0)
			return err;
		it->new_line = true;
		if ((it->lined[MAIL_OLD] = o != NULL))
			it->line[MAIL_OLD] = *o;
		if ((it->lined[MAIL_NEW] = n != NULL))
			it->line[MAIL_NEW] = *n;
	}
	return err;
}

static int diff(struct mail_compare *c, const struct cut *cut, int k, store_diff_fn *fn, void *ctx)
{
	bool o = cut->has[MAIL_OLD][k], n = cut->has[MAIL_NEW][k];
	if (same(o, &cut->oid[MAIL_OLD][k], n, &cut->oid[MAIL_NEW][k]))
		return 0;
	return store_diff(c->s, o ? &cut->oid[MAIL_OLD][k] : NULL,
		n ? &cut->oid[MAIL_NEW][k] : NULL, STR_NONE, fn, ctx);
}

static int by_seq_pair(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	if (x->pair != y->pair)
		return x->pair < y->pair ? -1 : 1;
	return (int)x->new_line - (int)y->new_line;
}

/* A line that changed below a message that did not: its bytes are where they were. */
static int find_blob(struct mail_compare *c, struct item *it)
{
	struct level *l = &c->impl->levels[LEVELS];
	struct store_entry e;
	char path[16];
	const struct cut *cut = l->cuts;
	while (cut->pair != it->pair)
		cut++;
	if (!cut->has[MAIL_NEW][M])
		return 0;
	int n = snprintf(path, sizeof(path), "%x/%x/%x/%08x", it->seq >> 10 & 7, it->seq >> 7 & 7,
		it->seq >> 4 & 7, it->seq);
	int err = store_find(&e, c->s, &cut->oid[MAIL_NEW][M], str_n(path, (size_t)n));
	if (err < 0 || e.kind != STORE_BLOB)
		return err == ERR_NOENT || err == 0 ? 0 : err;
	it->in[MAIL_OLD] = it->in[MAIL_NEW] = true;
	it->blob[MAIL_OLD] = it->blob[MAIL_NEW] = e.oid;
	return 0;
}

/* Message and line of one mailbox become one item; lines without a message go. */
static int join_items(struct mail_compare *c)
{
	struct mail_compare_impl *w = c->impl;
	size_t n = 0;
	int err = 0;
	if (w->item_count > 1)
		qsort(w->items, w->item_count, sizeof(*w->items), by_seq_pair);
	for (size_t i = 0; err == 0 && i < w->item_count; i++) {
		struct item it = w->items[i];
		bool alone = it.new_line;
		if (!alone && i + 1 < w->item_count && w->items[i + 1].new_line &&
			w->items[i + 1].seq == it.seq && w->items[i + 1].pair == it.pair) {
			i++;
			for (int k = 0; k < 2; k++)
				it.line[k] = w->items[i].line[k];
		}
		if (alone)
			err = find_blob(c, &it);
		if (it.in[MAIL_OLD] || it.in[MAIL_NEW])
			w->items[n++] = it;
	}
	w->item_count = n;
	return err;
}

static int add_change(struct mail_compare *c, enum mail_change_kind kind, const struct item *old,
	const struct item *new)
{
	struct mail_compare_impl *w = c->impl;
	const struct item *any = new != NULL ? new : old;
	int err = mail_grow(&w->changes, &w->change_cap, w->change_count, sizeof(*w->changes));
	if (err < 0)
		return err;
	struct mail_change *ch = &w->changes[w->change_count++];
	*ch = (struct mail_change){
		.kind = kind,
		.from = old != NULL ? old->pair : any->pair,
		.to = any->pair,
		.lane = block_lane(w),
		.seq = any->seq,
		.blob = new != NULL ? new->blob[MAIL_NEW] : old->blob[MAIL_OLD],
	};
	if (old != NULL)
		ch->line[MAIL_OLD] = old->line[MAIL_OLD];
	if (new != NULL)
		ch->line[MAIL_NEW] = new->line[MAIL_NEW];
	return 0;
}

static bool only(const struct item *it, int side)
{
	return it->in[side] && !it->in[!side];
}

/* The next of items[*at, end) that is on one side only. */
static const struct item *next_only(
	const struct mail_compare_impl *w, size_t *at, size_t end, int side)
{
	while (*at < end && !only(&w->items[*at], side))
		(*at)++;
	return *at < end ? &w->items[(*at)++] : NULL;
}

/* All there is of one message. */
static int tell(struct mail_compare *c, size_t at, size_t end)
{
	struct mail_compare_impl *w = c->impl;
	size_t i = at, k = at;
	int err = 0;
	for (;;) {
		const struct item *old = next_only(w, &i, end, MAIL_OLD);
		const struct item *new = next_only(w, &k, end, MAIL_NEW);
		if (err < 0 || (old == NULL && new == NULL))
			break;
		err = add_change(c,
			old == NULL           ? MAIL_CAME
				: new == NULL ? MAIL_WENT
					      : MAIL_MOVED,
			old, new);
	}
	for (; err == 0 && at < end; at++) {
		const struct item *it = &w->items[at];
		if (it->in[MAIL_OLD] && it->in[MAIL_NEW])
			err = add_change(c, MAIL_LINE, it, it);
	}
	return err;
}

static int read_block(struct mail_compare *c)
{
	struct mail_compare_impl *w = c->impl;
	struct level *l = &w->levels[LEVELS];
	int err = 0;
	w->item_count = w->change_count = 0;
	arena_reset(&w->block_arena);
	for (size_t i = 0; err == 0 && i < l->n; i++) {
		w->cut = &l->cuts[i];
		err = diff(c, w->cut, M, on_message, w);
		if (err == 0)
			err = diff(c, w->cut, F, on_leaf, c);
	}
	if (err == 0)
		err = join_items(c);
	for (size_t at = 0, end; err == 0 && at < w->item_count; at = end) {
		for (end = at + 1; end < w->item_count && w->items[end].seq == w->items[at].seq;)
			end++;
		err = tell(c, at, end);
	}
	return err;
}

int mail_compare_next(struct mail_change **out, size_t *n, struct mail_compare *c)
{
	struct mail_compare_impl *w = c->impl;
	int err = 0;
	*n = 0;
	while (err == 0 && *n == 0 && w->depth >= 0) {
		struct level *l = &w->levels[w->depth];
		if (w->depth == LEVELS) {
			err = l->n > 0 ? read_block(c) : 0;
			if (err == 0 && l->n > 0)
				*n = w->change_count;
			w->depth--;
		} else if (l->at < l->name_count) {
			err = descend(c);
		} else {
			w->depth--;
		}
	}
	*out = w->changes;
	return err;
}

/* ---- begin and end ---- */
static int first_level(struct mail_compare *c)
{
	struct level *l = &c->impl->levels[0];
	int err = 0;
	for (size_t i = 0; err == 0 && i < c->pair_count; i++) {
		struct cut cut = { .pair = (uint32_t)i };
		for (int k = 0; k < 2; k++) {
			const struct mail_side *at = &c->pairs[i].side[k].at;
			cut.has[k][M] = at->present && at->has_m;
			cut.has[k][F] = at->present && at->has_f;
			cut.oid[k][M] = at->m;
			cut.oid[k][F] = at->f;
		}
		err = add_cut(l, &cut);
	}
	return err < 0 ? err : gather_names(c, l);
}

int mail_compare_begin(struct mail_compare **out, struct store *s, const struct store_oid *old_tree,
	const struct store_oid *new_tree)
{
	struct mail_compare *c = calloc(1, sizeof(*c));
	struct mail_compare_impl *w = calloc(1, sizeof(*w));
	if (c == NULL || w == NULL) {
		free(c);
		free(w);
		return err_set(ERR_NOMEM, "mail: no memory to compare");
	}
	c->s = s;
	c->impl = w;
	arena_init(&c->names, MAIL_PAIRS_ARENA);
	arena_init(&w->block_arena, BLOCK_ARENA);
	buf_init(&w->path, NULL);
	int err = mail_pairs(&c->pairs, &c->pair_count, &c->names, s, old_tree, new_tree);
	if (err == 0)
		err = first_level(c);
	if (err < 0) {
		mail_compare_end(c);
		return err;
	}
	*out = c;
	return 0;
}

void mail_compare_end(struct mail_compare *c)
{
	struct mail_compare_impl *w = c->impl;
	for (size_t i = 0; i < ARRAY_LEN(w->levels); i++) {
		free(w->levels[i].cuts);
		free(w->levels[i].names);
	}
	arena_free(&c->names);
	arena_free(&w->block_arena);
	buf_free(&w->path);
	free(w->items);
	free(w->changes);
	free(c->pairs);
	free(w);
	free(c);
}
