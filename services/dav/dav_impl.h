/* SPDX-License-Identifier: ISC */
/* What the methods share; also for the services' own reports. */
#ifndef SERVICES_DAV_DAV_IMPL_H
#define SERVICES_DAV_DAV_IMPL_H

#include "services/dav/request.h"

#define REQUEST_BYTES (16u << 20) /* memory of one request */
#define ITEM_BYTES    (8u << 20)  /* of one resource in it */

/* ---- the methods, one family a file ---- */
void dav_options(struct dav_request *r);
void dav_get(struct dav_request *r); /* HEAD as well */
void dav_put(struct dav_request *r);
void dav_delete(struct dav_request *r);
void dav_copy(struct dav_request *r);
void dav_move(struct dav_request *r);
void dav_mkcol(struct dav_request *r);
void dav_mkcalendar(struct dav_request *r);
void dav_proppatch(struct dav_request *r);
void dav_propfind(struct dav_request *r);
void dav_reports(struct dav_request *r);
void dav_sync(struct dav_request *r, const struct xml *root);
void dav_expand_property(struct dav_request *r, const struct xml *root);
void dav_principal_match(struct dav_request *r, const struct xml *root);
void dav_principal_search(struct dav_request *r, const struct xml *root);
void dav_principal_search_set(struct dav_request *r, const struct xml *root);

/* ---- serve.c ---- */
/* Does the request's If-Match / If-None-Match allow what is there (NULL: nothing)? */
bool dav_conditions(struct dav_request *r, const struct store_oid *etag);
/* The request's body as XML: 0 with *root NULL when it is empty; < 0: an error was replied. */
int dav_body_xml(struct xml **root, struct dav_request *r);
/* Collections every account has, if it has none yet. */
MUST_CHECK int dav_found_in(
	struct store_edit *e, struct arena *a, const struct dav_service *service);
/* The same before its first request is answered. BLOCKS. */
MUST_CHECK int dav_found(struct dav_request *r);

/* ---- page.c ---- */
/* For a person with a browser; `res` NULL: one we don't know. */
void dav_page(struct dav_request *r, struct dav_res *res);
/* The same at /, before anybody is asked for a password: was it that? */
bool dav_welcome(struct dav_request *r);

/* ---- principal.c ---- */
struct str dav_full_name(struct dav_request *r);    /* of the user, else the user's short one */
struct str dav_mail_address(struct dav_request *r); /* in the request's arena */

/* ---- if.c ---- */
/* The If header (RFC 4918, 10.4): entity tags, and sync tokens as state tokens (RFC 6578, 5). */
bool dav_if_holds(struct dav_request *r);
/* 0, or < 0: malformed or, but for a PUT, it does not hold, and that was replied. */
int dav_if(struct dav_request *r);

/* ---- item.c ---- */
/* The collection a new member would stand in; < 0: replied. */
int dav_above(struct dav_res *up, struct dav_request *r, const struct dav_path *p);
/* May these bytes stand there? < 0: replied. */
int dav_item_check(
	struct dav_request *r, const struct dav_path *at, struct dav_res *up, struct str bytes);

/* Is the item at `file` not of another UID? It is not replaced by one that is (RFC 4791, 5.3.2.1; RFC 6352,
 * 6.3.2.1). */
MUST_CHECK int dav_uid_kept(
	bool *kept, struct dav_request *r, struct str uid, struct store_edit *e, struct str file);
void dav_refuse_uid(struct dav_request *r, const struct dav_path *other); /* who has it */

/* Does the path name something here that the user may see? */
bool dav_path_mine(const struct dav_request *r, const struct dav_path *p);

/* ---- edits ---- */
/* An edit of the user's branch; < 0: an error was replied. BLOCKS. */
int dav_edit_begin(struct store_edit **e, struct dav_request *r);
int dav_edit_begin_reserved(struct store_edit **e, struct dav_request *r); /* to delete */
/* From here on the request sees the branch as the edit does. */
MUST_CHECK int dav_refresh(struct dav_request *r, struct store_edit *e);
/* Do the conditions (If, If-Match, ...) still hold, once refreshed? < 0: replied, and the edit is aborted. */
MUST_CHECK int dav_hold(struct store_edit *e, struct dav_request *r, const struct store_oid *etag);
/* The same as dav_refresh; also, the collection that was checked is there as it was, and nobody else at `at` (NULL: a
 * collection is to be written) took the UID; ERR_CONFLICT. */
MUST_CHECK int dav_still(
	struct store_edit *e, struct dav_request *r, struct dav_res *up, const struct dav_path *at);
/* Another item of the collection has the UID: its name; ERR_NOENT: none has. */
MUST_CHECK int dav_uid_other(struct str *name, struct dav_request *r, struct store_edit *e,
	const struct dav_path *at, const struct dav_res *up);
/* Deletes a resource and what belongs to it; ERR_NOENT. */
MUST_CHECK int dav_remove(struct store_edit *e, const struct dav_path *p, bool collection);
/* 0, or < 0 and an error was replied. BLOCKS. */
int dav_edit_commit(struct store_edit *e, struct dav_request *r, const char *what);

/* ---- props.c, props_set.c ---- */
extern const char *const dav_components[4]; /* by the bits DAV_VEVENT ... */
bool dav_prop_is_live(const struct xml *x);
/* Live properties that PROPPATCH and MKCOL may set; ERR_DENIED: protected; ERR_NOENT: not live. */
MUST_CHECK int dav_live_set(
	struct dav_meta *m, struct arena *a, const struct xml *prop, bool making);
MUST_CHECK int dav_live_remove(struct dav_meta *m, const struct xml *prop);

/* ---- rows.c ---- */
/* The name of the item in `folder` (as dav_collection_folder) with this UID, as the edit sees it (NULL: as is durable); ERR_NOENT. */
MUST_CHECK int dav_uid_name(struct str *name, struct dav_request *r, struct store_edit *e,
	struct str folder, struct str uid);

#endif
