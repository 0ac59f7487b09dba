/* SPDX-License-Identifier: ISC */
/* A git client's request: byte by byte it means the same as whole, and keeps its limits. */
#include "os/base.h"
#include "sync/git_wire.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static int parse(struct git_ask *q, int version, struct str in, size_t piece)
{
	struct pkt_reader *r = calloc(1, sizeof(*r));
	struct str bytes = STR("");
	struct pkt pkt;
	int err = 0;

	if (!r)
		abort();
	git_ask_init(q, version);
	while (!q->ended && err >= 0) {
		err = pkt_next(&pkt, r, &bytes);
		if (err >= 0) {
			err = git_ask_take(q, &pkt);
		} else if (err == ERR_AGAIN && in.n > 0) {
			bytes = str_sub(in, 0, piece);
			in = str_sub(in, bytes.n, in.n);
			err = 0;
		}
	}
	free(r);
	return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct git_ask one, two;
	struct str in;
	int version, a, b;

	if (n == 0)
		return 0;
	version = p[0] == '2' ? 2 : 0;
	in = str_n(p + 1, n - 1);
	a = parse(&one, version, in, in.n ? in.n : 1);
	b = parse(&two, version, in, 1);
	os_assert(a == b && one.ended == two.ended && one.done == two.done);
	os_assert(one.wants.n == two.wants.n && one.haves.n == two.haves.n);
	os_assert(one.wants.n <= GIT_WANTS_MAX && one.haves.n <= GIT_HAVES_MAX &&
		one.shallows.n <= GIT_SHALLOWS_MAX);
	os_assert(one.depth == two.depth && one.prefix_count == two.prefix_count);
	git_ask_free(&one);
	git_ask_free(&two);
	return 0;
}
