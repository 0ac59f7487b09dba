/* SPDX-License-Identifier: ISC */
/* virtio-rng, asked and waited for: seeds are wanted once, at start. */
#include "os/platform/virt/virtio.h"
#include "os/time.h"

#define WAIT_NS OS_SEC

static struct ring ring;
static uint8_t *buffer;

void rng_found(const struct vdev *d)
{
	if (buffer || !virtio_agree(d, 0) || !ring_init(&ring, d, 0, 8))
		return;
	buffer = pages_row(1);
	virtio_go(d);
}

bool rng_read(void *p, size_t n)
{
	uint64_t until = plat_mono_ns() + WAIT_NS;
	uint8_t *to = p;

	while (buffer && n) {
		struct ring_piece piece = { (uint64_t)buffer, (uint32_t)(n < PAGE ? n : PAGE) };
		uint32_t got;
		if (ring_put(&ring, &piece, 0, 1) < 0)
			return false;
		ring_kick(&ring);
		while (ring_take(&ring, &got) < 0) {
			if (plat_mono_ns() > until) {
				buffer = NULL; /* the device still owns it */
				return false;
			}
			cpu_pause();
		}
		got = got < piece.n ? got : piece.n;
		memcpy(to, buffer, got);
		memset(buffer, 0, got);
		to += got;
		n -= got;
	}
	return buffer;
}
