/* SPDX-License-Identifier: ISC */
/*
 * Live properties: a row each, with what they are defined on and how they are written. What no row
 * names is dead: kept as it was set.
 */
#include "services/dav/front.h"
#include "services/dav/dav_impl.h"

enum { /* what a property is defined on */
	ON_ITEM = 1,
	ON_COLLECTION = 2, /* of the service's kind */
	ON_PLAIN = 4,      /* plain collections, the home set */
	ON_OTHER = 8,      /* the root, principals */
	ON_FOLDER = ON_COLLECTION | ON_PLAIN | ON_OTHER,
	ON_ALL = ON_ITEM | ON_FOLDER,
	NOT_IN_ALL = 16 /* allprop leaves it out (RFC 3744, 4791, 6352) */
};

struct ask {
	struct buf *b;
	struct dav_request *r;
	struct dav_res *res;
	const struct xml *x; /* the property as asked for */
};

static bool of_service(const struct ask *q)
{
	return dav_res_meta(q->res, q->r)->kind == q->r->cfg->service->kind;
}

static void href(struct buf *b, enum dav_place place, struct str home, struct str user)
{
	struct dav_path p = { .place = place, .home = home, .user = user };

	xml_open(b, XML_DAV, "href");
	dav_href(b, &p, true);
	xml_close(b, XML_DAV, "href");
}

/* ---- DAV: ---- */
static int resourcetype(struct ask *q)
{
	enum dav_kind kind = dav_res_meta(q->res, q->r)->kind;

	if (!q->res->node.collection)
		return 0;
	xml_empty(q->b, XML_DAV, "collection");
	if (q->res->path.place == DAV_PRINCIPAL)
		xml_empty(q->b, XML_DAV, "principal");
	if (q->res->path.place == DAV_RESOURCE && kind == DAV_CALENDAR)
		xml_empty(q->b, XML_CALDAV, "calendar");
	if (q->res->path.place == DAV_RESOURCE && kind == DAV_ADDRESSBOOK)
		xml_empty(q->b, XML_CARDDAV, "addressbook");
	return 0;
}

static int text(struct ask *q, struct str s)
{
	if (!s.p)
		return ERR_NOENT;
	xml_text(q->b, s);
	return 0;
}

static int displayname(struct ask *q)
{
	if (q->res->path.place == DAV_PRINCIPAL)
		return text(q, q->res->path.user);
	return text(q, dav_res_meta(q->res, q->r)->name);
}

static int principal(struct ask *q)
{
	href(q->b, DAV_PRINCIPAL, STR_NONE, q->r->user);
	return 0;
}

static int principals(struct ask *q)
{
	href(q->b, DAV_PRINCIPALS, STR_NONE, STR_NONE);
	return 0;
}

static int etag(struct ask *q)
{
	struct buf b;

	buf_init(&b, &q->r->item);
	dav_etag(&b, &q->res->node.oid);
	return b.err < 0 ? b.err : text(q, buf_str(&b));
}

static int content_type(struct ask *q)
{
	struct str type = q->r->cfg->service->type;
	unsigned n = q->res->path.n;

	/* Items of plain collections are anything. */
	if (n > 1) {
		struct dav_res up = { .path = q->res->path, .node.collection = true };
		up.path.n--;
		if (dav_node_find(&up.node, q->r->cfg->store, &q->r->root, up.path.segs, n - 1) ==
				0 &&
			dav_res_meta(&up, q->r)->kind == DAV_PLAIN)
			type = STR("application/octet-stream");
	}
	return text(q, type);
}

static int content_length(struct ask *q)
{
	uint64_t n;
	int err = store_blob_size(&n, q->r->cfg->store, &q->res->node.oid);

	if (err >= 0)
		buf_fmt(q->b, "%llu", (unsigned long long)n);
	return err;
}

static int privileges(struct ask *q)
{
	static const char *const names[] = { "all", "read", "write", "write-properties",
		"write-content", "bind", "unbind", "unlock", "read-acl",
		"read-current-user-privilege-set" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		xml_open(q->b, XML_DAV, "privilege");
		xml_empty(q->b, XML_DAV, names[i]);
		xml_close(q->b, XML_DAV, "privilege");
	}
	if (q->r->cfg->service->kind == DAV_CALENDAR) /* RFC 4791, 6.1.1 */
		buf_add(q->b, STR("<D:privilege><C:read-free-busy/></D:privilege>"));
	return 0;
}

static void report_row(struct ask *q, struct str ns, const char *name)
{
	xml_open(q->b, XML_DAV, "supported-report");
	xml_open(q->b, XML_DAV, "report");
	xml_empty(q->b, ns, name);
	xml_close(q->b, XML_DAV, "report");
	xml_close(q->b, XML_DAV, "supported-report");
}

static int reports(struct ask *q)
{
	if (q->res->path.place != DAV_RESOURCE || !q->res->node.collection)
		return 0;
	report_row(q, XML_DAV, "sync-collection");
	report_row(q, q->r->cfg->service->data_ns,
		q->r->cfg->service->kind == DAV_CALENDAR ? "calendar-multiget"
							 : "addressbook-multiget");
	for (const struct dav_report *p = q->r->cfg->service->reports; p->name; p++)
		report_row(q, p->ns, p->name);
	return 0;
}

static int sync_token(struct ask *q)
{
	struct buf b;

	buf_init(&b, &q->r->item);
	dav_sync_token(&b, q->r, q->res);
	return b.err < 0 ? b.err : text(q, buf_str(&b));
}

static int ctag(struct ask *q)
{
	char hex[STORE_HEX];
	return text(q, str_of(store_oid_hex(hex, &q->res->node.oid)));
}

/* An empty value says: none of it here. */
static int nothing(struct ask *q)
{
	(void)q;
	return 0;
}

/* ---- CalDAV, CardDAV ---- */
static int home_set(struct ask *q)
{
	href(q->b, DAV_RESOURCE, q->r->cfg->service->home, q->r->user);
	return 0;
}

/* calendar-home-set, addressbook-home-set: ours, or of the service behind. */
static int home_of(struct ask *q, struct str ns)
{
	const struct dav_behind *b = dav_behind(q->r->cfg);

	if (str_eq(ns, q->r->cfg->service->data_ns))
		return home_set(q);
	if (!b || !str_eq(ns, b->home_ns))
		return ERR_NOENT;
	href(q->b, DAV_RESOURCE, b->home, q->r->user);
	return 0;
}

static int calendar_home(struct ask *q)
{
	return home_of(q, XML_CALDAV);
}

static int addressbook_home(struct ask *q)
{
	return home_of(q, XML_CARDDAV);
}

static int user_addresses(struct ask *q)
{
	struct str domain = id_domain(q->r->cfg->registry);

	xml_open(q->b, XML_DAV, "href");
	buf_fmt(q->b, "mailto:%.*s@%.*s", STR_ARG(q->r->user), STR_ARG(domain));
	xml_close(q->b, XML_DAV, "href");
	return principal(q);
}

static int description(struct ask *q)
{
	return text(q, dav_res_meta(q->res, q->r)->description);
}

static int color(struct ask *q)
{
	return text(q, dav_res_meta(q->res, q->r)->color);
}

static int order(struct ask *q)
{
	return text(q, dav_res_meta(q->res, q->r)->order);
}

static int timezone_text(struct ask *q)
{
	return text(q, dav_res_meta(q->res, q->r)->timezone);
}

static int timezone_id(struct ask *q)
{
	return text(q, dav_res_meta(q->res, q->r)->timezone_id);
}

static const char *const component_names[] = { "VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY" };

static int components(struct ask *q)
{
	unsigned set = dav_res_meta(q->res, q->r)->components;

	for (unsigned i = 0; i < ARRAY_LEN(component_names); i++)
		if (!set || set & 1u << i)
			buf_fmt(q->b, "<C:comp name=\"%s\"/>", component_names[i]);
	return 0;
}

static int calendar_data(struct ask *q)
{
	buf_add(q->b, STR("<C:calendar-data content-type=\"text/calendar\" version=\"2.0\"/>"));
	return 0;
}

static int address_data(struct ask *q)
{
	buf_add(q->b,
		STR("<CR:address-data-type content-type=\"text/vcard\" version=\"3.0\"/>"
		    "<CR:address-data-type content-type=\"text/vcard\" version=\"4.0\"/>"));
	return 0;
}

static int max_size(struct ask *q)
{
	buf_fmt(q->b, "%u", DAV_ITEM_MAX);
	return 0;
}

static int limit(struct ask *q, const char *name)
{
	const struct dav_limit *l = q->r->cfg->service->limits;

	while (l && l->name && strcmp(l->name, name) != 0)
		l++;
	return l && l->name ? text(q, str_of(l->value)) : ERR_NOENT;
}

static int min_date(struct ask *q)
{
	return limit(q, "min-date-time");
}

static int max_date(struct ask *q)
{
	return limit(q, "max-date-time");
}

static int max_instances(struct ask *q)
{
	return limit(q, "max-instances");
}

static int max_attendees(struct ask *q)
{
	return limit(q, "max-attendees-per-instance");
}

static int collations(struct ask *q)
{
	static const char *const names[] = { "i;ascii-casemap", "i;octet", "i;unicode-casemap" };
	struct str ns = q->r->cfg->service->data_ns;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		xml_leaf(q->b, ns, "supported-collation", str_of(names[i]));
	return 0;
}

static const struct prop {
	struct str ns;
	const char *name;
	unsigned on;
	int (*get)(struct ask *q); /* ERR_NOENT: has none */
} props[] = {
#define DAV_NS     { "DAV:", 4 }
#define CALDAV_NS  { "urn:ietf:params:xml:ns:caldav", 29 }
#define CARDDAV_NS { "urn:ietf:params:xml:ns:carddav", 30 }
#define CS_NS      { "http://calendarserver.org/ns/", 29 }
#define ICAL_NS    { "http://apple.com/ns/ical/", 25 }
	{ DAV_NS, "resourcetype", ON_ALL, resourcetype },
	{ DAV_NS, "displayname", ON_ALL, displayname },
	{ DAV_NS, "getetag", ON_ITEM, etag },
	{ DAV_NS, "getcontenttype", ON_ITEM, content_type },
	{ DAV_NS, "getcontentlength", ON_ITEM, content_length },
	{ DAV_NS, "supportedlock", ON_ALL, nothing },
	{ DAV_NS, "current-user-principal", ON_ALL | NOT_IN_ALL, principal },
	{ DAV_NS, "principal-URL", ON_OTHER | NOT_IN_ALL, principal },
	{ DAV_NS, "owner", ON_ALL | NOT_IN_ALL, principal },
	{ DAV_NS, "principal-collection-set", ON_ALL | NOT_IN_ALL, principals },
	{ DAV_NS, "current-user-privilege-set", ON_ALL | NOT_IN_ALL, privileges },
	{ DAV_NS, "supported-report-set", ON_ALL | NOT_IN_ALL, reports },
	{ DAV_NS, "sync-token", ON_COLLECTION | ON_PLAIN | NOT_IN_ALL, sync_token },
	{ CS_NS, "getctag", ON_COLLECTION | NOT_IN_ALL, ctag },
	{ CALDAV_NS, "calendar-home-set", ON_OTHER | ON_PLAIN | NOT_IN_ALL, calendar_home },
	{ CALDAV_NS, "calendar-user-address-set", ON_OTHER | NOT_IN_ALL, user_addresses },
	{ CALDAV_NS, "calendar-description", ON_ALL | NOT_IN_ALL, description },
	{ CALDAV_NS, "calendar-timezone", ON_ALL | NOT_IN_ALL, timezone_text },
	{ CALDAV_NS, "calendar-timezone-id", ON_ALL | NOT_IN_ALL, timezone_id },
	{ CALDAV_NS, "supported-calendar-component-set", ON_COLLECTION | NOT_IN_ALL, components },
	{ CALDAV_NS, "supported-calendar-data", ON_COLLECTION | NOT_IN_ALL, calendar_data },
	{ CALDAV_NS, "max-resource-size", ON_COLLECTION | NOT_IN_ALL, max_size },
	{ CALDAV_NS, "min-date-time", ON_COLLECTION | NOT_IN_ALL, min_date },
	{ CALDAV_NS, "max-date-time", ON_COLLECTION | NOT_IN_ALL, max_date },
	{ CALDAV_NS, "max-instances", ON_COLLECTION | NOT_IN_ALL, max_instances },
	{ CALDAV_NS, "max-attendees-per-instance", ON_COLLECTION | NOT_IN_ALL, max_attendees },
	{ CALDAV_NS, "supported-collation-set", ON_COLLECTION | NOT_IN_ALL, collations },
	{ CARDDAV_NS, "addressbook-home-set", ON_OTHER | ON_PLAIN | NOT_IN_ALL, addressbook_home },
	{ CARDDAV_NS, "addressbook-description", ON_ALL | NOT_IN_ALL, description },
	{ CARDDAV_NS, "supported-address-data", ON_COLLECTION | NOT_IN_ALL, address_data },
	{ CARDDAV_NS, "max-resource-size", ON_COLLECTION | NOT_IN_ALL, max_size },
	{ CARDDAV_NS, "supported-collation-set", ON_COLLECTION | NOT_IN_ALL, collations },
	{ ICAL_NS, "calendar-color", ON_ALL | NOT_IN_ALL, color },
	{ ICAL_NS, "calendar-order", ON_ALL | NOT_IN_ALL, order },
};

/* CalDAV's own are not defined in an address book, nor the reverse. */
static bool fits(const struct prop *p, const struct ask *q)
{
	struct str other = q->r->cfg->service->kind == DAV_CALENDAR ? XML_CARDDAV : XML_CALDAV;
	unsigned what = q->res->path.place != DAV_RESOURCE ? ON_OTHER
		: !q->res->node.collection                 ? ON_ITEM
		: of_service(q)                            ? ON_COLLECTION
							   : ON_PLAIN;

	return p->on & what && (what == ON_OTHER || !str_eq(p->ns, other));
}

static const struct prop *find(const struct xml *x)
{
	for (size_t i = 0; i < ARRAY_LEN(props); i++)
		if (xml_is(x, props[i].ns, props[i].name))
			return &props[i];
	return NULL;
}

/* Writes one property with its value, or takes back what it wrote. ERR_NOENT. */
static int write_one(struct ask *q, const struct prop *p)
{
	size_t mark = q->b->n;
	int err;

	xml_open(q->b, p->ns, p->name);
	err = p->get(q);
	if (err < 0)
		q->b->n = mark;
	else
		xml_close(q->b, p->ns, p->name);
	return err;
}

static int write_dead(struct ask *q)
{
	const struct dav_meta *m = dav_res_meta(q->res, q->r);

	for (size_t i = 0; i < m->prop_count; i++)
		if (str_eq(m->props[i].ns, q->x->ns) && str_eq(m->props[i].name, q->x->name)) {
			buf_add(q->b, m->props[i].xml);
			return 0;
		}
	return ERR_NOENT;
}

/* calendar-data, address-data: the item itself, in reports. */
static int write_data(struct ask *q)
{
	const struct dav_service *s = q->r->cfg->service;
	struct str bytes;
	struct buf data;
	int err;

	if (q->res->node.collection || !xml_is(q->x, s->data_ns, s->data_name))
		return ERR_NOENT;
	err = dav_res_bytes(&bytes, q->res, q->r);
	if (err < 0)
		return err;
	buf_init(&data, &q->r->item);
	err = s->data(&data, &q->r->item, bytes, q->x, q->r->zone);
	if (err < 0 && err != ERR_LIMIT)
		return err;
	/* Too much to spell out: the item as it is, rather than none. */
	xml_leaf(q->b, s->data_ns, s->data_name, err < 0 ? bytes : buf_str(&data));
	return 0;
}

static int write_asked(struct ask *q)
{
	const struct prop *p = find(q->x);

	if (p && fits(p, q))
		return write_one(q, p);
	if (!p) {
		int err = write_data(q);
		return err == ERR_NOENT ? write_dead(q) : err;
	}
	return ERR_NOENT;
}

static void propstat_begin(struct buf *b)
{
	xml_open(b, XML_DAV, "propstat");
	xml_open(b, XML_DAV, "prop");
}

static void propstat_end(struct buf *b, const char *status)
{
	xml_close(b, XML_DAV, "prop");
	buf_fmt(b, "<D:status>HTTP/1.1 %s</D:status>", status);
	xml_close(b, XML_DAV, "propstat");
}

static void some(struct ask *q, const struct dav_asked *asked)
{
	struct buf missing;
	size_t mark = q->b->n, found = 0;

	buf_init(&missing, NULL);
	propstat_begin(q->b);
	for (q->x = xml_first(asked->prop); q->x; q->x = xml_next(q->x)) {
		if (write_asked(q) >= 0) {
			found++;
			continue;
		}
		struct str name = arena_dup(&q->r->item, q->x->name);
		if (name.p)
			xml_empty(&missing, q->x->ns, name.p);
	}
	if (missing.n && !asked->minimal && !found)
		q->b->n = mark;
	else
		propstat_end(q->b, "200 OK");
	if (missing.n && !asked->minimal) {
		propstat_begin(q->b);
		buf_add(q->b, buf_str(&missing));
		propstat_end(q->b, "404 Not Found");
	}
	if (missing.err < 0 && q->b->err >= 0)
		q->b->err = missing.err;
	buf_free(&missing);
}

static void all(struct ask *q, bool names)
{
	const struct dav_meta *m = dav_res_meta(q->res, q->r);

	propstat_begin(q->b);
	for (size_t i = 0; i < ARRAY_LEN(props); i++) {
		const struct prop *p = &props[i];
		if (!fits(p, q) || (p->on & NOT_IN_ALL && !names))
			continue;
		size_t mark = q->b->n;
		if (write_one(q, p) >= 0 && names) {
			q->b->n = mark;
			xml_empty(q->b, p->ns, p->name);
		}
	}
	for (size_t i = 0; i < m->prop_count; i++) {
		struct str name = arena_dup(&q->r->item, m->props[i].name);
		if (names && name.p)
			xml_empty(q->b, m->props[i].ns, name.p);
		else if (!names)
			buf_add(q->b, m->props[i].xml);
	}
	propstat_end(q->b, "200 OK");
}

void dav_multi_props(struct dav_multi *m, struct dav_res *res, const struct dav_asked *asked)
{
	struct ask q = { .b = &m->b, .r = m->r, .res = res };

	xml_open(&m->b, XML_DAV, "response");
	xml_open(&m->b, XML_DAV, "href");
	dav_href(&m->b, &res->path, res->node.collection);
	xml_close(&m->b, XML_DAV, "href");
	if (asked->kind == DAV_ASK_SOME)
		some(&q, asked);
	else
		all(&q, asked->kind == DAV_ASK_NAMES);
	xml_close(&m->b, XML_DAV, "response");
	dav_res_done(res, m->r);
}

/* ---- setting ---- */
static unsigned component_set(const struct xml *prop)
{
	unsigned set = 0;

	for (const struct xml *c = xml_first(prop); c; c = xml_next(c)) {
		struct str name = xml_attr(c, "name");
		for (unsigned i = 0; name.p && i < ARRAY_LEN(component_names); i++)
			if (str_ieq(name, str_of(component_names[i])))
				set |= 1u << i;
	}
	return set;
}

static struct str *settable(struct dav_meta *m, const struct xml *prop)
{
	if (xml_is(prop, XML_DAV, "displayname"))
		return &m->name;
	if (xml_is(prop, XML_CALDAV, "calendar-description") ||
		xml_is(prop, XML_CARDDAV, "addressbook-description"))
		return &m->description;
	if (xml_is(prop, XML_ICAL, "calendar-color"))
		return &m->color;
	if (xml_is(prop, XML_ICAL, "calendar-order"))
		return &m->order;
	if (xml_is(prop, XML_CALDAV, "calendar-timezone"))
		return &m->timezone;
	if (xml_is(prop, XML_CALDAV, "calendar-timezone-id"))
		return &m->timezone_id;
	return NULL;
}

int dav_live_set(struct dav_meta *m, struct arena *a, const struct xml *prop, bool making)
{
	struct str *at = settable(m, prop);

	if (at) {
		*at = xml_inner(a, prop);
		return 0;
	}
	if (making && xml_is(prop, XML_CALDAV, "supported-calendar-component-set")) {
		m->components = component_set(prop);
		return 0;
	}
	return find(prop) ? ERR_DENIED : ERR_NOENT;
}

int dav_live_remove(struct dav_meta *m, const struct xml *prop)
{
	struct str *at = settable(m, prop);

	if (at)
		*at = STR_NONE;
	return at ? 0 : find(prop) ? ERR_DENIED : ERR_NOENT;
}
