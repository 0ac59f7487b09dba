/* SPDX-License-Identifier: ISC */
/*
 * Three items, between them lines of "=": whatever they are, the merge comes to an end, does not depend
 * on the order, and what it makes of items that parse parses.
 */
#include "services/dav/content.h"
#include "services/dav/merge.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct str cut(struct str *rest)
{
	ptrdiff_t at = str_find(*rest, STR("=\n"));
	struct str one = str_sub(*rest, 0, at < 0 ? rest->n : (size_t)at);

	*rest = at < 0 ? STR("") : str_sub(*rest, (size_t)at + 2, rest->n);
	return one;
}

static bool parses(struct arena *a, struct str s)
{
	struct content_limits limits = CONTENT_LIMITS;
	struct content *root;

	return content_parse(&root, a, s, &limits) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str rest = str_n(p, n), base = cut(&rest), x = cut(&rest), y = cut(&rest);
	struct dav_merged m, back;
	struct arena a;

	arena_init(&a, 128 << 20);
	os_assert(dav_item_merge(&m, &a, base.n ? &base : NULL, x, y, STR_NONE) == 0);
	os_assert(dav_item_merge(&back, &a, base.n ? &base : NULL, y, x, STR_NONE) == 0);
	os_assert(str_eq(m.bytes, back.bytes) && str_eq(m.copy, back.copy));
	if (parses(&a, x) && parses(&a, y))
		os_assert(parses(&a, m.bytes) && (!m.copy.p || parses(&a, m.copy)));
	os_assert(dav_item_merge(&back, &a, &base, x, base, STR_NONE) == 0);
	os_assert(str_eq(back.bytes, x));
	os_assert(dav_item_same(x, x));
	arena_free(&a);
	return 0;
}
