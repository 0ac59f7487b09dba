/* SPDX-License-Identifier: ISC */
/* Faults: fill a page and go on, or say what happened and end with a crash code. */
#include "os/platform/virt/virt.h"

#define IST_FAULT  1 /* page faults: the one kind that is returned from */
#define IST_FATAL  2
#define IST_IRQ    3
#define IST_STACK  (16 * KIB)
#define VECTOR_PF  14
#define EXCEPTIONS 32
#define FRAMES_MAX 32
#define GATE       0x8e00 /* interrupt gate, present */
#define CODE_SEG   0x08
#define TSS_SEG    0x18

struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};
#define PF_PRESENT 1u
#define PF_WRITE   2u
#define PF_FETCH   16u

struct __attribute__((packed)) tss {
	uint32_t reserved0;
	uint64_t rsp[3], reserved1, ist[7], reserved2;
	uint16_t reserved3, iomap;
};
struct gate {
	uint16_t low, selector, flags, mid;
	uint32_t high, reserved;
};

extern uint64_t gdt[];
extern char trap_vectors[], irq_vectors[], irq_spurious[];
extern const uint8_t symbols[] __attribute__((weak));
void trap_handle(struct trap_frame *f);

static struct tss tss;
static struct gate idt[256];
static uint8_t early_stacks[3][PAGE] __attribute__((aligned(PAGE))); /* until trap_stacks */
static bool panicking;
static uint64_t filling; /* where the code stood whose page is being filled; 0: none */

static const char *const names[EXCEPTIONS] = {
	"divide error",
	"debug",
	"NMI",
	"breakpoint",
	"overflow",
	"bound",
	"illegal instruction",
	"no FPU",
	"double fault",
	"",
	"bad TSS",
	"segment not present",
	"stack fault",
	"general protection",
	"page fault",
	"",
	"x87 error",
	"misaligned access",
	"machine check",
	"SIMD error",
};

static void set_gate(unsigned vector, const void *at, unsigned ist)
{
	uint64_t to = (uint64_t)at;

	idt[vector] = (struct gate){ (uint16_t)to, CODE_SEG, (uint16_t)(GATE | ist),
		(uint16_t)(to >> 16), (uint32_t)(to >> 32), 0 };
}

void trap_init(void)
{
	struct __attribute__((packed)) {
		uint16_t limit;
		const void *at;
	} idtr = { sizeof(idt) - 1, idt };
	uint64_t at = (uint64_t)&tss;

	for (unsigned i = 0; i < 3; i++)
		tss.ist[i] = (uint64_t)early_stacks[i] + sizeof(early_stacks[i]);
	tss.iomap = sizeof(tss);
	gdt[TSS_SEG / 8] =
		(sizeof(tss) - 1) | (at & 0xffffff) << 16 | 0x89ul << 40 | (at >> 24 & 0xff) << 56;
	gdt[TSS_SEG / 8 + 1] = at >> 32;

	for (unsigned v = 0; v < EXCEPTIONS; v++)
		set_gate(v, trap_vectors + 16ul * v, v == VECTOR_PF ? IST_FAULT : IST_FATAL);
	for (unsigned i = 0; i < IRQ_LINES; i++)
		set_gate(IRQ_VECTOR + i, irq_vectors + 16ul * i, IST_IRQ);
	set_gate(IRQ_SPURIOUS, irq_spurious, IST_IRQ);
	__asm__ volatile("lidt %0; ltr %1" : : "m"(idtr), "r"((uint16_t)TSS_SEG));
}

void trap_stacks(void)
{
	for (unsigned i = 0; i < 3; i++) {
		char *low = plat_stack_alloc(IST_STACK);
		if (!low)
			virt_panic(PANIC_NOMEM, "no memory for the fault stacks");
		for (size_t at = 0; at < IST_STACK; at += PAGE)
			*(volatile char *)(low + at) = 0; /* a fault here could not be served */
		tss.ist[i] = (uint64_t)low + IST_STACK;
		page_put((uint64_t)early_stacks[i]);
	}
}

/* The name of the function that `at` lies in, from the table that os/tools/symbols.c makes. */
static const uint8_t *symbol_of(uint64_t at, uint64_t *offset)
{
	const uint8_t *p = symbols, *name = NULL;
	uint64_t addr = 0;

	if (!p || at < (uint64_t)image_start || at >= (uint64_t)text_end)
		return NULL;
	for (p += 1 + 2 * *p; *p;) {
		uint64_t delta = 0;
		for (unsigned shift = 0;; shift += 7) {
			delta |= (uint64_t)(*p & 0x7f) << shift;
			if (!(*p++ & 0x80))
				break;
		}
		if (addr + delta > at)
			break;
		addr += delta;
		name = p;
		while (*p++)
			;
	}
	*offset = at - addr;
	return name;
}

/* A byte of a name: from 128 on, a pair. */
static void say_letter(uint8_t letter)
{
	if (letter < 128) {
		say("%c", letter);
		return;
	}
	say_letter(symbols[1 + 2 * (letter - 128)]);
	say_letter(symbols[2 + 2 * (letter - 128)]);
}

static void say_place(uint64_t at)
{
	uint64_t offset = 0;
	const uint8_t *name = symbol_of(at, &offset);

	say("  %lx", at);
	if (name) {
		say(" ");
		while (*name)
			say_letter(*name++);
		say("+0x%lx", offset);
	}
	say("\n");
}

static bool readable(uint64_t at)
{
	const uint64_t *entry = page_entry(at, false);
	return at % 8 == 0 && entry && *entry & PTE_P;
}

static void say_frames(uint64_t frame)
{
	for (unsigned i = 0; i < FRAMES_MAX; i++) {
		if (!readable(frame) || !readable(frame + 8))
			return;
		const uint64_t *at = (const uint64_t *)frame;
		if (!at[1])
			return;
		say_place(at[1] - 1);
		if (at[0] <= frame)
			return;
		frame = at[0];
	}
}

void plat_backtrace(void)
{
	say("backtrace:\n");
	say_frames((uint64_t)__builtin_frame_address(0));
}

NORETURN void virt_panic(int code, const char *fmt, ...)
{
	va_list ap;

	say("\nPANIC: ");
	va_start(ap, fmt);
	say_va(fmt, ap);
	va_end(ap);
	say("\n");
	if (!panicking) {
		panicking = true;
		plat_backtrace();
	}
	plat_exit(code);
}

NORETURN void __stack_chk_fail(void);
NORETURN void __stack_chk_fail(void)
{
	virt_panic(PANIC_STACK, "stack smashed: a function wrote past its buffer");
}

static NORETURN void die(const struct trap_frame *f, int code, uint64_t at, const char *what)
{
	static const struct {
		char name[4];
		uint8_t index;
	} regs[] = { { "rax", 14 }, { "rbx", 13 }, { "rcx", 12 }, { "rdx", 11 }, { "rsi", 10 },
		{ "rdi", 9 }, { "rbp", 8 }, { "r8 ", 7 }, { "r9 ", 6 }, { "r10", 5 }, { "r11", 4 },
		{ "r12", 3 }, { "r13", 2 }, { "r14", 1 }, { "r15", 0 }, { "rip", 17 },
		{ "flg", 19 }, { "rsp", 20 } };

	say("\nPANIC: %s", f->vector < EXCEPTIONS ? names[f->vector] : "fault");
	if (f->vector == VECTOR_PF) {
		say(" at 0x%lx: ", at);
		say(f->error & PF_FETCH ? "run" : f->error & PF_WRITE ? "write" : "read");
	}
	say("%s (error 0x%lx)\n", what, f->error);
	for (unsigned i = 0; i < ARRAY_LEN(regs); i++)
		say("%s=%lx%c", regs[i].name, ((const uint64_t *)f)[regs[i].index],
			i % 4 == 3 || i + 1 == ARRAY_LEN(regs) ? '\n' : ' ');
	if (!panicking) {
		panicking = true;
		say("backtrace:\n");
		say_place(f->rip);
		if (f->vector == VECTOR_PF && f->error & PF_FETCH && readable(f->rsp))
			say_place(*(const uint64_t *)f->rsp - 1); /* a call into nowhere */
		say_frames(f->rbp);
	}
	plat_exit(code);
}

static void page_fault(const struct trap_frame *f)
{
	uint64_t at;
	bool write = f->error & PF_WRITE;
	enum vm_fault r = VM_STRAY;

	__asm__ volatile("mov %%cr2, %0" : "=r"(at));
	if (filling)
		die(f, PANIC_TRAP, at, ", while another page was being filled");
	if (!(f->error & (PF_PRESENT | PF_FETCH))) {
		filling = f->rip | 1;
		if (at >= MAP_BASE && at < MAP_TOP)
			r = map_fault(at, write) ? VM_FILLED : VM_STRAY;
		else
			r = vm_fault(at, write);
		filling = 0;
	}
	switch (r) {
	case VM_FILLED: return;
	case VM_GUARD: die(f, PANIC_STACK, at, ": stack overflow, into the guard page");
	case VM_NOMEM: die(f, PANIC_NOMEM, at, ": no memory left for a stack to grow");
	case VM_STRAY: break;
	}
	if (at < PAGE)
		die(f, PANIC_TRAP, at, " through a null pointer");
	if (at >= (uint64_t)image_start && at < (uint64_t)image_end)
		die(f, PANIC_TRAP, at,
			at < (uint64_t)text_end             ? " of text"
				: at < (uint64_t)rodata_end ? " of constants"
							    : " of data");
	die(f, PANIC_TRAP, at, "");
}

void trap_handle(struct trap_frame *f)
{
	if (f->vector == VECTOR_PF)
		page_fault(f);
	else
		die(f, PANIC_TRAP, 0, "");
}
