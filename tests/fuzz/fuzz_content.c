/* SPDX-License-Identifier: ISC */
/* What parses is written back byte for byte; what is written line by line parses to the same lines; nothing
 * differs from itself. */
#include "services/dav/about.h"
#include "services/dav/content.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static size_t count(const struct content *c)
{
	size_t lines = 0;
	for (const struct content_line *l = c->lines; l; l = l->next)
		lines++;
	for (const struct content *x = c->parts; x; x = x->next)
		lines += 2 + count(x);
	return lines;
}

static void touch(struct content *c)
{
	c->changed = true;
	for (struct content *x = c->parts; x; x = x->next)
		touch(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct content_limits limits = CONTENT_LIMITS;
	struct dav_difference *list;
	struct content *root, *again;
	struct dav_about me;
	size_t differ;
	struct arena a;
	struct buf b;

	arena_init(&a, 64 << 20);
	if (content_parse(&root, &a, str_n(p, n), &limits) == 0) {
		size_t lines = count(root);
		buf_init(&b, &a);
		content_write(&b, root);
		os_assert(b.err == 0 && str_eq(buf_str(&b), str_n(p, n)));
		touch(root);
		buf_init(&b, &a);
		content_write(&b, root);
		os_assert(b.err == 0);
		limits.bytes_max *= 2;
		os_assert(content_parse(&again, &a, buf_str(&b), &limits) == 0);
		os_assert(count(again) == lines);
	}
	arena_reset(&a);
	dav_about(&me, &a, str_n(p, n));
	if (dav_differences(&list, &differ, &a, str_n(p, n), str_n(p, n)) == 0)
		os_assert(differ == 0);
	arena_free(&a);
	return 0;
}
