/* SPDX-License-Identifier: ISC */
/* The log itself: units, its first block each, opening, and reading one record. */
#include "store/log_part_impl.h"

#include "os/crypto.h"

#define UNIT_MAGIC 0x6e55416cu

uint64_t log_offset(const struct log *l, uint32_t unit, uint32_t at)
{
	return l->g.base + (uint64_t)unit * l->g.unit_bytes + at;
}

int log_fail(struct log *l, int err)
{
	l->err = err;
	snprintf(l->why, sizeof(l->why), "%s", err_text(err));
	return err;
}

/* ---- places and positions as bytes ---- */
void place_pack(char out[static PLACE_BYTES], const struct place *p)
{
	uint8_t *b = (uint8_t *)out;

	le_put(b, p->unit, 4);
	le_put(b + 4, p->at, 4);
	le_put(b + 8, p->n, 4);
	le_put(b + 12, p->ordinal, 4);
}

int place_parse(struct place *out, struct str in)
{
	const uint8_t *b = (const uint8_t *)in.p;

	if (in.n != PLACE_BYTES)
		return err_set(ERR_CORRUPT, "store: index: a place is damaged");
	*out = (struct place){ (uint32_t)le_get(b, 4), (uint32_t)le_get(b + 4, 4),
		(uint32_t)le_get(b + 8, 4), (uint32_t)le_get(b + 12, 4) };
	return 0;
}

void log_pos_pack(char out[static LOG_POS_BYTES], const struct log_pos *p)
{
	uint8_t *b = (uint8_t *)out;

	le_put(b, p->generation, 8);
	le_put(b + 8, p->seq, 8);
	le_put(b + 16, p->check, 8);
	le_put(b + 24, p->unit, 4);
	le_put(b + 28, p->at, 4);
	le_put(b + 32, p->ordinal, 4);
}

int log_pos_parse(struct log_pos *out, struct str in)
{
	const uint8_t *b = (const uint8_t *)in.p;

	if (in.n != LOG_POS_BYTES)
		return err_set(ERR_CORRUPT, "store: index: the log's position is damaged");
	*out = (struct log_pos){ .generation = le_get(b, 8),
		.seq = le_get(b + 8, 8),
		.check = le_get(b + 16, 8),
		.unit = (uint32_t)le_get(b + 24, 4),
		.at = (uint32_t)le_get(b + 28, 4),
		.ordinal = (uint32_t)le_get(b + 32, 4) };
	return 0;
}

/* ---- a unit's first block: 0 check, 8 magic, 12 next, 16 uuid, 32 generation, 40 offset, 48 prev,
 * 56 seq; the rest zero ---- */
static void head_pack(uint8_t out[static LOG_BLOCK], const struct log_geometry *g, uint32_t unit,
	const struct unit_head *h)
{
	memset(out, 0, LOG_BLOCK);
	le_put(out + 8, UNIT_MAGIC, 4);
	le_put(out + 12, h->next, 4);
	memcpy(out + 16, g->uuid, 16);
	le_put(out + 32, h->generation, 8);
	le_put(out + 40, g->base + (uint64_t)unit * g->unit_bytes, 8);
	le_put(out + 48, h->prev, 8);
	le_put(out + 56, h->seq, 8);
	le_put(out, os_siphash(g->uuid, str_n(out + 8, LOG_BLOCK - 8)), 8);
}

int log_get(struct os_disk *d, const struct log_geometry *g, uint32_t unit, uint32_t at, void *p,
	size_t n)
{
	uint64_t offset = g->base + (uint64_t)unit * g->unit_bytes + at;
	int err = os_disk_read(d, offset, p, n);

	return err == ERR_IO ? err_set(ERR_CORRUPT,
				       "store: the disk can't read the log at unit %u, byte %u "
				       "(byte %llu of the disk)",
				       (unsigned)unit, (unsigned)at, (unsigned long long)offset)
			     : err;
}

int unit_head_read(
	struct unit_head *out, struct os_disk *d, const struct log_geometry *g, uint32_t unit)
{
	_Alignas(16) uint8_t b[LOG_BLOCK];
	uint64_t offset = g->base + (uint64_t)unit * g->unit_bytes;
	int err;

	if (unit >= g->units)
		return ERR_NOENT;
	err = log_get(d, g, unit, 0, b, sizeof(b));
	if (err < 0)
		return err;
	*out = (struct unit_head){ le_get(b + 32, 8), le_get(b + 48, 8), le_get(b + 56, 8),
		(uint32_t)le_get(b + 12, 4) };
	if (le_get(b + 8, 4) != UNIT_MAGIC || memcmp(b + 16, g->uuid, 16) != 0 ||
		le_get(b + 40, 8) != offset || out->generation == 0 ||
		le_get(b, 8) != os_siphash(g->uuid, str_n(b + 8, LOG_BLOCK - 8)))
		return ERR_NOENT;
	return 0;
}

int unit_head_write(struct log *l, uint32_t unit, const struct unit_head *h)
{
	_Alignas(16) uint8_t b[LOG_BLOCK];

	head_pack(b, &l->g, unit, h);
	return os_disk_write(l->d, log_offset(l, unit, 0), b, sizeof(b));
}

/* ---- open ---- */
int log_format(struct log_pos *out, struct os_disk *d, const struct log_geometry *g)
{
	struct unit_head h = { .generation = 1, .next = 1 };
	struct log l = { .d = d, .g = *g };

	os_assert(g->units >= 3 && g->unit_bytes >= LOG_UNIT_LEAST &&
		g->unit_bytes % LOG_BLOCK == 0 && g->base % LOG_BLOCK == 0);
	*out = (struct log_pos){ .generation = 1, .at = LOG_BLOCK };
	return unit_head_write(&l, 0, &h);
}

/* Is the log there, where the index says that it goes on? */
static int check_position(struct log *l, const struct log_pos *at)
{
	struct unit_head h;
	int err = unit_head_read(&h, l->d, &l->g, at->unit);

	l->at_next = at->unit;
	if (err < 0 && err != ERR_NOENT)
		return err;
	if (err == ERR_NOENT || h.generation != at->generation || h.next >= l->g.units ||
		h.next == at->unit || l->units[h.next].state == UNIT_INDEX)
		return err_set(ERR_CORRUPT, "store: the first block of unit %u of the log is bad",
			(unsigned)at->unit);
	l->at_next = h.next;
	return 0;
}

int log_open(struct log **out, struct os_disk *d, const struct log_geometry *g, struct unit *units,
	const struct log_pos *at)
{
	struct log *l;
	int err;

	if (at->unit >= g->units || units[at->unit].state == UNIT_INDEX || at->at < LOG_BLOCK ||
		at->at > g->unit_bytes || at->at % LOG_BLOCK)
		return err_set(ERR_CORRUPT, "store: index: the log's position is damaged");
	l = calloc(1, sizeof(*l));
	if (!l)
		return err_set(ERR_NOMEM, "store: out of memory");
	*l = (struct log){ .d = d, .g = *g, .units = units, .at = *at, .room = log_room(g) };
	l->buf = malloc(l->room);
	err = l->buf ? check_position(l, at) : err_set(ERR_NOMEM, "store: out of memory");
	if (err == ERR_CORRUPT) { /* what stands in other units can still be read */
		(void)!log_fail(l, err);
	} else if (err < 0) {
		log_close(l);
		return err;
	}
	units[l->at_next] = (struct unit){ .state = UNIT_LOG };
	units[at->unit].state = UNIT_LOG;
	units[at->unit].generation = at->generation;
	log_unit_records(l, at->unit, at->ordinal);
	for (uint32_t u = 0; u < g->units; u++)
		l->free += units[u].state == UNIT_FREE;
	*out = l;
	return 0;
}

void log_close(struct log *l)
{
	if (l)
		free(l->buf);
	free(l);
}

void log_tell(struct log_pos *out, const struct log *l)
{
	*out = l->at;
}

/* ---- one record ---- */
int log_read(struct log_record *out, struct log *l, const struct place *p, uint8_t *room)
{
	uint64_t offset = log_offset(l, p->unit, p->at);
	size_t n;
	int err = 0;

	if (p->unit >= l->g.units || p->at < LOG_BLOCK || p->at > l->g.unit_bytes ||
		p->n > l->g.unit_bytes - p->at || p->n > LOG_RECORD_MAX)
		err = ERR_CORRUPT;
	if (err >= 0)
		err = os_disk_read_now(l->d, offset, room, p->n);
	if (err >= 0)
		err = record_parse(out, &n, str_n(room, p->n));
	if (err >= 0 && (n != p->n || !record_has_place(out->kind)))
		err = ERR_CORRUPT;
	if (err < 0 && err != ERR_NOMEM)
		return err_set(err, "store: %s at unit %u, byte %u (byte %llu of the disk)",
			err == ERR_IO ? "the disk can't be read" : "a record is damaged",
			(unsigned)p->unit, (unsigned)p->at, (unsigned long long)offset);
	out->place = *p;
	return err;
}

/* ---- units ---- */
void log_unit_set(struct log *l, uint32_t unit, struct unit to)
{
	l->free += to.state == UNIT_FREE;
	l->free -= l->units[unit].state == UNIT_FREE;
	to.changed = true;
	l->units[unit] = to;
}

void log_unit_records(struct log *l, uint32_t unit, uint32_t records)
{
	l->units[unit].records = records;
	l->units[unit].changed = true;
}

/* From the end: the log fills the disk from its beginning. */
int log_units_take(uint32_t *first, struct log *l, uint32_t count)
{
	uint32_t run = 0;

	os_assert(count > 0);
	for (uint32_t u = l->g.units; u-- > 0;) {
		run = l->units[u].state == UNIT_FREE ? run + 1 : 0;
		if (run < count)
			continue;
		for (uint32_t i = u; i < u + count; i++)
			log_unit_set(l, i, (struct unit){ .state = UNIT_INDEX });
		*first = u;
		return 0;
	}
	return err_set(ERR_NOSPACE, "store: the disk is full");
}

void log_unit_free(struct log *l, uint32_t unit)
{
	const struct unit *u = &l->units[unit];

	os_assert(unit < l->g.units && u->state == UNIT_LOG && u->generation > 0 &&
		u->generation < l->at.generation);
	log_unit_set(l, unit, (struct unit){ .state = UNIT_FREE });
}

uint32_t log_units_free(const struct log *l)
{
	return l->free;
}
