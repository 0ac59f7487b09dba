/* SPDX-License-Identifier: ISC */
/*
 * Git packs and deltas read as they come (gitformat-pack(5)). Pure: bytes in, events out, no store,
 * in fixed memory whatever they claim.
 *
 *	err = unpack_new(&u, &limits);
 *	while ((err = unpack_next(&ev, u, &bytes)) == 0) ...         ERR_AGAIN: more bytes are needed
 *	if (err == ERR_AGAIN && unpack_ended(u)) ...                 it was whole, its checksum right
 *	unpack_free(u);
 *
 *	struct delta d = { 0 };
 *	while ((err = delta_next(&op, &d, &bytes)) == 0) ...
 *	err = delta_end(&d);
 */
#ifndef STORE_UNPACK_IMPL_H
#define STORE_UNPACK_IMPL_H

#include "store/exchange.h"

enum { ENTRY_OFS_DELTA = 6, ENTRY_REF_DELTA = 7 }; /* beside OBJ_* */

enum unpack_kind {
	UNPACK_BEGIN,  /* objects */
	UNPACK_ENTRY,  /* type, at, size, base or base_at: what follows */
	UNPACK_BYTES,  /* bytes of the entry, inflated; borrowed until the next call */
	UNPACK_FINISH, /* of the entry: as many bytes came as were announced */
};
struct unpack_event {
	enum unpack_kind kind;
	uint32_t objects;
	int type;      /* OBJ_* or ENTRY_* */
	uint64_t at;   /* offset in the pack */
	uint64_t size; /* inflated: of a delta, the delta's own */
	uint64_t base_at;
	struct store_oid base;
	struct str bytes;
};
struct unpack;
/* Of limits: pack_bytes_max, object_bytes_max, total_bytes_max, objects_max. */
MUST_CHECK int unpack_new(struct unpack **out, const struct store_receive_limits *limits);
/* The next event, what it took removed from the front of *in. ERR_BAD, ERR_LIMIT with a sentence for
 * the sender; sticky. */
MUST_CHECK int unpack_next(struct unpack_event *ev, struct unpack *u, struct str *in);
bool unpack_ended(const struct unpack *u);
/* May so many bytes more come of it, beside those inflated so far? ERR_LIMIT */
MUST_CHECK int unpack_allows(const struct unpack *u, uint64_t more);
void unpack_free(struct unpack *u); /* NULL is fine */

/* ---- delta.c ---- */
enum delta_kind {
	DELTA_SIZES, /* first of all: base_size and size are known */
	DELTA_COPY,  /* n bytes of the base from `at` */
	DELTA_BYTES, /* these bytes; borrowed from the input */
};
struct delta_op {
	enum delta_kind kind;
	uint64_t at;
	uint32_t n;
	struct str bytes;
};
struct delta {
	uint64_t base_size, size, done; /* of the base, of the result, of it made so far */
	uint8_t state, shift;
	uint8_t left;  /* bytes still to be inserted */
	uint8_t op[8]; /* of a copy: opcode, then its arguments as they come */
	uint8_t op_n, op_len;
};
/* ERR_AGAIN: all of *in was taken. ERR_BAD: a copy past the base's end, a result longer than said. */
MUST_CHECK int delta_next(struct delta_op *out, struct delta *d, struct str *in);
MUST_CHECK int delta_end(const struct delta *d); /* ERR_BAD: it ended early */

#endif
