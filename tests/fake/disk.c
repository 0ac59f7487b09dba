/* SPDX-License-Identifier: ISC */
#include "tests/fake/tape.h"

#include <sys/mman.h>
#include <unistd.h>

struct fake_write {
	struct fake_write *next;
	uint64_t serial, at;
	size_t n;
	uint8_t bytes[];
};

uint64_t fake_random(uint64_t *seed)
{
	uint64_t x = (*seed += 0x9e3779b97f4a7c15u); /* splitmix64 */
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static struct fake_disk *fake_of(struct os_disk *d)
{
	return (struct fake_disk *)d;
}

static int fails(struct fake_disk *f, bool is_read)
{
	if (f->fail_after && (!is_read || f->fails_reads)) {
		if (f->fail_after == 1)
			return err_set(ERR_IO, "fake disk: told to fail");
		f->fail_after--;
	}
	return 0;
}

static int is_bad(const struct fake_disk *f, uint64_t at, size_t n)
{
	if (!f->bad_n || at >= f->bad_at + f->bad_n || f->bad_at >= at + n)
		return 0;
	return err_set(ERR_IO, "fake disk: these bytes can't be read");
}

static int turn(struct fake_disk *f, bool is_read)
{
	if (!f->eager && os_self())
		os_yield();
	return fails(f, is_read);
}

static int fake_read(struct os_disk *d, uint64_t at, void *p, size_t n)
{
	struct fake_disk *f = fake_of(d);
	int err = turn(f, true);
	f->reads++;
	if (err >= 0)
		err = is_bad(f, at, n);
	if (err >= 0)
		memcpy(p, f->live + at, n);
	return err;
}

static void add_pending(struct fake_disk *f, uint64_t at, const void *p, size_t n)
{
	struct fake_write *w = malloc(sizeof(*w) + n);

	os_assert(w);
	w->next = NULL;
	w->serial = f->serial++;
	w->at = at;
	w->n = n;
	memcpy(w->bytes, p, n);
	*f->pending_end = w;
	f->pending_end = &w->next;
}

static int fake_write(struct os_disk *d, uint64_t at, const void *p, size_t n)
{
	struct fake_disk *f = fake_of(d);
	int err = turn(f, false);

	f->writes++;
	if (err >= 0 && f->on_op)
		f->on_op(f);
	if (f->tape)
		fake_tape_write(f->tape, at, p, n);
	add_pending(f, at, p, n); /* one that failed may have got there all the same */
	if (err >= 0)
		memcpy(f->live + at, p, n);
	if (err >= 0 && at <= f->bad_at && f->bad_at + f->bad_n <= at + n)
		f->bad_n = 0; /* as disks put another sector in its place */
	return err;
}

/* Drops the writes before `serial` from what is pending; on the disk for good, if `keep`. */
static void settle(struct fake_disk *f, uint64_t serial, bool keep)
{
	struct fake_write *w;

	while ((w = f->pending) && w->serial < serial) {
		if (keep)
			memcpy(f->durable + w->at, w->bytes, w->n);
		f->pending = w->next;
		free(w);
	}
	if (!f->pending)
		f->pending_end = &f->pending;
}

static int fake_flush(struct os_disk *d)
{
	struct fake_disk *f = fake_of(d);
	uint64_t serial =
		f->serial; /* a write that comes while the flush is under way is not in it */
	size_t sure = f->tape ? f->tape->n : 0;
	int err = turn(f, false);

	f->flushes++;
	if (err >= 0 && f->on_op)
		f->on_op(f);
	if (f->on_flush)
		f->on_flush(f);
	if (err < 0 || f->ignores_flush)
		return err;
	if (f->tape)
		fake_tape_flush(f->tape, sure);
	settle(f, serial, true);
	return 0;
}

static int fake_read_now(struct os_disk *d, uint64_t at, void *p, size_t n)
{
	struct fake_disk *f = fake_of(d);
	int err = fails(f, true);

	if (err >= 0)
		err = is_bad(f, at, n);
	if (err >= 0)
		memcpy(p, f->live + at, n);
	return err;
}

static int fake_map_reserve(void **at, struct os_disk *d, uint64_t n)
{
	(void)d;
	*at = mmap(NULL, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	os_assert(*at != MAP_FAILED);
	return 0;
}

static int fake_map_at(struct os_disk *d, void *at, uint64_t offset, uint64_t n)
{
	/* Writable, so that tests may flip bits in it. */
	void *got = mmap(at, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fake_of(d)->live_fd,
		(off_t)offset);

	os_assert(got == at);
	return 0;
}

static void fake_map_release(struct os_disk *d, void *at, uint64_t n)
{
	(void)d;
	munmap(at, n);
}

static int fake_map_read(struct os_disk *d, const void *at, uint64_t offset, void *p, size_t n)
{
	int err = is_bad(fake_of(d), offset & ~(uint64_t)4095, 4096); /* a whole page is read */

	(void)at;
	return err < 0 ? err : fake_read_now(d, offset, p, n);
}

static bool fake_map_kept(struct os_disk *d, const void *at, uint64_t offset)
{
	struct fake_disk *f = fake_of(d);
	bool again = f->again_at && offset / 4096 == f->again_at / 4096;

	(void)at;
	if (again)
		f->again_at = 0;
	return !again;
}

static void fake_close(struct os_disk *d)
{
	struct fake_disk *f = fake_of(d);
	settle(f, UINT64_MAX, false);
	munmap(f->live, f->d.size_bytes);
	close(f->live_fd);
	munmap(f->durable, f->d.size_bytes);
	free(f);
}

static const struct os_disk_ops ops = { fake_read, fake_write, fake_flush, fake_read_now,
	fake_map_reserve, fake_map_at, fake_map_release, fake_map_read, fake_map_kept, fake_close };

/* fd -1: private memory. */
static uint8_t *zeroes(uint64_t bytes, int fd)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED;
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
	os_assert(p != MAP_FAILED);
	return p;
}

struct fake_disk *fake_disk_new(uint64_t bytes)
{
	struct fake_disk *f = calloc(1, sizeof(*f));
	os_assert(f);
	f->d.ops = &ops;
	f->d.size_bytes = bytes;
	f->live_fd = memfd_create("fake disk", MFD_CLOEXEC);
	os_assert(f->live_fd >= 0 && ftruncate(f->live_fd, (off_t)bytes) == 0);
	f->live = zeroes(bytes, f->live_fd);
	f->durable = zeroes(bytes, -1);
	f->pending_end = &f->pending;
	return f;
}

struct fake_disk *fake_disk_broken(uint64_t bytes)
{
	struct fake_disk *f = fake_disk_new(bytes);
	f->fail_after = 1;
	f->fails_reads = true;
	return f;
}

/* Into an empty disk: memory for zeroes is not touched. */
static void copy_used(uint8_t *to, const uint8_t *from, uint64_t n)
{
	static const uint8_t zero[4096];

	for (uint64_t i = 0; i < n; i += sizeof(zero)) {
		size_t part = n - i < sizeof(zero) ? (size_t)(n - i) : sizeof(zero);
		if (memcmp(from + i, zero, part) != 0)
			memcpy(to + i, from + i, part);
	}
}

static void tear(struct fake_disk *g, const struct fake_write *w, uint64_t *seed)
{
	for (size_t i = 0; i < w->n; i += OS_SECTOR_BYTES)
		if (fake_random(seed) & 1)
			memcpy(g->live + w->at + i, w->bytes + i, OS_SECTOR_BYTES);
}

struct fake_disk *fake_disk_sure(const struct fake_disk *f)
{
	struct fake_disk *g = fake_disk_new(f->d.size_bytes);

	copy_used(g->live, f->durable, f->d.size_bytes);
	copy_used(g->durable, f->durable, f->d.size_bytes);
	g->eager = true;
	return g;
}

struct fake_disk *fake_disk_cut(const struct fake_disk *f, uint64_t *seed)
{
	struct fake_disk *g = fake_disk_new(f->d.size_bytes);
	const struct fake_write **all;
	size_t n = 0, i = 0;
	unsigned how = fake_random(seed) % 4; /* nothing, everything, whole writes, sectors */

	copy_used(g->live, f->durable, f->d.size_bytes);
	for (const struct fake_write *w = f->pending; w; w = w->next)
		n++;
	all = calloc(n + 1, sizeof(const struct fake_write *));
	os_assert(all);
	for (const struct fake_write *w = f->pending; w; w = w->next)
		all[i++] = w;
	for (i = n; i > 1 && how != 1; i--) { /* reordered */
		size_t j = fake_random(seed) % i;
		const struct fake_write *w = all[i - 1];
		all[i - 1] = all[j];
		all[j] = w;
	}
	for (i = 0; i < n && how; i++) {
		if (how == 3)
			tear(g, all[i], seed);
		else if (how == 1 || fake_random(seed) & 1)
			memcpy(g->live + all[i]->at, all[i]->bytes, all[i]->n);
	}
	free(all);
	copy_used(g->durable, g->live, f->d.size_bytes);
	g->eager = true;
	return g;
}
