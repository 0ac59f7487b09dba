/* SPDX-License-Identifier: ISC */
/*
 * A pack being received:
 *	unpack.c, delta.c    bytes to entries and instructions, pure
 *	receive.c            entries to objects, deltas applied as they come
 *	receive_make.c       the object under way
 *	receive_sound.c      what one object must look like
 *	receive_recs.c       what came: by place in the pack, by id
 *	receive_check.c      is everything below a tip there, and the sender's own?
 *	receive_known.c      what the sender's refs reach
 *
 * A delta may be made against any object by its id, also one of somebody else's. That must not show:
 * its result is made, but nothing tells whether that went well before receive_check.c has seen
 * that the sender may read the base.
 */
#ifndef STORE_RECEIVE_IMPL_H
#define STORE_RECEIVE_IMPL_H

#include "store/reach_impl.h"
#include "store/unpack_impl.h"

#define WHOLE_MAX   (2u << 20) /* a tree, commit or tag: held in memory */
#define WAITING_MAX (1u << 20) /* of deltas that came before their bases */

/* ---- receive_recs.c ---- */
enum {
	REC_KNOWN = 1,   /* its id and type are */
	REC_DROPPED = 2, /* never will be */
	REC_OUTSIDE = 4, /* made from a base outside of the pack */
	REC_SEEN = 8,    /* by the check under way: all below is there, if it succeeds */
};
struct rec {
	union {
		uint64_t at; /* in the pack */
		struct {
			uint32_t paths;  /* tree, REC_SEEN: files and folders below */
			uint32_t height; /* and how deep the deepest stands */
		};
	};
	struct store_oid id;
	uint8_t type, flags;
	uint16_t depth; /* of deltas below it */
};
_Static_assert(sizeof(struct rec) == 32, "what store_receive_limits promises");
struct recs {
	struct rec **chunks;
	uint32_t n, chunk_cap;
	uint32_t *slots; /* number + 1 of those with REC_KNOWN, by id; 0: free */
	uint32_t slot_cap, known;
};
struct rec *recs_get(const struct recs *v, uint32_t i);
MUST_CHECK int recs_add(struct rec **out, struct recs *v, uint64_t at);
struct rec *recs_at(const struct recs *v, uint64_t at);                  /* NULL */
MUST_CHECK int recs_know(struct recs *v, uint32_t i);                    /* its id was set */
struct rec *recs_find(const struct recs *v, const struct store_oid *id); /* NULL */
void recs_free(struct recs *v);

/* ---- receive.c ---- */
struct making { /* an object under way */
	int type;
	uint64_t size, n;
	uint8_t *p;                /* whole in memory, */
	struct store_spool *spool; /* or a large blob */
};
struct base { /* of the delta under way */
	struct store_oid id;
	int type;
	uint64_t size;
	uint8_t *p;    /* NULL: a large blob, read where it lies */
	uint64_t next; /* where the last read of it ended */
};
struct waiting { /* a delta whose base has not come yet */
	struct waiting *next;
	uint32_t rec;
	struct store_oid base;
	uint64_t base_at; /* not 0: instead of its id */
	struct buf bytes;
};
struct store_receive {
	struct store *s;
	struct store_receive *next; /* all of them, for receive_each */
	struct store_receive_limits limits;
	struct unpack *unpack;
	struct taker take;
	struct recs recs;
	uint32_t rec;    /* number of the entry under way */
	uint64_t made;   /* bytes of objects made of deltas */
	uint64_t read;   /* bytes of bases read again */
	size_t unrested; /* bytes since others had a turn */

	enum { ENTRY_NONE, ENTRY_WHOLE, ENTRY_DELTA, ENTRY_WAITS, ENTRY_DROPPED } entry;
	struct making making;
	struct delta delta;
	struct base base;
	struct waiting *waiting, **waiting_end, *filling;
	size_t waiting_bytes;

	struct idset outside; /* bases used that are not of the pack, and as a list */
	struct oids bases;
	int doubt_err; /* the first thing wrong with what was made from one of them, */
	char doubt[256];
	bool lost; /* a delta of it was given up */
	struct store_oid lost_base;
	struct oids roots; /* commits that receive_check relied on */
	bool finished;
	int err; /* sticky */
};
/* Lets others run now and then. BLOCKS. */
void receive_rest(struct store_receive *r, size_t bytes);
MUST_CHECK int no_base(const struct store_oid *base);
/*
 * What a sweep must keep for the receives under way: their objects, each alone, and commits they
 * rely on, with all below. < 0 stops.
 */
typedef int receive_each_fn(void *ctx, const struct store_oid *id, bool below);
MUST_CHECK int receive_each(struct store *s, receive_each_fn *fn, void *ctx);

/* ---- receive_make.c: one object from its first byte to its last ---- */
MUST_CHECK int making_begin(struct store_receive *r, int type, uint64_t size);
MUST_CHECK int making_add(
	struct store_receive *r, struct str bytes); /* no more than `size` in all */
/* The entry `number` is what was made. BLOCKS. */
MUST_CHECK int making_end(struct store_receive *r, uint32_t number);
void making_drop(struct store_receive *r); /* if anything is under way. BLOCKS */

/* ---- receive_sound.c ---- */
/* ERR_BAD with a sentence that names the object. */
MUST_CHECK int object_sound(int type, struct str bytes, const struct store_oid *id);

/* ---- receive_known.c: is it the sender's own? ---- */
/* Refs whose name is `prefix` or begins with it and a slash; what they reach is the sender's. */
struct known {
	struct store_receive *r;
	struct oids tips;
	struct idset near; /* objects met in the sender's own trees so far */
	/* The walk over everything: */
	struct idset seen;
	struct oids commits, trees;
	size_t commit_at;
};
MUST_CHECK int known_begin(
	struct known *k, struct store_receive *r, const struct str *prefixes, size_t prefix_count);
MUST_CHECK int known_near(struct known *k, const struct store_oid *id);
/* found[i]: is ids[i] reached? Walks as far back as it takes to find them all. BLOCKS. */
MUST_CHECK int known_find(bool *found, struct known *k, const struct store_oid *ids, size_t n);
void known_end(struct known *k);
/* A folder `depth` names below the root: is none below it too deep? */
MUST_CHECK int folders_fit(struct store_receive *r, const struct store_oid *tree, unsigned depth);
MUST_CHECK int too_deep(void);

#endif
