/* SPDX-License-Identifier: ISC */
/* Flags of messages, and their removal. Computed from the branch as the edit finds it. */
#include "services/mail/mailbox_impl.h"

static int check_change(const struct mail_box *b, const struct mail_flag_change *c, bool adds)
{
	unsigned count = b->keyword_count;
	for (size_t i = 0; i < c->keyword_count; i++) {
		bool known = false;
		if (!mail_keyword_valid(c->keywords[i]))
			return err_set(ERR_BAD, "mail: no keyword");
		for (unsigned k = 0; k < b->keyword_count; k++)
			known = known || str_ieq(str_of(b->keywords[k]), c->keywords[i]);
		count += !known;
	}
	if (adds && count > MAIL_KEYWORDS_MAX)
		return err_set(
			ERR_LIMIT, "mail: more than %d keywords in a mailbox", MAIL_KEYWORDS_MAX);
	return 0;
}

struct flagging {
	struct mail_edit *w;
	struct mail_place place;
	enum mail_flag_op op;
	const struct mail_flag_change *change;
	uint64_t unchanged_since;
	uint32_t *failed;
	size_t failed_count;
	bool changed;
};

static int flag_line(struct flagging *f, struct mail_line *line)
{
	uint32_t flags = f->change->flags & MAIL_FLAGS_ALL;
	struct str keywords = line->keywords;
	if (f->op == MAIL_FLAG_ADD)
		flags |= line->flags;
	else if (f->op == MAIL_FLAG_DEL)
		flags = line->flags & ~flags;
	int err = 0;
	if (f->op == MAIL_FLAG_SET || f->change->keyword_count > 0)
		err = mail_keywords_apply(&keywords, &f->w->slot[0].arena, line->keywords, f->op,
			f->change->keywords, f->change->keyword_count);
	if (err < 0 || (flags == line->flags && str_eq(keywords, line->keywords)))
		return err;
	line->flags = flags;
	line->keywords = keywords;
	f->w->slot[0].dirty = f->changed = true;
	return 0;
}

static int flag_one(struct flagging *f, const struct mail_pick *p)
{
	struct mail_uid_rec rec;
	struct mail_leaf *leaf;
	int err = mail_edit_uid(&rec, f->w, &f->place, p->lane, p->seq);
	if (err == ERR_NOENT || (err == 0 && rec.uid != p->uid))
		return 0;
	if (err == 0 && f->unchanged_since > 0 &&
		(rec.modseq == 0 || rec.modseq > f->unchanged_since)) {
		f->failed[f->failed_count++] = p->uid;
		return 0;
	}
	if (err == 0)
		err = mail_edit_leaf(&leaf, f->w, 0, &f->place, p->lane, p->seq);
	if (err < 0)
		return err;
	struct mail_line *line = mail_leaf_find(leaf, p->seq);
	return line != NULL ? flag_line(f, line) : 0;
}

static int by_uid(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

/* One edit. */
static int flag_some(struct flagging *f, struct mail_box *b, const uint32_t *uids, size_t n)
{
	struct mail_pick *picks = NULL;
	size_t count = 0;
	f->changed = false;
	/* \Deleted comes before every EXPUNGE. */
	int err = mail_edit_begin_reserved(&f->w, b->acct);
	if (err < 0)
		return err;
	err = mail_edit_box(&f->place, f->w, b);
	if (err == 0)
		err = mail_pick(&picks, &count, b, uids, n);
	mail_pick_sort_identity(picks, count);
	for (size_t i = 0; err == 0 && i < count; i++)
		err = flag_one(f, &picks[i]);
	free(picks);
	if (err == 0 && f->changed)
		return mail_edit_commit(f->w, STR("imap: flags"));
	mail_edit_abort(f->w);
	return err;
}

int mail_flags(struct mail_box *b, const uint32_t *uids, size_t n, enum mail_flag_op op,
	const struct mail_flag_change *change, uint64_t unchanged_since, uint32_t *failed,
	size_t *failed_count)
{
	struct flagging f = { .op = op, .change = change, .unchanged_since = unchanged_since };
	int err = check_change(b, change, op != MAIL_FLAG_DEL);
	f.failed = failed;
	for (size_t i = 0; err == 0 && i < n; i += MAIL_CHUNK)
		err = flag_some(&f, b, uids + i, n - i < MAIL_CHUNK ? n - i : MAIL_CHUNK);
	if (f.failed_count > 1)
		qsort(failed, f.failed_count, sizeof(*failed), by_uid);
	if (failed_count != NULL)
		*failed_count = f.failed_count;
	return err;
}

/* ---- expunge ---- */
static int expunge_one(bool *changed, struct mail_edit *w, const struct mail_place *place,
	const struct mail_pick *p)
{
	struct mail_uid_rec rec;
	struct mail_leaf *leaf;
	int err = mail_edit_uid(&rec, w, place, p->lane, p->seq);
	if (err == ERR_NOENT || (err == 0 && rec.uid != p->uid))
		return 0;
	if (err == 0)
		err = mail_edit_leaf(&leaf, w, 0, place, p->lane, p->seq);
	if (err < 0)
		return err;
	struct mail_line *line = mail_leaf_find(leaf, p->seq);
	if (line == NULL || !(line->flags & MAIL_DELETED))
		return 0;
	*changed = true;
	return mail_edit_leave(w, place, p->lane, p->seq);
}

static int expunge_some(struct mail_box *b, const uint32_t *uids, size_t n)
{
	struct mail_edit *w;
	struct mail_place place;
	struct mail_pick *picks = NULL;
	size_t count = 0;
	bool changed = false;
	int err = mail_edit_begin_reserved(&w, b->acct);
	if (err < 0)
		return err;
	err = mail_edit_box(&place, w, b);
	if (err == 0)
		err = mail_pick(&picks, &count, b, uids, n);
	mail_pick_sort_identity(picks, count);
	for (size_t i = 0; err == 0 && i < count; i++)
		err = expunge_one(&changed, w, &place, &picks[i]);
	free(picks);
	if (err == 0 && changed)
		return mail_edit_commit(w, STR("imap: expunge"));
	mail_edit_abort(w);
	return err;
}

/* All that are \Deleted; malloc'ed. */
static int deleted_uids(uint32_t **out, size_t *n, const struct mail_box *b)
{
	uint32_t *uids = malloc((b->count.deleted + 1) * sizeof(*uids));
	if (uids == NULL)
		return err_set(ERR_NOMEM, "mail: no memory for %u messages", b->count.deleted);
	*n = 0;
	for (size_t i = 0; i < b->n && *n < b->count.deleted; i++)
		if (b->msgs[i].flags & MAIL_DELETED)
			uids[(*n)++] = b->msgs[i].uid;
	*out = uids;
	return 0;
}

int mail_expunge(struct mail_box *b, const uint32_t *uids, size_t n)
{
	uint32_t *all = NULL;
	int err = uids == NULL ? deleted_uids(&all, &n, b) : 0;
	if (uids == NULL)
		uids = all;
	for (size_t i = 0; err == 0 && i < n; i += MAIL_CHUNK)
		err = expunge_some(b, uids + i, n - i < MAIL_CHUNK ? n - i : MAIL_CHUNK);
	free(all);
	return err;
}
