/* SPDX-License-Identifier: ISC */
#include "provisioner/pipe.h"

#define ROOM 16384

/* Bytes on their way to one end. */
struct way {
	char room[ROOM];
	size_t at, n;
	bool closed; /* by the writer */
	bool deaf;   /* the reader is gone */
	struct os_waitq readers, writers;
	struct os_waitq *notify;
};
struct pair {
	struct way ways[2];
	unsigned ends;
};
struct end {
	struct os_stream stream;
	struct pair *pair;
	struct way *in, *out;
};

static void tell_reader(struct way *w)
{
	os_wake_all(&w->readers);
	if (w->notify)
		os_wake_all(w->notify);
}

static int pipe_read(size_t *n, struct os_stream *s, void *p, size_t cap, os_time deadline)
{
	struct way *w = ((struct end *)s)->in;

	while (w->n == 0 && !w->closed) {
		int err = os_wait(&w->readers, deadline);

		if (err < 0)
			return err;
	}
	*n = cap < w->n ? cap : w->n;
	memcpy(p, w->room + w->at, *n);
	w->at += *n;
	w->n -= *n;
	if (w->n == 0)
		w->at = 0;
	os_wake_all(&w->writers);
	return 0;
}

static int pipe_write(struct os_stream *s, const void *p, size_t n, os_time deadline)
{
	struct way *w = ((struct end *)s)->out;
	const char *from = p;

	while (n > 0) {
		size_t end = w->at + w->n, m = ROOM - end < n ? ROOM - end : n;

		if (w->deaf)
			return err_set(ERR_CLOSED, "the other end is closed");
		if (m == 0) {
			int err = os_wait(&w->writers, deadline);

			if (err < 0)
				return err;
			continue;
		}
		memcpy(w->room + end, from, m);
		w->n += m;
		from += m;
		n -= m;
		tell_reader(w);
	}
	return 0;
}

static bool pipe_readable(struct os_stream *s)
{
	const struct way *w = ((struct end *)s)->in;

	return w->n > 0 || w->closed;
}

static void pipe_notify(struct os_stream *s, struct os_waitq *q)
{
	((struct end *)s)->in->notify = q;
}

static void pipe_close(struct os_stream *s)
{
	struct end *e = (struct end *)s;

	e->out->closed = true;
	tell_reader(e->out);
	e->in->deaf = true;
	e->in->notify = NULL;
	os_wake_all(&e->in->writers);
	if (--e->pair->ends == 0)
		free(e->pair);
	free(e);
}

static const struct os_stream_ops ops = { pipe_read, pipe_write, pipe_readable, pipe_notify,
	pipe_close };

int prov_pipe(struct os_stream **a, struct os_stream **b)
{
	struct pair *pair = calloc(1, sizeof(*pair));
	struct end *x = calloc(1, sizeof(*x)), *y = calloc(1, sizeof(*y));

	if (!pair || !x || !y) {
		free(pair);
		free(x);
		free(y);
		return err_set(ERR_NOMEM, "out of memory");
	}
	pair->ends = 2;
	*x = (struct end){ { .ops = &ops, .secure = true }, pair, &pair->ways[0], &pair->ways[1] };
	*y = (struct end){ { .ops = &ops, .secure = true }, pair, &pair->ways[1], &pair->ways[0] };
	*a = &x->stream;
	*b = &y->stream;
	/* cppcheck-suppress memleak ; the two ends have it */
	return 0;
}
