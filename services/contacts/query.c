/* SPDX-License-Identifier: ISC */
/* addressbook-query (RFC 6352, 8.6 and 10.5) and address-data (10.4). */
#include "services/contacts/card.h"
#include "services/contacts/contacts_impl.h"
#include "services/dav/match.h"

static bool any_of(const struct xml *x)
{
	return !str_eq(xml_attr(x, "test"), STR("allof"));
}

/* ---- filters ---- */
static bool conditions(struct arena *a, const struct content_line *l, const struct xml *filter)
{
	const struct xml *match = xml_child(filter, XML_CARDDAV, "text-match");
	bool any = any_of(filter), params = xml_child(filter, XML_CARDDAV, "param-filter");
	struct str text = content_text(a, l->value);

	if (!match && !params)
		return true;
	for (; match; match = xml_again(match))
		if (dav_text_match(a, text.p ? text : l->value, match) == any)
			return any;
	return params ? dav_params_match(a, l, filter, any) : !any;
}

static bool prop_matches(struct arena *a, const struct content *card, const struct xml *filter)
{
	struct str name = xml_attr(filter, "name"), group, rest;
	struct content_line *l;
	bool grouped = str_cut(&group, &rest, name, '.');

	if (grouped)
		name = rest;
	l = content_get(card, name, NULL);
	while (l && grouped && !str_ieq(l->group, group))
		l = content_get(card, name, l);
	if (xml_child(filter, XML_CARDDAV, "is-not-defined"))
		return !l;
	for (; l; l = content_get(card, name, l))
		if ((!grouped || str_ieq(l->group, group)) && conditions(a, l, filter))
			return true;
	return false;
}

static bool filter_matches(struct arena *a, const struct content *card, const struct xml *filter)
{
	bool any = any_of(filter);
	const struct xml *p = xml_child(filter, XML_CARDDAV, "prop-filter");

	if (!p)
		return true;
	for (; p; p = xml_again(p))
		if (prop_matches(a, card, p) == any)
			return any;
	return !any;
}

/* ---- is it a filter at all? ---- */
static int bad(struct dav_refusal *why, const char *what)
{
	*why = (struct dav_refusal){ .status = 400 };
	return err_set(ERR_BAD, "%s", what);
}

/* The filter that asks for what can't be done is named (8.6). */
static int unsupported(struct dav_refusal *why, const struct xml *filter, const char *what)
{
	*why = (struct dav_refusal){ 403, XML_CARDDAV, "supported-filter", filter };
	return err_set(ERR_BAD, "%s", what);
}

static bool one_of(struct str s, const char *const *words)
{
	bool yes = !s.p; /* left out */

	for (; *words; words++)
		yes |= str_eq(s, str_of(*words));
	return yes;
}

static int match_check(struct dav_refusal *why, const struct xml *match)
{
	static const char *const types[] = { "equals", "contains", "starts-with", "ends-with",
		NULL },
				 *const nots[] = { "yes", "no", NULL };

	return one_of(xml_attr(match, "match-type"), types) &&
			one_of(xml_attr(match, "negate-condition"), nots)
		? 0
		: bad(why, "a text-match with an attribute that has no such value");
}

static int test_check(struct dav_refusal *why, const struct xml *x)
{
	static const char *const tests[] = { "anyof", "allof", NULL };

	return one_of(xml_attr(x, "test"), tests) ? 0 : bad(why, "a test is anyof or allof");
}

/* Of a prop-filter or param-filter (RFC 6352, 10.5.1 and 10.5.2). */
// NOLINTNEXTLINE(misc-no-recursion): a param-filter holds none
static int parts_check(struct dav_refusal *why, const struct xml *top, bool param)
{
	unsigned none = 0, others = 0;
	int err = xml_attr(top, "name").p ? test_check(why, top)
					  : bad(why, "a filter without a name");

	for (const struct xml *x = xml_first(top); x && err >= 0; x = xml_next(x)) {
		if (xml_is(x, XML_CARDDAV, "is-not-defined")) {
			none++;
		} else if (xml_is(x, XML_CARDDAV, "text-match")) {
			others++;
			err = match_check(why, x);
		} else if (!param && xml_is(x, XML_CARDDAV, "param-filter")) {
			others++;
			err = parts_check(why, x, true);
		} else {
			err = unsupported(why, top, "an element in a filter that is not known");
		}
	}
	if (err >= 0 && (none + (param ? others : others > 0) > 1))
		err = bad(why, "is-not-defined, and a parameter's text-match, stand alone");
	return err;
}

static int filter_check(struct dav_refusal *why, const struct xml *filter)
{
	int err = filter ? test_check(why, filter) : bad(why, "an addressbook-query has a filter");

	for (const struct xml *p = xml_first(filter); p && err >= 0; p = xml_next(p))
		err = xml_is(p, XML_CARDDAV, "prop-filter")
			? parts_check(why, p, false)
			: unsupported(why, NULL, "a filter consists of prop-filters");
	if (err < 0)
		return err;
	*why = (struct dav_refusal){ 403, XML_CARDDAV, "supported-collation", NULL };
	return dav_collations_known(filter);
}

/* ---- the report ---- */
struct query {
	struct dav_request *r;
	struct dav_multi m;
	struct dav_asked asked;
	const struct xml *filter;
	uint64_t limit, found;
};

static int one(void *ctx, struct dav_res *res)
{
	struct query *q = ctx;
	const struct content *card;
	struct str bytes;
	int err = dav_res_bytes(&bytes, res, q->r);

	if (err < 0)
		return err;
	if (card_read(&card, &q->r->item, bytes) < 0 ||
		!filter_matches(&q->r->item, card, q->filter)) {
		dav_res_done(res, q->r);
		return 0;
	}
	if (q->limit && q->found == q->limit) {
		dav_res_done(res, q->r);
		q->found++;
		return ERR_CLOSED;
	}
	q->found++;
	dav_multi_props(&q->m, res, &q->asked);
	dav_multi_flush(&q->m);
	return q->m.broken ? ERR_IO : 0;
}

static int in_book(void *ctx, struct dav_res *book)
{
	struct query *q = ctx;
	return dav_items(q->r, book, 0, INT64_MIN, INT64_MAX, one, q);
}

void card_query(struct dav_request *r, const struct xml *root)
{
	struct query q = { .r = r, .filter = xml_child(root, XML_CARDDAV, "filter") };
	const struct xml *limit =
		xml_child(xml_child(root, XML_CARDDAV, "limit"), XML_CARDDAV, "nresults");
	struct dav_refusal why;
	struct dav_res res;
	/* Those who leave the Depth out mean what is in the book. */
	int err, depth = dav_depth(r, 1);

	if (depth == -2 || dav_query_target(&res, r) < 0)
		return;
	err = filter_check(&why, q.filter);
	if (err < 0) {
		dav_refuse_as(r, &why, err);
		return;
	}
	if (limit &&
		(str_u64(&q.limit, str_trim(xml_inner(&r->a, limit)), UINT32_MAX) < 0 ||
			q.limit == 0)) {
		dav_refuse(r, 400, STR_NONE, NULL, "nresults is a number above 0");
		return;
	}
	if (dav_data_check(r, root) < 0)
		return;
	dav_asked_read(&q.asked, r, root);
	dav_multi_begin(&q.m, r);
	if (!res.node.collection)
		err = one(&q, &res);
	else if (depth != 0)
		err = dav_query_collections(r, &res, depth, in_book, &q);
	if (q.limit && q.found > q.limit)
		dav_multi_status(&q.m, &r->path, true, 507);
	else if (err < 0)
		q.m.broken = true;
	dav_multi_end(&q.m);
}

/* ---- address-data ---- */
/* With a group in its name, a prop is for that group alone; else for any (10.4.2). */
static bool wanted(const void *asked, struct str group, struct str name, bool *value)
{
	const struct xml *p = xml_child(asked, XML_CARDDAV, "prop");
	struct str in, rest;

	for (; p; p = xml_again(p)) {
		struct str want = xml_attr(p, "name");
		bool grouped = str_cut(&in, &rest, want, '.');

		if (grouped ? !str_ieq(in, group) || !str_ieq(rest, name) : !str_ieq(want, name))
			continue;
		*value = !str_eq(xml_attr(p, "novalue"), STR("yes"));
		return true;
	}
	return false;
}

/* Some properties: VERSION is always told, without it nobody can read the rest. */
static void add_some(struct buf *out, const struct content *card, const struct xml *asked)
{
	buf_add(out, STR("BEGIN:VCARD\r\n"));
	for (const struct content_line *l = card->lines; l; l = l->next) {
		bool value = true, must = str_ieq(l->name, STR("VERSION"));
		if (l->name.n == 0 || (!must && !wanted(asked, l->group, l->name, &value)))
			continue;
		if (value) {
			buf_add(out, l->raw);
			if (l->raw.p[l->raw.n - 1] != '\n')
				buf_add(out, STR("\r\n"));
		} else { /* its parameters stay (10.4.2) */
			const char *from = l->group.n ? l->group.p : l->name.p;
			content_fold(out, str_n(from, (size_t)(l->value.p - from)));
		}
	}
	buf_add(out, STR("END:VCARD\r\n"));
}

int card_data_check(struct dav_refusal *why, const struct xml *asked)
{
	struct str type = xml_attr(asked, "content-type"), version = xml_attr(asked, "version");

	*why = (struct dav_refusal){ 403, XML_CARDDAV, "supported-address-data", NULL };
	if ((type.p && !str_ieq(type, STR("text/vcard"))) ||
		(version.p && card_version_of(version) < CARD_30))
		return err_set(ERR_BAD, "address data is text/vcard, version 3.0 or 4.0");
	return 0;
}

int card_data(struct buf *out, struct arena *a, struct str bytes, const struct xml *asked,
	const void *zone)
{
	enum card_version want = card_version_of(xml_attr(asked, "version"));
	bool some = xml_child(asked, XML_CARDDAV, "prop");
	const struct content *card;
	int err;

	(void)zone;
	err = some || want ? card_read(&card, a, bytes) : 0;
	if (err < 0)
		return err;
	if (want && want != card_version(card))
		return card_convert(out, a, card, want, some ? wanted : NULL, asked);
	if (some)
		add_some(out, card, asked);
	else
		buf_add(out, bytes);
	return out->err;
}

int card_prefer(struct str *bytes, struct str *type, struct arena *a, struct str accept)
{
	static const char *const types[] = { [CARD_30] = "text/vcard; version=3.0; charset=utf-8",
		[CARD_40] = "text/vcard; version=4.0; charset=utf-8" };
	const struct content *card;
	enum card_version want;
	struct buf other;
	int err = card_read(&card, a, *bytes);

	if (err < 0)
		return 0; /* as it is, then */
	want = card_accepted(accept, card_version(card));
	if (want == card_version(card))
		return 0;
	buf_init(&other, a);
	err = card_convert(&other, a, card, want, NULL, NULL);
	if (err >= 0) {
		*bytes = buf_str(&other);
		*type = str_of(types[want]);
	}
	return err;
}
