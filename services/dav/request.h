/* SPDX-License-Identifier: ISC */
/*
 * One request, and the replies of many parts: for the methods here and the reports of the services.
 *
 *	struct dav_multi m;
 *	dav_multi_begin(&m, r);
 *	dav_multi_props(&m, &res, props);       a response with what was asked of this resource; done with it
 *	dav_multi_status(&m, &path, 404);       a response that is a status alone
 *	dav_multi_end(&m);
 */
#ifndef SERVICES_DAV_REQUEST_H
#define SERVICES_DAV_REQUEST_H

#include "os/http.h"
#include "services/dav/dav.h"

struct dav_request {
	struct http_x *x;
	const struct dav_config *cfg;
	struct arena a;
	struct arena item; /* what belongs to the resource at hand; dav_res_done empties it */
	struct dav_path path;
	struct str user, client; /* who asks, by whose app password */
	struct str ref;
	struct str uid;   /* of the item to be written, once it was checked */
	const void *zone; /* for the service's data: in which floating times are meant; NULL: UTC */
	bool has_root;
	struct store_oid head,
		root; /* of the user's branch, when the request came: commit and tree */
};

/* A resource to speak of. */
struct dav_res {
	struct dav_path path;
	struct dav_node node; /* DAV_RESOURCE only */
	struct dav_meta meta; /* of a collection, or the dead properties of an item */
	struct str bytes;     /* of an item, once read */
	bool has_meta, has_bytes;
};
/* What the path leads to; ERR_NOENT. */
MUST_CHECK int dav_res_find(struct dav_res *out, struct dav_request *r, const struct dav_path *p);
const struct dav_meta *dav_res_meta(struct dav_res *res, struct dav_request *r);
MUST_CHECK int dav_res_bytes(struct str *out, struct dav_res *res, struct dav_request *r);
void dav_res_done(struct dav_res *res, struct dav_request *r); /* forgets meta and bytes */
/* The collection's members as resources; what they are is borrowed during the call. */
typedef int dav_res_fn(void *ctx, struct dav_res *res);
MUST_CHECK int dav_res_members(
	struct dav_request *r, const struct dav_res *collection, dav_res_fn *fn, void *ctx);

/*
 * The items of a collection by the index, without reading them: of the components `components` (0: all)
 * and not wholly outside [from, to). `res` is borrowed during the call; fn must not write to the store.
 */
/* One of them, by its name; what has no row (a collection) is ERR_NOENT here. */
MUST_CHECK int dav_item_find(struct dav_res *out, struct dav_request *r, const struct dav_path *p);
typedef int dav_item_fn(void *ctx, struct dav_res *res);
MUST_CHECK int dav_items(struct dav_request *r, const struct dav_res *collection,
	unsigned components, int64_t from, int64_t to, dav_item_fn *fn, void *ctx);

/* ---- what reports are about ---- */
/* The resource a query names: a collection, or an item of one of the service's kind; < 0: replied. */
int dav_query_target(struct dav_res *res, struct dav_request *r);
/*
 * The collections of the service's kind that a report with that Depth is about (RFC 4791, 7.2): itself, if it
 * is one, else those at most so far below.
 */
MUST_CHECK int dav_query_collections(
	struct dav_request *r, struct dav_res *top, int depth, dav_res_fn *fn, void *ctx);
/* Is the data that the report wants of items to be had? < 0: replied. */
int dav_data_check(struct dav_request *r, const struct xml *root);
/* Depth: 0, 1, or -1 for infinity; `absent` when there is none. -2: something else, 400 was replied. */
int dav_depth(struct dav_request *r, int absent);

/* ---- replies ---- */
/* An error with the precondition's element (NULL: none) and a sentence for people. */
void dav_refuse(
	struct dav_request *r, int status, struct str ns, const char *condition, const char *text);
/* The same as a service's check found it; its sentence is err's. */
void dav_refuse_as(struct dav_request *r, const struct dav_refusal *why, int err);
void dav_fail_err(struct dav_request *r, int err);        /* for an err of the store's */
void dav_etag(struct buf *b, const struct store_oid *id); /* with its quotes */

struct dav_multi {
	struct dav_request *r;
	struct buf b;
	bool begun, broken;
};
void dav_multi_begin(struct dav_multi *m, struct dav_request *r);
enum dav_ask { DAV_ASK_SOME, DAV_ASK_ALL, DAV_ASK_NAMES };
struct dav_asked {
	enum dav_ask kind;
	/* SOME: the prop element. ALL: NULL, or what that leaves out and is wanted (RFC 4918, 14.8). */
	const struct xml *prop;
	bool minimal; /* Prefer: return=minimal (RFC 8144), or Brief: t: no 404s */
	bool expand;  /* what stands in one of them is asked of the resources it names */
};
/* Does a Prefer header (RFC 7240) name it? */
bool dav_prefers(const struct dav_request *r, const char *what);
/* return=minimal, which the reply then says was applied, or what Apple's clients say for it. */
bool dav_briefly(struct dav_request *r);
void dav_asked_read(struct dav_asked *out, struct dav_request *r, const struct xml *root);
void dav_multi_props(struct dav_multi *m, struct dav_res *res, const struct dav_asked *asked);
void dav_multi_status(struct dav_multi *m, const struct dav_path *p, bool collection, int status);
/* BLOCKS. */
void dav_multi_flush(struct dav_multi *m); /* now and then, in long replies */
void dav_multi_end(struct dav_multi *m);

/* ---- sync tokens ---- */
void dav_sync_token(struct buf *b, struct dav_request *r, const struct dav_res *collection);
/* What all tokens of the same state of the collection begin with. */
void dav_sync_state(struct buf *b, const struct store_oid *tree);

#endif
