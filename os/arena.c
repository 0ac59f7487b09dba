/* SPDX-License-Identifier: ISC */
#include "os/arena_impl.h"

#include <stdio.h>

#define ALIGN       ((size_t)16)
#define BLOCK_FIRST ((size_t)1024)
#define BLOCK_MOST  ((size_t)64 * 1024)

/*
 * The head of the list is the block being filled. Requests of a quarter block and more get a block
 * of their own behind it, so that they do not throw the rest of the head away.
 */
struct arena_block {
	struct arena_block *next;
	size_t size;
	char data[];
};

static size_t round_up(size_t n)
{
	return (n + ALIGN - 1) & ~(ALIGN - 1);
}

static struct arena_block *block_new(struct arena *a, size_t size)
{
	struct arena_block *b;

	if (size > a->cap_bytes - a->used_bytes)
		return NULL;
	b = malloc(sizeof(*b) + size);
	if (!b)
		return NULL;
	b->size = size;
	a->used_bytes += size;
	return b;
}

void arena_init(struct arena *a, size_t cap_bytes)
{
	*a = (struct arena){ .cap_bytes = cap_bytes & ~(ALIGN - 1) };
}

static void free_list(struct arena_block *b)
{
	while (b) {
		struct arena_block *next = b->next;
		free(b);
		b = next;
	}
}

void arena_free(struct arena *a)
{
	free_list(a->blocks);
	*a = (struct arena){ .cap_bytes = a->cap_bytes };
}

void arena_reset(struct arena *a)
{
	struct arena_block *keep = a->blocks;

	if (!keep || !a->at) {
		arena_free(a);
		return;
	}
	free_list(keep->next);
	keep->next = NULL;
	a->at = keep->data;
	a->end = keep->data + keep->size;
	a->used_bytes = keep->size;
}

static void *alloc_alone(struct arena *a, size_t n)
{
	struct arena_block *b = block_new(a, n);

	if (!b)
		return NULL;
	if (a->blocks) {
		b->next = a->blocks->next;
		a->blocks->next = b;
	} else {
		/* No head yet: this one stands in for it, full (at == end == NULL). */
		b->next = NULL;
		a->blocks = b;
	}
	return b->data;
}

void *arena_alloc(struct arena *a, size_t n)
{
	size_t grow = a->used_bytes < BLOCK_FIRST ? BLOCK_FIRST : a->used_bytes;
	struct arena_block *b;
	void *p;

	if (n > a->cap_bytes)
		return NULL;
	n = n ? round_up(n) : ALIGN;
	if (n <= (size_t)(a->end - a->at)) {
		p = a->at;
		a->at += n;
		return p;
	}
	if (grow > BLOCK_MOST)
		grow = BLOCK_MOST;
	if (grow > a->cap_bytes - a->used_bytes)
		grow = a->cap_bytes - a->used_bytes;
	if (n >= grow / 4)
		return alloc_alone(a, n);
	b = block_new(a, grow);
	if (!b)
		return NULL;
	b->next = a->blocks;
	a->blocks = b;
	a->at = b->data + n;
	a->end = b->data + b->size;
	return b->data;
}

void *arena_grow(struct arena *a, void *old, size_t old_n, size_t n)
{
	size_t was = round_up(old_n), want = round_up(n);
	void *p;

	if (n > a->cap_bytes)
		return NULL;
	if (old && (char *)old + was == a->at && want - was <= (size_t)(a->end - a->at)) {
		a->at += want - was;
		return old;
	}
	for (struct arena_block **link = &a->blocks; old && *link; link = &(*link)->next) {
		struct arena_block *b = *link;
		if (b->data != old || b->size != was || (link == &a->blocks && a->at))
			continue;
		if (want - was > a->cap_bytes - a->used_bytes)
			return NULL;
		struct arena_block *grown = realloc(b, sizeof(*b) + want);
		if (!grown)
			return NULL;
		grown->size = want;
		a->used_bytes += want - was;
		*link = grown;
		return grown->data;
	}
	p = arena_alloc(a, n);
	if (p && old_n)
		memcpy(p, old, old_n);
	return p;
}

void *arena_zalloc(struct arena *a, size_t n)
{
	void *p = arena_alloc(a, n);

	return p ? memset(p, 0, n) : NULL;
}

struct str arena_dup(struct arena *a, struct str s)
{
	char *p = s.n < SIZE_MAX ? arena_alloc(a, s.n + 1) : NULL;

	if (!p)
		return STR_NONE;
	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = 0;
	return str_n(p, s.n);
}

struct str arena_fmt(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	int n;
	char *p;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return STR_NONE;
	p = arena_alloc(a, (size_t)n + 1);
	if (!p)
		return STR_NONE;
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return str_n(p, (size_t)n);
}
