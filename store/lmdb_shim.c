/* SPDX-License-Identifier: ISC */
/* LMDB's file calls on extents of a disk; what each becomes stands in lmdb_shim.h. */
#include "store/lmdb_disk_impl.h"
#include "store/lmdb_shim.h"

#include "os/log.h"

#include <errno.h>
#include <libdeflate.h>

#define FD_BASE   0x40000000
#define FD_SYNC   1 /* the descriptor opened with O_DSYNC */
#define GATHER    (64 * 1024)
#define PATH_KIND "store:"
#define META      2 /* the first pages, written in part: LMDB chooses between them */
/* In a page behind its number: mp_pad, of use only for fixed-size duplicates; mp_flags, of which
 * P_OVERFLOW; how many pages the value has. */
#define CHECK_AT  8
#define FLAGS_AT  10
#define OVERFLOWN 4
#define PAGES_AT  12

struct lmdb_disk {
	struct os_disk *d;
	struct kv_extent extents[KV_EXTENTS];
	unsigned count;
	uint64_t n; /* bytes of all */
	char *map;
	uint64_t reserved;
	bool fresh, failed, damaged;
	uint8_t *sound; /* a bit for each page found sound since it was written; if map_kept */
	char *gather;   /* GATHER bytes: pages that lie together in the file but not in memory */
};

static struct lmdb_disk *disks[LMDB_DISK_MAX];

int lmdb_disk_grow(struct lmdb_disk *l, const struct kv_extent *x)
{
	struct kv_extent *last = l->count ? &l->extents[l->count - 1] : NULL;
	int err;

	if (x->bytes > l->reserved - l->n)
		return err_set(ERR_LIMIT, "store: the index would be over %llu bytes",
			(unsigned long long)l->reserved);
	if (last && last->offset + last->bytes != x->offset)
		last = NULL;
	if (!last && l->count == KV_EXTENTS)
		return err_set(ERR_LIMIT, "store: the index is in over %d pieces", KV_EXTENTS);
	size_t old = l->n / LMDB_DISK_PAGE / 8 + 1,
	       now = (l->n + x->bytes) / LMDB_DISK_PAGE / 8 + 1;
	uint8_t *sound = realloc(l->sound, now);
	if (!sound)
		return err_set(ERR_NOMEM, "store: out of memory");
	memset(sound + (l->n ? old : 0), 0, now - (l->n ? old : 0));
	l->sound = sound;
	err = l->d->ops->map_at(l->d, l->map + l->n, x->offset, x->bytes);
	if (err < 0)
		return err;
	l->n += x->bytes;
	if (last)
		last->bytes += x->bytes;
	else
		l->extents[l->count++] = *x;
	return 0;
}

int lmdb_disk_add(struct lmdb_disk **out, struct lmdb_disk_name *name, struct os_disk *d,
	const struct kv_extent *extents, unsigned count, bool fresh)
{
	struct lmdb_disk *l;
	void *at;
	int err, i = 0;

	if (!d->ops->map_reserve)
		return err_set(ERR_UNSUPPORTED, "store: this kind of disk can't be mapped");
	while (i < LMDB_DISK_MAX && disks[i])
		i++;
	if (i == LMDB_DISK_MAX)
		return err_set(ERR_LIMIT, "store: over %d stores open", LMDB_DISK_MAX);
	l = calloc(1, sizeof(*l));
	if (l)
		l->gather = malloc(GATHER);
	if (!l || !l->gather) {
		free(l);
		return err_set(ERR_NOMEM, "store: out of memory");
	}
	l->d = d;
	l->fresh = fresh;
	l->reserved = d->size_bytes < LMDB_DISK_GROW ? d->size_bytes : LMDB_DISK_GROW;
	l->reserved = (l->reserved + LMDB_DISK_PAGE - 1) & -(uint64_t)LMDB_DISK_PAGE;
	err = d->ops->map_reserve(&at, d, l->reserved);
	if (err >= 0)
		l->map = at;
	for (unsigned x = 0; x < count && err >= 0; x++)
		err = lmdb_disk_grow(l, &extents[x]);
	if (err < 0) {
		lmdb_disk_del(l);
		return err;
	}
	disks[i] = l;
	snprintf(name->path, sizeof(name->path), PATH_KIND "%d", i);
	*out = l;
	return 0;
}

void lmdb_disk_del(struct lmdb_disk *l)
{
	for (int i = 0; i < LMDB_DISK_MAX; i++)
		if (disks[i] == l)
			disks[i] = NULL;
	if (l->map)
		l->d->ops->map_release(l->d, l->map, l->reserved);
	free(l->gather);
	free(l->sound);
	free(l);
}

bool lmdb_disk_damaged(const struct lmdb_disk *l)
{
	return l->damaged;
}

void lmdb_disk_doubt(struct lmdb_disk *l)
{
	memset(l->sound, 0, l->n / LMDB_DISK_PAGE / 8 + 1);
}

uint64_t lmdb_disk_bytes(const struct lmdb_disk *l)
{
	return l->n;
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

static struct lmdb_disk *of_map(const void *p)
{
	for (int i = 0; i < LMDB_DISK_MAX; i++) {
		struct lmdb_disk *l = disks[i];
		if (l && (const char *)p >= l->map && (const char *)p < l->map + l->n)
			return l;
	}
	os_panic("store: not in the index's map");
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

/* Where byte `at` of the file stands on the disk, and how many follow it there. */
static uint64_t place(size_t *n, const struct lmdb_disk *l, uint64_t at)
{
	const struct kv_extent *x = l->extents;

	while (at >= x->bytes) /* inside: there is one */
		at -= x++->bytes;
	if (*n > x->bytes - at)
		*n = x->bytes - at;
	return x->offset + at;
}

/* Any alignment: whole sectors directly, the rest through one sector's buffer. */
static int read_any(struct lmdb_disk *l, uint64_t at, char *p, size_t n)
{
	char sector[OS_SECTOR_BYTES];
	int err = 0;

	while (n > 0 && err >= 0) {
		size_t skip = at % OS_SECTOR_BYTES, take = n - n % OS_SECTOR_BYTES;
		uint64_t on_disk = place(&take, l, at);
		if (skip == 0 && take > 0) {
			err = os_disk_read(l->d, on_disk, p, take);
		} else {
			take = n < OS_SECTOR_BYTES - skip ? n : OS_SECTOR_BYTES - skip;
			err = os_disk_read(l->d, on_disk - skip, sector, sizeof(sector));
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
		uint64_t on_disk = place(&take, l, at);
		if (skip == 0 && take > 0) {
			err = os_disk_write(l->d, on_disk, p, take);
		} else {
			take = n < OS_SECTOR_BYTES - skip ? n : OS_SECTOR_BYTES - skip;
			err = os_disk_read(l->d, on_disk - skip, sector, sizeof(sector));
			memcpy(sector + skip, p, take);
			if (err >= 0)
				err = os_disk_write(l->d, on_disk - skip, sector, sizeof(sector));
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

/* ---- checks of pages ---- */
static uint16_t check_of(const uint8_t *page)
{
	uint32_t sum = libdeflate_crc32(0, page, CHECK_AT);

	return (uint16_t)libdeflate_crc32(sum, page + CHECK_AT + 2, LMDB_DISK_PAGE - CHECK_AT - 2);
}

/* One page of LMDB's own memory on its way to the disk; of a long value's only the first counts. */
static void seal(struct lmdb_disk *l, void *p, size_t n, uint64_t at)
{
	uint64_t first = at / LMDB_DISK_PAGE;
	uint16_t check;

	if (at % LMDB_DISK_PAGE || n % LMDB_DISK_PAGE || first < META || !inside(l, (off_t)at, n))
		return;
	check = check_of(p);
	memcpy((uint8_t *)p + CHECK_AT, &check, sizeof(check));
	for (uint64_t i = first; i < first + n / LMDB_DISK_PAGE; i++)
		l->sound[i / 8] &= (uint8_t)~(1u << i % 8);
}

/* Can it be read? A touch has no way to say that it can't. */
static bool readable(struct lmdb_disk *l, uint64_t page)
{
	uint64_t at = page * LMDB_DISK_PAGE, number;
	size_t n = LMDB_DISK_PAGE;
	uint64_t on_disk = place(&n, l, at);

	if (!l->d->ops->map_read ||
		l->d->ops->map_read(l->d, l->map + at, on_disk, &number, sizeof(number)) >= 0)
		return true;
	os_log(OS_ERROR, "svc=store event=index-page-unreadable page=%llu byte=%llu",
		(unsigned long long)page, (unsigned long long)on_disk);
	l->damaged = true;
	return false;
}

/* Is what was found sound still what is in memory? */
static bool kept(struct lmdb_disk *l, uint64_t page)
{
	uint64_t at = page * LMDB_DISK_PAGE;
	size_t n = LMDB_DISK_PAGE;

	return !l->d->ops->map_kept || l->d->ops->map_kept(l->d, l->map + at, place(&n, l, at));
}

/* Of a long value the pages behind its first are touched without asking. */
static bool readable_behind(struct lmdb_disk *l, uint64_t page)
{
	const char *head = l->map + page * LMDB_DISK_PAGE;
	uint16_t flags;
	uint32_t pages;

	memcpy(&flags, head + FLAGS_AT, sizeof(flags));
	memcpy(&pages, head + PAGES_AT, sizeof(pages));
	if (!(flags & OVERFLOWN))
		return true;
	for (uint64_t i = page + 1; i < page + pages && i < l->n / LMDB_DISK_PAGE; i++)
		if (!readable(l, i))
			return false;
	return true;
}

int store_lmdb_sound(const void *page)
{
	struct lmdb_disk *l = of_map(page);
	uint64_t at = (uint64_t)((const char *)page - l->map), i;
	uint16_t check;

	i = at / LMDB_DISK_PAGE;
	if (!kept(l, i))
		l->sound[i / 8] &= (uint8_t)~(1u << i % 8);
	if (l->sound[i / 8] & 1u << i % 8)
		return 1;
	if (!readable(l, i))
		return 0;
	memcpy(&check, (const uint8_t *)page + CHECK_AT, sizeof(check));
	if (i < META || memcmp(page, &i, sizeof(i)) != 0 || check != check_of(page)) {
		size_t n = LMDB_DISK_PAGE;
		os_log(OS_ERROR, "svc=store event=index-page-damaged page=%llu byte=%llu",
			(unsigned long long)i, (unsigned long long)place(&n, l, at));
		l->damaged = true;
		return 0;
	}
	if (!readable_behind(l, i))
		return 0;
	l->sound[i / 8] |= (uint8_t)(1u << i % 8);
	(void)kept(l, i); /* from here on */
	return 1;
}

/* ---- writing ---- */
static ssize_t write_out(int fd, const void *p, size_t n, uint64_t at)
{
	struct lmdb_disk *l = of_fd(fd);

	if (l->failed || !inside(l, (off_t)at, n) || write_any(l, at, p, n) < 0)
		return broken(l);
	l->fresh = false;
	if ((fd - FD_BASE) & FD_SYNC && os_disk_flush(l->d) < 0)
		return broken(l);
	return (ssize_t)n;
}

ssize_t store_lmdb_pwrite(int fd, const void *p, size_t n, off_t at)
{
	seal(of_fd(fd), (void *)(uintptr_t)p, n, (uint64_t)at);
	return write_out(fd, p, n, (uint64_t)at);
}

ssize_t store_lmdb_pwritev(int fd, const struct iovec *iov, int count, off_t at)
{
	struct lmdb_disk *l = of_fd(fd);
	uint64_t to = (uint64_t)at;
	size_t held = 0;

	for (int i = 0; i < count; i++) {
		const char *p = iov[i].iov_base;
		size_t n = iov[i].iov_len;
		seal(l, iov[i].iov_base, n, to + held);
		if (held && held + n > GATHER) {
			if (write_out(fd, l->gather, held, to) < 0)
				return -1;
			to += held;
			held = 0;
		}
		if (n > GATHER || (held == 0 && i + 1 == count)) {
			if (write_out(fd, p, n, to) < 0)
				return -1;
			to += n;
		} else {
			memcpy(l->gather + held, p, n);
			held += n;
		}
	}
	if (held && write_out(fd, l->gather, held, to) < 0)
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

/* Always the same range: what readers hold stays where it is when the file has grown. */
void *store_lmdb_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	struct lmdb_disk *l = of_fd(fd);

	(void)at;
	(void)flags;
	if (prot != PROT_READ || offset != 0 || n > l->n) {
		errno = EINVAL;
		return MAP_FAILED;
	}
	return l->map;
}

int store_lmdb_munmap(void *at, size_t n)
{
	(void)at; /* lmdb_disk_del does it */
	(void)n;
	return 0;
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
