/* SPDX-License-Identifier: ISC */
#include "store/receive_impl.h"

#define CHUNK 512 /* so that growing copies nothing */

struct rec *recs_get(const struct recs *v, uint32_t i)
{
	return &v->chunks[i / CHUNK][i % CHUNK];
}

int recs_add(struct rec **out, struct recs *v, uint64_t at)
{
	if (v->n % CHUNK == 0) {
		if (v->n / CHUNK == v->chunk_cap) {
			uint32_t cap = v->chunk_cap ? v->chunk_cap * 2 : 16;
			struct rec **p = realloc(v->chunks, cap * sizeof(struct rec *));
			if (!p)
				return err_set(ERR_NOMEM, "out of memory");
			v->chunks = p;
			v->chunk_cap = cap;
		}
		v->chunks[v->n / CHUNK] = calloc(CHUNK, sizeof(struct rec));
		if (!v->chunks[v->n / CHUNK])
			return err_set(ERR_NOMEM, "out of memory");
	}
	*out = recs_get(v, v->n++);
	(*out)->at = at;
	return 0;
}

struct rec *recs_at(const struct recs *v, uint64_t at)
{
	uint32_t from = 0, to = v->n;

	while (from < to) {
		uint32_t mid = from + (to - from) / 2;
		struct rec *r = recs_get(v, mid);
		if (r->at == at)
			return r;
		if (r->at < at)
			from = mid + 1;
		else
			to = mid;
	}
	return NULL;
}

/* Where `id` stands or would stand. */
static uint32_t *slot_of(const struct recs *v, const struct store_oid *id)
{
	uint32_t i = (uint32_t)idset_of(id) & (v->slot_cap - 1);

	while (v->slots[i] && !store_oid_eq(&recs_get(v, v->slots[i] - 1)->id, id))
		i = (i + 1) & (v->slot_cap - 1);
	return &v->slots[i];
}

static int grow(struct recs *v)
{
	struct recs big = *v;

	big.slot_cap = v->slot_cap ? v->slot_cap * 2 : 1024;
	big.slots = calloc(big.slot_cap, sizeof(*big.slots));
	if (!big.slots)
		return err_set(ERR_NOMEM, "out of memory");
	for (uint32_t i = 0; i < v->slot_cap; i++)
		if (v->slots[i])
			*slot_of(&big, &recs_get(v, v->slots[i] - 1)->id) = v->slots[i];
	free(v->slots);
	*v = big;
	return 0;
}

int recs_know(struct recs *v, uint32_t i)
{
	uint32_t *slot;
	int err = (uint64_t)v->known * 4 >= (uint64_t)v->slot_cap * 3 ? grow(v) : 0;

	if (err < 0)
		return err;
	recs_get(v, i)->flags |= REC_KNOWN;
	slot = slot_of(v, &recs_get(v, i)->id);
	v->known += *slot == 0;
	if (*slot == 0 || recs_get(v, *slot - 1)->flags & REC_OUTSIDE)
		*slot = i + 1; /* rather one that needs nothing else */
	return 0;
}

struct rec *recs_find(const struct recs *v, const struct store_oid *id)
{
	uint32_t at = v->slot_cap ? *slot_of(v, id) : 0;
	return at ? recs_get(v, at - 1) : NULL;
}

void recs_free(struct recs *v)
{
	for (uint32_t i = 0; i * CHUNK < v->n; i++)
		free(v->chunks[i]);
	free(v->chunks);
	free(v->slots);
	*v = (struct recs){ 0 };
}
