/* SPDX-License-Identifier: ISC */
/*
 * virtio-blk. A request is cut into parts that fit the ring, done one after the other; many
 * requests are under way at once. Completions found while somebody waits in plat_blk_sync are
 * kept for plat_poll, because that wait may stand in the middle of anything.
 */
#include "os/platform/virt/virtio.h"

#define DISKS_MAX   8
#define SLOTS       32
#define SLOT_SYNC   (SLOTS - 1) /* kept for plat_blk_sync, which cannot be told to come later */
#define SYNC_ROOM   20          /* ring entries kept for it */
#define ROOM_MIN    4           /* header, a sector across two pages, status */
#define PIECES_MAX  50
#define SECTOR      512
#define F_READ_ONLY (1ul << 5)
#define F_FLUSH     (1ul << 9)
#define F_SEG_MAX   (1ul << 2)

enum { BLK_IN = 0, BLK_OUT = 1, BLK_FLUSH = 4 };

struct dma_slot { /* what the device reads and writes of a request, besides the data */
	uint32_t type, reserved;
	uint64_t sector;
	uint8_t status;
};
struct slot {
	struct plat_blk_req *req; /* NULL: free */
	const uint64_t *pages;    /* instead of req->p */
	size_t done, part;
	unsigned room; /* ring entries that are this request's until it is complete */
	bool complete;
};
struct disk {
	struct ring ring;
	struct dma_slot *dma;
	struct slot slots[SLOTS];
	uint8_t slot_of[RING_MAX]; /* of a chain's head */
	uint64_t size;
	unsigned pieces_max, under_way, granted; /* sum of the slots' room, not the sync slot's */
	bool flushes, read_only;
};
static struct disk disks[DISKS_MAX];
static unsigned disk_count;

void blk_found(const struct vdev *v)
{
	struct disk *d = &disks[disk_count];
	uint64_t features;

	if (disk_count == DISKS_MAX)
		return;
	features = virtio_agree(v, F_READ_ONLY | F_FLUSH | F_SEG_MAX);
	if (!features || !ring_init(&d->ring, v, 0, RING_MAX) ||
		d->ring.size < SYNC_ROOM + ROOM_MIN)
		return;
	d->dma = pages_row((SLOTS * sizeof(*d->dma) + PAGE - 1) / PAGE);
	d->size = (virtio_config32(v, 0) | (uint64_t)virtio_config32(v, 4) << 32) * SECTOR;
	d->flushes = features & F_FLUSH;
	d->read_only = features & F_READ_ONLY;
	uint32_t segments = features & F_SEG_MAX ? virtio_config32(v, 12) : 0;
	d->pieces_max = segments + 2 < PIECES_MAX ? segments + 2 : PIECES_MAX;
	if (d->pieces_max < ROOM_MIN)
		d->pieces_max = ROOM_MIN;
	virtio_go(v);
	disk_count++;
}

uint64_t blk_size(unsigned index)
{
	return index < disk_count ? disks[index].size : 0;
}

int plat_blk_open(uint64_t *size_bytes, unsigned index)
{
	if (index >= disk_count)
		return ERR_NOENT;
	*size_bytes = disks[index].size;
	return 0;
}

static uint64_t data_address(const struct slot *s, size_t at)
{
	if (s->pages)
		return s->pages[at / PAGE] + at % PAGE;
	return dma_address((const char *)s->req->p + at);
}

/* Give the next part to the device, within the slot's room. false: memory is not fit. */
static bool start_part(struct disk *d, unsigned index)
{
	struct slot *s = &d->slots[index];
	struct dma_slot *dma = &d->dma[index];
	struct ring_piece pieces[PIECES_MAX] = { { (uint64_t)dma, 16 } };
	const struct plat_blk_req *r = s->req;
	unsigned n = 1, max = s->room < d->pieces_max ? s->room : d->pieces_max;
	bool in = r->op == PLAT_BLK_READ;

	*dma = (struct dma_slot){ .type = in ? BLK_IN : BLK_OUT,
		.sector = (r->offset_bytes + s->done) / SECTOR,
		.status = 0xff };
	if (r->op == PLAT_BLK_FLUSH)
		*dma = (struct dma_slot){ .type = BLK_FLUSH, .status = 0xff };
	for (s->part = 0; r->op != PLAT_BLK_FLUSH && s->done + s->part < r->n;) {
		uint64_t at = data_address(s, s->done + s->part);
		size_t take = PAGE - at % PAGE;
		if (!at)
			return false;
		if (take > r->n - s->done - s->part)
			take = r->n - s->done - s->part;
		if (n > 1 && pieces[n - 1].at + pieces[n - 1].n == at)
			pieces[n - 1].n += (uint32_t)take;
		else if (n + 1 < max)
			pieces[n++] = (struct ring_piece){ at, (uint32_t)take };
		else
			break;
		s->part += take;
	}
	/* A part ends on a sector; what the last page had of the next one goes later. */
	for (size_t over = s->part % SECTOR; over;) {
		size_t cut = pieces[n - 1].n < over ? pieces[n - 1].n : over;
		pieces[n - 1].n -= (uint32_t)cut;
		s->part -= cut;
		over -= cut;
		n -= !pieces[n - 1].n;
	}
	pieces[n++] = (struct ring_piece){ (uint64_t)&dma->status, 1 };
	int head = in ? ring_put(&d->ring, pieces, 1, n - 1) : ring_put(&d->ring, pieces, n - 1, 1);
	d->slot_of[head] = (uint8_t)index;
	ring_kick(&d->ring);
	return true;
}

static int check(const struct disk *d, const struct plat_blk_req *r)
{
	if (r->op == PLAT_BLK_FLUSH)
		return 0;
	if (!r->n || r->n % SECTOR || r->offset_bytes % SECTOR || r->offset_bytes > d->size ||
		r->n > d->size - r->offset_bytes)
		return ERR_BAD;
	return r->op == PLAT_BLK_WRITE && d->read_only ? ERR_DENIED : 0;
}

static int start(struct disk *d, struct plat_blk_req *r, unsigned index, unsigned room,
	const uint64_t *pages)
{
	struct slot *s = &d->slots[index];
	unsigned before = d->ring.free;

	*s = (struct slot){ .req = r, .pages = pages, .room = room };
	r->err = 0;
	if (r->op == PLAT_BLK_FLUSH && !d->flushes)
		s->complete = true; /* such a device writes through */
	else if (!start_part(d, index)) {
		s->req = NULL;
		return ERR_BAD;
	}
	if (index != SLOT_SYNC) {
		unsigned took = before - d->ring.free;
		s->room = took > ROOM_MIN ? took : ROOM_MIN;
		d->granted += s->room;
		d->under_way++;
	}
	return 0;
}

int plat_blk_submit(unsigned index, struct plat_blk_req *req)
{
	struct disk *d = &disks[index];

	if (index >= disk_count)
		return ERR_NOENT;
	int err = check(d, req);
	if (err < 0)
		return err;
	unsigned room = d->ring.size - SYNC_ROOM - d->granted;
	for (unsigned i = 0; room >= ROOM_MIN && i < SLOT_SYNC; i++)
		if (!d->slots[i].req)
			return start(d, req, i, room, NULL);
	return ERR_BUSY;
}

/* Take what the device finished: start the next part, or mark the request complete. */
static void reap(struct disk *d)
{
	uint32_t written;

	for (int id; (id = ring_take(&d->ring, &written)) >= 0;) {
		struct slot *s = &d->slots[d->slot_of[id]];
		if (!s->req)
			continue;
		s->done += s->part;
		if (((volatile struct dma_slot *)d->dma)[d->slot_of[id]].status != 0)
			s->req->err = ERR_IO;
		else if (s->req->op != PLAT_BLK_FLUSH && s->done < s->req->n) {
			if (start_part(d, d->slot_of[id]))
				continue;
			s->req->err = ERR_BAD;
		}
		s->complete = true;
	}
}

static int sync_request(struct disk *d, struct plat_blk_req *req, const uint64_t *pages)
{
	struct slot *s = &d->slots[SLOT_SYNC];
	int err = check(d, req);

	if (err == 0)
		err = start(d, req, SLOT_SYNC, SYNC_ROOM, pages);
	if (err < 0)
		return err;
	while (!s->complete) {
		reap(d);
		cpu_pause();
	}
	s->req = NULL;
	return req->err;
}

int plat_blk_sync(unsigned index, struct plat_blk_req *req)
{
	return index < disk_count ? sync_request(&disks[index], req, NULL) : ERR_NOENT;
}

int blk_read_pages(unsigned index, uint64_t offset, const uint64_t *pages, size_t n)
{
	struct plat_blk_req req = { .op = PLAT_BLK_READ, .offset_bytes = offset, .n = n * PAGE };

	return index < disk_count ? sync_request(&disks[index], &req, pages) : ERR_NOENT;
}

void blk_poll(void)
{
	for (struct disk *d = disks; d < disks + disk_count; d++) {
		if (!d->under_way)
			continue;
		reap(d);
		for (unsigned i = 0; i < SLOT_SYNC; i++) {
			struct plat_blk_req *req = d->slots[i].req;
			if (!req || !d->slots[i].complete)
				continue;
			d->slots[i].req = NULL;
			d->granted -= d->slots[i].room;
			d->under_way--;
			req->done(req);
		}
	}
}

bool blk_idle(bool asleep)
{
	bool quiet = true;

	for (struct disk *d = disks; d < disks + disk_count; d++) {
		ring_interrupts(&d->ring, asleep);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (ring_done(&d->ring))
			quiet = false;
		for (unsigned i = 0; d->under_way && i < SLOT_SYNC; i++)
			if (d->slots[i].req && d->slots[i].complete)
				quiet = false;
	}
	return quiet;
}
