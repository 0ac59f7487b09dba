/* SPDX-License-Identifier: ISC */
/* The sweep (sweep_impl.h): copying on, forgetting, freeing. */
#include "store/sweep_impl.h"

#include "os/log.h"

#define WALKS_WAIT (10 * 60 * OS_SEC)
#define UNITS_LOW  3    /* free ones: those emptied are freed at once */
#define FORGET_AT  1000 /* entries of the index in one go */

/* ---- batches ---- */
int batch_open(struct batch *b)
{
	struct store *s = b->s;
	int err;

	if (b->open)
		return 0;
	err = store_turn(s, OS_FOREVER);
	if (err < 0)
		return err;
	err = group_flush(s);
	if (err >= 0)
		err = log_begin(s->log, s->seq + 1);
	if (err < 0)
		store_turn_end(s);
	b->open = err >= 0;
	b->bytes = 0;
	return err;
}

int batch_close(struct batch *b, int err)
{
	struct store *s = b->s;

	if (!b->open)
		return err;
	b->open = false;
	if (err >= 0)
		err = log_commit(s->log);
	if (err >= 0) {
		s->seq++;
		s->stats.groups++;
		s->stats.flushes++;
		kv_apply(s->kv, &b->out);
	} else {
		log_abort(s->log);
		changes_free(&b->out);
		if (err == ERR_IO)
			store_fail(s, err, "store: the disk has failed; writing stopped");
	}
	if (err >= 0 && kv_full(s->kv))
		err = index_forward(s);
	store_turn_end(s);
	return err;
}

int batch_step(struct batch *b)
{
	int err;

	if (b->bytes < BATCH_BYTES)
		return 0;
	err = b->s->closing ? err_set(ERR_CLOSED, "store: closing") : 0;
	err = batch_close(b, err);
	os_yield();
	return err;
}

/* ---- forgetting ---- */
struct forget {
	struct sweep *w;
	enum kv_table t;
	struct changes out;
	unsigned turns;
};

static int lacks(bool *out, struct sweep *w, enum kv_table t, struct str value)
{
	struct head h;
	int err = t == KV_FRAME ? place_parse(&h.place, value) : head_parse(&h, value);

	*out = err >= 0 && mark_lacks(w, &h.place);
	return err;
}

/* Of those found, what has not been written again meanwhile. */
static int forget_some(struct forget *f)
{
	struct store *s = f->w->s;
	struct changes sure = { 0 };
	int err = f->out.n ? store_turn(s, OS_FOREVER) : ERR_AGAIN;

	if (err < 0)
		return err == ERR_AGAIN ? 0 : err;
	for (struct change *c = changes_first(&f->out); c && err >= 0; c = changes_next(c)) {
		struct str value;
		bool still = false;
		err = kv_get(&value, s->kv, c->table, change_key(c));
		if (err >= 0)
			err = lacks(&still, f->w, c->table, value);
		if (still)
			err = changes_del(&sure, c->table, change_key(c));
		if (err == ERR_NOENT)
			err = 0;
	}
	if (err >= 0)
		kv_apply(s->kv, &sure);
	if (err >= 0 && kv_full(s->kv))
		err = index_forward(s);
	store_turn_end(s);
	changes_free(&sure);
	changes_free(&f->out);
	return err;
}

static int forget_one(void *ctx, struct str key, struct str value)
{
	struct forget *f = ctx;
	bool dead;
	int err = lacks(&dead, f->w, f->t, value);

	if (err >= 0 && dead)
		err = changes_del(&f->out, f->t, key);
	if (err >= 0 && f->out.n >= FORGET_AT)
		err = forget_some(f);
	if (++f->turns % 512 == 0)
		os_yield();
	return err < 0 || !f->w->s->closing ? err : err_set(ERR_CLOSED, "store: closing");
}

/* Durably: from the first entry forgotten to the last, what is dead is not whole. */
static int note_garbage(struct store *s, bool there)
{
	struct changes c = { 0 };
	int err = store_turn(s, OS_FOREVER);

	if (err < 0)
		return err;
	err = group_flush(s);
	if (err >= 0)
		err = there ? changes_put(&c, KV_SYS, KEY_GARBAGE, STR_NONE)
			    : changes_del(&c, KV_SYS, KEY_GARBAGE);
	kv_apply(s->kv, &c);
	if (err >= 0)
		err = index_forward(s);
	store_turn_end(s);
	return err;
}

/* Nothing in the index names them any more, durably so. */
static int forget_dead(struct sweep *w)
{
	struct forget f = { .w = w, .t = KV_OBJ };
	struct store *s = w->s;
	int err = note_garbage(s, true);

	if (err >= 0)
		err = kv_scan(s->kv, KV_OBJ, STR_NONE, STR_NONE, forget_one, &f);
	f.t = KV_FRAME;
	if (err >= 0)
		err = kv_scan(s->kv, KV_FRAME, STR_NONE, STR_NONE, forget_one, &f);
	if (err >= 0)
		err = forget_some(&f);
	changes_free(&f.out);
	return err < 0 ? err : note_garbage(s, false);
}

/* ---- one unit ---- */
struct copy {
	struct batch b;
	struct sweep *w;
};

/* Does the index still mean this record? */
static int is_current(bool *out, struct store *s, const struct log_record *r)
{
	char room[FRAME_KEY];
	bool frame = r->kind == LOG_FRAME;
	struct str value, key = frame ? frame_key(room, r->content, r->frame) : oid_str(&r->id);
	struct head h;
	int err = kv_get(&value, s->kv, frame ? KV_FRAME : KV_OBJ, key);

	*out = false;
	if (err < 0)
		return err == ERR_NOENT ? 0 : err;
	err = frame ? place_parse(&h.place, value) : head_parse(&h, value);
	*out = err >= 0 && h.place.unit == r->place.unit && h.place.at == r->place.at;
	return err;
}

static int copy_on(struct copy *c, const struct log_record *r)
{
	struct log *l = c->b.s->log;
	struct log_record moved = *r;
	int err;

	switch (r->kind) {
	case LOG_OBJECT:
		err = log_object(&moved.place, l, &r->id, r->type, r->size, r->bytes);
		break;
	case LOG_BIG: err = log_big(&moved.place, l, &r->id, r->type, r->size, r->content); break;
	default: err = log_frame(&moved.place, l, r->content, r->frame, r->bytes); break;
	}
	if (err >= 0)
		err = record_index(&c->b.out, &moved);
	c->w->told->kept++;
	c->w->told->moved_bytes += r->place.n;
	c->b.bytes += r->place.n;
	return err;
}

static int one_record(void *ctx, uint64_t seq, const struct log_record *r)
{
	struct copy *c = ctx;
	bool current;
	int err;

	(void)seq;
	if ((r->kind != LOG_OBJECT && r->kind != LOG_BIG && r->kind != LOG_FRAME) ||
		mark_lacks(c->w, &r->place))
		return 0;
	err = batch_open(&c->b);
	if (err >= 0)
		err = is_current(&current, c->b.s, r);
	if (err >= 0 && current)
		err = copy_on(c, r);
	return err < 0 ? err : batch_step(&c->b);
}

static int empty_unit(struct sweep *w, uint32_t unit)
{
	struct copy c = { .b = { .s = w->s }, .w = w };
	return batch_close(&c.b, log_unit_scan(w->s->log, unit, one_record, &c));
}

/* The index knows the new places durably; then nothing needs these units any more. */
static int free_units(struct sweep *w, const uint32_t *emptied, uint32_t *n)
{
	struct store *s = w->s;
	int err = *n ? store_turn(s, OS_FOREVER) : ERR_AGAIN;

	if (err < 0)
		return err == ERR_AGAIN ? 0 : err;
	err = group_flush(s);
	if (err >= 0)
		err = index_forward(s);
	for (uint32_t i = 0; i < *n && err >= 0; i++) {
		log_unit_free(s->log, emptied[i]);
		w->units[emptied[i]].limit = 0;
		w->told->freed_bytes += s->super.unit_bytes;
	}
	if (err >= 0)
		*n = 0;
	store_turn_end(s);
	os_wake_all(&s->room);
	return err;
}

/* ---- all of them ---- */
/* Behind the last checkpoint's begin, and with a quarter to gain. */
static bool is_worth(const struct sweep *w, uint32_t unit)
{
	const struct unit *u = &w->s->units[unit];

	return u->state == UNIT_LOG && u->generation && u->generation < w->generation &&
		w->units[unit].live <= (uint64_t)w->s->super.unit_bytes / 4 * 3;
}

struct order {
	uint64_t live;
	uint32_t unit;
};

static int by_live(const void *a, const void *b)
{
	const struct order *x = a, *y = b;
	return x->live < y->live ? -1 : x->live > y->live;
}

/* Those with the least to copy first, so that there is room for the rest. */
static int sweep_units(struct sweep *w, struct order *todo, uint32_t n, uint32_t *emptied)
{
	struct store *s = w->s;
	uint32_t waiting = 0;
	int err = 0;

	for (uint32_t i = 0; i < n && err >= 0; i++) {
		err = empty_unit(w, todo[i].unit);
		if (err == ERR_CORRUPT) { /* what of it is sound stays where it is */
			os_log(OS_WARN, "svc=store event=sweep-skips unit=%u why=\"%s\"",
				(unsigned)todo[i].unit, err_text(err));
			err = 0;
			continue;
		}
		if (err >= 0)
			emptied[waiting++] = todo[i].unit;
		if (err >= 0 && (i % 4 == 3 || log_units_free(s->log) <= UNITS_LOW))
			err = free_units(w, emptied, &waiting);
		if (w->told->progress)
			w->told->progress(w->told->ctx, i + 1, n);
	}
	return err < 0 ? err : free_units(w, emptied, &waiting);
}

static int make_room(struct sweep *w)
{
	struct store *s = w->s;
	struct order *todo = calloc(s->super.units, sizeof(*todo));
	uint32_t *emptied = calloc(s->super.units, sizeof(*emptied)), n = 0;
	uint64_t from;
	int err = todo && emptied ? 0 : err_set(ERR_NOMEM, "store: out of memory");

	for (uint32_t i = 0; i < s->super.units && err >= 0; i++)
		if (is_worth(w, i))
			todo[n++] = (struct order){ w->units[i].live, i };
	if (n > 0 && err >= 0) {
		qsort(todo, n, sizeof(*todo), by_live);
		err = checkpoint_write(&from, s);
		if (err >= 0)
			err = sweep_units(w, todo, n, emptied);
	}
	free(todo);
	free(emptied);
	return err;
}

/* Whoever walks history since before the boundary moved may still want what is behind it. */
static int wait_for_walks(struct store *s)
{
	unsigned now = s->turn_of_walks;
	os_time deadline = os_after(WALKS_WAIT);
	int err = 0;

	while (s->walks[!now] > 0 && err >= 0) /* of a sweep that gave up waiting */
		err = os_wait(&s->walked, deadline);
	s->turn_of_walks = !now;
	while (s->walks[now] > 0 && err >= 0)
		err = os_wait(&s->walked, deadline);
	return err < 0 ? err_set(ERR_BUSY, "store: somebody reads the whole history") : 0;
}

static int sweep_once(struct store *s, struct store_sweep *told)
{
	struct sweep w = { .s = s, .told = told };
	int err = wait_for_walks(s);

	told->objects = 0;
	if (err >= 0)
		err = mark_all(&w);
	if (err >= 0)
		err = forget_dead(&w);
	if (err >= 0)
		err = make_room(&w);
	s->sweep = NULL;
	mark_end(&w);
	return err < 0 ? err : horizon_clean(s);
}

/* Under pressure histories lose their oldest part first, and no more than makes room. */
static int sweep(struct store *s, struct store_sweep *told)
{
	struct log_pos now;
	bool moved;
	int err = 0;

	for (unsigned step = 0; step <= HORIZON_STEPS && err >= 0; step++) {
		if (step && !space_presses(s))
			break;
		err = horizon_move(&moved, s, step);
		if (err >= 0 && (moved || !step))
			err = sweep_once(s, told);
	}
	log_tell(&now, s->log);
	if (err >= 0) /* one given up is wanted as before */
		s->swept_at = now.generation;
	return err;
}

int sweep_forget(struct store *s)
{
	struct store_sweep told = { 0 };
	struct sweep w = { .s = s, .told = &told };
	int err = mark_all(&w);

	if (err >= 0)
		err = forget_dead(&w);
	s->sweep = NULL;
	mark_end(&w);
	return err;
}

bool space_presses(const struct store *s)
{
	return log_units_free(s->log) < s->super.units / 4;
}

bool store_sweep_wanted(const struct store *s)
{
	struct log_pos now;

	log_tell(&now, s->log);
	return space_presses(s) && now.generation >= s->swept_at + s->super.units / 16 + 1;
}

int store_sweep(struct store *s, struct store_sweep *told)
{
	os_time start = os_now();
	int err = s->closing ? err_set(ERR_CLOSED, "store: closing") : 0;

	if (err < 0)
		return err;
	if (s->sweeping)
		return err_set(ERR_BUSY, "store: a sweep is under way");
	s->sweeping = true;
	store_user_add(s);
	told->objects = told->kept = told->moved_bytes = told->freed_bytes = 0;
	err = sweep(s, told);
	s->sweeping = false;
	os_wake_all(&s->room);
	os_log(err < 0 ? OS_WARN : OS_INFO,
		"svc=store event=swept objects=%llu moved=%llu freed=%llu ms=%lld result=%d",
		(unsigned long long)told->objects, (unsigned long long)told->moved_bytes,
		(unsigned long long)told->freed_bytes, (long long)((os_now() - start) / OS_MS),
		err);
	store_user_del(s);
	return err;
}
