/* SPDX-License-Identifier: ISC */
/*
 * Private to os/platform/virt: virtio 1.x over MMIO with split rings.
 *
 *	uint64_t features = virtio_agree(dev, WANTED);
 *	ring_init(&r, dev, 0, 64);
 *	virtio_go(dev);
 *	int id = ring_put(&r, pieces, 1, 2);       device reads one piece, writes two
 *	ring_kick(&r);
 *	... id = ring_take(&r, &written);          -1 as long as nothing is done
 */
#ifndef OS_PLATFORM_VIRT_VIRTIO_H
#define OS_PLATFORM_VIRT_VIRTIO_H

#include "os/platform/virt/virt.h"

#define RING_MAX 128 /* entries; such a ring fits one page */

struct vdev {
	uintptr_t regs;
	unsigned slot;
};

struct ring_desc {
	uint64_t at;
	uint32_t n;
	uint16_t flags, next;
};
struct ring_avail {
	uint16_t flags, index, ring[];
};
struct ring_used {
	uint16_t flags, index;
	struct {
		uint32_t id, n;
	} ring[];
};
struct ring {
	uintptr_t regs;
	struct ring_desc *desc;
	struct ring_avail *avail;
	volatile struct ring_used *used;
	uint16_t queue, size, free, free_head, seen;
};
struct ring_piece {
	uint64_t at; /* physical */
	uint32_t n;
};

/* Of the device's features those in `want`; VERSION_1 is always asked for. 0 when it refuses. */
uint64_t virtio_agree(const struct vdev *d, uint64_t want);
void virtio_go(const struct vdev *d);
uint32_t virtio_config32(const struct vdev *d, unsigned at);
uint8_t virtio_config8(const struct vdev *d, unsigned at);

bool ring_init(struct ring *r, const struct vdev *d, unsigned queue, unsigned size);
/* Head of the chain, or -1 when there are not enough entries. Shown to the device at once. */
int ring_put(struct ring *r, const struct ring_piece *pieces, unsigned reads, unsigned writes);
void ring_kick(struct ring *r);
int ring_take(struct ring *r, uint32_t *written);
bool ring_done(const struct ring *r);              /* is there something to take */
void ring_interrupts(struct ring *r, bool wanted); /* off after ring_init */

void virtio_init(void);
/* Before and after sleeping. true: asked for interrupts, and nothing is waiting. */
bool virtio_idle(bool asleep);
/* `lines`: bit per transport whose line was raised. */
void virtio_poll(uint64_t lines);

/* One of each per kind of device. */
void nic_found(const struct vdev *d);
void nic_poll(void);
bool nic_idle(bool asleep);
void blk_found(const struct vdev *d);
void blk_poll(void);
bool blk_idle(bool asleep);
/* Read whole pages, given by address, running nothing else. For the page-fault path. */
MUST_CHECK int blk_read_pages(unsigned index, uint64_t offset, const uint64_t *pages, size_t n);
uint64_t blk_size(unsigned index); /* bytes; 0 when there is none */
void rng_found(const struct vdev *d);
bool rng_read(void *p, size_t n);

#endif
