/* SPDX-License-Identifier: ISC */
/*
 * `mode=write` fills the disk and flushes, `mode=read` in a later boot finds it all. Breakage: a
 * request cut wrong where it crosses pages or outgrows the ring, a completion lost or given to
 * another request, a flush that is not sent, an offset past the end that is.
 */
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

#define REQUESTS 64
#define PIECE    (24 << 10)
#define LONG     (3 << 20)

static unsigned completed;
static uint64_t size;

static void done(struct plat_blk_req *r)
{
	CHECK(r->err == 0);
	completed++;
	*(bool *)r->ctx = true;
}

static uint8_t byte_at(uint64_t at)
{
	return (uint8_t)(at * 31 + (at >> 9) * 7 + (at >> 16));
}

static void fill(uint8_t *p, uint64_t at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = byte_at(at + i);
}

static void verify(const uint8_t *p, uint64_t at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		CHECK(p[i] == byte_at(at + i));
}

/* Far more requests at once than the ring holds, memory at odd places. */
static void many(enum plat_blk_op op)
{
	static struct plat_blk_req reqs[REQUESTS];
	static bool is_done[REQUESTS];
	static uint8_t *memory[REQUESTS];
	unsigned waited = 0;

	completed = 0;
	for (unsigned i = 0; i < REQUESTS; i++) {
		uint64_t at = (uint64_t)((i * 37) % REQUESTS) * PIECE;
		memory[i] = malloc(PIECE + 700);
		CHECK(memory[i]);
		uint8_t *p = memory[i] + i * 8 + 1;
		if (op == PLAT_BLK_WRITE)
			fill(p, at, PIECE);
		reqs[i] = (struct plat_blk_req){ .op = op,
			.offset_bytes = at,
			.p = p,
			.n = PIECE,
			.done = done,
			.ctx = &is_done[i] };
		int err;
		while ((err = plat_blk_submit(0, &reqs[i])) == ERR_BUSY) {
			waited++;
			plat_wait(plat_mono_ns() + 1000000000);
			plat_poll();
		}
		CHECK(err == 0);
	}
	while (completed < REQUESTS) {
		plat_wait(plat_mono_ns() + 1000000000);
		plat_poll();
	}
	CHECK(waited > 0);
	for (unsigned i = 0; i < REQUESTS; i++) {
		CHECK(is_done[i]);
		verify(reqs[i].p, reqs[i].offset_bytes, PIECE);
		free(memory[i]);
	}
}

static void one(enum plat_blk_op op, uint64_t at, void *p, size_t n, bool wait)
{
	bool is_done = false;
	struct plat_blk_req r = {
		.op = op, .offset_bytes = at, .p = p, .n = n, .done = done, .ctx = &is_done
	};

	if (wait) {
		CHECK(plat_blk_sync(0, &r) == 0);
		return;
	}
	CHECK(plat_blk_submit(0, &r) == 0);
	while (!is_done) {
		plat_wait(plat_mono_ns() + 1000000000);
		plat_poll();
	}
}

static void refused(void)
{
	uint8_t p[512];
	struct plat_blk_req r = { .op = PLAT_BLK_READ, .offset_bytes = size, .p = p, .n = 512 };

	CHECK(plat_blk_submit(0, &r) == ERR_BAD);
	r.offset_bytes = size - 512;
	r.n = 1024;
	CHECK(plat_blk_sync(0, &r) == ERR_BAD);
	r.n = 100;
	CHECK(plat_blk_submit(0, &r) == ERR_BAD);
	CHECK(plat_blk_submit(1, &r) == ERR_NOENT);
}

void os_start(void)
{
	bool write = !strcmp(plat_args(), "mode=write");
	uint8_t *p = malloc(LONG + 1);

	CHECK(plat_blk_open(&size, 0) == 0 && p);
	refused();
	if (!strcmp(plat_args(), "mode=flush-fails")) {
		struct plat_blk_req r = { .op = PLAT_BLK_FLUSH };
		one(PLAT_BLK_WRITE, 0, p, 512, true);
		CHECK(plat_blk_sync(0, &r) == ERR_IO && r.err == ERR_IO);
		printf("flush failed as it should\n");
		fflush(stdout);
		plat_exit(0);
	}
	if (write) {
		many(PLAT_BLK_WRITE);
		fill(p + 1, size - LONG, LONG);
		one(PLAT_BLK_WRITE, size - LONG, p + 1, LONG, false);
		one(PLAT_BLK_FLUSH, 0, NULL, 0, false);
		one(PLAT_BLK_FLUSH, 0, NULL, 0, true);
	}
	many(PLAT_BLK_READ);
	for (unsigned i = 0; i < 2; i++) {
		memset(p, 0, LONG + 1);
		one(PLAT_BLK_READ, size - LONG, p + 1, LONG, i);
		verify(p + 1, size - LONG, LONG);
	}
	printf("disk ok\n");
	fflush(stdout);
	plat_exit(0);
}
