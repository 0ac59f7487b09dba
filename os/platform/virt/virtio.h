/* SPDX-License-Identifier: ISC */
/* Private to os/platform/virt: virtio 1.x over MMIO, one split ring per queue. */
#ifndef OS_PLATFORM_VIRT_VIRTIO_H
#define OS_PLATFORM_VIRT_VIRTIO_H

#include "os/platform/virt/virt.h"

void virtio_init(void);
bool virtio_idle(bool on);
void virtio_poll(uint64_t lines);
bool virtio_rng_read(void *p, size_t n);
#endif
