/* SPDX-License-Identifier: ISC */
#include "tests/store/dag.h"

void dag_begin(struct dag *g, struct store *s)
{
	memset(g, 0, sizeof(*g));
	g->s = g->t.s = s;
}

unsigned dag_commit(struct dag *g, const struct store_oid *tree, const unsigned *parents,
	unsigned count, int64_t time)
{
	unsigned me = g->n++;
	char hex[STORE_HEX];
	struct buf b;

	cr_assert_lt(me, DAG_MAX);
	buf_init(&b, NULL);
	buf_fmt(&b, "tree %s\n", store_oid_hex(hex, tree));
	for (unsigned i = 0; i < count; i++) {
		buf_fmt(&b, "parent %s\n", store_oid_hex(hex, &g->id[parents[i]]));
		g->parents[me][i] = parents[i];
		for (size_t w = 0; w < ARRAY_LEN(g->before[me]); w++)
			g->before[me][w] |= g->before[parents[i]][w];
	}
	g->parent_count[me] = count;
	g->before[me][me / 64] |= (uint64_t)1 << me % 64;
	buf_fmt(&b, "author a <a@x> %lld +0000\ncommitter a <a@x> %lld +0000\n\ncommit %u\n",
		(long long)time, (long long)time, me);
	OK(b.err);
	OK(take_object(&g->id[me], &g->t, OBJ_COMMIT, buf_str(&b)));
	buf_free(&b);
	return me;
}

struct store_oid dag_tree(struct dag *g, struct str raw)
{
	struct store_oid id;
	OK(take_object(&id, &g->t, OBJ_TREE, raw));
	return id;
}

struct store_oid dag_blob(struct dag *g, struct str bytes)
{
	struct store_oid id;
	OK(take_object(&id, &g->t, OBJ_BLOB, bytes));
	return id;
}

void dag_flush(struct dag *g)
{
	OK(take_flush(&g->t));
}

void write_changes(struct store *s, struct changes *kv)
{
	struct group *g;
	OK(store_turn(s, OS_FOREVER));
	OK(group_open(&g, s));
	changes_move(&g->kv, kv);
	OK(group_flush(s));
	store_turn_end(s);
}

void dag_end(struct dag *g)
{
	dag_flush(g);
	take_end(&g->t);
}

void dag_random(
	struct dag *g, unsigned n, const struct store_oid *tree, bool skewed, uint64_t *seed)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned parents[3], count = 0, want = (unsigned)(fake_random(seed) % 16);
		unsigned first = g->n, near = 2 + (unsigned)(fake_random(seed) % 8);
		int64_t time = 1000 + 10 * (int64_t)g->n;
		want = want == 0 ? 0 : want < 9 ? 1 : want < 15 ? 2 : 3;
		for (unsigned tries = 0; first && count < want && tries < 9; tries++) {
			unsigned back = 1 + (unsigned)(fake_random(seed) % near);
			unsigned parent = back > first ? 0 : first - back;
			bool twice = false;
			for (unsigned k = 0; k < count; k++)
				twice |= parents[k] == parent;
			if (!twice)
				parents[count++] = parent;
		}
		if (skewed && fake_random(seed) % 3 == 0)
			time = (int64_t)(fake_random(seed) % 10000);
		dag_commit(g, tree, parents, count, time);
	}
}
