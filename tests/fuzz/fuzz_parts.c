/* SPDX-License-Identifier: ISC */
/* Parts are what stands at their place in the input, one after the other, however the input is cut. */
#include "services/dav/parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

struct seen {
	struct str all;
	uint64_t end, digest;
	uint32_t line;
};

static int on_part(void *ctx, const struct part *p)
{
	struct seen *s = ctx;

	os_assert(p->from >= s->end && p->line >= s->line && p->name.n > 0);
	os_assert(p->from + p->bytes.n <= s->all.n);
	os_assert(str_eq(p->bytes, str_sub(s->all, p->from, p->from + p->bytes.n)));
	s->end = p->from + p->bytes.n;
	s->line = p->line;
	s->digest = s->digest * 1099511628211u + p->from * 31 + p->bytes.n + p->calendar * 7u +
		p->prodid.n + (p->fault != NULL);
	return 0;
}

static uint64_t cut(struct str all, size_t step)
{
	struct seen s = { .all = all };
	struct parts *p;

	os_assert(parts_open(&p, on_part, &s) == 0);
	for (size_t i = 0; i < all.n; i += step)
		os_assert(parts_push(p, str_sub(all, i, i + step)) == 0);
	os_assert(parts_close(p) == 0);
	return s.digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str all = str_n(p, n);

	os_assert(cut(all, n ? n : 1) == cut(all, 7));
	return 0;
}
