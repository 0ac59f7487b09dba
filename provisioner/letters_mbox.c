/* SPDX-License-Identifier: ISC */
/* mbox files (RFC 4155, and what mutt, Thunderbird, Python and others make of it). */
#include "os/time.h"
#include "provisioner/home.h"
#include "provisioner/letters_impl.h"

#include <errno.h>
#include <unistd.h>

#define LOOK 1000 /* bytes of a line that are looked at */
#define KEYWORDS_BYTES \
	600 /* of one message: they go in the line before it, however they are escaped there */

/* ---- From lines ---- */
static int month_of(struct str s)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int i = 0; i < 12 && s.n >= 3; i++)
		if (str_ieq(str_sub(s, 0, 3), str_n(names + 3 * (size_t)i, 3)))
			return i + 1;
	return 0;
}

static bool number(int *out, struct str s, uint64_t max)
{
	uint64_t n;

	if (!s.n || str_u64(&n, s, max) < 0)
		return false;
	*out = (int)n;
	return true;
}

static bool clock_of(struct os_date *d, struct str s)
{
	struct str hour, min, rest;

	if (!str_cut(&hour, &rest, s, ':'))
		return false;
	str_cut(&min, &rest, rest, ':');
	d->sec = 0;
	return number(&d->hour, hour, 23) && number(&d->min, min, 59) &&
		(!rest.n || number(&d->sec, rest, 60));
}

/* "+0100" in seconds. */
static bool zone_of(int *sec, struct str s)
{
	int n;

	if (s.n != 5 || (s.p[0] != '+' && s.p[0] != '-') || !number(&n, str_sub(s, 1, 5), 2359))
		return false;
	*sec = (n / 100 * 3600 + n % 100 * 60) * (s.p[0] == '-' ? -1 : 1);
	return true;
}

bool prov_from_line(int64_t *date_sec, struct str line)
{
	struct str word[32], one, rest = str_trim(line);
	struct os_date d = { 0 };
	size_t n = 0, at = 2;
	int zone = 0;

	if (!str_starts(line, STR("From ")))
		return false;
	while (rest.n && n < ARRAY_LEN(word)) {
		str_cut(&one, &rest, rest, ' ');
		if (one.n)
			word[n++] = one;
	}
	while (at < n && !clock_of(&d, word[at]))
		at++;
	if (at >= n || at < 3)
		return false;
	if (number(&d.year, word[at - 1], 9999) && word[at - 1].n == 4 && at > 3) {
		d.month = month_of(word[at - 2]); /* 5 Nov 2026 10:00 */
		if (!number(&d.day, word[at - 3], 31))
			return false;
	} else {
		d.month = month_of(word[at - 2]); /* Nov 5 10:00 2026 */
		if (!number(&d.day, word[at - 1], 31))
			return false;
		d.year = 0;
	}
	for (size_t i = at + 1; i < n; i++)
		if (!zone_of(&zone, word[i]) && d.year == 0 && word[i].n == 4)
			(void)number(&d.year, word[i], 9999);
	if (d.month == 0 || d.day == 0 || d.year == 0)
		return false;
	*date_sec = os_date_unix(&d) - zone;
	return true;
}

/* ---- the file by lines ---- */
static int fill(struct prov_letters *l)
{
	if (l->eof || l->to - l->from > LOOK)
		return 0;
	memmove(l->room, l->room + l->from, l->to - l->from);
	l->to -= l->from;
	l->from = 0;
	while (l->to < sizeof(l->room)) {
		ssize_t n = pread(l->fd, l->room + l->to, sizeof(l->room) - l->to,
			(off_t)(l->offset + l->to));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return prov_errno("read", l->path);
		l->eof = n == 0;
		if (n == 0)
			break;
		l->to += (size_t)n;
	}
	return 0;
}

/* What is at hand of the line, and at its beginning at least LOOK of it; with its end when *ends. */
static int peek(struct str *out, bool *ends, struct prov_letters *l)
{
	int err = fill(l);
	const char *p = l->room + l->from, *end = memchr(p, '\n', l->to - l->from);

	*ends = end != NULL;
	*out = str_n(p, end ? (size_t)(end + 1 - p) : l->to - l->from);
	return err;
}

static void take(struct prov_letters *l, struct str piece, bool ends)
{
	l->from += piece.n;
	l->offset += piece.n;
	l->line += ends;
}

int mbox_is(bool *is, struct prov_letters *l)
{
	struct str piece;
	bool ends;
	int err = peek(&piece, &ends, l);

	while (err >= 0 && piece.n && !str_trim(piece).n &&
		ends) { /* some begin with empty lines */
		take(l, piece, ends);
		err = peek(&piece, &ends, l);
	}
	*is = str_starts(piece, STR("From "));
	return err;
}

/* ---- one message ---- */
struct reading {
	struct prov_letters *l;
	struct prov_letter *out;
	bool header, skips;     /* a field that is left out */
	bool blank;             /* the line before was empty, */
	bool waits;             /* and is not yet added */
	bool starts;            /* at the beginning of a line */
	uint64_t length, until; /* Content-Length; the end, when that is one */
};

/* Is the end of the body that Content-Length says the end of a message? */
static bool ends_there(struct prov_letters *l, uint64_t end)
{
	char text[512];
	struct str s, line, rest;
	int64_t date;
	ssize_t n;

	if (end > l->size)
		return false;
	n = pread(l->fd, text, sizeof(text), (off_t)end);
	if (n < 0)
		return false;
	s = str_n(text, (size_t)n);
	while (s.n && (s.p[0] == '\n' || s.p[0] == '\r'))
		s = str_sub(s, 1, s.n);
	str_cut(&line, &rest, s, '\n');
	return (!s.n && end + (uint64_t)n == l->size) || prov_from_line(&date, line);
}

static void add_flag(struct prov_letter *out, char flag)
{
	size_t n = strlen(out->flags);

	if (!strchr(out->flags, flag) && n + 1 < sizeof(out->flags))
		out->flags[n] = flag;
}

static void add_keywords(struct buf *b, struct str words)
{
	struct str word;

	while (words.n) {
		str_cut(&word, &words, words, ' ');
		if (word.n && b->n + word.n < KEYWORDS_BYTES)
			buf_fmt(b, "%s%.*s", b->n ? " " : "", STR_ARG(word));
	}
}

/* A field that is the file's; false: the message's. */
static bool own_field(struct reading *r, struct str line)
{
	static const char *const more[] = { "X-UID", "X-IMAP", "X-IMAPbase" };
	static const char from[] = "RAFDT", to[] = "SRFTD";
	struct str name, value;
	bool status;

	if (!str_cut(&name, &value, line, ':'))
		return false;
	value = str_trim(value);
	if (str_ieq(name, STR("Content-Length"))) {
		if (str_u64(&r->length, value, UINT32_MAX) < 0)
			r->length = 0;
		return true;
	}
	if (str_ieq(name, STR("X-Keywords"))) {
		add_keywords(&r->l->keywords, value);
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(more); i++)
		if (str_ieq(name, str_of(more[i])))
			return true;
	status = str_ieq(name, STR("Status"));
	if (!status && !str_ieq(name, STR("X-Status")))
		return false;
	for (size_t i = 0; from[i]; i++)
		if (memchr(value.p, from[i], value.n) && (status == (from[i] == 'R')))
			add_flag(r->out, to[i]);
	return true;
}

static bool is_empty(struct str piece)
{
	return str_eq(piece, STR("\n")) || str_eq(piece, STR("\r\n"));
}

static void header_line(struct reading *r, struct str piece)
{
	if (r->starts && is_empty(piece)) {
		r->header = r->skips = false;
		letters_add(r->l, piece);
		return;
	}
	if (r->starts && piece.p[0] != ' ' && piece.p[0] != '\t')
		r->skips = own_field(r, piece);
	if (!r->skips)
		letters_add(r->l, piece);
}

/* An empty line waits: the last one of a message is the file's. */
static void body_line(struct reading *r, struct str piece)
{
	struct str after = piece;

	if (r->waits)
		letters_add(r->l, STR("\n"));
	r->waits = r->starts && is_empty(piece);
	while (after.n && after.p[0] == '>')
		after = str_sub(after, 1, after.n);
	if (r->starts && !r->until && after.n < piece.n && str_starts(after, STR("From ")))
		piece = str_sub(piece, 1, piece.n);
	if (!r->waits)
		letters_add(r->l, piece);
}

static bool at_end(const struct reading *r, struct str piece)
{
	int64_t date;

	if (r->until)
		return r->l->offset >= r->until;
	return r->starts && r->blank && prov_from_line(&date, piece);
}

static int read_message(struct reading *r)
{
	struct prov_letters *l = r->l;
	struct str piece;
	bool ends;
	int err;

	while ((err = peek(&piece, &ends, l)) == 0 && piece.n && !at_end(r, piece)) {
		if (r->until && l->offset + piece.n > r->until) { /* it ends within a line */
			piece = str_sub(piece, 0, (size_t)(r->until - l->offset));
			ends = false;
		}
		if (r->header)
			header_line(r, piece);
		else
			body_line(r, piece);
		r->blank = r->starts && is_empty(piece);
		r->starts = ends;
		take(l, piece, ends);
		if (r->blank && !r->header && r->length && ends_there(l, l->offset + r->length))
			r->until = l->offset + r->length;
		r->length = r->header ? r->length : 0;
	}
	if (r->until && r->waits)
		letters_add(l, STR("\n")); /* within the length it is the message's */
	return err < 0 ? err : l->bytes.err;
}

/* The From line, and what stands before it. */
static int read_from(struct reading *r, bool *any)
{
	struct prov_letters *l = r->l;
	struct str piece;
	bool ends, starts = true, from;
	int err;

	*any = false;
	while ((err = peek(&piece, &ends, l)) == 0 && piece.n) {
		from = starts && str_starts(piece, STR("From "));
		starts = ends;
		if (from) {
			*any = true;
			r->out->line = l->line + 1;
			if (!prov_from_line(&r->out->date_sec, piece))
				r->out->date_sec = 0;
		}
		take(l, piece, ends);
		if (*any && ends)
			return 0;
	}
	return err;
}

int mbox_next(struct prov_letter *out, struct prov_letters *l)
{
	for (;;) {
		struct reading r = { .l = l, .out = out, .header = true, .starts = true };
		bool any;
		int err;

		l->bytes.n = l->keywords.n = 0;
		l->too_large = false;
		*out = (struct prov_letter){ .file = l->path };
		err = read_from(&r, &any);
		if (err >= 0 && any)
			err = read_message(&r);
		if (err < 0 || !any)
			return err;
		if (l->too_large || !l->bytes.n) {
			l->fault(l->ctx, l->path, out->line,
				l->too_large ? "it is too large" : "it is empty");
			continue;
		}
		out->bytes = buf_str(&l->bytes);
		out->keywords = buf_str(&l->keywords);
		if (!out->date_sec)
			out->date_sec = letters_date(out->bytes);
		out->done = l->offset;
		out->all = l->size;
		return 0;
	}
}
