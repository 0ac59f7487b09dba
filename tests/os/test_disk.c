/* SPDX-License-Identifier: ISC */
#include "os/disk.h"
#include "os/main.h"
#include "os/platform/unix/unix.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE ((uint64_t)1 << 20)

static char dir[] = "/tmp/allod-disk-XXXXXX", path[64];

static void setup(void)
{
	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/d", dir);
}
static void teardown(void)
{
	unlink(path);
	rmdir(dir);
}
TestSuite(disk, .init = setup, .fini = teardown);

static int round_trip(void *arg)
{
	static char in[4096], out[4096];
	struct os_disk *d = arg;
	void *at;
	const char *map;

	memset(in, 'x', sizeof(in));
	cr_assert_eq(d->ops->map_reserve(&at, d, 1ull << 30), 0);
	map = at;
	/* In another order than on the disk, the second later. */
	cr_assert_eq(d->ops->map_at(d, at, 65536, 65536), 0);
	cr_assert_eq(d->ops->map_at(d, (char *)at + 65536, 0, 65536), 0);
	map += 65536;
	cr_expect_eq(map[8192], 0);
	cr_expect_eq(os_disk_write(d, 8192, in, sizeof(in)), 0);
	cr_expect(memcmp(map + 8192, in, sizeof(in)) == 0, "the map is coherent with writes");
	cr_expect_eq(os_disk_flush(d), 0);
	cr_expect_eq(os_disk_read(d, 8192, out, sizeof(out)), 0);
	cr_expect(memcmp(in, out, sizeof(in)) == 0);
	cr_expect_eq(os_disk_read_now(d, 8192 - 3, out, 10), 0);
	cr_expect(memcmp(out, "\0\0\0xxxxxxx", 10) == 0, "any alignment");
	d->ops->map_release(d, at, 1ull << 30);
	return 7;
}

Test(disk, a_file_is_a_disk)
{
	static const struct {
		uint64_t offset;
		size_t n;
	} bad[] = { { 1, 512 }, { 0, 511 }, { SIZE, 512 }, { SIZE - 512, 1024 },
		{ 1ull << 63, 512 }, { UINT64_MAX - 511, 512 } };
	static char room[1024];
	struct os_disk *d, *again;

	cr_expect_eq(os_disk_file(&d, path, 0), ERR_NOENT);
	cr_expect_eq(os_disk_file(&d, path, 1000), ERR_BAD);
	cr_assert_eq(os_disk_file(&d, path, SIZE), 0, "%s", err_text(ERR_IO));
	cr_expect_eq(d->size_bytes, SIZE);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		cr_expect_eq(os_disk_read(d, bad[i].offset, room, bad[i].n), ERR_BAD);
		cr_expect_eq(os_disk_write(d, bad[i].offset, room, bad[i].n), ERR_BAD);
	}
	cr_expect_eq(os_disk_read_now(d, SIZE - 2, room, 2), 0);
	cr_expect_eq(os_disk_read_now(d, SIZE - 2, room, 3), ERR_BAD);
	cr_expect_eq(os_disk_read_now(d, UINT64_MAX, room, 2), ERR_BAD);
	cr_expect_eq(os_run(round_trip, d), 7);
	cr_expect_eq(os_disk_flush(d), 0, "also outside of fibers");
	/* Catches a missing lock: two services on one disk would destroy it. */
	cr_expect_eq(os_disk_file(&again, path, SIZE), ERR_BUSY);
	os_disk_close(d);
	cr_assert_eq(os_disk_file(&d, path, 2 * SIZE), 0);
	cr_expect_eq(d->size_bytes, SIZE, "an existing file keeps its size");
	os_disk_close(d);
}

Test(disk, by_boot_argument)
{
	struct os_disk *d;
	char args[128];

	cr_assert_eq(os_disk_file(&d, path, SIZE), 0);
	os_disk_close(d);
	snprintf(args, sizeof(args), "disk1=\"%s\" disk2=/nonexistent/d", path);
	unix_set_args(args);
	cr_expect_eq(os_disk_open(&d, 0), ERR_NOENT);
	cr_expect_eq(os_disk_open(&d, 2), ERR_NOENT);
	cr_assert_eq(os_disk_open(&d, 1), 0);
	cr_expect_eq(d->size_bytes, SIZE);
	os_disk_close(d);
}

static int flushes;
static void flusher(void *arg)
{
	cr_expect_eq(os_disk_flush(arg), 0);
	flushes++;
}

static int others_run(void *arg)
{
	for (int i = 0; i < 20; i++)
		cr_assert_eq(os_spawn("flusher", flusher, arg), 0);
	cr_expect_eq(flushes, 0);
	while (os_fiber_count() > 1)
		os_sleep(os_after(OS_MS));
	return flushes;
}

static int ends_early(void *arg)
{
	for (int i = 0; i < 20; i++)
		cr_assert_eq(os_spawn("flusher", flusher, arg), 0);
	os_yield();
	return 7;
}

/* Catches a fiber dropped while a helper thread still writes to its stack. */
Test(disk, flushes_under_way_at_the_end, .timeout = 30)
{
	struct os_disk *d;

	cr_assert_eq(os_disk_file(&d, path, SIZE), 0);
	for (int i = 0; i < 50; i++)
		cr_expect_eq(os_run(ends_early, d), 7);
	os_disk_close(d);
}

/* Catches a flush that stops the whole process, or a lost completion. */
Test(disk, a_flush_blocks_only_its_fiber, .timeout = 30)
{
	struct os_disk *d;

	cr_assert_eq(os_disk_file(&d, path, SIZE), 0);
	cr_expect_eq(os_run(others_run, d), 20);
	os_disk_close(d);
}
