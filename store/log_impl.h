/* SPDX-License-Identifier: ISC */
/*
 * The object log: what makes a change durable. Everything else in the store (LMDB, rows) is an
 * index of it and can be made again from it.
 *
 * The disk behind the two superblocks is cut into units of equal size. A unit is free, a part of
 * the log, or belongs to an extent of the index. A unit of the log begins with one block:
 *	magic, store uuid, generation (counts up by one per unit entered), `prev` (the check of the
 *	part before it), `next` (the unit the log will go on in, chosen now), checksum
 * then groups follow, each of one or more parts, each part from a block's start, padded to one:
 *	magic, flags (more parts follow), the unit's generation, the offset, `prev` (the check of
 *	the part before it), the sequence numbers of the group and of the group before it, part
 *	number, payload bytes, records, first ordinal; and the `check` of all that and the payload:
 *	a hash under the store's uuid
 * so a stale frame never replays: it can't be the successor of what stands before it. A part lies
 * in one unit; when it does not fit, the log goes on in `next`, and a part without payload ends
 * the unit (whatever lay there before is gone for good). Only the last part of a group makes its
 * parts count. Nothing acknowledged is ever overwritten.
 *
 * Records in a payload, each with its kind and length in front; object, big and frame also with a
 * crc, so that one can be read alone:
 *	object   id, type, size, then a zlib stream: with git's pack header in front, a pack entry
 *	big      id, type, size, content id: its bytes are frames
 *	frame    content id, number, adler32, raw deflate ending in a full flush (frame.c)
 *	put/del  table, key, value: refs, ref records, local records, and rows as redo only
 *	mark     a checkpoint (all of KV_SYS and KV_LOCAL put once more) begins / is complete
 * Objects, bigs and frames are numbered within their unit (ordinal), for the sweep's bitmaps.
 *
 *	err = log_begin(l, seq);                         one writer, the turn's holder
 *	err = log_object(&place, l, &oid, OBJ_BLOB, size, zlib_stream);
 *	err = log_put(l, KV_SYS, key, value); ...        parts go to disk as the buffer fills
 *	err = log_commit(l);                             one flush: durable. (instead: log_abort(l))
 *
 *	err = log_read(&record, l, &place, room);        its bytes are in room
 *
 * A failed write or flush is never tried again: the log refuses everything after it.
 */
#ifndef STORE_LOG_IMPL_H
#define STORE_LOG_IMPL_H

#include "store/kv_impl.h"
#include "store/store.h"

#define LOG_BLOCK      OS_SECTOR_BYTES
#define LOG_RECORD_MAX (96 * 1024) /* larger objects are kept in frames, whatever their type */
#define LOG_PART_BYTES (256 * 1024)
#define LOG_UNIT_LEAST (128 * 1024)
#define LOG_UNIT_NONE  UINT32_MAX

struct place {                /* of an object, big or frame */
	uint32_t unit, at, n; /* n: bytes of the whole record */
	uint32_t ordinal;
};
#define PLACE_BYTES 16
void place_pack(char out[static PLACE_BYTES], const struct place *p);
MUST_CHECK int place_parse(struct place *out, struct str in);

/* A point between two groups: where replay goes on. */
struct log_pos {
	uint64_t generation, seq, check;
	uint32_t unit, at, ordinal;
};
#define LOG_POS_BYTES 36
void log_pos_pack(char out[static LOG_POS_BYTES], const struct log_pos *p);
MUST_CHECK int log_pos_parse(struct log_pos *out, struct str in);

enum unit_state { UNIT_FREE, UNIT_LOG, UNIT_INDEX };
struct unit {
	uint8_t state;
	bool changed;        /* set by the log, for the caller to clear */
	uint64_t generation; /* UNIT_LOG; 0: kept for the log to go on in */
	uint32_t records,
		dead; /* objects, bigs and frames in it; how many of them are known to be dead */
};

struct log;
struct log_geometry {
	uint8_t uuid[16];
	uint64_t base; /* byte offset of unit 0 */
	uint32_t unit_bytes, units;
};
/* The first unit, 0, of an empty log; not yet durable. BLOCKS. */
MUST_CHECK int log_format(struct log_pos *out, struct os_disk *d, const struct log_geometry *g);
/* `units` is the table as the index knows it, owned by the caller and kept up to date by the log.
 * ERR_CORRUPT: no such position. Where the log itself is damaged, it opens and log_replay says so.
 * BLOCKS. */
MUST_CHECK int log_open(struct log **out, struct os_disk *d, const struct log_geometry *g,
	struct unit *units, const struct log_pos *at);
void log_close(struct log *l); /* NULL is fine */
/* Where the next group goes; everything before it is durable. */
void log_tell(struct log_pos *out, const struct log *l);

/* ---- replay ---- */
enum log_kind { LOG_OBJECT = 1, LOG_BIG, LOG_FRAME, LOG_PUT, LOG_DEL, LOG_MARK };
struct log_record {
	enum log_kind kind;
	struct place place;     /* object, big, frame */
	struct store_oid id;    /* object, big */
	int type;               /* object, big */
	uint64_t size, content; /* object and big; big and frame */
	uint32_t frame;         /* its number */
	enum kv_table table;    /* put, del */
	struct str key, value;  /* put, del */
	struct str bytes;       /* object: the zlib stream; frame: as kept */
	bool ends;              /* mark */
};
typedef int log_record_fn(void *ctx, uint64_t seq, const struct log_record *r);
typedef int log_group_fn(void *ctx, uint64_t seq, const struct log_pos *after);
/*
 * From log_open's position on: every record of every whole group, then `group` once for it (may be
 * NULL). A bad tail is cut: the log goes on there. ERR_CORRUPT: a bad group with a valid later one
 * behind it, or a place where the disk can't be read and one may stand; the sentence says where; the
 * log is then read-only. The functions may log_read, but not write. BLOCKS.
 */
MUST_CHECK int log_replay(struct log *l, log_record_fn *record, log_group_fn *group, void *ctx);
/* The durable records of one unit, in order; of the newest as far as it goes. ERR_CORRUPT says
 * where parts are not sound. For sweep, verify and a rebuild of the index. BLOCKS. */
MUST_CHECK int log_unit_scan(struct log *l, uint32_t unit, log_record_fn *record, void *ctx);
/*
 * Records of one unit, wherever they are sound in themselves, read in large pieces: for who knows a record
 * he wants by its id, and looks up what he did not find here. Of objects, bigs and frames alone what is
 * told is checked. `fn` may wait, and the unit be given up or filled meanwhile. BLOCKS.
 */
MUST_CHECK int log_unit_skim(struct log *l, uint32_t unit, log_record_fn *record, void *ctx);
/*
 * The first point between two groups in a unit, for a rebuild, which knows no table. ERR_NOENT: no
 * unit of this log; ERR_AGAIN: no group begins in it. BLOCKS.
 */
MUST_CHECK int log_unit_start(
	struct log_pos *out, struct os_disk *d, const struct log_geometry *g, uint32_t unit);

/* ---- writing ---- */
/* `seq` is over every one before it. */
MUST_CHECK int log_begin(struct log *l, uint64_t seq);
MUST_CHECK int log_object(struct place *out, struct log *l, const struct store_oid *id, int type,
	uint64_t size, struct str zlib_stream);
MUST_CHECK int log_big(struct place *out, struct log *l, const struct store_oid *id, int type,
	uint64_t size, uint64_t content);
MUST_CHECK int log_frame(
	struct place *out, struct log *l, uint64_t content, uint32_t n, struct str kept);
MUST_CHECK int log_put(struct log *l, enum kv_table t, struct str key, struct str value);
MUST_CHECK int log_del(struct log *l, enum kv_table t, struct str key);
MUST_CHECK int log_mark(struct log *l, bool ends);
/* ERR_IO: what became of the group is known after reopening. Any other error: abort it. BLOCKS. */
MUST_CHECK int log_commit(struct log *l);
void log_abort(struct log *l); /* also after a failed commit; none begun is fine */

/* ---- reading ---- */
/*
 * The record at `p` into `room` of p->n bytes, where `out` points into. ERR_IO, ERR_CORRUPT with
 * the place. Does not switch fibers. Records of the group being written are not there yet.
 */
MUST_CHECK int log_read(
	struct log_record *out, struct log *l, const struct place *p, uint8_t *room);

/* ---- units ---- */
/* A run of free units for the index; marked at once. ERR_NOSPACE. */
MUST_CHECK int log_units_take(uint32_t *first, struct log *l, uint32_t count);
/* Nothing in it counts any more, durably so. Never the last one, nor one the log has not left. */
void log_unit_free(struct log *l, uint32_t unit);
uint32_t log_units_free(const struct log *l);

#endif
