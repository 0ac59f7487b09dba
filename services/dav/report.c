/* SPDX-License-Identifier: ISC */
/* REPORT: sync-collection (RFC 6578), the multigets (RFC 4791 7.9, RFC 6352 8.7), the service's own. */
#include "services/dav/dav_impl.h"

static void multiget(struct dav_request *r, const struct xml *root)
{
	struct dav_multi m;
	struct dav_asked asked;

	dav_asked_read(&asked, r, root);
	dav_multi_begin(&m, r);
	for (const struct xml *h = xml_child(root, XML_DAV, "href"); h && !m.broken;
		h = xml_again(h)) {
		struct dav_path p;
		struct dav_res res;

		if (dav_path_parse(&p, &r->item, xml_inner(&r->item, h)) < 0 ||
			p.place != DAV_RESOURCE || !str_eq(p.home, r->path.home) ||
			!str_eq(p.user, r->user)) {
			xml_open(&m.b, XML_DAV, "response");
			xml_leaf(&m.b, XML_DAV, "href", xml_inner(&r->item, h));
			buf_add(&m.b, STR("<D:status>HTTP/1.1 404 Not Found</D:status>"));
			xml_close(&m.b, XML_DAV, "response");
			arena_reset(&r->item);
			continue;
		}
		if (dav_res_find(&res, r, &p) < 0)
			dav_multi_status(&m, &p, false, 404);
		else
			dav_multi_props(&m, &res, &asked);
		arena_reset(&r->item);
		dav_multi_flush(&m);
	}
	dav_multi_end(&m);
}

static const struct {
	struct str ns;
	const char *name;
	void (*run)(struct dav_request *r, const struct xml *root);
} rows[] = {
	{ { "DAV:", 4 }, "sync-collection", dav_sync },
	{ { "urn:ietf:params:xml:ns:caldav", 29 }, "calendar-multiget", multiget },
	{ { "urn:ietf:params:xml:ns:carddav", 30 }, "addressbook-multiget", multiget },
};

void dav_reports(struct dav_request *r)
{
	const struct dav_service *s = r->cfg->service;
	struct xml *root;

	if (dav_body_xml(&root, r) < 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (xml_is(root, rows[i].ns, rows[i].name) &&
			(i == 0 || str_eq(rows[i].ns, s->data_ns))) {
			rows[i].run(r, root);
			return;
		}
	for (const struct dav_report *p = s->reports; p->name; p++)
		if (xml_is(root, p->ns, p->name)) {
			p->run(r, root);
			return;
		}
	dav_refuse(r, 403, XML_DAV, "supported-report", "no such report here");
}
