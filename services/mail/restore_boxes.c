/* SPDX-License-Identifier: ISC */
/* Mailboxes made, renamed and removed in the edit under way. */
#include "services/mail/restore_impl.h"

static const char *const carried_names[] = { "/.m", "/.f", "/.mailbox" };

int restore_tell_box(struct restoring *g, enum mail_done done, uint32_t pair)
{
	int err = mail_grow(&g->told, &g->told_cap, g->told_count, sizeof(*g->told));
	if (err < 0)
		return err;
	g->told[g->told_count++] = (struct box_done){ done, pair };
	g->changed = g->changed || done != MAIL_BOX_KEPT;
	return 0;
}

static struct mail_half *half(const struct restoring *g, size_t i, int side)
{
	return &g->c->pairs[i].side[side];
}

static const struct mail_half *half_of(const struct restoring *g, uint32_t pair)
{
	const struct mail_half *old = half(g, pair, MAIL_OLD);
	return old->at.present ? old : half(g, pair, MAIL_NEW);
}

static int at_path(struct target *t, struct restoring *g, struct str path)
{
	t->resolved = t->here = true;
	t->path = arena_dup(&g->edit_arena, path);
	return t->path.p != NULL ? 0 : err_set(ERR_LIMIT, "mail: too many mailboxes at once");
}

int restore_place(struct mail_place *out, bool *here, struct restoring *g, uint32_t pair)
{
	int64_t alias = g->targets[pair].alias;
	uint32_t i = alias < 0 ? pair : (uint32_t)alias;
	struct target *t = &g->targets[i];
	struct mail_place place;
	int err = 0;
	if (!t->resolved) {
		err = mail_edit_id(&place, g->w, &half_of(g, i)->file.id);
		if (err == 0)
			err = at_path(t, g, place.path);
		else if (err == ERR_NOENT)
			err = 0;
		t->resolved = true;
	}
	*out = (struct mail_place){ .path = t->path };
	*here = t->here;
	return err;
}

static int below(struct str *out, struct restoring *g, struct str folder, int k)
{
	*out = arena_fmt(&g->edit_arena, "%.*s%s", STR_ARG(folder), carried_names[k]);
	return out->p != NULL ? 0 : err_set(ERR_LIMIT, "mail: too many mailboxes at once");
}

/* Out of its folder, which may stay for those below; `keep`: to be put elsewhere. */
static int take_out(struct restoring *g, struct str folder, struct restored_box keep[3])
{
	int err = 0;
	for (int k = 0; err == 0 && k < 3; k++) {
		struct store_entry e;
		struct str path;
		err = below(&path, g, folder, k);
		if (err == 0)
			err = store_edit_find(&e, g->w->e, path);
		if (keep != NULL)
			keep[k] = (struct restored_box){ err == 0, e.oid };
		if (err == 0)
			err = store_edit_del(g->w->e, path);
		else if (err == ERR_NOENT)
			err = 0;
	}
	return err;
}

static int put_in(struct restoring *g, struct str folder, const struct restored_box kept[3])
{
	int err = 0;
	for (int k = 0; err == 0 && k < 3; k++) {
		struct str path;
		if (!kept[k].has)
			continue;
		err = below(&path, g, folder, k);
		if (err == 0)
			err = store_edit_put(
				g->w->e, path, &kept[k].oid, k == 2 ? STORE_BLOB : STORE_TREE);
	}
	return err;
}

static int is_taken(bool *out, struct restoring *g, struct str folder)
{
	struct mail_file file;
	int err = mail_edit_file(&file, g->w, folder);
	*out = err == 0 && file.exists;
	return err == ERR_NOENT ? 0 : err;
}

/* ---- remove ---- */
static int find_messages(struct store_entry *out, struct restoring *g, struct str folder)
{
	struct str m;
	int err = below(&m, g, folder, 0);
	return err < 0 ? err : store_edit_find(out, g->w->e, m);
}

static int remove_box(struct restoring *g, uint32_t i)
{
	const struct mail_side *old = &half(g, i, MAIL_OLD)->at;
	struct mail_place place;
	struct store_entry m;
	bool here;
	int err = restore_place(&place, &here, g, i);
	if (err < 0 || !here)
		return err;
	err = find_messages(&m, g, place.path);
	if (err < 0 && err != ERR_NOENT)
		return err;
	if (err == 0 && !(old->has_m && store_oid_eq(&m.oid, &old->m)))
		return err_set(ERR_CONFLICT,
			"mail came meanwhile into a mailbox to be removed; try again");
	g->targets[i].here = false;
	err = take_out(g, place.path, NULL);
	return err < 0 ? err : restore_tell_box(g, MAIL_BOX_REMOVED, i);
}

int restore_empty_boxes(struct restoring *g)
{
	int err = 0;
	for (uint32_t i = 0; err == 0 && i < g->c->pair_count; i++) {
		struct mail_place place;
		struct store_entry m;
		bool here;
		if (!g->targets[i].remove_empty || g->targets[i].remove)
			continue;
		err = restore_place(&place, &here, g, i);
		if (err < 0 || !here)
			continue;
		err = find_messages(&m, g, place.path);
		if (err == ERR_NOENT)
			err = remove_box(g, i);
	}
	return err;
}

/* ---- rename ---- */
static int lift(struct restoring *g, uint32_t i)
{
	struct target *t = &g->targets[i];
	struct mail_place place;
	bool here;
	int err = restore_place(&place, &here, g, i);
	if (err < 0 || !here) {
		t->rename = false;
		return err;
	}
	return take_out(g, place.path, t->carried);
}

static int set_down(struct restoring *g, uint32_t i)
{
	struct target *t = &g->targets[i];
	const struct mail_half *new = half(g, i, MAIL_NEW);
	struct mail_file file;
	struct str path;
	bool taken;
	int err = mail_edit_folder(&path, g->w, new->name);
	if (err == 0)
		err = is_taken(&taken, g, path);
	if (err < 0)
		return err;
	if (taken) {
		err = put_in(g, t->path, t->carried);
		return err < 0 ? err : restore_tell_box(g, MAIL_BOX_KEPT, i);
	}
	err = at_path(t, g, path);
	if (err == 0)
		err = put_in(g, path, t->carried);
	if (err == 0)
		err = mail_edit_file(&file, g->w, path);
	if (err < 0)
		return err;
	file.name = new->file.name;
	err = mail_edit_put_file(g->w, path, &file);
	return err < 0 ? err : restore_tell_box(g, MAIL_BOX_RENAMED, i);
}

/* All are lifted before any is set down: two may change names. */
static int rename_boxes(struct restoring *g)
{
	int err = 0;
	for (uint32_t i = 0; err == 0 && i < g->c->pair_count; i++)
		if (g->targets[i].rename)
			err = lift(g, i);
	for (uint32_t i = 0; err == 0 && i < g->c->pair_count; i++) {
		if (g->targets[i].rename)
			err = set_down(g, i);
		else if (g->targets[i].kept)
			err = restore_tell_box(g, MAIL_BOX_KEPT, i);
	}
	return err;
}

/* ---- make and change ---- */
static int make_box(struct restoring *g, uint32_t i)
{
	struct target *t = &g->targets[i];
	const struct mail_half *new = half(g, i, MAIL_NEW);
	struct mail_place place;
	struct str path;
	bool here, taken = false;
	int err = restore_place(&place, &here, g, i); /* back already? */
	if (err < 0 || here)
		return err;
	err = mail_edit_folder(&path, g->w, new->name);
	if (err == 0)
		err = is_taken(&taken, g, path);
	if (err == 0)
		err = at_path(t, g, path);
	if (err < 0 || taken) /* by one made meanwhile: it takes the mail */
		return err;
	if (g->w->acct->entry_count + g->told_count >= MAIL_MAILBOXES_MAX)
		return err_set(ERR_LIMIT, "mail: more than %d mailboxes", MAIL_MAILBOXES_MAX);
	err = mail_edit_put_file(g->w, path, &new->file);
	return err < 0 ? err : restore_tell_box(g, MAIL_BOX_MADE, i);
}

static int change_box(struct restoring *g, uint32_t i)
{
	const struct mail_file *old = &half(g, i, MAIL_OLD)->file,
			       *new = &half(g, i, MAIL_NEW)->file;
	struct mail_place place;
	struct mail_file file;
	bool here;
	int err = restore_place(&place, &here, g, i);
	if (err < 0 || !here)
		return err;
	err = mail_edit_file(&file, g->w, place.path);
	if (err < 0)
		return err == ERR_NOENT ? 0 : err;
	if (old->use != new->use)
		file.use = new->use;
	if (old->subscribed != new->subscribed)
		file.subscribed = new->subscribed;
	err = mail_edit_put_file(g->w, place.path, &file);
	return err < 0 ? err : restore_tell_box(g, MAIL_BOX_CHANGED, i);
}

int restore_boxes(struct restoring *g)
{
	int err = 0;
	for (uint32_t i = 0; err == 0 && i < g->c->pair_count; i++)
		if (g->targets[i].remove)
			err = remove_box(g, i);
	if (err == 0)
		err = rename_boxes(g);
	for (uint32_t i = 0; err == 0 && i < g->c->pair_count; i++) {
		if (g->targets[i].make)
			err = make_box(g, i);
		if (err == 0 && g->targets[i].change)
			err = change_box(g, i);
	}
	return err;
}
