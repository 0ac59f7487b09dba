/* SPDX-License-Identifier: ISC */
/* expand-property (RFC 3253, 3.8); props_write.c writes what it asks for. */
#include "services/dav/dav_impl.h"

#define EXPAND_DEPTH 8

/* As an element may be called (Namespaces in XML, NCName); it comes as text here. */
static bool is_element(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i], low = c | 0x20;
		bool begins = (low >= 'a' && low <= 'z') || c == '_' || c >= 0x80;
		if (!begins && (i == 0 || ((c < '0' || c > '9') && c != '-' && c != '.')))
			return false;
	}
	return s.n > 0;
}

/* <property name= namespace=> as the property it names; what stands in it likewise. */
static struct xml *asked_of(struct arena *a, const struct xml *from, int depth)
{
	struct xml *first = NULL, **end = &first;

	for (const struct xml *p = xml_child(from, XML_DAV, "property"); p; p = xml_again(p)) {
		struct xml *x = ARENA_NEW(a, struct xml);
		struct str ns = xml_attr(p, "namespace");

		if (!x)
			break;
		x->name = xml_attr(p, "name");
		x->ns = ns.p ? ns : XML_DAV;
		if (!is_element(x->name))
			continue;
		x->children = depth < EXPAND_DEPTH ? asked_of(a, p, depth + 1) : NULL;
		*end = x;
		end = &x->next;
	}
	return first;
}

struct expanding {
	struct dav_multi m;
	struct dav_asked asked;
};

static int expand_one(void *ctx, struct dav_res *res)
{
	struct expanding *e = ctx;

	dav_multi_props(&e->m, res, &e->asked);
	dav_multi_flush(&e->m);
	return e->m.broken ? ERR_CLOSED : 0;
}

void dav_expand_property(struct dav_request *r, const struct xml *root)
{
	struct xml prop = { .ns = XML_DAV, .name = STR("prop") };
	struct expanding e = { .asked = { DAV_ASK_SOME, .prop = &prop, .expand = true } };
	struct dav_res res;
	int depth = dav_depth(r, 0), err = dav_res_find(&res, r, &r->path);

	if (depth == -2)
		return;
	if (err < 0) {
		dav_fail_err(r, err);
		return;
	}
	prop.children = asked_of(&r->a, root, 0);
	dav_multi_begin(&e.m, r);
	err = expand_one(&e, &res);
	if (err >= 0 && depth == 1 && res.node.collection && r->path.place == DAV_RESOURCE)
		err = dav_res_members(r, &res, expand_one, &e);
	if (err < 0)
		e.m.broken = true;
	dav_multi_end(&e.m);
}
