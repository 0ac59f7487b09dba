/* SPDX-License-Identifier: ISC */
/*
 * Verify. The check runs in a fiber of its own, so that a slow peer does not hold it up in
 * the middle of the store; the request's fiber tells how far it is.
 */
#include "os/log.h"
#include "services/control/control_impl.h"
#include "store/keep.h"

#define TELL_NS        (500 * OS_MS)
#define MISMATCHES_MAX 100 /* told one by one; all are counted */

struct check {
	struct control *c;
	struct store_verify v;
	struct os_waitq changed;
	json_t *mismatches; /* not told yet */
	uint64_t done, total;
	size_t kept;
	int err;
	bool ended, abandoned;
};

static void on_mismatch(void *ctx, struct str what)
{
	struct check *k = ctx;

	os_log(OS_ERROR, "svc=control event=mismatch what=\"%.*s\"", STR_ARG(what));
	if (k->kept++ < MISMATCHES_MAX)
		json_array_append_new(k->mismatches, control_text(what));
}

static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct check *k = ctx;

	k->done = done;
	k->total = total;
}

static void check_free(struct check *k)
{
	json_decref(k->mismatches);
	free(k);
}

static void run_check(void *arg)
{
	struct check *k = arg;

	k->err = store_verify(k->c->cfg.store, &k->v);
	k->c->verifying = false;
	k->ended = true;
	if (k->abandoned)
		check_free(k);
	else
		os_wake_all(&k->changed);
}

static int tell_mismatches(struct http_x *x, struct check *k)
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

static int tell(struct http_x *x, struct check *k)
{
	int err = tell_mismatches(x, k);

	if (err == 0)
		err = control_line(x,
			json_pack("{s:I,s:I}", "done", (json_int_t)k->done, "total",
				(json_int_t)k->total));
	return err;
}

/* 0 when the check ended and all but its last line was told; else the peer is gone. */
static int follow(struct http_x *x, struct check *k)
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

static struct check *begin(struct control *c)
{
	struct check *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->c = c;
	k->v = (struct store_verify){ .mismatch = on_mismatch, .progress = on_progress, .ctx = k };
	k->mismatches = json_array();
	if (os_spawn("verify", run_check, k) < 0) {
		check_free(k);
		return NULL;
	}
	c->verifying = true;
	return k;
}

void control_verify(struct control *c, struct http_x *x, struct str rest)
{
	struct check *k;
	int err;

	(void)rest;
	if (c->verifying) {
		control_fail(x, err_set(ERR_BUSY, "a verify is under way"), "try again later");
		return;
	}
	k = begin(c);
	if (!k) {
		control_fail(x, ERR_NOMEM, NULL);
		return;
	}
	control_lines(x);
	err = follow(x, k);
	if (!k->ended) {
		k->abandoned = true;
		return;
	}
	if (err == 0)
		err = k->err;
	if (err == 0)
		err = control_line(x,
			json_pack("{s:b,s:I,s:I,s:I}", "ok", k->v.mismatches == 0, "objects",
				(json_int_t)k->v.objects, "rows", (json_int_t)k->v.rows,
				"mismatches", (json_int_t)k->v.mismatches));
	control_lines_end(x, err);
	check_free(k);
}
