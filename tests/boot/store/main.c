/* SPDX-License-Identifier: ISC */
/*
 * A store several times larger than the machine's memory: `mode=fill` writes it, `mode=read` in a
 * later boot reads and verifies it. Breakage: a map that is not coherent with LMDB's writes, pages
 * never evicted (memory runs out), libc calls LMDB or libgit2 need and do not get.
 */
#include "os/main.h"
#include "os/map.h"
#include "os/platform.h"
#include "store/keep.h"

#include <stdio.h>

OS_MANIFEST("boot-store 0.1 disks=1 memory_mb=8")

#define CHECK(what) \
	do { \
		int r_ = (what); \
		if (r_ < 0) { \
			printf("line %d: %s: %s\n", __LINE__, #what, err_text(r_)); \
			fflush(stdout); \
			return 70; \
		} \
	} while (0)

#define BLOBS    512
#define BYTES    (48 << 10)
#define PER_EDIT 16

static char bytes[BYTES], back[BYTES];

/* Noise: it shall not shrink when deflated. */
static void fill(unsigned number)
{
	uint64_t x = number * 0x9e3779b97f4a7c15u + 1;

	for (size_t i = 0; i < BYTES; i += 8) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(bytes + i, &x, 8);
	}
}

static int write_all(struct store *s)
{
	struct arena a;
	const struct store_why why = { STR("boot"), STR("boot@test"), STR("fill"), 0 };

	arena_init(&a, 64 << 10);
	for (unsigned i = 0; i < BLOBS; i += PER_EDIT) {
		struct store_edit *e;
		CHECK(store_edit_begin(&e, s, STR("refs/heads/alice"), OS_FOREVER));
		for (unsigned j = i; j < i + PER_EDIT; j++) {
			fill(j);
			struct str path = arena_fmt(&a, "folder%u/blob%u", j % 7, j);
			CHECK(store_edit_put_bytes(e, path, str_n(bytes, BYTES)));
		}
		CHECK(store_edit_commit(NULL, e, &why));
		arena_reset(&a);
	}
	arena_free(&a);
	return 0;
}

static int read_all(struct store *s)
{
	struct arena a;
	struct store_oid head;
	struct store_commit c;

	arena_init(&a, 64 << 10);
	CHECK(store_ref_get(&head, s, STR("refs/heads/alice")));
	CHECK(store_commit_get(&c, &a, s, &head));
	for (unsigned i = 0; i < BLOBS; i++) {
		unsigned number = (i * 331) % BLOBS;
		struct store_entry e;
		size_t n;
		struct arena b;
		arena_init(&b, 4 << 10);
		CHECK(store_find(
			&e, s, &c.tree, arena_fmt(&b, "folder%u/blob%u", number % 7, number)));
		arena_free(&b);
		CHECK(store_blob_read(&n, s, &e.oid, 0, back, BYTES));
		fill(number);
		if (n != BYTES || memcmp(back, bytes, BYTES)) {
			printf("blob %u differs\n", number);
			return 71;
		}
	}
	arena_free(&a);
	return 0;
}

/* A page that is in memory when it is written, as one of LMDB's is now and then. */
static int coherent(struct os_disk *d)
{
	fill(1);
	CHECK(os_disk_read_now(d, 0, back, OS_MAP_PAGE));
	CHECK(os_disk_write(d, 0, bytes, OS_MAP_PAGE));
	CHECK(os_disk_read_now(d, 0, back, OS_MAP_PAGE));
	if (memcmp(back, bytes, OS_MAP_PAGE)) {
		printf("a page in memory is as it was before it was written\n");
		return 74;
	}
	return 0;
}

int os_main(void)
{
	bool filling = !strcmp(plat_args(), "mode=fill");
	struct os_disk *d;
	struct store *s;
	struct store_stats stats;
	struct store_verify v = { 0 };
	struct os_map_stats map;

	CHECK(os_disk_open(&d, 0));
	int code = filling ? coherent(d) : 0;
	if (filling)
		CHECK(store_format(d));
	CHECK(store_open(&s, d, NULL));
	if (filling && code == 0)
		code = write_all(s);
	if (code == 0)
		code = read_all(s);
	if (!filling)
		CHECK(store_verify(s, &v));
	store_stats(&stats, s);
	os_map_stats(&map);
	uint64_t total, left;
	plat_memory(&total, &left);
	printf("store code=%d used_mb=%lu memory_mb=%lu faults=%lu evictions=%lu cached=%lu "
	       "objects=%lu "
	       "mismatches=%lu\n",
		code, stats.used_bytes >> 20, total >> 20, map.faults, map.evictions,
		map.cached_pages, v.objects, v.mismatches);
	fflush(stdout);
	store_close(s);
	os_disk_close(d);
	return code ? code : v.mismatches ? 72 : map.evictions < 1000 ? 73 : 0;
}
