/* SPDX-License-Identifier: ISC */
/* A git server's answer: byte by byte it means the same as whole. */
#include "sync/git_wire.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* A digest of all events; parts of a pack count as one another's continuation. */
static int parse(struct buf *out, struct str in, size_t piece)
{
	struct git_reply *r = calloc(1, sizeof(*r));
	struct str bytes = STR(""), data;
	enum git_said what;
	int err = 0;

	if (!r)
		abort();
	while (err >= 0) {
		err = git_reply_next(&what, &data, r, &bytes);
		if (err >= 0 && (what != GIT_SAID_PACK || data.n)) {
			if (what != GIT_SAID_PACK)
				buf_fmt(out, "\n%d ", (int)what);
			buf_add(out, data);
			os_assert(what == GIT_SAID_PACK || data.n <= PKT_LINE_MAX);
		} else if (err == ERR_AGAIN && in.n > 0) {
			os_assert(bytes.n == 0);
			bytes = str_sub(in, 0, piece);
			in = str_sub(in, bytes.n, in.n);
			err = 0;
		}
	}
	buf_fmt(out, "\n%d %d", err, git_reply_at_rest(r));
	free(r);
	return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct buf one, two;

	buf_init(&one, NULL);
	buf_init(&two, NULL);
	os_assert(parse(&one, str_n(p, n), n ? n : 1) == parse(&two, str_n(p, n), 1));
	os_assert(str_eq(buf_str(&one), buf_str(&two)));
	buf_free(&one);
	buf_free(&two);
	return 0;
}
