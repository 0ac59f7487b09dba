/* SPDX-License-Identifier: ISC */
/*
 * A disk several times larger than memory, read through a map. The host filled it: every 8 bytes
 * hold their own offset. Breakage: a page shown at the wrong place, nothing ever evicted, a write
 * that the map does not see, a read error answered with garbage, a cache that keeps memory from
 * malloc, a copy that panics when the device fails or that its own memory pulls the page from under.
 */
#include "os/disk.h"
#include "os/map.h"
#include "os/platform.h"

#include <stdio.h>

#define CHECK(cond) \
	do { \
		if (!(cond)) { \
			printf("line %d: %s\n", __LINE__, #cond); \
			fflush(stdout); \
			plat_exit(70); \
		} \
	} while (0)

#define MB ((uint64_t)1 << 20)

static uint64_t size;
static const uint64_t *map;
static struct os_disk *disk;

static void stats(struct os_map_stats *s)
{
	os_map_stats(s);
	CHECK(s->cached_pages <= s->max_pages);
}

static void straight(void)
{
	struct os_map_stats before, after;

	stats(&before);
	for (uint64_t at = 0; at < size; at += 512)
		CHECK(map[at / 8] == at);
	stats(&after);
	CHECK(after.pages_read - before.pages_read >= size / OS_MAP_PAGE - after.max_pages);
	CHECK(after.faults - before.faults <= size / (64 << 10) + 8); /* read-around works */
	CHECK(after.evictions > before.evictions);
}

static void random_order(void)
{
	uint64_t x = 88172645463325252u;

	for (unsigned i = 0; i < 3000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		uint64_t at = x % (size / 8);
		CHECK(map[at] == at * 8);
	}
}

static void write_through(uint64_t at, uint64_t v)
{
	static uint64_t sector[64];
	struct plat_blk_req r = {
		.op = PLAT_BLK_WRITE, .offset_bytes = at, .p = sector, .n = sizeof(sector)
	};

	for (unsigned i = 0; i < ARRAY_LEN(sector); i++)
		sector[i] = v + i;
	CHECK(plat_blk_sync(0, &r) == 0);
	os_map_written(0, at, sector, sizeof(sector));
}

static void coherent(void)
{
	for (uint64_t at = 0; at < size; at += size / 16) {
		uint64_t to = at + 4096 - 512;
		CHECK(map[to / 8] == to); /* in memory when it is written */
		write_through(to, 7);
		CHECK(map[to / 8] == 7 && map[to / 8 + 63] == 70 && map[(to - 8) / 8] == to - 8);
		write_through(to, to / 512); /* and after it has been forgotten */
	}
	for (uint64_t at = 0; at < size; at += OS_MAP_PAGE)
		CHECK(map[at / 8] == at);
	for (uint64_t at = 0; at < size; at += size / 16)
		CHECK(map[(at + 4096 - 512) / 8] == (at + 4096 - 512) / 512);
}

/* malloc gets what the cache holds; the map works on with what is left. */
static void gives_way(void)
{
	uint64_t total, left;
	static void *blocks[1024];
	size_t n = 0;

	plat_memory(&total, &left);
	while (n < ARRAY_LEN(blocks) && (blocks[n] = malloc(64 << 10)))
		memset(blocks[n++], 1, 64 << 10);
	CHECK(n * (64 << 10) > left * 3 / 4);
	for (uint64_t at = 0; at < size / 2; at += 64 << 10)
		CHECK(map[at / 8] == at);
	while (n > 0)
		free(blocks[--n]);
}

/* Extents in another order than on the disk, attached later. */
static void extents(void)
{
	void *at;
	struct os_map_stats before, after;

	CHECK(os_map_reserve(&at, 8 * MB) == 0);
	CHECK(os_map_attach(at, 0, 4 * MB, 2 * MB) == 0);
	CHECK(os_map_attach((char *)at + 2 * MB, 0, 1 * MB, 3 * MB) == 0);
	CHECK(os_map_attach((char *)at + 3 * MB, 0, 0, MB) == ERR_EXIST);
	CHECK(os_map_attach((char *)at + 7 * MB, 0, 0, 2 * MB) == ERR_BAD);
	CHECK(os_map_attach((char *)at + 7 * MB, 0, size, MB) == ERR_BAD);
	const uint64_t *p = at;
	for (uint64_t i = 0; i < 5 * MB; i += 8192)
		CHECK(p[(i + 8) / 8] == (i < 2 * MB ? i + 4 * MB : i - MB) + 8);
	stats(&before);
	os_map_release(at, 8 * MB);
	stats(&after);
	CHECK(after.cached_pages < before.cached_pages);
	CHECK(os_map_reserve(&at, 8 * MB) == 0);
}

/* Copied instead of touched, any alignment, more than memory holds. */
static void copied(void)
{
	static char room[100000], want[100000];
	struct os_map_stats before, after;
	char *fresh;

	stats(&before);
	for (uint64_t at = 3; at + sizeof(room) < size; at += sizeof(room) - 1) {
		CHECK(os_disk_read_now(disk, at, room, sizeof(room)) == 0);
		for (size_t i = 8 - at % 8; i + 8 <= sizeof(room); i += 8)
			CHECK(*(const uint64_t *)(const void *)(room + i) == at + i);
	}
	stats(&after);
	CHECK(after.evictions > before.evictions);
	/* Memory that does not exist yet: making it may forget the page being copied. */
	for (unsigned i = 0; i < 20; i++) {
		fresh = malloc(sizeof(want));
		CHECK(fresh && os_map_read((const char *)map + i * MB, fresh, sizeof(want)) == 0);
		CHECK(os_map_read((const char *)map + i * MB, want, sizeof(want)) == 0);
		CHECK(memcmp(fresh, want, sizeof(want)) == 0 &&
			*(uint64_t *)(void *)fresh == i * MB);
		free(fresh);
	}
	CHECK(os_map_read((const char *)map + size - 1, room, 2) == ERR_BAD);
}

/* Breakage: a page that came anew passes for the one that was there. */
static void kept(void)
{
	CHECK(map[0] == 0);
	(void)os_map_kept(map);
	CHECK(os_map_kept(map) && os_map_kept((const char *)map + 100));
	straight(); /* more than memory holds */
	CHECK(!os_map_kept(map));
	CHECK(map[0] == 0 && !os_map_kept(map) && os_map_kept(map));
}

static void bounded(void)
{
	struct os_map_stats s;

	os_map_limit(MB);
	random_order();
	stats(&s);
	CHECK(s.max_pages == MB / OS_MAP_PAGE);
}

void os_start(void)
{
	void *at;
	struct os_map_stats s;

	CHECK(plat_blk_open(&size, 0) == 0);
	CHECK(os_map_reserve(&at, 64 * 1024 * MB) == 0);
	CHECK(os_map_attach(at, 0, 0, size) == 0);
	map = at;
	const char *mode = plat_args();
	if (!strcmp(mode, "mode=write"))
		*(volatile uint64_t *)at = 1;
	if (!strcmp(mode, "mode=beyond"))
		printf("read %lu beyond the end\n", *(volatile const uint64_t *)(map + size / 8));
	if (!strcmp(mode, "mode=bad-sector")) {
		CHECK(map[(8 * MB + 4096) / 8] == 8 * MB + 4096); /* its neighbours can be read */
		printf("neighbour ok\n");
		fflush(stdout);
		printf("read %lu\n", *(volatile const uint64_t *)(map + 8 * MB / 8));
	}
	CHECK(os_disk_open(&disk, 0) == 0);
	if (!strcmp(mode, "mode=bad-copy")) {
		uint64_t v = 0;
		int bad = os_disk_read_now(disk, 8 * MB, &v, sizeof(v));
		int good = os_disk_read_now(disk, 8 * MB + 4096, &v, sizeof(v));
		int again = os_disk_read_now(disk, 8 * MB, &(uint64_t){ 0 }, sizeof(v));
		CHECK(bad == ERR_IO && good == 0 && v == 8 * MB + 4096 && again == ERR_IO);
		printf("copy ok: %s\n", err_text(again));
		fflush(stdout);
		plat_exit(0);
	}
	random_order();
	straight();
	kept();
	copied();
	extents();
	gives_way();
	bounded();
	coherent();
	stats(&s);
	printf("map ok faults=%lu read=%lu evictions=%lu cached=%lu of %lu\n", s.faults,
		s.pages_read, s.evictions, s.cached_pages, s.max_pages);
	fflush(stdout);
	plat_exit(0);
}
