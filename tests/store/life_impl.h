/* SPDX-License-Identifier: ISC */
/* Inside the life of a store: the model its steps write to. */
#ifndef TESTS_STORE_LIFE_IMPL_H
#define TESTS_STORE_LIFE_IMPL_H

#include "tests/store/life.h"

/* A change of one item. Keys begin with their kind: r blob of a ref, w row, l local record. */
struct life_change {
	unsigned step;
	char *key;
	uint64_t hash; /* 0: gone */
};

struct item {
	const char *key; /* borrowed from a change, or from the arena of a walk */
	uint64_t hash;
};

struct model { /* of one writer */
	struct life_change *changes;
	size_t n, cap;
	unsigned begun, acked;
};

struct life {
	uint64_t seed, seq;
	unsigned writers, steps;
	struct store *s; /* while it runs */
	bool sweeps;
	uint64_t freed;   /* bytes, by sweeps */
	unsigned merges;  /* with a commit of their own */
	unsigned running; /* writers */
	int err;
	char words[256];
	struct model models[LIFE_WRITERS];
};

uint64_t hash_of(struct str bytes); /* never 0 */
void model_set(struct life *l, unsigned i, unsigned step, char kind, struct str key, uint64_t hash);
/* What stands at ref:path or below it goes; false when nothing does. */
bool model_del_under(struct life *l, unsigned i, unsigned step, struct str ref_path);
/* What stands at `from` or below it, both ref:path, takes the place of what stands at `to`. */
void model_copy_under(struct life *l, unsigned i, unsigned step, struct str from, struct str to);
void model_copy_ref(struct life *l, unsigned i, unsigned step, struct str from, struct str to);
void model_drop_ref(struct life *l, unsigned i, unsigned step, struct str ref);
void model_begin(struct life *l, unsigned i, unsigned step);
void model_ack(struct life *l, unsigned i, unsigned step);
/* The step failed before it began. */
void model_forget(struct life *l, unsigned i, unsigned step);
/* What must be there after `step`, sorted by key; the caller frees it. */
struct item *model_at(size_t *n, const struct life *l, unsigned i, unsigned step);

#endif
