/* SPDX-License-Identifier: ISC */
/*
 * Three stores, each on a disk of its own, that edit, fetch from each other as packs and merge, until
 * all stand at the same commit. What a fetch sends must be enough for the next one to go on from.
 */
#include "tests/store/help.h"

#include "os/log.h"

#define STORES 3
#define ROUNDS 60

static const struct store_receive_limits limits = { .pack_bytes_max = 16 * MIB,
	.object_bytes_max = 4 * MIB,
	.total_bytes_max = 32 * MIB,
	.objects_max = 100000,
	.delta_depth_max = 8 };

struct replica {
	struct fake_disk *disk;
	struct store *s;
	struct store_oid common[STORES]; /* last commit fetched from, or by, the other */
	bool has_common[STORES];
	unsigned sent;
};
static struct replica r[STORES];

static int into_pack(void *ctx, struct str bytes)
{
	return store_receive_write(ctx, bytes);
}

static bool head(struct store_oid *out, unsigned i)
{
	return store_ref_get(out, r[i].s, BRANCH) == 0;
}

static void fetch(unsigned to, unsigned from)
{
	struct store_receive *in;
	struct store_plan *plan;
	struct store_oid tip, now;
	enum store_merged how;
	char name[32];
	struct str prefix = STR("refs");

	if (!head(&tip, from))
		return;
	const struct store_fetch f = { .wants = &tip,
		.want_count = 1,
		.haves = &r[to].common[from],
		.have_count = r[to].has_common[from],
		.objects_max = 100000 };
	OK(store_plan_make(&plan, r[from].s, &f));
	r[to].sent += (unsigned)plan->objects;
	OK(store_receive_begin(&in, r[to].s, &limits));
	OK(store_plan_send(plan, into_pack, in));
	store_plan_free(plan);
	OK(store_receive_finish(in));
	OK(store_receive_check(in, &tip, &prefix, 1));
	/* As a push to the device's own ref, then into the branch. */
	struct store_ref_move m = {
		.ref = str_n(name, (size_t)snprintf(name, sizeof(name), "refs/devices/%u", from)),
		.to = &tip
	};
	if (store_ref_get(&now, r[to].s, m.ref) == 0)
		m.from = &now;
	OK(store_ref_update(r[to].s, &m, 1, &why_test, OS_FOREVER));
	store_receive_end(in);
	OK(store_merge(&how, NULL, r[to].s, BRANCH, &tip, OS_FOREVER));
	r[to].common[from] = r[from].common[to] = tip;
	r[to].has_common[from] = r[from].has_common[to] = true;
}

static int exchange(void *p)
{
	uint64_t seed = any_seed("replicas");
	struct store_oid h[STORES];
	struct arena a;
	unsigned edits = 0, at[ROUNDS];

	(void)p;
	arena_init(&a, 4 * MIB);
	for (unsigned i = 0; i < STORES; i++)
		OK(store_open(&r[i].s, &r[i].disk->d, NULL));
	for (unsigned k = 0; k < ROUNDS; k++) {
		unsigned i = (unsigned)(fake_random(&seed) % STORES),
			 j = (unsigned)(fake_random(&seed) % STORES);
		if (i != j)
			fetch(i, j);
		at[edits++] = i;
		OK(put_text(r[i].s, BRANCH, num(&a, "m/%2$x/%3$x/%1$u", k), num(&a, "%u", k)));
		OK(put_text(r[i].s, BRANCH, STR("hot"), num(&a, "by %u", k)));
		if (k % 20 == 19) { /* another day */
			store_close(r[i].s);
			OK(store_open(&r[i].s, &r[i].disk->d, NULL));
		}
	}
	for (unsigned k = 0; k < 3; k++) /* until nothing is new */
		for (unsigned i = 0; i < STORES; i++)
			for (unsigned j = 0; j < STORES; j++)
				if (i != j)
					fetch(i, j);
	for (unsigned i = 0; i < STORES; i++) {
		cr_assert(head(&h[i], i));
		cr_expect(store_oid_eq(&h[0], &h[i]), "replica %u stands elsewhere", i);
		for (unsigned k = 0; k < edits; k++)
			cr_expect(
				str_eq(text_at(&a, r[i].s, BRANCH, num(&a, "m/%2$x/%3$x/%1$u", k)),
					num(&a, "%u", k)),
				"edit %u of %u at %u", k, at[k], i);
		cr_expect_eq(verify_count(r[i].s, NULL), 0);
		cr_expect_lt(r[i].sent, 4000, "%u objects fetched", r[i].sent);
	}
	for (unsigned i = 0; i < STORES; i++)
		store_close(r[i].s);
	arena_free(&a);
	return 0;
}

/* Breakages it catches: a merge commit that depends on who makes it; a fetch that leaves out what a
 * merge brought in. */
Test(replicas, come_to_the_same_commit)
{
	os_log_level(OS_ERROR);
	for (unsigned i = 0; i < STORES; i++) {
		r[i] = (struct replica){ .disk = fake_disk_new(32 * MIB) };
		OK(store_format(&r[i].disk->d));
	}
	OK(os_run(exchange, NULL));
	for (unsigned i = 0; i < STORES; i++)
		os_disk_close(&r[i].disk->d);
}
