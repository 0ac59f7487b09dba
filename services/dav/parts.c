/* SPDX-License-Identifier: ISC */
#include "services/dav/parts.h"

#define NAME_MAX_B 64 /* of a component */

struct parts {
	part_fn *fn;
	void *ctx;
	struct buf part, line; /* what is open; the line under way */
	uint64_t at;           /* offset of the line's first byte */
	uint32_t number;       /* of the line, from 1 */
	uint32_t calendar;
	bool open;
	char name[NAME_MAX_B]; /* of the open part */
	size_t name_n;
	uint64_t from;
	uint32_t first, nested; /* its line; vCards open in it */
	bool too_long, line_long;
	bool soft;      /* the line before goes on here, as quoted-printable does */
	bool agent;     /* the line before was an AGENT without a value: a vCard follows */
	bool in_prodid; /* it was the PRODID, which may be folded */
	char prodid[PARTS_PRODID_MAX];
	size_t prodid_n;
};

int parts_open(struct parts **out, part_fn *fn, void *ctx)
{
	struct parts *p = calloc(1, sizeof(*p));

	if (!p)
		return err_set(ERR_NOMEM, "out of memory");
	p->fn = fn;
	p->ctx = ctx;
	p->number = 1;
	buf_init(&p->part, NULL);
	buf_init(&p->line, NULL);
	*out = p;
	return 0;
}

/* What begins a part whatever is open, as none of these stands in another. */
static bool is_top(struct str name)
{
	static const char *const names[] = { "VCALENDAR", "VEVENT", "VTODO", "VJOURNAL",
		"VFREEBUSY", "VTIMEZONE", "VAVAILABILITY", "VCARD" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_ieq(name, str_of(names[i])))
			return true;
	return false;
}

static int close_part(struct parts *p, const char *fault)
{
	struct part one = { .name = str_n(p->name, p->name_n),
		.bytes = p->part.p ? buf_str(&p->part) : STR(""),
		.prodid = str_n(p->prodid, p->prodid_n),
		.from = p->from,
		.line = p->first,
		.calendar = p->calendar,
		.fault = p->too_long ? "it is over 1 MiB" : fault };
	int err = p->part.err < 0 ? p->part.err : p->fn(p->ctx, &one);

	p->open = false;
	p->part.n = 0;
	p->nested = 0;
	p->too_long = false;
	return err;
}

static void open_part(struct parts *p, struct str name)
{
	name = str_sub(name, 0, sizeof(p->name));
	memcpy(p->name, name.p, name.n);
	p->name_n = name.n;
	p->open = true;
	p->from = p->at;
	p->first = p->number;
}

static void add_line(struct parts *p, struct str line)
{
	if (p->too_long || p->line_long || p->part.n + line.n > PARTS_MAX)
		p->too_long = true;
	else
		buf_add(&p->part, line);
}

/* "BEGIN:VEVENT" -> "VEVENT"; STR_NONE: another line. */
static struct str after(struct str text, struct str word)
{
	return str_istarts(text, word) ? str_trim(str_sub(text, word.n, text.n)) : STR_NONE;
}

/* Does the line go on in the next one, as vCard 2.1's quoted-printable does? */
static bool goes_on(const struct parts *p, struct str text)
{
	ptrdiff_t colon = str_chr(text, ':');
	struct str head = str_sub(text, 0, colon < 0 ? 0 : (size_t)colon), word;
	bool quoted = p->soft;

	while (head.n && !quoted) {
		str_cut(&word, &head, head, ';');
		quoted = str_ieq(word, STR("QUOTED-PRINTABLE")) ||
			str_ieq(word, STR("ENCODING=QUOTED-PRINTABLE"));
	}
	return quoted && str_ends(text, STR("="));
}

static int begin(struct parts *p, struct str line, struct str name)
{
	int err = 0;

	if (p->open && !is_top(name)) {
		add_line(p, line);
		return 0;
	}
	if (p->open && p->agent && str_ieq(name, STR("VCARD"))) {
		p->nested++;
		add_line(p, line);
		return 0;
	}
	if (p->open)
		err = close_part(p, "its END is missing");
	if (str_ieq(name, STR("VCALENDAR"))) {
		p->calendar++;
		p->prodid_n = 0;
		return err;
	}
	open_part(p, name);
	add_line(p, line);
	return err;
}

static int end(struct parts *p, struct str line, struct str name)
{
	if (!p->open)
		return 0;
	if (str_ieq(name, STR("VCALENDAR")))
		return close_part(p, "its END is missing");
	add_line(p, line);
	if (!str_ieq(name, str_n(p->name, p->name_n)))
		return 0;
	if (p->nested > 0) {
		p->nested--;
		return 0;
	}
	return close_part(p, NULL);
}

/* Of the VCALENDAR itself. */
static void other(struct parts *p, struct str text)
{
	struct str value = after(text, STR("PRODID:"));
	bool folded = p->in_prodid && text.n && strchr(" \t", text.p[0]);

	if (folded)
		value = str_sub(text, 1, text.n);
	else if (value.p)
		p->prodid_n = 0;
	p->in_prodid = value.p != NULL;
	if (!value.p || p->prodid_n + value.n > sizeof(p->prodid))
		return;
	memcpy(p->prodid + p->prodid_n, value.p, value.n);
	p->prodid_n += value.n;
}

static int take_line(struct parts *p)
{
	struct str line = p->line.p ? buf_str(&p->line) : STR(""), text = line, name;
	bool soft = p->soft, agent = p->agent;
	int err = p->line.err;

	if (text.n && text.p[text.n - 1] == '\n')
		text.n--;
	if (text.n && text.p[text.n - 1] == '\r')
		text.n--;
	if (!p->open && str_starts(text, STR("\xef\xbb\xbf"))) { /* a byte order mark */
		text = str_sub(text, 3, text.n);
		line = str_sub(line, 3, line.n);
		p->at += 3;
	}
	if (err >= 0 && !soft && (name = after(text, STR("BEGIN:"))).n)
		err = begin(p, line, name);
	else if (err >= 0 && !soft && (name = after(text, STR("END:"))).n)
		err = end(p, line, name);
	else if (p->open)
		add_line(p, line);
	else
		other(p, text);
	p->soft = goes_on(p, text);
	/* A blank line may stand between. */
	p->agent = !soft && (str_istarts(text, STR("AGENT")) || (agent && !text.n));
	p->at += line.n;
	p->line.n = 0;
	p->line_long = false;
	p->number++;
	return err;
}

int parts_push(struct parts *p, struct str bytes)
{
	int err = 0;

	while (bytes.n && err >= 0) {
		ptrdiff_t nl = str_chr(bytes, '\n');
		size_t n = nl < 0 ? bytes.n : (size_t)nl + 1;
		if (p->line.n + n > PARTS_MAX) { /* counted, not kept */
			p->line_long = true;
			p->at += p->line.n + n;
			p->line.n = 0;
		} else {
			buf_add(&p->line, str_sub(bytes, 0, n));
		}
		bytes = str_sub(bytes, n, bytes.n);
		if (nl >= 0)
			err = take_line(p);
	}
	return err < 0 ? err : p->line.err;
}

int parts_close(struct parts *p)
{
	int err = p->line.n ? take_line(p) : 0;

	if (err >= 0 && p->open)
		err = close_part(p, "its END is missing");
	buf_free(&p->part);
	buf_free(&p->line);
	free(p);
	return err;
}
