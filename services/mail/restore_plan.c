/* SPDX-License-Identifier: ISC */
/* What becomes of every mailbox, and which messages change. Rules: services/mail/restore.h. */
#include "services/mail/restore_impl.h"

static const struct mail_half *half(const struct restoring *g, size_t i, int side)
{
	return &g->c->pairs[i].side[side];
}

static bool is_inbox(const struct mail_half *h)
{
	return str_eq(h->name, STR("INBOX"));
}

/* The pair whose mailbox has this name now, or -1. */
static int64_t bearer(const struct restoring *g, struct str name)
{
	for (size_t i = 0; i < g->c->pair_count; i++) {
		const struct mail_half *h = half(g, i, MAIL_OLD);
		if (h->at.present && str_eq(h->name, name))
			return (int64_t)i;
	}
	return -1;
}

static void plan_pair(struct restoring *g, size_t i)
{
	struct target *t = &g->targets[i];
	const struct mail_half *old = half(g, i, MAIL_OLD), *new = half(g, i, MAIL_NEW);
	bool exact = g->r->exact;
	t->alias = -1;
	t->wanted_old = old->at.present && mail_scope_box(&g->scope, old->name);
	t->wanted_new = new->at.present &&mail_scope_box(&g->scope, new->name);
	if (g->scope.message)
		return;
	if (!old->at.present) {
		t->make = t->wanted_new;
	} else if (!new->at.present) {
		t->remove = exact && t->wanted_old && !is_inbox(old);
		t->remove_empty = t->remove && g->r->undo;
	} else if (t->wanted_new || (exact && t->wanted_old)) {
		t->rename = !str_eq(old->name, new->name) && !is_inbox(old) && !is_inbox(new);
		t->change = old->file.use != new->file.use ||
			old->file.subscribed != new->file.subscribed;
	}
}

/* Is the name free once everything planned is done? */
static bool name_free(const struct restoring *g, struct str name)
{
	int64_t i = bearer(g, name);
	return i < 0 || g->targets[i].rename || g->targets[i].remove;
}

/* A rename that is not to be leaves its own name taken, so go round until nothing changes. */
static void drop_blocked_renames(struct restoring *g)
{
	for (bool again = true; again;) {
		again = false;
		for (size_t i = 0; i < g->c->pair_count; i++) {
			struct target *t = &g->targets[i];
			if (!t->rename || name_free(g, half(g, i, MAIL_NEW)->name))
				continue;
			t->rename = false;
			t->kept = again = true;
		}
	}
}

/* Where a mailbox is gone and another bears its name, the other takes its mail. */
static void find_alias(struct restoring *g, size_t i)
{
	struct target *t = &g->targets[i];
	const struct mail_half *old = half(g, i, MAIL_OLD), *new = half(g, i, MAIL_NEW);
	if (old->at.present || !t->wanted_new)
		return;
	int64_t other = bearer(g, new->name);
	if (other < 0 || g->targets[other].rename)
		return;
	g->targets[other].remove = g->targets[other].remove_empty = false;
	t->alias = other;
	t->make = false;
}

/* ---- undoing ---- */
/* Did it first arrive in what is undone? */
static bool first_arrived(const struct restoring *g, uint32_t lane, uint32_t seq)
{
	uint32_t mark;
	return !mail_lanes_find(&mark, g->marks, lane) || seq > mark;
}

static int find_arrived(void *ctx, const struct store_change *ch)
{
	struct restoring *g = ctx;
	uint32_t lane, seq;
	bool arrived =
		mail_path_parse_message(&lane, &seq, ch->path) && first_arrived(g, lane, seq);
	return arrived ? ERR_EXIST : 0;
}

/* What was made in what is undone goes whole only if it holds just what it held then, and no mail
 * that was new. */
static int check_removal(struct restoring *g, size_t i)
{
	struct target *t = &g->targets[i];
	const struct mail_half *old = half(g, i, MAIL_OLD);
	const struct mail_entry *en = mail_account_find_id(g->a, &old->file.id);
	struct store_entry m;
	struct str path;
	int err = 0;
	if (en == NULL)
		return 0;
	path = arena_fmt(&g->arena, "%.*s/.m", STR_ARG(en->path));
	if (path.p == NULL)
		return err_set(ERR_LIMIT, "mail: too many mailboxes at once");
	err = store_find(&m, g->a->m->s, &g->now, path);
	if (err < 0 && err != ERR_NOENT)
		return err;
	t->remove = (err == 0) == old->at.has_m && (err < 0 || store_oid_eq(&m.oid, &old->at.m));
	if (!t->remove || !old->at.has_m)
		return 0;
	err = store_diff(g->a->m->s, NULL, &old->at.m, STR_NONE, find_arrived, g);
	if (err == ERR_EXIST)
		t->remove = false;
	return err == ERR_EXIST ? 0 : err;
}

int restore_plan(struct restoring *g)
{
	int err = mail_account_refresh(g->a);
	for (size_t i = 0; i < g->c->pair_count; i++) {
		plan_pair(g, i);
		if (err == 0 && g->targets[i].remove_empty)
			err = check_removal(g, i);
	}
	for (size_t i = 0; i < g->c->pair_count; i++)
		find_alias(g, i); /* what takes mail is not removed */
	drop_blocked_renames(g);
	for (size_t i = 0; i < g->c->pair_count; i++)
		find_alias(g, i);
	return err;
}

/* ---- messages ---- */
static uint32_t aliased(const struct restoring *g, uint32_t pair)
{
	int64_t other = g->targets[pair].alias;
	return other < 0 ? pair : (uint32_t)other;
}

/* Will there be a mailbox for it? One message makes the mailbox it needs. */
static bool has_home(struct restoring *g, uint32_t pair)
{
	struct target *t = &g->targets[pair];
	if (t->alias >= 0 || t->make || half(g, pair, MAIL_OLD)->at.present)
		return true;
	if (g->scope.message && t->wanted_new)
		t->make = true;
	return t->make;
}

static bool same_line(const struct mail_line *a, const struct mail_line *b)
{
	return a->flags == b->flags && a->internal_sec == b->internal_sec &&
		a->saved_sec == b->saved_sec && str_eq(a->keywords, b->keywords);
}

bool restore_wants(struct mail_change *ch, struct restoring *g)
{
	const struct target *from = &g->targets[ch->from], *to = &g->targets[ch->to];
	bool exact = g->r->exact;
	if (!mail_scope_message(&g->scope, ch->lane, ch->seq))
		return false;
	switch (ch->kind) {
	case MAIL_CAME:
		if (!to->wanted_new || !has_home(g, ch->to))
			return false;
		ch->to = ch->from = aliased(g, ch->to);
		return true;
	case MAIL_WENT:
		if (g->r->undo && first_arrived(g, ch->lane, ch->seq))
			return false;
		return exact && from->wanted_old;
	case MAIL_MOVED:
		if (!(to->wanted_new || (exact && from->wanted_old)) || !has_home(g, ch->to))
			return false;
		ch->to = aliased(g, ch->to);
		if (ch->to == ch->from)
			ch->kind = MAIL_LINE;
		break;
	case MAIL_LINE:
		if (!to->wanted_new)
			return false;
		break;
	}
	return ch->kind != MAIL_LINE || !same_line(&ch->line[MAIL_OLD], &ch->line[MAIL_NEW]);
}
