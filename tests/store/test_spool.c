/* SPDX-License-Identifier: ISC */
#include "store/store_impl.h"
#include "tests/store/help.h"

#define BIG   (25u << 20)
#define BLOCK ((size_t)40000)

static void spool_noise(struct store *s, struct store_oid *id, size_t n, uint64_t seed, size_t step)
{
	struct store_spool *w;
	char *p = malloc(n + 1);
	uint64_t size = 0;

	noise(p, n, seed);
	OK(store_spool_begin(&w, s));
	for (size_t at = 0; at < n; at += step)
		OK(store_spool_write(w, str_n(p + at, n - at < step ? n - at : step)));
	OK(store_spool_finish(id, &size, w));
	cr_expect_eq(size, n);
	free(p);
}

static void expect_noise(struct store *s, const struct store_oid *id, size_t n, uint64_t seed)
{
	static char part[5000];
	char *p = malloc(n + 1);
	size_t got;

	noise(p, n, seed);
	for (size_t at = 0; at < n; at += n / 7 + 1) { /* any place, any length */
		OK(store_blob_read(&got, s, id, at, part, sizeof(part)));
		cr_expect_eq(got, n - at < sizeof(part) ? n - at : sizeof(part));
		cr_expect(memcmp(part, p + at, got) == 0, "at %zu of %zu", at, n);
	}
	OK(store_blob_read(&got, s, id, n, part, sizeof(part)));
	cr_expect_eq(got, 0);
	free(p);
}

static int sizes(void *p)
{
	struct fake_disk *f = p;
	static const size_t n[] = { 0, 1, 4096, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1,
		3 * FRAME_BYTES, 1000000 };
	struct store_oid ids[ARRAY_LEN(n)];
	struct store *s;
	struct store_edit *e;
	struct arena a;

	arena_init(&a, MIB);
	OK(store_open(&s, &f->d, NULL));
	for (size_t i = 0; i < ARRAY_LEN(n); i++) {
		struct store_oid real;
		char *bytes = malloc(n[i] + 1);
		spool_noise(s, &ids[i], n[i], i + 1, 7777);
		noise(bytes, n[i], i + 1);
		OK(oid_of(&real, s, OBJ_BLOB, str_n(bytes, n[i])));
		cr_expect(store_oid_eq(&real, &ids[i]), "size %zu", n[i]);
		expect_noise(s, &ids[i], n[i], i + 1); /* before any edit has it */
		free(bytes);
	}
	OK(store_edit_begin(&e, s, BRANCH, OS_FOREVER));
	for (size_t i = 0; i < ARRAY_LEN(n); i++)
		OK(store_edit_put(e, num(&a, "s/%u", (unsigned)i), &ids[i], STORE_BLOB));
	OK(store_edit_commit(NULL, e, &why_test));
	store_close(s);
	OK(store_open(&s, &f->d, NULL));
	for (size_t i = 0; i < ARRAY_LEN(n); i++)
		expect_noise(s, &ids[i], n[i], i + 1);
	cr_expect_eq(verify_count(s, NULL), 0);
	store_close(s);
	arena_free(&a);
	return 0;
}

Test(spool, any_size_any_pieces)
{
	on_disk(sizes, 16 * MIB);
}

static uint64_t frames_on_disk(struct store *s)
{
	uint64_t n = 0;
	OK(kv_count(&n, s->kv, KV_FRAME));
	return n;
}

static int leftovers(void *p)
{
	struct fake_disk *f = p;
	struct store_oid kept, loose, never, small, many;
	struct store_spool *w;
	struct store *s;
	struct arena a;
	static char junk[3 * FRAME_BYTES];
	arena_init(&a, 8 * MIB);
	OK(store_open(&s, &f->d, NULL));
	spool_noise(s, &kept, 200000, 1, 50000);
	spool_noise(s, &loose, 200000, 2, 50000);
	spool_noise(s, &small, 3000, 3, 50000);
	for (unsigned i = 0; i < 100; i++) /* more than memory holds: they spill to disk */
		spool_noise(s, &many, 30000, 100 + i, 50000);
	struct store_edit *e;
	OK(store_edit_begin(&e, s, BRANCH, OS_FOREVER));
	OK(store_edit_put(e, STR("kept"), &kept, STORE_BLOB));
	OK(store_edit_put(e, STR("many"), &many, STORE_BLOB));
	OK(store_edit_commit(NULL, e, &why_test));
	/* Aborted, it leaves nothing; one in the making stays behind the power cut below. */
	OK(store_spool_begin(&w, s));
	noise(junk, sizeof(junk), 9);
	OK(store_spool_write(w, str_n(junk, sizeof(junk))));
	store_spool_abort(w);
	OK(store_spool_begin(&w, s));
	for (unsigned i = 0; i < 10; i++)
		OK(store_spool_write(w, str_n(junk, sizeof(junk))));
	OK(put_text(s, BRANCH, STR("x"), STR("y"))); /* takes the frames along to disk */
	cr_expect_gt(frames_on_disk(s), 8);
	uint64_t seed = 1;
	struct fake_disk *cut = fake_disk_cut(f, &seed);
	store_spool_abort(w);
	store_close(s);

	OK(store_open(&s, &cut->d, NULL));
	cr_expect_geq(frames_on_disk(s), 8, "they are left to the sweep");
	expect_noise(s, &kept, 200000, 1);
	expect_noise(s, &many, 30000, 199);
	cr_expect_eq(verify_count(s, NULL), 0);
	/* Content ids are not given twice. */
	spool_noise(s, &never, 200000, 4, 50000);
	expect_noise(s, &kept, 200000, 1);
	store_close(s);
	os_disk_close(&cut->d);
	arena_free(&a);
	return 0;
}

/* Breakage it catches: a content id of what was left given to the next blob. */
Test(spool, what_no_edit_took_does_no_harm)
{
	on_disk(leftovers, 32 * MIB);
}

/* ---- memory ---- */
static struct store *the_store;

static void deliver(void *p)
{
	unsigned i = *(unsigned *)p;
	char *block = malloc(BLOCK), path[16];
	struct store_spool *w;
	struct store_oid id;
	struct store_edit *e;

	OK(store_spool_begin(&w, the_store));
	for (size_t at = 0; at < BIG; at += BLOCK) {
		noise(block, BLOCK, i + at);
		OK(store_spool_write(w, str_n(block, BLOCK)));
		cr_expect(!the_store->group ||
				group_bytes(the_store->group) < GROUP_BYTES + 3 * FRAME_BYTES,
			"a group holds %zu bytes", group_bytes(the_store->group));
	}
	free(block);
	OK(store_spool_finish(&id, NULL, w));
	snprintf(path, sizeof(path), "m%u", i);
	OK(store_edit_begin(&e, the_store, BRANCH, OS_FOREVER));
	OK(store_edit_put(e, str_of(path), &id, STORE_BLOB));
	OK(store_edit_commit(NULL, e, &why_test));
}

static int two_large(void *p)
{
	struct fake_disk *f = p;
	unsigned ids[2] = { 1, 2 };

	OK(store_open(&the_store, &f->d, NULL));
	fibers(2, deliver, ids, sizeof(ids[0]));
	cr_expect_eq(verify_count(the_store, NULL), 0);
	store_close(the_store);
	return 0;
}

Test(spool, two_large_deliveries_at_once_in_little_memory)
{
	on_disk(two_large, 128 * MIB);
}
