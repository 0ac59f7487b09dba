/* SPDX-License-Identifier: ISC */
/* Inside the log: its state, and what stands in front of units and parts. Little-endian. */
#ifndef STORE_LOG_PART_IMPL_H
#define STORE_LOG_PART_IMPL_H

#include "store/log_impl.h"

#define PART_MAGIC 0x5472506cu
#define PART_HEAD  72
#define PART_MORE  1u /* the group goes on in the next part */
#define PART_END   2u /* not a part: the log went on in the next unit */
struct part {
	uint64_t check, generation, offset, prev, base, seq;
	uint32_t flags, number, bytes, records, ordinal;
};
struct unit_head {
	uint64_t generation, prev, seq; /* seq: of the last group before it */
	uint32_t next;
};

struct log {
	struct os_disk *d;
	struct log_geometry g;
	struct unit *units;
	uint32_t free; /* units */

	uint8_t *buf; /* the part being built or read */
	size_t room;  /* of buf: the largest part, whole blocks */

	struct log_pos at; /* everything before it is durable */
	uint32_t at_next;  /* the unit after that one */

	/* The group being written: `at` as it will be, and where in the part. */
	bool writing;
	struct log_pos to;
	uint32_t next;
	uint64_t seq;
	uint32_t number, records, first; /* of the part; ordinal of its first record */
	size_t used;

	int err; /* sticky: refuses everything */
	char why[256];
};

/* ---- log.c ---- */
uint64_t log_offset(const struct log *l, uint32_t unit, uint32_t at);
/* ERR_CORRUPT: it can't be read; what stands there is unknown, as where it is damaged. BLOCKS. */
MUST_CHECK int log_get(struct os_disk *d, const struct log_geometry *g, uint32_t unit, uint32_t at,
	void *p, size_t n);
/* ERR_NOENT: not the head of a unit of this log. ERR_CORRUPT: unreadable. BLOCKS. */
MUST_CHECK int unit_head_read(
	struct unit_head *out, struct os_disk *d, const struct log_geometry *g, uint32_t unit);
MUST_CHECK int unit_head_write(struct log *l, uint32_t unit, const struct unit_head *h);
void log_unit_set(struct log *l, uint32_t unit, struct unit to);
void log_unit_records(struct log *l, uint32_t unit, uint32_t records);
MUST_CHECK int log_fail(struct log *l, int err); /* sticky, with the current sentence */

static inline size_t log_room(const struct log_geometry *g)
{
	size_t most = g->unit_bytes - LOG_BLOCK;
	return most < LOG_PART_BYTES ? most : LOG_PART_BYTES;
}

static inline size_t log_blocks(size_t n)
{
	return (n + LOG_BLOCK - 1) / LOG_BLOCK * LOG_BLOCK;
}

/* ---- log_record.c ---- */
#define RECORD_HEAD_MAX 64 /* of any record, without key and bytes */
/* Encodes one into `out`, which has room for RECORD_HEAD_MAX + key.n + value.n + bytes.n. */
size_t record_pack(uint8_t *out, const struct log_record *r);
/* The record at the beginning of `in`; *n: its bytes. Checks everything but ordinals. ERR_CORRUPT. */
MUST_CHECK int record_parse(struct log_record *out, size_t *n, struct str in);
static inline bool record_has_place(enum log_kind k)
{
	return k == LOG_OBJECT || k == LOG_BIG || k == LOG_FRAME;
}

/* ---- log_write.c ---- */
void part_pack(uint8_t *out, struct part *p, const struct log *l); /* payload follows; sets check */

/* ---- little-endian numbers ---- */
static inline void le_put(uint8_t *p, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}
static inline uint64_t le_get(const uint8_t *p, size_t n)
{
	uint64_t v = 0;
	for (size_t i = n; i-- > 0;)
		v = v << 8 | p[i];
	return v;
}

#endif
