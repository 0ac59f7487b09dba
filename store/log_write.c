/* SPDX-License-Identifier: ISC */
/* Writing groups. */
#include "store/log_part_impl.h"

#include "os/crypto.h"

/* 0 check, 8 magic, 12 flags, 16 generation, 24 offset, 32 prev, 40 base, 48 seq, 56 number,
 * 60 bytes, 64 records, 68 ordinal */
void part_pack(uint8_t *out, struct part *p, const struct log *l)
{
	le_put(out + 8, PART_MAGIC, 4);
	le_put(out + 12, p->flags, 4);
	le_put(out + 16, p->generation, 8);
	le_put(out + 24, p->offset, 8);
	le_put(out + 32, p->prev, 8);
	le_put(out + 40, p->base, 8);
	le_put(out + 48, p->seq, 8);
	le_put(out + 56, p->number, 4);
	le_put(out + 60, p->bytes, 4);
	le_put(out + 64, p->records, 4);
	le_put(out + 68, p->ordinal, 4);
	p->check = os_siphash(l->g.uuid, str_n(out + 8, PART_HEAD - 8 + p->bytes));
	le_put(out, p->check, 8);
}

int log_begin(struct log *l, uint64_t seq)
{
	os_assert(!l->writing && seq > l->at.seq);
	if (l->err < 0)
		return err_set(l->err, "%s", l->why);
	l->writing = true;
	l->to = l->at;
	l->next = l->at_next;
	l->seq = seq;
	l->number = l->records = 0;
	l->first = l->at.ordinal;
	l->used = PART_HEAD;
	return 0;
}

static int failed(struct log *l)
{
	(void)err_set(ERR_IO, "store: the disk has failed; writing stopped");
	return log_fail(l, ERR_IO);
}

static struct part part_here(const struct log *l, uint32_t flags)
{
	return (struct part){ .flags = flags,
		.generation = l->to.generation,
		.offset = log_offset(l, l->to.unit, l->to.at),
		.prev = l->to.check,
		.base = l->at.seq,
		.seq = l->seq,
		.number = l->number,
		.ordinal = l->first };
}

/* The part in buf goes to disk. */
static int emit(struct log *l, bool more)
{
	struct part p = part_here(l, more ? PART_MORE : 0);
	size_t whole = log_blocks(l->used);

	p.bytes = (uint32_t)(l->used - PART_HEAD);
	p.records = l->records;
	part_pack(l->buf, &p, l);
	memset(l->buf + l->used, 0, whole - l->used);
	if (os_disk_write(l->d, p.offset, l->buf, whole) < 0)
		return failed(l);
	l->to.at += (uint32_t)whole;
	l->to.check = p.check;
	l->number++;
	l->records = 0;
	l->first = l->to.ordinal;
	l->used = PART_HEAD;
	return 0;
}

/* After the current one, so that the log wanders over the disk; LOG_UNIT_NONE. */
static uint32_t find_free(const struct log *l)
{
	for (uint32_t i = 1; i < l->g.units; i++) {
		uint32_t u = (uint32_t)(((uint64_t)l->next + i) % l->g.units);
		if (l->units[u].state == UNIT_FREE)
			return u;
	}
	return LOG_UNIT_NONE;
}

/*
 * What may still lie where this unit's next part would have stood, from an attempt given up, is
 * overwritten by its end: else replay might go on there.
 */
static int write_end(struct log *l)
{
	_Alignas(16) uint8_t block[LOG_BLOCK] = { 0 };
	struct part p = part_here(l, PART_END);

	if (l->to.at == l->g.unit_bytes)
		return 0;
	part_pack(block, &p, l);
	return os_disk_write(l->d, p.offset, block, sizeof(block));
}

/* The log goes on in the next unit; no part is begun. */
static int enter_next(struct log *l)
{
	uint32_t after = find_free(l);
	struct unit_head h = { l->to.generation + 1, l->to.check, l->at.seq, after };

	if (after == LOG_UNIT_NONE)
		return err_set(ERR_NOSPACE, "store: the disk is full");
	if (write_end(l) < 0 || unit_head_write(l, l->next, &h) < 0)
		return failed(l);
	log_unit_records(l, l->to.unit, l->to.ordinal);
	l->to.unit = l->next;
	l->to.generation = h.generation;
	l->to.at = LOG_BLOCK;
	l->to.ordinal = l->first = 0;
	l->next = after;
	log_unit_set(l, l->to.unit, (struct unit){ .state = UNIT_LOG, .generation = h.generation });
	log_unit_set(l, after, (struct unit){ .state = UNIT_LOG });
	return 0;
}

static bool fits(const struct log *l, size_t n)
{
	return l->used + n <= l->room && l->used + n <= l->g.unit_bytes - l->to.at;
}

static int make_room(struct log *l, size_t n)
{
	int err = 0;

	os_assert(l->writing);
	if (l->err < 0)
		return err_set(l->err, "%s", l->why);
	if (fits(l, n))
		return 0;
	if (l->records)
		err = emit(l, true);
	if (err >= 0 && !fits(l, n))
		err = enter_next(l);
	os_assert(err < 0 || fits(l, n));
	return err;
}

static int add(struct place *out, struct log *l, const struct log_record *r)
{
	size_t most = RECORD_HEAD_MAX + r->key.n + r->value.n + r->bytes.n, n;
	int err;

	os_assert(most <= LOG_RECORD_MAX);
	err = make_room(l, most);
	if (err < 0)
		return err;
	n = record_pack(l->buf + l->used, r);
	if (out)
		*out = (struct place){ l->to.unit, l->to.at + (uint32_t)l->used, (uint32_t)n,
			l->to.ordinal++ };
	l->used += n;
	l->records++;
	return 0;
}

int log_object(struct place *out, struct log *l, const struct store_oid *id, int type,
	uint64_t size, struct str zlib_stream)
{
	return add(out, l,
		&(struct log_record){ .kind = LOG_OBJECT,
			.id = *id,
			.type = type,
			.size = size,
			.bytes = zlib_stream });
}

int log_big(struct place *out, struct log *l, const struct store_oid *id, int type, uint64_t size,
	uint64_t content)
{
	return add(out, l,
		&(struct log_record){ .kind = LOG_BIG,
			.id = *id,
			.type = type,
			.size = size,
			.content = content });
}

int log_frame(struct place *out, struct log *l, uint64_t content, uint32_t n, struct str kept)
{
	return add(out, l,
		&(struct log_record){
			.kind = LOG_FRAME, .content = content, .frame = n, .bytes = kept });
}

int log_put(struct log *l, enum kv_table t, struct str key, struct str value)
{
	return add(NULL, l,
		&(struct log_record){ .kind = LOG_PUT, .table = t, .key = key, .value = value });
}

int log_del(struct log *l, enum kv_table t, struct str key)
{
	return add(NULL, l, &(struct log_record){ .kind = LOG_DEL, .table = t, .key = key });
}

int log_mark(struct log *l, bool ends)
{
	return add(NULL, l, &(struct log_record){ .kind = LOG_MARK, .ends = ends });
}

int log_commit(struct log *l)
{
	int err = make_room(l, 0);

	if (err >= 0)
		err = emit(l, false);
	if (err >= 0 && os_disk_flush(l->d) < 0)
		err = failed(l);
	if (err < 0)
		return err;
	l->writing = false;
	l->at = l->to;
	l->at.seq = l->seq;
	l->at_next = l->next;
	log_unit_records(l, l->at.unit, l->at.ordinal);
	return 0;
}

/* Parts on disk are overwritten by the next group, or cut off from it by the unit's end. */
void log_abort(struct log *l)
{
	if (!l->writing)
		return;
	l->writing = false;
	if (l->to.unit == l->at.unit)
		return;
	for (uint32_t u = 0; u < l->g.units; u++) {
		const struct unit *x = &l->units[u];
		if (x->state == UNIT_LOG && u != l->at_next &&
			(x->generation == 0 || x->generation > l->at.generation))
			log_unit_set(l, u, (struct unit){ .state = UNIT_FREE });
	}
	log_unit_set(l, l->at_next, (struct unit){ .state = UNIT_LOG });
	log_unit_records(l, l->at.unit, l->at.ordinal);
}
