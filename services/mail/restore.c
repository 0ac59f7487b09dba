/* SPDX-License-Identifier: ISC */
/* Batches of messages, each an edit and a commit. Reading goes on between edits, not in them. */
#include "services/mail/restore_impl.h"

#include "store/exchange.h"

#define RESTORE_ARENA (32 * 1024 * 1024)
#define BATCH_BYTES   (2 * 1024 * 1024) /* of keywords in one edit */

/* ---- what is to be done next ---- */
static int batch_add(struct restoring *g, const struct mail_change *from)
{
	int err = mail_grow(&g->batch, &g->batch_cap, g->batch_count, sizeof(*g->batch));
	if (err < 0)
		return err;
	struct mail_change *ch = &g->batch[g->batch_count];
	*ch = *from;
	for (int k = 0; k < 2; k++) {
		ch->line[k].keywords = arena_dup(&g->batch_arena, from->line[k].keywords);
		if (ch->line[k].keywords.p == NULL)
			return err_set(ERR_LIMIT, "mail: too many keywords at once");
		g->batch_bytes += ch->line[k].keywords.n;
	}
	g->batch_count++;
	return 0;
}

static int batch_fill(struct restoring *g)
{
	int err = 0;
	arena_reset(&g->batch_arena);
	g->batch_count = g->batch_bytes = 0;
	while (err == 0 && !g->at_end && g->batch_count < MAIL_CHUNK &&
		g->batch_bytes < BATCH_BYTES) {
		if (g->block_at < g->block_count) {
			struct mail_change ch = g->block[g->block_at++];
			if (restore_wants(&ch, g))
				err = batch_add(g, &ch);
			continue;
		}
		os_yield();
		err = mail_compare_next(&g->block, &g->block_count, g->c);
		g->block_at = 0;
		g->at_end = err == 0 && g->block_count == 0;
	}
	return err;
}

static int cmp_identity(const struct mail_change *x, const struct mail_change *y)
{
	if (x->lane != y->lane)
		return x->lane < y->lane ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static int by_from(const void *a, const void *b)
{
	const struct mail_change *x = a, *y = b;
	return x->from != y->from ? (x->from < y->from ? -1 : 1) : cmp_identity(x, y);
}

static int by_to(const void *a, const void *b)
{
	const struct mail_change *x = a, *y = b;
	return x->to != y->to ? (x->to < y->to ? -1 : 1) : cmp_identity(x, y);
}

/* ---- one message ---- */
/* Three ways: what differs between the sides changes, what somebody changed since stays. */
static int change_line(
	struct restoring *g, const struct mail_place *p, const struct mail_change *ch)
{
	const struct mail_line *old = &ch->line[MAIL_OLD], *new = &ch->line[MAIL_NEW];
	struct mail_edit *w = g->w;
	struct mail_leaf *leaf;
	int err = mail_edit_leaf(&leaf, w, 0, p, ch->lane, ch->seq);
	if (err < 0)
		return err;
	struct mail_line *line = mail_leaf_find(leaf, ch->seq);
	if (line == NULL)
		return ERR_NOENT;
	struct mail_line was = *line;
	line->flags = (line->flags & ~(old->flags & ~new->flags)) | (new->flags & ~old->flags);
	if (line->internal_sec == old->internal_sec)
		line->internal_sec = new->internal_sec;
	if (line->saved_sec == old->saved_sec)
		line->saved_sec = new->saved_sec;
	if (!str_eq(old->keywords, new->keywords))
		err = mail_keywords_merge(&line->keywords, &w->slot[0].arena, line->keywords,
			old->keywords, new->keywords);
	if (err < 0)
		return err;
	if (line->flags == was.flags && line->internal_sec == was.internal_sec &&
		line->saved_sec == was.saved_sec && str_eq(line->keywords, was.keywords))
		return ERR_NOENT;
	w->slot[0].dirty = true;
	return 0;
}

/* ERR_NOENT: it is not as it was when we looked; nothing was done. */
static int take_out(struct restoring *g, const struct mail_change *ch)
{
	struct mail_place p;
	bool here, has = false;
	int err = restore_place(&p, &here, g, ch->from);
	if (err == 0 && here)
		err = mail_edit_has(&has, g->w, &p, ch->lane, ch->seq);
	if (err < 0)
		return err;
	return has ? mail_edit_leave(g->w, &p, ch->lane, ch->seq) : ERR_NOENT;
}

static int put_in(struct restoring *g, const struct mail_change *ch)
{
	struct mail_place p;
	bool here, has = false;
	int err = restore_place(&p, &here, g, ch->to);
	if (err == 0 && here)
		err = mail_edit_has(&has, g->w, &p, ch->lane, ch->seq);
	if (err < 0)
		return err;
	if (!here)
		return ERR_NOENT;
	if (has || ch->kind == MAIL_LINE)
		return has ? change_line(g, &p, ch) : ERR_NOENT;
	return mail_edit_put(g->w, 0, &p, ch->lane, ch->seq, &ch->blob, &ch->line[MAIL_NEW]);
}

/* Out of where it stands; what its new mailbox can't take does not leave. */
static int leave(struct restoring *g, const struct mail_change *ch)
{
	struct mail_place to;
	bool here = true;
	int err = 0;
	if (ch->kind != MAIL_WENT && ch->kind != MAIL_MOVED)
		return 0;
	if (ch->kind == MAIL_MOVED)
		err = restore_place(&to, &here, g, ch->to);
	if (err < 0 || !here)
		return err < 0 ? err : ERR_NOENT;
	if (g->targets[ch->from].remove) /* it went with its mailbox */
		return 0;
	err = take_out(g, ch);
	g->changed = g->changed || err == 0;
	return err;
}

static int enter(struct restoring *g, const struct mail_change *ch)
{
	if (ch->kind == MAIL_WENT)
		return 0;
	int err = put_in(g, ch);
	g->changed = g->changed || err == 0;
	return err;
}

static int for_each(struct restoring *g, int (*by)(const void *a, const void *b),
	int (*fn)(struct restoring *g, const struct mail_change *ch))
{
	int err = 0;
	if (g->batch_count > 1)
		qsort(g->batch, g->batch_count, sizeof(*g->batch), by);
	for (size_t i = 0; err == 0 && i < g->batch_count; i++) {
		err = fn(g, &g->batch[i]);
		g->done[i] = err == 0;
		if (err == ERR_NOENT)
			err = 0;
	}
	size_t n = 0;
	for (size_t i = 0; err == 0 && i < g->batch_count; i++)
		if (g->done[i])
			g->batch[n++] = g->batch[i];
	g->batch_count = n;
	return err;
}

/* A message that could not be taken out is not put in, lest there be two. What stays of the batch is
 * what was done. */
static int apply_messages(struct restoring *g)
{
	int err = for_each(g, by_from, leave);
	return err < 0 ? err : for_each(g, by_to, enter);
}

/* ---- one edit ---- */
static void forget_places(struct restoring *g)
{
	for (size_t i = 0; i < g->c->pair_count; i++)
		g->targets[i].resolved = g->targets[i].here = false;
	arena_reset(&g->edit_arena);
	g->told_count = 0;
	g->changed = false;
}

static int message_of(struct str *out, struct restoring *g)
{
	char to[STORE_HEX], from[STORE_HEX];
	struct buf b;
	buf_init(&b, &g->w->arena);
	store_oid_hex(to, &g->r->to);
	store_oid_hex(from, &g->r->from);
	buf_addz(&b, "restore: ");
	if (g->r->path.n == 0)
		buf_addz(&b, "all mail");
	else
		mail_name_escape(&b, str_sub(g->r->path, 0, 200));
	if (g->r->undo)
		buf_fmt(&b, ", undo %.12s..%.12s", to, from);
	else
		buf_fmt(&b, " as of %.12s%s\n\nOf-Commit: %s", to, g->r->exact ? ", exactly" : "",
			to);
	*out = buf_str(&b);
	return b.err;
}

static void count_done(struct restoring *g, const struct mail_change *ch)
{
	switch (ch->kind) {
	case MAIL_CAME: g->r->back++; break;
	case MAIL_WENT: g->r->removed++; break;
	case MAIL_MOVED: g->r->moved++; break;
	case MAIL_LINE: g->r->flags++; break;
	}
}

static int tell(struct restoring *g)
{
	struct mail_restore *r = g->r;
	int err = 0;
	for (size_t i = 0; err == 0 && i < g->told_count; i++) {
		struct mail_restore_told what = { .done = g->told[i].done,
			.box = &g->c->pairs[g->told[i].pair] };
		r->boxes += what.done != MAIL_BOX_KEPT;
		if (r->told != NULL)
			err = r->told(r->ctx, g->c, &what);
	}
	for (size_t i = 0; err == 0 && i < g->batch_count; i++) {
		struct mail_restore_told what = { .message = &g->batch[i] };
		count_done(g, &g->batch[i]);
		if (r->told != NULL)
			err = r->told(r->ctx, g->c, &what);
	}
	return err;
}

/* Everything of one edit but its end. */
static int change(struct restoring *g)
{
	bool again = g->boxes_done; /* without effect: only where things stand */
	int err = !again || g->r->dry_run ? restore_boxes(g) : 0;
	if (again)
		g->told_count = 0;
	g->boxes_done = true;
	if (err == 0)
		err = apply_messages(g);
	if (err == 0)
		err = mail_edit_flush(g->w);
	if (err == 0 && g->at_end && g->r->undo)
		err = restore_empty_boxes(g);
	return err;
}

static int one_edit(struct restoring *g)
{
	struct mail_restore *r = g->r;
	struct str message;
	free(g->done);
	g->done = malloc(g->batch_count + 1);
	if (g->done == NULL)
		return err_set(ERR_NOMEM, "mail: no memory to restore");
	forget_places(g);
	int err = r->exact /* it may be what makes room */
		? mail_edit_begin_reserved(&g->w, g->a)
		: mail_edit_begin(&g->w, g->a);
	if (err < 0)
		return err;
	err = change(g);
	if (err == 0)
		err = message_of(&message, g);
	if (err < 0 || !g->changed || r->dry_run) {
		mail_edit_abort(g->w);
		return err < 0 ? err : tell(g);
	}
	err = mail_edit_commit_id(&r->last, g->w, message);
	if (err < 0)
		return err;
	if (r->commits++ == 0)
		r->first = r->last;
	return tell(g);
}

/* ---- all of it ---- */
static int tree_of(struct store_oid *out, struct store *s, const struct store_oid *commit)
{
	struct arena a;
	struct store_commit c;
	arena_init(&a, 256 * 1024);
	int err = store_commit_get(&c, &a, s, commit);
	if (err == 0)
		*out = c.tree;
	arena_free(&a);
	return err;
}

static int check_history(struct restoring *g)
{
	struct mail_restore *r = g->r;
	struct store_oid ids[2] = { r->to, r->from };
	bool found[2] = { false, false };
	size_t n = r->undo ? 2 : 1;
	int err = store_reached(found, g->a->m->s, &r->before, 1, ids, n);
	for (size_t i = 0; err == 0 && i < n; i++) {
		char hex[STORE_HEX];
		if (!found[i])
			err = err_set(ERR_BAD, "commit %.12s is not in the history of %.*s's mail",
				store_oid_hex(hex, &ids[i]), STR_ARG(g->a->user));
	}
	return err;
}

static int read_marks(struct restoring *g, const struct store_oid *tree)
{
	struct store_entry e;
	int err = store_find(&e, g->a->m->s, tree, STR(".lanes"));
	if (err == 0)
		err = store_blob_all(&g->marks, &g->arena, g->a->m->s, &e.oid, 1 << 20);
	return err == ERR_NOENT ? 0 : err;
}

/* One message must have been there, or nothing can come back. */
static int check_message(struct restoring *g, const struct store_oid *then)
{
	struct str path;
	if (!g->scope.message || g->r->undo || g->r->exact)
		return 0;
	int err = mail_tree_search(
		&path, &g->arena, g->a->m->s, then, NULL, g->scope.lane, g->scope.seq);
	if (err == 0 && path.p == NULL)
		err = err_set(ERR_NOENT, "there was no message %08x.%x then", g->scope.lane,
			g->scope.seq);
	return err;
}

static int begin(struct restoring *g)
{
	struct mail_restore *r = g->r;
	struct store *s = g->a->m->s;
	struct store_oid from, then;
	int err = store_ref_get(&r->before, s, g->a->ref);
	if (err == 0)
		err = check_history(g);
	if (err == 0)
		err = tree_of(&g->now, s, &r->before);
	from = g->now;
	if (err == 0 && r->undo)
		err = tree_of(&from, s, &r->from);
	if (err == 0)
		err = tree_of(&then, s, &r->to);
	if (err == 0)
		err = mail_scope_parse(&g->scope, &g->arena, g->a, r->path, &from, &then);
	if (err == 0)
		err = check_message(g, &then);
	if (err == 0 && r->undo)
		err = read_marks(g, &then);
	if (err == 0)
		err = mail_compare_begin(&g->c, s, &from, &then);
	if (err < 0)
		return err;
	g->targets = calloc(g->c->pair_count + 1, sizeof(*g->targets));
	if (g->targets == NULL)
		return err_set(ERR_NOMEM, "mail: no memory to restore");
	return restore_plan(g);
}

static void end(struct restoring *g)
{
	if (g->c != NULL)
		mail_compare_end(g->c);
	arena_free(&g->arena);
	arena_free(&g->edit_arena);
	arena_free(&g->batch_arena);
	free(g->targets);
	free(g->told);
	free(g->batch);
	free(g->done);
	free(g);
}

int mail_restore(struct mail_restore *r, struct mail_account *a)
{
	struct restoring *g = calloc(1, sizeof(*g));
	if (g == NULL)
		return err_set(ERR_NOMEM, "mail: no memory to restore");
	g->r = r;
	g->a = a;
	if (r->undo)
		r->exact = true;
	arena_init(&g->arena, RESTORE_ARENA);
	arena_init(&g->edit_arena, RESTORE_ARENA);
	arena_init(&g->batch_arena, RESTORE_ARENA);
	int err = begin(g);
	while (err == 0 && !g->at_end) {
		err = batch_fill(g);
		if (err == 0)
			err = one_edit(g);
	}
	end(g);
	return err;
}
