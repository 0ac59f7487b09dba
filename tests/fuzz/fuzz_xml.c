/* SPDX-License-Identifier: ISC */
/* What parses, parses the same in pieces, and its copy parses to the same copy. */
#include "services/dav/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static int parse(struct xml **out, struct arena *a, struct str s, size_t step)
{
	struct xml_reader *r;
	int err = xml_reader_new(&r, a), end;

	os_assert(err == 0);
	for (size_t i = 0; i < s.n && err >= 0; i += step)
		err = xml_reader_push(r, str_sub(s, i, i + step));
	end = xml_reader_end(out, r);
	return err < 0 ? err : end;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct xml *root, *again;
	struct buf b, c, d;
	struct arena a;

	arena_init(&a, 64 << 20);
	if (parse(&root, &a, str_n(p, n), n + 1) == 0) {
		buf_init(&b, &a);
		xml_copy(&b, root);
		os_assert(parse(&again, &a, str_n(p, n), 3) == 0);
		buf_init(&c, &a);
		xml_copy(&c, again);
		os_assert(str_eq(buf_str(&b), buf_str(&c)));
		os_assert(parse(&again, &a, buf_str(&b), 4096) == 0);
		buf_init(&d, &a);
		xml_copy(&d, again);
		os_assert(str_eq(buf_str(&b), buf_str(&d)));
	}
	arena_free(&a);
	return 0;
}
