/* SPDX-License-Identifier: ISC */
#include "store/receive_impl.h"

int making_begin(struct store_receive *r, int type, uint64_t size)
{
	struct making *m = &r->making;

	*m = (struct making){ .type = type, .size = size };
	if (size > r->limits.object_bytes_max || (type == OBJ_BLOB && size > STORE_BLOB_MAX))
		return err_set(ERR_LIMIT, "an object of %llu bytes is too large here, at most %llu",
			(unsigned long long)size, (unsigned long long)r->limits.object_bytes_max);
	if (type == OBJ_BLOB && size > FRAME_BYTES)
		return store_spool_begin(&m->spool, r->s);
	if (size > WHOLE_MAX)
		return err_set(ERR_LIMIT, "a %s of %llu bytes is too large here, at most %u",
			obj_type_name(type), (unsigned long long)size, WHOLE_MAX);
	m->p = malloc(size ? size : 1);
	return m->p ? 0 : err_set(ERR_NOMEM, "out of memory");
}

int making_add(struct store_receive *r, struct str bytes)
{
	struct making *m = &r->making;

	os_assert(bytes.n <= m->size - m->n);
	if (m->p && bytes.n)
		memcpy(m->p + m->n, bytes.p, bytes.n);
	m->n += bytes.n;
	receive_rest(r, bytes.n);
	return m->p ? 0 : store_spool_write(m->spool, bytes);
}

void making_drop(struct store_receive *r)
{
	free(r->making.p);
	if (r->making.spool)
		store_spool_abort(r->making.spool);
	r->making = (struct making){ 0 };
}

static int making_keep(struct store_oid *id, struct store_receive *r)
{
	struct making *m = &r->making;
	struct str bytes = str_n(m->p, m->n);
	struct store_spool *w = m->spool;
	int err;

	if (w) {
		m->spool = NULL; /* ended in any case */
		err = store_spool_finish(id, NULL, w);
		return err < 0 ? err : take_spooled(&r->take, id);
	}
	err = oid_of(id, r->s, m->type, bytes);
	if (err >= 0)
		err = object_sound(m->type, bytes, id);
	return err < 0 ? err : take_object(id, &r->take, m->type, bytes);
}

int making_end(struct store_receive *r, uint32_t number)
{
	struct rec *rec = recs_get(&r->recs, number);
	int err = making_keep(&rec->id, r);

	rec->type = (uint8_t)r->making.type;
	making_drop(r);
	return err < 0 ? err : recs_know(&r->recs, number);
}
