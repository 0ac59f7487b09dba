/* SPDX-License-Identifier: ISC */
/*
 * A stream from and to memory: what is read was given, `piece` bytes at a time; what is written is
 * gathered in `out`. It never waits. A header alone, so that fuzz targets can have it too.
 *
 *	struct fake_stream f;
 *	fake_stream_init(&f, STR("GET / HTTP/1.1\r\n..."), 1);
 *	http_serve(&f.s, handler, NULL);
 *	... f.out, f.closed ...
 *	fake_stream_free(&f);
 */
#ifndef TESTS_FAKE_STREAM_H
#define TESTS_FAKE_STREAM_H

#include "os/net.h"

struct fake_stream {
	struct os_stream s;
	struct str in;
	size_t piece;
	struct buf out;
	size_t out_max; /* writes past it fail with ERR_CLOSED */
	unsigned closed;
};

static inline struct fake_stream *fake_stream_of(struct os_stream *s)
{
	return (struct fake_stream *)s;
}
static inline int fake_stream_read(
	size_t *n, struct os_stream *s, void *p, size_t cap, os_time deadline)
{
	struct fake_stream *f = fake_stream_of(s);
	struct str part = str_sub(f->in, 0, cap < f->piece ? cap : f->piece);

	(void)deadline;
	os_assert(cap > 0 && !f->closed);
	*n = part.n;
	if (part.n)
		memcpy(p, part.p, part.n);
	f->in = str_sub(f->in, part.n, f->in.n);
	return 0;
}
static inline int fake_stream_write(struct os_stream *s, const void *p, size_t n, os_time deadline)
{
	struct fake_stream *f = fake_stream_of(s);

	(void)deadline;
	os_assert(!f->closed);
	if (n > f->out_max - f->out.n)
		return ERR_CLOSED;
	buf_add(&f->out, str_n(p, n));
	return f->out.err;
}
static inline bool fake_stream_readable(struct os_stream *s)
{
	(void)s;
	return true;
}
static inline void fake_stream_notify(struct os_stream *s, struct os_waitq *q)
{
	(void)s, (void)q;
}
static inline void fake_stream_close(struct os_stream *s)
{
	fake_stream_of(s)->closed++;
}
static inline void fake_stream_init(struct fake_stream *f, struct str in, size_t piece)
{
	static const struct os_stream_ops ops = {
		.read = fake_stream_read,
		.write = fake_stream_write,
		.readable = fake_stream_readable,
		.notify = fake_stream_notify,
		.close = fake_stream_close,
	};

	*f = (struct fake_stream){ .s.ops = &ops, .in = in, .piece = piece, .out_max = SIZE_MAX };
	buf_init(&f->out, NULL);
}
static inline void fake_stream_free(struct fake_stream *f)
{
	buf_free(&f->out);
}

#endif
