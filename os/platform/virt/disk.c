/* SPDX-License-Identifier: ISC */
/* Block devices as disks: each call gives a request to the device and lets other fibers run. */
#include "os/disk.h"
#include "os/fiber_impl.h"
#include "os/map.h"
#include "os/platform.h"

struct blk {
	struct os_disk d;
	unsigned index;
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

static void *blk_map(struct os_disk *d, uint64_t offset, uint64_t n)
{
	uint64_t len = (n + OS_MAP_PAGE - 1) / OS_MAP_PAGE * OS_MAP_PAGE;
	void *at;

	if (os_map_reserve(&at, len) < 0)
		return NULL;
	if (os_map_attach(at, ((struct blk *)d)->index, offset, len) < 0) {
		os_map_release(at, len);
		return NULL;
	}
	return at;
}

static void blk_unmap(struct os_disk *d, void *at, uint64_t n)
{
	(void)d;
	os_map_release(at, (n + OS_MAP_PAGE - 1) / OS_MAP_PAGE * OS_MAP_PAGE);
}

static void blk_close(struct os_disk *d)
{
	free(d);
}

static const struct os_disk_ops ops = {
	.read = blk_read,
	.write = blk_write,
	.flush = blk_flush,
	.map = blk_map,
	.unmap = blk_unmap,
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
