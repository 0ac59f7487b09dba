/* SPDX-License-Identifier: ISC */
/*
 * Commits made at will: any parents, any dates.
 *
 *	dag_begin(&g, s); id = dag_commit(&g, &tree, parents, n, time); ... dag_end(&g);
 */
#ifndef TESTS_STORE_DAG_H
#define TESTS_STORE_DAG_H

#include "store/store_impl.h"
#include "tests/store/help.h"

#define DAG_MAX 600
struct dag {
	struct store *s;
	struct taker t;
	unsigned n;
	struct store_oid id[DAG_MAX];
	unsigned parents[DAG_MAX][3], parent_count[DAG_MAX];
	uint64_t before[DAG_MAX][(DAG_MAX + 63) / 64]; /* reached from it, itself too */
};
void dag_begin(struct dag *g, struct store *s);
/* Number of the new commit; parents by number. */
unsigned dag_commit(struct dag *g, const struct store_oid *tree, const unsigned *parents,
	unsigned count, int64_t time);
struct store_oid dag_tree(struct dag *g, struct str raw);
struct store_oid dag_blob(struct dag *g, struct str bytes);
void dag_flush(struct dag *g); /* what was made is found by id */
void dag_end(struct dag *g);
/* Writes records as a group does, whatever they are. */
void write_changes(struct store *s, struct changes *kv);
static inline bool dag_before(const struct dag *g, unsigned old, unsigned from)
{
	return g->before[from][old / 64] >> old % 64 & 1;
}
/* A random history of n commits; dates lie for some when `skewed`. */
void dag_random(
	struct dag *g, unsigned n, const struct store_oid *tree, bool skewed, uint64_t *seed);

#endif
