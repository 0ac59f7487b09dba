/* SPDX-License-Identifier: ISC */
/* Inside the git server: one request, from git.c's door to the answer of upload.c or receive.c. */
#ifndef SYNC_GIT_IMPL_H
#define SYNC_GIT_IMPL_H

#include "os/http.h"
#include "sync/git.h"
#include "sync/git_wire.h"

/* ---- body.c: a request's body, unpacked ---- */
struct git_body;
/* In the request's arena; *out is ended by git_body_end. ERR_UNSUPPORTED: another encoding; more than
 * `max` bytes, unpacked, will be ERR_LIMIT. */
MUST_CHECK int git_body_begin(struct git_body **out, struct http_x *x, uint64_t max);
/* BLOCKS; part.n == 0 at the end. Borrowed until the next call. */
MUST_CHECK int git_body_next(struct str *part, struct git_body *b);
void git_body_end(struct git_body *b);

/* ---- refs.c ---- */
#define GIT_REFS_MAX GIT_WANTS_MAX
struct git_repo {
	const struct git_config *cfg; /* NULL: of all refs, to be read only */
	struct store *store;
	struct http_x *x;
	struct str user;      /* whose repository it is; STR_NONE: all refs, for the machinery */
	struct str device;    /* whose token let it in: may push for no other; "": a password did */
	uint64_t objects_max; /* of one fetch; 0: as memory allows */
};
struct git_ref {
	struct str name;
	struct store_oid id;
};
struct git_refs { /* those to be seen */
	struct git_repo *r;
	struct str head;           /* the ref HEAD names */
	const struct git_ref *tip; /* it, when it exists */
	struct git_ref *p;
	struct store_oid *ids;
	size_t n;
};
/* In the request's arena. */
MUST_CHECK int git_refs_load(struct git_refs *v, struct git_repo *r);
void git_reply(struct http_x *x, const char *type, const struct buf *b); /* BLOCKS */
/* What the client shows as "remote error: ...", of this content type. BLOCKS */
void git_refuse(struct http_x *x, const char *type, const char *text);
/* In side-band packets of up to `piece` bytes. BLOCKS */
MUST_CHECK int git_band(struct http_x *x, char band, struct str bytes, size_t piece);
void git_advertise_push(struct git_repo *r); /* BLOCKS */

/* ---- upload.c ---- */
void git_advertise(struct git_repo *r); /* BLOCKS */
void git_upload(struct git_repo *r);    /* BLOCKS */

/* ---- merge.c ---- */
#define GIT_WAIT_NS (60 * OS_SEC) /* for the writer's turn */
/* Keeps or drops the record that `ref` is to be merged. BLOCKS */
MUST_CHECK int sync_merge_note(struct store *s, struct str user, struct str ref, bool merged);
/* Into the user's branch; *head is where it stands then. Logs what became of it. BLOCKS */
MUST_CHECK int sync_merge(struct store_oid *head, struct store *s, struct str user, struct str ref);

/* ---- receive.c ---- */
void git_receive(struct git_repo *r); /* BLOCKS */

#endif
