/* SPDX-License-Identifier: ISC */
/* Inside the git server: one request, from git.c's door to upload.c's answer. */
#ifndef SYNC_GIT_IMPL_H
#define SYNC_GIT_IMPL_H

#include "os/http.h"
#include "sync/git.h"
#include "sync/git_wire.h"

/* ---- body.c: a request's body, unpacked ---- */
struct git_body;
/* In the request's arena; *out is ended by git_body_end. ERR_UNSUPPORTED: another encoding. */
MUST_CHECK int git_body_begin(struct git_body **out, struct http_x *x);
/* BLOCKS; part.n == 0 at the end. Borrowed until the next call. */
MUST_CHECK int git_body_next(struct str *part, struct git_body *b);
void git_body_end(struct git_body *b);

/* ---- upload.c ---- */
struct git_repo {
	struct store *store;
	struct http_x *x;
	struct str user; /* whose repository it is; STR_NONE: all refs, for the machinery */
};
void git_advertise(struct git_repo *r); /* BLOCKS */
void git_upload(struct git_repo *r);    /* BLOCKS */
/* What the client shows as "remote error: ...", of this content type. BLOCKS */
void git_refuse(struct http_x *x, const char *type, const char *text);

#endif
