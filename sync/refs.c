/* SPDX-License-Identifier: ISC */
/* What of the store's refs belongs to a repository, and what answers to fetch and push share. */
#include "sync/git_impl.h"

#define HAVES_BACK 512 /* commits before the tip that are looked at */

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

static const char capabilities[] = "report-status report-status-v2 delete-refs side-band-64k quiet "
				   "atomic ofs-delta object-format=sha1 agent=" GIT_AGENT;

/* ---- what is here, told to who wants to push ---- */
struct haves {
	struct buf *b;
	unsigned n;
};

static int add_have(void *ctx, const struct store_commit *c)
{
	struct haves *h = ctx;
	char hex[STORE_HEX];

	if (h->n && (h->n & (h->n - 1)) == 0)
		pkt_line(h->b, "%s .have\n", store_oid_hex(hex, &c->id));
	return h->n++ == HAVES_BACK ? ERR_CLOSED : 0;
}

/* Who cloned a while ago does not know the tip; then it is good to hear of commits before it, the
 * farther back the fewer, so that less is sent than was made since. */
static int add_haves(struct buf *b, struct git_repo *r, const struct git_refs *v)
{
	struct haves h = { b, 0 };

	return v->tip ? store_log(r->store, &v->tip->id, STR(""), add_have, &h) : 0;
}

void git_advertise_push(struct git_repo *r)
{
	static const char type[] = "application/x-git-receive-pack-advertisement";
	static const struct store_oid none;
	char hex[STORE_HEX];
	struct git_refs v;
	struct buf b;
	int err;

	if (!r->cfg || !r->cfg->check_push) {
		git_refuse(r->x, type, "this repository is to be read, not pushed to");
		return;
	}
	buf_init(&b, &r->x->arena);
	pkt_line(&b, "# service=git-receive-pack\n");
	buf_addz(&b, "0000");
	err = git_refs_load(&v, r);
	for (size_t i = 0; err >= 0 && i < v.n; i++) {
		const char *id = store_oid_hex(hex, &v.p[i].id);
		if (i == 0)
			pkt_line(&b, "%s %.*s%c%s\n", id, STR_ARG(v.p[i].name), 0, capabilities);
		else
			pkt_line(&b, "%s %.*s\n", id, STR_ARG(v.p[i].name));
	}
	if (err >= 0 && v.n == 0)
		pkt_line(
			&b, "%s capabilities^{}%c%s\n", store_oid_hex(hex, &none), 0, capabilities);
	if (err >= 0)
		err = add_haves(&b, r, &v);
	buf_addz(&b, "0000");
	if (err < 0)
		git_refuse(r->x, type, err_text(err));
	else
		git_reply(r->x, type, &b);
}
