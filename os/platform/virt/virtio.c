/* SPDX-License-Identifier: ISC */
/* Transports and rings. */
#include "os/platform/virt/virtio.h"

#define TRANSPORT_AT     0xfeb00000ul
#define TRANSPORT_BYTES  0x200
#define SLOTS            24
#define MAGIC            0x74726976
#define REG_MAGIC        0x00
#define REG_VERSION      0x04
#define REG_KIND         0x08
#define REG_FEATURES     0x10
#define REG_FEATURES_SEL 0x14
#define REG_ACCEPT       0x20
#define REG_ACCEPT_SEL   0x24
#define REG_QUEUE_SEL    0x30
#define REG_QUEUE_MAX    0x34
#define REG_QUEUE_SIZE   0x38
#define REG_QUEUE_READY  0x44
#define REG_NOTIFY       0x50
#define REG_IRQ_ACK      0x64
#define REG_STATUS       0x70
#define REG_QUEUE_DESC   0x80
#define REG_QUEUE_AVAIL  0x90
#define REG_QUEUE_USED   0xa0
#define REG_CONFIG       0x100
#define STATUS_SEEN      1
#define STATUS_DRIVER    2
#define STATUS_GO        4
#define STATUS_FEATURES  8
#define STATUS_FAILED    128
#define F_VERSION_1      (1ul << 32)
#define DESC_NEXT        1
#define DESC_WRITE       2
#define NO_INTERRUPT     1
#define NO_NOTIFY        1
#define KIND_NET         1
#define KIND_BLK         2
#define KIND_RNG         4

static struct vdev devices[SLOTS];
static unsigned device_count;

uint64_t virtio_agree(const struct vdev *d, uint64_t want)
{
	uint64_t have;

	mmio_write32(d->regs + REG_FEATURES_SEL, 0);
	have = mmio_read32(d->regs + REG_FEATURES);
	mmio_write32(d->regs + REG_FEATURES_SEL, 1);
	have |= (uint64_t)mmio_read32(d->regs + REG_FEATURES) << 32;
	have &= want | F_VERSION_1;
	mmio_write32(d->regs + REG_ACCEPT_SEL, 0);
	mmio_write32(d->regs + REG_ACCEPT, (uint32_t)have);
	mmio_write32(d->regs + REG_ACCEPT_SEL, 1);
	mmio_write32(d->regs + REG_ACCEPT, (uint32_t)(have >> 32));
	mmio_write32(d->regs + REG_STATUS, STATUS_SEEN | STATUS_DRIVER | STATUS_FEATURES);
	if (!(mmio_read32(d->regs + REG_STATUS) & STATUS_FEATURES) || !(have & F_VERSION_1)) {
		mmio_write32(d->regs + REG_STATUS, STATUS_FAILED);
		return 0;
	}
	return have;
}

void virtio_go(const struct vdev *d)
{
	mmio_write32(
		d->regs + REG_STATUS, STATUS_SEEN | STATUS_DRIVER | STATUS_FEATURES | STATUS_GO);
}

uint32_t virtio_config32(const struct vdev *d, unsigned at)
{
	return mmio_read32(d->regs + REG_CONFIG + at);
}

uint8_t virtio_config8(const struct vdev *d, unsigned at)
{
	return *(volatile uint8_t *)(d->regs + REG_CONFIG + at);
}

static void write_address(uintptr_t reg, const volatile void *p)
{
	mmio_write32(reg, (uint32_t)(uint64_t)p);
	mmio_write32(reg + 4, (uint32_t)((uint64_t)p >> 32));
}

bool ring_init(struct ring *r, const struct vdev *d, unsigned queue, unsigned size)
{
	mmio_write32(d->regs + REG_QUEUE_SEL, queue);
	uint32_t max = mmio_read32(d->regs + REG_QUEUE_MAX);
	if (!max)
		return false;
	while (size > max || size > RING_MAX)
		size /= 2;

	char *page = pages_row(1);
	r->regs = d->regs;
	r->queue = (uint16_t)queue;
	r->size = r->free = (uint16_t)size;
	r->desc = (struct ring_desc *)page;
	r->avail = (struct ring_avail *)(page + size * sizeof(*r->desc));
	r->used = (struct ring_used *)(page + size * sizeof(*r->desc) + 8 + 2ul * size);
	for (unsigned i = 0; i < size; i++)
		r->desc[i].next = (uint16_t)(i + 1);
	r->avail->flags = NO_INTERRUPT;

	mmio_write32(d->regs + REG_QUEUE_SIZE, size);
	write_address(d->regs + REG_QUEUE_DESC, r->desc);
	write_address(d->regs + REG_QUEUE_AVAIL, r->avail);
	write_address(d->regs + REG_QUEUE_USED, r->used);
	mmio_write32(d->regs + REG_QUEUE_READY, 1);
	return true;
}

int ring_put(struct ring *r, const struct ring_piece *pieces, unsigned reads, unsigned writes)
{
	unsigned n = reads + writes;
	uint16_t head = r->free_head, at = head;

	if (n > r->free)
		return -1;
	for (unsigned i = 0; i < n; i++) {
		struct ring_desc *d = &r->desc[at];
		d->at = pieces[i].at;
		d->n = pieces[i].n;
		d->flags = (uint16_t)((i < reads ? 0 : DESC_WRITE) | (i + 1 < n ? DESC_NEXT : 0));
		at = d->next;
	}
	r->free_head = at;
	r->free = (uint16_t)(r->free - n);
	r->avail->ring[r->avail->index % r->size] = head;
	__atomic_store_n(&r->avail->index, (uint16_t)(r->avail->index + 1), __ATOMIC_RELEASE);
	return head;
}

void ring_kick(struct ring *r)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!(r->used->flags & NO_NOTIFY))
		mmio_write32(r->regs + REG_NOTIFY, r->queue);
}

bool ring_done(const struct ring *r)
{
	return r->used->index != r->seen;
}

int ring_take(struct ring *r, uint32_t *written)
{
	if (!ring_done(r))
		return -1;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	uint32_t id = r->used->ring[r->seen % r->size].id;
	*written = r->used->ring[r->seen % r->size].n;
	r->seen++;
	if (id >= r->size)
		virt_panic(PANIC_OWN, "virtio: the device returned entry %u of %u", id, r->size);

	uint16_t last = (uint16_t)id;
	for (r->free++; r->desc[last].flags & DESC_NEXT; r->free++)
		last = r->desc[last].next;
	r->desc[last].next = r->free_head;
	r->free_head = (uint16_t)id;
	return (int)id;
}

void ring_interrupts(struct ring *r, bool wanted)
{
	r->avail->flags = wanted ? 0 : NO_INTERRUPT;
}

static unsigned line_of(unsigned slot)
{
	if (!acpi.present)
		return 5 + slot;
	return (acpi.ioapics > 1 ? acpi.ioapic[1].gsi : 16) + slot;
}

/* Monitors fill the slots from the last one down: so the first device named comes first. */
void virtio_init(void)
{
	for (unsigned slot = SLOTS; slot-- > 0;) {
		struct vdev d = { TRANSPORT_AT + slot * TRANSPORT_BYTES, slot };
		if (mmio_read32(d.regs + REG_MAGIC) != MAGIC || !mmio_read32(d.regs + REG_KIND))
			continue;
		if (mmio_read32(d.regs + REG_VERSION) != 2) {
			say("virtio: slot %u is a legacy transport: not used\n", slot);
			continue;
		}
		mmio_write32(d.regs + REG_STATUS, 0);
		mmio_write32(d.regs + REG_STATUS, STATUS_SEEN | STATUS_DRIVER);
		irq_route(line_of(slot), IRQ_DEVICE + slot);
		devices[device_count++] = d;
		switch (mmio_read32(d.regs + REG_KIND)) {
		case KIND_NET: nic_found(&d); break;
		case KIND_BLK: blk_found(&d); break;
		case KIND_RNG: rng_found(&d); break;
		default: device_count--;
		}
	}
}

bool virtio_idle(bool asleep)
{
	bool nic = nic_idle(asleep);
	return blk_idle(asleep) && nic;
}

void virtio_poll(uint64_t lines)
{
	for (unsigned i = 0; lines && i < device_count; i++)
		if (lines & 1ul << devices[i].slot)
			mmio_write32(devices[i].regs + REG_IRQ_ACK, 3);
	nic_poll();
	blk_poll();
}
