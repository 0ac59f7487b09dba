/* SPDX-License-Identifier: ISC */
/*
 * Private to os/platform/virt: bare x86-64 under QEMU (or any monitor that boots a PVH image).
 *
 * One processor, no user mode, interrupts off except in the instruction that waits. Addresses:
 *	below 512 GiB    physical memory as it is, never executable but for the image's text
 *	VM_BASE ..       malloc's and the fibers' pages, by ones and twos, filled on first touch
 *	MAP_BASE ..      disks read through memory (os/map.h)
 */
#ifndef OS_PLATFORM_VIRT_H
#define OS_PLATFORM_VIRT_H

#include "os/platform.h"

#define PAGE     4096ul
#define VM_BASE  0x8000000000ul  /* PML4 entry 1 */
#define MAP_BASE 0x10000000000ul /* PML4 entry 2 */
#define MAP_TOP  0x18000000000ul
#define KIB      1024ul
#define MIB      (1024 * KIB)
#define GIB      (1024 * MIB)

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}
static inline void outl(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}
static inline uint8_t inb(uint16_t port)
{
	uint8_t v;
	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}
static inline uint32_t mmio_read32(uintptr_t at)
{
	return *(volatile uint32_t *)at;
}
static inline void mmio_write32(uintptr_t at, uint32_t v)
{
	*(volatile uint32_t *)at = v;
}
static inline void wrmsr(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)));
}
static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;
	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}
static inline void cpuid(uint32_t out[4], uint32_t leaf)
{
	__asm__ volatile("cpuid"
		: "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
		: "a"(leaf), "c"(0));
}
static inline void cpu_pause(void)
{
	__asm__ volatile("pause" : : : "memory");
}
static inline void barrier(void)
{
	__asm__ volatile("" : : : "memory");
}

/* ---- boot.S, link.ld ---- */
extern char image_start[], text_end[], rodata_start[], rodata_end[], data_start[], image_end[];
extern char boot_tables[];
NORETURN void stack_switch(void *top, void (*fn)(void));
extern volatile uint64_t irq_lines; /* bit per line, set by interrupts, cleared by who looks */
void irq_wait(void);
void irq_take(void);

/* ---- start.c ---- */
struct mem_range {
	uint64_t from, to;
};
#define MEM_RANGES_MAX 16

/* ---- console.c ---- */
void console_init(void);
/* %s %c %d %u %x %lu %lx %ld %zu only: for words before the C library stands and after a fault. */
void say(const char *fmt, ...) PRINTF(1, 2);
void say_va(const char *fmt, va_list ap) PRINTF(1, 0);

/* ---- trap.c ---- */
void trap_init(void);
void trap_stacks(void); /* once there is memory: faults move to stacks with guards */
NORETURN void virt_panic(int code, const char *fmt, ...) PRINTF(2, 3);
#define PANIC_OWN   PLAT_EXIT_CRASH       /* os_panic, and our own broken invariants */
#define PANIC_TRAP  (PLAT_EXIT_CRASH + 1) /* a processor fault */
#define PANIC_STACK (PLAT_EXIT_CRASH + 2) /* stack overflow or a smashed canary */
#define PANIC_NOMEM (PLAT_EXIT_CRASH + 3) /* a promised page was not there */
#define PANIC_DISK  (PLAT_EXIT_CRASH + 4) /* a mapped page could not be read */

/* ---- mem.c: pages, and the tables that map all of them ---- */
void mem_init(const struct mem_range *ram, unsigned count);
/*
 * One zeroed page, by its physical = virtual address; 0 when none is left. Who takes it must
 * have been promised it, or leave what is promised alone (mem_spare).
 */
uint64_t page_get(void);
void page_put(uint64_t page);
/* `n` zeroed pages in a row; panics when there are none. For drivers, at start. */
void *pages_row(size_t n);
/*
 * Promises: a page promised will be there when it is touched. mem_promise makes the map's
 * cache give way where needed; false when there is not enough.
 */
bool mem_promise(size_t pages);
void mem_unpromise(size_t pages);
/* A page that was promised before, zeroed; never 0. */
uint64_t page_redeem(void);
void page_unredeem(uint64_t page); /* give it back, and have it promised again */
size_t mem_spare(void);            /* free and promised to nobody */
size_t mem_total(void);            /* pages */
/* The entry that maps `at`; tables on the way are made when `make`. NULL: none (left). */
uint64_t *page_entry(uint64_t at, bool make);
/* The entry one level up: of the table that page_entry points into. */
uint64_t *table_entry(uint64_t at, bool make);
void page_forget(uint64_t at); /* after taking rights away: drop the processor's copy */

#define PTE_P        (1ul << 0)
#define PTE_W        (1ul << 1)
#define PTE_UNCACHED (1ul << 4)
#define PTE_A        (1ul << 5)
#define PTE_D        (1ul << 6)
#define PTE_BIG      (1ul << 7)
#define PTE_KEPT     (1ul << 9) /* the processor ignores it: os_map_kept was asked */
#define PTE_NX       (1ul << 63)
#define PTE_ADDR     0x000ffffffffff000ul

/* ---- vm.c: address ranges filled on first touch ---- */
void vm_init(void);
enum vm_fault { VM_FILLED, VM_STRAY, VM_GUARD, VM_NOMEM };
enum vm_fault vm_fault(uint64_t at, bool write);
/* Physical address of a byte of ours that may be given to a device; 0 when it is not fit. */
uint64_t dma_address(const void *p);

/* ---- map.c ---- */
bool map_fault(uint64_t at, bool write); /* false: not a mapped page */
size_t map_shrink(size_t pages);         /* returns how many were given back */
size_t map_evictable(void);

/* ---- clock.c ---- */
void clock_init(void);

/* ---- irq.c ---- */
#define IRQ_TIMER    0
#define IRQ_POWER    1
#define IRQ_DEVICE   2 /* line of transport 0, and so on */
#define IRQ_VECTOR   0x40
#define IRQ_SPURIOUS 0xff
#define IRQ_LINES    64
void irq_init(void);
void irq_timer_calibrate(uint32_t counted, uint64_t ns);
void irq_route(unsigned gsi, unsigned line); /* edge, active high */
uint32_t irq_timer_count(void);              /* counts down from UINT32_MAX after irq_init */

/* ---- acpi.c ---- */
struct acpi {
	bool present;
	uint64_t sleep_control; /* 0: none */
	uint64_t event;         /* generic event device's selector; 0: none */
	struct {
		uint32_t at, gsi;
	} ioapic[4];
	unsigned ioapics;
};
extern struct acpi acpi;
void acpi_init(uint64_t rsdp);
void acpi_poll(void); /* look for the power button */

#endif
