/* SPDX-License-Identifier: ISC */
/* Messages come in: delivery and APPEND. */
#include "services/mail/mailbox_impl.h"

#include "os/time.h"

static int check_keywords(const struct str *words, size_t n)
{
	if (n > MAIL_KEYWORDS_MAX)
		return err_set(ERR_LIMIT, "mail: more than %d keywords", MAIL_KEYWORDS_MAX);
	for (size_t i = 0; i < n; i++)
		if (!mail_keyword_valid(words[i]))
			return err_set(ERR_BAD, "mail: no keyword");
	return 0;
}

static int append_one(
	uint32_t *uid, struct mail_edit *w, struct mail_place *p, const struct mail_item *item)
{
	uint32_t lane, seq;
	int64_t now = os_wall_sec();
	struct mail_line line = {
		.flags = item->flags & MAIL_FLAGS_ALL,
		.internal_sec = item->internal_sec != 0 ? item->internal_sec : now,
		.saved_sec = now,
	};
	int err = mail_keywords_apply(&line.keywords, &w->arena, STR_NONE, MAIL_FLAG_SET,
		item->keywords, item->keyword_count);
	if (err == 0)
		err = mail_edit_new_seq(&lane, &seq, w);
	return err < 0 ? err : mail_edit_enter(uid, w, p, lane, seq, &item->blob, &line);
}

int mail_append(uint32_t *uids, uint32_t *uidvalidity, struct mail_account *a, struct str mailbox,
	const struct mail_item *items, size_t n, struct mail_why why)
{
	return mail_append_commit(NULL, uids, uidvalidity, a, mailbox, items, n, why);
}

int mail_append_commit(struct store_oid *commit, uint32_t *uids, uint32_t *uidvalidity,
	struct mail_account *a, struct str mailbox, const struct mail_item *items, size_t n,
	struct mail_why why)
{
	struct mail_edit *w;
	struct mail_place p;
	int err = 0;
	if (n > MAIL_APPEND_ITEMS_MAX)
		return err_set(
			ERR_LIMIT, "mail: more than %d messages at once", MAIL_APPEND_ITEMS_MAX);
	for (size_t i = 0; err == 0 && i < n; i++)
		err = check_keywords(items[i].keywords, items[i].keyword_count);
	if (err == 0)
		err = mail_edit_begin(&w, a);
	if (err < 0)
		return err;
	err = mail_edit_place(&p, w, mailbox);
	for (size_t i = 0; err == 0 && i < n; i++)
		err = append_one(&uids[i], w, &p, &items[i]);
	if (err == 0)
		err = mail_edit_save_rec(w, &p);
	if (err < 0) {
		mail_edit_abort(w);
		return err;
	}
	*uidvalidity = p.rec.uidvalidity;
	return mail_edit_commit_id(commit, w, why.message);
}
