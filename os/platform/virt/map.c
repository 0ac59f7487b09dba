/* SPDX-License-Identifier: ISC */
/*
 * Disks read through memory (os/map.h). Pages come by page fault with what lies around them and
 * go by CLOCK; they are never dirty, so memory that is promised to somebody else is taken from
 * here at once. `clock` has one entry per page in memory; the page tables say the rest. A page
 * table that maps nothing any more is given back too: the number of its pages in use is kept in
 * bits of the entry above it that the processor ignores.
 */
#include "os/platform/virt/virtio.h"
#include "os/libc/vm.h"
#include "os/map.h"

#include <sys/mman.h>

#define AROUND      (64 * KIB)
#define RANGES_MAX  16
#define PAGES_MIN   64 /* the bound may not be set lower */
#define SPARE_PART  32 /* of memory, which this cache leaves free */
#define COUNT_SHIFT 52
#define COUNT_ONE   (1ul << COUNT_SHIFT)
#define COUNT_MASK  (0x3fful << COUNT_SHIFT)

struct range {
	uint64_t at, n;
};
struct extent {
	uint64_t at, n, offset;
	unsigned disk;
};
static struct range ranges[RANGES_MAX]; /* by address */
static unsigned range_count;
static struct extent extents[OS_MAP_EXTENTS];
static unsigned extent_count;

static uint64_t *clock; /* addresses; 0: free entry */
static size_t clock_size, clock_used, hand;
static struct os_map_stats stats;

void os_map_stats(struct os_map_stats *out)
{
	*out = stats;
	out->max_pages = clock_size;
}

static void forget(size_t entry)
{
	uint64_t at = clock[entry], *up = table_entry(at, false), *pte = page_entry(at, false);

	page_put(*pte & PTE_ADDR);
	*pte = 0;
	page_forget(at);
	*up -= COUNT_ONE;
	if (!(*up & COUNT_MASK)) {
		page_put(*up & PTE_ADDR);
		*up = 0;
		page_forget(at);
	}
	clock[entry] = 0;
	stats.cached_pages--;
}

/* Forget the first page that was not touched since the hand last passed. There is one. */
static void evict(void)
{
	for (;; hand++) {
		if (hand >= clock_used)
			hand = 0;
		if (!clock[hand])
			continue;
		uint64_t *pte = page_entry(clock[hand], false);
		if (!(*pte & PTE_A))
			break;
		*pte &= ~PTE_A;
		page_forget(clock[hand]);
	}
	forget(hand);
	stats.evictions++;
}

size_t map_evictable(void)
{
	return stats.cached_pages > PAGES_MIN ? stats.cached_pages - PAGES_MIN : 0;
}

size_t map_shrink(size_t pages)
{
	if (map_evictable() < pages)
		return 0;
	for (size_t i = 0; i < pages; i++)
		evict();
	return pages;
}

/* The entry for one more page. Free ones lie behind the hand, where it has just been. */
static size_t free_entry(void)
{
	size_t i = hand < clock_used ? hand : 0;

	if (clock_used < clock_size)
		return clock_used++;
	while (clock[i])
		i = i ? i - 1 : clock_size - 1;
	return i;
}

static void set_limit(size_t pages)
{
	size_t most = mem_total() / 2;

	pages = pages > most ? most : pages;
	pages = pages < PAGES_MIN ? PAGES_MIN : pages;
	long at = vm_map(pages * sizeof(*clock), PROT_READ | PROT_WRITE);
	if (at < 0)
		return;
	for (size_t i = 0; i < pages; i += PAGE / sizeof(*clock))
		*(volatile uint64_t *)(at + (long)(i * sizeof(*clock))) = 0;
	for (size_t i = 0; i < clock_used; i++)
		if (clock[i])
			forget(i);
	if (clock)
		vm_unmap((uint64_t)clock, clock_size * sizeof(*clock));
	clock = (uint64_t *)at;
	clock_size = pages;
	clock_used = hand = 0;
}

void os_map_limit(size_t bytes)
{
	set_limit(bytes / PAGE);
}

int os_map_reserve(void **at, uint64_t n)
{
	uint64_t from = MAP_BASE;
	unsigned i;

	if (!n || n % PAGE)
		return err_set(ERR_BAD, "map: %zu is no number of whole pages", (size_t)n);
	if (!clock)
		set_limit(mem_total() / 4);
	if (!clock || range_count == RANGES_MAX || n > MAP_TOP - MAP_BASE)
		return err_set(ERR_NOMEM, "map: no address range for %zu bytes", (size_t)n);
	for (i = 0; i < range_count && ranges[i].at - from < n; i++)
		from = ranges[i].at + ranges[i].n;
	if (MAP_TOP - from < n)
		return err_set(ERR_NOMEM, "map: no address range for %zu bytes", (size_t)n);
	memmove(&ranges[i + 1], &ranges[i], (range_count - i) * sizeof(*ranges));
	/* Whole page tables of its own: the count of pages in use must not be shared. */
	ranges[i] = (struct range){ from, (n + 2 * MIB - 1) & -(2 * MIB) };
	range_count++;
	*at = (void *)from;
	return 0;
}

static bool reserved(uint64_t at, uint64_t n)
{
	for (unsigned i = 0; i < range_count; i++)
		if (at >= ranges[i].at && n <= ranges[i].n && at - ranges[i].at <= ranges[i].n - n)
			return true;
	return false;
}

int os_map_attach(void *to, unsigned disk, uint64_t offset, uint64_t n)
{
	uint64_t at = (uint64_t)to, size = blk_size(disk);

	if (at % PAGE || offset % PAGE || n % PAGE || !n || !reserved(at, n) || offset > size ||
		n > size - offset)
		return err_set(ERR_BAD, "map: no such part of disk %u", disk);
	for (unsigned i = 0; i < extent_count; i++)
		if (at < extents[i].at + extents[i].n && extents[i].at < at + n)
			return err_set(ERR_EXIST, "map: something is attached there");
	if (extent_count == OS_MAP_EXTENTS)
		return err_set(ERR_LIMIT, "map: more than %d extents", OS_MAP_EXTENTS);
	extents[extent_count++] = (struct extent){ at, n, offset, disk };
	return 0;
}

void os_map_release(void *from, uint64_t n)
{
	uint64_t at = (uint64_t)from;

	for (size_t i = 0; i < clock_used; i++)
		if (clock[i] >= at && clock[i] < at + n)
			forget(i);
	for (unsigned i = 0; i < extent_count;)
		if (extents[i].at >= at && extents[i].at < at + n)
			extents[i] = extents[--extent_count];
		else
			i++;
	for (unsigned i = 0; i < range_count; i++)
		if (ranges[i].at == at) {
			memmove(&ranges[i], &ranges[i + 1], (--range_count - i) * sizeof(*ranges));
			return;
		}
}

void os_map_written(unsigned disk, uint64_t offset, const void *p, size_t n)
{
	if ((uint64_t)p >= MAP_BASE && (uint64_t)p < MAP_TOP)
		virt_panic(PANIC_OWN, "map: written from a map");
	for (unsigned i = 0; i < extent_count; i++) {
		const struct extent *e = &extents[i];
		uint64_t from = offset > e->offset ? offset : e->offset;
		uint64_t to = offset + n < e->offset + e->n ? offset + n : e->offset + e->n;
		while (e->disk == disk && from < to) {
			uint64_t at = e->at + (from - e->offset), take = PAGE - from % PAGE;
			const uint64_t *pte = page_entry(at, false);
			take = take < to - from ? take : to - from;
			if (pte && *pte & PTE_P)
				memcpy((char *)(*pte & PTE_ADDR) + at % PAGE,
					(const char *)p + (from - offset), take);
			from += take;
		}
	}
}

static const struct extent *extent_of(uint64_t at)
{
	for (unsigned i = 0; i < extent_count; i++)
		if (at >= extents[i].at && at < extents[i].at + extents[i].n)
			return &extents[i];
	return NULL;
}

static bool present(uint64_t at)
{
	const uint64_t *pte = page_entry(at, false);
	return pte && *pte & PTE_P;
}

/* Pages to read into, at most `n`, others making room; fewer when memory is short. */
static size_t get_pages(uint64_t *pages, size_t n)
{
	size_t got;

	for (got = 0; got < n; got++) {
		while (stats.cached_pages &&
			(stats.cached_pages + got >= clock_size ||
				mem_spare() <= mem_total() / SPARE_PART))
			evict();
		if (got && mem_spare() <= mem_total() / SPARE_PART)
			break;
		pages[got] = page_get();
		if (!pages[got])
			break;
	}
	return got;
}

static void show(uint64_t at, uint64_t page, bool touched)
{
	uint64_t *pte = page_entry(at, true);

	if (!pte)
		virt_panic(PANIC_NOMEM, "map: no memory for a page table");
	*pte = page | PTE_P | PTE_NX | (touched ? PTE_A : 0);
	*table_entry(at, false) += COUNT_ONE;
	clock[free_entry()] = at;
	stats.cached_pages++;
	stats.pages_read++;
}

/* Brings the page at `at`, which is not there, and what lies around it. */
static int fill(const struct extent *e, uint64_t at)
{
	uint64_t from = at, to = at + PAGE, low = at & -AROUND, high = low + AROUND;
	uint64_t pages[AROUND / PAGE];

	low = low > e->at ? low : e->at;
	high = high < e->at + e->n ? high : e->at + e->n;
	while (from > low && !present(from - PAGE))
		from -= PAGE;
	while (to < high && !present(to))
		to += PAGE;

	size_t n = get_pages(pages, (to - from) / PAGE);
	if (!n)
		return err_set(ERR_NOMEM, "map: no memory for a page of disk %u", e->disk);
	if (from + n * PAGE <= at) /* fewer than wanted: those that matter */
		from = at - (n - 1) * PAGE;
	stats.faults++;
	if (blk_read_pages(e->disk, e->offset + (from - e->at), pages, n) < 0) {
		while (n > 1) /* one bad place must not take its neighbours along */
			page_put(pages[--n]);
		from = at;
		if (blk_read_pages(e->disk, e->offset + (at - e->at), pages, 1) < 0) {
			page_put(pages[0]);
			return err_set(ERR_IO, "disk %u: cannot read 4096 bytes at %lu", e->disk,
				e->offset + (at - e->at));
		}
	}
	for (size_t i = 0; i < n; i++)
		show(from + i * PAGE, pages[i], from + i * PAGE == at);
	return 0;
}

bool map_fault(uint64_t at, bool write)
{
	const struct extent *e = extent_of(at &= -PAGE);
	int err;

	if (!e || write)
		return false;
	err = fill(e, at);
	if (err < 0)
		virt_panic(err == ERR_NOMEM ? PANIC_NOMEM : PANIC_DISK, "%s", err_text(err));
	return true;
}

int os_map_read(const void *from, void *p, size_t n)
{
	uint64_t at = (uint64_t)from;
	volatile char *to = p;

	while (n > 0) {
		uint64_t page = at & -PAGE, take = page + PAGE - at;
		const struct extent *e = extent_of(page);
		int err;

		if (!e)
			return err_set(ERR_BAD, "map: nothing is attached there");
		take = take < n ? take : n;
		/* Memory for `p` comes first: it may be taken from this cache. */
		to[0] = to[take - 1] = 0;
		err = present(page) ? 0 : fill(e, page);
		if (err < 0)
			return err;
		memcpy((void *)(uintptr_t)to, (const void *)at, take);
		at += take;
		to += take;
		n -= take;
	}
	return 0;
}

bool os_map_kept(const void *at)
{
	uint64_t *pte = page_entry((uint64_t)at & -PAGE, false);
	bool kept = pte && *pte & PTE_KEPT;

	if (pte && *pte & PTE_P)
		*pte |= PTE_KEPT;
	return kept;
}
