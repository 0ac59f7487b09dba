/* SPDX-License-Identifier: ISC */
/* Reading the log in its order: at open, and unit by unit. */
#include "store/log_part_impl.h"

#include "os/crypto.h"

/* A stretch of one unit in memory. */
struct window {
	struct log *l;
	uint8_t *p; /* l->room bytes */
	uint32_t unit, at, n;
};

/* n bytes of a unit from `at`; n at most l->room. */
static int window_get(uint8_t **out, struct window *w, uint32_t unit, uint32_t at, uint32_t n)
{
	struct log *l = w->l;
	uint32_t len = l->g.unit_bytes - at;
	int err;

	if (w->n == 0 || unit != w->unit || at < w->at || at + n > w->at + w->n) {
		if (len > l->room)
			len = (uint32_t)l->room;
		w->n = 0;
		err = log_get(l->d, &l->g, unit, at, w->p, len);
		if (err < 0 && n < len) /* what lies behind may be what can't be read */
			err = log_get(l->d, &l->g, unit, at, w->p, len = n);
		if (err < 0)
			return err;
		w->unit = unit;
		w->at = at;
		w->n = len;
	}
	*out = w->p + (at - w->at);
	return 0;
}

/* What looks like the part at a place, by its head; ERR_NOENT. */
static int part_find(struct part *out, struct str *payload, struct window *w, uint64_t generation,
	uint32_t unit, uint32_t at)
{
	struct log *l = w->l;
	uint8_t *b;
	int err;

	if (at + LOG_BLOCK > l->g.unit_bytes)
		return ERR_NOENT;
	err = window_get(&b, w, unit, at, LOG_BLOCK);
	if (err < 0)
		return err;
	*out = (struct part){ le_get(b, 8), le_get(b + 16, 8), le_get(b + 24, 8), le_get(b + 32, 8),
		le_get(b + 40, 8), le_get(b + 48, 8), (uint32_t)le_get(b + 12, 4),
		(uint32_t)le_get(b + 56, 4), (uint32_t)le_get(b + 60, 4),
		(uint32_t)le_get(b + 64, 4), (uint32_t)le_get(b + 68, 4) };
	if (le_get(b + 8, 4) != PART_MAGIC || out->generation != generation ||
		out->offset != log_offset(l, unit, at) || out->bytes > l->room - PART_HEAD ||
		log_blocks(PART_HEAD + out->bytes) > l->g.unit_bytes - at)
		return ERR_NOENT;
	err = window_get(&b, w, unit, at, (uint32_t)log_blocks(PART_HEAD + out->bytes));
	if (err < 0)
		return err;
	*payload = str_n(b + PART_HEAD, out->bytes);
	return 0;
}

/* The part at a place, sound in itself; ERR_NOENT. */
static int part_get(struct part *out, struct str *payload, struct window *w, uint64_t generation,
	uint32_t unit, uint32_t at)
{
	int err = part_find(out, payload, w, generation, unit, at);

	if (err >= 0 &&
		out->check !=
			os_siphash(w->l->g.uuid,
				str_n(payload->p - PART_HEAD + 8, PART_HEAD - 8 + payload->n)))
		return ERR_NOENT;
	return err;
}

/* ---- a way through the log ---- */
struct walk {
	struct log_pos pos; /* seq: of the last whole group */
	uint32_t next, number;
	uint64_t seq; /* of the group under way */
};

static bool follows(const struct part *p, const struct walk *k)
{
	if (p->flags & PART_END || p->prev != k->pos.check || p->number != k->number ||
		p->ordinal != k->pos.ordinal || p->base != k->pos.seq)
		return false;
	return k->number ? p->seq == k->seq : p->seq > p->base;
}

static void walk_to(struct walk *k, const struct part *p, uint32_t at)
{
	k->pos.check = p->check;
	k->pos.at = at + (uint32_t)log_blocks(PART_HEAD + p->bytes);
	k->seq = p->seq;
	k->number++;
}

/* The part that comes next, here or in the next unit; ERR_NOENT. The caller counts ordinals. */
static int walk_part(struct part *p, struct str *payload, struct window *w, struct walk *k)
{
	struct unit_head h;
	struct walk there;
	int err = part_get(p, payload, w, k->pos.generation, k->pos.unit, k->pos.at);

	if (err >= 0 && follows(p, k)) {
		walk_to(k, p, k->pos.at);
		return 0;
	}
	if (err < 0 && err != ERR_NOENT)
		return err;
	if (k->pos.at < w->l->g.unit_bytes &&
		(err < 0 || !(p->flags & PART_END) || p->prev != k->pos.check))
		return ERR_NOENT;
	err = unit_head_read(&h, w->l->d, &w->l->g, k->next);
	if (err < 0)
		return err;
	if (h.generation != k->pos.generation + 1 || h.prev != k->pos.check ||
		h.next >= w->l->g.units || h.next == k->next)
		return ERR_NOENT;
	there = *k;
	there.pos.generation++;
	there.pos.unit = k->next;
	there.pos.ordinal = 0;
	there.next = h.next;
	err = part_get(p, payload, w, there.pos.generation, there.pos.unit, LOG_BLOCK);
	if (err < 0 || !follows(p, &there))
		return err < 0 ? err : ERR_NOENT;
	*k = there;
	walk_to(k, p, LOG_BLOCK);
	return 0;
}

/* Its records, numbered from *ordinal on; fn NULL: only counted. */
static int deliver(uint32_t *ordinal, const struct part *p, struct str payload, uint32_t unit,
	uint32_t at, uint64_t seq, log_record_fn *fn, void *ctx)
{
	uint32_t records = 0;
	size_t from = 0;

	for (; from < payload.n; records++) {
		struct log_record r;
		size_t n;
		int err = record_parse(&r, &n, str_sub(payload, from, payload.n));
		if (err < 0)
			return err;
		if (record_has_place(r.kind))
			r.place = (struct place){ unit, at + PART_HEAD + (uint32_t)from,
				(uint32_t)n, (*ordinal)++ };
		err = fn ? fn(ctx, seq, &r) : 0;
		if (err < 0)
			return err;
		from += n;
	}
	return records == p->records ? 0
				     : err_set(ERR_CORRUPT,
					       "store: a part of the log has %u "
					       "records, not %u",
					       (unsigned)records, (unsigned)p->records);
}

/*
 * Is the group that comes next here whole? ERR_NOENT: no. Of one with several parts nothing is told
 * before the last of them was seen.
 */
static int walk_probe(struct window *w, const struct walk *from)
{
	struct walk k = *from;
	struct part p;
	struct str payload;
	int err = walk_part(&p, &payload, w, &k);

	while (err >= 0 && p.flags & PART_MORE) {
		err = deliver(&k.pos.ordinal, &p, payload, k.pos.unit, 0, p.seq, NULL, NULL);
		if (err >= 0)
			err = walk_part(&p, &payload, w, &k);
	}
	return err;
}

/* The log stands in another unit than before. */
static void cross(struct log *l, const struct log_pos *before, const struct walk *k)
{
	log_unit_records(l, before->unit, before->ordinal);
	log_unit_set(l, k->pos.unit,
		(struct unit){ .state = UNIT_LOG, .generation = k->pos.generation });
	log_unit_set(l, k->next, (struct unit){ .state = UNIT_LOG });
}

static int walk_group(struct window *w, struct walk *k, log_record_fn *fn, void *ctx)
{
	struct log *l = w->l;
	struct part p = { .flags = PART_MORE };
	int err = 0;

	while (p.flags & PART_MORE && err >= 0) {
		struct log_pos before = k->pos;
		struct str payload;
		err = walk_part(&p, &payload, w, k);
		if (err < 0)
			return err == ERR_NOENT ? err_set(ERR_IO, "store: the disk changes") : err;
		if (k->pos.unit != before.unit)
			cross(l, &before, k);
		err = deliver(&k->pos.ordinal, &p, payload, k->pos.unit,
			k->pos.at - (uint32_t)log_blocks(PART_HEAD + p.bytes), p.seq, fn, ctx);
	}
	if (err < 0)
		return err;
	k->pos.seq = k->seq;
	k->number = 0;
	l->at = k->pos;
	l->at_next = k->next;
	log_unit_records(l, l->at.unit, l->at.ordinal);
	return 0;
}

/* ---- the tail ---- */
/* Is there, in a unit from `at` on, a part written after the group that should stand here? */
static int later_in_unit(struct part *p, struct window *w, uint64_t generation, uint32_t unit,
	uint32_t at, uint64_t last)
{
	while (at < w->l->g.unit_bytes) {
		struct str payload;
		int err = part_get(p, &payload, w, generation, unit, at);
		if (err < 0 && err != ERR_NOENT)
			return err;
		if (err >= 0 && p->base > last)
			return 0;
		at += err < 0 ? LOG_BLOCK : (uint32_t)log_blocks(PART_HEAD + p->bytes);
	}
	return ERR_NOENT;
}

/*
 * Whatever was not acknowledged has the last whole group's number as its base. So a greater one
 * further on tells that something acknowledged is damaged.
 */
static int check_tail(struct window *w, const struct walk *k)
{
	struct log *l = w->l;
	uint64_t generation = k->pos.generation;
	uint32_t unit = k->pos.unit, next = k->next;
	struct part p;
	int err = later_in_unit(&p, w, generation, unit, k->pos.at, k->pos.seq);

	for (uint32_t turns = 0; err == ERR_NOENT && turns < l->g.units; turns++) {
		struct unit_head h;
		unit = next;
		if (unit >= l->g.units)
			return 0;
		err = unit_head_read(&h, l->d, &l->g, unit);
		if (err < 0 && err != ERR_NOENT)
			return err;
		if (err >= 0 && h.generation != generation + 1)
			return 0; /* not entered since */
		next = err >= 0 ? h.next : LOG_UNIT_NONE;
		err = later_in_unit(&p, w, ++generation, unit, LOG_BLOCK, k->pos.seq);
	}
	if (err < 0)
		return err == ERR_NOENT ? 0 : err;
	return err_set(ERR_CORRUPT,
		"store: the log is damaged at unit %u, byte %u (byte %llu of the disk): behind "
		"group %llu nothing sound follows, but group %llu was written after it",
		(unsigned)k->pos.unit, (unsigned)k->pos.at,
		(unsigned long long)log_offset(l, k->pos.unit, k->pos.at),
		(unsigned long long)k->pos.seq, (unsigned long long)p.seq);
}

int log_replay(struct log *l, log_record_fn *record, log_group_fn *group, void *ctx)
{
	struct window w = { .l = l, .p = l->buf };
	struct walk k = { .pos = l->at, .next = l->at_next };
	uint64_t start = l->at.seq;
	int err;

	os_assert(!l->writing);
	if (l->err < 0)
		return err_set(l->err, "%s", l->why);
	while ((err = walk_probe(&w, &k)) >= 0) {
		err = walk_group(&w, &k, record, ctx);
		if (err >= 0 && group)
			err = group(ctx, k.pos.seq, &k.pos);
		if (err < 0)
			return err;
	}
	if (err == ERR_NOENT)
		err = check_tail(&w, &k);
	/* What a process that was killed has written and not flushed counts from now on. */
	if (err >= 0 && l->at.seq != start)
		err = os_disk_flush(l->d);
	return err < 0 ? log_fail(l, err) : 0;
}

/* ---- one unit ---- */
static int scan(struct window *w, uint32_t unit, log_record_fn *record, void *ctx)
{
	struct log *l = w->l;
	/* The unit being filled: so far as groups are durable now. */
	uint32_t stop = unit == l->at.unit ? l->at.at : l->g.unit_bytes, at = LOG_BLOCK;
	uint32_t ordinal = 0;
	struct unit_head h;
	struct part p;
	struct str payload;
	int err = unit_head_read(&h, l->d, &l->g, unit);

	if (err >= 0 && h.generation > l->at.generation)
		return 0; /* no group in it is durable */
	if (err == ERR_NOENT || (err >= 0 && h.generation != l->units[unit].generation))
		return err_set(ERR_CORRUPT, "store: the first block of unit %u of the log is bad",
			(unsigned)unit);
	p.check = h.prev;
	while (err >= 0 && at < stop) {
		uint64_t prev = p.check;
		err = part_get(&p, &payload, w, h.generation, unit, at);
		if (err == ERR_NOENT || (err >= 0 && p.prev != prev))
			return err_set(ERR_CORRUPT,
				"store: the log is damaged at unit %u, byte %u (byte %llu of the "
				"disk)",
				(unsigned)unit, (unsigned)at,
				(unsigned long long)log_offset(l, unit, at));
		if (err < 0 || p.flags & PART_END)
			break;
		err = deliver(&ordinal, &p, payload, unit, at, p.seq, record, ctx);
		at += (uint32_t)log_blocks(PART_HEAD + p.bytes);
	}
	return err < 0 ? err : 0;
}

int log_unit_scan(struct log *l, uint32_t unit, log_record_fn *record, void *ctx)
{
	struct window w = { .l = l, .p = malloc(l->room) };
	int err = w.p ? scan(&w, unit, record, ctx) : err_set(ERR_NOMEM, "store: out of memory");

	free(w.p);
	return err;
}

static int skim(struct window *w, uint32_t unit, log_record_fn *record, void *ctx)
{
	uint64_t generation = w->l->units[unit].generation;
	struct part p;
	struct str payload;
	int err;

	for (uint32_t at = LOG_BLOCK;; at += (uint32_t)log_blocks(PART_HEAD + p.bytes)) {
		err = part_find(&p, &payload, w, generation, unit, at);
		if (err < 0 || p.flags & PART_END)
			return 0;
		while (payload.n > 0) {
			struct log_record r;
			size_t n;
			if (record_parse(&r, &n, payload) < 0)
				return 0;
			err = record(ctx, p.seq, &r);
			if (err < 0)
				return err;
			payload = str_sub(payload, n, payload.n);
		}
	}
}

int log_unit_skim(struct log *l, uint32_t unit, log_record_fn *record, void *ctx)
{
	struct window w = { .l = l };
	int err;

	if (l->units[unit].state != UNIT_LOG || l->units[unit].generation == 0)
		return 0;
	w.p = malloc(l->room);
	err = w.p ? skim(&w, unit, record, ctx) : err_set(ERR_NOMEM, "store: out of memory");
	free(w.p);
	return err;
}

/* ---- without a position ---- */
static int first_group(
	struct log_pos *out, struct window *w, uint32_t unit, const struct unit_head *h)
{
	struct part p = { .check = h->prev };
	struct str payload;
	bool more = false;

	*out = (struct log_pos){ h->generation, h->seq, h->prev, unit, LOG_BLOCK, 0 };
	for (;;) {
		int err = part_get(&p, &payload, w, h->generation, unit, out->at);
		if (err < 0 && err != ERR_NOENT && err != ERR_CORRUPT)
			return err;
		if (err < 0 ||
			p.prev != out->check) /* here the parts end, or replay says why not */
			return more ? ERR_AGAIN : 0;
		if (p.number == 0) {
			out->seq = p.base;
			return 0;
		}
		err = deliver(&out->ordinal, &p, payload, unit, out->at, p.seq, NULL, NULL);
		if (err < 0 || p.flags & PART_END)
			return err < 0 ? err : ERR_AGAIN;
		more = p.flags & PART_MORE;
		out->seq = more ? p.base : p.seq;
		out->check = p.check;
		out->at += (uint32_t)log_blocks(PART_HEAD + p.bytes);
	}
}

int log_unit_start(
	struct log_pos *out, struct os_disk *d, const struct log_geometry *g, uint32_t unit)
{
	struct log l = { .d = d, .g = *g, .room = log_room(g) };
	struct window w = { .l = &l };
	struct unit_head h;
	int err = unit_head_read(&h, d, g, unit);

	if (err < 0)
		return err;
	w.p = malloc(l.room);
	err = w.p ? first_group(out, &w, unit, &h) : err_set(ERR_NOMEM, "store: out of memory");
	free(w.p);
	return err;
}
