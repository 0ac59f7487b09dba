/* SPDX-License-Identifier: ISC */
/* What a server answers: lines, then perhaps a pack in side-band packets of any size. */
#include "sync/git_wire.h"

#define BAND_DATA     1
#define BAND_PROGRESS 2
#define BAND_ERROR    3

static int said_error(struct str text)
{
	return err_set(str_starts(text, STR(GIT_TOO_MUCH)) ? ERR_LIMIT : ERR_IO,
		"the other side says: %.*s", (int)(text.n < 200 ? text.n : 200), text.p);
}

/* The next bytes of *in, up to `most` of the r->left that belong to the packet. */
static struct str bite(struct git_reply *r, struct str *in, size_t most)
{
	struct str part = str_sub(*in, 0, most < r->left ? most : r->left);

	r->left -= part.n;
	*in = str_sub(*in, part.n, in->n);
	return part;
}

/* Into the room, as far as there is any: no line of a server's matters past it. */
static void keep(struct git_reply *r, struct str part)
{
	part = str_sub(part, 0, sizeof(r->room) - r->n);
	if (part.n)
		memcpy(r->room + r->n, part.p, part.n);
	r->n += part.n;
}

/* 0: a packet begins; a special one is whole: r->left is 0 and *what is set. */
static int take_head(enum git_said *what, struct git_reply *r, struct str *in)
{
	size_t len;
	int err;

	while (r->head_n < sizeof(r->head) && in->n > 0) {
		r->head[r->head_n++] = in->p[0];
		*in = str_sub(*in, 1, in->n);
	}
	if (r->head_n < sizeof(r->head))
		return ERR_AGAIN;
	err = pkt_length(&len, r->head);
	if (err < 0)
		return err;
	r->n = 0;
	r->band = 0;
	r->left = len < 4 ? 0 : len - 4;
	r->open = len >= 4;
	if (r->open && r->left > PKT_DATA_MAX)
		return err_set(ERR_BAD, "git: a packet over %d bytes", PKT_DATA_MAX);
	if (r->open && r->in_pack && r->left == 0)
		return err_set(ERR_BAD, "git: a packet of no band");
	if (!r->open) {
		if (len > 1)
			return err_set(ERR_BAD, "git: a packet out of place");
		*what = len == 0 ? GIT_SAID_FLUSH : GIT_SAID_DELIM;
		r->head_n = 0;
	}
	return 0;
}

static void close_packet(struct git_reply *r)
{
	r->open = false;
	r->head_n = 0;
}

static int take_line(enum git_said *what, struct str *data, struct git_reply *r, struct str *in)
{
	keep(r, bite(r, in, SIZE_MAX));
	if (r->left > 0)
		return ERR_AGAIN;
	close_packet(r);
	*data = str_n(r->room, r->n);
	if (str_ends(*data, STR("\n")))
		data->n--;
	if (str_starts(*data, STR("ERR ")))
		return said_error(str_sub(*data, 4, data->n));
	r->in_pack = str_eq(*data, STR("packfile"));
	*what = GIT_SAID_LINE;
	return 0;
}

static int take_band(enum git_said *what, struct str *data, struct git_reply *r, struct str *in)
{
	struct str part;

	if (r->band == 0) {
		if (in->n == 0)
			return ERR_AGAIN;
		r->band = (unsigned char)bite(r, in, 1).p[0];
		if (r->band < BAND_DATA || r->band > BAND_ERROR)
			return err_set(ERR_BAD, "git: there is no band %d", r->band);
	}
	part = bite(r, in, SIZE_MAX);
	if (r->band != BAND_DATA) {
		keep(r, part);
		if (r->left > 0)
			return ERR_AGAIN;
		close_packet(r);
		*data = str_trim(str_n(r->room, r->n));
		*what = GIT_SAID_PROGRESS;
		return r->band == BAND_ERROR ? said_error(*data) : 0;
	}
	if (r->left == 0)
		close_packet(r);
	else if (part.n == 0)
		return ERR_AGAIN;
	*data = part;
	*what = GIT_SAID_PACK;
	return 0;
}

int git_reply_next(enum git_said *what, struct str *data, struct git_reply *r, struct str *in)
{
	*data = STR_NONE;
	if (!r->open) {
		int err = take_head(what, r, in);
		if (err < 0 || !r->open)
			return err;
	}
	return r->in_pack ? take_band(what, data, r, in) : take_line(what, data, r, in);
}

bool git_reply_at_rest(const struct git_reply *r)
{
	return !r->open && r->head_n == 0;
}
