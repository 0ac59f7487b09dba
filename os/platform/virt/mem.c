/* SPDX-License-Identifier: ISC */
/* Pages: who has them, who was promised one, and the tables that map all of memory. */
#include "os/platform/virt/virt.h"

#define BIG     (2 * MIB)
#define LOW_TOP (1 * MIB) /* below it: firmware, and some memory worth having */
#define RESERVE 8         /* pages nobody is promised: tables and the fault path */
#define MMIO_AT 0xfea00000ul
#define MMIO_TO 0xff000000ul

struct free_page {
	struct free_page *next;
};
static struct mem_range fresh[MEM_RANGES_MAX + 1]; /* never given out yet; next page first */
static unsigned fresh_count;
static struct free_page *returned;
static size_t free_pages, promised, total;
static uint64_t *pml4 = (uint64_t *)boot_tables;

static uint64_t fresh_row(size_t n)
{
	for (unsigned i = 0; i < fresh_count; i++) {
		struct mem_range *r = &fresh[i];
		if (r->to - r->from >= n * PAGE) {
			uint64_t at = r->from;
			r->from += n * PAGE;
			free_pages -= n;
			memset((void *)at, 0, n * PAGE);
			return at;
		}
	}
	return 0;
}

uint64_t page_get(void)
{
	struct free_page *p = returned;

	if (!p)
		return fresh_row(1);
	returned = p->next;
	free_pages--;
	memset(p, 0, PAGE);
	return (uint64_t)p;
}

void page_put(uint64_t page)
{
	struct free_page *p = (struct free_page *)page;

	p->next = returned;
	returned = p;
	free_pages++;
}

void *pages_row(size_t n)
{
	uint64_t at = mem_spare() >= n ? fresh_row(n) : 0;

	if (!at)
		virt_panic(PANIC_NOMEM, "no memory for a driver (%zu pages)", n);
	return (void *)at;
}

size_t mem_spare(void)
{
	return free_pages > promised + RESERVE ? free_pages - promised - RESERVE : 0;
}

size_t mem_total(void)
{
	return total;
}

bool mem_promise(size_t pages)
{
	size_t spare = mem_spare();

	if (spare < pages && map_shrink(pages - spare) < pages - spare)
		return false;
	promised += pages;
	return true;
}

void mem_unpromise(size_t pages)
{
	promised -= pages;
}

uint64_t page_redeem(void)
{
	uint64_t page = page_get();

	if (!page || !promised)
		virt_panic(PANIC_NOMEM, "a promised page is missing");
	promised--;
	return page;
}

void page_unredeem(uint64_t page)
{
	page_put(page);
	promised++;
}

void plat_memory(uint64_t *total_bytes, uint64_t *free_bytes)
{
	*total_bytes = total * PAGE;
	*free_bytes = (mem_spare() + map_evictable()) * PAGE;
}

static uint64_t *next_table(uint64_t *entry, bool make)
{
	if (!(*entry & PTE_P)) {
		uint64_t page = make ? page_get() : 0;
		if (!page)
			return NULL;
		*entry = page | PTE_P | PTE_W;
	}
	return (uint64_t *)(*entry & PTE_ADDR);
}

uint64_t *table_entry(uint64_t at, bool make)
{
	uint64_t *table = pml4;

	if (at >> 47)
		return NULL;
	for (unsigned shift = 39; shift > 21; shift -= 9) {
		table = next_table(&table[at >> shift & 511], make);
		if (!table)
			return NULL;
	}
	return &table[at >> 21 & 511];
}

uint64_t *page_entry(uint64_t at, bool make)
{
	uint64_t *entry = table_entry(at, make);

	if (!entry || *entry & PTE_BIG)
		return entry;
	uint64_t *table = next_table(entry, make);
	return table ? &table[at >> 12 & 511] : NULL;
}

void page_forget(uint64_t at)
{
	__asm__ volatile("invlpg (%0)" : : "r"(at) : "memory");
}

static uint64_t *must_table(uint64_t *entry)
{
	uint64_t *table = next_table(entry, true);

	if (!table)
		virt_panic(PANIC_NOMEM, "too little memory for page tables");
	return table;
}

/* [from, to) as it is, in the biggest pieces that fit. */
static void map_plain(uint64_t from, uint64_t to, uint64_t rights)
{
	while (from < to) {
		uint64_t *table = must_table(&pml4[from >> 39 & 511]);
		uint64_t *pd = must_table(&table[from >> 30 & 511]);
		if (from % BIG == 0 && to - from >= BIG && !(pd[from >> 21 & 511] & PTE_P)) {
			pd[from >> 21 & 511] = from | rights | PTE_BIG;
			from += BIG;
			continue;
		}
		table = must_table(&pd[from >> 21 & 511]);
		table[from >> 12 & 511] = from | rights;
		from += PAGE;
	}
}

static void add_fresh(uint64_t from, uint64_t to)
{
	if (from < PAGE)
		from = PAGE;
	from = (from + PAGE - 1) & -PAGE;
	to &= -PAGE;
	if (from >= to || fresh_count == ARRAY_LEN(fresh))
		return;
	fresh[fresh_count++] = (struct mem_range){ from, to };
	free_pages += (to - from) / PAGE;
}

/* What of the machine's memory is free, the low end last: what is told at boot lies there. */
static void find_fresh(const struct mem_range *ram, unsigned count)
{
	uint64_t image_from = (uint64_t)image_start, image_to = (uint64_t)image_end;

	for (unsigned i = 0; i < count; i++) {
		uint64_t from = ram[i].from < LOW_TOP ? LOW_TOP : ram[i].from;
		uint64_t to = ram[i].to < VM_BASE ? ram[i].to : VM_BASE;
		if (from < image_to && to > image_from) {
			add_fresh(from, image_from);
			from = image_to;
		}
		add_fresh(from, to);
	}
	for (unsigned i = 0; i < count; i++)
		if (ram[i].from < LOW_TOP)
			add_fresh(ram[i].from, ram[i].to < 0xa0000 ? ram[i].to : 0xa0000);
}

void mem_init(const struct mem_range *ram, unsigned count)
{
	const uint64_t data = PTE_P | PTE_W | PTE_A | PTE_D | PTE_NX;
	uint64_t text = (uint64_t)image_start, constants = (uint64_t)rodata_start;
	uint64_t writable = (uint64_t)data_start, end = (uint64_t)image_end;
	uint64_t first_big = (end + BIG - 1) & -BIG;

	find_fresh(ram, count);
	pml4 = pages_row(1);
	map_plain(PAGE, 0xa0000, data); /* not page 0: null pointers must fault */
	map_plain(0xe0000, LOW_TOP, PTE_P | PTE_A | PTE_NX);
	map_plain(text, constants, PTE_P | PTE_A);
	map_plain(constants, writable, PTE_P | PTE_A | PTE_NX);
	map_plain(writable, end, data);
	for (unsigned i = 0; i < count; i++) {
		uint64_t to = (ram[i].to + BIG - 1) & -BIG;
		to = to < VM_BASE ? to : VM_BASE;
		if (to > first_big)
			map_plain(
				ram[i].from < first_big ? first_big : ram[i].from & -BIG, to, data);
	}
	map_plain(end, first_big, data);
	map_plain(MMIO_AT & -BIG, MMIO_TO, data | PTE_UNCACHED);
	__asm__ volatile("mov %0, %%cr3" : : "r"(pml4) : "memory");
	for (unsigned i = 0; i < 3; i++)
		page_put((uint64_t)boot_tables + i * PAGE);
	total = free_pages;
}
