/* SPDX-License-Identifier: ISC */
/*
 * How an object is kept: byte 0 is type | form << 4, then its size as a LEB128 number, then
 *	FORM_ZLIB    a zlib stream, level 1
 *	FORM_STORED  a zlib stream of one stored block, so its bytes are read in place
 *	FORM_FRAMES  8 bytes: the content id of its frames (frame.c)
 * Trees are stored: half of their bytes are hashes, which do not shrink.
 */
#include "store/store_impl.h"

#define STORED_MAX  65535
#define STORED_HEAD 7
#define STORED_TAIL 4

struct obj *object_fresh(struct store *s, const struct store_oid *id)
{
	struct obj *o = s->edit ? omap_get(&s->edit->objs, id) : NULL;
	if (!o && s->group)
		o = omap_get(&s->group->objs, id);
	if (!o && s->group)
		o = omap_get(&s->group->pending, id);
	return o ? o : omap_get(&s->loose, id);
}

int head_parse(struct head *out, struct str v)
{
	size_t at = 1;
	unsigned shift = 0;

	*out = (struct head){ 0 };
	if (v.n < 2)
		goto damaged;
	out->type = v.p[0] & 15;
	out->form = (v.p[0] >> 4) & 15;
	for (;;) {
		uint8_t c;
		if (at >= v.n || shift > 56)
			goto damaged;
		c = (uint8_t)v.p[at++];
		out->size |= (uint64_t)(c & 127) << shift;
		if (c < 128)
			break;
		shift += 7;
	}
	out->payload = str_sub(v, at, v.n);
	if (out->type < OBJ_COMMIT || out->type > OBJ_TAG)
		goto damaged;
	switch (out->form) {
	case FORM_ZLIB:
		if (out->payload.n <= 6 || out->size > OBJECT_BYTES)
			goto damaged;
		return 0;
	case FORM_STORED:
		if (out->payload.n != out->size + STORED_HEAD + STORED_TAIL)
			goto damaged;
		return 0;
	case FORM_FRAMES:
		if (out->payload.n != 8 || out->type != OBJ_BLOB || out->size <= FRAME_BYTES)
			goto damaged;
		out->content = load_be64(out->payload.p);
		return 0;
	default: break;
	}
damaged:
	return err_set(ERR_CORRUPT, "store: an object's record is damaged");
}

static int get_object(struct str *value, struct store *s, const struct store_oid *id)
{
	char hex[STORE_HEX];
	struct str key = oid_str(id);
	int err = ERR_AGAIN;

	if (s->group) /* a large blob just spooled */
		err = changes_get(value, &s->group->kv, KV_OBJ, key);
	if (err == ERR_AGAIN)
		err = kv_get(value, s->kv, KV_OBJ, key);
	if (err == ERR_NOENT)
		return err_set(ERR_NOENT, "store: no object %s", store_oid_hex(hex, id));
	return err;
}

int head_get(struct head *out, struct store *s, const struct store_oid *id)
{
	struct obj *o = object_fresh(s, id);
	struct str value;
	int err;

	if (o) {
		*out = (struct head){ .type = o->type, .size = o->n, .obj = o };
		return 0;
	}
	err = get_object(&value, s, id);
	return err < 0 ? err : head_parse(out, value);
}

static int unzip(struct view *v, struct store *s, const struct head *h)
{
	struct str z = h->payload;
	uint32_t sum;
	int err;

	v->heap = malloc(h->size ? h->size : 1);
	if (!v->heap)
		return err_set(ERR_NOMEM, "store: out of memory");
	err = inflate_whole(&s->inflate, v->heap, h->size, str_sub(z, 2, z.n - 4), true);
	if (err < 0)
		return err;
	sum = (uint32_t)adler32(1, v->heap, (uInt)h->size);
	for (size_t i = 0; i < 4; i++)
		if ((uint8_t)z.p[z.n - 4 + i] != (uint8_t)(sum >> (24 - 8 * i)))
			return err_set(ERR_CORRUPT, "store: an object's bytes are damaged");
	v->p = v->heap;
	return 0;
}

static int unframe(struct view *v, struct store *s, const struct head *h)
{
	uint8_t *p = malloc(h->size);
	uint32_t n = 0;

	v->heap = p;
	if (!p)
		return err_set(ERR_NOMEM, "store: out of memory");
	for (uint64_t at = 0; at < h->size; at += FRAME_BYTES, n++) {
		uint64_t left = h->size - at;
		uint32_t len = left < FRAME_BYTES ? (uint32_t)left : FRAME_BYTES;
		int err = frame_load(s, h->content, n, len);
		if (err < 0)
			return err;
		memcpy(p + at, s->frame, len);
	}
	v->p = p;
	return 0;
}

int view_open(struct view *v, struct store *s, const struct store_oid *id, int type, size_t max)
{
	char hex[STORE_HEX];
	struct head h;
	int err = head_get(&h, s, id);

	*v = (struct view){ 0 };
	if (err < 0)
		return err;
	if (type && h.type != type)
		return err_set(ERR_BAD, "store: %s is a %s, not a %s", store_oid_hex(hex, id),
			obj_type_name(h.type), obj_type_name(type));
	if (h.size > max)
		return err_set(ERR_LIMIT, "store: object %s has %llu bytes, over %zu",
			store_oid_hex(hex, id), (unsigned long long)h.size, max);
	v->type = h.type;
	v->n = h.size;
	if (h.obj) {
		v->obj = obj_ref(h.obj);
		v->p = h.obj->p;
	} else if (h.form == FORM_STORED) {
		v->p = (const uint8_t *)h.payload.p + STORED_HEAD;
	} else {
		err = h.form == FORM_ZLIB ? unzip(v, s, &h) : unframe(v, s, &h);
	}
	if (err < 0)
		view_end(v);
	return err;
}

int view_keep(struct view *v)
{
	if (v->heap || v->obj)
		return 0;
	v->heap = malloc(v->n ? v->n : 1);
	if (!v->heap)
		return err_set(ERR_NOMEM, "store: out of memory");
	memcpy(v->heap, v->p, v->n);
	v->p = v->heap;
	return 0;
}

void view_end(struct view *v)
{
	free(v->heap);
	obj_unref(v->obj);
	*v = (struct view){ 0 };
}

/* ---- writing ---- */
static void add_head(struct buf *b, int type, int form, uint64_t size)
{
	buf_addc(b, (char)(type | form << 4));
	for (; size > 127; size >>= 7)
		buf_addc(b, (char)(size | 128));
	buf_addc(b, (char)size);
}

static void add_sum(struct buf *b, uint32_t sum)
{
	for (int i = 0; i < 4; i++)
		buf_addc(b, (char)(sum >> (24 - 8 * i)));
}

static void add_stored(struct buf *b, const struct obj *o)
{
	const char head[STORED_HEAD] = { 0x78, 0x01, 0x01, (char)o->n, (char)(o->n >> 8),
		(char)~o->n, (char)(~o->n >> 8) };
	buf_add(b, str_n(head, sizeof(head)));
	buf_add(b, str_n(o->p, o->n));
}

static void add_deflated(struct buf *b, struct store *s, const struct obj *o)
{
	z_stream *z = &s->deflate;
	int rc;

	buf_add(b, str_n("\x78\x01", 2));
	deflateReset(z);
	z->next_in = o->p;
	z->avail_in = (uInt)o->n;
	do {
		z->next_out = s->scratch;
		z->avail_out = SCRATCH_BYTES;
		rc = deflate(z, Z_FINISH);
		buf_add(b, str_n(s->scratch, SCRATCH_BYTES - z->avail_out));
	} while (rc == Z_OK);
}

int object_write(struct store *s, struct changes *out, const struct obj *o)
{
	struct str key = oid_str(&o->id), there;
	struct buf b;
	int err = changes_get(&there, out, KV_OBJ, key);

	if (err == ERR_AGAIN)
		err = kv_get(&there, s->kv, KV_OBJ, key);
	if (err != ERR_NOENT)
		return err;
	buf_init(&b, NULL);
	if (o->type == OBJ_TREE && o->n <= STORED_MAX) {
		add_head(&b, o->type, FORM_STORED, o->n);
		add_stored(&b, o);
	} else {
		add_head(&b, o->type, FORM_ZLIB, o->n);
		add_deflated(&b, s, o);
	}
	add_sum(&b, (uint32_t)adler32(1, o->p, (uInt)o->n));
	err = b.err < 0 ? b.err : changes_put(out, KV_OBJ, key, buf_str(&b));
	buf_free(&b);
	return err;
}

int object_value_frames(struct buf *b, uint64_t size, uint64_t content)
{
	char id[8];
	store_be64(id, content);
	add_head(b, OBJ_BLOB, FORM_FRAMES, size);
	buf_add(b, str_n(id, sizeof(id)));
	return b->err;
}
