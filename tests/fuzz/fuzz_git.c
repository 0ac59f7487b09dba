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

static int moves(struct git_moves *q, struct str in, size_t piece)
{
	struct pkt_reader *r = calloc(1, sizeof(*r));
	struct str bytes = STR("");
	struct pkt pkt;
	int err = 0;

	if (!r)
		abort();
	git_moves_init(q);
	while (!q->ended && err >= 0) {
		err = pkt_next(&pkt, r, &bytes);
		if (err >= 0) {
			err = git_moves_take(q, &pkt);
		} else if (err == ERR_AGAIN && in.n > 0) {
			bytes = str_sub(in, 0, piece);
			in = str_sub(in, bytes.n, in.n);
			err = 0;
		}
	}
	free(r);
	return err;
}

/* A push's list of moves. */
static void both_moves(struct str in)
{
	struct git_moves one, two;
	struct str device;
	int a = moves(&one, in, in.n ? in.n : 1), b = moves(&two, in, 1);

	os_assert(a == b && one.ended == two.ended && one.n == two.n && one.n <= GIT_MOVES_MAX);
	os_assert(one.atomic == two.atomic && one.report == two.report);
	for (size_t i = 0; i < one.n; i++) {
		os_assert(str_eq(one.p[i].ref, two.p[i].ref) && one.p[i].ref.n <= GIT_REF_BYTES);
		if (git_push_ref(&device, STR("alice"), STR(""), one.p[i].ref) == 0)
			os_assert(device.n > 0 && str_starts(one.p[i].ref, STR("refs/devices/")));
	}
	git_moves_free(&one);
	git_moves_free(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct git_ask one, two;
	struct str in;
	int version, a, b;

	if (n == 0)
		return 0;
	if (p[0] == 'm') {
		both_moves(str_n(p + 1, n - 1));
		return 0;
	}
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
