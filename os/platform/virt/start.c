/* SPDX-License-Identifier: ISC */
/* From the PVH entry to os_start: the order in which the machine comes up. */
#include "os/platform/virt/virt.h"
#include "os/platform/virt/virtio.h"
#include "os/libc/libc.h"

#define PVH_MAGIC  0x336ec578
#define E820_RAM   1
#define STACK_MAIN (64 * KIB)

struct pvh_info {
	uint32_t magic, version, flags, modules;
	uint64_t modlist, cmdline, rsdp;
	uint64_t memmap; /* from version 1 on */
	uint32_t memmap_entries, reserved;
};
struct pvh_memory {
	uint64_t at, n;
	uint32_t type, reserved;
};

static char cmdline[4096];
static struct mem_range ram[MEM_RANGES_MAX];
static unsigned ram_count;
static uint64_t rsdp;

const char *plat_args(void)
{
	return cmdline;
}

static NORETURN void refuse(const char *why)
{
	say("cannot start: %s\n", why);
	plat_exit(PLAT_EXIT_CONFIG);
}

/* The command line without the words some monitors add to describe transports we scan for. */
static void copy_cmdline(const char *from)
{
	static const char hint[] = "virtio_mmio.";
	size_t n = 0;

	while (*from) {
		const char *end = from;
		while (*end && *end != ' ')
			end++;
		size_t len = (size_t)(end - from);
		if (len && strncmp(from, hint, sizeof(hint) - 1)) {
			if (n + len + 2 > sizeof(cmdline))
				refuse("the command line is longer than 4094 bytes");
			if (n)
				cmdline[n++] = ' ';
			memcpy(cmdline + n, from, len);
			n += len;
		}
		from = *end ? end + 1 : end;
	}
}

/* All of this lies in memory that is ours to use from mem_init on. */
static void copy_boot_info(const struct pvh_info *info)
{
	const struct pvh_memory *m = (const struct pvh_memory *)info->memmap;

	if (info->magic != PVH_MAGIC || info->version < 1 || !m)
		refuse("the monitor gave no PVH memory map");
	for (uint32_t i = 0; i < info->memmap_entries; i++) {
		if (m[i].type != E820_RAM || !m[i].n || ram_count == MEM_RANGES_MAX)
			continue;
		ram[ram_count++] = (struct mem_range){ m[i].at, m[i].at + m[i].n };
	}
	rsdp = info->rsdp;
	if (info->cmdline)
		copy_cmdline((const char *)info->cmdline);
}

static void on_main_stack(void)
{
	uint64_t canary;

	acpi_init(rsdp);
	irq_init();
	clock_init();
	virtio_init();
	if (plat_entropy(&canary, sizeof(canary)) < 0)
		refuse("no source of entropy: attach a virtio-rng device");
	libc_start(canary);
	os_start();
}

NORETURN void virt_start(const struct pvh_info *info);
NORETURN void virt_start(const struct pvh_info *info)
{
	console_init();
	copy_boot_info(info);
	trap_init();
	mem_init(ram, ram_count);
	vm_init();
	trap_stacks();

	char *stack = plat_stack_alloc(STACK_MAIN);
	if (!stack)
		refuse("not enough memory");
	stack_switch(stack + STACK_MAIN, on_main_stack);
}
