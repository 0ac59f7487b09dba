/* SPDX-License-Identifier: ISC */
/*
 * Bringing what a device pushed into the user's branch. A record, written before the device's ref moves
 * and taken away after the merge, makes sure that it happens.
 */
#include "os/log.h"
#include "sync/git_impl.h"

#define MERGE_KEY "git/merge/" /* then the ref; its value: the user */

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

int sync_merge(struct store_oid *head, struct store *s, struct str user, struct str ref)
{
	char room[sizeof("refs/heads/") + ID_USER_BYTES_MAX];
	struct str into =
		str_n(room, (size_t)snprintf(room, sizeof(room), "refs/heads/%.*s", STR_ARG(user)));
	enum store_merged how;
	struct store_oid tip;
	int err = store_ref_get(&tip, s, ref);

	if (err == ERR_NOENT) /* deleted meanwhile */
		return sync_merge_note(s, user, ref, true);
	if (err >= 0)
		err = store_merge(&how, NULL, s, into, &tip, os_after(GIT_WAIT_NS));
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
