/* SPDX-License-Identifier: ISC */
/*
 * Bringing what a device pushed into the user's branch. A record, written before the device's ref moves
 * and taken away after the merge, makes sure that it happens.
 */
#include "os/log.h"
#include "sync/git_impl.h"

#include <stdlib.h>

#define MERGE_KEY "git/merge/" /* then the ref; its value: the user */
#define STEPS_MAX 4096

int sync_merge_note(struct store *s, struct str user, struct str ref, bool merged)
{
	struct store_why why = { STR("git"), STR("git"), STR("git: to be merged"), 0 };
	char key[sizeof(MERGE_KEY) + GIT_REF_BYTES];
	struct str k =
		str_n(key, (size_t)snprintf(key, sizeof(key), MERGE_KEY "%.*s", STR_ARG(ref)));
	struct store_edit *e;
	int err = store_edit_begin(&e, s, ref, os_after(GIT_WAIT_NS));

	if (err < 0)
		return err;
	err = merged ? store_edit_local_del(e, k) : store_edit_local_put(e, k, user);
	if (err < 0) {
		store_edit_abort(e);
		return err;
	}
	return store_edit_commit(NULL, e, &why);
}

/* ---- one ref ---- */
/* The commits of a push by first parent, newest first, back to where it began. */
struct chain {
	struct store_oid *p, base;
	size_t n, cap;
	bool has_base;
};

static int add_commit(void *ctx, const struct store_commit *c)
{
	struct chain *x = ctx;

	if (x->n == STEPS_MAX || (x->has_base && store_oid_eq(&c->id, &x->base)))
		return ERR_CLOSED; /* enough */
	if (x->n == x->cap) {
		size_t cap = x->cap ? 2 * x->cap : 64;
		struct store_oid *p = realloc(x->p, cap * sizeof(*p));
		if (!p)
			return err_set(ERR_NOMEM, "git: out of memory");
		x->p = p;
		x->cap = cap;
	}
	x->p[x->n++] = c->id;
	return 0;
}

/* All of n commits at once if that can be, else the older half first. */
static int merge_steps(struct store *s, struct str into, const struct store_oid *commits, size_t n)
{
	enum store_merged how;
	int err = store_merge(&how, NULL, s, into, &commits[0], os_after(GIT_WAIT_NS));

	if (err != ERR_LIMIT || n < 2)
		return err;
	err = merge_steps(s, into, commits + n / 2, n - n / 2);
	return err < 0 ? err : merge_steps(s, into, commits, n / 2);
}

static int merge_slowly(struct store *s, struct str into, const struct store_oid *tip)
{
	struct chain x = { 0 };
	struct store_oid head;
	size_t n = 0;
	int err = store_ref_get(&head, s, into);

	if (err >= 0)
		err = store_merge_base(&x.base, &n, 1, s, &head, tip);
	x.has_base = n > 0;
	if (err >= 0 || err == ERR_NOENT)
		err = store_log(s, tip, STR(""), add_commit, &x);
	if (err >= 0)
		err = x.n > 1 ? merge_steps(s, into, x.p, x.n)
			      : err_set(ERR_LIMIT, "one commit changes too much");
	free(x.p);
	return err;
}

int sync_merge(struct store_oid *head, struct store *s, struct str user, struct str ref)
{
	char room[sizeof("refs/heads/") + ID_USER_BYTES_MAX];
	struct str into =
		str_n(room, (size_t)snprintf(room, sizeof(room), "refs/heads/%.*s", STR_ARG(user)));
	struct store_oid tip;
	enum store_merged how = STORE_MERGED_COMMIT;
	int err = store_ref_get(&tip, s, ref);

	if (err == ERR_NOENT) /* deleted meanwhile */
		return sync_merge_note(s, user, ref, true);
	if (err >= 0)
		err = store_merge(&how, NULL, s, into, &tip, os_after(GIT_WAIT_NS));
	if (err == ERR_LIMIT)
		err = merge_slowly(s, into, &tip);
	if (err >= 0)
		err = store_ref_get(head, s, into);
	if (err >= 0)
		err = sync_merge_note(s, user, ref, true);
	if (err < 0)
		os_log(OS_WARN, "svc=git event=merge result=failed ref=%.*s why=\"%s\"",
			STR_ARG(ref), err_text(err));
	else
		os_log(OS_INFO, "svc=git event=merge ref=%.*s how=%s", STR_ARG(ref),
			how == STORE_MERGED_COMMIT            ? "commit"
				: how == STORE_MERGED_FORWARD ? "forward"
							      : "nothing");
	return err;
}

static int resume_one(void *ctx, struct str key, struct str user)
{
	const struct git_config *cfg = ctx;
	char ref[GIT_REF_BYTES + 1], name[ID_USER_BYTES_MAX + 1];
	struct store_oid head;

	key = str_sub(key, sizeof(MERGE_KEY) - 1, key.n);
	if (key.n >= sizeof(ref) || user.n >= sizeof(name))
		return 0;
	memcpy(ref, key.p, key.n); /* borrowed only until something is written */
	memcpy(name, user.p, user.n);
	if (sync_merge(&head, cfg->store, str_n(name, user.n), str_n(ref, key.n)) < 0)
		return 0; /* it said why; another time */
	return 0;
}

void git_resume(const struct git_config *cfg)
{
	int err = store_local_scan(cfg->store, STR(MERGE_KEY), STR_NONE, resume_one, (void *)cfg);

	if (err < 0)
		os_log(OS_WARN, "svc=git event=resume result=failed why=\"%s\"", err_text(err));
}
