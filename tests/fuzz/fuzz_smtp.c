/* SPDX-License-Identifier: ISC */
/* Command lines, paths and the DATA stream. Whatever the split, the text must be the same. */
#include "os/base.h"
#include "services/mail/smtp_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static size_t run(struct buf *out, struct smtp_data *d, struct str in, size_t step)
{
	size_t at = 0;

	while (at < in.n && !d->ended) {
		struct str text;
		size_t used;

		smtp_data_push(&used, &text, d, str_sub(in, at, at + step));
		os_assert(used > 0);
		buf_add(out, text);
		at += used;
	}
	return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str in = str_n(p, n);
	struct smtp_data whole = { 0 }, split = { 0 };
	struct smtp_path path;
	struct smtp_cmd c;
	struct arena a;
	struct buf x, y;
	size_t step = n > 0 ? 1 + p[0] % 7 : 1;

	arena_init(&a, 1 << 20);
	smtp_parse(&c, in);
	if (smtp_path(&path, &a, c.arg, STR("FROM:")) == 0)
		os_assert(
			path.address.n <= SMTP_ADDRESS_MAX && path.param_count <= SMTP_PARAMS_MAX);
	buf_init(&x, NULL);
	buf_init(&y, NULL);
	os_assert(run(&x, &whole, in, n ? n : 1) == run(&y, &split, in, step));
	os_assert(str_eq(buf_str(&x), buf_str(&y)) && whole.fault == split.fault &&
		whole.received == split.received);
	buf_free(&x);
	buf_free(&y);
	arena_free(&a);
	return 0;
}
