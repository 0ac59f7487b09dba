/* SPDX-License-Identifier: ISC */
/*
 * The local APIC's timer and the I/O APICs' lines, which do one thing: end plat_wait.
 *
 * Lines are programmed edge-triggered. A virtio device raises its line when its status goes from
 * none to some, and virtio_poll takes the status back before it looks at the rings, so no edge
 * is lost; an edge that comes while interrupts are off stays pending and ends the next wait.
 */
#include "os/platform/virt/virt.h"
#include "os/platform/virt/virtio.h"

#define LAPIC          0xfee00000ul
#define LAPIC_SPURIOUS 0xf0
#define LAPIC_TIMER    0x320
#define LAPIC_INITIAL  0x380
#define LAPIC_CURRENT  0x390
#define LAPIC_DIVIDE   0x3e0
#define DIVIDE_BY_16   3
#define MASKED         (1u << 16)
#define IOAPIC_VERSION 1
#define IOAPIC_ENTRY   0x10
#define ENTRIES_MAX    240

volatile uint64_t irq_lines;
static uint64_t ticks_per_4s;

static uint32_t ioapic_read(uint32_t at, uint32_t index)
{
	mmio_write32(at, index);
	return mmio_read32(at + 0x10);
}

static void ioapic_write(uint32_t at, uint32_t index, uint32_t v)
{
	mmio_write32(at, index);
	mmio_write32(at + 0x10, v);
}

void irq_route(unsigned gsi, unsigned line)
{
	for (unsigned i = 0; i < acpi.ioapics; i++) {
		uint32_t at = acpi.ioapic[i].at;
		uint32_t lines = (ioapic_read(at, IOAPIC_VERSION) >> 16 & 0xff) + 1;
		uint32_t pin = gsi - acpi.ioapic[i].gsi;
		if (gsi < acpi.ioapic[i].gsi || pin >= lines || pin >= ENTRIES_MAX)
			continue;
		ioapic_write(at, IOAPIC_ENTRY + 2 * pin + 1, 0);
		ioapic_write(at, IOAPIC_ENTRY + 2 * pin, IRQ_VECTOR + line);
		return;
	}
}

void irq_init(void)
{
	outb(0x21, 0xff); /* the old controllers: off */
	outb(0xa1, 0xff);
	mmio_write32(LAPIC + LAPIC_SPURIOUS, 0x100 | IRQ_SPURIOUS);
	mmio_write32(LAPIC + LAPIC_DIVIDE, DIVIDE_BY_16);
	mmio_write32(LAPIC + LAPIC_TIMER, MASKED);
	mmio_write32(LAPIC + LAPIC_INITIAL, UINT32_MAX);
	if (acpi.event)
		irq_route(9, IRQ_POWER);
}

uint32_t irq_timer_count(void)
{
	return mmio_read32(LAPIC + LAPIC_CURRENT);
}

void irq_timer_calibrate(uint32_t counted, uint64_t ns)
{
	ticks_per_4s = (uint64_t)counted * 4000000000ul / ns;
	mmio_write32(LAPIC + LAPIC_INITIAL, 0);
	mmio_write32(LAPIC + LAPIC_TIMER, IRQ_VECTOR + IRQ_TIMER);
}

static void set_timer(uint64_t ns)
{
	if (ns > 4000000000ul)
		ns = 4000000000ul; /* a spurious return is allowed */
	uint64_t ticks = ns * (ticks_per_4s / 1000) / 4000000;
	if (ticks > UINT32_MAX)
		ticks = UINT32_MAX;
	mmio_write32(LAPIC + LAPIC_INITIAL, ticks ? (uint32_t)ticks : 1);
}

void plat_wait(uint64_t until_ns)
{
	uint64_t now = plat_mono_ns();

	if (now >= until_ns || (irq_lines & ~(1ul << IRQ_TIMER)))
		return;
	if (!virtio_idle(true))
		goto out;
	set_timer(until_ns - now);
	irq_wait();
	mmio_write32(LAPIC + LAPIC_INITIAL, 0);
out:
	virtio_idle(false);
}

void plat_poll(void)
{
	irq_take();
	uint64_t lines = irq_lines;
	irq_lines = 0;
	if (lines & 1ul << IRQ_POWER)
		acpi_poll();
	virtio_poll(lines >> IRQ_DEVICE);
}
