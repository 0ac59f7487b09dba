/* SPDX-License-Identifier: ISC */
/* Commands from the stream: lines and literals (RFC 3501 4.3, RFC 7888) under IMAP_LINE_MAX. */
#include "services/mail/imap_impl.h"

/* A literal nobody asked for is read over up to this size; past it the connection ends. */
#define SKIP_MAX (64ull * 1024 * 1024)

static int read_piece(struct str *piece, struct imap *c, os_time deadline)
{
	int err = os_read_line(piece, &c->r, deadline);
	if (err == ERR_LIMIT)
		err = os_read_some(piece, &c->r, c->r.cap, deadline);
	return err;
}

static void keep(struct imap *c, struct str bytes)
{
	c->over = c->over || bytes.n > IMAP_LINE_MAX - c->line.n;
	if (!c->over)
		buf_add(&c->line, bytes);
}

/* Who has not logged in gets no more time by announcing literals. */
static os_time literal_deadline(const struct imap *c)
{
	os_time by = os_after(IMAP_LITERAL_SEC * OS_SEC);
	return c->state == IMAP_NOT_AUTH && c->login_by < by ? c->login_by : by;
}

static int read_literal(struct imap *c, bool wanted)
{
	uint64_t left = c->scan.literal;
	while (left) {
		struct str s;
		int err = os_read_some(
			&s, &c->r, left < IMAP_ROOM ? left : IMAP_ROOM, literal_deadline(c));
		if (err < 0)
			return err;
		if (wanted)
			keep(c, s);
		left -= s.n;
	}
	return 0;
}

static int skip_literal(struct imap *c)
{
	if (c->scan.literal > SKIP_MAX && c->scan.literal > 2 * c->conf->append_max_bytes) {
		imap_bye(c, "a literal is far too large");
		return ERR_CLOSED;
	}
	return read_literal(c, false);
}

/* Is the literal just announced the message of an APPEND, not its mailbox name? */
static bool is_message(struct imap *c)
{
	struct imap_rd rd;
	imap_rd_init(&rd, buf_str(&c->line), &c->arena);
	imap_tag(&rd);
	imap_sp(&rd);
	if (!imap_try_word(&rd, "APPEND"))
		return false;
	imap_sp(&rd);
	imap_astring(&rd);
	return !rd.why;
}

/* The rest of a command whose line so far ended at a literal, or all of one. */
static int read_lines(struct imap *c, os_time deadline)
{
	for (;;) {
		struct str piece;
		int err = read_piece(&piece, c, deadline);
		if (err < 0)
			return err;
		keep(c, piece);
		enum imap_step step = imap_scan(&c->scan, piece);
		if (step == IMAP_LINE)
			return 0;
		if (step == IMAP_MORE)
			continue;
		c->literal = true;
		if (!c->over && is_message(c))
			return 0;
		c->over = c->over || c->scan.literal > IMAP_LINE_MAX - c->line.n;
		if (c->over && c->scan.sync)
			return 0;
		c->literal = false;
		if (c->over) {
			err = skip_literal(c);
		} else {
			if (c->scan.sync)
				imap_put(c, STR("+ go ahead\r\n"));
			err = c->scan.sync ? os_flush(&c->w) : 0;
			err = err < 0 ? err : read_literal(c, true);
		}
		if (err < 0)
			return err;
	}
}

int imap_read_command(struct imap *c, os_time deadline)
{
	buf_init(&c->line, &c->arena);
	c->over = c->literal = false;
	imap_scan_begin(&c->scan);
	int err = read_lines(c, deadline);
	return err < 0 ? err : c->line.err;
}

int imap_read_on(struct imap *c)
{
	c->literal = false;
	buf_init(&c->line, &c->arena);
	for (;;) {
		struct str piece;
		int err = read_piece(&piece, c, literal_deadline(c));
		if (err < 0)
			return err;
		keep(c, piece);
		switch (imap_scan(&c->scan, piece)) {
		case IMAP_MORE: break;
		case IMAP_LITERAL: c->literal = true; return c->line.err;
		case IMAP_LINE: return c->line.err;
		}
	}
}

int imap_skip_command(struct imap *c)
{
	while (c->literal) {
		c->literal = false;
		if (c->scan.sync)
			return 0;
		int err = skip_literal(c);
		c->over = true; /* keep nothing */
		err = err < 0 ? err : imap_read_on(c);
		if (err < 0)
			return err;
	}
	return 0;
}

int imap_read_plain(struct str *line, struct imap *c, os_time deadline)
{
	int err = os_read_line(line, &c->r, deadline);
	if (err < 0)
		return err;
	if (line->n && line->p[line->n - 1] == '\n')
		line->n--;
	if (line->n && line->p[line->n - 1] == '\r')
		line->n--;
	return 0;
}
