/* SPDX-License-Identifier: ISC */
/*
 * The first 64 KiB of the disk: two copies of the superblock, each in a sector of its own.
 * little-endian:  0 magic "AllodSt1"   8 version u32   12 crc32 of the sector with this field 0
 *                16 uuid              32 generation u64
 *                40 unit bytes u32    44 units u32     48 extents of the index u32
 *                64 extent: first unit u32, units u32; ...
 * The copy with the higher generation counts; they are written one after the other, with a
 * flush between. Behind them the units (log_impl.h).
 */
#include "os/crypto.h"
#include "os/log.h"
#include "store/store_impl.h"

#define MAGIC       "AllodSt1"
#define COPY_AT(i)  ((uint64_t)(i) * 4096)
#define DISK_LEAST  (1024 * 1024)
#define UNITS_LEAST 6
#define UNIT_MOST   (8u * 1024 * 1024)
#define EXTENT_AT   64

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
	uint32_t c = libdeflate_crc32(0, in, 12);

	c = libdeflate_crc32(c, zero, 4);
	return libdeflate_crc32(c, in + 16, SUPER_BYTES - 16);
}

void super_pack(uint8_t out[static SUPER_BYTES], const struct super *u)
{
	memset(out, 0, SUPER_BYTES);
	memcpy(out, MAGIC, 8);
	put_le(out + 8, u->version, 4);
	memcpy(out + 16, u->uuid, 16);
	put_le(out + 32, u->generation, 8);
	put_le(out + 40, u->unit_bytes, 4);
	put_le(out + 44, u->units, 4);
	put_le(out + 48, u->extent_count, 4);
	for (unsigned i = 0; i < u->extent_count; i++) {
		put_le(out + EXTENT_AT + 8 * i, u->extents[i].unit, 4);
		put_le(out + EXTENT_AT + 8 * i + 4, u->extents[i].units, 4);
	}
	put_le(out + 12, sum(out), 4);
}

static bool is_possible(const struct super *u)
{
	if (u->generation == 0 || u->unit_bytes < LOG_UNIT_LEAST || u->unit_bytes > UNIT_MOST ||
		(u->unit_bytes & (u->unit_bytes - 1)) || u->units < UNITS_LEAST ||
		u->extent_count == 0 || u->extent_count > EXTENTS_MAX)
		return false;
	for (unsigned i = 0; i < u->extent_count; i++) {
		const struct extent *x = &u->extents[i];
		if (x->units == 0 || x->unit >= u->units || x->units > u->units - x->unit)
			return false;
		for (unsigned k = 0; k < i; k++)
			if (x->unit < u->extents[k].unit + u->extents[k].units &&
				u->extents[k].unit < x->unit + x->units)
				return false;
	}
	return true;
}

int super_parse(struct super *out, const uint8_t in[static SUPER_BYTES])
{
	if (memcmp(in, MAGIC, 8) != 0)
		return err_set(ERR_CORRUPT, "store: no store on this disk");
	*out = (struct super){ .version = (uint32_t)get_le(in + 8, 4) };
	if (get_le(in + 12, 4) != sum(in))
		return err_set(ERR_CORRUPT, "store: superblock damaged");
	if (out->version != STORE_VERSION)
		return err_set(ERR_UNSUPPORTED,
			"store: the disk has layout version %u, this is for %u: take out what it "
			"has with the version that wrote it (`allod export`, IMAP), then "
			"`allod import` it into a new one",
			(unsigned)out->version, STORE_VERSION);
	memcpy(out->uuid, in + 16, 16);
	out->generation = get_le(in + 32, 8);
	out->unit_bytes = (uint32_t)get_le(in + 40, 4);
	out->units = (uint32_t)get_le(in + 44, 4);
	out->extent_count = (unsigned)get_le(in + 48, 4);
	for (unsigned i = 0; i < out->extent_count && i < EXTENTS_MAX; i++) {
		out->extents[i].unit = (uint32_t)get_le(in + EXTENT_AT + 8 * i, 4);
		out->extents[i].units = (uint32_t)get_le(in + EXTENT_AT + 8 * i + 4, 4);
	}
	if (!is_possible(out))
		return err_set(ERR_CORRUPT, "store: superblock names impossible extents");
	return 0;
}

void super_geometry(struct log_geometry *out, const struct super *u)
{
	*out = (struct log_geometry){
		.base = UNITS_AT, .unit_bytes = u->unit_bytes, .units = u->units
	};
	memcpy(out->uuid, u->uuid, sizeof(out->uuid));
}

static int read_copy(struct super *out, struct os_disk *d, int i)
{
	_Alignas(16) uint8_t sector[SUPER_BYTES];
	int err = os_disk_read(d, COPY_AT(i), sector, sizeof(sector));

	if (err < 0)
		return err_set(err, "store: can't read the superblock at byte %llu",
			(unsigned long long)COPY_AT(i));
	return super_parse(out, sector);
}

static int write_copy(struct os_disk *d, int i, const struct super *u)
{
	_Alignas(16) uint8_t sector[SUPER_BYTES];
	int err;

	super_pack(sector, u);
	err = os_disk_write(d, COPY_AT(i), sector, sizeof(sector));
	return err < 0 ? err : os_disk_flush(d);
}

int super_save(struct super *u, struct os_disk *d)
{
	int err = 0;

	u->generation++;
	for (int i = 0; i < 2 && err >= 0; i++)
		err = write_copy(d, i, u);
	return err;
}

/* Many enough to sweep one by one, few enough to keep a table of; the index gets a sixteenth. */
static void divide(struct super *u, uint64_t bytes)
{
	uint32_t index;

	u->unit_bytes = LOG_UNIT_LEAST;
	while (u->unit_bytes < UNIT_MOST && (uint64_t)u->unit_bytes * 64 <= bytes)
		u->unit_bytes *= 2;
	u->units = (uint32_t)((bytes - UNITS_AT) / u->unit_bytes);
	index = u->units / 16;
	if (index > INDEX_MOST / u->unit_bytes)
		index = INDEX_MOST / u->unit_bytes;
	if (index < INDEX_LEAST / u->unit_bytes)
		index = INDEX_LEAST / u->unit_bytes;
	if (index == 0)
		index = 1;
	u->extents[0] = (struct extent){ u->units - index, index };
	u->extent_count = 1;
}

int store_format(struct os_disk *d)
{
	_Alignas(16) static const uint8_t blank[SUPER_BYTES];
	struct super u = { .version = STORE_VERSION };
	int err = 0;

	if (d->size_bytes < DISK_LEAST)
		return err_set(ERR_NOSPACE, "store: a disk needs at least %d bytes", DISK_LEAST);
	divide(&u, d->size_bytes);
	os_random(u.uuid, sizeof(u.uuid));
	/* No superblock counts until the log and the index stand. */
	for (int i = 0; i < 2 && err >= 0; i++)
		err = os_disk_write(d, COPY_AT(i), blank, sizeof(blank));
	if (err >= 0)
		err = os_disk_flush(d);
	if (err >= 0)
		err = index_format(d, &u);
	return err < 0 ? err : super_save(&u, d);
}

int super_load(struct super *out, struct os_disk *d)
{
	struct super u;
	uint64_t generation[2] = { 0 }; /* 0: damaged */
	int err = 0;

	if (d->size_bytes < COPY_AT(2))
		return err_set(ERR_CORRUPT, "store: no store on this disk: it is too small");
	for (int i = 0; i < 2; i++) {
		err = read_copy(&u, d, i);
		if (err < 0 && err != ERR_CORRUPT && err != ERR_IO)
			return err;
		if (err >= 0 && u.generation > generation[0])
			*out = u;
		generation[i] = err < 0 ? 0 : u.generation;
	}
	if (!generation[0] && !generation[1])
		return err;
	if (UNITS_AT + (uint64_t)out->units * out->unit_bytes > d->size_bytes)
		return err_set(
			ERR_CORRUPT, "store: the disk is smaller than when it was formatted");
	for (int i = 0; i < 2; i++) {
		if (generation[i] == out->generation)
			continue;
		os_log(OS_WARN, "svc=store event=superblock-damaged copy=%d byte=%llu", i,
			(unsigned long long)COPY_AT(i));
		err = write_copy(d, i, out);
		if (err < 0)
			return err;
	}
	return 0;
}
