/* SPDX-License-Identifier: ISC */
#include "services/contacts/card_impl.h"

#include <stdlib.h>

int card_read(const struct content **out, struct arena *a, struct str bytes)
{
	struct content_limits limits = CONTENT_LIMITS;
	struct content *root;
	int err = content_parse(&root, a, bytes, &limits);

	if (err < 0)
		return err;
	*out = content_child(root, STR("VCARD"), NULL);
	return *out ? 0 : err_set(ERR_BAD, "no vCard in it");
}

enum card_version card_version_of(struct str text)
{
	static const char *const names[] = { "", "2.1", "3.0", "4.0" };

	for (size_t i = 1; i < ARRAY_LEN(names); i++)
		if (str_eq(str_trim(text), str_of(names[i])))
			return (enum card_version)i;
	return CARD_UNKNOWN;
}

enum card_version card_version(const struct content *card)
{
	const struct content_line *l = content_get(card, STR("VERSION"), NULL);
	return l ? card_version_of(l->value) : CARD_30;
}

/* ---- parameters of a line ---- */
struct str card_param(const struct card_line *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (str_ieq(l->params[i].name, str_of(name)))
			return l->params[i].value;
	return STR_NONE;
}

void card_param_add(struct card_line *l, const char *name, struct str value)
{
	os_assert(l->n < l->cap);
	l->params[l->n++] = (struct content_param){ str_of(name), value };
}

static void param_take(struct card_line *l, size_t i)
{
	memmove(&l->params[i], &l->params[i + 1], (--l->n - i) * sizeof(*l->params));
}

void card_param_del(struct card_line *l, const char *name)
{
	for (size_t i = 0; i < l->n;)
		if (str_ieq(l->params[i].name, str_of(name)))
			param_take(l, i);
		else
			i++;
}

bool card_type_take(struct card_line *l, const char *type)
{
	bool was = false;

	for (size_t i = 0; i < l->n;)
		if (str_ieq(l->params[i].name, STR("TYPE")) &&
			str_ieq(l->params[i].value, str_of(type))) {
			param_take(l, i);
			was = true;
		} else {
			i++;
		}
	return was;
}

/* ---- writing ---- */
/* RFC 6868 for 4.0; 3.0 has no way to say a quote or a line end. */
static void param_value(struct buf *b, struct str s, bool carets)
{
	bool quote = false;

	for (size_t i = 0; i < s.n; i++)
		quote |= strchr(";:,", s.p[i]) != NULL;
	if (quote)
		buf_addc(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '\r')
			continue;
		if (c == '\n')
			buf_add(b, carets ? STR("^n") : STR(" "));
		else if (c == '"')
			buf_add(b, carets ? STR("^'") : STR("'"));
		else if (c == '^' && carets)
			buf_add(b, STR("^^"));
		else
			buf_addc(b, c);
	}
	if (quote)
		buf_addc(b, '"');
}

void card_line_write(struct card_run *v, const struct card_line *l)
{
	size_t room = CONTENT_FOLD;
	bool value = true;
	struct buf head;

	if (v->pick && !v->pick(v->ctx, l->group, l->name, &value))
		return;
	buf_init(&head, v->a);
	if (l->group.n)
		buf_fmt(&head, "%.*s.", STR_ARG(l->group));
	buf_add(&head, l->name);
	for (size_t i = 0; i < l->n; i++) {
		buf_fmt(&head, ";%.*s=", STR_ARG(l->params[i].name));
		param_value(&head, l->params[i].value, v->to == CARD_40);
	}
	buf_addc(&head, ':');
	if (value)
		buf_add(&head, l->head);
	if (head.err < 0)
		v->out->err = head.err;
	content_fold_part(v->out, &room, buf_str(&head));
	if (value)
		content_fold_part(v->out, &room, l->value);
	buf_add(v->out, STR("\r\n"));
}

void card_simple_write(struct card_run *v, struct str group, const char *name, struct str value)
{
	struct card_line l = { .group = group, .name = str_of(name), .value = value };

	card_line_write(v, &l);
}

/* ---- preference: TYPE=PREF, or the least PREF (RFC 6350, 5.3) ---- */
static const char *const preferred[CARD_PREFS] = { "TEL", "EMAIL", "ADR", "IMPP", "URL", "LANG",
	"RELATED", "NICKNAME", "PHOTO", "LOGO", "SOUND", "KEY", "ORG", "TITLE", "ROLE", "NOTE",
	"FN", "FBURL", "CALURI", "CALADRURI" };

static uint64_t pref_of(struct str value)
{
	uint64_t n;
	return value.p && str_u64(&n, str_trim(value), 100) == 0 ? n : 101;
}

static uint64_t *best_of(struct card_run *v, struct str name)
{
	for (size_t i = 0; i < CARD_PREFS; i++)
		if (str_ieq(name, str_of(preferred[i])))
			return &v->best[i];
	return NULL;
}

static void preference(struct card_run *v, struct card_line *l)
{
	uint64_t mine = pref_of(card_param(l, "PREF")), *best = best_of(v, l->name);

	if (v->to == CARD_40) {
		if (card_type_take(l, "PREF") && mine > 100)
			card_param_add(l, "PREF", STR("1"));
		return;
	}
	card_param_del(l, "PREF");
	if (mine <= (best ? *best : 1)) {
		(void)card_type_take(l, "PREF");
		card_param_add(l, "TYPE", STR("PREF"));
	}
}

int card_line_begin(struct card_line *l, struct card_run *v, const struct content_line *was)
{
	*l = (struct card_line){ was, .group = was->group, .name = was->name, .value = was->value };
	l->cap = was->param_count + CARD_PARAMS_MORE;
	l->params = arena_alloc(v->a, l->cap * sizeof(*l->params));
	if (!l->params)
		return err_set(ERR_LIMIT, "over the memory for one item");
	if (was->param_count)
		memcpy(l->params, was->params, was->param_count * sizeof(*l->params));
	l->n = was->param_count;
	card_decode(v, l);
	return 0;
}

static int convert_line(struct card_run *v, const struct content_line *was)
{
	struct card_line l;
	int err = card_line_begin(&l, v, was);

	if (err < 0)
		return err;
	preference(v, &l);
	if (v->to == CARD_30) {
		card_param_del(&l, "PID");
		card_param_del(&l, "ALTID");
	}
	card_row_apply(v, &l);
	if (!l.drop)
		card_line_write(v, &l);
	return v->out->err;
}

#define LABELS_MAX 100

static void look(struct card_run *v)
{
	size_t addresses = 0;

	for (size_t i = 0; i < CARD_PREFS; i++)
		v->best[i] = 100;
	for (const struct content_line *l = v->card->lines; l; l = l->next) {
		uint64_t pref = pref_of(content_param(l, STR("PREF"))), *best = best_of(v, l->name);
		if (best && pref < *best)
			*best = pref;
		if (str_ieq(l->name, STR("SORT-STRING")))
			v->sort = l;
		v->has_kind |= str_ieq(l->name, STR("KIND"));
		addresses += str_ieq(l->name, STR("ADR")) || str_ieq(l->name, STR("LABEL"));
	}
	v->labels = addresses <= LABELS_MAX;
}

/* ---- what has to be there ---- */
static struct str part_of(struct str *rest)
{
	size_t n = 0;
	struct str part;

	while (n < rest->n && rest->p[n] != ';')
		n += rest->p[n] == '\\' ? 2 : 1;
	part = str_trim(str_sub(*rest, 0, n));
	*rest = str_sub(*rest, n + 1, rest->n);
	return part;
}

/* FN is never missing in 3.0 or 4.0: from the name, the firm, the address. */
static struct str full_name(struct card_run *v)
{
	static const char *const others[] = { "ORG", "NICKNAME", "EMAIL", "UID" };
	const struct content_line *l = content_get(v->card, STR("N"), NULL);
	struct str rest = l ? l->value : STR(""), family = part_of(&rest), given = part_of(&rest);

	if (family.n || given.n)
		return arena_fmt(v->a, "%.*s%s%.*s", STR_ARG(given), given.n && family.n ? " " : "",
			STR_ARG(family));
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		l = content_get(v->card, str_of(others[i]), NULL);
		rest = l ? l->value : STR("");
		given = part_of(&rest);
		if (given.n)
			return given;
	}
	return STR("");
}

static void complete(struct card_run *v)
{
	const struct content_line *fn = content_get(v->card, STR("FN"), NULL);

	if (!fn)
		card_simple_write(v, STR_NONE, "FN", full_name(v));
	if (v->to == CARD_30 && !content_get(v->card, STR("N"), NULL))
		card_simple_write(v, STR_NONE, "N",
			arena_fmt(v->a, "%.*s;;;;", STR_ARG(fn ? fn->value : full_name(v))));
}

int card_convert(struct buf *out, struct arena *a, const struct content *card, enum card_version to,
	card_pick_fn *pick, const void *ctx)
{
	struct card_run v = { .a = a,
		.out = out,
		.card = card,
		.from = card_version(card),
		.to = to,
		.pick = pick,
		.ctx = ctx };
	int err = 0;

	look(&v);
	buf_add(out, STR("BEGIN:VCARD\r\nVERSION:"));
	buf_add(out, to == CARD_40 ? STR("4.0\r\n") : STR("3.0\r\n"));
	for (const struct content_line *l = card->lines; l && err >= 0; l = l->next)
		if (l->name.n && !str_ieq(l->name, STR("VERSION")))
			err = convert_line(&v, l);
	complete(&v);
	buf_add(out, STR("END:VCARD\r\n"));
	return err < 0 ? err : out->err;
}

/* ---- Accept (RFC 9110, 12.5.1) ---- */
struct accept {
	enum card_version version;
	int q; /* of a thousand */
};

/* "0.85" */
static int quality(struct str s)
{
	int q = s.n && s.p[0] == '1' ? 1000 : 0, unit = 100;

	for (size_t i = 2; i < s.n && q < 1000; i++, unit /= 10)
		if (s.p[i] >= '0' && s.p[i] <= '9')
			q += (s.p[i] - '0') * unit;
	return q;
}

/* One entry, "text/vcard; version=4.0; q=0.5"; false: about something else. */
static bool entry(struct accept *out, struct str one)
{
	struct str type, param, key, value;

	*out = (struct accept){ CARD_UNKNOWN, 1000 };
	str_cut(&type, &one, one, ';');
	type = str_trim(type);
	while (one.n) {
		str_cut(&param, &one, one, ';');
		str_cut(&key, &value, param, '=');
		value = str_trim(value);
		if (value.n > 1 && value.p[0] == '"')
			value = str_sub(value, 1, value.n - 1);
		if (str_ieq(str_trim(key), STR("q")))
			out->q = quality(value);
		else if (str_ieq(str_trim(key), STR("version")) &&
			(out->version = card_version_of(value)) < CARD_30)
			return false;
	}
	return str_ieq(type, STR("text/vcard")) || str_eq(type, STR("text/*")) ||
		str_eq(type, STR("*/*"));
}

enum card_version card_accepted(struct str accept, enum card_version is)
{
	int best = 0, mine = 0;
	enum card_version want = is;
	struct accept a;
	struct str one;

	while (accept.n) {
		str_cut(&one, &accept, accept, ',');
		if (!entry(&a, one))
			continue;
		if ((a.version == CARD_UNKNOWN || a.version == is) && a.q > mine)
			mine = a.q;
		if (a.version != CARD_UNKNOWN && a.q > best) {
			best = a.q;
			want = a.version;
		}
	}
	return best > mine ? want : is;
}
