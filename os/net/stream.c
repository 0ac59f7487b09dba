/* SPDX-License-Identifier: ISC */
#include "os/net/net_impl.h"

struct os_net_stats net_stats;

void os_net_stats(struct os_net_stats *out)
{
	*out = net_stats;
}

void net_turn(size_t *moved, size_t n)
{
	*moved += n;
	if (*moved < NET_TURN_BYTES)
		return;
	*moved = 0;
	os_yield();
}

int os_stream_read(size_t *n, struct os_stream *s, void *p, size_t cap, os_time deadline)
{
	*n = 0;
	return s->ops->read(n, s, p, cap, deadline);
}

int os_stream_write(struct os_stream *s, struct str bytes, os_time deadline)
{
	return bytes.n ? s->ops->write(s, bytes.p, bytes.n, deadline) : 0;
}

bool os_stream_readable(struct os_stream *s)
{
	return s->ops->readable(s);
}

void os_stream_notify(struct os_stream *s, struct os_waitq *q)
{
	s->ops->notify(s, q);
}

void os_stream_close(struct os_stream *s)
{
	s->ops->close(s);
}
