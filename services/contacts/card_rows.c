/* SPDX-License-Identifier: ISC */
/* What becomes of properties by their names; one row each. */
#include "services/contacts/card_impl.h"

/* ---- PHOTO, LOGO, SOUND, KEY: ENCODING=b, or a data: URI ---- */
static const struct {
	const char *base64, *type;
} magics[] = {
	{ "/9j/", "image/jpeg" },
	{ "iVBORw0KGgo", "image/png" },
	{ "R0lGOD", "image/gif" },
	{ "UklGR", "image/webp" },
	{ "", "application/octet-stream" },
};

static struct str lower(struct arena *a, struct str s, char from, char to)
{
	struct str copy = arena_dup(a, s);

	for (size_t i = 0; copy.p && i < copy.n; i++)
		if (copy.p[i] >= from && copy.p[i] <= to)
			((char *)copy.p)[i] ^= 32;
	return copy;
}

/* The media type that TYPE names, which is taken; what the bytes look like; STR_NONE: none. */
static struct str media_type(struct card_run *v, struct card_line *l, bool guess)
{
	struct str type = lower(v->a, card_param(l, "TYPE"), 'A', 'Z');
	const char *top = str_ieq(l->name, STR("SOUND")) ? "audio"
		: str_ieq(l->name, STR("KEY"))           ? "application"
							 : "image";
	size_t i = 0;

	if (type.n) {
		card_param_del(l, "TYPE");
		if (str_eq(type, STR("pgp")))
			type = STR("pgp-keys");
		if (str_eq(type, STR("x509")))
			type = STR("pkix-cert");
		return str_chr(type, '/') >= 0 ? type
					       : arena_fmt(v->a, "%s/%.*s", top, STR_ARG(type));
	}
	while (guess && !str_starts(l->value, str_of(magics[i].base64)))
		i++;
	return guess ? str_of(magics[i].type) : STR_NONE;
}

static void media_to4(struct card_run *v, struct card_line *l)
{
	bool base64 = str_ieq(card_param(l, "ENCODING"), STR("b"));
	struct str type;

	if (!base64 && str_ieq(card_param(l, "VALUE"), STR("text")))
		return;
	card_param_del(l, "ENCODING");
	card_param_del(l, "VALUE");
	type = media_type(v, l, base64);
	if (base64)
		l->head = arena_fmt(v->a, "data:%.*s;base64,", STR_ARG(type));
	else if (type.n && !str_istarts(l->value, STR("data:")))
		card_param_add(l, "MEDIATYPE", type);
}

/* The name vCard 3.0 has for a media type: JPEG, PGP. */
static struct str short_type(struct arena *a, struct str type)
{
	struct str top, sub;

	str_cut(&top, &sub, type, '/');
	if (str_ieq(sub, STR("pgp-keys")))
		return STR("PGP");
	if (str_ieq(sub, STR("pkix-cert")))
		return STR("X509");
	return lower(a, sub.n ? sub : top, 'a', 'z');
}

static void media_to3(struct card_run *v, struct card_line *l)
{
	struct str type = card_param(l, "MEDIATYPE"), meta = STR(""), data = STR("");
	bool has_data = str_istarts(l->value, STR("data:")) &&
		str_cut(&meta, &data, str_sub(l->value, 5, l->value.n), ',');

	if (!has_data && str_ieq(card_param(l, "VALUE"), STR("text")))
		return;
	if (has_data && str_ends(meta, STR("\\"))) /* some escape the comma */
		meta = str_sub(meta, 0, meta.n - 1);
	card_param_del(l, "MEDIATYPE");
	card_param_del(l, "VALUE");
	if (has_data && str_ends(meta, STR(";base64"))) {
		str_cut(&type, &meta, meta, ';');
		l->value = data;
		card_param_add(l, "ENCODING", STR("b"));
	} else {
		card_param_add(l, "VALUE", STR("uri"));
	}
	if (type.n)
		card_param_add(l, "TYPE", short_type(v->a, type));
}

/* ---- dates ---- */
static bool is_text(const struct card_line *l)
{
	return str_ieq(card_param(l, "VALUE"), STR("text"));
}

/* Without a year: "--0415", or the year 1604 and a parameter saying so. */
static void date_to4(struct card_run *v, struct card_line *l)
{
	struct str omit = card_param(l, "X-APPLE-OMIT-YEAR");

	if (is_text(l))
		return;
	card_param_del(l, "VALUE");
	l->value = card_date(v->a, l->value, true);
	if (omit.n && str_starts(l->value, omit) && l->value.n == 8) {
		card_param_del(l, "X-APPLE-OMIT-YEAR");
		l->value = arena_fmt(v->a, "--%.*s", STR_ARG(str_sub(l->value, 4, 8)));
	}
}

static void date_to3(struct card_run *v, struct card_line *l)
{
	if (is_text(l))
		return;
	card_param_del(l, "VALUE");
	card_param_del(l, "CALSCALE");
	l->value = card_date(v->a, l->value, false);
	if (str_starts(l->value, STR("--")) && l->value.n == 7) {
		card_param_add(l, "X-APPLE-OMIT-YEAR", STR("1604"));
		l->value = arena_fmt(v->a, "1604-%.*s", STR_ARG(str_sub(l->value, 2, 7)));
	}
}

static void anniversary_to4(struct card_run *v, struct card_line *l)
{
	l->name = STR("ANNIVERSARY");
	date_to4(v, l);
}

static void anniversary_to3(struct card_run *v, struct card_line *l)
{
	l->name = STR("X-ANNIVERSARY");
	date_to3(v, l);
}

static void zone_to4(struct card_run *v, struct card_line *l)
{
	struct str s = str_trim(l->value);
	bool offset = s.n == 6 && (s.p[0] == '+' || s.p[0] == '-') && s.p[3] == ':';

	card_param_del(l, "VALUE");
	if (offset) {
		card_param_add(l, "VALUE", STR("utc-offset"));
		l->value = arena_fmt(v->a, "%.3s%.2s", s.p, s.p + 4);
	}
}

static void zone_to3(struct card_run *v, struct card_line *l)
{
	struct str s = str_trim(l->value), kind = card_param(l, "VALUE");

	if (str_ieq(kind, STR("uri")))
		return;
	card_param_del(l, "VALUE");
	if (s.n == 5 && (s.p[0] == '+' || s.p[0] == '-'))
		l->value = arena_fmt(v->a, "%.3s:%.2s", s.p, s.p + 3);
	else
		card_param_add(l, "VALUE", STR("text"));
}

/* ---- GEO, TEL, UID, EMAIL, N ---- */
static void geo_to4(struct card_run *v, struct card_line *l)
{
	struct str lat, lon;

	if (!str_cut(&lat, &lon, l->value, ';') && !str_cut(&lat, &lon, l->value, ','))
		return;
	if (str_ends(lat, STR("\\")))
		lat = str_sub(lat, 0, lat.n - 1);
	if (!str_istarts(lat, STR("geo:")))
		l->value = arena_fmt(
			v->a, "geo:%.*s,%.*s", STR_ARG(str_trim(lat)), STR_ARG(str_trim(lon)));
}

static void geo_to3(struct card_run *v, struct card_line *l)
{
	struct str lat, lon, rest;

	if (!str_istarts(l->value, STR("geo:")) ||
		!str_cut(&lat, &rest, str_sub(l->value, 4, l->value.n), ','))
		return;
	str_cut(&lon, &rest, rest, ';');
	str_cut(&lon, &rest, lon, ',');
	card_param_del(l, "VALUE");
	if (str_ends(lat, STR("\\")))
		lat = str_sub(lat, 0, lat.n - 1);
	l->value = arena_fmt(v->a, "%.*s;%.*s", STR_ARG(lat), STR_ARG(lon));
}

static void tel_to4(struct card_run *v, struct card_line *l)
{
	(void)v;
	if (str_ieq(card_param(l, "VALUE"), STR("phone-number")))
		card_param_del(l, "VALUE");
}

/* tel:+1-555;ext=12 (RFC 3966) as people write it. */
static void tel_to3(struct card_run *v, struct card_line *l)
{
	struct str number, rest, one, ext = STR_NONE;

	if (!str_ieq(card_param(l, "VALUE"), STR("uri")) || !str_istarts(l->value, STR("tel:"))) {
		if (is_text(l))
			card_param_del(l, "VALUE");
		return;
	}
	card_param_del(l, "VALUE");
	str_cut(&number, &rest, str_sub(l->value, 4, l->value.n), ';');
	while (rest.n) {
		str_cut(&one, &rest, rest, ';');
		if (str_istarts(one, STR("ext=")))
			ext = str_sub(one, 4, one.n);
	}
	l->value = ext.n ? arena_fmt(v->a, "%.*s x%.*s", STR_ARG(number), STR_ARG(ext)) : number;
}

/* "scheme:" at its start. */
static bool is_uri(struct str s)
{
	size_t n = 0;

	while (n < s.n &&
		(((s.p[n] | 32) >= 'a' && (s.p[n] | 32) <= 'z') ||
			(n && strchr("0123456789+-.", s.p[n]))))
		n++;
	return n > 1 && n < s.n && s.p[n] == ':';
}

static void uid_to4(struct card_run *v, struct card_line *l)
{
	(void)v;
	card_param_del(l, "VALUE");
	if (!is_uri(l->value))
		card_param_add(l, "VALUE", STR("text"));
}

static void uid_to3(struct card_run *v, struct card_line *l)
{
	(void)v;
	card_param_del(l, "VALUE");
}

static void email_to4(struct card_run *v, struct card_line *l)
{
	(void)v;
	(void)card_type_take(l, "INTERNET");
}

static void name_to4(struct card_run *v, struct card_line *l)
{
	if (v->sort && !card_param(l, "SORT-AS").p)
		card_param_add(l, "SORT-AS", content_text(v->a, v->sort->value));
}

static void name_to3(struct card_run *v, struct card_line *l)
{
	struct str sort = card_param(l, "SORT-AS");
	struct buf b;

	card_param_del(l, "SORT-AS");
	if (!sort.n)
		return;
	buf_init(&b, v->a);
	content_text_add(&b, sort);
	card_simple_write(v, STR_NONE, "SORT-STRING", buf_str(&b));
}

static void drop(struct card_run *v, struct card_line *l)
{
	(void)v;
	l->drop = true;
}

/* ---- LABEL: a property of its own, or a parameter of ADR ---- */
static bool has_type(const struct content_line *l, struct str type)
{
	for (uint32_t i = 0; i < l->param_count; i++)
		if (str_ieq(l->params[i].name, STR("TYPE")) && str_ieq(l->params[i].value, type))
			return true;
	return str_ieq(type, STR("PREF")) || str_ieq(type, STR("QUOTED-PRINTABLE"));
}

static bool same_types(const struct content_line *a, const struct content_line *b)
{
	for (int turn = 0; turn < 2; turn++) {
		const struct content_line *x = turn ? b : a, *y = turn ? a : b;
		for (uint32_t i = 0; i < x->param_count; i++)
			if (str_ieq(x->params[i].name, STR("TYPE")) &&
				!has_type(y, x->params[i].value))
				return false;
	}
	return true;
}

/* The line called `other` that goes with `l`: of the same types, the n-th where `l` is the n-th. */
static const struct content_line *partner(
	const struct content *card, const struct content_line *l, struct str other)
{
	const struct content_line *x = NULL;
	size_t before = 0;

	while ((x = content_get(card, l->name, x)) && x != l)
		before += same_types(x, l);
	for (x = content_get(card, other, NULL); x; x = content_get(card, other, x))
		if (same_types(x, l) && before-- == 0)
			return x;
	return NULL;
}

static void label_to4(struct card_run *v, struct card_line *l)
{
	if (v->labels && partner(v->card, l->was, STR("ADR"))) {
		l->drop = true;
		return;
	}
	card_param_add(l, "LABEL", content_text(v->a, l->value));
	l->name = STR("ADR");
	l->value = STR(";;;;;;");
}

static void address_to4(struct card_run *v, struct card_line *l)
{
	const struct content_line *label =
		v->labels ? partner(v->card, l->was, STR("LABEL")) : NULL;
	struct card_line x;

	if (label && !card_param(l, "LABEL").p && card_line_begin(&x, v, label) == 0)
		card_param_add(l, "LABEL", content_text(v->a, x.value));
}

static void address_to3(struct card_run *v, struct card_line *l)
{
	struct str label = card_param(l, "LABEL");
	struct card_line x = *l;
	struct buf b;

	card_param_del(l, "LABEL");
	if (!label.n)
		return;
	buf_init(&b, v->a);
	content_text_add(&b, label);
	x.n = l->n;
	x.name = STR("LABEL");
	x.value = buf_str(&b);
	card_line_write(v, &x);
}

/* ---- groups of people, firms: as address books said it before KIND ---- */
static void kind_to3(struct card_run *v, struct card_line *l)
{
	(void)v;
	if (str_ieq(str_trim(l->value), STR("group"))) {
		l->name = STR("X-ADDRESSBOOKSERVER-KIND");
	} else if (str_ieq(str_trim(l->value), STR("org"))) {
		l->name = STR("X-ABShowAs");
		l->value = STR("COMPANY");
	}
}

static void member_to3(struct card_run *v, struct card_line *l)
{
	(void)v;
	l->name = STR("X-ADDRESSBOOKSERVER-MEMBER");
}

static void kind_to4(struct card_run *v, struct card_line *l)
{
	l->name = STR("KIND");
	l->drop = v->has_kind;
}

static void company_to4(struct card_run *v, struct card_line *l)
{
	if (!str_ieq(str_trim(l->value), STR("COMPANY")))
		return;
	l->value = STR("org");
	kind_to4(v, l);
}

static void member_to4(struct card_run *v, struct card_line *l)
{
	(void)v;
	l->name = STR("MEMBER");
}

static void agent_to4(struct card_run *v, struct card_line *l)
{
	bool uri = str_ieq(card_param(l, "VALUE"), STR("uri"));

	(void)v;
	card_param_del(l, "VALUE");
	card_param_add(l, "TYPE", STR("agent"));
	if (!uri)
		card_param_add(l, "VALUE", STR("text"));
	l->name = STR("RELATED");
}

static void related_to3(struct card_run *v, struct card_line *l)
{
	bool text = is_text(l);

	(void)v;
	if (!card_type_take(l, "agent"))
		return;
	card_param_del(l, "VALUE");
	if (!text)
		card_param_add(l, "VALUE", STR("uri"));
	l->name = STR("AGENT");
}

static const struct {
	const char *name;
	void (*to4)(struct card_run *v, struct card_line *l); /* NULL: as it is */
	void (*to3)(struct card_run *v, struct card_line *l);
} rows[] = {
	{ "PHOTO", media_to4, media_to3 },
	{ "LOGO", media_to4, media_to3 },
	{ "SOUND", media_to4, media_to3 },
	{ "KEY", media_to4, media_to3 },
	{ "BDAY", date_to4, date_to3 },
	{ "DEATHDATE", date_to4, date_to3 },
	{ "ANNIVERSARY", date_to4, anniversary_to3 },
	{ "X-ANNIVERSARY", anniversary_to4, NULL },
	{ "X-EVOLUTION-ANNIVERSARY", anniversary_to4, NULL },
	{ "REV", date_to4, date_to3 },
	{ "TZ", zone_to4, zone_to3 },
	{ "GEO", geo_to4, geo_to3 },
	{ "TEL", tel_to4, tel_to3 },
	{ "UID", uid_to4, uid_to3 },
	{ "EMAIL", email_to4, NULL },
	{ "N", name_to4, name_to3 },
	{ "SORT-STRING", drop, NULL },
	{ "ADR", address_to4, address_to3 },
	{ "LABEL", label_to4, NULL },
	{ "KIND", NULL, kind_to3 },
	{ "MEMBER", NULL, member_to3 },
	{ "X-ADDRESSBOOKSERVER-KIND", kind_to4, NULL },
	{ "X-ADDRESSBOOKSERVER-MEMBER", member_to4, NULL },
	{ "X-ABSHOWAS", company_to4, NULL },
	{ "AGENT", agent_to4, NULL },
	{ "RELATED", NULL, related_to3 },
	{ "PROFILE", drop, NULL },
};

void card_row_apply(struct card_run *v, struct card_line *l)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (str_ieq(l->name, str_of(rows[i].name))) {
			if (v->to == CARD_40 && rows[i].to4)
				rows[i].to4(v, l);
			if (v->to == CARD_30 && v->from == CARD_40 && rows[i].to3)
				rows[i].to3(v, l);
			return;
		}
}
