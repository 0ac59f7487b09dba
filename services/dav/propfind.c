/* SPDX-License-Identifier: ISC */
/* PROPFIND (RFC 4918, 9.1). */
#include "services/dav/front.h"
#include "services/dav/dav_impl.h"

struct listing {
	struct dav_multi m;
	struct dav_asked asked;
	bool deep; /* Depth: infinity */
};

// NOLINTNEXTLINE(misc-no-recursion): at most DAV_SEGS_MAX deep
static int one(void *ctx, struct dav_res *res)
{
	struct listing *l = ctx;

	dav_multi_props(&l->m, res, &l->asked);
	dav_multi_flush(&l->m);
	if (l->m.broken)
		return ERR_CLOSED;
	return l->deep && res->node.collection ? dav_res_members(l->m.r, res, one, l) : 0;
}

/* Below the places that are no collections of the store. */
static void places_below(struct listing *l, struct dav_request *r)
{
	struct dav_res res = { .node.collection = true, .path = { .user = r->user } };
	const struct dav_behind *b = dav_behind(r->cfg);

	switch (r->path.place) {
	case DAV_ROOT:
		res.path.user = STR_NONE;
		res.path.place = DAV_PRINCIPALS;
		(void)one(l, &res);
		res.path.place = DAV_HOMES;
		res.path.home = r->cfg->service->home;
		(void)one(l, &res);
		if (b) {
			res.path.home = b->home;
			(void)one(l, &res);
		}
		return;
	case DAV_PRINCIPALS: res.path.place = DAV_PRINCIPAL; break;
	case DAV_HOMES:
		res.path.home = r->cfg->service->home;
		res.path.place = DAV_RESOURCE;
		res.node.oid = r->root;
		break;
	default: return;
	}
	(void)one(l, &res);
}

void dav_propfind(struct dav_request *r)
{
	struct listing l;
	struct dav_res res;
	struct xml *root;
	int depth = dav_depth(r, -1), err = 0;
	bool noroot;

	if (depth == -2 || dav_body_xml(&root, r) < 0)
		return;
	if (root && !xml_is(root, XML_DAV, "propfind")) {
		dav_refuse(r, 400, STR_NONE, NULL, "the body is no propfind");
		return;
	}
	err = dav_res_find(&res, r, &r->path);
	if (err < 0) {
		dav_fail_err(r, err);
		return;
	}
	if (depth == -1 && r->path.place != DAV_RESOURCE) {
		dav_refuse(r, 403, XML_DAV, "propfind-finite-depth", "Depth has to be 0 or 1");
		return;
	}
	l.deep = depth == -1;
	dav_asked_read(&l.asked, r, root);
	noroot = depth == 1 && dav_prefers(r, "depth-noroot");
	if (noroot) /* RFC 8144, 3 */
		http_header(r->x, "Preference-Applied", STR("depth-noroot"));
	dav_multi_begin(&l.m, r);
	if (!noroot)
		err = one(&l, &res);
	if (err >= 0 && depth == 1 && r->path.place != DAV_RESOURCE)
		places_below(&l, r);
	else if (err >= 0 && depth == 1 && res.node.collection)
		err = dav_res_members(r, &res, one, &l);
	if (err < 0)
		l.m.broken = true;
	dav_multi_end(&l.m);
}
