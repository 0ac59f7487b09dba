/* SPDX-License-Identifier: ISC */
/* The client against our own server in memory, and against answers no server of ours gives. */
#include "os/main.h"
#include "store/keep.h"
#include "sync/fetch.h"
#include "sync/git.h"
#include "sync/git_wire.h"
#include "tests/fake/disk.h"
#include "tests/fake/stream.h"

#include <criterion/criterion.h>

#define OK(call) \
	do { \
		int ok_ = (call); \
		cr_assert_eq(ok_, 0, "%s: %d %s", #call, ok_, err_text(ok_)); \
	} while (0)
#define A "1111111111111111111111111111111111111111"
#define B "2222222222222222222222222222222222222222"

/* ---- a connection: what was written is answered when it is first read ---- */
struct wire {
	struct os_stream s;
	struct store *store;     /* served; or NULL: */
	struct str body;         /* this body is the answer, */
	int status;              /* with this status */
	struct buf asked, reply; /* asked: all requests so far */
	size_t begun;            /* where this request begins */
	struct str in;
	size_t piece; /* of a read */
	uint64_t objects_max;
	bool answered;
	unsigned open, dialled;
};

static void serve(struct http_x *x, void *ctx)
{
	struct wire *w = ctx;

	cr_expect(str_eq(http_get(x, "Authorization"), STR("Bearer x")));
	cr_assert(str_starts(x->path, STR("/here/")));
	git_answer(x, w->store, str_sub(x->path, 6, x->path.n), w->objects_max);
}

static void answer(struct wire *w)
{
	struct fake_stream f;

	w->answered = true;
	w->reply.n = 0;
	if (w->store) {
		fake_stream_init(&f, str_sub(buf_str(&w->asked), w->begun, w->asked.n), w->piece);
		http_serve(&f.s, serve, w);
		buf_add(&w->reply, buf_str(&f.out));
		fake_stream_free(&f);
	} else {
		buf_fmt(&w->reply, "HTTP/1.1 %d x\r\nContent-Length: %zu\r\n\r\n", w->status,
			w->body.n);
		buf_add(&w->reply, w->body);
	}
	w->in = buf_str(&w->reply);
}

static int wire_read(size_t *n, struct os_stream *s, void *p, size_t cap, os_time deadline)
{
	struct wire *w = (struct wire *)s;
	struct str part;

	(void)deadline;
	if (!w->answered)
		answer(w);
	part = str_sub(w->in, 0, cap < w->piece ? cap : w->piece);
	if (part.n)
		memcpy(p, part.p, part.n);
	w->in = str_sub(w->in, part.n, w->in.n);
	*n = part.n;
	return 0;
}

static int wire_write(struct os_stream *s, const void *p, size_t n, os_time deadline)
{
	struct wire *w = (struct wire *)s;

	(void)deadline;
	cr_assert(!w->answered);
	buf_add(&w->asked, str_n(p, n));
	return w->asked.err;
}

static void wire_close(struct os_stream *s)
{
	((struct wire *)s)->open--;
}

static int dial(struct os_stream **out, void *ctx)
{
	static const struct os_stream_ops ops = {
		.read = wire_read, .write = wire_write, .close = wire_close
	};
	struct wire *w = ctx;

	cr_assert_eq(w->open, 0);
	w->s.ops = &ops;
	w->answered = false;
	w->begun = w->asked.n;
	w->open++;
	w->dialled++;
	*out = &w->s;
	return 0;
}

static struct sync_remote remote_of(struct wire *w)
{
	return (struct sync_remote){ .dial = dial,
		.ctx = w,
		.host = STR("h"),
		.path = STR("/here"),
		.login = STR("Bearer x"),
		.idle = OS_SEC };
}

/* ---- what came ---- */
struct got {
	struct buf pack;
	struct store_oid ids[8];
	char names[8][64];
	unsigned refs, shallows, told, stop_after;
};

static int on_ref(void *ctx, struct str ref, const struct store_oid *id)
{
	struct got *g = ctx;

	cr_assert_lt(g->refs, 8);
	snprintf(g->names[g->refs], 64, "%.*s", STR_ARG(ref));
	g->ids[g->refs++] = *id;
	return 0;
}

static int on_pack(void *ctx, struct str bytes)
{
	struct got *g = ctx;

	if (g->stop_after && g->pack.n >= g->stop_after)
		return err_set(ERR_NOSPACE, "enough");
	buf_add(&g->pack, bytes);
	return g->pack.err;
}

static int on_shallow(void *ctx, const struct store_oid *id)
{
	(void)id;
	((struct got *)ctx)->shallows++;
	return 0;
}

static void on_told(void *ctx, struct str line)
{
	cr_expect_gt(line.n, 0);
	((struct got *)ctx)->told++;
}

static unsigned objects_in(const struct got *g)
{
	cr_assert_gt(g->pack.n, 32);
	cr_assert(memcmp(g->pack.p, "PACK\0\0\0\2", 8) == 0);
	return (unsigned)(uint8_t)g->pack.p[10] << 8 | (uint8_t)g->pack.p[11];
}

/* ---- against ourselves ---- */
static struct store_oid put(struct store *s, const char *ref, const char *path, struct str text)
{
	struct store_why why = { STR("t"), STR("t@t"), STR("test"), 0 };
	struct store_edit *e;
	struct store_oid id;

	OK(store_edit_begin(&e, s, str_of(ref), OS_FOREVER));
	OK(store_edit_put_bytes(e, str_of(path), text));
	OK(store_edit_commit(&id, e, &why));
	return id;
}

static int against_ourselves(void *arg)
{
	static char big[300000];
	struct fake_disk *f = fake_disk_new(32 << 20);
	size_t piece = *(size_t *)arg;
	struct wire w = { .piece = piece };
	struct sync_remote r = remote_of(&w);
	struct got g = { .refs = 0 };
	struct store_oid first, second;

	buf_init(&w.asked, NULL);
	buf_init(&w.reply, NULL);
	buf_init(&g.pack, NULL);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7919 >> 3);
	OK(store_format(&f->d));
	OK(store_open(&w.store, &f->d, NULL));
	first = put(w.store, "refs/heads/alice", "a/b", str_n(big, sizeof(big)));
	put(w.store, "refs/endpoints/x/alice", "u", STR("1"));

	OK(sync_refs(&r, STR("refs/heads/"), on_ref, &g));
	cr_assert_eq(g.refs, 1);
	cr_expect_str_eq(g.names[0], "refs/heads/alice");
	cr_expect(store_oid_eq(&g.ids[0], &first));
	OK(sync_refs(&r, STR("refs/"), on_ref, &g));
	cr_expect_eq(g.refs, 3);

	struct sync_lack lack = {
		.wants = g.ids, .want_count = 3, .pack = on_pack, .told = on_told, .ctx = &g
	};
	OK(sync_fetch(&r, &lack)); /* one of them twice */
	cr_expect_eq(objects_in(&g), 4 + 3);
	cr_expect_eq(g.told, 1);

	second = put(w.store, "refs/heads/alice", "c", STR("2"));
	struct store_oid haves[2] = { first, { "nobody knows this!!" } };
	g.pack.n = 0;
	lack = (struct sync_lack){ .wants = &second,
		.want_count = 1,
		.haves = haves,
		.have_count = 2,
		.pack = on_pack,
		.ctx = &g };
	OK(sync_fetch(&r, &lack));
	cr_expect_eq(objects_in(&g), 3);

	g.stop_after = 1; /* our side fails: said, and the connection closed */
	g.pack.n = 1;
	cr_expect_eq(sync_fetch(&r, &lack), ERR_NOSPACE);
	lack.wants = &haves[1];
	cr_expect_eq(sync_fetch(&r, &lack), ERR_IO);
	cr_expect(str_find(str_of(err_text(ERR_IO)), STR("not our ref")) >= 0, "%s",
		err_text(ERR_IO));
	lack.wants = &second;
	w.objects_max = 2;
	cr_expect_eq(sync_fetch(&r, &lack), ERR_LIMIT);
	cr_expect(str_find(str_of(err_text(ERR_LIMIT)), STR("too much at once")) >= 0);
	w.objects_max = 0;
	/* Our own history ends somewhere: so does theirs. */
	OK(store_shallow_add(w.store, &second, 1));
	g.pack.n = g.stop_after = 0;
	lack = (struct sync_lack){
		.wants = &second, .want_count = 1, .pack = on_pack, .shallow = on_shallow, .ctx = &g
	};
	OK(sync_fetch(&r, &lack));
	cr_expect_eq(g.shallows, 1);
	cr_expect_eq(objects_in(&g), 5);
	lack.want_count = 0;
	w.dialled = 0;
	OK(sync_fetch(&r, &lack));
	cr_expect_eq(w.dialled, 0);
	cr_expect_eq(w.open, 0);
	store_close(w.store);
	os_disk_close(&f->d);
	buf_free(&w.asked);
	buf_free(&w.reply);
	buf_free(&g.pack);
	return 7;
}

Test(fetch, against_ourselves)
{
	for (size_t piece = 100000; piece; piece /= 1000)
		cr_assert_eq(os_run(against_ourselves, &piece), 7);
}

/* ---- against others ---- */
#define V2   "000eversion 2\n000eagent=x/1\n000cls-refs\n0012fetch=shallow\n0000"
#define PACK "000dpackfile\n"

struct row {
	int status;
	const char *body;
	size_t n; /* 0: its length */
	int err;
	const char *says; /* of an error */
	unsigned bytes, shallows;
};

static int one_fetch(void *arg)
{
	const struct row *row = arg;
	struct wire w = { .status = row->status, .piece = 3 };
	struct got g = { .refs = 0 };
	struct store_oid want = { { 1 } };
	struct sync_lack lack = { .wants = &want,
		.want_count = 1,
		.pack = on_pack,
		.shallow = row->shallows ? on_shallow : NULL,
		.ctx = &g };
	struct sync_remote r = remote_of(&w);
	int err;

	buf_init(&w.asked, NULL);
	buf_init(&w.reply, NULL);
	buf_init(&g.pack, NULL);
	w.body = row->n ? str_n(row->body, row->n) : str_of(row->body);
	err = sync_fetch(&r, &lack);
	cr_expect_eq(err, row->err, "%s: %d %s", row->body, err, err_text(err));
	if (row->says && err < 0)
		cr_expect(str_find(str_of(err_text(err)), str_of(row->says)) >= 0, "%s: %s",
			row->body, err_text(err));
	cr_expect_eq(g.pack.n, row->bytes, "%s: %zu", row->body, g.pack.n);
	cr_expect_eq(g.shallows, row->shallows);
	cr_expect_eq(w.open, 0);
	buf_free(&w.asked);
	buf_free(&w.reply);
	buf_free(&g.pack);
	return 7;
}

Test(fetch, answers_of_others)
{
	static struct row rows[] = {
		{ 200, PACK "0009\1PACK0007\2hi0007\1xy0000", 0, 0, NULL, 6, 0 },
		{ 200, "0011shallow-info\n0034shallow " A "0001" PACK "0006\1P0000", 0, 0, NULL, 1,
			1 },
		{ 200, "0011shallow-info\n0034shallow " A "0001" PACK "0006\1P0000", 0,
			ERR_UNSUPPORTED, "only part of the history", 0, 0 },
		{ 200, "0011shallow-info\n0036unshallow " A "0001" PACK "0000", 0, ERR_BAD,
			"boundary", 0, 0 },
		{ 200, PACK "0009\1PACK", 0, ERR_CLOSED, "ends early", 4, 0 },
		{ 200, PACK "0009\1PA", 0, ERR_BAD, "middle of a packet", 2, 0 },
		{ 200, PACK "000b\3broken0000", 0, ERR_IO, "the other side says: broken", 0, 0 },
		{ 200, "0013ERR not for you", 0, ERR_IO, "not for you", 0, 0 },
		{ 200, "0000", 0, ERR_BAD, "no pack", 0, 0 },
		{ 200, PACK "0006\1P0001", 0, ERR_CLOSED, NULL, 1, 0 },
		{ 200, PACK "0005\4", 0, ERR_BAD, "no band 4", 0, 0 },
		{ 200, PACK "0004", 0, ERR_BAD, "no band", 0, 0 },
		{ 200, PACK "fff5\1", 0, ERR_BAD, "over", 0, 0 },
		{ 200, "0003", 0, ERR_BAD, NULL, 0, 0 },
		{ 200, "<html>", 0, ERR_BAD, NULL, 0, 0 },
		{ 200, "", 0, ERR_CLOSED, NULL, 0, 0 },
		{ 401, "who are\nyou?\n", 0, ERR_DENIED, "401: who are you?", 0, 0 },
		{ 404, "", 0, ERR_NOENT, "404", 0, 0 },
		{ 503, "later", 0, ERR_BUSY, "later", 0, 0 },
		{ 500, "x", 0, ERR_IO, "500", 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_assert_eq(os_run(one_fetch, &rows[i]), 7);
}

static int one_listing(void *arg)
{
	const struct row *row = arg;
	struct wire w = { .status = 200, .piece = 100 };
	struct got g = { .refs = 0 };
	struct sync_remote r = remote_of(&w);
	int err;

	buf_init(&w.asked, NULL);
	buf_init(&w.reply, NULL);
	w.body = str_of(row->body);
	err = sync_refs(&r, STR_NONE, on_ref, &g);
	cr_expect_eq(err, row->err, "%s: %d %s", row->body, err, err_text(err));
	cr_expect_eq(w.open, 0);
	buf_free(&w.asked);
	buf_free(&w.reply);
	return 7;
}

/* The same body answers both requests. */
Test(fetch, listings_of_others)
{
	static struct row rows[] = {
		{ .body = V2, .err = ERR_BAD }, /* "version 2" is no ref */
		{ .body = "001e# service=git-upload-pack\n0000" V2, .err = ERR_BAD },
		{ .body = "000eversion 1\n0000", .err = ERR_UNSUPPORTED },
		{ .body = "000eversion 2\n000cls-refs\n0000", .err = ERR_UNSUPPORTED },
		{ .body = "000eversion 2\n000cls-refs\n000afetch\n001aobject-format=sha256\n0000",
			.err = ERR_UNSUPPORTED },
		{ .body = "<html>no git here</html>", .err = ERR_UNSUPPORTED },
		{ .body = "003d" A " refs/heads/x0000", .err = ERR_UNSUPPORTED },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_assert_eq(os_run(one_listing, &rows[i]), 7);
}
