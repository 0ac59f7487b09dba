/* SPDX-License-Identifier: ISC */
/*
 * Making room, in this order; others are served in between:
 *	horizon.c     histories are cut where nobody wants what is before
 *	mark.c        what refs, pins, records of refs, spools and receives reach is marked, in one
 *	              bitmap per unit of the log, until nothing new turns up: "settled"
 *	sweep.c       of what was written before that and is not marked, the index forgets all: it may
 *	              name what will be gone, so nobody must find it again, also after a power cut
 *	checkpoint.c  keys are put into the log once more
 *	sweep.c       what is marked is copied on, and the index knows its new places durably; then
 *	              the units are free
 * From "settled" on what is not marked is as good as gone: reads and writes by id do not see it, so
 * that who needs it again writes it again.
 */
#ifndef STORE_SWEEP_IMPL_H
#define STORE_SWEEP_IMPL_H

#include "store/reach_impl.h"

struct sweep {
	struct store *s;
	struct store_sweep *told; /* the caller's figures */
	struct marks {            /* by unit */
		uint8_t *bits;
		uint32_t cap;   /* bits there is room for */
		uint32_t limit; /* once settled: records before that; 0: not of this sweep */
		uint64_t live;  /* bytes of what is marked */
	} *units;
	bool settled;
	uint64_t generation; /* of the unit the log was in when it settled */
	struct oids stack;   /* met, not yet looked into */
};

/* ---- mark.c ---- */
/* Everything that is wanted; 0: settled. BLOCKS. */
MUST_CHECK int mark_all(struct sweep *w);
/* Settled, written before, and not marked? */
bool mark_lacks(const struct sweep *w, const struct place *p);
void mark_end(struct sweep *w);

/* ---- pin.c ---- */
typedef int pin_fn(void *ctx, struct str name, const struct store_oid *commit, int64_t time);
MUST_CHECK int pin_each(struct store *s, struct str prefix, pin_fn *fn, void *ctx);

/* ---- horizon.c ---- */
/*
 * Cuts histories at their horizons; forgets records of refs that nobody asks for any more. `step` 0:
 * where they are set; HORIZON_STEPS: at their least. *moved: a history became shorter. BLOCKS.
 */
#define HORIZON_STEPS 8
MUST_CHECK int horizon_move(bool *moved, struct store *s, unsigned step);
/* Forgets boundary commits that are gone. BLOCKS. */
MUST_CHECK int horizon_clean(struct store *s);

/* ---- sweep.c ---- */
/* After the index was made again, which finds what had been forgotten. BLOCKS. */
MUST_CHECK int sweep_forget(struct store *s);

/* ---- batches of records that are no edit's: sweep.c ---- */
struct batch {
	struct store *s;
	struct changes out; /* what follows for the index */
	size_t bytes;       /* so far, the caller's count */
	bool open;
};
#define BATCH_BYTES (256 * 1024)
/* Takes the turn, writes the open group and begins one in the log, unless it has begun. BLOCKS. */
MUST_CHECK int batch_open(struct batch *b);
/* Makes it durable and visible, gives the turn back; err < 0: gives it up instead and is returned.
 * BLOCKS. */
MUST_CHECK int batch_close(struct batch *b, int err);
/* batch_close when it has grown enough. BLOCKS. */
MUST_CHECK int batch_step(struct batch *b);

#endif
