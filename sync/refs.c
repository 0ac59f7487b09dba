/* SPDX-License-Identifier: ISC */
/* What of the store's refs belongs to a repository, and what answers to fetch and push share. */
#include "sync/git_impl.h"

static int add_ref(void *ctx, struct str name, const struct store_oid *id)
{
	struct git_refs *v = ctx;

	if (v->r->user.p && !git_ref_visible(v->r->user, name))
		return 0;
	if (v->n == GIT_REFS_MAX)
		return err_set(ERR_LIMIT, "git: more than %d refs", GIT_REFS_MAX);
	v->p[v->n] = (struct git_ref){ arena_dup(&v->r->x->arena, name), *id };
	if (!v->p[v->n].name.p)
		return err_set(ERR_LIMIT, "git: too many refs");
	if (str_eq(name, v->head))
		v->tip = &v->p[v->n];
	v->ids[v->n++] = *id;
	return 0;
}

int git_refs_load(struct git_refs *v, struct git_repo *r)
{
	struct arena *a = &r->x->arena;

	*v = (struct git_refs){ .r = r, .head = STR("HEAD") /* what no ref is called */ };
	if (r->user.p)
		v->head = arena_fmt(a, "refs/heads/%.*s", STR_ARG(r->user));
	v->p = arena_alloc(a, GIT_REFS_MAX * sizeof(*v->p));
	v->ids = arena_alloc(a, GIT_REFS_MAX * sizeof(*v->ids));
	if (!v->head.p || !v->p || !v->ids)
		return err_set(ERR_LIMIT, "git: no room for the refs");
	return store_ref_list(r->store, STR("refs/"), add_ref, v);
}

void git_reply(struct http_x *x, const char *type, const struct buf *b)
{
	if (b->err < 0) {
		http_reply_text(x, 500, "out of memory\n");
		return;
	}
	http_header(x, "Content-Type", str_of(type));
	http_reply(x, 200, buf_str(b));
}

void git_refuse(struct http_x *x, const char *type, const char *text)
{
	struct buf b;

	buf_init(&b, &x->arena);
	if (str_ends(str_of(type), STR("receive-pack-advertisement"))) {
		pkt_line(&b, "# service=git-receive-pack\n");
		buf_addz(&b, "0000");
	}
	pkt_line(&b, "ERR %s\n", text);
	git_reply(x, type, &b);
}

int git_band(struct http_x *x, char band, struct str bytes, size_t piece)
{
	int err = 0;

	while (bytes.n > 0 && err >= 0) {
		struct str part = str_sub(bytes, 0, piece);
		char head[8];

		snprintf(head, sizeof(head), "%04x", (unsigned)part.n + 5);
		head[4] = band;
		err = http_send(x, str_n(head, 5));
		if (err >= 0)
			err = http_send(x, part);
		bytes = str_sub(bytes, part.n, bytes.n);
	}
	return err;
}
