/* SPDX-License-Identifier: ISC */
/* LMDB's file calls on a range of a disk; what each becomes stands in lmdb_shim.h. */
#include "store/lmdb_disk_impl.h"
#include "store/lmdb_shim.h"

#include <errno.h>

#define FD_BASE   0x40000000
#define FD_SYNC   1 /* the descriptor opened with O_DSYNC */
#define GATHER    (64 * 1024)
#define PATH_KIND "store:"

struct lmdb_disk {
	struct os_disk *d;
	uint64_t offset, n;
	bool fresh, failed;
	char *gather; /* GATHER bytes: pages that lie together on disk but not in memory */
};

static struct lmdb_disk *disks[LMDB_DISK_MAX];

int lmdb_disk_add(struct lmdb_disk **out, char path[static LMDB_DISK_PATH], struct os_disk *d,
	uint64_t offset, uint64_t n, bool fresh)
{
	int i = 0;

	if (!d->ops->map_reserve)
		return err_set(ERR_UNSUPPORTED, "store: this kind of disk can't be mapped");
	while (i < LMDB_DISK_MAX && disks[i])
		i++;
	if (i == LMDB_DISK_MAX)
		return err_set(ERR_LIMIT, "store: over %d stores open", LMDB_DISK_MAX);
	struct lmdb_disk *l = calloc(1, sizeof(*l));
	if (l)
		l->gather = malloc(GATHER);
	if (!l || !l->gather) {
		free(l);
		return err_set(ERR_NOMEM, "store: out of memory");
	}
	l->d = d;
	l->offset = offset;
	l->n = n;
	l->fresh = fresh;
	disks[i] = l;
	snprintf(path, LMDB_DISK_PATH, PATH_KIND "%d", i);
	*out = l;
	return 0;
}

void lmdb_disk_del(struct lmdb_disk *l)
{
	for (int i = 0; i < LMDB_DISK_MAX; i++)
		if (disks[i] == l)
			disks[i] = NULL;
	free(l->gather);
	free(l);
}

bool lmdb_disk_failed(const struct lmdb_disk *l)
{
	return l->failed;
}

static struct lmdb_disk *of_fd(int fd)
{
	unsigned slot = (unsigned)(fd - FD_BASE) / 2;
	os_assert(fd >= FD_BASE && slot < LMDB_DISK_MAX && disks[slot]);
	return disks[slot];
}

static bool inside(const struct lmdb_disk *l, off_t at, size_t n)
{
	return at >= 0 && (uint64_t)at <= l->n && n <= l->n - (uint64_t)at;
}

/* After the first failure nothing is written any more: what the disk holds is in doubt. */
static ssize_t broken(struct lmdb_disk *l)
{
	l->failed = true;
	errno = EIO;
	return -1;
}

int store_lmdb_open(const char *path, int flags, ...)
{
	unsigned slot = (unsigned)(path[sizeof(PATH_KIND) - 1] - '0');
	if (path[sizeof(PATH_KIND)])
		slot = slot * 10 + (unsigned)(path[sizeof(PATH_KIND)] - '0');
	os_assert(slot < LMDB_DISK_MAX && disks[slot]);
	return FD_BASE + (int)slot * 2 + (flags & O_DSYNC ? FD_SYNC : 0);
}

int store_lmdb_close(int fd)
{
	(void)of_fd(fd);
	return 0;
}

/* Any alignment: whole sectors directly, the rest through one sector's buffer. */
static int read_any(struct lmdb_disk *l, uint64_t at, char *p, size_t n)
{
	char sector[OS_SECTOR_BYTES];
	int err = 0;

	while (n > 0 && err >= 0) {
		size_t skip = at % OS_SECTOR_BYTES, take = n - n % OS_SECTOR_BYTES;
		if (skip == 0 && take > 0) {
			err = os_disk_read(l->d, l->offset + at, p, take);
		} else {
			take = n < OS_SECTOR_BYTES - skip ? n : OS_SECTOR_BYTES - skip;
			err = os_disk_read(l->d, l->offset + at - skip, sector, sizeof(sector));
			memcpy(p, sector + skip, take);
		}
		at += take;
		p += take;
		n -= take;
	}
	return err;
}

/* A sector partly overwritten is read first and goes out as one write, so it can't tear. */
static int write_any(struct lmdb_disk *l, uint64_t at, const char *p, size_t n)
{
	char sector[OS_SECTOR_BYTES];
	int err = 0;

	while (n > 0 && err >= 0) {
		size_t skip = at % OS_SECTOR_BYTES, take = n - n % OS_SECTOR_BYTES;
		if (skip == 0 && take > 0) {
			err = os_disk_write(l->d, l->offset + at, p, take);
		} else {
			take = n < OS_SECTOR_BYTES - skip ? n : OS_SECTOR_BYTES - skip;
			err = os_disk_read(l->d, l->offset + at - skip, sector, sizeof(sector));
			memcpy(sector + skip, p, take);
			if (err >= 0)
				err = os_disk_write(
					l->d, l->offset + at - skip, sector, sizeof(sector));
		}
		at += take;
		p += take;
		n -= take;
	}
	return err;
}

ssize_t store_lmdb_pread(int fd, void *p, size_t n, off_t at)
{
	struct lmdb_disk *l = of_fd(fd);
	if (l->fresh)
		return 0;
	if (!inside(l, at, n) || read_any(l, (uint64_t)at, p, n) < 0) {
		errno = EIO;
		return -1;
	}
	return (ssize_t)n;
}

ssize_t store_lmdb_pwrite(int fd, const void *p, size_t n, off_t at)
{
	struct lmdb_disk *l = of_fd(fd);
	if (l->failed || !inside(l, at, n) || write_any(l, (uint64_t)at, p, n) < 0)
		return broken(l);
	l->fresh = false;
	if ((fd - FD_BASE) & FD_SYNC && os_disk_flush(l->d) < 0)
		return broken(l);
	return (ssize_t)n;
}

ssize_t store_lmdb_pwritev(int fd, const struct iovec *iov, int count, off_t at)
{
	struct lmdb_disk *l = of_fd(fd);
	uint64_t to = (uint64_t)at;
	size_t held = 0;

	for (int i = 0; i < count; i++) {
		const char *p = iov[i].iov_base;
		size_t n = iov[i].iov_len;
		if (held && held + n > GATHER) {
			if (store_lmdb_pwrite(fd, l->gather, held, (off_t)to) < 0)
				return -1;
			to += held;
			held = 0;
		}
		if (n > GATHER || (held == 0 && i + 1 == count)) {
			if (store_lmdb_pwrite(fd, p, n, (off_t)to) < 0)
				return -1;
			to += n;
		} else {
			memcpy(l->gather + held, p, n);
			held += n;
		}
	}
	if (held && store_lmdb_pwrite(fd, l->gather, held, (off_t)to) < 0)
		return -1;
	return (ssize_t)(to + held - (uint64_t)at);
}

int store_lmdb_fdatasync(int fd)
{
	struct lmdb_disk *l = of_fd(fd);
	if (l->failed || os_disk_flush(l->d) < 0)
		return (int)broken(l);
	return 0;
}

int store_lmdb_fstat(int fd, struct stat *st)
{
	*st = (struct stat){ .st_size = (off_t)of_fd(fd)->n };
	return 0;
}

/* munmap does not say whose map it is: remember. */
static struct mapping {
	struct lmdb_disk *l;
	void *at;
} maps[LMDB_DISK_MAX];

void *store_lmdb_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	struct lmdb_disk *l = of_fd(fd);
	int i = 0;

	(void)at;
	(void)flags;
	while (i < LMDB_DISK_MAX && maps[i].at)
		i++;
	if (prot != PROT_READ || offset != 0 || n > l->n || i == LMDB_DISK_MAX) {
		errno = EINVAL;
		return MAP_FAILED;
	}
	if (l->d->ops->map_reserve(&at, l->d, n) < 0) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	if (l->d->ops->map_at(l->d, at, l->offset, n) < 0) {
		l->d->ops->map_release(l->d, at, n);
		errno = ENOMEM;
		return MAP_FAILED;
	}
	maps[i].l = l;
	maps[i].at = at;
	return at;
}

int store_lmdb_munmap(void *at, size_t n)
{
	for (int i = 0; i < LMDB_DISK_MAX; i++) {
		if (maps[i].at != at)
			continue;
		maps[i].l->d->ops->map_release(maps[i].l->d, at, n);
		maps[i].at = NULL;
		return 0;
	}
	errno = EINVAL;
	return -1;
}

long store_lmdb_sysconf(int name)
{
	(void)name; /* LMDB asks for the page size only */
	return LMDB_DISK_PAGE;
}

int store_lmdb_never(int fd, ...)
{
	(void)fd;
	errno = ENOSYS;
	return -1;
}
