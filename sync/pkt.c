/* SPDX-License-Identifier: ISC */
#include "sync/git_wire.h"

#include <stdio.h>

#define PKT_TEXT_MAX 640 /* of one line of ours */

int pkt_length(size_t *out, const char p[static 4])
{
	*out = 0;
	for (int i = 0; i < 4; i++) {
		char c = p[i];
		unsigned d;
		if (c >= '0' && c <= '9')
			d = (unsigned)(c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			d = (unsigned)((c | 32) - 'a' + 10);
		else
			return err_set(ERR_BAD, "git: a packet's length is no number");
		*out = *out << 4 | d;
	}
	return 0;
}

static void take(struct pkt_reader *r, struct str *in, size_t upto)
{
	struct str part = str_sub(*in, 0, upto - r->n);

	if (part.n)
		memcpy(r->room + r->n, part.p, part.n);
	r->n += part.n;
	*in = str_sub(*in, part.n, in->n);
}

bool pkt_at_rest(const struct pkt_reader *r)
{
	return r->n == 0 || r->done;
}

int pkt_next(struct pkt *out, struct pkt_reader *r, struct str *in)
{
	size_t len;
	int err;

	if (r->done)
		*r = (struct pkt_reader){ .n = 0 };
	if (r->n < 4)
		take(r, in, 4);
	if (r->n < 4)
		return ERR_AGAIN;
	err = pkt_length(&len, r->room);
	if (err < 0)
		return err;
	if (len == 3)
		return err_set(ERR_BAD, "git: a packet of length 3");
	if (len < 4) {
		*out = (struct pkt){ (enum pkt_kind)len, STR_NONE };
		r->done = true;
		return 0;
	}
	if (len > sizeof(r->room))
		return err_set(ERR_LIMIT, "git: a line over %d bytes", PKT_LINE_MAX);
	take(r, in, len);
	if (r->n < len)
		return ERR_AGAIN;
	*out = (struct pkt){ PKT_DATA, str_n(r->room + 4, len - 4) };
	if (str_ends(out->data, STR("\n")))
		out->data.n--;
	r->done = true;
	return 0;
}

void pkt_line(struct buf *b, const char *fmt, ...)
{
	char text[PKT_TEXT_MAX];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text) - 4, fmt, args);
	va_end(args);
	if (n < 0)
		n = 0;
	if ((size_t)n > sizeof(text) - 5)
		n = sizeof(text) - 5;
	buf_fmt(b, "%04x", (unsigned)n + 4);
	buf_add(b, str_n(text, (size_t)n));
}
