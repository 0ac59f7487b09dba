/* SPDX-License-Identifier: ISC */
/*
 * The first 64 KiB of the disk: two copies of the superblock, each in a sector of its own.
 * little-endian:  0 magic "AllodSt1"   8 version u32   12 crc32 of the sector with this field 0
 *                16 uuid              32 generation u64
 *                40 extents u32       48 extent: kind u32, 0 u32, offset u64, bytes u64
 * The copy with the higher generation counts; they are written one after the other, with a
 * flush between.
 */
#include "os/crypto.h"
#include "os/log.h"
#include "store/store_impl.h"

#define MAGIC      "AllodSt1"
#define COPY_AT(i) ((uint64_t)(i) * 4096)
#define KV_AT      (64 * 1024)
#define EXTENT_KV  1
#define DISK_LEAST (1024 * 1024)

static void put_le(uint8_t *p, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get_le(const uint8_t *p, size_t n)
{
	uint64_t v = 0;
	for (size_t i = n; i-- > 0;)
		v = v << 8 | p[i];
	return v;
}

static uint32_t sum(const uint8_t in[static SUPER_BYTES])
{
	static const uint8_t zero[4];
	uLong c = crc32(0, in, 12);
	c = crc32(c, zero, 4);
	return (uint32_t)crc32(c, in + 16, SUPER_BYTES - 16);
}

void super_pack(uint8_t out[static SUPER_BYTES], const struct super *u)
{
	memset(out, 0, SUPER_BYTES);
	memcpy(out, MAGIC, 8);
	put_le(out + 8, u->version, 4);
	memcpy(out + 16, u->uuid, 16);
	put_le(out + 32, u->generation, 8);
	put_le(out + 40, 1, 4);
	put_le(out + 48, EXTENT_KV, 4);
	put_le(out + 56, u->kv_offset, 8);
	put_le(out + 64, u->kv_bytes, 8);
	put_le(out + 12, sum(out), 4);
}

int super_parse(struct super *out, const uint8_t in[static SUPER_BYTES])
{
	if (memcmp(in, MAGIC, 8) != 0)
		return err_set(ERR_CORRUPT, "store: no store on this disk");
	out->version = (uint32_t)get_le(in + 8, 4);
	if (get_le(in + 12, 4) != sum(in))
		return err_set(ERR_CORRUPT, "store: superblock damaged");
	if (out->version != STORE_VERSION)
		return err_set(ERR_UNSUPPORTED,
			"store: the disk has layout version %u, this is for %u",
			(unsigned)out->version, STORE_VERSION);
	memcpy(out->uuid, in + 16, 16);
	out->generation = get_le(in + 32, 8);
	out->kv_offset = get_le(in + 56, 8);
	out->kv_bytes = get_le(in + 64, 8);
	if (get_le(in + 40, 4) != 1 || get_le(in + 48, 4) != EXTENT_KV || out->kv_offset % KV_AT ||
		out->kv_bytes % KV_AT || out->kv_offset < KV_AT || out->kv_bytes < KV_AT ||
		out->kv_bytes > UINT64_MAX / 2 || out->kv_offset > UINT64_MAX / 2)
		return err_set(ERR_CORRUPT, "store: superblock names impossible extents");
	return 0;
}

static int read_copy(struct super *out, struct os_disk *d, int i)
{
	_Alignas(16) uint8_t sector[SUPER_BYTES];
	int err = os_disk_read(d, COPY_AT(i), sector, sizeof(sector));

	return err < 0 ? err : super_parse(out, sector);
}

static int write_copy(struct os_disk *d, int i, const struct super *u)
{
	_Alignas(16) uint8_t sector[SUPER_BYTES];
	int err;

	super_pack(sector, u);
	err = os_disk_write(d, COPY_AT(i), sector, sizeof(sector));
	return err < 0 ? err : os_disk_flush(d);
}

int store_format(struct os_disk *d)
{
	_Alignas(16) static const uint8_t blank[SUPER_BYTES];
	struct super u = { .version = STORE_VERSION, .generation = 1, .kv_offset = KV_AT };
	int err = 0;

	if (d->size_bytes < DISK_LEAST)
		return err_set(ERR_NOSPACE, "store: a disk needs at least %d bytes", DISK_LEAST);
	u.kv_bytes = (d->size_bytes - KV_AT) / KV_AT * KV_AT;
	os_random(u.uuid, sizeof(u.uuid));
	/* No superblock counts until the index stands. */
	for (int i = 0; i < 2 && err >= 0; i++)
		err = os_disk_write(d, COPY_AT(i), blank, sizeof(blank));
	if (err >= 0)
		err = os_disk_flush(d);
	if (err >= 0)
		err = kv_format(d, u.kv_offset, u.kv_bytes);
	for (int i = 0; i < 2 && err >= 0; i++)
		err = write_copy(d, i, &u);
	return err;
}

int super_load(struct super *out, struct os_disk *d)
{
	struct super u[2];
	int err[2], best = -1;

	if (d->size_bytes < COPY_AT(2))
		return err_set(ERR_CORRUPT, "store: no store on this disk: it is too small");
	for (int i = 0; i < 2; i++) {
		err[i] = read_copy(&u[i], d, i);
		if (err[i] < 0 && err[i] != ERR_CORRUPT)
			return err[i];
		if (err[i] >= 0 && (best < 0 || u[i].generation > u[best].generation))
			best = i;
	}
	if (best < 0)
		return err[1];
	*out = u[best];
	if (out->kv_offset + out->kv_bytes > d->size_bytes)
		return err_set(
			ERR_CORRUPT, "store: the disk is smaller than when it was formatted");
	for (int i = 0; i < 2; i++) {
		if (err[i] >= 0 && u[i].generation == out->generation)
			continue;
		os_log(OS_WARN, "svc=store event=superblock-repaired copy=%d", i);
		err[i] = write_copy(d, i, out);
		if (err[i] < 0)
			return err[i];
	}
	return 0;
}
