/* SPDX-License-Identifier: ISC */
/* Files as disks. */
#include "os/conf.h"
#include "os/disk.h"
#include "os/platform/unix/unix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct file {
	struct os_disk d;
	int fd;
};

static int fd_of(struct os_disk *d)
{
	return ((struct file *)d)->fd;
}

static int file_read(struct os_disk *d, uint64_t offset, void *p, size_t n)
{
	while (n > 0) {
		ssize_t got = pread(fd_of(d), p, n, (off_t)offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return err_set(ERR_IO, "disk: read at %llu: %s", (unsigned long long)offset,
				got ? strerror(errno) : "the file became shorter");
		p = (char *)p + got;
		offset += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

static int file_write(struct os_disk *d, uint64_t offset, const void *p, size_t n)
{
	while (n > 0) {
		ssize_t put = pwrite(fd_of(d), p, n, (off_t)offset);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return err_set(errno == ENOSPC ? ERR_NOSPACE : ERR_IO,
				"disk: write at %llu: %s", (unsigned long long)offset,
				strerror(errno));
		p = (const char *)p + put;
		offset += (uint64_t)put;
		n -= (size_t)put;
	}
	return 0;
}

static int sync_fd(void *arg)
{
	return fdatasync(*(int *)arg) < 0 ? -errno : 0;
}

static int file_flush(struct os_disk *d)
{
	int fd = fd_of(d), failed = unix_offload(sync_fd, &fd);

	return failed ? err_set(ERR_IO, "disk: flush: %s", strerror(-failed)) : 0;
}

static int file_map_reserve(void **out, struct os_disk *d, uint64_t n)
{
	void *at = mmap(NULL, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)d;
	if (at == MAP_FAILED)
		return err_set(ERR_NOMEM, "disk: no addresses for a map of %llu bytes",
			(unsigned long long)n);
	*out = at;
	return 0;
}

static int file_map_at(struct os_disk *d, void *at, uint64_t offset, uint64_t n)
{
	if (mmap(at, n, PROT_READ, MAP_SHARED | MAP_FIXED, fd_of(d), (off_t)offset) == MAP_FAILED)
		return err_set(ERR_NOMEM, "disk: can't be mapped: %s", strerror(errno));
	return 0;
}

static void file_map_release(struct os_disk *d, void *at, uint64_t n)
{
	(void)d;
	munmap(at, n);
}

/* Into the host's page cache, which is what the map shows. */
static int file_map_read(struct os_disk *d, const void *at, uint64_t offset, void *p, size_t n)
{
	(void)at;
	return file_read(d, offset, p, n);
}

static void file_close(struct os_disk *d)
{
	close(fd_of(d)); /* the lock goes with it */
	free(d);
}

static const struct os_disk_ops ops = {
	.read = file_read,
	.write = file_write,
	.flush = file_flush,
	.read_now = file_read, /* the host's page cache */
	.map_reserve = file_map_reserve,
	.map_at = file_map_at,
	.map_release = file_map_release,
	.map_read = file_map_read,
	.close = file_close,
};

/* Size, lock, and the rest of what an open file must be. */
static int adopt(uint64_t *size, int fd, const char *path, uint64_t wanted)
{
	struct stat st;

	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(ERR_BUSY, "disk %s: another process uses it", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(ERR_UNSUPPORTED, "disk %s: not a regular file", path);
	if (st.st_size == 0 && wanted > 0) {
		if (ftruncate(fd, (off_t)wanted) < 0 || fsync(fd) < 0)
			return err_set(ERR_IO, "disk %s: %s", path, strerror(errno));
		st.st_size = (off_t)wanted;
	}
	*size = (uint64_t)st.st_size;
	if (*size == 0 || *size % OS_SECTOR_BYTES)
		return err_set(ERR_BAD, "disk %s: its %llu bytes are not whole sectors", path,
			(unsigned long long)*size);
	return 0;
}

/* The name of a new file must outlive a power cut just as its bytes do. */
static int sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int failed = fd < 0 || fsync(fd) < 0;

	if (fd >= 0)
		close(fd);
	free(dir);
	return failed ? err_set(ERR_IO, "disk %s: its folder cannot be synced", path) : 0;
}

int os_disk_file(struct os_disk **out, const char *path, uint64_t size_bytes)
{
	int flags = O_RDWR | O_CLOEXEC | (size_bytes ? O_CREAT : 0);
	struct file *f;
	int err, fd;

	if (size_bytes % OS_SECTOR_BYTES)
		return err_set(ERR_BAD, "disk %s: %llu bytes are not whole sectors", path,
			(unsigned long long)size_bytes);
	fd = open(path, flags, 0600);
	if (fd < 0)
		return err_set(errno == ENOENT    ? ERR_NOENT
				: errno == EACCES ? ERR_DENIED
						  : ERR_IO,
			"disk %s: %s", path, strerror(errno));
	f = calloc(1, sizeof(*f));
	err = f ? adopt(&f->d.size_bytes, fd, path, size_bytes) : ERR_NOMEM;
	if (err == 0 && size_bytes)
		err = sync_folder(path);
	if (err < 0) {
		free(f);
		close(fd);
		return err;
	}
	f->d.ops = &ops;
	f->fd = fd;
	*out = &f->d;
	return 0;
}

int os_disk_open(struct os_disk **out, unsigned index)
{
	char name[16], *path;
	struct str value;
	int err;

	snprintf(name, sizeof(name), "disk%u", index);
	value = os_arg(name);
	if (value.n == 0)
		return err_set(ERR_NOENT, "no %s among the arguments", name);
	path = strndup(value.p, value.n);
	if (!path)
		return err_set(ERR_NOMEM, "no memory for a path");
	err = os_disk_file(out, path, 0);
	free(path);
	return err;
}
