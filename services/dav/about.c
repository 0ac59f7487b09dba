/* SPDX-License-Identifier: ISC */
#include "services/dav/about.h"
#include "os/crypto.h"
#include "os/time.h"
#include "services/dav/content.h"

static const struct {
	const char *part, *kind, *title;
} kinds[] = {
	{ "VEVENT", "event", "SUMMARY" },
	{ "VTODO", "task", "SUMMARY" },
	{ "VJOURNAL", "journal", "SUMMARY" },
	{ "VCARD", "contact", "FN" },
};

/* ---- values ---- */
static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* vCard 2.1's quoted-printable (RFC 2045, 6.7). */
static struct str unquote(struct arena *a, struct str s)
{
	struct buf b;

	buf_init(&b, a);
	buf_add(&b, STR(""));
	for (size_t i = 0; i < s.n; i++) {
		int high = s.p[i] == '=' && i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
		int low = high >= 0 ? hex_digit(s.p[i + 2]) : -1;
		if (low >= 0) {
			buf_addc(&b, (char)(high << 4 | low));
			i += 2;
		} else if (s.p[i] == '=' && i + 1 < s.n && strchr("\r\n", s.p[i + 1])) {
			i += s.p[i + 1] == '\r' && i + 2 < s.n && s.p[i + 2] == '\n' ? 2 : 1;
		} else {
			buf_addc(&b, s.p[i]);
		}
	}
	return b.err < 0 ? STR_NONE : buf_str(&b);
}

static struct str text_of(struct arena *a, const struct content_line *l)
{
	struct str s;

	if (!l)
		return STR("");
	s = l->value;
	if (str_ieq(content_param(l, STR("ENCODING")), STR("QUOTED-PRINTABLE")) ||
		str_ieq(content_param(l, STR("TYPE")), STR("QUOTED-PRINTABLE")))
		s = unquote(a, s);
	s = str_trim(content_text(a, s));
	return s.p ? s : STR("");
}

static bool number(int *out, struct str s, size_t at, size_t n)
{
	uint64_t v;

	if (at + n > s.n || str_u64(&v, str_sub(s, at, at + n), 9999) < 0)
		return false;
	*out = (int)v;
	return true;
}

/* "Mon 5 Jan 2026 9:00, Europe/Berlin" of a DATE or DATE-TIME; else the value as it is. */
static struct str time_text(struct arena *a, struct str s, struct str zone)
{
	static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul",
		"Aug", "Sep", "Oct", "Nov", "Dec" };
	struct os_date d = { 0 };
	struct buf b;

	s = str_trim(s);
	if (!number(&d.year, s, 0, 4) || !number(&d.month, s, 4, 2) || !number(&d.day, s, 6, 2))
		return s;
	os_date_of(&d, os_date_unix(&d));
	buf_init(&b, a);
	buf_fmt(&b, "%s %d %s %d", days[d.wday], d.day, months[d.month - 1], d.year);
	if (s.n > 8 && number(&d.hour, s, 9, 2) && number(&d.min, s, 11, 2)) {
		buf_fmt(&b, " %d:%02d", d.hour, d.min);
		if (str_ends(s, STR("Z")))
			buf_add(&b, STR(" UTC"));
		else if (zone.n)
			buf_fmt(&b, ", %.*s", STR_ARG(zone));
	}
	return b.err < 0 ? s : buf_str(&b);
}

static struct str line_text(struct arena *a, const struct content_line *l)
{
	static const char *const times[] = { "DTSTART", "DTEND", "DUE", "COMPLETED",
		"RECURRENCE-ID", "CREATED", "LAST-MODIFIED" };

	for (size_t i = 0; i < ARRAY_LEN(times); i++)
		if (str_ieq(l->name, str_of(times[i])))
			return time_text(a, l->value, content_param(l, STR("TZID")));
	return text_of(a, l);
}

/* ---- what it is ---- */
/* The parts that count: of the VCALENDAR, or the vCard itself. */
static struct content *first_part(struct content *root)
{
	struct content *cal = content_child(root, STR("VCALENDAR"), NULL);
	return cal ? cal->parts : root->parts;
}

static struct str vcard_detail(struct arena *a, const struct content *c)
{
	struct str s = text_of(a, content_get(c, STR("EMAIL"), NULL));
	return s.n ? s : text_of(a, content_get(c, STR("TEL"), NULL));
}

static struct str when_of(struct arena *a, const struct content *c)
{
	const struct content_line *l = content_get(c, STR("DTSTART"), NULL);
	struct str s;

	if (!l)
		l = content_get(c, STR("DUE"), NULL);
	s = l ? line_text(a, l) : STR("");
	if (s.n && content_get(c, STR("RRULE"), NULL))
		s = arena_fmt(a, "%.*s, repeats", STR_ARG(s));
	return s.p ? s : STR("");
}

static bool describe(struct dav_about *out, struct arena *a, const struct content *c)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const struct content_line *uid = content_get(c, STR("UID"), NULL);
		if (!str_ieq(c->name, str_of(kinds[i].part)))
			continue;
		out->kind = kinds[i].kind;
		out->uid = uid ? str_trim(uid->value) : STR("");
		out->title = text_of(a, content_get(c, str_of(kinds[i].title), NULL));
		out->detail = str_ieq(c->name, STR("VCARD")) ? vcard_detail(a, c) : when_of(a, c);
		return true;
	}
	return false;
}

void dav_about(struct dav_about *out, struct arena *a, struct str bytes)
{
	struct content_limits limits = CONTENT_LIMITS;
	struct content *root, *best = NULL;

	*out = (struct dav_about){ NULL, STR(""), STR(""), STR("") };
	if (content_parse(&root, a, bytes, &limits) < 0)
		return;
	/* The master speaks for its overrides. */
	for (struct content *c = first_part(root); c; c = c->next)
		if (describe(out, a, c)) {
			best = best ? best : c;
			if (!content_get(c, STR("RECURRENCE-ID"), NULL))
				return;
		}
	if (best)
		describe(out, a, best);
}

/* ---- what it says, line by line ---- */
struct said {
	struct str of, name, text;       /* the text with its parameters, unfolded */
	const struct content_line *line; /* NULL: a part, such as an alarm */
};
struct sayings {
	struct said *p;
	size_t n, cap;
	struct arena *a;
};

static bool is_noise(struct str name)
{
	static const char *const names[] = { "DTSTAMP", "PRODID", "REV" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_ieq(name, str_of(names[i])))
			return true;
	return false;
}

static struct str upper(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);

	for (size_t i = 0; p && i < s.n; i++)
		p[i] = s.p[i] >= 'a' && s.p[i] <= 'z' ? (char)(s.p[i] - 32) : s.p[i];
	return p ? str_n(p, s.n) : STR_NONE;
}

static int say(struct sayings *v, struct said one)
{
	if (v->n == v->cap) {
		size_t cap = v->cap ? 2 * v->cap : 64;
		struct said *more = arena_alloc(v->a, cap * sizeof(*more));
		if (!more)
			return err_set(ERR_LIMIT, "over the memory for one item");
		if (v->n)
			memcpy(more, v->p, v->n * sizeof(*more));
		v->p = more;
		v->cap = cap;
	}
	one.name = upper(v->a, one.name);
	if (!one.name.p || !one.text.p)
		return err_set(ERR_LIMIT, "over the memory for one item");
	v->p[v->n++] = one;
	return 0;
}

/* Parameters and value, whatever the folds. */
static struct str line_whole(struct arena *a, const struct content_line *l)
{
	struct buf b;

	buf_init(&b, a);
	buf_add(&b, STR(""));
	for (uint32_t i = 0; i < l->param_count; i++) {
		buf_add(&b, upper(a, l->params[i].name));
		buf_fmt(&b, "=%.*s;", STR_ARG(l->params[i].value));
	}
	buf_addc(&b, ':');
	buf_add(&b, l->value);
	return b.err < 0 ? STR_NONE : buf_str(&b);
}

/* A part as one text: its bytes without folds and carriage returns. */
static struct str part_whole(struct arena *a, struct str raw)
{
	struct buf b;

	buf_init(&b, a);
	buf_add(&b, STR(""));
	for (size_t i = 0; i < raw.n; i++) {
		if (raw.p[i] == '\r')
			continue;
		if (raw.p[i] == '\n' && i + 1 < raw.n && strchr(" \t", raw.p[i + 1]))
			i++;
		else
			buf_addc(&b, raw.p[i]);
	}
	return b.err < 0 ? STR_NONE : buf_str(&b);
}

static int say_part(struct sayings *v, const struct content *c)
{
	const struct content_line *id = content_get(c, STR("RECURRENCE-ID"), NULL);
	struct str of = id ? line_text(v->a, id) : STR("");
	int err = 0;

	for (const struct content_line *l = c->lines; l && err >= 0; l = l->next)
		if (!is_noise(l->name))
			err = say(v, (struct said){ of, l->name, line_whole(v->a, l), l });
	for (const struct content *p = c->parts; p && err >= 0; p = p->next)
		err = say(v, (struct said){ of, p->name, part_whole(v->a, p->raw), NULL });
	return err;
}

static int compare(const void *a, const void *b)
{
	const struct said *x = a, *y = b;
	int by = str_cmp(x->of, y->of);

	if (by == 0)
		by = str_cmp(x->name, y->name);
	return by ? by : str_cmp(x->text, y->text);
}

static int sayings(struct sayings *v, struct arena *a, struct str bytes)
{
	struct content_limits limits = CONTENT_LIMITS;
	struct content *root;
	int err = content_parse(&root, a, bytes, &limits);

	*v = (struct sayings){ .a = a };
	if (err < 0)
		return err;
	for (struct content *c = first_part(root); c && err >= 0; c = c->next)
		if (!str_ieq(c->name, STR("VTIMEZONE")))
			err = say_part(v, c);
	if (err >= 0 && v->n)
		qsort(v->p, v->n, sizeof(*v->p), compare);
	return err;
}

int dav_meaning(uint8_t out[static DAV_MEANING], struct arena *a, struct str bytes)
{
	struct sayings v;
	struct buf b;
	int err = sayings(&v, a, bytes);

	if (err < 0)
		return err;
	buf_init(&b, a);
	buf_add(&b, STR(""));
	for (size_t i = 0; i < v.n; i++)
		buf_fmt(&b, "%.*s\n%.*s\n%.*s\n", STR_ARG(v.p[i].of), STR_ARG(v.p[i].name),
			STR_ARG(v.p[i].text));
	if (b.err < 0)
		return err_set(ERR_LIMIT, "over the memory for one item");
	os_sha256(out, buf_str(&b));
	return 0;
}

/* ---- differences ---- */
static const struct {
	const char *name, *word;
} words[] = {
	{ "SUMMARY", "title" },
	{ "DTSTART", "time" },
	{ "DTEND", "time" },
	{ "DURATION", "time" },
	{ "DUE", "due" },
	{ "RRULE", "repetition" },
	{ "RDATE", "repetition" },
	{ "EXDATE", "repetition" },
	{ "EXRULE", "repetition" },
	{ "RECURRENCE-ID", "repetition" },
	{ "VALARM", "alarm" },
	{ "ATTENDEE", "people" },
	{ "ORGANIZER", "organizer" },
	{ "ATTACH", "attachments" },
	{ "CATEGORIES", "categories" },
	{ "PERCENT-COMPLETE", "progress" },
	{ "TRANSP", "busy or free" },
	{ "CLASS", "privacy" },
	{ "FN", "name" },
	{ "N", "name" },
	{ "TEL", "phone" },
	{ "ADR", "address" },
	{ "BDAY", "birthday" },
	{ "ORG", "organisation" },
};

static struct str word_of(struct arena *a, struct str name)
{
	char *p;

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_eq(name, str_of(words[i].name)))
			return str_of(words[i].word);
	p = arena_alloc(a, name.n + 1);
	for (size_t i = 0; p && i < name.n; i++)
		p[i] = name.p[i] >= 'A' && name.p[i] <= 'Z' ? (char)(name.p[i] + 32) : name.p[i];
	return p ? str_n(p, name.n) : name;
}

static struct str value_of(struct arena *a, const struct said *s)
{
	ptrdiff_t at;

	if (s->line)
		return line_text(a, s->line);
	/* Of an alarm: when. */
	at = str_find(s->text, STR("\nTRIGGER"));
	if (at < 0)
		return s->text;
	struct str line, rest;
	str_cut(&line, &rest, str_sub(s->text, (size_t)at + 1, s->text.n), '\n');
	return str_cut(&line, &rest, line, ':') ? rest : s->text;
}

static void join(struct buf *b, struct str s)
{
	if (b->n)
		buf_add(b, STR("; "));
	buf_add(b, s);
}

struct walk {
	const struct said *p, *end;
};

/* Takes the lines that are of `key`'s property off both sides, in order; what only one has is kept. */
static int one_property(struct buf *before, struct buf *after, struct arena *a, struct walk *x,
	struct walk *y, const struct said *key)
{
	bool differ = false;

	for (;;) {
		bool has_x =
			x->p < x->end && str_eq(x->p->of, key->of) && str_eq(x->p->name, key->name);
		bool has_y =
			y->p < y->end && str_eq(y->p->of, key->of) && str_eq(y->p->name, key->name);
		int by = !has_x ? 1 : !has_y ? -1 : str_cmp(x->p->text, y->p->text);
		if (!has_x && !has_y)
			break;
		differ |= by != 0;
		if (by < 0)
			join(before, value_of(a, x->p));
		if (by > 0)
			join(after, value_of(a, y->p));
		x->p += by <= 0;
		y->p += by >= 0;
	}
	return before->err < 0 || after->err < 0
		? err_set(ERR_LIMIT, "over the memory for one item")
		: differ;
}

int dav_differences(struct dav_difference **out, size_t *n, struct arena *a, struct str before,
	struct str after)
{
	struct sayings old, new;
	int err = sayings(&old, a, before);

	*n = 0;
	*out = arena_alloc(a, DAV_DIFFERENCE_MAX * sizeof(**out));
	if (err >= 0)
		err = *out ? sayings(&new, a, after)
			   : err_set(ERR_LIMIT, "over the memory for one item");
	if (err < 0)
		return err;
	struct walk x = { old.p, old.p + old.n }, y = { new.p, new.p + new.n };
	while ((x.p < x.end || y.p < y.end) && *n < DAV_DIFFERENCE_MAX) {
		struct buf was, is;
		struct said key;
		struct said xk = x.p < x.end ? *x.p : *y.p, yk = y.p < y.end ? *y.p : *x.p;
		xk.text = yk.text = STR("");
		key = compare(&xk, &yk) <= 0 ? xk : yk;
		buf_init(&was, a);
		buf_init(&is, a);
		err = one_property(&was, &is, a, &x, &y, &key);
		if (err < 0)
			return err;
		if (err > 0)
			(*out)[(*n)++] = (struct dav_difference){ key.name, word_of(a, key.name),
				key.of, was.p ? buf_str(&was) : STR(""),
				is.p ? buf_str(&is) : STR("") };
	}
	return 0;
}
