/* SPDX-License-Identifier: ISC */
/*
 * Address ranges whose pages come on first touch: malloc's, and the fibers' stacks.
 *
 * The page tables are the only record. An entry that is in use says so in bits the processor
 * ignores, whether or not it holds a page yet. A page in use is promised (mem_promise) when the
 * range is made, so a touch cannot fail; only the deeper part of a stack is not, since thousands
 * of stacks are reserved and few grow.
 */
#include "os/platform/virt/virt.h"
#include "os/libc/vm.h"

#include <errno.h>
#include <sys/mman.h>

#define USED      (1ul << 9)  /* belongs to a range */
#define GUARD     (1ul << 10) /* below a stack: must fault */
#define LAZY      (1ul << 11) /* not promised */
#define HELD      (1ul << 52) /* has a page, also when it may not be read */
#define MAY_READ  (1ul << 53)
#define MAY_WRITE (1ul << 54)

#define TABLE          512 /* entries */
#define STACK_PROMISED 3   /* pages of a stack that are there for sure */
#define STACK_PART     64  /* of memory, kept from malloc for stacks that grow deeper */

static uint64_t vm_pages; /* size of the address range */
static uint64_t low_free; /* every page below is in use */

void vm_init(void)
{
	vm_pages = mem_total() * 4;
	if (vm_pages > (MAP_BASE - VM_BASE) / PAGE)
		vm_pages = (MAP_BASE - VM_BASE) / PAGE;
}

static uint64_t address(uint64_t index)
{
	return VM_BASE + index * PAGE;
}

static bool used(uint64_t index)
{
	const uint64_t *entry = page_entry(address(index), false);
	return entry && *entry & USED;
}

/* The table with the entry of page `index`; NULL: none yet, so all of its pages are free. */
static const uint64_t *table_of(uint64_t index)
{
	const uint64_t *entry = table_entry(address(index), false);
	return entry && *entry & PTE_P ? (const uint64_t *)(*entry & PTE_ADDR) : NULL;
}

/* Index of the first of `n` pages in a row that are free; vm_pages when there is no such row. */
static uint64_t find_row(size_t n)
{
	const uint64_t *table = table_of(low_free);
	uint64_t run = 0, i = low_free;
	bool all_used = true; /* up to here */

	for (; i < vm_pages && run < n; i++) {
		if (i % TABLE == 0)
			table = table_of(i);
		run = table && table[i % TABLE] & USED ? 0 : run + 1;
		all_used = all_used && !run;
		if (all_used)
			low_free = i + 1;
	}
	return run == n ? i - n : vm_pages;
}

static uint64_t rights(uint64_t entry)
{
	uint64_t bits = PTE_NX | PTE_A | PTE_D;

	if (entry & HELD && entry & MAY_READ)
		bits |= PTE_P;
	if (entry & MAY_WRITE)
		bits |= PTE_W;
	return (entry & ~(PTE_P | PTE_W)) | bits;
}

static uint64_t prot_bits(int prot)
{
	return (prot & (PROT_READ | PROT_WRITE) ? MAY_READ : 0) |
		(prot & PROT_WRITE ? MAY_WRITE : 0);
}

/* Tables for [index, index + n): all or, at worst, some empty ones that stay for later. */
static bool make_tables(uint64_t index, size_t n)
{
	for (uint64_t i = index; i < index + n; i = (i | 511) + 1)
		if (!page_entry(address(i), false) &&
			((!mem_spare() && !map_shrink(2)) || !page_entry(address(i), true)))
			return false;
	return true;
}

static uint64_t take_row(size_t n, uint64_t bits)
{
	uint64_t index = find_row(n);

	if (index == vm_pages || !make_tables(index, n))
		return vm_pages;
	for (uint64_t i = index; i < index + n; i++)
		*page_entry(address(i), false) = USED | bits;
	return index;
}

/* The pages of [at, at + n), or 0 when that is no such range of whole pages. */
static size_t pages_of(uint64_t at, size_t n)
{
	size_t pages = n / PAGE + (n % PAGE != 0);

	if (at % PAGE || at < VM_BASE || !pages || pages > vm_pages ||
		(at - VM_BASE) / PAGE > vm_pages - pages)
		return 0;
	return pages;
}

/* A stack that cannot grow is the end, an allocation that fails is only an error. */
static bool promise_heap(size_t pages)
{
	size_t kept = mem_total() / STACK_PART;

	return mem_spare() + map_evictable() >= pages + kept && mem_promise(pages);
}

long vm_map(size_t n, int prot)
{
	size_t pages = pages_of(VM_BASE, n);

	if (prot & PROT_EXEC)
		return -EACCES;
	if (!n)
		return -EINVAL;
	if (!pages || !promise_heap(pages))
		return -ENOMEM;
	uint64_t index = take_row(pages, prot_bits(prot));
	if (index == vm_pages) {
		mem_unpromise(pages);
		return -ENOMEM;
	}
	return (long)address(index);
}

/* Give back the page, if one is held; what was promised stays promised when `keep`. */
static void drop(uint64_t at, uint64_t *entry, bool keep)
{
	uint64_t page = *entry & PTE_ADDR;

	if (!(*entry & HELD)) {
		if (!keep && *entry & USED && !(*entry & (LAZY | GUARD)))
			mem_unpromise(1);
		return;
	}
	*entry &= ~(HELD | PTE_P | PTE_ADDR);
	page_forget(at);
	if (keep && !(*entry & LAZY))
		page_unredeem(page);
	else
		page_put(page);
}

long vm_unmap(uint64_t at, size_t n)
{
	size_t pages = pages_of(at, n);

	if (!pages)
		return -EINVAL;
	for (size_t i = 0; i < pages; i++, at += PAGE) {
		uint64_t *entry = page_entry(at, false);
		if (!entry)
			continue;
		drop(at, entry, false);
		*entry = 0;
		if ((at - VM_BASE) / PAGE < low_free)
			low_free = (at - VM_BASE) / PAGE;
	}
	return 0;
}

long vm_protect(uint64_t at, size_t n, int prot)
{
	size_t pages = pages_of(at, n);

	if (prot & PROT_EXEC)
		return -EACCES;
	if (!pages)
		return -EINVAL;
	for (size_t i = 0; i < pages; i++, at += PAGE) {
		uint64_t *entry = page_entry(at, false);
		if (!entry || !(*entry & USED) || *entry & GUARD)
			return -ENOMEM;
		*entry = rights((*entry & ~(MAY_READ | MAY_WRITE)) | prot_bits(prot));
		page_forget(at);
	}
	return 0;
}

long vm_discard(uint64_t at, size_t n)
{
	size_t pages = pages_of(at, n);

	if (!pages)
		return -EINVAL;
	for (size_t i = 0; i < pages; i++, at += PAGE) {
		uint64_t *entry = page_entry(at, false);
		if (entry)
			drop(at, entry, true);
	}
	return 0;
}

static bool all_free(uint64_t index, size_t n)
{
	if (index + n > vm_pages)
		return false;
	for (uint64_t i = index; i < index + n; i++)
		if (used(i))
			return false;
	return make_tables(index, n);
}

long vm_remap(uint64_t at, size_t old_n, size_t new_n, bool may_move)
{
	size_t was = pages_of(at, old_n), pages = pages_of(VM_BASE, new_n);
	uint64_t from = (at - VM_BASE) / PAGE;

	if (!was || !new_n || !used(from))
		return -EINVAL;
	if (!pages)
		return -ENOMEM;
	if (pages <= was)
		return pages == was || !vm_unmap(at + pages * PAGE, (was - pages) * PAGE) ? (long)at
											  : -EINVAL;
	uint64_t bits = *page_entry(at, false) & (MAY_READ | MAY_WRITE);
	if (!promise_heap(pages - was))
		return -ENOMEM;
	if (all_free(from + was, pages - was)) {
		for (uint64_t i = from + was; i < from + pages; i++)
			*page_entry(address(i), false) = USED | bits;
		return (long)at;
	}
	uint64_t to = may_move ? take_row(pages, bits) : vm_pages;
	if (to == vm_pages) {
		mem_unpromise(pages - was);
		return -ENOMEM;
	}
	for (size_t i = 0; i < was; i++) {
		uint64_t *entry = page_entry(address(from + i), false);
		*page_entry(address(to + i), false) = *entry;
		*entry = 0;
		page_forget(address(from + i));
	}
	if (from < low_free)
		low_free = from;
	return (long)address(to);
}

enum vm_fault vm_fault(uint64_t at, bool write)
{
	if (!pages_of(at & -PAGE, PAGE))
		return VM_STRAY;
	uint64_t *entry = page_entry(at, false);
	if (!entry || !(*entry & USED) || *entry & HELD)
		return VM_STRAY;
	if (*entry & GUARD)
		return VM_GUARD;
	if (!(*entry & MAY_READ) || (write && !(*entry & MAY_WRITE)))
		return VM_STRAY;
	if (*entry & LAZY && !mem_promise(1))
		return VM_NOMEM;
	*entry = rights(*entry | HELD | page_redeem());
	return VM_FILLED;
}

void *plat_stack_alloc(size_t n)
{
	size_t pages = pages_of(VM_BASE, n);
	size_t sure = pages < STACK_PROMISED ? pages : STACK_PROMISED;

	if (!pages || !promise_heap(sure))
		return NULL;
	uint64_t index = take_row(pages + 1, MAY_READ | MAY_WRITE | LAZY);
	if (index == vm_pages) {
		mem_unpromise(sure);
		return NULL;
	}
	*page_entry(address(index), false) = USED | GUARD;
	for (size_t i = pages + 1 - sure; i < pages + 1; i++)
		*page_entry(address(index + i), false) &= ~LAZY;
	return (void *)address(index + 1);
}

void plat_stack_free(void *low, size_t n)
{
	vm_unmap((uint64_t)low - PAGE, n + PAGE);
}

uint64_t dma_address(const void *p)
{
	uint64_t at = (uint64_t)p;
	const uint64_t *entry = page_entry(at, false);

	if (at < VM_BASE)
		return entry && *entry & PTE_P ? at : 0;
	if (at >= MAP_BASE || !entry)
		return 0;
	if (!(*entry & HELD) && vm_fault(at, false) != VM_FILLED)
		return 0;
	return (*entry & PTE_ADDR) | (at & (PAGE - 1));
}
