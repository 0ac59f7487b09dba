/* SPDX-License-Identifier: ISC */
/*
 * Where histories end. KV_SYS, letter k, a ref: days to keep and the least of them (4 bytes each).
 * A sweep moves the boundary (KV_SYS, letter s, shallow.c) of each such ref:
 *	- to where it stood that many days ago, by the records of its moves, which are this endpoint's
 *	  own; by the dates of commits only as far back as records are no longer kept;
 *	- not past what another ref's horizon, a pin, or a ref of a device still stands on;
 *	- not at all while a branch without a horizon shares its history.
 * What is before the boundary and nothing else reaches is then swept.
 */
#include "store/base_impl.h"
#include "store/sweep_impl.h"

#include "os/log.h"

#define LETTER    'k'
#define DAY       86400
#define GONE_DAYS 30   /* records of a ref that is no more */
#define BASE_DAYS 180  /* a device not seen for longer must clone again */
#define PRUNE_AT  1000 /* records in one group */

/* ---- what people set ---- */
static int parse(struct store_horizon *out, struct str v)
{
	if (v.n != 8)
		return err_set(ERR_CORRUPT, "store: a horizon is damaged");
	*out = (struct store_horizon){ load_le32(v.p), load_le32(v.p + 4) };
	return 0;
}

int store_horizon_get(struct store_horizon *out, struct store *s, struct str ref)
{
	char room[1 + REF_MAX];
	struct str value;
	int err = ref.n > REF_MAX ? ERR_NOENT
				  : kv_get(&value, s->kv, KV_SYS, sys_key(room, LETTER, ref));

	*out = (struct store_horizon){ 0 };
	if (err == ERR_NOENT)
		return 0;
	return err < 0 ? err : parse(out, value);
}

int store_horizon_set(struct store *s, struct str ref, const struct store_horizon *h)
{
	char room[1 + REF_MAX], value[8];
	struct group *g;
	int err = ref_name_check(ref);

	if (err >= 0 && h->keep_days_min > h->keep_days)
		err = err_set(ERR_BAD, "store: a horizon's least is over what it keeps");
	if (err >= 0)
		err = store_turn(s, OS_FOREVER);
	if (err < 0)
		return err;
	for (int i = 0; i < 4; i++) {
		value[i] = (char)(h->keep_days >> (8 * i));
		value[4 + i] = (char)(h->keep_days_min >> (8 * i));
	}
	err = space_check(s, 512, false);
	if (err >= 0)
		err = group_open(&g, s);
	if (err >= 0 && h->keep_days)
		err = changes_put(&g->kv, KV_SYS, sys_key(room, LETTER, ref), str_n(value, 8));
	else if (err >= 0)
		err = changes_del(&g->kv, KV_SYS, sys_key(room, LETTER, ref));
	if (err >= 0)
		err = group_flush(s);
	s->swept_at = 0;
	store_turn_end(s);
	return err;
}

static int64_t now_sec(const struct store *s)
{
	return os_wall_sec() + s->ahead_sec;
}

/* The time from which on all is kept; INT64_MIN: for ever. `step` of HORIZON_STEPS towards the least. */
static int kept_from(int64_t *out, struct store *s, struct str ref, unsigned step)
{
	struct store_horizon h;
	int err = store_horizon_get(&h, s, ref);

	*out = INT64_MIN;
	if (err < 0 || h.keep_days == 0)
		return err;
	if (h.keep_days_min)
		h.keep_days -= (uint32_t)((uint64_t)(h.keep_days - h.keep_days_min) * step /
			HORIZON_STEPS);
	*out = now_sec(s) - (int64_t)h.keep_days * DAY;
	return 0;
}

/* ---- where a ref stood then ---- */
struct then {
	int64_t time;
	bool any, has_from, found, has;
	struct store_oid id, from; /* from: before the oldest record */
};

static int then_record(void *ctx, const struct store_ref_record *r)
{
	struct then *t = ctx;

	t->any = true;
	t->has_from = r->from != NULL;
	if (r->from)
		t->from = *r->from;
	if (r->time > t->time)
		return 0;
	t->found = true;
	t->has = r->to != NULL;
	if (r->to)
		t->id = *r->to;
	return ERR_CLOSED;
}

/* The first commit that is old enough, by first parents; ERR_NOENT. */
static int by_date(struct store_oid *out, struct store *s, struct store_oid at, int64_t time)
{
	struct walk_commit c;
	int err;

	for (unsigned turns = 1; (err = walk_commit_get(&c, s, &at)) >= 0; turns++) {
		*out = at;
		if (c.time <= time)
			return 0;
		if (c.parent_count == 0)
			return ERR_NOENT;
		at = c.parents[0];
		if (turns % YIELD_EVERY == 0)
			os_yield();
	}
	return err;
}

/* ERR_NOENT: it was not there yet. */
static int stood_at(struct store_oid *out, struct store *s, struct str ref, int64_t time)
{
	struct then t = { .time = time };
	struct ref_value v;
	int err = store_ref_log(s, ref, then_record, &t);

	if (err < 0 && err != ERR_CLOSED)
		return err;
	*out = t.id;
	if (t.found)
		return t.has ? 0 : ERR_NOENT;
	if (t.any) /* what is no longer recorded ends there; it may be gone as well */
		return t.has_from && is_commit(s, &t.from) ? by_date(out, s, t.from, time)
							   : ERR_NOENT;
	err = ref_read(&v, s, ref);
	return err < 0 ? err : by_date(out, s, v.commit, time);
}

/* ---- the cut ---- */
struct horizon {
	struct store *s;
	unsigned step;
	bool moved;
	struct oids cuts;  /* where each ref with a horizon stood */
	struct oids holds; /* commits the boundary must not pass */
	struct oids whole; /* branches kept for ever */
	struct oids tips;  /* all refs and pins */
};

static int sort_ref(void *ctx, struct str ref, const struct store_oid *commit)
{
	struct horizon *h = ctx;
	struct store_oid id;
	int64_t time;
	int err = oids_add(&h->tips, commit);

	if (err >= 0)
		err = kept_from(&time, h->s, ref, h->step);
	if (err < 0)
		return err;
	if (time == INT64_MIN)
		return oids_add(
			str_starts(ref, STR("refs/heads/")) ? &h->whole : &h->holds, commit);
	err = stood_at(&id, h->s, ref, time);
	if (err == ERR_NOENT)
		return oids_add(&h->whole, commit);
	return err < 0 ? err : oids_add(&h->cuts, &id);
}

static int sort_pin(void *ctx, struct str name, const struct store_oid *commit, int64_t time)
{
	struct horizon *h = ctx;
	int err = oids_add(&h->tips, commit);

	if (str_starts(name, STR("base/")) && time < now_sec(h->s) - (int64_t)BASE_DAYS * DAY)
		return err;
	return err < 0 ? err : oids_add(&h->holds, commit);
}

/* Moves *x back to where it is before `id` too; ERR_NOENT: they share nothing. */
static int hold(struct store_oid *x, struct store *s, const struct store_oid *id)
{
	struct oids found = { 0 };
	int err = base_find(&found, s, x, 1, id);

	if (err >= 0 && found.n == 0)
		err = ERR_NOENT;
	else if (err >= 0)
		*x = found.p[0];
	free(found.p);
	return err;
}

/* As far as it may be; ERR_NOENT: not at all. */
static int hold_back(struct store_oid *x, struct horizon *h)
{
	const struct oids *all[] = { &h->cuts, &h->holds };
	int err = 0;

	for (size_t i = 0; i < h->whole.n; i++) {
		struct store_oid same = *x;
		err = hold(&same, h->s, &h->whole.p[i]);
		if (err != ERR_NOENT)
			return err < 0 ? err : ERR_NOENT;
	}
	for (size_t k = 0; k < ARRAY_LEN(all); k++)
		for (size_t i = 0; i < all[k]->n; i++) {
			err = hold(x, h->s, &all[k]->p[i]);
			if (err < 0 && err != ERR_NOENT)
				return err;
		}
	return 0;
}

/* Adds what is before `x`, without x. */
static int add_before(struct idset *before, struct store *s, const struct store_oid *x)
{
	struct oids todo = { 0 };
	struct walk_commit c;
	bool fresh;
	int err = oids_add(&todo, x);

	for (unsigned turns = 1; todo.n > 0 && err >= 0; turns++) {
		err = walk_commit_get(&c, s, &todo.p[--todo.n]);
		for (size_t i = 0; i < c.parent_count && err >= 0; i++) {
			err = idset_add(&fresh, before, idset_of(&c.parents[i]));
			if (err >= 0 && fresh)
				err = oids_add(&todo, &c.parents[i]);
		}
		if (turns % YIELD_EVERY == 0)
			os_yield();
	}
	free(todo.p);
	return err;
}

static int add_edge(struct changes *out, struct store *s, const struct store_oid *id)
{
	char room[21];
	struct walk_commit c;
	int err = walk_commit_get(&c, s, id);

	if (err < 0 || c.parent_count == 0)
		return err;
	return changes_put(out, KV_SYS, sys_key(room, 's', oid_str(id)), STR_NONE);
}

/* The commits before the cut that something after it names are kept, without their parents. */
static int find_edge(
	struct changes *out, struct horizon *h, const struct idset *before, struct idset *seen)
{
	struct oids todo = { 0 };
	struct walk_commit c;
	bool fresh;
	int err = 0;

	for (size_t i = 0; i < h->tips.n && err >= 0; i++)
		err = oids_add(&todo, &h->tips.p[i]);
	for (unsigned turns = 1; todo.n > 0 && err >= 0; turns++) {
		struct store_oid id = todo.p[--todo.n];
		err = idset_add(&fresh, seen, idset_of(&id));
		if (err < 0 || !fresh)
			continue;
		if (set_has(before, &id)) {
			err = add_edge(out, h->s, &id);
			continue;
		}
		err = is_commit(h->s, &id) ? walk_commit_get(&c, h->s, &id) : ERR_NOENT;
		if (err == ERR_NOENT) { /* a tag, or not here */
			err = 0;
			continue;
		}
		for (size_t i = 0; i < c.parent_count && err >= 0; i++)
			err = oids_add(&todo, &c.parents[i]);
		if (turns % YIELD_EVERY == 0)
			os_yield();
	}
	free(todo.p);
	return err;
}

static int write_changes(struct store *s, struct changes *kv)
{
	struct group *g;
	int err = kv->n ? store_turn(s, OS_FOREVER) : ERR_AGAIN;

	if (err < 0)
		return err == ERR_AGAIN ? 0 : err;
	err = group_open(&g, s);
	if (err >= 0) {
		changes_move(&g->kv, kv);
		err = group_flush(s);
	}
	store_turn_end(s);
	return err;
}

static int cut(struct horizon *h)
{
	struct idset before = { 0 }, seen = { 0 }; /* seen: the cuts themselves, to begin with */
	struct changes edge = { 0 };
	char hex[STORE_HEX];
	int err = 0;

	for (size_t i = 0; i < h->cuts.n && err >= 0; i++) {
		struct store_oid x = h->cuts.p[i];
		err = hold_back(&x, h);
		if (err == ERR_NOENT) {
			err = 0;
			continue;
		}
		if (err >= 0)
			err = add_before(&before, h->s, &x);
		if (err >= 0)
			err = add_edge(&edge, h->s, &x);
		if (err >= 0)
			err = set_add(&seen, &x);
		if (err >= 0 && edge.n)
			os_log(OS_INFO, "svc=store event=horizon commit=%s",
				store_oid_hex(hex, &x));
	}
	if (err >= 0 && before.n)
		err = find_edge(&edge, h, &before, &seen);
	h->moved = edge.n > 0;
	if (err >= 0)
		err = write_changes(h->s, &edge);
	changes_free(&edge);
	idset_free(&before);
	idset_free(&seen);
	return err;
}

/* ---- records of refs ---- */
struct prune {
	struct store *s;
	unsigned step;
	struct changes out;
	char ref[REF_MAX]; /* whose records these are */
	size_t ref_n;
	int64_t time; /* kept from then on */
	bool all;     /* no more than this is asked for */
	bool last;    /* the one that tells how it stood at `time` was seen */
};

static int next_ref(struct prune *p, struct str ref, const struct store_ref_record *newest)
{
	struct ref_value v;
	int err = ref_read(&v, p->s, ref);

	memcpy(p->ref, ref.p, ref.n);
	p->ref_n = ref.n;
	p->last = p->all = false;
	p->time = INT64_MIN;
	if (err == ERR_NOENT) {
		p->all = newest->time < now_sec(p->s) - (int64_t)GONE_DAYS * DAY;
		return 0;
	}
	return err < 0 ? err : kept_from(&p->time, p->s, ref, p->step);
}

static int prune_one(void *ctx, struct str ref, struct str key, const struct store_ref_record *r)
{
	struct prune *p = ctx;
	bool drop;
	int err = 0;

	if (ref.n > REF_MAX)
		return err_set(ERR_CORRUPT, "store: a ref record is damaged");
	if (!str_eq(ref, str_n(p->ref, p->ref_n)))
		err = next_ref(p, ref, r);
	drop = p->all || p->last;
	p->last |= r->time <= p->time;
	if (err >= 0 && drop)
		err = changes_del(&p->out, KV_SYS, key);
	return err >= 0 && p->out.n >= PRUNE_AT ? write_changes(p->s, &p->out) : err;
}

static int prune_records(struct store *s, unsigned step)
{
	struct prune p = { .s = s, .step = step };
	int err = ref_record_each(s, prune_one, &p);

	if (err >= 0)
		err = write_changes(s, &p.out);
	changes_free(&p.out);
	return err;
}

int horizon_move(bool *moved, struct store *s, unsigned step)
{
	struct horizon h = { .s = s, .step = step };
	int err = store_ref_list(s, STR("refs/"), sort_ref, &h);

	if (err >= 0)
		err = pin_each(s, STR_NONE, sort_pin, &h);
	if (err >= 0 && h.cuts.n)
		err = cut(&h);
	free(h.cuts.p);
	free(h.holds.p);
	free(h.whole.p);
	free(h.tips.p);
	*moved = h.moved;
	return err < 0 ? err : prune_records(s, step);
}

/* ---- afterwards ---- */
struct clean {
	struct store *s;
	struct changes out;
};

static int clean_one(void *ctx, const struct store_oid *id)
{
	struct clean *c = ctx;
	char room[21];
	struct head h;
	int err = object_stored(&h, c->s, id);

	if (err != ERR_NOENT)
		return err;
	return changes_del(&c->out, KV_SYS, sys_key(room, 's', oid_str(id)));
}

int horizon_clean(struct store *s)
{
	struct clean c = { .s = s };
	int err = store_shallow_list(s, clean_one, &c);

	if (err >= 0)
		err = write_changes(s, &c.out);
	changes_free(&c.out);
	return err;
}
