/* SPDX-License-Identifier: ISC */
/* Errors with preconditions, and multistatus replies sent as they grow. */
#include "services/dav/dav_impl.h"

#define FLUSH_BYTES (32 * 1024)

void dav_etag(struct buf *b, const struct store_oid *id)
{
	char hex[STORE_HEX];
	buf_fmt(b, "\"%s\"", store_oid_hex(hex, id));
}

/*
 * What stands in an error is a condition, to whoever reads it by RFC 3253, 1.6: so the sentence for people is in
 * the element that the first server to send one made up, and others know to pass over.
 */
#define SENTENCE_NS STR("http://twistedmatrix.com/xml_namespace/dav/")

static void refuse(struct dav_request *r, const struct dav_refusal *why, const char *text)
{
	struct str name = xml_attr(why->about, "name");
	struct buf b;

	if (!why->condition) {
		http_reply_text(r->x, why->status, text);
		return;
	}
	buf_init(&b, &r->a);
	xml_root(&b, XML_DAV, "error");
	if (why->about) {
		xml_open(&b, why->ns, why->condition);
		xml_copy(&b,
			&(struct xml){ .ns = why->about->ns,
				.name = why->about->name,
				.attrs = &(struct xml_attr){ .name = STR("name"), .value = name },
				.attr_count = name.p != NULL });
		xml_close(&b, why->ns, why->condition);
	} else {
		xml_empty(&b, why->ns, why->condition);
	}
	xml_leaf(&b, SENTENCE_NS, "error-description", str_of(text));
	xml_close(&b, XML_DAV, "error");
	if (b.err < 0) {
		http_reply_text(r->x, why->status, text);
		return;
	}
	http_header(r->x, "Content-Type", STR("application/xml; charset=utf-8"));
	http_reply(r->x, why->status, buf_str(&b));
}

void dav_refuse(
	struct dav_request *r, int status, struct str ns, const char *condition, const char *text)
{
	refuse(r, &(struct dav_refusal){ status, ns, condition, NULL }, text);
}

void dav_refuse_as(struct dav_request *r, const struct dav_refusal *why, int err)
{
	refuse(r, why, err_text(err));
}

/* ---- multistatus ---- */
void dav_multi_begin(struct dav_multi *m, struct dav_request *r)
{
	*m = (struct dav_multi){ .r = r };
	buf_init(&m->b, NULL);
	xml_root(&m->b, XML_DAV, "multistatus");
}

void dav_multi_flush(struct dav_multi *m)
{
	if (m->b.n < FLUSH_BYTES)
		return;
	if (!m->begun) {
		http_header(m->r->x, "Content-Type", STR("application/xml; charset=utf-8"));
		http_begin(m->r->x, 207, HTTP_CHUNKED);
		m->begun = true;
	}
	if (!m->broken && (m->b.err < 0 || http_send(m->r->x, buf_str(&m->b)) < 0))
		m->broken = true;
	m->b.n = 0;
}

void dav_multi_end(struct dav_multi *m)
{
	struct http_x *x = m->r->x;

	xml_close(&m->b, XML_DAV, "multistatus");
	if (m->begun) {
		if (m->broken || m->b.err < 0 || http_send(x, buf_str(&m->b)) < 0 ||
			http_end(x) < 0)
			http_cut(x); /* half a reply must not look whole */
	} else if (m->broken || m->b.err < 0) {
		dav_fail_err(m->r, m->b.err < 0 ? m->b.err : ERR_IO);
	} else {
		http_header(x, "Content-Type", STR("application/xml; charset=utf-8"));
		http_reply(x, 207, buf_str(&m->b));
	}
	buf_free(&m->b);
}

void dav_multi_status(struct dav_multi *m, const struct dav_path *p, bool collection, int status)
{
	struct buf *b = &m->b;

	xml_open(b, XML_DAV, "response");
	xml_open(b, XML_DAV, "href");
	dav_href(b, p, collection);
	xml_close(b, XML_DAV, "href");
	buf_fmt(b, "<D:status>HTTP/1.1 %d %s</D:status>", status,
		status == 200           ? "OK"
			: status == 403 ? "Forbidden"
			: status == 404 ? "Not Found"
			: status == 507 ? "Insufficient Storage"
					: "Refused");
	if (status == 507) { /* RFC 6352, 8.6.1; RFC 6578, 3.6 */
		xml_open(b, XML_DAV, "error");
		xml_empty(b, XML_DAV, "number-of-matches-within-limits");
		xml_close(b, XML_DAV, "error");
	}
	xml_close(b, XML_DAV, "response");
}

void dav_asked_read(struct dav_asked *out, struct dav_request *r, const struct xml *root)
{
	*out = (struct dav_asked){ .kind = DAV_ASK_ALL };
	out->prop = xml_child(root, XML_DAV, "prop");
	if (out->prop)
		out->kind = DAV_ASK_SOME;
	else if (xml_child(root, XML_DAV, "propname"))
		out->kind = DAV_ASK_NAMES;
	else
		out->prop = xml_child(root, XML_DAV, "include");
	if (out->kind != DAV_ASK_SOME)
		return;
	out->minimal = dav_briefly(r);
}

bool dav_prefers(const struct dav_request *r, const char *what)
{
	for (size_t i = 0; i < r->x->field_count; i++) {
		struct str one, rest = r->x->fields[i].value;

		while (str_ieq(r->x->fields[i].name, STR("Prefer")) && rest.n) {
			str_cut(&one, &rest, rest, ',');
			str_cut(&one, &(struct str){ 0 }, one, ';');
			if (str_ieq(str_trim(one), str_of(what)))
				return true;
		}
	}
	return false;
}

bool dav_briefly(struct dav_request *r)
{
	bool minimal = dav_prefers(r, "return=minimal") || dav_prefers(r, "return-minimal");

	if (minimal)
		http_header(r->x, "Preference-Applied", STR("return=minimal"));
	return minimal || str_ieq(http_get(r->x, "Brief"), STR("t"));
}

/* ---- resources ---- */
int dav_res_find(struct dav_res *out, struct dav_request *r, const struct dav_path *p)
{
	*out = (struct dav_res){ .path = *p, .node.collection = true };
	if (p->place != DAV_RESOURCE)
		return 0;
	return dav_node_find(
		&out->node, r->cfg->store, r->has_root ? &r->root : NULL, p->segs, p->n);
}

const struct dav_meta *dav_res_meta(struct dav_res *res, struct dav_request *r)
{
	struct str file;
	struct store_entry e;
	struct buf b;

	if (res->has_meta || res->path.place != DAV_RESOURCE)
		return &res->meta;
	res->has_meta = true;
	if (res->node.collection) {
		if (dav_meta_read(&res->meta, &r->item, r->cfg->store, &res->node.oid) < 0)
			res->meta = (struct dav_meta){ 0 };
		return &res->meta;
	}
	buf_init(&b, &r->item);
	dav_props_file(&b, res->path.segs, res->path.n);
	file = STR("");
	if (b.err >= 0 && store_find(&e, r->cfg->store, &r->root, buf_str(&b)) >= 0 &&
		store_blob_all(&file, &r->item, r->cfg->store, &e.oid, DAV_META_MAX) >= 0 &&
		dav_meta_parse(&res->meta, &r->item, file) < 0)
		res->meta = (struct dav_meta){ 0 };
	return &res->meta;
}

int dav_res_bytes(struct str *out, struct dav_res *res, struct dav_request *r)
{
	int err = 0;

	if (!res->has_bytes)
		err = store_blob_all(
			&res->bytes, &r->item, r->cfg->store, &res->node.oid, DAV_ITEM_MAX);
	res->has_bytes = err >= 0;
	*out = res->bytes;
	return err;
}

void dav_res_done(struct dav_res *res, struct dav_request *r)
{
	res->has_meta = res->has_bytes = false;
	res->meta = (struct dav_meta){ 0 };
	arena_reset(&r->item);
}

struct members {
	const struct dav_res *of;
	dav_res_fn *fn;
	void *ctx;
};

static int member(void *ctx, struct str name, const struct dav_node *node)
{
	struct members *m = ctx;
	struct dav_res res = { .path = m->of->path, .node = *node };

	if (res.path.n == DAV_SEGS_MAX)
		return 0;
	res.path.segs[res.path.n++] = name;
	return m->fn(m->ctx, &res);
}

int dav_res_members(
	struct dav_request *r, const struct dav_res *collection, dav_res_fn *fn, void *ctx)
{
	struct members m = { collection, fn, ctx };
	return dav_children(r->cfg->store, &collection->node.oid, member, &m);
}
