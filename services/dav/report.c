/* SPDX-License-Identifier: ISC */
/* REPORT: the table, what a report is about, the multigets (RFC 4791 7.9, RFC 6352 8.7). */
#include "services/dav/dav_impl.h"

/* ---- what a report is about ---- */
int dav_data_check(struct dav_request *r, const struct xml *root)
{
	const struct dav_service *s = r->cfg->service;
	const struct xml *data =
		xml_child(xml_child(root, XML_DAV, "prop"), s->data_ns, s->data_name);
	struct dav_refusal why;
	int err = data && s->data_check ? s->data_check(&why, data) : 0;

	if (err < 0)
		dav_refuse_as(r, &why, err);
	return err;
}

int dav_query_target(struct dav_res *res, struct dav_request *r)
{
	struct dav_res up;
	int err = dav_res_find(res, r, &r->path);

	if (err < 0) {
		dav_fail_err(r, err);
		return err;
	}
	if (r->path.place == DAV_RESOURCE && res->node.collection)
		return 0;
	up = (struct dav_res){ .path = r->path };
	if (r->path.place == DAV_RESOURCE) {
		up.path.n--;
		if (dav_res_find(&up, r, &up.path) >= 0 &&
			dav_res_meta(&up, r)->kind == r->cfg->service->kind)
			return 0;
	}
	dav_refuse(r, 403, XML_DAV, "supported-report", "no such report of this");
	return ERR_UNSUPPORTED;
}

struct below {
	struct dav_request *r;
	int depth;
	dav_res_fn *fn;
	void *ctx;
};

// NOLINTNEXTLINE(misc-no-recursion): at most DAV_SEGS_MAX deep
static int below(void *ctx, struct dav_res *res)
{
	struct below *b = ctx;

	return res->node.collection ? dav_query_collections(b->r, res, b->depth, b->fn, b->ctx) : 0;
}

// NOLINTNEXTLINE(misc-no-recursion)
int dav_query_collections(
	struct dav_request *r, struct dav_res *top, int depth, dav_res_fn *fn, void *ctx)
{
	struct below b = { r, depth < 0 ? depth : depth - 1, fn, ctx };
	enum dav_kind kind = dav_res_meta(top, r)->kind;

	if (kind == r->cfg->service->kind)
		return fn(ctx, top);
	return kind == DAV_PLAIN && depth != 0 ? dav_res_members(r, top, below, &b) : 0;
}

/* ---- the multigets ---- */
/* The request's own resource, or something in it, to whatever depth. */
static bool within(const struct dav_request *r, const struct dav_path *p)
{
	if (p->place != DAV_RESOURCE || !str_eq(p->home, r->path.home) ||
		!str_eq(p->user, r->user) || p->n < r->path.n)
		return false;
	for (size_t i = 0; i < r->path.n; i++)
		if (!str_eq(p->segs[i], r->path.segs[i]))
			return false;
	return true;
}

/* Asked of a plain collection: does it stand in a calendar or an address book? */
static bool is_member(struct dav_request *r, const struct dav_path *p)
{
	struct dav_res up = { .path = *p };
	bool is;

	up.path.n--;
	is = dav_res_find(&up, r, &up.path) >= 0 &&
		dav_res_meta(&up, r)->kind == r->cfg->service->kind;
	dav_res_done(&up, r);
	return is;
}

static void get_one(
	struct dav_multi *m, const struct dav_asked *asked, const struct xml *h, bool plain)
{
	struct dav_request *r = m->r;
	struct dav_path p;
	struct dav_res res;
	struct str href = str_trim(xml_inner(&r->item, h));

	if (dav_path_parse(&p, &r->item, href) < 0 || !within(r, &p)) {
		xml_open(&m->b, XML_DAV, "response");
		xml_leaf(&m->b, XML_DAV, "href", href);
		buf_add(&m->b, STR("<D:status>HTTP/1.1 404 Not Found</D:status>"));
		xml_close(&m->b, XML_DAV, "response");
	} else if (dav_item_find(&res, r, &p) < 0 && dav_res_find(&res, r, &p) < 0) {
		dav_multi_status(m, &p, false, 404);
	} else if (plain && !res.node.collection && !is_member(r, &p)) {
		dav_multi_status(m, &p, false, 403);
	} else {
		dav_multi_props(m, &res, asked);
	}
	arena_reset(&r->item);
	dav_multi_flush(m);
}

static void multiget(struct dav_request *r, const struct xml *root)
{
	const struct xml *h = xml_child(root, XML_DAV, "href");
	struct dav_multi m;
	struct dav_asked asked;
	struct dav_res *res = ARENA_NEW(&r->a, struct dav_res);
	bool plain;

	if (!res) {
		dav_fail_err(r, ERR_LIMIT);
		return;
	}
	if (dav_query_target(res, r) < 0 || dav_data_check(r, root) < 0)
		return;
	plain = res->node.collection && dav_res_meta(res, r)->kind == DAV_PLAIN;
	dav_asked_read(&asked, r, root);
	dav_multi_begin(&m, r);
	if (!h) /* RFC 4791, 7.9: then it is about the resource itself */
		dav_multi_props(&m, res, &asked);
	for (; h && !m.broken; h = xml_again(h))
		get_one(&m, &asked, h, plain);
	dav_multi_end(&m);
}

static const struct {
	struct str ns;
	const char *name;
	void (*run)(struct dav_request *r, const struct xml *root);
} rows[] = {
	{ { "DAV:", 4 }, "sync-collection", dav_sync },
	{ { "DAV:", 4 }, "expand-property", dav_expand_property },
	{ { "DAV:", 4 }, "principal-match", dav_principal_match },
	{ { "DAV:", 4 }, "principal-property-search", dav_principal_search },
	{ { "DAV:", 4 }, "principal-search-property-set", dav_principal_search_set },
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
			(str_eq(rows[i].ns, XML_DAV) || str_eq(rows[i].ns, s->data_ns))) {
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
