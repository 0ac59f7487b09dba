/* SPDX-License-Identifier: ISC */
/*
 * XML of requests and replies, with namespaces (RFC 4918, 14 and 17). Reading is a push parser that
 * makes a small tree in an arena; writing goes straight into a buffer.
 *
 *	struct xml_reader *r;
 *	err = xml_reader_new(&r, &arena);
 *	while (... part of the body ...) err = xml_reader_push(r, part);
 *	err = xml_reader_end(&root, r);                      frees r; the tree lies in the arena
 *	if (xml_is(root, XML_DAV, "propfind"))
 *		for (struct xml *x = xml_child(root, XML_DAV, "prop"); ...
 *
 *	xml_open(&b, XML_DAV, "href"); xml_text(&b, path); xml_close(&b, XML_DAV, "href");
 *
 * DOCTYPE is refused, and with it entities; depth, nodes, attributes and bytes are limited.
 */
#ifndef SERVICES_DAV_XML_H
#define SERVICES_DAV_XML_H

#include "os/base.h"

#define XML_DEPTH_MAX 64
#define XML_NODES_MAX 200000
#define XML_ATTRS_MAX 32 /* of one element */
#define XML_BYTES_MAX (8u << 20)

#define XML_DAV     STR("DAV:")
#define XML_CALDAV  STR("urn:ietf:params:xml:ns:caldav")
#define XML_CARDDAV STR("urn:ietf:params:xml:ns:carddav")
#define XML_CS      STR("http://calendarserver.org/ns/")
#define XML_ICAL    STR("http://apple.com/ns/ical/")

struct xml_attr {
	struct str ns, name, value;
};
struct xml {
	struct str ns, name; /* name.n == 0: a piece of text; several may follow */
	struct str text;     /* of a piece of text */
	struct xml_attr *attrs;
	size_t attr_count;
	struct xml *parent, *children, *next;
};

struct xml_reader;
MUST_CHECK int xml_reader_new(struct xml_reader **out, struct arena *a);
/* ERR_BAD with the line and what is wrong, ERR_LIMIT; sticky. */
MUST_CHECK int xml_reader_push(struct xml_reader *r, struct str part);
/* The root element. Frees the reader in every case; before that, xml_reader_drop. */
MUST_CHECK int xml_reader_end(struct xml **out, struct xml_reader *r);
void xml_reader_drop(struct xml_reader *r);

bool xml_is(const struct xml *x, struct str ns, const char *name);
/* The first child element of that name; NULL. `x` may be NULL. */
struct xml *xml_child(const struct xml *x, struct str ns, const char *name);
/* The next sibling element of the same name as `x`; NULL. */
struct xml *xml_again(const struct xml *x);
/* First child element, next sibling element, whatever they are called. */
struct xml *xml_first(const struct xml *x);
struct xml *xml_next(const struct xml *x);
/* All text below, in order; "" for none. */
struct str xml_inner(struct arena *a, const struct xml *x);
struct str xml_attr(const struct xml *x, const char *name); /* without namespace; STR_NONE */

/* ---- writing ---- */
/* The root of a reply, of one of the five namespaces: <D:name xmlns:D=… and the other prefixes>. */
void xml_root(struct buf *b, struct str ns, const char *name);
/* Elements of the five namespaces above are written with their prefixes, others with an xmlns. */
void xml_open(struct buf *b, struct str ns, const char *name);
void xml_close(struct buf *b, struct str ns, const char *name);
void xml_empty(struct buf *b, struct str ns, const char *name);
void xml_leaf(struct buf *b, struct str ns, const char *name, struct str text);
void xml_text(struct buf *b, struct str text); /* escaped; what XML can't hold becomes U+FFFD */
/* `x` with all it holds, so that it reads the same anywhere (dead properties). */
void xml_copy(struct buf *b, const struct xml *x);

#endif
