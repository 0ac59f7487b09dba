/* SPDX-License-Identifier: ISC */
/* What a resource answers when it is asked for properties: propstats, and one in another (RFC 3253, 3.8). */
#include "services/dav/props_impl.h"

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
	const struct prop *p = dav_prop_find(q->x);

	if (p && dav_prop_fits(p, q))
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

static void response(
	struct buf *b, struct dav_request *r, struct dav_res *res, const struct dav_asked *asked);

/* Each href in the property written from `from` on becomes what its resource says (RFC 3253, 3.8). */
static void expand(struct ask *q, size_t from)
{
	struct dav_asked asked = { .kind = DAV_ASK_SOME, .prop = q->x, .expand = true };
	struct arena *a = &q->r->item; /* dav_multi_props empties it */
	struct str value = arena_dup(a, str_sub(buf_str(q->b), from, q->b->n)), href;
	ptrdiff_t at, end;

	if (!value.p)
		return;
	q->b->n = from;
	while ((at = str_find(value, STR("<D:href>"))) >= 0) {
		struct dav_path p;
		struct dav_res res;

		end = str_find(value, STR("</D:href>"));
		if (end < at)
			break;
		href = str_sub(value, (size_t)at + 8, (size_t)end);
		buf_add(q->b, str_sub(value, 0, (size_t)at));
		if (dav_path_parse(&p, a, href) >= 0 && dav_path_mine(q->r, &p) &&
			dav_res_find(&res, q->r, &p) >= 0)
			response(q->b, q->r, &res, &asked);
		else
			buf_add(q->b, str_sub(value, (size_t)at, (size_t)end + 9));
		value = str_sub(value, (size_t)end + 9, value.n);
	}
	buf_add(q->b, value);
}

/* Has allprop told it already? */
static bool in_all(struct ask *q)
{
	const struct prop *p = dav_prop_find(q->x);
	size_t mark = q->b->n;
	bool dead = !p && write_dead(q) >= 0;

	q->b->n = mark;
	return dead || (p && dav_prop_fits(p, q) && !(p->on & NOT_IN_ALL));
}

static void some(struct ask *q, const struct dav_asked *asked)
{
	struct buf missing;
	size_t mark = q->b->n, found = 0;

	buf_init(&missing, NULL);
	propstat_begin(q->b);
	for (q->x = xml_first(asked->prop); q->x; q->x = xml_next(q->x)) {
		if (asked->kind == DAV_ASK_ALL && in_all(q))
			continue;
		size_t from = q->b->n;
		if (write_asked(q) >= 0) {
			if (asked->expand && q->x->children)
				expand(q, from);
			found++;
			continue;
		}
		struct str name = arena_dup(&q->r->item, q->x->name);
		if (name.p)
			xml_empty(&missing, q->x->ns, name.p);
	}
	if (!found && ((missing.n && !asked->minimal) || asked->kind == DAV_ASK_ALL))
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
	for (size_t i = 0; i < dav_prop_count; i++) {
		const struct prop *p = &dav_props[i];
		if (!dav_prop_fits(p, q) || (p->on & NOT_IN_ALL && !names))
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

static void response(
	struct buf *b, struct dav_request *r, struct dav_res *res, const struct dav_asked *asked)
{
	struct ask q = { .b = b, .r = r, .res = res };

	xml_open(b, XML_DAV, "response");
	xml_open(b, XML_DAV, "href");
	dav_href(b, &res->path, res->node.collection);
	xml_close(b, XML_DAV, "href");
	if (asked->kind != DAV_ASK_SOME)
		all(&q, asked->kind == DAV_ASK_NAMES);
	if (asked->prop)
		some(&q, asked);
	xml_close(b, XML_DAV, "response");
}

void dav_multi_props(struct dav_multi *m, struct dav_res *res, const struct dav_asked *asked)
{
	response(&m->b, m->r, res, asked);
	dav_res_done(res, m->r);
}
