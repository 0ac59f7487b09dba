/* SPDX-License-Identifier: ISC */
/* Reading: expat's events become a tree. */
#include "services/dav/xml.h"
#include "os/crypto.h"

#include <expat.h>

#define SEPARATOR '\n' /* between namespace and name; neither can hold one */

struct xml_reader {
	XML_Parser expat;
	struct arena *a;
	struct xml *root, *at; /* at: the innermost open element */
	struct xml *last;      /* its youngest child, where it is known */
	size_t bytes, nodes, depth;
	int err;
};

static void stop(struct xml_reader *r, int err)
{
	if (r->err >= 0)
		r->err = err;
	XML_StopParser(r->expat, XML_FALSE);
}

static unsigned long long line_of(const struct xml_reader *r)
{
	return XML_GetCurrentLineNumber(r->expat);
}

static struct xml *node_new(struct xml_reader *r)
{
	struct xml *x;

	if (++r->nodes > XML_NODES_MAX) {
		stop(r, err_set(ERR_LIMIT, "xml: over %d elements", XML_NODES_MAX));
		return NULL;
	}
	x = ARENA_NEW(r->a, struct xml);
	if (!x) {
		stop(r, err_set(ERR_LIMIT, "xml: over the memory for one request"));
		return NULL;
	}
	x->parent = r->at;
	if (r->last)
		r->last->next = x;
	else if (r->at)
		r->at->children = x;
	r->last = x;
	return x;
}

static bool split(struct str *ns, struct str *name, struct xml_reader *r, const char *both)
{
	struct str s = arena_dup(r->a, str_of(both));
	ptrdiff_t cut = s.p ? str_chr(s, SEPARATOR) : -1;

	if (!s.p) {
		stop(r, err_set(ERR_LIMIT, "xml: over the memory for one request"));
		return false;
	}
	*ns = cut < 0 ? STR("") : str_sub(s, 0, (size_t)cut);
	*name = str_sub(s, (size_t)(cut + 1), s.n);
	return true;
}

static bool attrs_read(struct xml *x, struct xml_reader *r, const char **attrs)
{
	size_t n = 0;

	while (attrs[2 * n])
		n++;
	if (n > XML_ATTRS_MAX) {
		stop(r,
			err_set(ERR_LIMIT, "xml: line %llu: over %d attributes", line_of(r),
				XML_ATTRS_MAX));
		return false;
	}
	x->attrs = n ? arena_zalloc(r->a, n * sizeof(*x->attrs)) : NULL;
	if (n && !x->attrs) {
		stop(r, err_set(ERR_LIMIT, "xml: over the memory for one request"));
		return false;
	}
	x->attr_count = n;
	for (size_t i = 0; i < n; i++) {
		struct xml_attr *a = &x->attrs[i];
		if (!split(&a->ns, &a->name, r, attrs[2 * i]))
			return false;
		a->value = arena_dup(r->a, str_of(attrs[2 * i + 1]));
		if (!a->value.p) {
			stop(r, err_set(ERR_LIMIT, "xml: over the memory for one request"));
			return false;
		}
	}
	return true;
}

static void on_start(void *ctx, const char *name, const char **attrs)
{
	struct xml_reader *r = ctx;
	struct xml *x;

	if (r->err < 0)
		return;
	if (++r->depth > XML_DEPTH_MAX) {
		stop(r,
			err_set(ERR_LIMIT, "xml: line %llu: nested deeper than %d", line_of(r),
				XML_DEPTH_MAX));
		return;
	}
	x = node_new(r);
	if (!x || !split(&x->ns, &x->name, r, name) || !attrs_read(x, r, attrs))
		return;
	if (!r->root)
		r->root = x;
	r->at = x;
	r->last = NULL;
}

static void on_end(void *ctx, const char *name)
{
	struct xml_reader *r = ctx;

	(void)name;
	if (r->err < 0) /* expat may say a little more after it was stopped */
		return;
	r->depth--;
	r->last = r->at;
	r->at = r->at->parent;
}

/* Each piece is a node of its own: joining them would take time and memory in their square. */
static void on_text(void *ctx, const char *p, int n)
{
	struct xml_reader *r = ctx;
	struct xml *x;

	if (!r->at || r->err < 0 || !(x = node_new(r)))
		return;
	x->text = arena_dup(r->a, str_n(p, (size_t)n));
	if (!x->text.p)
		stop(r, err_set(ERR_LIMIT, "xml: over the memory for one request"));
}

static void on_doctype(
	void *ctx, const char *name, const char *sysid, const char *pubid, int has_internal)
{
	struct xml_reader *r = ctx;

	(void)name;
	(void)sysid;
	(void)pubid;
	(void)has_internal;
	stop(r, err_set(ERR_BAD, "xml: line %llu: no DOCTYPE is taken", line_of(r)));
}

int xml_reader_new(struct xml_reader **out, struct arena *a)
{
	struct xml_reader *r = calloc(1, sizeof(*r));
	unsigned long salt;

	if (r)
		r->expat = XML_ParserCreateNS(NULL, SEPARATOR);
	if (!r || !r->expat) {
		free(r);
		return err_set(ERR_NOMEM, "xml: out of memory");
	}
	os_random(&salt, sizeof(salt));
	XML_SetHashSalt(r->expat, salt | 1);
	r->a = a;
	XML_SetUserData(r->expat, r);
	XML_SetElementHandler(r->expat, on_start, on_end);
	XML_SetCharacterDataHandler(r->expat, on_text);
	XML_SetStartDoctypeDeclHandler(r->expat, on_doctype);
	*out = r;
	return 0;
}

static int feed(struct xml_reader *r, struct str part, bool last)
{
	if (r->err < 0)
		return r->err;
	r->bytes += part.n;
	if (r->bytes > XML_BYTES_MAX)
		return r->err = err_set(ERR_LIMIT, "xml: over %u bytes", XML_BYTES_MAX);
	if (XML_Parse(r->expat, part.n ? part.p : "", (int)part.n, last) == XML_STATUS_OK)
		return r->err;
	if (r->err >= 0)
		r->err = err_set(
			XML_GetErrorCode(r->expat) == XML_ERROR_NO_MEMORY ? ERR_NOMEM : ERR_BAD,
			"xml: line %llu: %s", line_of(r),
			XML_ErrorString(XML_GetErrorCode(r->expat)));
	return r->err;
}

int xml_reader_push(struct xml_reader *r, struct str part)
{
	return feed(r, part, false);
}

void xml_reader_drop(struct xml_reader *r)
{
	XML_ParserFree(r->expat);
	free(r);
}

int xml_reader_end(struct xml **out, struct xml_reader *r)
{
	int err = feed(r, STR(""), true);

	*out = r->root;
	xml_reader_drop(r);
	return err;
}

/* ---- finding one's way ---- */
bool xml_is(const struct xml *x, struct str ns, const char *name)
{
	return x && x->name.n && str_eq(x->name, str_of(name)) && str_eq(x->ns, ns);
}

static struct xml *element(struct xml *x)
{
	while (x && !x->name.n)
		x = x->next;
	return x;
}

struct xml *xml_first(const struct xml *x)
{
	return x ? element(x->children) : NULL;
}

struct xml *xml_next(const struct xml *x)
{
	return element(x->next);
}

struct xml *xml_child(const struct xml *x, struct str ns, const char *name)
{
	struct xml *c = xml_first(x);
	while (c && !xml_is(c, ns, name))
		c = xml_next(c);
	return c;
}

struct xml *xml_again(const struct xml *x)
{
	struct xml *c = xml_next(x);
	while (c && !(str_eq(c->name, x->name) && str_eq(c->ns, x->ns)))
		c = xml_next(c);
	return c;
}

static void inner(struct buf *b, const struct xml *top)
{
	const struct xml *x = top->children;

	while (x) {
		buf_add(b, x->text);
		if (x->children) {
			x = x->children;
			continue;
		}
		while (x != top && !x->next)
			x = x->parent;
		x = x == top ? NULL : x->next;
	}
}

struct str xml_inner(struct arena *a, const struct xml *x)
{
	struct buf b;

	if (!x || !x->children)
		return STR("");
	if (!x->children->next && !x->children->name.n)
		return x->children->text;
	buf_init(&b, a);
	inner(&b, x);
	return b.err < 0 || !b.p ? STR("") : buf_str(&b);
}

struct str xml_attr(const struct xml *x, const char *name)
{
	for (size_t i = 0; x && i < x->attr_count; i++)
		if (!x->attrs[i].ns.n && str_eq(x->attrs[i].name, str_of(name)))
			return x->attrs[i].value;
	return STR_NONE;
}
