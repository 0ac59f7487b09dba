/* SPDX-License-Identifier: ISC */
/* MKCOL (RFC 4918 9.3, extended: RFC 5689), MKCALENDAR (RFC 4791 5.3.1), PROPPATCH (RFC 4918 9.2). */
#include "services/dav/dav_impl.h"

/* What became of each property, in the request's order. */
struct outcome {
	const struct xml *prop;
	int err; /* 0, ERR_DENIED: protected, ERR_BAD, ERR_UNSUPPORTED: no such value, ERR_LIMIT, ERR_AGAIN: not done because another failed */
};
#define OUTCOMES_MAX 200
struct changes {
	struct outcome *list;
	size_t n;
	bool failed;
};

static int set_one(
	struct dav_request *r, struct dav_meta *m, const struct xml *prop, bool remove, bool making)
{
	struct buf b;
	const struct dav_service *s = r->cfg->service;
	int err = !remove && s->prop_check ? s->prop_check(&r->a, prop) : 0;

	if (err < 0)
		return err;
	err = remove ? dav_live_remove(m, prop) : dav_live_set(m, &r->a, prop, making);

	if (err != ERR_NOENT)
		return err;
	buf_init(&b, &r->a);
	buf_add(&b, STR(""));
	if (!remove)
		xml_copy(&b, prop);
	if (b.err < 0 || b.n > DAV_META_MAX / 4)
		return err_set(ERR_LIMIT, "dav: a property too large");
	return dav_prop_set(m, &r->a, prop->ns, prop->name, buf_str(&b));
}

/* All the set and remove elements of `root`, in order. */
static int apply(struct changes *c, struct dav_request *r, struct dav_meta *m,
	const struct xml *root, bool making)
{
	c->list = arena_alloc(&r->a, OUTCOMES_MAX * sizeof(*c->list));
	if (!c->list)
		return err_set(ERR_LIMIT, "dav: over the memory for one request");
	for (const struct xml *x = xml_first(root); x; x = xml_next(x)) {
		bool remove = xml_is(x, XML_DAV, "remove");
		const struct xml *prop = xml_first(xml_child(x, XML_DAV, "prop"));

		if (!remove && !xml_is(x, XML_DAV, "set"))
			continue;
		for (; prop; prop = xml_next(prop)) {
			if (c->n == OUTCOMES_MAX)
				return err_set(
					ERR_LIMIT, "dav: over %d properties at once", OUTCOMES_MAX);
			/* MKCOL says with it what is made; the caller has read it. */
			int err = making && xml_is(prop, XML_DAV, "resourcetype")
				? 0
				: set_one(r, m, prop, remove, making);
			c->list[c->n++] = (struct outcome){ prop, err };
			c->failed |= err < 0;
		}
	}
	return 0;
}

static void propstat(struct buf *b, struct dav_request *r, const struct changes *c, int err,
	const char *status, struct str ns, const char *condition)
{
	bool any = false;

	for (size_t i = 0; i < c->n; i++) {
		int is = c->failed && c->list[i].err == 0 ? ERR_AGAIN : c->list[i].err;
		struct str name;

		if (is != err)
			continue;
		if (!any) {
			xml_open(b, XML_DAV, "propstat");
			xml_open(b, XML_DAV, "prop");
		}
		any = true;
		name = arena_dup(&r->a, c->list[i].prop->name);
		if (name.p)
			xml_empty(b, c->list[i].prop->ns, name.p);
	}
	if (!any)
		return;
	xml_close(b, XML_DAV, "prop");
	buf_fmt(b, "<D:status>HTTP/1.1 %s</D:status>", status);
	if (condition) {
		xml_open(b, XML_DAV, "error");
		xml_empty(b, ns, condition);
		xml_close(b, XML_DAV, "error");
	}
	xml_close(b, XML_DAV, "propstat");
}

static void propstats(struct buf *b, struct dav_request *r, const struct changes *c)
{
	propstat(b, r, c, 0, "200 OK", STR_NONE, NULL);
	propstat(b, r, c, ERR_DENIED, "403 Forbidden", XML_DAV, "cannot-modify-protected-property");
	propstat(b, r, c, ERR_BAD, "403 Forbidden", XML_CALDAV, "valid-calendar-data");
	propstat(b, r, c, ERR_UNSUPPORTED, "403 Forbidden", XML_CALDAV, "valid-timezone");
	propstat(b, r, c, ERR_LIMIT, "507 Insufficient Storage", STR_NONE, NULL);
	propstat(b, r, c, ERR_AGAIN, "424 Failed Dependency", STR_NONE, NULL);
}

/* Puts the collection's, or the item's, properties. */
static int put_meta(
	struct store_edit *e, struct dav_request *r, const struct dav_meta *m, bool collection)
{
	struct buf path, text;

	buf_init(&path, &r->a);
	buf_init(&text, &r->a);
	if (collection) {
		dav_collection_folder(&path, r->path.segs, r->path.n);
		buf_fmt(&path, "%s.collection", r->path.n ? "/" : "");
	} else {
		dav_props_file(&path, r->path.segs, r->path.n);
	}
	dav_meta_format(&text, m);
	if (path.err < 0 || text.err < 0 || text.n > DAV_META_MAX)
		return err_set(ERR_LIMIT, "dav: the properties of one resource are over %d bytes",
			DAV_META_MAX);
	return store_edit_put_bytes(e, buf_str(&path), buf_str(&text));
}

/* A multistatus of one response. */
static void outcomes(struct dav_request *r, const struct changes *c, bool collection)
{
	struct dav_multi m;

	dav_multi_begin(&m, r);
	xml_open(&m.b, XML_DAV, "response");
	xml_open(&m.b, XML_DAV, "href");
	dav_href(&m.b, &r->path, collection);
	xml_close(&m.b, XML_DAV, "href");
	propstats(&m.b, r, c);
	xml_close(&m.b, XML_DAV, "response");
	dav_multi_end(&m);
}

/* ---- PROPPATCH ---- */
void dav_proppatch(struct dav_request *r)
{
	struct store_edit *e;
	struct changes c = { 0 };
	struct dav_meta meta;
	struct dav_res res;
	struct xml *root;
	int err;

	if (dav_body_xml(&root, r) < 0)
		return;
	if (!xml_is(root, XML_DAV, "propertyupdate")) {
		dav_refuse(r, 400, STR_NONE, NULL, "the body is no propertyupdate");
		return;
	}
	if (r->path.place != DAV_RESOURCE) {
		dav_refuse(r, 403, STR_NONE, NULL, "nothing can be set here");
		return;
	}
	if (dav_edit_begin(&e, r) < 0)
		return;
	/* Under the turn: what is changed here is the newest. */
	err = dav_refresh(r, e);
	if (err >= 0)
		err = dav_res_find(&res, r, &r->path);
	if (err >= 0 && dav_hold(e, r, &res.node.oid) < 0)
		return;
	if (err >= 0) {
		meta = *dav_res_meta(&res, r);
		err = apply(&c, r, &meta, root, false);
	}
	if (err >= 0 && !c.failed)
		err = put_meta(e, r, &meta, res.node.collection);
	if (err < 0 || c.failed)
		store_edit_abort(e);
	if (err < 0) {
		dav_fail_err(r, err);
		return;
	}
	if (!c.failed && dav_edit_commit(e, r, "properties of") < 0)
		return;
	if (!c.failed && dav_briefly(r)) /* RFC 8144, 2 */
		http_reply(r->x, 200, STR(""));
	else
		outcomes(r, &c, res.node.collection);
}

/* ---- MKCOL, MKCALENDAR ---- */
/* What the extended MKCOL wants to be made; ERR_BAD. */
static int kind_wanted(enum dav_kind *out, const struct xml *root)
{
	const struct xml *set = xml_child(root, XML_DAV, "set"), *type = NULL;

	*out = DAV_PLAIN;
	for (; set && !type; set = xml_again(set))
		type = xml_child(xml_child(set, XML_DAV, "prop"), XML_DAV, "resourcetype");
	for (const struct xml *t = xml_first(type); t; t = xml_next(t)) {
		if (xml_is(t, XML_CALDAV, "calendar"))
			*out = DAV_CALENDAR;
		else if (xml_is(t, XML_CARDDAV, "addressbook"))
			*out = DAV_ADDRESSBOOK;
		else if (!xml_is(t, XML_DAV, "collection"))
			return err_set(ERR_BAD, "no such kind of collection is made here");
	}
	return 0;
}

/* MKCOL says 405 (RFC 4918, 9.3.1); of MKCALENDAR it is a precondition (RFC 4791, 5.3.1). */
static void refuse_taken(struct dav_request *r)
{
	dav_refuse(r, str_eq(r->x->method, STR("MKCOL")) ? 405 : 403, XML_DAV,
		"resource-must-be-null", "it is there already");
}

/* May a collection of that kind stand here? < 0: replied. */
static int place_free(struct dav_res *up, struct dav_request *r, enum dav_kind kind)
{
	struct dav_res res;

	if (kind != DAV_PLAIN && kind != r->cfg->service->kind) {
		dav_refuse(r, 403, XML_DAV, "valid-resourcetype", "that kind belongs elsewhere");
		return ERR_DENIED;
	}
	if (r->path.place != DAV_RESOURCE || dav_res_find(&res, r, &r->path) >= 0) {
		refuse_taken(r);
		return ERR_EXIST;
	}
	*up = (struct dav_res){ .path = r->path };
	up->path.n--;
	if (dav_node_find(&up->node, r->cfg->store, &r->root, up->path.segs, up->path.n) < 0 ||
		!up->node.collection) {
		dav_refuse(r, 409, STR_NONE, NULL, "what it would stand in is not there");
		return ERR_NOENT;
	}
	if (dav_res_meta(up, r)->kind != DAV_PLAIN) {
		dav_refuse(r, 403, kind == DAV_CALENDAR ? XML_CALDAV : XML_DAV,
			kind == DAV_CALENDAR ? "calendar-collection-location-ok"
					     : "collection-location-ok",
			"a calendar or address book holds items only");
		return ERR_DENIED;
	}
	return 0;
}

/* The two have an answer each: RFC 5689, 3.5; RFC 4791, 5.3.1.1. */
static void refuse_props(struct dav_request *r, const struct changes *c)
{
	struct buf b;

	if (!str_eq(r->x->method, STR("MKCOL"))) {
		outcomes(r, c, true);
		return;
	}
	buf_init(&b, &r->a);
	xml_root(&b, XML_DAV, "mkcol-response");
	propstats(&b, r, c);
	xml_close(&b, XML_DAV, "mkcol-response");
	http_header(r->x, "Content-Type", STR("application/xml; charset=utf-8"));
	http_reply(r->x, 424, buf_str(&b));
}

static void make(struct dav_request *r, const struct xml *root, enum dav_kind kind)
{
	struct dav_res up;
	struct dav_meta meta = { .kind = kind };
	struct changes c = { 0 };
	struct store_edit *e;
	struct dav_node there;
	int err;

	if (place_free(&up, r, kind) < 0)
		return;
	err = apply(&c, r, &meta, root, true);
	if (err < 0) {
		dav_fail_err(r, err);
		return;
	}
	if (c.failed) {
		refuse_props(r, &c);
		return;
	}
	if (dav_edit_begin(&e, r) < 0)
		return;
	err = dav_still(e, r, &up, NULL);
	if (err >= 0)
		err = dav_node_find(&there, r->cfg->store, &r->root, r->path.segs, r->path.n);
	err = err == ERR_NOENT ? put_meta(e, r, &meta, true) : err >= 0 ? ERR_EXIST : err;
	if (err < 0) {
		store_edit_abort(e);
		if (err == ERR_EXIST)
			refuse_taken(r);
		else
			dav_fail_err(r, err);
	} else if (dav_edit_commit(e, r, "make") >= 0) {
		http_header(r->x, "Cache-Control", STR("no-cache"));
		http_reply(r->x, 201, STR(""));
	}
}

void dav_mkcol(struct dav_request *r)
{
	struct str type = http_get(r->x, "Content-Type");
	enum dav_kind kind = DAV_PLAIN;
	struct xml *root;

	if (type.p && !str_istarts(type, STR("application/xml")) &&
		!str_istarts(type, STR("text/xml"))) {
		dav_refuse(r, 415, STR_NONE, NULL, "the body of a MKCOL is XML");
		return;
	}
	if (dav_body_xml(&root, r) < 0)
		return;
	if (root && !xml_is(root, XML_DAV, "mkcol")) {
		dav_refuse(r, 415, STR_NONE, NULL, "the body is no mkcol");
		return;
	}
	if (kind_wanted(&kind, root) < 0) {
		dav_refuse(r, 403, XML_DAV, "valid-resourcetype", err_text(ERR_BAD));
		return;
	}
	make(r, root, kind);
}

void dav_mkcalendar(struct dav_request *r)
{
	struct xml *root;

	if (dav_body_xml(&root, r) < 0)
		return;
	if (root && !xml_is(root, XML_CALDAV, "mkcalendar")) {
		dav_refuse(r, 400, STR_NONE, NULL, "the body is no mkcalendar");
		return;
	}
	make(r, root, DAV_CALENDAR);
}
