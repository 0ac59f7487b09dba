/* SPDX-License-Identifier: ISC */
/* What lines and components mean, and which rule is whose. */
#include "os/crypto.h"
#include "services/dav/merge_impl.h"

#define MEANING_MAX 128 /* a longer one is its hash */

enum { CAL = 1, TASK = 2, CARD = 4 };
static const struct {
	const char *name;
	unsigned in;
	enum merge_how how;
} rules[] = {
	{ "DTSTART", CAL, HOW_TIME },
	{ "DTEND", CAL, HOW_TIME },
	{ "DUE", CAL, HOW_TIME },
	{ "DURATION", CAL, HOW_TIME },
	{ "RRULE", CAL, HOW_TIME },
	{ "EXRULE", CAL, HOW_TIME },
	{ "X-MICROSOFT-CDO-ALLDAYEVENT", CAL, HOW_TIME },
	{ "STATUS", TASK, HOW_STATUS },
	{ "COMPLETED", TASK, HOW_STATUS },
	{ "PERCENT-COMPLETE", TASK, HOW_STATUS },
	{ "EXDATE", CAL, HOW_ELEMENT },
	{ "RDATE", CAL, HOW_ELEMENT },
	{ "CATEGORIES", CAL | CARD, HOW_ELEMENT },
	{ "RESOURCES", CAL, HOW_ELEMENT },
	{ "NICKNAME", CARD, HOW_ELEMENT },
	{ "ATTENDEE", CAL, HOW_ATTENDEE },
	{ "DESCRIPTION", CAL, HOW_TEXT },
	{ "NOTE", CARD, HOW_TEXT },
	{ "SEQUENCE", CAL, HOW_COUNT },
	{ "X-MOZ-GENERATION", CAL, HOW_COUNT },
	{ "DTSTAMP", CAL, HOW_LATEST },
	{ "LAST-MODIFIED", CAL, HOW_LATEST },
	{ "ACKNOWLEDGED", CAL, HOW_LATEST },
	{ "X-MOZ-LASTACK", CAL, HOW_LATEST },
	{ "REV", CARD, HOW_LATEST },
	{ "CREATED", CAL | CARD, HOW_EARLIEST },
	{ "PRODID", CAL | CARD, HOW_QUIET },
	{ "VERSION", CAL, HOW_QUIET },
	{ "CALSCALE", CAL, HOW_QUIET },
	{ "X-LIC-ERROR", CAL, HOW_MEMBER },
	{ "COMMENT", CAL, HOW_MEMBER },
	{ "CONTACT", CAL, HOW_MEMBER },
	{ "ATTACH", CAL, HOW_MEMBER },
	{ "RELATED-TO", CAL, HOW_MEMBER },
	{ "CONFERENCE", CAL, HOW_MEMBER },
	{ "IMAGE", CAL, HOW_MEMBER },
	{ "REQUEST-STATUS", CAL, HOW_MEMBER },
	{ "TEL", CARD, HOW_MEMBER },
	{ "EMAIL", CARD, HOW_MEMBER },
	{ "ADR", CARD, HOW_MEMBER },
	{ "LABEL", CARD, HOW_MEMBER },
	{ "URL", CARD, HOW_MEMBER },
	{ "IMPP", CARD, HOW_MEMBER },
	{ "MEMBER", CARD, HOW_MEMBER },
	{ "X-ADDRESSBOOKSERVER-MEMBER", CARD, HOW_MEMBER },
	{ "RELATED", CARD, HOW_MEMBER },
	{ "LANG", CARD, HOW_MEMBER },
	{ "KEY", CARD, HOW_MEMBER },
	{ "SOUND", CARD, HOW_MEMBER },
	{ "FBURL", CARD, HOW_MEMBER },
	{ "CALURI", CARD, HOW_MEMBER },
	{ "CALADRURI", CARD, HOW_MEMBER },
	{ "CLIENTPIDMAP", CARD, HOW_MEMBER },
	{ "X-SOCIALPROFILE", CARD, HOW_MEMBER },
	{ "X-ABDATE", CARD, HOW_MEMBER },
	{ "X-ABRELATEDNAMES", CARD, HOW_MEMBER },
};

struct str merge_upper(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);

	if (!p)
		return STR_NONE;
	for (size_t i = 0; i < s.n; i++)
		p[i] = s.p[i] >= 'a' && s.p[i] <= 'z' ? (char)(s.p[i] - 32) : s.p[i];
	p[s.n] = 0;
	return str_n(p, s.n);
}

enum merge_kind merge_kind_of(const struct content *c)
{
	static const struct {
		const char *name;
		enum merge_kind kind;
	} rows[] = { { "VEVENT", KIND_EVENT }, { "VTODO", KIND_TODO }, { "VALARM", KIND_ALARM },
		{ "VCARD", KIND_CARD } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (str_ieq(c->name, str_of(rows[i].name)))
			return rows[i].kind;
	return KIND_OTHER;
}

/* ---- meanings ---- */
static int by_bytes(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static int too_large(void)
{
	return err_set(ERR_LIMIT, "over the memory for one merge");
}

/* Of what stands in `b`, which is freed. */
int merge_settle(struct str *out, struct arena *a, struct buf *b)
{
	uint8_t hash[OS_SHA256_BYTES];

	*out = STR_NONE;
	if (b->err >= 0 && b->n <= MEANING_MAX) {
		*out = arena_dup(a, buf_str(b));
	} else if (b->err >= 0) {
		os_sha256(hash, buf_str(b));
		*out = arena_dup(a, str_n(hash, sizeof(hash)));
	}
	buf_free(b);
	return out->p ? 0 : too_large();
}

int merge_add_params(struct buf *b, struct arena *a, const struct content_line *l)
{
	struct str *v = arena_alloc(a, (l->param_count + 1) * sizeof(*v));

	for (uint32_t i = 0; v && i < l->param_count; i++) {
		struct str name = merge_upper(a, l->params[i].name), value = l->params[i].value;
		if (name.p && str_eq(name, STR("TYPE")))
			value = merge_upper(a, value);
		bool as_ever = name.p && str_eq(name, STR("VALUE")) &&
			(str_ieq(value, STR("DATE-TIME")) || str_ieq(value, STR("DURATION")));
		v[i] = as_ever ? STR("")
			       : arena_fmt(a, ";%.*s=%.*s", STR_ARG(name), STR_ARG(value));
		if (!v[i].p)
			return too_large();
	}
	if (!v)
		return too_large();
	if (l->param_count > 1)
		qsort(v, l->param_count, sizeof(*v), by_bytes);
	for (uint32_t i = 0; i < l->param_count; i++)
		buf_add(b, v[i]);
	return 0;
}

bool merge_is_encoded(const struct content_line *l)
{
	for (uint32_t i = 0; i < l->param_count; i++)
		if (str_ieq(l->params[i].name, STR("ENCODING")) ||
			(str_ieq(l->params[i].name, STR("TYPE")) &&
				(str_ieq(l->params[i].value, STR("QUOTED-PRINTABLE")) ||
					str_ieq(l->params[i].value, STR("BASE64")))))
			return true;
	return false;
}

/* A text, of which an escape more or less is no other one; in N and its like it is. */
static bool is_text(const struct content_line *l)
{
	static const char *const names[] = { "SUMMARY", "DESCRIPTION", "LOCATION", "COMMENT",
		"CONTACT", "NOTE", "FN", "TITLE", "ROLE" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_ieq(l->name, str_of(names[i])))
			return !merge_is_encoded(l);
	return false;
}

int merge_line_meaning(
	struct str *out, struct arena *a, const struct content_line *const *lines, size_t n)
{
	struct buf b;
	int err = 0;

	buf_init(&b, NULL);
	for (size_t i = 0; i < n && err >= 0; i++) {
		if (i)
			buf_addc(&b, '\n');
		buf_add(&b, merge_upper(a, lines[i]->name));
		err = merge_add_params(&b, a, lines[i]);
		buf_addc(&b, ':');
		buf_add(&b,
			str_trim(is_text(lines[i]) ? content_text(a, lines[i]->value)
						   : lines[i]->value));
	}
	if (err < 0) {
		buf_free(&b);
		return err;
	}
	return merge_settle(out, a, &b);
}

static bool is_stamp(struct str name)
{
	static const char *const names[] = { "DTSTAMP", "LAST-MODIFIED", "REV", "PRODID",
		"SEQUENCE", "X-MOZ-GENERATION" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_ieq(name, str_of(names[i])))
			return true;
	return false;
}

enum merge_how merge_rule(enum merge_kind kind, const struct content_line *l)
{
	unsigned in = kind == KIND_CARD ? CARD : kind == KIND_TODO ? CAL | TASK : CAL;

	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if ((rules[i].in & in) && str_ieq(l->name, str_of(rules[i].name))) {
			bool text = rules[i].how == HOW_TEXT;
			if ((text || rules[i].how == HOW_ELEMENT) && merge_is_encoded(l))
				return HOW_SCALAR;
			return text && kind == KIND_ALARM ? HOW_QUIET : rules[i].how;
		}
	if (str_istarts(l->name, STR("X-MOZ-SNOOZE-TIME")))
		return HOW_LATEST;
	return kind == KIND_ALARM ? HOW_QUIET : HOW_SCALAR;
}

/* Values of a list: at commas without a backslash before them. */
struct str merge_element(struct str *rest)
{
	size_t n = 0;
	struct str one;

	while (n < rest->n && rest->p[n] != ',')
		n += rest->p[n] == '\\' && n + 1 < rest->n ? 2 : 1;
	one = str_sub(*rest, 0, n);
	*rest = str_sub(*rest, n + 1, rest->n);
	return str_trim(one);
}

static size_t commas(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == ',';
	return n;
}

/* Of a list each value's, in whichever lines they stand. */
static int line_meanings(struct str *v, size_t *n, struct arena *a, enum merge_kind kind,
	const struct content_line *l)
{
	struct content_line one = *l;
	const struct content_line *p = &one;
	struct str rest = l->value;
	int err;

	if (merge_rule(kind, l) != HOW_ELEMENT)
		return merge_line_meaning(&v[(*n)++], a, &l, 1);
	do {
		one.value = merge_element(&rest);
		err = merge_line_meaning(&v[(*n)++], a, &p, 1);
	} while (rest.n && err >= 0);
	return err;
}

int merge_meaning(struct str *out, struct arena *a, const struct content *c, bool quick)
{
	enum merge_kind kind = merge_kind_of(c);
	struct str *v;
	size_t n = 0;
	struct buf b;
	int err = 0;

	for (const struct content_line *l = c->lines; l; l = l->next)
		n += 1 + commas(l->value);
	for (const struct content *p = c->parts; p; p = p->next)
		n++;
	v = arena_alloc(a, (n + 1) * sizeof(*v));
	if (!v)
		return too_large();
	n = 0;
	for (const struct content_line *l = c->lines; l && err >= 0; l = l->next)
		if (!quick || !is_stamp(l->name))
			err = line_meanings(v, &n, a, kind, l);
	for (const struct content *p = c->parts; p && err >= 0; p = p->next)
		err = merge_meaning(&v[n++], a, p, quick);
	if (err < 0)
		return err;
	if (n > 1)
		qsort(v, n, sizeof(*v), by_bytes);
	buf_init(&b, NULL);
	buf_add(&b, merge_upper(a, c->name));
	for (size_t i = 0; i < n; i++) {
		buf_addc(&b, '\n');
		buf_add(&b, v[i]);
	}
	return merge_settle(out, a, &b);
}
