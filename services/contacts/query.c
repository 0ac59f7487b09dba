/* SPDX-License-Identifier: ISC */
/* addressbook-query (RFC 6352, 8.6 and 10.5) and address-data (10.4). */
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

static int filter_check(struct dav_refusal *why, const struct xml *filter)
{
	*why = (struct dav_refusal){ 403, XML_CARDDAV, "supported-filter" };
	if (!filter) {
		why->status = 400;
		return err_set(ERR_BAD, "an addressbook-query has a filter");
	}
	for (const struct xml *p = xml_first(filter); p; p = xml_next(p))
		if (!xml_is(p, XML_CARDDAV, "prop-filter") || !xml_attr(p, "name").p)
			return err_set(ERR_BAD, "a filter consists of prop-filters with names");
	why->condition = "supported-collation";
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
	struct content_limits limits = CONTENT_LIMITS;
	struct content *root, *card = NULL;
	struct str bytes;
	int err = dav_res_bytes(&bytes, res, q->r);

	if (err < 0)
		return err;
	if (content_parse(&root, &q->r->item, bytes, &limits) == 0)
		card = content_child(root, STR("VCARD"), NULL);
	if (!card || !filter_matches(&q->r->item, card, q->filter)) {
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

void card_query(struct dav_request *r, const struct xml *root)
{
	struct query q = { .r = r, .filter = xml_child(root, XML_CARDDAV, "filter") };
	const struct xml *limit =
		xml_child(xml_child(root, XML_CARDDAV, "limit"), XML_CARDDAV, "nresults");
	struct dav_refusal why;
	struct dav_res res;
	int err = filter_check(&why, q.filter);

	if (err < 0) {
		dav_refuse(r, why.status, why.ns, why.condition, err_text(err));
		return;
	}
	if (limit &&
		(str_u64(&q.limit, str_trim(xml_inner(&r->a, limit)), UINT32_MAX) < 0 ||
			q.limit == 0)) {
		dav_refuse(r, 400, STR_NONE, NULL, "nresults is a number above 0");
		return;
	}
	if (dav_res_find(&res, r, &r->path) < 0 || r->path.place != DAV_RESOURCE ||
		!res.node.collection) {
		dav_refuse(r, 404, STR_NONE, NULL, "there is no address book here");
		return;
	}
	dav_asked_read(&q.asked, r, root);
	dav_multi_begin(&q.m, r);
	err = dav_items(r, &res, 0, INT64_MIN, INT64_MAX, one, &q);
	if (q.limit && q.found > q.limit)
		dav_multi_status(&q.m, &r->path, true, 507);
	else if (err < 0)
		q.m.broken = true;
	dav_multi_end(&q.m);
}

/* ---- address-data ---- */
static bool wanted(const struct content_line *l, const struct xml *asked, bool *value)
{
	for (const struct xml *p = xml_child(asked, XML_CARDDAV, "prop"); p; p = xml_again(p))
		if (str_ieq(xml_attr(p, "name"), l->name)) {
			*value = !str_eq(xml_attr(p, "novalue"), STR("yes"));
			return true;
		}
	return false;
}

int card_data(struct buf *out, struct arena *a, struct str bytes, const struct xml *asked)
{
	struct content_limits limits = CONTENT_LIMITS;
	struct content *root, *card;
	int err;

	if (!xml_child(asked, XML_CARDDAV, "prop")) {
		buf_add(out, bytes);
		return out->err;
	}
	err = content_parse(&root, a, bytes, &limits);
	if (err < 0)
		return err;
	card = content_child(root, STR("VCARD"), NULL);
	if (!card)
		return err_set(ERR_BAD, "no vCard in it");
	/* VERSION is always told: without it nobody can read the rest. */
	buf_add(out, STR("BEGIN:VCARD\r\n"));
	for (const struct content_line *l = card->lines; l; l = l->next) {
		bool value = true, must = str_ieq(l->name, STR("VERSION"));
		if (!must && !wanted(l, asked, &value))
			continue;
		if (value) {
			buf_add(out, l->raw);
			if (l->raw.p[l->raw.n - 1] != '\n')
				buf_add(out, STR("\r\n"));
		} else {
			buf_fmt(out, "%.*s:\r\n", STR_ARG(l->name));
		}
	}
	buf_add(out, STR("END:VCARD\r\n"));
	return out->err;
}
