/* SPDX-License-Identifier: ISC */
#include "store/receive_impl.h"

#define REST_BYTES  (256 * 1024)
#define PIECE_BYTES (16 * 1024)

void receive_rest(struct store_receive *r, size_t bytes)
{
	r->unrested += bytes;
	if (r->unrested < REST_BYTES)
		return;
	r->unrested = 0;
	os_yield();
}

int no_base(const struct store_oid *base)
{
	char hex[STORE_HEX];
	return err_set(ERR_BAD,
		"the base %s of a delta is neither in the pack nor in your repository",
		store_oid_hex(hex, base));
}

/* ---- bases ---- */
static void base_close(struct store_receive *r)
{
	free(r->base.p);
	r->base = (struct base){ 0 };
}

/* Reading the same again and again must not cost more than the pack may. */
static int base_cost(struct store_receive *r, uint64_t bytes)
{
	r->read += bytes;
	receive_rest(r, bytes);
	if (r->read > r->limits.total_bytes_max)
		return err_set(ERR_LIMIT,
			"the deltas of this pack jump about too much: pack it anew (git repack "
			"-adf)");
	return 0;
}

static int base_load(struct store_receive *r, const struct store_oid *id)
{
	struct obj *o = take_get(&r->take, id);
	struct base *b = &r->base;
	struct view v;
	int err;

	if (o) {
		*b = (struct base){ .id = *id, .type = o->type, .size = o->n };
		b->p = malloc(o->n ? o->n : 1);
		if (!b->p)
			return err_set(ERR_NOMEM, "out of memory");
		memcpy(b->p, o->p, o->n);
		return 0;
	}
	err = view_open(&v, r->s, id, 0, WHOLE_MAX);
	if (err < 0)
		return err;
	*b = (struct base){ .id = *id, .type = v.type, .size = v.n };
	if (v.p == v.heap) {
		b->p = v.heap;
		v.heap = NULL;
	} else {
		b->p = malloc(v.n ? v.n : 1);
		if (b->p)
			memcpy(b->p, v.p, v.n);
	}
	view_end(&v);
	return b->p ? 0 : err_set(ERR_NOMEM, "out of memory");
}

static int base_open(struct store_receive *r, const struct store_oid *id)
{
	struct head h;
	int err;

	if (r->base.type && store_oid_eq(&r->base.id, id))
		return 0;
	base_close(r);
	if (!take_get(&r->take, id)) {
		err = head_get(&h, r->s, id);
		if (err < 0)
			return err;
		if (h.type == OBJ_BLOB && h.size > FRAME_BYTES) {
			r->base = (struct base){ .id = *id, .type = h.type, .size = h.size };
			return 0;
		}
	}
	err = base_load(r, id);
	return err < 0 ? err : base_cost(r, r->base.size);
}

static int base_copy(struct store_receive *r, uint64_t at, uint32_t n)
{
	struct base *b = &r->base;
	char *piece;
	int err = 0;

	if (b->p)
		return making_add(r, str_n(b->p + at, n));
	if (at != b->next)
		err = base_cost(r, FRAME_BYTES);
	piece = malloc(PIECE_BYTES);
	if (!piece)
		return err_set(ERR_NOMEM, "out of memory");
	while (n > 0 && err >= 0) {
		size_t got;
		err = store_blob_read(
			&got, r->s, &b->id, at, piece, n < PIECE_BYTES ? n : PIECE_BYTES);
		if (err >= 0)
			err = making_add(r, str_n(piece, got));
		at += got;
		n -= (uint32_t)got;
	}
	b->next = at;
	free(piece);
	return err;
}

/* ---- deltas ---- */
static int delta_sizes(struct store_receive *r)
{
	const struct delta *d = &r->delta;
	int err;

	if (d->base_size != r->base.size)
		return err_set(ERR_BAD, "a delta was made for a base of another size");
	err = unpack_allows(r->unpack, r->made + d->size);
	if (err < 0)
		return err;
	r->made += d->size;
	return making_begin(r, r->base.type, d->size);
}

static int delta_feed(struct store_receive *r, struct str bytes)
{
	struct delta_op op;
	int err;

	while ((err = delta_next(&op, &r->delta, &bytes)) >= 0) {
		switch (op.kind) {
		case DELTA_SIZES: err = delta_sizes(r); break;
		case DELTA_COPY: err = base_copy(r, op.at, op.n); break;
		case DELTA_BYTES: err = making_add(r, op.bytes); break;
		}
		if (err < 0)
			return err;
	}
	return err == ERR_AGAIN ? 0 : err;
}

/* What goes wrong with somebody else's object, perhaps, is told by receive_check, to those who may
 * read it; the entry is gone. */
static int doubt(struct store_receive *r, struct rec *rec, int err)
{
	if (err >= 0 || !(rec->flags & REC_OUTSIDE) ||
		(err != ERR_BAD && err != ERR_LIMIT && err != ERR_DENIED))
		return err;
	if (!r->doubt_err) {
		r->doubt_err = err;
		snprintf(r->doubt, sizeof(r->doubt), "%s", err_text(err));
	}
	making_drop(r);
	rec->flags |= REC_DROPPED;
	return 0;
}

static int note_outside(struct store_receive *r, const struct store_oid *base)
{
	bool fresh;
	int err = idset_add(&fresh, &r->outside, idset_of(base));

	return err < 0 || !fresh ? err : oids_add(&r->bases, base);
}

enum found { BASE_THERE, BASE_LATER, BASE_NEVER };

static int base_inside(struct store_receive *r, struct rec *rec, const struct rec *b)
{
	rec->flags |= b->flags & REC_OUTSIDE;
	if (b->depth >= r->limits.delta_depth_max || b->depth == UINT16_MAX)
		return err_set(ERR_LIMIT,
			"deltas upon deltas over %u deep: pack it anew (git repack -adf)",
			r->limits.delta_depth_max);
	rec->depth = (uint16_t)(b->depth + 1);
	return base_open(r, &b->id);
}

static int base_outside(
	enum found *how, struct store_receive *r, struct rec *rec, const struct store_oid *id)
{
	int err = base_open(r, id), noted;

	if (err == ERR_NOENT) {
		*how = BASE_LATER;
		return 0;
	}
	rec->flags |= REC_OUTSIDE;
	noted = note_outside(r, id);
	return noted < 0 ? noted : err;
}

/* Opens the base of `rec`; `at` 0: by id. */
static int find_base(enum found *how, struct store_receive *r, struct rec *rec, uint64_t at,
	const struct store_oid *id)
{
	struct rec *b = at ? recs_at(&r->recs, at) : recs_find(&r->recs, id);

	*how = BASE_THERE;
	if (!b && at)
		return err_set(ERR_BAD, "a delta's base is out of the pack");
	if (!b)
		return base_outside(how, r, rec, id);
	if (b->flags & REC_KNOWN)
		return base_inside(r, rec, b);
	*how = b->flags & REC_DROPPED ? BASE_NEVER : BASE_LATER;
	return 0;
}

/* Too many wait: as good as never. */
static void wait_give_up(struct store_receive *r)
{
	if (!r->lost)
		r->lost_base = r->filling->base;
	r->lost = true;
	recs_get(&r->recs, r->rec)->flags |= REC_DROPPED;
	r->entry = ENTRY_DROPPED;
}

static int wait_begin(struct store_receive *r, const struct unpack_event *ev)
{
	struct waiting *w = calloc(1, sizeof(*w));

	if (!w)
		return err_set(ERR_NOMEM, "out of memory");
	*w = (struct waiting){ .rec = r->rec, .base = ev->base, .base_at = ev->base_at };
	buf_init(&w->bytes, NULL);
	for (struct waiting *b = r->waiting; b && ev->base_at; b = b->next)
		if (recs_get(&r->recs, b->rec)->at == ev->base_at)
			w->base = b->base; /* what both wait for */
	*r->waiting_end = w;
	r->waiting_end = &w->next;
	r->filling = w;
	r->waiting_bytes += sizeof(*w);
	if (r->waiting_bytes > WAITING_MAX)
		wait_give_up(r);
	return 0;
}

static int wait_add(struct store_receive *r, struct str bytes)
{
	r->waiting_bytes += bytes.n;
	if (r->waiting_bytes > WAITING_MAX) {
		wait_give_up(r);
		return 0;
	}
	buf_add(&r->filling->bytes, bytes);
	return r->filling->bytes.err;
}

static int delta_begin(struct store_receive *r, const struct unpack_event *ev)
{
	struct rec *rec = recs_get(&r->recs, r->rec);
	enum found how;
	int err = doubt(r, rec, find_base(&how, r, rec, ev->base_at, &ev->base));

	if (err < 0)
		return err;
	if (how == BASE_NEVER)
		rec->flags |= REC_DROPPED;
	r->delta = (struct delta){ 0 };
	r->entry = rec->flags & REC_DROPPED ? ENTRY_DROPPED
		: how == BASE_LATER         ? ENTRY_WAITS
					    : ENTRY_DELTA;
	return r->entry == ENTRY_WAITS ? wait_begin(r, ev) : 0;
}

/* ---- entries ---- */
static int entry_begin(struct store_receive *r, const struct unpack_event *ev)
{
	struct rec *rec;
	int err;

	r->rec = r->recs.n;
	err = recs_add(&rec, &r->recs, ev->at);
	if (err < 0)
		return err;
	if (ev->type == ENTRY_OFS_DELTA || ev->type == ENTRY_REF_DELTA)
		return delta_begin(r, ev);
	r->entry = ENTRY_WHOLE;
	return making_begin(r, ev->type, ev->size);
}

static int entry_add(struct store_receive *r, struct str bytes)
{
	struct rec *rec = recs_get(&r->recs, r->rec);

	switch (r->entry) {
	case ENTRY_WHOLE: return making_add(r, bytes);
	case ENTRY_WAITS: return wait_add(r, bytes);
	case ENTRY_DELTA: return rec->flags & REC_DROPPED ? 0 : doubt(r, rec, delta_feed(r, bytes));
	default: return 0;
	}
}

static int delta_finish(struct store_receive *r, uint32_t number)
{
	struct rec *rec = recs_get(&r->recs, number);
	int err = 0;

	if (rec->flags & REC_DROPPED)
		return 0;
	err = delta_end(&r->delta);
	if (err >= 0)
		err = making_end(r, number);
	return doubt(r, rec, err);
}

static int entry_finish(struct store_receive *r)
{
	switch (r->entry) {
	case ENTRY_WHOLE: return making_end(r, r->rec);
	case ENTRY_DELTA: return delta_finish(r, r->rec);
	default: return 0;
	}
}

/* ---- deltas that waited ---- */
static int waited(bool *done, struct store_receive *r, struct waiting *w)
{
	struct rec *rec = recs_get(&r->recs, w->rec);
	enum found how = BASE_NEVER;
	int err = 0;

	if (!(rec->flags & REC_DROPPED))
		err = doubt(r, rec, find_base(&how, r, rec, w->base_at, &w->base));
	*done = how != BASE_LATER;
	if (how == BASE_NEVER)
		rec->flags |= REC_DROPPED;
	if (err < 0 || !*done || rec->flags & REC_DROPPED)
		return err;
	r->delta = (struct delta){ 0 };
	err = doubt(r, rec, delta_feed(r, buf_str(&w->bytes)));
	return err < 0 ? err : delta_finish(r, w->rec);
}

static void wait_free(struct waiting **at)
{
	struct waiting *w = *at;

	*at = w->next;
	buf_free(&w->bytes);
	free(w);
}

static int resolve_waiting(struct store_receive *r)
{
	bool again = true;
	int err = 0;

	while (again && r->waiting && err >= 0) {
		struct waiting **at = &r->waiting;
		again = false;
		while (*at && err >= 0) {
			bool done;
			err = waited(&done, r, *at);
			again |= done;
			if (done)
				wait_free(at);
			else
				at = &(*at)->next;
		}
		os_yield();
	}
	if (err >= 0 && (r->lost || r->waiting))
		err = no_base(r->lost ? &r->lost_base : &r->waiting->base);
	return err;
}

/* ---- the contract ---- */
int store_receive_begin(
	struct store_receive **out, struct store *s, const struct store_receive_limits *limits)
{
	struct store_receive *r;
	int err;

	if (s->closing)
		return err_set(ERR_CLOSED, "store: closing");
	r = calloc(1, sizeof(*r));
	if (!r)
		return err_set(ERR_NOMEM, "out of memory");
	err = unpack_new(&r->unpack, limits);
	if (err < 0) {
		free(r);
		return err;
	}
	r->s = r->take.s = s;
	r->limits = *limits;
	r->waiting_end = &r->waiting;
	r->next = s->receives;
	s->receives = r;
	store_user_add(s);
	*out = r;
	return 0;
}

static int handle(struct store_receive *r, const struct unpack_event *ev)
{
	switch (ev->kind) {
	case UNPACK_ENTRY: return entry_begin(r, ev);
	case UNPACK_BYTES: return entry_add(r, ev->bytes);
	case UNPACK_FINISH: return entry_finish(r);
	default: return 0;
	}
}

int store_receive_write(struct store_receive *r, struct str bytes)
{
	struct unpack_event ev;

	while (r->err >= 0) {
		r->err = unpack_next(&ev, r->unpack, &bytes);
		if (r->err == ERR_AGAIN) {
			r->err = 0;
			break;
		}
		if (r->err >= 0)
			r->err = handle(r, &ev);
		receive_rest(r, 64); /* tiny objects cost as well */
	}
	return r->err;
}

int store_receive_finish(struct store_receive *r)
{
	if (r->err >= 0 && !unpack_ended(r->unpack))
		r->err = err_set(ERR_BAD, "the pack ends early");
	if (r->err >= 0)
		r->err = resolve_waiting(r);
	if (r->err >= 0)
		r->err = take_flush(&r->take);
	base_close(r);
	r->finished = r->err >= 0;
	return r->err;
}

void store_receive_end(struct store_receive *r)
{
	struct store_receive **at;

	if (!r)
		return;
	at = &r->s->receives;
	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	making_drop(r);
	base_close(r);
	while (r->waiting)
		wait_free(&r->waiting);
	take_end(&r->take);
	unpack_free(r->unpack);
	recs_free(&r->recs);
	idset_free(&r->outside);
	free(r->bases.p);
	free(r->roots.p);
	store_user_del(r->s);
	free(r);
}

int receive_each(struct store *s, receive_each_fn *fn, void *ctx)
{
	int err = 0;

	for (struct store_receive *r = s->receives; r && err >= 0; r = r->next) {
		for (uint32_t i = 0; i < r->recs.n && err >= 0; i++)
			if (recs_get(&r->recs, i)->flags & REC_KNOWN)
				err = fn(ctx, &recs_get(&r->recs, i)->id, false);
		for (size_t i = 0; i < r->roots.n && err >= 0; i++)
			err = fn(ctx, &r->roots.p[i], true);
	}
	return err;
}
