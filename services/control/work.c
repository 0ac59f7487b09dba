/* SPDX-License-Identifier: ISC */
/*
 * Long work: verify and sweep, one at a time. It runs in a fiber of its own, so that a slow peer does
 * not hold it up in the middle of the store; the request's fiber tells how far it is.
 */
#include "os/log.h"
#include "services/control/control_impl.h"
#include "store/keep.h"

#define TELL_NS        (500 * OS_MS)
#define DAYS_MAX       36500
#define MISMATCHES_MAX 100 /* told one by one; all are counted */

struct work {
	struct control *c;
	int (*run)(struct work *k); /* the work itself. BLOCKS */
	struct store_verify v;
	struct store_sweep s;
	struct os_waitq changed;
	json_t *mismatches; /* not told yet */
	uint64_t done, total;
	size_t kept;
	int err;
	bool ended, abandoned;
};

static void on_mismatch(void *ctx, struct str what)
{
	struct work *k = ctx;

	os_log(OS_ERROR, "svc=control event=mismatch what=\"%.*s\"", STR_ARG(what));
	if (k->kept++ < MISMATCHES_MAX)
		json_array_append_new(k->mismatches, control_text(what));
}

static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct work *k = ctx;

	k->done = done;
	k->total = total;
}

static int verify(struct work *k)
{
	k->v = (struct store_verify){ .mismatch = on_mismatch, .progress = on_progress, .ctx = k };
	return store_verify(k->c->cfg.store, &k->v);
}

static int sweep(struct work *k)
{
	k->s = (struct store_sweep){ .progress = on_progress, .ctx = k };
	return store_sweep(k->c->cfg.store, &k->s);
}

static void work_free(struct work *k)
{
	json_decref(k->mismatches);
	free(k);
}

static void run_work(void *arg)
{
	struct work *k = arg;

	k->err = k->run(k);
	k->c->working = false;
	k->ended = true;
	if (k->abandoned)
		work_free(k);
	else
		os_wake_all(&k->changed);
}

static int tell_mismatches(struct http_x *x, struct work *k)
{
	json_t *list = k->mismatches, *one;
	size_t i;
	int err = 0;

	k->mismatches = json_array(); /* more may come while we send */
	json_array_foreach(list, i, one) if (err == 0) err =
		control_line(x, json_pack("{s:O}", "mismatch", one));
	json_decref(list);
	return err;
}

static int tell(struct http_x *x, struct work *k)
{
	int err = tell_mismatches(x, k);

	if (err == 0)
		err = control_line(x,
			json_pack("{s:I,s:I}", "done", (json_int_t)k->done, "total",
				(json_int_t)k->total));
	return err;
}

/* 0 when the work ended and all but its last line was told; else the peer is gone. */
static int follow(struct http_x *x, struct work *k)
{
	while (!k->ended) {
		int err = os_wait(&k->changed, os_after(TELL_NS));

		if (err < 0 && err != ERR_TIMEOUT)
			return err;
		err = tell(x, k);
		if (err < 0)
			return err;
	}
	return tell_mismatches(x, k);
}

/* NULL: an error was replied. */
static struct work *begin(struct control *c, struct http_x *x, int (*run)(struct work *k))
{
	struct work *k = NULL;

	if (c->working) {
		control_fail(x, err_set(ERR_BUSY, "a verify or a sweep is under way"),
			"try again later");
		return NULL;
	}
	k = calloc(1, sizeof(*k));
	if (k) {
		k->c = c;
		k->run = run;
		k->mismatches = json_array();
	}
	if (!k || os_spawn("work", run_work, k) < 0) {
		if (k)
			work_free(k);
		control_fail(x, ERR_NOMEM, NULL);
		return NULL;
	}
	c->working = true;
	return k;
}

static json_t *verified(const struct work *k)
{
	return json_pack("{s:b,s:I,s:I,s:I}", "ok", k->v.mismatches == 0, "objects",
		(json_int_t)k->v.objects, "rows", (json_int_t)k->v.rows, "mismatches",
		(json_int_t)k->v.mismatches);
}

static json_t *swept(const struct work *k)
{
	return json_pack("{s:b,s:I,s:I,s:I,s:I}", "ok", 1, "objects", (json_int_t)k->s.objects,
		"kept", (json_int_t)k->s.kept, "moved_bytes", (json_int_t)k->s.moved_bytes,
		"freed_bytes", (json_int_t)k->s.freed_bytes);
}

static void work(struct control *c, struct http_x *x, int (*run)(struct work *k),
	json_t *(*result)(const struct work *k))
{
	struct work *k = begin(c, x, run);
	int err;

	if (!k)
		return;
	control_lines(x);
	err = follow(x, k);
	if (!k->ended) {
		k->abandoned = true;
		return;
	}
	if (err == 0)
		err = k->err;
	if (err == 0)
		err = control_line(x, result(k));
	control_lines_end(x, err);
	work_free(k);
}

void control_verify(struct control *c, struct http_x *x, struct str rest)
{
	(void)rest;
	work(c, x, verify, verified);
}

void control_sweep(struct control *c, struct http_x *x, struct str rest)
{
	(void)rest;
	work(c, x, sweep, swept);
}

/* ---- how much history is kept ---- */
/* {ref?, keep_days?, keep_days_min?} -> what holds for it now. */
void control_keeping(struct control *c, struct http_x *x, struct str rest)
{
	struct store_horizon h = { 0 };
	struct str user = control_param(x, "user"), ref, days = control_param(x, "keep_days"),
		   least = control_param(x, "keep_days_min");
	uint64_t n;
	int err;

	(void)rest;
	ref = arena_fmt(&x->arena, "refs/heads/%.*s", STR_ARG(user));
	if (!user.n) {
		control_fail(x, err_set(ERR_BAD, "whose history: the user is missing"), NULL);
		return;
	}
	err = store_horizon_get(&h, c->cfg.store, ref);
	if (err == 0 && days.p && (err = str_u64(&n, days, DAYS_MAX)) == 0)
		h.keep_days = (uint32_t)n;
	if (err == 0 && least.p && (err = str_u64(&n, least, DAYS_MAX)) == 0)
		h.keep_days_min = (uint32_t)n;
	if (err == ERR_BAD || err == ERR_LIMIT)
		err = err_set(ERR_BAD, "days are a number up to %d", DAYS_MAX);
	if (err == 0 && str_eq(x->method, STR("POST")))
		err = store_horizon_set(c->cfg.store, ref, &h);
	if (err < 0)
		control_fail(x, err, NULL);
	else
		control_reply(x, 200,
			json_pack("{s:s%,s:i,s:i}", "user", user.p, user.n, "keep_days",
				(int)h.keep_days, "keep_days_min", (int)h.keep_days_min));
}
