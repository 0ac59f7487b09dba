/* SPDX-License-Identifier: ISC */
#include "os/net.h"

#include <stdio.h>

void os_writer_init(struct os_writer *w, struct os_stream *s, void *room, size_t cap, os_time idle)
{
	*w = (struct os_writer){ .s = s, .room = room, .cap = cap, .idle = idle };
}

static void send(struct os_writer *w, struct str bytes)
{
	if (w->err == 0)
		w->err = os_stream_write(w->s, bytes, os_after(w->idle));
}

int os_flush(struct os_writer *w)
{
	size_t n = w->n;

	w->n = 0;
	send(w, str_n(w->room, n));
	return w->err;
}

void os_write(struct os_writer *w, struct str bytes)
{
	if (w->err < 0 || bytes.n == 0)
		return;
	if (bytes.n > w->cap - w->n && os_flush(w) < 0)
		return;
	if (bytes.n >= w->cap) {
		send(w, bytes);
		return;
	}
	memcpy(w->room + w->n, bytes.p, bytes.n);
	w->n += bytes.n;
}

void os_writef(struct os_writer *w, const char *fmt, ...)
{
	for (int round = 0; round < 2 && w->err == 0; round++) {
		size_t left = w->cap - w->n;
		va_list ap;
		int n;

		va_start(ap, fmt);
		n = vsnprintf(w->room + w->n, left, fmt, ap);
		va_end(ap);
		if (n >= 0 && (size_t)n < left) {
			w->n += (size_t)n;
			return;
		}
		if (w->n == 0)
			break;
		if (os_flush(w) < 0)
			return;
	}
	if (w->err == 0)
		w->err = err_set(ERR_LIMIT, "writer: formatted text over %zu bytes", w->cap);
}
