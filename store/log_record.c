/* SPDX-License-Identifier: ISC */
/*
 * Records: kind (1), bytes that follow (LEB128), then
 *	object, big, frame	crc32 of all that follows it and the kind, in front of the rest
 *	object	id 20, type 1, size LEB128, the zlib stream
 *	big	id 20, type 1, size LEB128, content 8
 *	frame	content 8, number LEB128, the bytes as kept
 *	put	table 1, key's length LEB128, key, value
 *	del	table 1, key
 *	mark	ends 1
 */
#include "store/log_part_impl.h"

#include <libdeflate.h>

#define CRC_BYTES 4

static size_t leb_put(uint8_t *p, uint64_t v)
{
	size_t n = 0;

	for (; v > 127; v >>= 7)
		p[n++] = (uint8_t)(v | 128);
	p[n++] = (uint8_t)v;
	return n;
}

/* 0: it ends too soon, or is too long. */
static size_t leb_get(uint64_t *v, const uint8_t *p, size_t n)
{
	*v = 0;
	for (size_t i = 0; i < n && i < 9; i++) {
		*v |= (uint64_t)(p[i] & 127) << (7 * i);
		if (p[i] < 128)
			return i + 1;
	}
	return 0;
}

static uint32_t record_crc(uint8_t kind, const uint8_t *p, size_t n)
{
	return libdeflate_crc32(libdeflate_crc32(0, &kind, 1), p, n);
}

/* What stands before key, value or bytes; room for RECORD_HEAD_MAX. */
static size_t fields_pack(uint8_t *p, const struct log_record *r)
{
	size_t n = record_has_place(r->kind) ? CRC_BYTES : 0;

	switch (r->kind) {
	case LOG_OBJECT:
	case LOG_BIG:
		memcpy(p + n, r->id.b, sizeof(r->id.b));
		n += sizeof(r->id.b);
		p[n++] = (uint8_t)r->type;
		n += leb_put(p + n, r->size);
		if (r->kind == LOG_OBJECT)
			return n;
		le_put(p + n, r->content, 8);
		return n + 8;
	case LOG_FRAME: le_put(p + n, r->content, 8); return n + 8 + leb_put(p + n + 8, r->frame);
	case LOG_PUT: p[0] = (uint8_t)r->table; return 1 + leb_put(p + 1, r->key.n);
	case LOG_DEL: p[0] = (uint8_t)r->table; return 1;
	case LOG_MARK: p[0] = r->ends; return 1;
	}
	os_panic("store: no such record");
}

size_t record_pack(uint8_t *out, const struct log_record *r)
{
	uint8_t fields[RECORD_HEAD_MAX];
	size_t n = fields_pack(fields, r), at;
	const struct str parts[] = { str_n(fields, n), r->key, r->value, r->bytes };
	uint8_t *body;

	out[0] = (uint8_t)r->kind;
	at = 1 + leb_put(out + 1, n + r->key.n + r->value.n + r->bytes.n);
	body = out + at;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (parts[i].n)
			memcpy(out + at, parts[i].p, parts[i].n);
		at += parts[i].n;
	}
	if (record_has_place(r->kind))
		le_put(body,
			record_crc(out[0], body + CRC_BYTES, (size_t)(out + at - body) - CRC_BYTES),
			CRC_BYTES);
	return at;
}

/* ---- parsing ---- */
static int damaged(void)
{
	return err_set(ERR_CORRUPT, "store: a record of the log is damaged");
}

static int parse_object(struct log_record *r, const uint8_t *p, size_t n)
{
	size_t at = sizeof(r->id.b) + 1, k;

	if (n <= at || !(k = leb_get(&r->size, p + at, n - at)))
		return damaged();
	memcpy(r->id.b, p, sizeof(r->id.b));
	r->type = p[sizeof(r->id.b)];
	r->bytes = str_n(p + at + k, n - at - k);
	if (r->type < 1 || r->type > 4)
		return damaged();
	if (r->kind == LOG_OBJECT)
		return 0;
	if (r->bytes.n != 8)
		return damaged();
	r->content = le_get((const uint8_t *)r->bytes.p, 8);
	r->bytes = STR_NONE;
	return 0;
}

static int parse_frame(struct log_record *r, const uint8_t *p, size_t n)
{
	uint64_t number;
	size_t k;

	if (n < 9 || !(k = leb_get(&number, p + 8, n - 8)) || number > UINT32_MAX)
		return damaged();
	r->content = le_get(p, 8);
	r->frame = (uint32_t)number;
	r->bytes = str_n(p + 8 + k, n - 8 - k);
	return 0;
}

static int parse_change(struct log_record *r, const uint8_t *p, size_t n)
{
	uint64_t key = n - 1;
	size_t at = 1, k = 0;

	if (n < 2 || p[0] >= KV_TABLES)
		return damaged();
	if (r->kind == LOG_PUT && !(k = leb_get(&key, p + 1, n - 1)))
		return damaged();
	at += k;
	if (key == 0 || key > n - at)
		return damaged();
	r->table = (enum kv_table)p[0];
	r->key = str_n(p + at, key);
	r->value = str_n(p + at + key, n - at - key);
	return 0;
}

int record_parse(struct log_record *r, size_t *whole, struct str in)
{
	const uint8_t *p = (const uint8_t *)in.p;
	uint64_t n;
	size_t at;

	*r = (struct log_record){ 0 };
	if (in.n < 2 || !(at = leb_get(&n, p + 1, in.n - 1)) || n > in.n - 1 - at)
		return damaged();
	r->kind = (enum log_kind)p[0];
	p += 1 + at;
	*whole = 1 + at + n;
	if (record_has_place(r->kind)) {
		if (n < CRC_BYTES ||
			record_crc((uint8_t)r->kind, p + CRC_BYTES, n - CRC_BYTES) !=
				le_get(p, CRC_BYTES))
			return damaged();
		p += CRC_BYTES;
		n -= CRC_BYTES;
	}
	switch (r->kind) {
	case LOG_OBJECT:
	case LOG_BIG: return parse_object(r, p, n);
	case LOG_FRAME: return parse_frame(r, p, n);
	case LOG_PUT:
	case LOG_DEL: return parse_change(r, p, n);
	case LOG_MARK: r->ends = n == 1 && p[0]; return n == 1 ? 0 : damaged();
	}
	return damaged();
}
