/* SPDX-License-Identifier: ISC */
/*
 * The little that is wanted of ACPI: where the interrupt controllers are, how to power off, and
 * the event device that tells of the power button. Without tables, the legacy addresses.
 */
#include "os/platform/virt/virt.h"

#define TABLE_MAX       (256 * KIB)
#define FADT_DSDT       40
#define FADT_FLAGS      112
#define FADT_X_DSDT     140
#define FADT_SLEEP      244
#define HW_REDUCED      (1u << 20)
#define GAS_MEMORY      0
#define MADT_IOAPIC     1
#define EVENT_POWER     2
#define POWER_OFF_SPINS 1000000
#define SLEEP_S5        (5 << 2 | 1 << 5)

struct __attribute__((packed)) table {
	char signature[4];
	uint32_t n;
	uint8_t rest[28];
	uint8_t body[];
};
struct acpi acpi;
static bool stop;

static uint64_t get(const void *p, size_t n)
{
	uint64_t v = 0;
	memcpy(&v, p, n);
	return v;
}

/* A table as told, if it lies in memory that is mapped. */
static const struct table *table_at(uint64_t at)
{
	const struct table *t = (const struct table *)at;

	for (uint64_t page = at & -PAGE; page < at + sizeof(*t); page += PAGE) {
		const uint64_t *entry = page_entry(page, false);
		if (!page || !entry || !(*entry & PTE_P))
			return NULL;
	}
	if (t->n < sizeof(*t) || t->n > TABLE_MAX)
		return NULL;
	for (uint64_t page = at & -PAGE; page < at + t->n; page += PAGE) {
		const uint64_t *entry = page_entry(page, false);
		if (!entry || !(*entry & PTE_P))
			return NULL;
	}
	return t;
}

/* OperationRegion(EREG, SystemMemory, dword address, ...) of the generic event device. */
static void find_event(const struct table *dsdt)
{
	static const uint8_t op[] = { 0x5b, 0x80, 'E', 'R', 'E', 'G', GAS_MEMORY, 0x0c };
	const uint8_t *p = (const uint8_t *)dsdt;

	for (size_t i = sizeof(*dsdt); i + sizeof(op) + 4 <= dsdt->n; i++)
		if (!memcmp(p + i, op, sizeof(op)))
			acpi.event = get(p + i + sizeof(op), 4);
}

static void read_fadt(const struct table *t)
{
	const uint8_t *p = (const uint8_t *)t;

	if (t->n < FADT_SLEEP + 12 || !(get(p + FADT_FLAGS, 4) & HW_REDUCED))
		return;
	if (p[FADT_SLEEP] == GAS_MEMORY)
		acpi.sleep_control = get(p + FADT_SLEEP + 4, 8);
	uint64_t at = get(p + FADT_X_DSDT, 8);
	const struct table *dsdt = table_at(at ? at : get(p + FADT_DSDT, 4));
	if (dsdt)
		find_event(dsdt);
}

static void read_madt(const struct table *t)
{
	const uint8_t *p = (const uint8_t *)t;

	for (size_t i = 44; i + 2 <= t->n && p[i + 1] >= 2; i += p[i + 1])
		if (p[i] == MADT_IOAPIC && i + 12 <= t->n &&
			acpi.ioapics < ARRAY_LEN(acpi.ioapic)) {
			acpi.ioapic[acpi.ioapics].at = (uint32_t)get(p + i + 4, 4);
			acpi.ioapic[acpi.ioapics++].gsi = (uint32_t)get(p + i + 8, 4);
		}
}

void acpi_init(uint64_t rsdp)
{
	const struct table *xsdt = NULL;

	if (rsdp >= 0xe0000 && rsdp < 0xfffe0)
		xsdt = table_at(get((const uint8_t *)rsdp + 24, 8));
	acpi.present = xsdt;
	for (size_t i = 0; xsdt && i + 8 <= xsdt->n - sizeof(*xsdt); i += 8) {
		const struct table *t = table_at(get(xsdt->body + i, 8));
		if (t && !memcmp(t->signature, "FACP", 4))
			read_fadt(t);
		else if (t && !memcmp(t->signature, "APIC", 4))
			read_madt(t);
	}
	if (!acpi.ioapics)
		acpi.ioapic[acpi.ioapics++].at = 0xfec00000;
}

void acpi_poll(void)
{
	if (acpi.event && mmio_read32(acpi.event) & EVENT_POWER)
		stop = true;
}

bool plat_stop_requested(void)
{
	return stop;
}

#define DEBUG_EXIT 0x501

/* 0 powers off; anything else is left for the monitor to read from its debug-exit device. */
NORETURN void plat_exit(int code)
{
	static const struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t at;
	} no_idt = { 0, 0 };

	if (code) {
		outl(DEBUG_EXIT, (uint32_t)code & 127);
		say("stopped with code %d; no isa-debug-exit device to tell it\n", code);
	} else {
		if (acpi.sleep_control) {
			*(volatile uint8_t *)acpi.sleep_control = SLEEP_S5;
			for (unsigned i = 0; i < POWER_OFF_SPINS; i++)
				cpu_pause(); /* the monitor needs a moment */
		}
		/* No power switch: a triple fault resets, and -no-reboot makes that the end. */
		__asm__ volatile("lidt %0; ud2" : : "m"(no_idt));
	}
	for (;;)
		__asm__ volatile("cli; hlt");
}
