/* SPDX-License-Identifier: ISC */
#include "services/mail/words_impl.h"

static bool speaks(void *ctx, const struct store_oid *tree)
{
	struct mail *m = ctx;
	struct store_entry e;
	return store_find(&e, m->s, tree, STR(".lanes")) == 0 && e.kind == STORE_BLOB;
}

int mail_words_account(struct mail_account **out, struct mail *m, struct str ref)
{
	struct store_oid head;
	struct store_commit c;
	struct arena a;
	arena_init(&a, 256 * 1024);
	bool yes = str_starts(ref, STR("refs/heads/")) && store_ref_get(&head, m->s, ref) == 0 &&
		store_commit_get(&c, &a, m->s, &head) == 0 && speaks(m, &c.tree);
	arena_free(&a);
	if (!yes)
		return err_set(ERR_UNSUPPORTED, "%.*s holds no mail", STR_ARG(ref));
	return mail_account_open(out, m, str_sub(ref, 11, ref.n));
}

/* ---- diff ---- */
static int box_changes(
	const struct mail_compare *c, const struct mail_scope *sc, control_row_fn *fn, void *to)
{
	int err = 0;
	for (size_t i = 0; err == 0 && i < c->pair_count && !sc->message; i++) {
		const struct mail_half *old = &c->pairs[i].side[MAIL_OLD];
		const struct mail_half *new = &c->pairs[i].side[MAIL_NEW];
		bool named = (old->at.present && mail_scope_box(sc, old->name)) ||
			(new->at.present &&mail_scope_box(sc, new->name));
		if (!named)
			continue;
		if (!old->at.present)
			err = fn(to, mail_box_row(MAIL_BOX_MADE, &c->pairs[i], false));
		else if (!new->at.present)
			err = fn(to, mail_box_row(MAIL_BOX_REMOVED, &c->pairs[i], false));
		else if (!str_eq(old->name, new->name))
			err = fn(to, mail_box_row(MAIL_BOX_RENAMED, &c->pairs[i], false));
		else if (old->file.use != new->file.use ||
			old->file.subscribed != new->file.subscribed)
			err = fn(to, mail_box_row(MAIL_BOX_CHANGED, &c->pairs[i], false));
	}
	return err;
}

static bool named(const struct mail_compare *c, uint32_t pair, const struct mail_scope *sc)
{
	for (int k = 0; k < 2; k++) {
		const struct mail_half *h = &c->pairs[pair].side[k];
		if (h->at.present && mail_scope_box(sc, h->name))
			return true;
	}
	return false;
}

static int message_changes(
	struct mail_compare *c, const struct mail_scope *sc, control_row_fn *fn, void *to)
{
	struct mail_change *changes;
	size_t n;
	int err;
	while ((err = mail_compare_next(&changes, &n, c)) == 0 && n > 0) {
		for (size_t i = 0; err == 0 && i < n; i++) {
			const struct mail_change *ch = &changes[i];
			if (mail_scope_message(sc, ch->lane, ch->seq) &&
				(named(c, ch->from, sc) || named(c, ch->to, sc)))
				err = fn(to, mail_message_row(c, ch, false));
		}
		if (err < 0)
			break;
		os_yield();
	}
	return err;
}

static int diff(void *ctx, struct str ref, const struct store_oid *old_tree,
	const struct store_oid *new_tree, struct str path, control_row_fn *fn, void *to)
{
	struct mail *m = ctx;
	struct mail_account *acct;
	struct mail_compare *c;
	struct mail_scope sc;
	struct arena a;
	int err = mail_words_account(&acct, m, ref);
	if (err < 0)
		return err;
	arena_init(&a, 256 * 1024);
	err = mail_scope_parse(&sc, &a, acct, path, new_tree, old_tree);
	if (err == 0)
		err = mail_compare_begin(&c, m->s, old_tree, new_tree);
	if (err == 0) {
		err = box_changes(c, &sc, fn, to);
		if (err == 0)
			err = message_changes(c, &sc, fn, to);
		mail_compare_end(c);
	}
	arena_free(&a);
	return err;
}

/* ---- restore ---- */
static int told(void *ctx, const struct mail_compare *c, const struct mail_restore_told *what)
{
	struct control_restore *r = ctx;
	if (what->message != NULL)
		return r->row(r->ctx, mail_message_row(c, what->message, true));
	return r->row(r->ctx, mail_box_row(what->done, what->box, true));
}

static int restore(void *ctx, struct control_restore *r)
{
	struct mail_account *acct;
	struct mail_restore x = {
		.path = r->path,
		.to = r->to,
		.from = r->from,
		.undo = r->undo,
		.exact = r->exact,
		.dry_run = r->dry_run,
		.told = told,
		.ctx = r,
	};
	int err = mail_words_account(&acct, ctx, r->ref);
	if (err == 0)
		err = mail_restore(&x, acct);
	r->before = x.before;
	r->first = x.first;
	r->last = x.last;
	r->commits = x.commits;
	r->counts = json_pack("{s:I,s:I,s:I,s:I,s:I}", "back", (json_int_t)x.back, "moved",
		(json_int_t)x.moved, "flags", (json_int_t)x.flags, "removed", (json_int_t)x.removed,
		"mailboxes", (json_int_t)x.boxes);
	return err;
}

void mail_words(struct control_words *out, struct mail *m)
{
	*out = (struct control_words){
		.speaks = speaks,
		.diff = diff,
		.log = mail_words_log,
		.last = mail_words_last,
		.restore = restore,
		.ctx = m,
	};
}
