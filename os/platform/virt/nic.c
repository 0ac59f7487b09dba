/* SPDX-License-Identifier: ISC */
/*
 * virtio-net. Frames are copied into buffers of ours on the way out and lent to the caller on the
 * way in; both sets are made at start, so neither direction allocates.
 */
#include "os/platform/virt/virtio.h"

#define NICS_MAX     4
#define FRAMES       64
#define FRAMES_SMALL 16 /* each way, when the machine has little memory */
#define SMALL_PAGES  2048
#define FRAME_BYTES  2048
#define HEADER_BYTES 12
#define MTU          1500
#define ETHERNET     14
#define F_MTU        (1ul << 3)
#define F_MAC        (1ul << 5)
#define KICK_PART    4 /* of a ring: tell the device when so much waits */

struct nic {
	struct ring rx, tx;
	char *rx_frames, *tx_frames;
	uint8_t rx_slot[RING_MAX], tx_slot[RING_MAX]; /* of a chain's head: which frame */
	uint8_t tx_free[FRAMES];
	unsigned tx_free_count;
	unsigned rx_unkicked, tx_unkicked; /* shown to the device, which was not told yet */
	int lent;                          /* frame that plat_nic_recv lent; -1 */
	bool starved;
	struct plat_nic info;
	void (*ready)(void *);
	void *ctx;
};
static struct nic nics[NICS_MAX];
static unsigned nic_count;

/* Telling the device is what costs: do it for many frames at once. */
static void kick(struct ring *r, unsigned *unkicked, unsigned at_least)
{
	if (*unkicked && *unkicked >= at_least) {
		*unkicked = 0;
		ring_kick(r);
	}
}

static void offer(struct nic *n, unsigned slot)
{
	struct ring_piece piece = { (uint64_t)n->rx_frames + slot * FRAME_BYTES, FRAME_BYTES };
	int id = ring_put(&n->rx, &piece, 0, 1);

	if (id >= 0)
		n->rx_slot[id] = (uint8_t)slot;
}

void nic_found(const struct vdev *d)
{
	struct nic *n = &nics[nic_count];
	unsigned frames = mem_total() < SMALL_PAGES ? FRAMES_SMALL : FRAMES;
	uint64_t features;

	if (nic_count == NICS_MAX)
		return;
	features = virtio_agree(d, F_MAC | F_MTU);
	if (!features || !ring_init(&n->rx, d, 0, frames) || !ring_init(&n->tx, d, 1, frames))
		return;
	n->rx_frames = pages_row(n->rx.size * FRAME_BYTES / PAGE);
	n->tx_frames = pages_row(n->tx.size * FRAME_BYTES / PAGE);
	n->lent = -1;
	for (unsigned i = 0; i < 6; i++)
		n->info.mac[i] = features & F_MAC ? virtio_config8(d, i) : (i ? (uint8_t)i : 2);
	uint32_t mtu = features & F_MTU ? virtio_config32(d, 8) >> 16 : MTU;
	n->info.mtu = (uint16_t)(mtu < MTU ? mtu : MTU);
	virtio_go(d);
	for (unsigned i = 0; i < n->rx.size; i++)
		offer(n, i);
	for (unsigned i = 0; i < n->tx.size; i++)
		n->tx_free[n->tx_free_count++] = (uint8_t)i;
	ring_kick(&n->rx);
	nic_count++;
}

int plat_nic_open(struct plat_nic *out, unsigned index, void (*ready)(void *), void *ctx)
{
	if (index >= nic_count)
		return ERR_NOENT;
	nics[index].ready = ready;
	nics[index].ctx = ctx;
	*out = nics[index].info;
	return 0;
}

static void reclaim(struct nic *n)
{
	uint32_t written;

	for (int id; (id = ring_take(&n->tx, &written)) >= 0;)
		n->tx_free[n->tx_free_count++] = n->tx_slot[id];
}

int plat_nic_send(unsigned index, const struct plat_iov *iov, unsigned count)
{
	struct nic *n = &nics[index];
	size_t bytes = 0;

	if (index >= nic_count)
		return ERR_NOENT;
	for (unsigned i = 0; i < count; i++)
		bytes += iov[i].n;
	if (!bytes || bytes > FRAME_BYTES - HEADER_BYTES || bytes > n->info.mtu + ETHERNET + 4u)
		return ERR_BAD;
	reclaim(n);
	if (!n->tx_free_count) {
		kick(&n->tx, &n->tx_unkicked, 1);
		n->starved = true;
		return ERR_BUSY;
	}
	unsigned slot = n->tx_free[--n->tx_free_count];
	char *to = n->tx_frames + slot * FRAME_BYTES;
	struct ring_piece piece = { (uint64_t)to, (uint32_t)(HEADER_BYTES + bytes) };
	memset(to, 0, HEADER_BYTES);
	to += HEADER_BYTES;
	for (unsigned i = 0; i < count; i++) {
		memcpy(to, iov[i].p, iov[i].n);
		to += iov[i].n;
	}
	n->tx_slot[ring_put(&n->tx, &piece, 1, 0)] = (uint8_t)slot;
	n->tx_unkicked++; /* the next plat_poll at the latest tells */
	kick(&n->tx, &n->tx_unkicked, n->tx.size / KICK_PART);
	return 0;
}

int plat_nic_recv(const void **frame, size_t *n_bytes, unsigned index)
{
	struct nic *n = &nics[index];
	uint32_t written;

	if (index >= nic_count || n->lent >= 0)
		return index >= nic_count ? ERR_NOENT : ERR_BUSY;
	for (int id; (id = ring_take(&n->rx, &written)) >= 0;) {
		unsigned slot = n->rx_slot[id];
		if (written <= HEADER_BYTES || written > FRAME_BYTES) {
			offer(n, slot);
			continue;
		}
		n->lent = (int)slot;
		*frame = n->rx_frames + slot * FRAME_BYTES + HEADER_BYTES;
		*n_bytes = written - HEADER_BYTES;
		return 0;
	}
	return ERR_AGAIN;
}

void plat_nic_done(unsigned index)
{
	struct nic *n = &nics[index];

	if (index >= nic_count || n->lent < 0)
		return;
	offer(n, (unsigned)n->lent);
	n->lent = -1;
	n->rx_unkicked++;
	kick(&n->rx, &n->rx_unkicked, n->rx.size / KICK_PART);
}

void nic_poll(void)
{
	for (unsigned i = 0; i < nic_count; i++) {
		struct nic *n = &nics[i];
		kick(&n->tx, &n->tx_unkicked, 1);
		bool room = n->starved && ring_done(&n->tx);
		if (room)
			n->starved = false;
		if (n->ready && (room || ring_done(&n->rx)))
			n->ready(n->ctx);
	}
}

bool nic_idle(bool asleep)
{
	bool quiet = true;

	for (unsigned i = 0; i < nic_count; i++) {
		struct nic *n = &nics[i];
		if (asleep) {
			kick(&n->tx, &n->tx_unkicked, 1);
			kick(&n->rx, &n->rx_unkicked, 1);
		}
		ring_interrupts(&n->rx, asleep && n->ready);
		ring_interrupts(&n->tx, asleep && n->starved);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if ((n->ready && ring_done(&n->rx)) || (n->starved && ring_done(&n->tx)))
			quiet = false;
	}
	return quiet;
}
