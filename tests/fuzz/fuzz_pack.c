/* SPDX-License-Identifier: ISC */
/*
 * Packs and deltas: byte by byte they mean the same as whole, and keep their limits. Inputs: 'D' and a
 * delta, else a pack behind its first byte.
 */
#include "store/store_impl.h"
#include "store/unpack_impl.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const struct store_receive_limits limits = { .pack_bytes_max = 100000,
	.object_bytes_max = 200000,
	.total_bytes_max = 500000,
	.objects_max = 100 };

struct told {
	int err;
	bool ended;
	uint64_t events, bytes, sum;
};

static void note(struct told *t, const struct unpack_event *ev)
{
	t->events += ev->kind != UNPACK_BYTES;
	t->bytes += ev->bytes.n;
	for (size_t i = 0; i < ev->bytes.n; i++)
		t->sum = t->sum * 31 + (uint8_t)ev->bytes.p[i];
	if (ev->kind == UNPACK_ENTRY) {
		os_assert(ev->size <= limits.object_bytes_max);
		os_assert(ev->type != ENTRY_OFS_DELTA || ev->base_at < ev->at);
		t->sum = t->sum * 31 + (uint64_t)ev->type + ev->base_at;
	}
}

static struct told unpack(struct str in, size_t piece)
{
	struct told t = { 0 };
	struct unpack_event ev;
	struct unpack *u;

	if (unpack_new(&u, &limits) < 0)
		abort();
	while (in.n > 0 && t.err >= 0) {
		struct str part = str_sub(in, 0, piece);
		in = str_sub(in, part.n, in.n);
		while ((t.err = unpack_next(&ev, u, &part)) >= 0)
			note(&t, &ev);
		if (t.err == ERR_AGAIN) {
			os_assert(part.n == 0);
			t.err = 0;
		}
	}
	t.ended = unpack_ended(u);
	os_assert(t.bytes <= limits.total_bytes_max);
	unpack_free(u);
	return t;
}

static struct told apply(struct str in, size_t piece)
{
	struct told t = { 0 };
	struct delta d = { 0 };
	struct delta_op op;

	while (in.n > 0 && t.err >= 0) {
		struct str part = str_sub(in, 0, piece);
		in = str_sub(in, part.n, in.n);
		while ((t.err = delta_next(&op, &d, &part)) >= 0) {
			os_assert(op.kind != DELTA_COPY || op.at + op.n <= d.base_size);
			os_assert(op.kind != DELTA_BYTES || op.bytes.n == op.n);
			t.bytes += op.kind == DELTA_SIZES ? 0 : op.n;
			t.events += op.kind == DELTA_COPY;
		}
		if (t.err == ERR_AGAIN)
			t.err = 0;
	}
	if (t.err >= 0)
		t.ended = delta_end(&d) >= 0;
	os_assert(t.err < 0 || t.bytes == d.done);
	os_assert(!t.ended || t.bytes == d.size);
	return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct told (*fn)(struct str, size_t) = n && p[0] == 'D' ? apply : unpack;
	struct told a, b;

	if (n == 0)
		return 0;
	a = fn(str_n(p + 1, n - 1), n);
	b = fn(str_n(p + 1, n - 1), 1);
	os_assert(a.err == b.err && a.ended == b.ended && a.events == b.events);
	os_assert(a.err < 0 || (a.bytes == b.bytes && a.sum == b.sum));
	return 0;
}
