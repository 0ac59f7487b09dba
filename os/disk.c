/* SPDX-License-Identifier: ISC */
#include "os/disk.h"

static int check_inside(const struct os_disk *d, const char *what, uint64_t offset, size_t n)
{
	if (offset > d->size_bytes || n > d->size_bytes - offset)
		return err_set(ERR_BAD, "disk: %s of %zu bytes at %llu, outside its %llu", what, n,
			(unsigned long long)offset, (unsigned long long)d->size_bytes);
	return 0;
}

static int check(const struct os_disk *d, const char *what, uint64_t offset, size_t n)
{
	if (offset % OS_SECTOR_BYTES || n % OS_SECTOR_BYTES)
		return err_set(ERR_BAD, "disk: %s of %zu bytes at %llu: no whole sectors", what, n,
			(unsigned long long)offset);
	return check_inside(d, what, offset, n);
}

int os_disk_read(struct os_disk *d, uint64_t offset, void *p, size_t n)
{
	int err = check(d, "read", offset, n);

	return err < 0 || n == 0 ? err : d->ops->read(d, offset, p, n);
}

int os_disk_read_now(struct os_disk *d, uint64_t offset, void *p, size_t n)
{
	int err = check_inside(d, "read", offset, n);

	return err < 0 || n == 0 ? err : d->ops->read_now(d, offset, p, n);
}

int os_disk_write(struct os_disk *d, uint64_t offset, const void *p, size_t n)
{
	int err = check(d, "write", offset, n);

	return err < 0 || n == 0 ? err : d->ops->write(d, offset, p, n);
}

int os_disk_flush(struct os_disk *d)
{
	return d->ops->flush(d);
}

void os_disk_close(struct os_disk *d)
{
	d->ops->close(d);
}
