/* SPDX-License-Identifier: ISC */
#include "os/arena_impl.h"

#include <stdio.h>

void buf_init(struct buf *b, struct arena *a)
{
	*b = (struct buf){ .a = a };
}

void buf_free(struct buf *b)
{
	if (!b->a)
		free(b->p);
	*b = (struct buf){ .a = b->a };
}

/* Room for `more` bytes and the NUL after them. */
static bool reserve(struct buf *b, size_t more)
{
	size_t need, cap;
	char *p;

	if (b->err < 0)
		return false;
	if (__builtin_add_overflow(b->n, more, &need) || need > SIZE_MAX / 2) {
		b->err = ERR_LIMIT;
		return false;
	}
	if (++need <= b->cap)
		return true;
	cap = b->cap ? b->cap * 2 : 64;
	if (cap < need)
		cap = need;
	p = b->a ? arena_grow(b->a, b->p, b->cap, cap) : realloc(b->p, cap);
	/* Near the arena's cap: half of the room there is. A byte at a time would copy all at each. */
	while (!p && b->a && cap > need) {
		cap = need + (cap - need) / 2;
		p = arena_grow(b->a, b->p, b->cap, cap);
	}
	if (!p) {
		b->err = b->a ? ERR_LIMIT : ERR_NOMEM;
		return false;
	}
	b->p = p;
	b->cap = cap;
	return true;
}

void buf_add(struct buf *b, struct str s)
{
	if (!reserve(b, s.n))
		return;
	if (s.n)
		memcpy(b->p + b->n, s.p, s.n);
	b->n += s.n;
	b->p[b->n] = 0;
}

void buf_addz(struct buf *b, const char *z)
{
	buf_add(b, str_of(z));
}

void buf_addc(struct buf *b, char c)
{
	buf_add(b, str_n(&c, 1));
}

void buf_fmt(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !reserve(b, (size_t)n))
		return;
	va_start(ap, fmt);
	vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->n += (size_t)n;
}
