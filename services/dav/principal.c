/* SPDX-License-Identifier: ISC */
/* Reports on principals (RFC 3744, 9.3 to 9.5). Whoever asks sees one principal: the one asking. */
#include "services/dav/dav_impl.h"
#include "services/dav/match.h"

struct name {
	struct dav_request *r;
	struct str found;
};

static int on_user(void *ctx, struct str user, struct str full_name)
{
	struct name *n = ctx;

	if (!str_eq(user, n->r->user))
		return 0;
	n->found = arena_dup(&n->r->a, full_name);
	return ERR_EXIST;
}

struct str dav_full_name(struct dav_request *r)
{
	struct name n = { .r = r };
	int err = id_user_list(r->cfg->registry, on_user, &n);

	return err == ERR_EXIST && n.found.n ? n.found : r->user;
}

struct str dav_mail_address(struct dav_request *r)
{
	struct str s = arena_fmt(
		&r->a, "%.*s@%.*s", STR_ARG(r->user), STR_ARG(id_domain(r->cfg->registry)));
	return s.p ? s : STR("");
}

/* ---- replies ---- */
struct answer {
	struct dav_multi m;
	struct dav_asked asked;
	bool props; /* else the status alone */
};

static void begin(struct answer *y, struct dav_request *r, const struct xml *root)
{
	dav_asked_read(&y->asked, r, root);
	y->props = y->asked.prop != NULL;
	dav_multi_begin(&y->m, r);
}

static int one(void *ctx, struct dav_res *res)
{
	struct answer *y = ctx;

	if (y->props)
		dav_multi_props(&y->m, res, &y->asked);
	else
		dav_multi_status(&y->m, &res->path, res->node.collection, 200);
	dav_multi_flush(&y->m);
	return y->m.broken ? ERR_CLOSED : 0;
}

static void one_principal(struct answer *y)
{
	struct dav_res res = { .node.collection = true,
		.path = { .place = DAV_PRINCIPAL, .user = y->m.r->user } };

	if (one(y, &res) < 0)
		y->m.broken = true;
}

/* ---- principal-match ---- */
static int one_and_below(void *ctx, struct dav_res *res)
{
	struct answer *y = ctx;
	struct dav_res of = *res;
	int err = one(y, res);

	return err < 0 || !of.node.collection ? err
					      : dav_res_members(y->m.r, &of, one_and_below, y);
}

void dav_principal_match(struct dav_request *r, const struct xml *root)
{
	const struct xml *by = xml_child(root, XML_DAV, "principal-property");
	struct answer y = { 0 };
	struct dav_res res;
	int err = dav_res_find(&res, r, &r->path);

	if (err < 0) {
		dav_fail_err(r, err);
		return;
	}
	if (!by && !xml_child(root, XML_DAV, "self")) {
		dav_refuse(r, 400, STR_NONE, NULL,
			"a principal-match has self or a principal-property");
		return;
	}
	begin(&y, r, root);
	if (!by && r->path.place != DAV_RESOURCE && r->path.place != DAV_HOMES)
		one_principal(&y);
	/* All that is in a home set is its owner's, and nothing else is said of people. */
	if (xml_child(by, XML_DAV, "owner") && r->path.place == DAV_RESOURCE &&
		one_and_below(&y, &res) < 0)
		y.m.broken = true;
	dav_multi_end(&y.m);
}

/* ---- principal-property-search ---- */
static const struct {
	struct str ns;
	const char *name, *meaning;
} searched[] = {
	{ { "DAV:", 4 }, "displayname", "Name" },
	{ { "urn:ietf:params:xml:ns:caldav", 29 }, "calendar-user-address-set", "Address" },
	{ { "http://calendarserver.org/ns/", 29 }, "email-address-set", "Mail address" },
};

/* All the properties of one property-search hold the text (dav_text_match: its rules by default). */
static bool holds(struct dav_request *r, const struct xml *search)
{
	const struct xml *match = xml_child(search, XML_DAV, "match"),
			 *p = xml_first(xml_child(search, XML_DAV, "prop"));
	struct str address = dav_mail_address(r);

	for (bool any = false; match; p = xml_next(p), any = true) {
		struct str value;

		if (!p)
			return any;
		if (xml_is(p, searched[0].ns, searched[0].name))
			value = dav_full_name(r);
		else if (xml_is(p, searched[1].ns, searched[1].name))
			value = arena_fmt(&r->a, "mailto:%.*s", STR_ARG(address));
		else if (xml_is(p, searched[2].ns, searched[2].name))
			value = address;
		else
			return false;
		if (!dav_text_match(&r->a, value, match))
			return false;
	}
	return false;
}

void dav_principal_search(struct dav_request *r, const struct xml *root)
{
	const struct xml *s = xml_child(root, XML_DAV, "property-search");
	bool any = str_eq(xml_attr(root, "test"), STR("anyof")), yes = !any,
	     here = (r->path.place != DAV_RESOURCE && r->path.place != DAV_HOMES) ||
		xml_child(root, XML_DAV, "apply-to-principal-collection-set");
	struct answer y = { 0 };

	if (!s) {
		dav_refuse(r, 400, STR_NONE, NULL,
			"a principal-property-search has property-search elements");
		return;
	}
	for (; s && yes != any; s = xml_again(s))
		yes = holds(r, s);
	begin(&y, r, root);
	if (here && yes)
		one_principal(&y);
	dav_multi_end(&y.m);
}

void dav_principal_search_set(struct dav_request *r, const struct xml *root)
{
	struct buf b;

	(void)root;
	buf_init(&b, &r->a);
	xml_root(&b, XML_DAV, "principal-search-property-set");
	for (size_t i = 0; i < ARRAY_LEN(searched); i++) {
		xml_open(&b, XML_DAV, "principal-search-property");
		xml_open(&b, XML_DAV, "prop");
		xml_empty(&b, searched[i].ns, searched[i].name);
		xml_close(&b, XML_DAV, "prop");
		buf_fmt(&b, "<D:description xml:lang=\"en\">%s</D:description>",
			searched[i].meaning);
		xml_close(&b, XML_DAV, "principal-search-property");
	}
	xml_close(&b, XML_DAV, "principal-search-property-set");
	http_header(r->x, "Content-Type", STR("application/xml; charset=utf-8"));
	http_reply(r->x, 200, buf_str(&b));
}
