/* SPDX-License-Identifier: ISC */
/*
 * The index, made again from the log. Every unit is read, in the order in which the log filled
 * them: objects, wherever they stand (a later copy is the better one); keys only from the last
 * complete checkpoint on, in a second reading, since units before it may have been given back. The
 * end of the log is found by replaying the longest run of units without a gap. Rows are then derived
 * (derive.c). Until all of it is durable the index knows no position, so a power cut starts it over.
 */
#include "store/log_part_impl.h"
#include "store/store_impl.h"

#include "os/log.h"

#define TELL_EVERY ((os_time)5 * OS_SEC)

struct found {
	uint32_t unit;
	struct unit_head head;
};

struct rebuild {
	struct store *s;
	struct found *units; /* by generation */
	size_t n;
	struct changes out;
	bool keys;            /* second reading */
	uint64_t begun, from; /* groups of marks: the last begin; that of a complete one */
	uint32_t records;     /* of the unit being read */
	size_t damaged;       /* units */
	os_time told;
};

static int by_generation(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return x->head.generation < y->head.generation ? -1
						       : x->head.generation > y->head.generation;
}

/* Of two with one generation the log went into the one that the unit before names. */
static void drop_twins(struct rebuild *x)
{
	size_t n = 0;

	for (size_t i = 0; i < x->n; i++) {
		struct found *u = &x->units[i];
		bool again = n > 0 && x->units[n - 1].head.generation == u->head.generation;
		if (again && !(n > 1 && x->units[n - 2].head.next == u->unit))
			continue;
		if (again)
			n--;
		x->units[n++] = *u;
	}
	x->n = n;
}

static int find_units(struct rebuild *x)
{
	struct store *s = x->s;
	struct log_geometry g;

	super_geometry(&g, &s->super);
	x->units = calloc(s->super.units, sizeof(*x->units));
	if (!x->units)
		return err_set(ERR_NOMEM, "store: out of memory");
	for (uint32_t u = 0; u < s->super.units; u++) {
		struct found *f = &x->units[x->n];
		int err = s->units[u].state == UNIT_INDEX
			? ERR_NOENT
			: unit_head_read(&f->head, s->disk, &g, u);
		if (err == ERR_CORRUPT) /* whether it is of the log is unknown */
			store_read_only(s, err);
		else if (err < 0 && err != ERR_NOENT)
			return err;
		f->unit = u;
		x->n += err >= 0;
	}
	qsort(x->units, x->n, sizeof(x->units[0]), by_generation);
	drop_twins(x);
	return x->n ? 0 : err_set(ERR_CORRUPT, "store: nothing of the log is left");
}

/* Where the longest run without a gap begins; units before it are sealed. */
static int find_start(size_t *first, struct log_pos *at, struct rebuild *x)
{
	struct log_geometry g;
	size_t i = x->n - 1;
	int err = ERR_AGAIN;

	super_geometry(&g, &x->s->super);
	while (i > 0 && x->units[i - 1].head.generation + 1 == x->units[i].head.generation)
		i--;
	for (; i < x->n && err == ERR_AGAIN; i++) {
		err = log_unit_start(at, x->s->disk, &g, x->units[i].unit);
		*first = i;
	}
	if (err == ERR_AGAIN || err == ERR_NOENT)
		err = err_set(ERR_CORRUPT, "store: no sound group in the log");
	return err;
}

/* ---- reading ---- */
static int see(void *ctx, uint64_t seq, const struct log_record *r)
{
	struct rebuild *x = ctx;
	bool key = r->kind == LOG_PUT || r->kind == LOG_DEL;

	x->records += record_has_place(r->kind);
	if (r->kind == LOG_MARK && !r->ends)
		x->begun = seq;
	if (r->kind == LOG_MARK && r->ends)
		x->from = x->begun;
	if (key != x->keys || r->kind == LOG_MARK)
		return 0;
	if (key && !checkpoint_wants(r->table, r->key))
		return 0;
	return record_index(&x->out, r);
}

/* Into LMDB as it grows, without a position: it does not count yet. */
static int settle(struct rebuild *x, size_t done)
{
	os_time now = os_now();

	if (now - x->told > TELL_EVERY) {
		x->told = now;
		os_log(OS_INFO, "svc=store event=index-rebuilding reading=%d units=%zu of=%zu",
			x->keys + 1, done, x->n);
	}
	kv_apply(x->s->kv, &x->out);
	return kv_full(x->s->kv) ? kv_forward(x->s->kv) : 0;
}

static int see_group(void *ctx, uint64_t seq, const struct log_pos *after)
{
	struct rebuild *x = ctx;

	(void)seq;
	(void)after;
	return settle(x, x->n);
}

static int read_unit(struct rebuild *x, size_t i)
{
	struct store *s = x->s;
	uint32_t unit = x->units[i].unit;
	int err;

	x->records = 0;
	err = log_unit_scan(s->log, unit, see, x);
	if (err == ERR_CORRUPT) { /* what stands before the damage counts */
		x->damaged += !x->keys;
		os_log(OS_WARN, "svc=store event=log-damaged unit=%u why=\"%s\"", (unsigned)unit,
			err_text(err));
		err = 0;
	}
	if (s->units[unit].records < x->records)
		s->units[unit].records = x->records;
	return err < 0 ? err : settle(x, i);
}

/* What the log entered and gave up again. */
static void free_the_rest(struct rebuild *x)
{
	struct log *l = x->s->log;

	for (size_t i = 0; i < x->n; i++) {
		uint32_t unit = x->units[i].unit;
		if (l->units[unit].state == UNIT_LOG &&
			l->units[unit].generation > l->at.generation)
			log_unit_set(l, unit, (struct unit){ .state = UNIT_FREE });
	}
}

static int read_objects(struct rebuild *x)
{
	struct store *s = x->s;
	struct log_geometry g;
	struct log_pos at;
	size_t first = 0;
	int err = find_start(&first, &at, x);

	super_geometry(&g, &s->super);
	/* All of them, lest the index grow into one. */
	for (size_t i = 0; i < x->n && err >= 0; i++)
		s->units[x->units[i].unit] = (struct unit){ .state = UNIT_LOG,
			.changed = true,
			.generation = x->units[i].head.generation };
	if (err >= 0)
		err = log_open(&s->log, s->disk, &g, s->units, &at);
	for (size_t i = 0; i <= first && err >= 0; i++)
		err = read_unit(x, i);
	if (err >= 0)
		err = log_replay(s->log, see, see_group, x);
	if (err == ERR_CORRUPT) {
		store_read_only(s, err);
		err = 0;
	}
	if (err >= 0)
		free_the_rest(x);
	return err;
}

/* Nothing is given back before a checkpoint behind it is complete. */
static void check_gap(struct rebuild *x, size_t i)
{
	uint64_t here = x->units[i].head.generation, next = here + 1;

	if (i + 1 < x->n)
		next = x->units[i + 1].head.generation;
	if (next == here + 1)
		return;
	store_read_only(x->s,
		err_set(ERR_CORRUPT,
			"store: the log lacks what was written between unit %u and unit "
			"%u",
			(unsigned)x->units[i].unit, (unsigned)x->units[i + 1].unit));
}

/*
 * From the unit of the checkpoint's begin on: from there to the end no unit may be missing. What
 * belongs to no group is behind the log's end.
 */
static int read_keys(struct rebuild *x)
{
	struct store *s = x->s;
	int err = 0;

	x->keys = true;
	if (!x->from && x->units[0].head.generation != 1)
		return err_set(ERR_CORRUPT,
			"store: the log's beginning is gone, and no checkpoint: recover it from "
			"a backup");
	for (size_t i = 0; i < x->n && err >= 0; i++) {
		struct unit *u = &s->units[x->units[i].unit];
		bool behind = i + 1 == x->n || x->units[i + 1].head.seq >= x->from;
		if (behind && u->state == UNIT_LOG && u->generation == x->units[i].head.generation)
			err = read_unit(x, i);
		if (behind && err >= 0)
			check_gap(x, i);
	}
	return err;
}

int index_rebuild(struct store *s)
{
	struct rebuild x = { .s = s, .told = os_now() };
	os_time start = os_now();
	int err;

	s->stats.index_rebuilds++;
	index_units(s);
	err = find_units(&x);
	if (err >= 0)
		err = index_empty(s->disk, &s->super);
	if (err >= 0)
		err = index_start(s);
	if (err >= 0)
		err = read_objects(&x);
	if (err >= 0)
		err = read_keys(&x);
	if (err >= 0)
		err = changes_put(&x.out, KV_SYS, KEY_GARBAGE, STR_NONE);
	kv_apply(s->kv, &x.out);
	/* Without a position when something is missing: the next open must find that again. */
	if (err >= 0)
		err = s->failed ? kv_forward(s->kv) : index_forward(s);
	changes_free(&x.out);
	free(x.units);
	os_log(OS_WARN, "svc=store event=index-rebuilt units=%zu damaged=%zu ms=%lld result=%d",
		x.n, x.damaged, (long long)((os_now() - start) / OS_MS), err);
	return err;
}
