/* SPDX-License-Identifier: ISC */
/*
 * An object of up to one frame is one record of the log: a zlib stream, level 1, or for a tree one
 * stored block (half of its bytes are hashes, which do not shrink). A larger one is frames (frame.c).
 * The index says where, in KV_OBJ: byte 0 is type | form << 4, then the size as a LEB128 number, then
 *	FORM_WHOLE   the place of the record
 *	FORM_FRAMES  8 bytes: the content id of its frames; the place of the record that says so
 */
#include "store/sweep_impl.h"

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
	for (struct store_edit *e = s->detached; e && !o; e = e->next)
		o = omap_get(&e->objs, id);
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
	if (out->type < OBJ_COMMIT || out->type > OBJ_TAG || out->form > FORM_FRAMES ||
		(out->form == FORM_FRAMES) != (out->size > FRAME_BYTES))
		goto damaged;
	if (out->form == FORM_FRAMES) {
		if (v.n < at + 8)
			goto damaged;
		out->content = load_be64(v.p + at);
		at += 8;
	}
	if (place_parse(&out->place, str_sub(v, at, v.n)) < 0 || out->place.n > RECORD_BYTES)
		goto damaged;
	return 0;
damaged:
	return err_set(ERR_CORRUPT, "store: an object's record is damaged");
}

struct str object_value(char out[static OBJECT_VALUE_MAX], const struct head *h)
{
	size_t at = 0;

	out[at++] = (char)(h->type | h->form << 4);
	for (uint64_t v = h->size; (out[at] = (char)(v & 127)), v > 127; v >>= 7)
		out[at++] |= (char)128;
	at++;
	if (h->form == FORM_FRAMES) {
		store_be64(out + at, h->content);
		at += 8;
	}
	place_pack(out + at, &h->place);
	return str_n(out, at + PLACE_BYTES);
}

int object_stored(struct head *out, struct store *s, const struct store_oid *id)
{
	struct str value;
	int err = kv_get(&value, s->kv, KV_OBJ, oid_str(id));

	if (err >= 0)
		err = head_parse(out, value);
	if (err >= 0 && s->sweep && mark_lacks(s->sweep, &out->place))
		return ERR_NOENT;
	return err;
}

int head_get(struct head *out, struct store *s, const struct store_oid *id)
{
	struct obj *o = object_fresh(s, id);
	char hex[STORE_HEX];
	struct str value;
	int err = ERR_AGAIN;

	if (o) {
		*out = (struct head){ .type = o->type, .size = o->n, .obj = o };
		return 0;
	}
	if (s->group) /* a large blob just spooled */
		err = changes_get(&value, &s->group->kv, KV_OBJ, oid_str(id));
	if (err >= 0)
		return head_parse(out, value);
	if (err == ERR_AGAIN)
		err = object_stored(out, s, id);
	if (err == ERR_NOENT)
		return err_set(ERR_NOENT, "store: no object %s", store_oid_hex(hex, id));
	return err;
}

int object_fail(int err, const struct store_oid *id)
{
	char hex[STORE_HEX], why[160];

	snprintf(why, sizeof(why), "%s", err_text(err));
	return err_set(err, "%s: object %s", why, store_oid_hex(hex, id));
}

int object_raw(struct str *z, struct store *s, const struct store_oid *id, const struct head *h,
	uint8_t *room)
{
	struct log_record r;
	int err = log_read(&r, s->log, &h->place, room);

	if (err >= 0 &&
		(r.kind != LOG_OBJECT || !store_oid_eq(&r.id, id) || r.type != h->type ||
			r.size != h->size || r.bytes.n <= 6))
		err = err_set(ERR_CORRUPT, "store: another record at unit %u, byte %u",
			(unsigned)h->place.unit, (unsigned)h->place.at);
	if (err >= 0) {
		*z = r.bytes;
		return 0;
	}
	return object_fail(err, id);
}

/* A tree as a rule: its bytes as they are. */
static bool is_stored(struct str z, size_t size)
{
	return z.n == size + STORED_HEAD + STORED_TAIL && z.p[2] == 1 &&
		((uint8_t)z.p[3] | (size_t)(uint8_t)z.p[4] << 8) == size;
}

static int unzip(struct view *v, struct store *s, const struct store_oid *id, const struct head *h)
{
	uint8_t *room = malloc(h->place.n + 1), *p;
	struct str z;
	uint32_t sum;
	int err;

	if (!room)
		return err_set(ERR_NOMEM, "store: out of memory");
	v->heap = room;
	err = object_raw(&z, s, id, h, room);
	if (err < 0)
		return err;
	if (is_stored(z, h->size)) { /* the record's crc covers it */
		v->p = (const uint8_t *)z.p + STORED_HEAD;
		return 0;
	}
	v->heap = p = malloc(h->size ? h->size : 1);
	err = p ? inflate_whole(&s->inflate, p, h->size, str_sub(z, 2, z.n - 4), true)
		: err_set(ERR_NOMEM, "store: out of memory");
	sum = err < 0 ? 0 : (uint32_t)adler32(1, p, (uInt)h->size);
	for (size_t i = 0; i < 4 && err >= 0; i++)
		if ((uint8_t)z.p[z.n - 4 + i] != (uint8_t)(sum >> (24 - 8 * i)))
			err = err_set(ERR_CORRUPT, "store: an object's bytes are damaged");
	free(room);
	v->p = p;
	return err;
}

static int unframe(
	struct view *v, struct store *s, const struct store_oid *id, const struct head *h)
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
			return object_fail(err, id);
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
	} else {
		err = h.form == FORM_WHOLE ? unzip(v, s, id, &h) : unframe(v, s, id, &h);
	}
	if (err < 0)
		view_end(v);
	return err;
}

void view_end(struct view *v)
{
	free(v->heap);
	obj_unref(v->obj);
	*v = (struct view){ 0 };
}

/* ---- writing ---- */
static size_t put_stored(uint8_t *out, const struct obj *o)
{
	const uint8_t head[STORED_HEAD] = { 0x78, 0x01, 0x01, (uint8_t)o->n, (uint8_t)(o->n >> 8),
		(uint8_t)~o->n, (uint8_t)(~o->n >> 8) };

	memcpy(out, head, sizeof(head));
	memcpy(out + sizeof(head), o->p, o->n);
	return sizeof(head) + o->n;
}

static size_t put_deflated(uint8_t *out, struct store *s, const struct obj *o)
{
	size_t n = libdeflate_deflate_compress(
		s->compressor, o->p, o->n, out + 2, SCRATCH_BYTES - 2 - STORED_TAIL);

	if (n == 0)
		os_panic("store: deflate: no room for an object");
	out[0] = 0x78;
	out[1] = 0x01;
	return 2 + n;
}

static int write_whole(struct head *h, struct store *s, const struct obj *o)
{
	uint32_t sum = (uint32_t)adler32(1, o->p, (uInt)o->n);
	uint8_t *z = s->scratch;
	size_t n = o->type == OBJ_TREE && o->n <= STORED_MAX ? put_stored(z, o)
							     : put_deflated(z, s, o);

	for (int i = 0; i < STORED_TAIL; i++)
		z[n++] = (uint8_t)(sum >> (24 - 8 * i));
	return log_object(&h->place, s->log, &o->id, o->type, o->n, str_n(z, n));
}

static int write_frames(struct head *h, struct store *s, struct changes *out, const struct obj *o)
{
	uint32_t n = 0;
	int err = 0;

	h->form = FORM_FRAMES;
	h->content = s->next_content++;
	for (size_t at = 0; at < o->n && err >= 0; at += FRAME_BYTES) {
		struct str kept;
		frame_pack(&kept, s, str_sub(str_n(o->p, o->n), at, at + FRAME_BYTES));
		err = frame_log(s, out, h->content, n++, kept);
	}
	return err < 0 ? err : log_big(&h->place, s->log, &o->id, o->type, o->n, h->content);
}

int object_write(struct store *s, struct changes *out, const struct obj *o)
{
	char room[OBJECT_VALUE_MAX];
	struct str key = oid_str(&o->id), there;
	struct head h = { .type = o->type, .size = o->n, .form = FORM_WHOLE };
	struct head old;
	int err = changes_get(&there, out, KV_OBJ, key);

	if (err == ERR_AGAIN)
		err = object_stored(&old, s, &o->id);
	if (err != ERR_NOENT)
		return err;
	err = o->n <= FRAME_BYTES ? write_whole(&h, s, o) : write_frames(&h, s, out, o);
	return err < 0 ? err : changes_put(out, KV_OBJ, key, object_value(room, &h));
}
