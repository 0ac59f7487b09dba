/* SPDX-License-Identifier: ISC */
/* Block devices as disks: each call gives a request to the device and lets other fibers run. */
#include "os/disk.h"
#include "os/fiber_impl.h"
#include "os/map.h"
#include "os/platform.h"

struct blk {
	struct os_disk d;
	unsigned index;
	void *whole; /* the disk as a map, for read_now; NULL until used */
};

struct job {
	struct plat_blk_req req;
	bool done;
	struct os_waitq waiter;
};

static void job_done(struct plat_blk_req *req)
{
	struct job *job = req->ctx;

	job->done = true;
	os_lend_end();
	os_wake_all(&job->waiter);
}

static int run(struct os_disk *d, enum plat_blk_op op, uint64_t offset, void *p, size_t n)
{
	unsigned index = ((struct blk *)d)->index;
	struct job job = {
		.req = { .op = op, .offset_bytes = offset, .p = p, .n = n, .done = job_done },
	};
	int err;

	job.req.ctx = &job;
	if (!os_self()) {
		err = plat_blk_sync(index, &job.req);
		return err < 0 ? err : job.req.err;
	}
	while ((err = plat_blk_submit(index, &job.req)) == ERR_BUSY)
		os_yield();
	if (err == 0)
		os_lend(); /* done() comes from plat_poll only */
	while (err == 0 && !job.done)
		err = os_wait(&job.waiter, OS_FOREVER);
	if (err == 0 && job.req.err < 0)
		err = err_set(job.req.err, "disk%u: the device failed at %llu", index,
			(unsigned long long)offset);
	return err;
}

static int blk_read(struct os_disk *d, uint64_t offset, void *p, size_t n)
{
	return run(d, PLAT_BLK_READ, offset, p, n);
}

static int blk_write(struct os_disk *d, uint64_t offset, const void *p, size_t n)
{
	int err = run(d, PLAT_BLK_WRITE, offset, (void *)(uintptr_t)p, n);

	if (err == 0)
		os_map_written(((struct blk *)d)->index, offset, p, n);
	return err;
}

static int blk_flush(struct os_disk *d)
{
	return run(d, PLAT_BLK_FLUSH, 0, NULL, 0);
}

static uint64_t whole_bytes(const struct blk *b)
{
	return b->d.size_bytes & -(uint64_t)OS_MAP_PAGE;
}

static int map_whole(struct blk *b)
{
	void *at;
	int err = os_map_reserve(&at, whole_bytes(b));

	if (err < 0)
		return err;
	err = os_map_attach(at, b->index, 0, whole_bytes(b));
	if (err < 0)
		os_map_release(at, whole_bytes(b));
	else
		b->whole = at;
	return err;
}

/* The last page is not in the map when it is not a whole one. */
static int read_rest(struct blk *b, uint64_t offset, char *p, size_t n)
{
	char sector[OS_SECTOR_BYTES];

	while (n > 0) {
		size_t skip = offset % sizeof(sector), take = sizeof(sector) - skip;
		struct plat_blk_req req = { .op = PLAT_BLK_READ,
			.offset_bytes = offset - skip,
			.p = sector,
			.n = sizeof(sector) };
		int err = plat_blk_sync(b->index, &req);
		if (err < 0 || req.err < 0)
			return err_set(ERR_IO, "disk%u: the device failed at %llu", b->index,
				(unsigned long long)offset);
		take = take < n ? take : n;
		memcpy(p, sector + skip, take);
		offset += take;
		p += take;
		n -= take;
	}
	return 0;
}

static int blk_read_now(struct os_disk *d, uint64_t offset, void *p, size_t n)
{
	struct blk *b = (struct blk *)d;
	size_t take = 0;
	int err = b->whole || !whole_bytes(b) ? 0 : map_whole(b);

	if (err >= 0 && offset < whole_bytes(b)) {
		take = whole_bytes(b) - offset < n ? whole_bytes(b) - offset : n;
		err = os_map_read((char *)b->whole + offset, p, take);
	}
	return err < 0 ? err : read_rest(b, offset + take, (char *)p + take, n - take);
}

static int blk_map_reserve(void **at, struct os_disk *d, uint64_t n)
{
	(void)d;
	return os_map_reserve(at, n);
}

static int blk_map_at(struct os_disk *d, void *at, uint64_t offset, uint64_t n)
{
	return os_map_attach(at, ((struct blk *)d)->index, offset, n);
}

static void blk_map_release(struct os_disk *d, void *at, uint64_t n)
{
	(void)d;
	os_map_release(at, n);
}

static int blk_map_read(struct os_disk *d, const void *at, uint64_t offset, void *p, size_t n)
{
	(void)d;
	(void)offset;
	return os_map_read(at, p, n);
}

static bool blk_map_kept(struct os_disk *d, const void *at, uint64_t offset)
{
	(void)d;
	(void)offset;
	return os_map_kept(at);
}

static void blk_close(struct os_disk *d)
{
	struct blk *b = (struct blk *)d;

	if (b->whole)
		os_map_release(b->whole, whole_bytes(b));
	free(b);
}

static const struct os_disk_ops ops = {
	.read = blk_read,
	.write = blk_write,
	.flush = blk_flush,
	.read_now = blk_read_now,
	.map_reserve = blk_map_reserve,
	.map_at = blk_map_at,
	.map_release = blk_map_release,
	.map_read = blk_map_read,
	.map_kept = blk_map_kept,
	.close = blk_close,
};

int os_disk_open(struct os_disk **out, unsigned index)
{
	struct blk *b;
	uint64_t size;
	int err = plat_blk_open(&size, index);

	if (err < 0)
		return err;
	b = calloc(1, sizeof(*b));
	if (!b)
		return err_set(ERR_NOMEM, "no memory for a disk");
	*b = (struct blk){ .d = { &ops, size / OS_SECTOR_BYTES * OS_SECTOR_BYTES },
		.index = index };
	*out = &b->d;
	return 0;
}

int os_disk_file(struct os_disk **out, const char *path, uint64_t size_bytes)
{
	(void)out, (void)size_bytes;
	return err_set(ERR_UNSUPPORTED, "disk %s: there are no files here", path);
}
