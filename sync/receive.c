/* SPDX-License-Identifier: ISC */
/*
 * receive-pack: what a device pushes is taken in, checked, made visible, merged; then the answer says
 * what became of it (gitprotocol-pack(5), "Pushing data").
 *
 * For whom something may be pushed (git_push_ref) depends on what was shown at the door: who has an app
 * password may push for each of the user's devices, a device with its token for itself.
 */
#include "os/log.h"
#include "os/platform.h"
#include "store/exchange.h"
#include "sync/git_impl.h"

#include <stdlib.h>

#define RESULT_TYPE   "application/x-git-receive-pack-result"
#define PACK_MAX      (2ull << 30) /* bytes, as it comes */
#define TOTAL_MAX     (4ull << 30) /* unpacked */
#define OBJECT_MAX    (64ull << 20)
#define OBJECT_COST   (3 * 32) /* bytes of free memory an object of a push needs */
#define OBJECTS_LEAST 20000
#define OBJECTS_MOST  10000000
#define DEPTH_MAX     4095 /* of deltas; git's own limit */
#define AT_ONCE_MAX   6    /* pushes under way: each may hold some megabytes */
#define WAITING_MAX   32   /* more for their turn */
#define HAVES_BACK    512  /* commits before the tip that are looked at */

/* ---- one push ---- */
struct outcome {
	struct str device;
	bool refused;
	char why[256];
};
struct push {
	struct git_repo *r;
	struct git_body *body;
	struct git_moves q;
	struct git_refs refs;
	struct str *mine; /* their names */
	struct outcome *out;
	struct store_receive *rx;
	uint64_t bytes;
	bool unpack_failed;
	char unpack_why[256];
};

static unsigned under_way, waiting;
static struct os_waitq may_begin = OS_WAITQ;

/* One line for a person's terminal. */
static void plain(char *out, size_t cap, const char *text)
{
	snprintf(out, cap, "%s", text);
	for (char *c = out; *c; c++)
		if ((uint8_t)*c < ' ' || *c == 127)
			*c = '?';
		else if (*c == '"') /* logged between quotes */
			*c = '\'';
}

static void refuse(struct outcome *o, int err)
{
	o->refused = true;
	plain(o->why, sizeof(o->why), err_text(err));
}

static void say(struct push *p, const char *fmt, ...) PRINTF(2, 3);
static void say(struct push *p, const char *fmt, ...)
{
	char text[512];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (p->q.side_band_64k && n > 0 && git_band(p->r->x, 2, str_of(text), PKT_DATA_MAX - 1) < 0)
		return; /* who is gone will be noticed by the report */
}

/* ---- reading ---- */
static int read_moves(struct str *rest, struct push *p, struct pkt_reader *in)
{
	struct pkt pkt;
	int err;

	*rest = STR("");
	while (!p->q.ended) {
		err = pkt_next(&pkt, in, rest);
		if (err >= 0) {
			err = git_moves_take(&p->q, &pkt);
		} else if (err == ERR_AGAIN) {
			err = git_body_next(rest, p->body);
			if (err >= 0 && rest->n == 0)
				err = err_set(ERR_BAD, "git: the request ends early");
		}
		if (err < 0)
			return err;
	}
	return 0;
}

static void unpack_failed(struct push *p, int err)
{
	p->unpack_failed = true;
	plain(p->unpack_why, sizeof(p->unpack_why), err_text(err));
}

static int begin_receive(struct push *p)
{
	uint64_t total, left, objects;
	struct store_receive_limits limits = {
		.pack_bytes_max = PACK_MAX,
		.object_bytes_max =
			p->r->cfg->object_bytes_max ? p->r->cfg->object_bytes_max : OBJECT_MAX,
		.total_bytes_max = TOTAL_MAX,
		.delta_depth_max = DEPTH_MAX,
	};

	plat_memory(&total, &left);
	objects = left / OBJECT_COST;
	objects = objects < OBJECTS_LEAST ? OBJECTS_LEAST : objects;
	limits.objects_max = (uint32_t)(objects < OBJECTS_MOST ? objects : OBJECTS_MOST);
	return store_receive_begin(&p->rx, p->r->store, &limits);
}

/* The whole body in any case: a client listens only when it has said everything. */
static int read_pack(struct push *p, struct str bytes, bool wanted)
{
	int err = wanted ? begin_receive(p) : 0;

	while (true) {
		int gone;

		if (err >= 0 && p->rx)
			err = store_receive_write(p->rx, bytes);
		if (err < 0 && !p->unpack_failed)
			unpack_failed(p, err);
		p->bytes += bytes.n;
		gone = git_body_next(&bytes, p->body);
		if (gone < 0)
			return gone;
		if (bytes.n == 0)
			break;
	}
	if (err >= 0 && p->rx && (err = store_receive_finish(p->rx)) < 0)
		for (size_t i = 0; i < p->q.n; i++)
			if (!p->out[i].refused)
				refuse(&p->out[i], err);
	return 0;
}

/* ---- judging ---- */
static const struct store_oid *now_at(const struct push *p, struct str ref)
{
	for (size_t i = 0; i < p->refs.n; i++)
		if (str_eq(p->refs.p[i].name, ref))
			return &p->refs.p[i].id;
	return NULL;
}

static int check_place(struct push *p, struct outcome *o, const struct git_move *m)
{
	const struct store_oid *now = now_at(p, m->ref);
	int err = git_push_ref(&o->device, p->r->user, p->r->device, m->ref);

	if (err < 0)
		return err;
	if (!now != !m->has_from || (now && !store_oid_eq(now, &m->from)))
		return err_set(ERR_CONFLICT, "it has moved meanwhile: fetch first");
	return now || m->has_to ? 0 : err_set(ERR_NOENT, "there is no such ref");
}

static int is_before(
	bool *yes, struct store *s, const struct store_oid *a, const struct store_oid *b)
{
	return store_reached(yes, s, b, 1, a, 1);
}

static int check_delete(struct push *p, const struct git_move *m)
{
	bool merged = false;
	int err = 0;

	if (p->refs.tip)
		err = is_before(&merged, p->r->store, &m->from, &p->refs.tip->id);
	if (err >= 0 && !merged)
		err = err_set(ERR_DENIED, "what it holds is not merged yet");
	return err;
}

static int check_move(struct push *p, const struct outcome *o, const struct git_move *m)
{
	struct git_push what = { p->r->user, o->device, &m->to };
	bool forward = true;
	int err;

	if (!m->has_to)
		return check_delete(p, m);
	err = store_receive_check(p->rx, &m->to, p->mine, p->refs.n);
	if (err >= 0 && m->has_from)
		err = is_before(&forward, p->r->store, &m->from, &m->to);
	if (err >= 0 && !forward)
		err = err_set(ERR_DENIED,
			"a device's ref moves forward only: it stands at commits this push lacks");
	return err < 0 ? err : p->r->cfg->check_push(p->r->cfg->ctx, &what);
}

/* ---- making it so ---- */
static int move_refs(struct push *p, size_t from, size_t to)
{
	struct arena *a = &p->r->x->arena;
	struct store_ref_move *moves = arena_alloc(a, (to - from) * sizeof(*moves));
	struct str user = p->r->user, domain = id_domain(p->r->cfg->registry);
	struct store_why why = { user, arena_fmt(a, "%.*s@%.*s", STR_ARG(user), STR_ARG(domain)),
		STR("git push"), 0 };
	int err = moves ? 0 : err_set(ERR_LIMIT, "git: no room for the request");

	for (size_t i = from; i < to && err >= 0; i++) {
		struct git_move *m = &p->q.p[i];
		moves[i - from] = (struct store_ref_move){ m->ref, m->has_from ? &m->from : NULL,
			m->has_to ? &m->to : NULL };
		if (m->has_to)
			err = sync_merge_note(p->r->store, user, m->ref, false);
	}
	if (err >= 0)
		err = store_ref_update(p->r->store, moves, to - from, &why, os_after(GIT_WAIT_NS));
	return err == ERR_CONFLICT ? err_set(err, "it has moved meanwhile: fetch first") : err;
}

static int merge_one(struct push *p, const struct git_move *m)
{
	struct store_oid head;
	char hex[STORE_HEX];
	int err = sync_merge(&head, p->r->store, p->r->user, m->ref);

	if (err == ERR_LIMIT)
		return err_set(err,
			"too much at once to be merged: push commit by commit, each of "
			"some thousand changes");
	if (err < 0)
		say(p, "kept, but not yet merged into %.*s: %s\n", STR_ARG(p->refs.head),
			err_text(err));
	else if (!store_oid_eq(&head, &m->to))
		say(p, "merged into %.*s: %.10s (git fetch brings it)\n", STR_ARG(p->refs.head),
			store_oid_hex(hex, &head));
	return 0;
}

/* What could never be merged must not stand between the device and its next push. */
static int take_back(struct push *p, size_t from, size_t to)
{
	struct store_why why = { p->r->user, STR("git"), STR("git push taken back"), 0 };
	int err = 0;

	for (size_t i = from; i < to && err >= 0; i++) {
		struct git_move *m = &p->q.p[i];
		struct store_ref_move back = { m->ref, m->has_to ? &m->to : NULL,
			m->has_from ? &m->from : NULL };
		err = store_ref_update(p->r->store, &back, 1, &why, os_after(GIT_WAIT_NS));
		if (err >= 0)
			err = sync_merge_note(p->r->store, p->r->user, m->ref, true);
	}
	return err;
}

static void make_visible(struct push *p, size_t from, size_t to)
{
	int err = move_refs(p, from, to), back = 0;
	bool moved = err >= 0;

	for (size_t i = from; i < to && err >= 0; i++)
		if (p->q.p[i].has_to)
			err = merge_one(p, &p->q.p[i]);
	for (size_t i = from; i < to; i++) {
		struct git_move *m = &p->q.p[i];
		char hex[STORE_HEX];

		if (err < 0)
			refuse(&p->out[i], err);
		else
			os_log(OS_INFO,
				"svc=git event=push user=%.*s ref=%.*s tip=%.10s bytes=%llu",
				STR_ARG(p->r->user), STR_ARG(m->ref),
				m->has_to ? store_oid_hex(hex, &m->to) : "none",
				(unsigned long long)p->bytes);
	}
	if (moved && err < 0)
		back = take_back(p, from, to);
	if (back < 0)
		os_log(OS_WARN, "svc=git event=push result=not-taken-back user=%.*s why=\"%s\"",
			STR_ARG(p->r->user), err_text(back));
}

/* All or nothing: one refused, all are. */
static void judge_atomic(struct push *p)
{
	bool refused = false;

	for (size_t i = 0; i < p->q.n; i++)
		refused |= p->out[i].refused;
	for (size_t i = 0; i < p->q.n && refused; i++)
		if (!p->out[i].refused)
			refuse(&p->out[i],
				err_set(ERR_DENIED,
					"another ref was refused, and the "
					"push is to be atomic"));
	if (!refused)
		make_visible(p, 0, p->q.n);
}

static void judge(struct push *p)
{
	for (size_t i = 0; i < p->q.n; i++) {
		struct outcome *o = &p->out[i];
		int err = o->refused ? 0 : check_move(p, o, &p->q.p[i]);

		if (err < 0)
			refuse(o, err);
		else if (!o->refused && !p->q.atomic)
			make_visible(p, i, i + 1);
	}
	if (p->q.atomic)
		judge_atomic(p);
}

/* ---- the answer ---- */
static void hint(struct push *p, const struct git_move *m)
{
	struct str device = p->r->device.n ? p->r->device : STR("NAME");

	if (!str_eq(m->ref, p->refs.head))
		return;
	say(p,
		"%.*s is written by this server alone. Push to a ref of this device:\n"
		"    git push origin HEAD:refs/devices/%.*s/%.*s\n"
		"It is merged at once; then `git pull` brings the result.\n",
		STR_ARG(m->ref), STR_ARG(device), STR_ARG(p->r->user));
}

static int report(struct push *p)
{
	struct http_x *x = p->r->x;
	struct buf b;
	int err;

	buf_init(&b, &x->arena);
	pkt_line(&b, "unpack %s\n", p->unpack_failed ? p->unpack_why : "ok");
	for (size_t i = 0; i < p->q.n; i++) {
		struct str ref = p->q.p[i].ref;
		if (!p->out[i].refused)
			pkt_line(&b, "ok %.*s\n", STR_ARG(ref));
		else
			pkt_line(&b, "ng %.*s %s\n", STR_ARG(ref), p->out[i].why);
	}
	buf_addz(&b, "0000");
	if (b.err < 0)
		return b.err;
	if (!p->q.report)
		return 0;
	if (!p->q.side_band_64k)
		return http_send(x, buf_str(&b));
	err = git_band(x, 1, buf_str(&b), PKT_DATA_MAX - 1);
	return err < 0 ? err : http_send(x, STR("0000"));
}

static void answer(struct push *p)
{
	struct http_x *x = p->r->x;

	http_header(x, "Content-Type", STR(RESULT_TYPE));
	http_begin(x, 200, HTTP_CHUNKED);
	for (size_t i = 0; i < p->q.n; i++) {
		if (p->unpack_failed && !p->out[i].refused)
			refuse(&p->out[i], err_set(ERR_BAD, "unpacker error"));
		if (p->out[i].refused)
			hint(p, &p->q.p[i]);
	}
	if (under_way == 1) /* nobody is between the record and the ref */
		git_resume(p->r->cfg);
	judge(p);
	for (size_t i = 0; i < p->q.n; i++)
		if (p->out[i].refused)
			os_log(OS_INFO,
				"svc=git event=push result=refused user=%.*s ref=%.*s why=\"%s\"",
				STR_ARG(p->r->user), STR_ARG(p->q.p[i].ref),
				p->unpack_failed ? p->unpack_why : p->out[i].why);
	if (report(p) < 0 || http_end(x) < 0)
		os_log(OS_INFO, "svc=git event=push result=unheard user=%.*s", STR_ARG(p->r->user));
}

static int take_in(struct push *p, struct str rest)
{
	struct arena *a = &p->r->x->arena;
	bool pack = false, wanted = false;
	int err = git_refs_load(&p->refs, p->r);

	if (err < 0)
		return err;
	p->out = arena_zalloc(a, p->q.n * sizeof(*p->out));
	p->mine = arena_alloc(a, (p->refs.n + 1) * sizeof(*p->mine));
	if (!p->out || !p->mine)
		return err_set(ERR_LIMIT, "git: no room for the request");
	for (size_t i = 0; i < p->refs.n; i++)
		p->mine[i] = p->refs.p[i].name;
	for (size_t i = 0; i < p->q.n; i++) {
		const struct git_move *m = &p->q.p[i];
		err = check_place(p, &p->out[i], m);
		if (err < 0)
			refuse(&p->out[i], err);
		pack |= m->has_to;
		wanted |= m->has_to && err >= 0;
	}
	err = pack ? read_pack(p, rest, wanted) : 0;
	if (err >= 0)
		answer(p);
	store_receive_end(p->rx);
	return err;
}

static void serve(struct push *p)
{
	struct http_x *x = p->r->x;
	struct pkt_reader *in = ARENA_NEW(&x->arena, struct pkt_reader);
	struct str rest;
	int err = in ? 0 : err_set(ERR_LIMIT, "git: no room for the request");

	git_moves_init(&p->q);
	if (err >= 0)
		err = git_body_begin(&p->body, x, 2 * PACK_MAX);
	if (err >= 0)
		err = read_moves(&rest, p, in);
	if (err >= 0 && p->q.n == 0) { /* git asks so whether it may come with more */
		http_header(x, "Content-Type", STR(RESULT_TYPE));
		http_reply(x, 200, STR(""));
	} else if (err >= 0) {
		err = take_in(p, rest);
	}
	if (err < 0) {
		char text[256];
		plain(text, sizeof(text), err_text(err));
		os_log(OS_INFO, "svc=git event=push result=malformed user=%.*s why=\"%s\"",
			STR_ARG(p->r->user), text);
		http_reply_text(x, 400, text);
	}
	git_body_end(p->body);
	git_moves_free(&p->q);
}

static bool take_turn(void)
{
	os_time deadline = os_after(GIT_WAIT_NS);
	int err = 0;

	if (under_way >= AT_ONCE_MAX && waiting >= WAITING_MAX)
		return false;
	waiting++;
	while (under_way >= AT_ONCE_MAX && err >= 0)
		err = os_wait(&may_begin, deadline);
	waiting--;
	under_way += err >= 0;
	return err >= 0;
}

void git_receive(struct git_repo *r)
{
	struct push *p;

	if (!r->cfg || !r->cfg->check_push) {
		git_refuse(r->x, RESULT_TYPE, "this repository is to be read, not pushed to");
		return;
	}
	p = ARENA_NEW(&r->x->arena, struct push);
	if (!p || !take_turn()) {
		http_header(r->x, "Retry-After", STR("10"));
		http_reply_text(r->x, 503, "too many push at once: try again soon\n");
		return;
	}
	p->r = r;
	serve(p);
	under_way--;
	os_wake_one(&may_begin);
}
