/* SPDX-License-Identifier: ISC */
#include "os/net.h"

void os_reader_init(struct os_reader *r, struct os_stream *s, void *room, size_t cap)
{
	*r = (struct os_reader){ .s = s, .room = room, .cap = cap };
}

/* Append what the stream has; there is room. */
static int fill(struct os_reader *r, os_time deadline)
{
	size_t n;
	int err = os_stream_read(&n, r->s, r->room + r->n, r->cap - r->n, deadline);

	if (err < 0)
		return err;
	if (n == 0)
		return ERR_CLOSED;
	r->n += n;
	return 0;
}

int os_read_line(struct str *line, struct os_reader *r, os_time deadline)
{
	size_t seen = 0;

	for (;;) {
		struct str unread = str_n(r->room + r->at, r->n - r->at);
		ptrdiff_t lf = str_chr(str_sub(unread, seen, unread.n), '\n');
		int err;

		if (lf >= 0) {
			*line = str_sub(unread, 0, seen + (size_t)lf + 1);
			r->at += line->n;
			return 0;
		}
		seen = unread.n;
		if (seen == r->cap)
			return err_set(ERR_LIMIT, "line over %zu bytes", r->cap);
		if (r->n == r->cap || r->at == r->n) {
			memmove(r->room, unread.p, unread.n);
			r->at = 0;
			r->n = unread.n;
		}
		err = fill(r, deadline);
		if (err < 0)
			return err;
	}
}

int os_read_some(struct str *bytes, struct os_reader *r, size_t max, os_time deadline)
{
	if (r->at == r->n) {
		int err;
		r->at = r->n = 0;
		err = fill(r, deadline);
		if (err < 0)
			return err;
	}
	*bytes = str_sub(str_n(r->room + r->at, r->n - r->at), 0, max);
	r->at += bytes->n;
	return 0;
}

bool os_reader_ready(const struct os_reader *r)
{
	return r->at < r->n || os_stream_readable(r->s);
}
