/* SPDX-License-Identifier: ISC */
#include "tests/fake/tape.h"

#include <stdlib.h>

#define CHUNK (64 * 1024)

void *fake_realloc(void *p, size_t n)
{
	void *to = realloc(p, n);

	os_assert(to);
	return to;
}

static struct fake_op *add(struct fake_tape *t)
{
	if (t->n == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 256;
		t->ops = fake_realloc(t->ops, t->cap * sizeof(*t->ops));
	}
	t->ops[t->n] = (struct fake_op){ 0 };
	return &t->ops[t->n++];
}

void fake_tape_write(struct fake_tape *t, uint64_t at, const void *p, size_t n)
{
	struct fake_op *op = add(t);

	op->at = at;
	op->n = n;
	op->bytes = malloc(n + 1);
	os_assert(op->bytes);
	memcpy(op->bytes, p, n);
}

void fake_tape_flush(struct fake_tape *t, size_t sure)
{
	add(t)->sure = sure;
}

void fake_tape_free(struct fake_tape *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->ops[i].bytes);
	free(t->ops);
	*t = (struct fake_tape){ 0 };
}

void fake_player_init(struct fake_player *p, struct fake_tape *t, uint64_t size_bytes)
{
	*p = (struct fake_player){ .tape = t, .size_bytes = size_bytes };
	p->sure = calloc(1, size_bytes);
	p->touched = calloc(1, size_bytes / CHUNK + 1);
	os_assert(p->sure && p->touched);
	for (size_t i = 0; i < t->n; i++)
		t->ops[i].done = false;
}

static void settle(struct fake_player *p, size_t upto)
{
	for (size_t i = 0; i < upto; i++) {
		struct fake_op *op = &p->tape->ops[i];

		if (op->done || !op->bytes)
			continue;
		op->done = true;
		memcpy(p->sure + op->at, op->bytes, op->n);
		for (uint64_t c = op->at / CHUNK; c <= (op->at + op->n - 1) / CHUNK; c++)
			p->touched[c] = 1;
	}
}

static void put_sector(struct fake_disk *g, uint64_t at, const uint8_t *bytes)
{
	memcpy(g->live + at, bytes, OS_SECTOR_BYTES);
	memcpy(g->durable + at, bytes, OS_SECTOR_BYTES);
}

/* Torn: any selection of the sectors, or the first or last of them. */
static void put(struct fake_disk *g, const struct fake_op *op, enum fake_cut cut, uint64_t *seed)
{
	unsigned how = cut == FAKE_TORN ? 1 + fake_random(seed) % 3 : 0;
	size_t mid = how ? fake_random(seed) % op->n : 0;
	uint8_t neither[OS_SECTOR_BYTES];

	if (cut == FAKE_KILL && os_disk_write(&g->d, op->at, op->bytes, op->n) < 0)
		os_panic("fake disk: a write failed");
	if (cut == FAKE_KILL)
		return;

	memset(neither, (int)fake_random(seed), sizeof(neither));
	for (size_t i = 0; i < op->n; i += OS_SECTOR_BYTES) {
		if ((how == 1 && fake_random(seed) & 1) || (how == 2 && i > mid) ||
			(how == 3 && i < mid))
			continue;
		if (cut == FAKE_GARBLED && fake_random(seed) & 1)
			put_sector(g, op->at + i, neither);
		else
			put_sector(g, op->at + i, op->bytes + i);
	}
}

/* Does it get to the disk, the i-th of n? */
static bool chosen(size_t i, size_t n, enum fake_cut how, uint64_t keep, uint64_t *seed)
{
	switch (how) {
	case FAKE_NONE: return false;
	case FAKE_ALL:
	case FAKE_KILL: return true;
	case FAKE_FIRST_LOST: return i > 0;
	case FAKE_LAST_ALONE: return i + 1 == n;
	default: return fake_random(seed) % 4 < keep;
	}
}

struct fake_disk *fake_player_cut(
	struct fake_player *p, size_t point, enum fake_cut how, uint64_t *seed)
{
	struct fake_disk *g = fake_disk_new(p->size_bytes);
	size_t *open = calloc(point + 1, sizeof(*open)), n = 0;
	uint64_t keep = 1 + fake_random(seed) % 4; /* of 4 */

	g->eager = true;
	os_assert(open && point >= p->at && point <= p->tape->n);
	for (; p->at < point; p->at++)
		if (!p->tape->ops[p->at].bytes)
			settle(p, p->tape->ops[p->at].sure);
	for (uint64_t c = 0; c * CHUNK < p->size_bytes; c++) {
		uint64_t left = p->size_bytes - c * CHUNK;
		if (!p->touched[c])
			continue;
		memcpy(g->live + c * CHUNK, p->sure + c * CHUNK, left < CHUNK ? left : CHUNK);
		memcpy(g->durable + c * CHUNK, p->sure + c * CHUNK, left < CHUNK ? left : CHUNK);
	}
	for (size_t i = 0; i < point; i++)
		if (p->tape->ops[i].bytes && !p->tape->ops[i].done)
			open[n++] = i;
	bool any_order = how == FAKE_SOME || how == FAKE_TORN || how == FAKE_GARBLED;
	for (size_t i = n; i > 1 && any_order; i--) {
		size_t j = fake_random(seed) % i, t = open[i - 1];
		open[i - 1] = open[j];
		open[j] = t;
	}
	for (size_t i = 0; i < n; i++)
		if (chosen(i, n, how, keep, seed))
			put(g, &p->tape->ops[open[i]], how, seed);
	free(open);
	return g;
}

void fake_player_free(struct fake_player *p)
{
	free(p->sure);
	free(p->touched);
}
