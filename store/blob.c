/* SPDX-License-Identifier: ISC */
/* Reading blobs: whole, or any part in bounded memory. */
#include "store/store_impl.h"

static int blob_head(struct head *h, struct store *s, const struct store_oid *id)
{
	char hex[STORE_HEX];
	int err = head_get(h, s, id);

	if (err >= 0 && h->type != OBJ_BLOB)
		err = err_set(ERR_BAD, "store: %s is a %s, not a blob", store_oid_hex(hex, id),
			obj_type_name(h->type));
	return err;
}

int store_blob_size(uint64_t *size, struct store *s, const struct store_oid *id)
{
	struct head h;
	int err = blob_head(&h, s, id);

	if (err >= 0)
		*size = h.size;
	return err;
}

int store_blob_all(
	struct str *out, struct arena *a, struct store *s, const struct store_oid *id, size_t max)
{
	uint64_t size;
	size_t n;
	char *p;
	int err = store_blob_size(&size, s, id);

	if (err < 0)
		return err;
	if (size > max)
		return err_set(ERR_LIMIT, "store: blob of %llu bytes, over %zu",
			(unsigned long long)size, max);
	p = arena_alloc(a, size + 1);
	if (!p)
		return err_set(ERR_LIMIT, "store: blob over the caller's memory");
	err = store_blob_read(&n, s, id, 0, p, size);
	p[n] = 0;
	*out = str_n(p, n);
	return err;
}

static int read_frames(size_t *n, struct store *s, const struct store_oid *id, const struct head *h,
	uint64_t at, char *p, size_t cap)
{
	while (*n < cap) {
		uint64_t number = at / FRAME_BYTES, start = number * FRAME_BYTES;
		uint64_t left = h->size - start;
		uint32_t len = left < FRAME_BYTES ? (uint32_t)left : FRAME_BYTES;
		size_t skip = (size_t)(at - start), take = len - skip;
		int err = frame_load(s, h->content, (uint32_t)number, len);
		if (err < 0)
			return object_fail(err, id);
		if (take > cap - *n)
			take = cap - *n;
		memcpy(p + *n, s->frame + skip, take);
		*n += take;
		at += take;
	}
	return 0;
}

int store_blob_read(size_t *n, struct store *s, const struct store_oid *id, uint64_t offset,
	void *p, size_t cap)
{
	struct view v;
	struct head h;
	int err = blob_head(&h, s, id);

	*n = 0;
	if (err < 0 || offset >= h.size)
		return err;
	if (cap > h.size - offset)
		cap = (size_t)(h.size - offset);
	if (!h.obj && h.form == FORM_FRAMES)
		return read_frames(n, s, id, &h, offset, p, cap);
	err = view_open(&v, s, id, OBJ_BLOB, FRAME_BYTES);
	if (err < 0)
		return err;
	memcpy(p, v.p + offset, cap);
	*n = cap;
	view_end(&v);
	return 0;
}
