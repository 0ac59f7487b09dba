/* SPDX-License-Identifier: ISC */
/*
 * upload-pack: what there is, what is common, and the pack (gitprotocol-http(5), -pack(5), -v2(5)).
 * Every request stands alone: nothing is kept between two of them.
 */
#include "os/log.h"
#include "os/platform.h"
#include "sync/git_impl.h"
#include "store/exchange.h"
#include "store/keep.h"

#include <stdlib.h>

#define RESULT_TYPE   "application/x-git-upload-pack-result"
#define OBJECT_COST   (2 * 24) /* bytes of free memory a planned object needs */
#define OBJECTS_LEAST 20000

static const char capabilities[] =
	"multi_ack multi_ack_detailed no-done side-band side-band-64k thin-pack ofs-delta shallow "
	"deepen-relative no-progress include-tag allow-tip-sha1-in-want "
	"allow-reachable-sha1-in-want object-format=sha1 agent=" GIT_AGENT;

/* ---- refs ---- */
/* Where our own history ends, as far as the user's refs reach: a clone's ends there too. */
struct ends {
	struct store_oid *p;
	size_t n;
};

static int add_end(void *ctx, const struct store_oid *id)
{
	struct ends *e = ctx;

	if (e->n == GIT_SHALLOWS_MAX)
		return err_set(ERR_LIMIT, "git: history ends in over %d places", GIT_SHALLOWS_MAX);
	e->p[e->n++] = *id;
	return 0;
}

static int advertise_ends(struct buf *b, struct git_repo *r, const struct git_refs *v)
{
	struct ends e = { .p = malloc(GIT_SHALLOWS_MAX * sizeof(*e.p)) };
	bool *found = calloc(GIT_SHALLOWS_MAX, sizeof(*found));
	char hex[STORE_HEX];
	int err = e.p && found ? 0 : err_set(ERR_NOMEM, "git: out of memory");

	if (err >= 0)
		err = store_shallow_list(r->store, add_end, &e);
	if (err >= 0 && e.n)
		err = store_reached(found, r->store, v->ids, v->n, e.p, e.n);
	for (size_t i = 0; i < e.n && err >= 0; i++)
		if (found[i])
			pkt_line(b, "shallow %s\n", store_oid_hex(hex, &e.p[i]));
	free(e.p);
	free(found);
	return err;
}

static int advertise_v0(struct buf *b, struct git_repo *r, const struct git_refs *v)
{
	int err;

	static const char none[] = "0000000000000000000000000000000000000000";
	char hex[STORE_HEX];

	pkt_line(b, "# service=git-upload-pack\n");
	buf_addz(b, "0000");
	if (v->tip)
		pkt_line(b, "%s HEAD%c%s symref=HEAD:%.*s\n", store_oid_hex(hex, &v->tip->id), 0,
			capabilities, STR_ARG(v->head));
	else if (v->n == 0)
		pkt_line(b, "%s capabilities^{}%c%s\n", none, 0, capabilities);
	for (size_t i = 0; i < v->n; i++) {
		store_oid_hex(hex, &v->p[i].id);
		if (i == 0 && !v->tip)
			pkt_line(b, "%s %.*s%c%s\n", hex, STR_ARG(v->p[i].name), 0, capabilities);
		else
			pkt_line(b, "%s %.*s\n", hex, STR_ARG(v->p[i].name));
	}
	err = advertise_ends(b, r, v);
	buf_addz(b, "0000");
	return err;
}

void git_advertise(struct git_repo *r)
{
	static const char type[] = "application/x-git-upload-pack-advertisement";
	struct git_refs v;
	struct buf b;
	int err = 0;

	buf_init(&b, &r->x->arena);
	if (git_version(http_get(r->x, "Git-Protocol")) == 2) {
		pkt_line(&b, "version 2\n");
		pkt_line(&b, "agent=" GIT_AGENT "\n");
		pkt_line(&b, "ls-refs=unborn\n");
		pkt_line(&b, "fetch=shallow\n");
		pkt_line(&b, "object-format=sha1\n");
		buf_addz(&b, "0000");
	} else {
		err = git_refs_load(&v, r);
		if (err >= 0)
			err = advertise_v0(&b, r, &v);
	}
	if (err < 0)
		git_refuse(r->x, type, err_text(err));
	else
		git_reply(r->x, type, &b);
}

static void list_refs(struct git_repo *r, const struct git_ask *q, const struct git_refs *v)
{
	bool head = git_ask_prefix(q, STR("HEAD"));
	char hex[STORE_HEX];
	struct buf b;

	buf_init(&b, NULL);
	if (head && v->tip && q->symrefs)
		pkt_line(&b, "%s HEAD symref-target:%.*s\n", store_oid_hex(hex, &v->tip->id),
			STR_ARG(v->head));
	else if (head && v->tip)
		pkt_line(&b, "%s HEAD\n", store_oid_hex(hex, &v->tip->id));
	else if (head && q->unborn && r->user.p)
		pkt_line(&b, "unborn HEAD symref-target:%.*s\n", STR_ARG(v->head));
	for (size_t i = 0; i < v->n; i++)
		if (git_ask_prefix(q, v->p[i].name))
			pkt_line(&b, "%s %.*s\n", store_oid_hex(hex, &v->p[i].id),
				STR_ARG(v->p[i].name));
	buf_addz(&b, "0000");
	git_reply(r->x, RESULT_TYPE, &b);
	buf_free(&b);
}

/* ---- a fetch ---- */
struct fetch {
	struct git_repo *r;
	struct git_ask *q;
	struct store_plan *plan;
	size_t piece; /* data bytes of a packet; 0: no side band */
};

/* Keeps of q->haves what the user's refs reach; ERR_NOENT for a want they do not. */
static int settle(struct git_ask *q, struct git_repo *r, const struct git_refs *v)
{
	size_t n = q->wants.n > q->haves.n ? q->wants.n : q->haves.n, kept = 0;
	bool *found = calloc(n ? n : 1, sizeof(*found));
	char hex[STORE_HEX];
	int err;

	if (!found)
		return err_set(ERR_NOMEM, "git: out of memory");
	err = store_reached(found, r->store, v->ids, v->n, q->wants.p, q->wants.n);
	for (size_t i = 0; i < q->wants.n && err >= 0; i++)
		if (!found[i])
			err = err_set(ERR_NOENT, "upload-pack: not our ref %s",
				store_oid_hex(hex, &q->wants.p[i]));
	if (err >= 0)
		err = store_reached(found, r->store, v->ids, v->n, q->haves.p, q->haves.n);
	for (size_t i = 0; i < q->haves.n && err >= 0; i++)
		if (found[i])
			q->haves.p[kept++] = q->haves.p[i];
	q->haves.n = kept;
	free(found);
	return err;
}

static int make_plan(struct fetch *f)
{
	struct git_ask *q = f->q;
	uint64_t total, left;
	int err;
	struct store_fetch want = {
		.wants = q->wants.p,
		.want_count = q->wants.n,
		.haves = q->haves.p,
		.have_count = q->haves.n,
		.shallows = q->shallows.p,
		.shallow_count = q->shallows.n,
		.depth = q->depth,
		.relative = q->relative,
	};

	plat_memory(&total, &left);
	want.objects_max =
		f->r->objects_max ? f->r->objects_max : left / OBJECT_COST + OBJECTS_LEAST;
	err = store_plan_make(&f->plan, f->r->store, &want);
	if (err == ERR_LIMIT) {
		char why[200];

		snprintf(why, sizeof(why), "%s", err_text(err));
		err_set(err, GIT_TOO_MUCH "%s", why);
	}
	return err;
}

static void add_boundary(struct buf *b, const struct store_plan *p)
{
	char hex[STORE_HEX];

	for (size_t i = 0; i < p->shallow_count; i++)
		pkt_line(b, "shallow %s\n", store_oid_hex(hex, &p->shallow[i]));
	for (size_t i = 0; i < p->unshallow_count; i++)
		pkt_line(b, "unshallow %s\n", store_oid_hex(hex, &p->unshallow[i]));
}

/* What comes before the pack; the result: does the pack follow? */
static bool preamble_v2(struct buf *b, const struct fetch *f)
{
	const struct git_ask *q = f->q;
	char hex[STORE_HEX];

	if (!q->done) {
		pkt_line(b, "acknowledgments\n");
		for (size_t i = 0; i < q->haves.n; i++)
			pkt_line(b, "ACK %s\n", store_oid_hex(hex, &q->haves.p[i]));
		pkt_line(b, q->haves.n ? "ready\n" : "NAK\n");
		buf_addz(b, q->haves.n ? "0001" : "0000");
		if (q->haves.n == 0)
			return false;
	}
	if (q->depth || f->plan->shallow_count) { /* our own history may end somewhere */
		pkt_line(b, "shallow-info\n");
		add_boundary(b, f->plan);
		buf_addz(b, "0001");
	}
	pkt_line(b, "packfile\n");
	return true;
}

static bool preamble_v0(struct buf *b, const struct fetch *f)
{
	const struct git_ask *q = f->q;
	bool multi = q->multi_ack || q->detailed, ready = q->detailed && q->haves.n;
	char hex[STORE_HEX];

	if (q->depth) {
		add_boundary(b, f->plan);
		buf_addz(b, "0000");
	}
	if (!q->flushed && !q->done)
		return false;
	for (size_t i = 0; i < q->haves.n && (multi || i == 0); i++)
		pkt_line(b, "ACK %s%s\n", store_oid_hex(hex, &q->haves.p[i]),
			q->detailed     ? " common"
				: multi ? " continue"
					: "");
	/* `hex` is the last common one from here on */
	if (q->done) {
		if (multi && q->haves.n)
			pkt_line(b, "ACK %s\n", hex);
		else if (q->haves.n == 0)
			pkt_line(b, "NAK\n");
		return true;
	}
	if (ready)
		pkt_line(b, "ACK %s ready\n", hex);
	if (multi || q->haves.n == 0)
		pkt_line(b, "NAK\n");
	if (!ready || !q->no_done)
		return false;
	pkt_line(b, "ACK %s\n", hex);
	return true;
}

static int send_band(struct fetch *f, char band, struct str bytes)
{
	if (f->piece == 0)
		return band == 1 ? http_send(f->r->x, bytes) : 0;
	return git_band(f->r->x, band, bytes, f->piece);
}

static int send_pack_bytes(void *ctx, struct str bytes)
{
	return send_band(ctx, 1, bytes);
}

static int send_pack(struct fetch *f)
{
	char text[300];
	int err = 0;

	if (!f->q->no_progress) {
		snprintf(
			text, sizeof(text), "%llu objects\n", (unsigned long long)f->plan->objects);
		err = send_band(f, 2, str_of(text));
	}
	if (err >= 0)
		err = store_plan_send(f->plan, send_pack_bytes, f);
	if (err < 0) {
		os_log(OS_WARN, "svc=git event=fetch result=failed why=\"%s\"", err_text(err));
		snprintf(text, sizeof(text), "%s\n", err_text(err));
		if (send_band(f, 3, str_of(text)) < 0)
			return err; /* the peer is gone */
	}
	return f->piece ? http_send(f->r->x, STR("0000")) : err;
}

static void answer(struct fetch *f)
{
	struct http_x *x = f->r->x;
	struct buf b;
	bool pack;

	buf_init(&b, NULL);
	pack = f->q->version == 2 ? preamble_v2(&b, f) : preamble_v0(&b, f);
	if (b.err < 0) {
		buf_free(&b);
		http_reply_text(x, 500, "out of memory\n");
		return;
	}
	http_header(x, "Content-Type", STR(RESULT_TYPE));
	http_begin(x, 200, HTTP_CHUNKED);
	if (http_send(x, buf_str(&b)) == 0 && (!pack || send_pack(f) == 0) && http_end(x) == 0 &&
		pack)
		os_log(OS_INFO, "svc=git event=fetch user=%.*s objects=%llu haves=%zu depth=%u",
			STR_ARG(f->r->user), (unsigned long long)f->plan->objects, f->q->haves.n,
			f->q->depth);
	buf_free(&b);
}

/* Is a pack, or at least a boundary, called for? Planning is what costs. */
static bool wants_plan(const struct git_ask *q)
{
	return q->done || q->depth || q->haves.n;
}

static int fetch(struct git_repo *r, struct git_ask *q, const struct git_refs *v)
{
	struct fetch f = { .r = r, .q = q };
	int err;

	if (q->wants.n == 0) {
		http_header(r->x, "Content-Type", STR(RESULT_TYPE));
		http_reply(r->x, 200, STR("0000"));
		return 0;
	}
	if (q->version == 2 || q->side_band_64k)
		f.piece = PKT_DATA_MAX - 1;
	else if (q->side_band)
		f.piece = 995;
	err = settle(q, r, v);
	if (err >= 0 && wants_plan(q))
		err = make_plan(&f);
	if (err < 0)
		return err;
	answer(&f);
	store_plan_free(f.plan);
	return 0;
}

static int read_ask(struct git_ask *q, struct git_body *body, struct pkt_reader *in)
{
	struct str bytes = STR("");
	struct pkt p;
	int err;

	while (!q->ended) {
		err = pkt_next(&p, in, &bytes);
		if (err >= 0) {
			err = git_ask_take(q, &p);
		} else if (err == ERR_AGAIN) {
			err = git_body_next(&bytes, body);
			if (err >= 0 && bytes.n == 0) /* of v0 the end is the body's end */
				return q->version == 0 && q->args && pkt_at_rest(in)
					? 0
					: err_set(ERR_BAD, "git: the request ends early");
		}
		if (err < 0)
			return err;
	}
	return 0;
}

void git_upload(struct git_repo *r)
{
	struct pkt_reader *in = ARENA_NEW(&r->x->arena, struct pkt_reader);
	struct git_ask *q = ARENA_NEW(&r->x->arena, struct git_ask);
	struct git_body *body = NULL;
	struct git_refs v;
	int err;

	if (!in || !q) {
		http_reply_text(r->x, 500, "out of memory\n");
		return;
	}
	git_ask_init(q, git_version(http_get(r->x, "Git-Protocol")));
	err = git_body_begin(&body, r->x, GIT_REQUEST_BYTES);
	if (err >= 0)
		err = read_ask(q, body, in);
	if (err >= 0)
		err = git_refs_load(&v, r);
	if (err >= 0 && q->command == GIT_LS_REFS)
		list_refs(r, q, &v);
	else if (err >= 0)
		err = fetch(r, q, &v);
	if (err < 0)
		git_refuse(r->x, RESULT_TYPE, err_text(err));
	git_body_end(body);
	git_ask_free(q);
}
