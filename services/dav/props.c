/* SPDX-License-Identifier: ISC */
/* The table of live properties, and how the value of each is written. */
#include "services/dav/front.h"
#include "services/dav/props_impl.h"

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
		return text(q, dav_full_name(q->r));
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
	static const char *const principals_have[] = { "principal-match",
		"principal-property-search", "principal-search-property-set" };
	const struct dav_service *s = q->r->cfg->service;

	report_row(q, XML_DAV, "expand-property");
	for (size_t i = 0; q->res->path.place != DAV_RESOURCE && i < ARRAY_LEN(principals_have);
		i++)
		report_row(q, XML_DAV, principals_have[i]);
	if (q->res->path.place != DAV_RESOURCE || !q->res->node.collection)
		return 0;
	report_row(q, XML_DAV, "principal-match");
	report_row(q, XML_DAV, "sync-collection");
	report_row(q, s->data_ns,
		s->kind == DAV_CALENDAR ? "calendar-multiget" : "addressbook-multiget");
	for (const struct dav_report *p = s->reports; p->name; p++)
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

static int nothing_of_principal(struct ask *q)
{
	return q->res->path.place == DAV_PRINCIPAL ? 0 : ERR_NOENT;
}

/* The store's, which is where a person's room ends (RFC 4331). */
static int quota_used(struct ask *q)
{
	struct store_stats stats;

	store_stats(&stats, q->r->cfg->store);
	buf_fmt(q->b, "%llu", (unsigned long long)stats.used_bytes);
	return 0;
}

static int quota_available(struct ask *q)
{
	struct store_stats stats;

	store_stats(&stats, q->r->cfg->store);
	buf_fmt(q->b, "%llu", (unsigned long long)(stats.size_bytes - stats.used_bytes));
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
	xml_open(q->b, XML_DAV, "href");
	buf_fmt(q->b, "mailto:%.*s", STR_ARG(dav_mail_address(q->r)));
	xml_close(q->b, XML_DAV, "href");
	return principal(q);
}

static int email_addresses(struct ask *q)
{
	if (q->res->path.place != DAV_PRINCIPAL)
		return ERR_NOENT;
	xml_leaf(q->b, XML_CS, "email-address", dav_mail_address(q->r));
	return 0;
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

const char *const dav_components[] = { "VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY" };

static int components(struct ask *q)
{
	unsigned set = dav_res_meta(q->res, q->r)->components;

	for (unsigned i = 0; i < ARRAY_LEN(dav_components); i++)
		if (!set || set & 1u << i)
			buf_fmt(q->b, "<C:comp name=\"%s\"/>", dav_components[i]);
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

const struct prop dav_props[] = {
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
	{ DAV_NS, "alternate-URI-set", ON_OTHER | NOT_IN_ALL, nothing_of_principal },
	{ DAV_NS, "group-member-set", ON_OTHER | NOT_IN_ALL, nothing_of_principal },
	{ DAV_NS, "group-membership", ON_OTHER | NOT_IN_ALL, nothing_of_principal },
	{ DAV_NS, "quota-used-bytes", ON_COLLECTION | ON_PLAIN | NOT_IN_ALL, quota_used },
	{ DAV_NS, "quota-available-bytes", ON_COLLECTION | ON_PLAIN | NOT_IN_ALL, quota_available },
	{ DAV_NS, "sync-token", ON_COLLECTION | ON_PLAIN | NOT_IN_ALL, sync_token },
	{ CS_NS, "email-address-set", ON_OTHER | NOT_IN_ALL, email_addresses },
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

const size_t dav_prop_count = ARRAY_LEN(dav_props);

/* CalDAV's own are not defined in an address book, nor the reverse. */
bool dav_prop_fits(const struct prop *p, const struct ask *q)
{
	struct str other = q->r->cfg->service->kind == DAV_CALENDAR ? XML_CARDDAV : XML_CALDAV;
	unsigned what = q->res->path.place != DAV_RESOURCE ? ON_OTHER
		: !q->res->node.collection                 ? ON_ITEM
		: of_service(q)                            ? ON_COLLECTION
							   : ON_PLAIN;

	return p->on & what && (what == ON_OTHER || !str_eq(p->ns, other));
}

const struct prop *dav_prop_find(const struct xml *x)
{
	for (size_t i = 0; i < dav_prop_count; i++)
		if (xml_is(x, dav_props[i].ns, dav_props[i].name))
			return &dav_props[i];
	return NULL;
}

bool dav_prop_is_live(const struct xml *x)
{
	return dav_prop_find(x) != NULL;
}
