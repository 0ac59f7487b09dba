/* SPDX-License-Identifier: ISC */
/*
 * The commits that changed a mailbox or a message. At each commit what the path names has a state:
 * the folder's oid, or where the message is and its line. A commit whose parents all have another
 * state changed it (store/lines.h). The mailbox is followed by id through renames, the message by lane and seq
 * through moves; both are looked for elsewhere only where they are not at the place known.
 */
#include "services/mail/words_impl.h"

struct state {
	bool there;
	struct store_oid oid;  /* folder, or the message's bytes */
	uint64_t line;         /* a digest of its line */
	struct str path, name; /* of the mailbox; in the follower's arena */
};
struct follow {
	struct store *s;
	struct control_walk *w;
	struct mail_scope scope;
	struct arena *kept; /* the caller's */
	struct arena arena; /* of names */
	struct arena turn;  /* of one commit */
	struct state state; /* in the commit before (a newer one); first where to look */
	struct state last;  /* that was found */
	struct mail_id id;  /* the mailbox's, where several lines go on: each has its own name */
	bool has_id;
	bool seen;              /* it was there at some commit */
	struct store_oid found; /* mail_words_last: the commit where it is there */
};

static int read_id(bool *has, struct mail_id *id, struct follow *f, const struct store_oid *tree,
	struct str folder)
{
	struct str path = arena_fmt(&f->turn, "%.*s/.mailbox", STR_ARG(folder)), text;
	struct store_entry e;
	struct mail_file file;
	int err = path.p != NULL ? store_find(&e, f->s, tree, path) : ERR_LIMIT;
	if (err == 0)
		err = store_blob_all(&text, &f->turn, f->s, &e.oid, MAIL_FILE_MAX);
	*has = false;
	if (err < 0)
		return err == ERR_NOENT ? 0 : err;
	mail_file_parse(&file, text);
	*has = file.exists;
	*id = file.id;
	return 0;
}

/* ---- state ---- */
static uint64_t digest(uint64_t h, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (uint8_t)s.p[i]) * 0x100000001b3u; /* FNV-1a */
	return h;
}

static int line_digest(
	uint64_t *out, struct follow *f, const struct store_oid *tree, struct str folder)
{
	struct mail_leaf leaf;
	struct store_entry e;
	struct str text;
	struct buf b;
	buf_init(&b, &f->turn);
	buf_fmt(&b, "%.*s/.f/", STR_ARG(folder));
	mail_path_leaf(&b, f->scope.lane, f->scope.seq);
	*out = 0;
	int err = b.err < 0 ? b.err : store_find(&e, f->s, tree, buf_str(&b));
	if (err == 0)
		err = store_blob_all(&text, &f->turn, f->s, &e.oid, MAIL_LEAF_BYTES / 4);
	if (err < 0)
		return err == ERR_NOENT ? 0 : err;
	mail_leaf_parse(&leaf, text);
	const struct mail_line *l = mail_leaf_find(&leaf, f->scope.seq);
	if (l != NULL)
		*out = digest(digest(0xcbf29ce484222325u, str_n(&l->flags, sizeof(l->flags))),
			l->keywords);
	return 0;
}

static int message_at(
	struct store_entry *e, struct follow *f, const struct store_oid *tree, struct str folder)
{
	struct buf b;
	buf_init(&b, &f->turn);
	buf_fmt(&b, "%.*s/.m/", STR_ARG(folder));
	mail_path_message(&b, f->scope.lane, f->scope.seq);
	return b.err < 0 ? b.err : store_find(e, f->s, tree, buf_str(&b));
}

/* Keeps the names of a state that holds from now on. */
static int keep_path(struct follow *f, struct state *s, struct str path)
{
	struct buf name;
	if (str_eq(path, f->state.path)) {
		s->path = f->state.path;
		s->name = f->state.name;
		return 0;
	}
	buf_init(&name, &f->arena);
	mail_path_name(&name, path);
	s->name = buf_str(&name);
	s->path = arena_dup(&f->arena, path);
	return name.err < 0 || s->path.p == NULL ? err_set(ERR_LIMIT, "mail: it moved too often")
						 : 0;
}

static int message_state(struct state *out, struct follow *f, const struct store_oid *tree)
{
	struct store_entry e;
	struct str path = f->state.path;
	int err = path.n > 0 ? message_at(&e, f, tree, path) : ERR_NOENT;
	if (err == ERR_NOENT) {
		err = mail_tree_search(
			&path, &f->turn, f->s, tree, NULL, f->scope.lane, f->scope.seq);
		if (err < 0 || path.p == NULL)
			return err;
		err = message_at(&e, f, tree, path);
	}
	if (err < 0)
		return err;
	out->there = true;
	out->oid = e.oid;
	err = line_digest(&out->line, f, tree, path);
	return err < 0 ? err : keep_path(f, out, path);
}

/* The newer commit had the mailbox at f->state.path; did it stand elsewhere before? */
static int renamed_from(struct str *path, struct follow *f, const struct store_oid *newer,
	const struct store_oid *tree)
{
	struct mail_id id;
	bool has;
	*path = STR_NONE;
	int err = read_id(&has, &id, f, newer, f->state.path);
	return err < 0 || !has ? err : mail_tree_search(path, &f->turn, f->s, tree, &id, 0, 0);
}

static int folder_state(struct state *out, struct follow *f, const struct store_oid *newer,
	const struct store_oid *tree)
{
	struct store_entry e;
	struct str path = f->state.path;
	int err = store_find(&e, f->s, tree, path);
	if (err == ERR_NOENT && (newer != NULL ? f->state.there : f->has_id)) {
		err = newer != NULL ? renamed_from(&path, f, newer, tree)
				    : mail_tree_search(&path, &f->turn, f->s, tree, &f->id, 0, 0);
		if (err == 0)
			err = path.p != NULL ? store_find(&e, f->s, tree, path) : ERR_NOENT;
	}
	if (err == 0) {
		out->there = true;
		out->oid = e.oid;
		return keep_path(f, out, path);
	}
	return err == ERR_NOENT ? 0 : err;
}

static int state_at(struct state *out, struct follow *f, const struct store_oid *newer,
	const struct store_oid *tree)
{
	*out = (struct state){ .path = f->state.path, .name = f->state.name };
	arena_reset(&f->turn);
	if (f->scope.message)
		return message_state(out, f, tree);
	if (f->scope.mailbox.n > 0)
		return folder_state(out, f, newer, tree);
	out->there = true;
	out->oid = *tree;
	return 0;
}

static bool same_state(const struct state *a, const struct state *b)
{
	return a->there == b->there &&
		(!a->there ||
			(store_oid_eq(&a->oid, &b->oid) && a->line == b->line &&
				str_eq(a->path, b->path)));
}

/* ---- walking ---- */
/* What the caller may ask for again at that commit. */
static struct str path_then(struct follow *f, const struct state *s)
{
	if (f->scope.message)
		return arena_fmt(f->kept, "%08x.%x", f->scope.lane, f->scope.seq);
	return f->scope.mailbox.n > 0 ? s->name : STR("");
}

static int look(void *ctx, void *state, const struct store_oid *tree, const void *newer,
	const struct store_oid *newer_tree)
{
	struct follow *f = ctx;
	struct state first = f->state, *now = state;
	if (newer != NULL)
		f->state = *(const struct state *)newer;
	int err = state_at(now, f, newer_tree, tree);
	f->state = first;
	f->last = *now;
	f->seen = f->seen || (err == 0 && now->there);
	return err;
}

static bool same(const void *a, const void *b)
{
	return same_state(a, b);
}

static int told(void *ctx, const struct store_commit *c, const void *state, const void *before)
{
	struct follow *f = ctx;
	const struct state *now = state;
	if (before == NULL && !now->there)
		return 0;
	return f->w->fn(f->w->ctx, c, path_then(f, now->there || before == NULL ? now : before));
}

/* A mailbox gone since had the folder its name gives. */
static int first_place(struct follow *f, const struct store_oid *tree)
{
	struct str path;
	if (f->scope.mailbox.n == 0)
		return 0;
	int err = mail_tree_folder(&path, &f->arena, f->s, tree, f->scope.mailbox);
	if (err == ERR_NOENT) {
		struct buf b;
		struct str level, rest = f->scope.mailbox;
		bool more = true;
		buf_init(&b, &f->arena);
		while (more) {
			more = str_cut(&level, &rest, rest, '/');
			if (b.n > 0)
				buf_addc(&b, '/');
			mail_name_escape(&b, level);
		}
		path = buf_str(&b);
		err = b.err;
	}
	f->state.path = path;
	f->state.name = f->scope.mailbox;
	return err;
}

static int scope_of(
	struct follow *f, struct mail_account *acct, struct str path, const struct store_oid *tree)
{
	int err = mail_scope_parse(&f->scope, &f->arena, acct, path, tree, NULL);
	if (err != ERR_NOENT)
		return err;
	/* Not there at this commit: the path may name what was there before. */
	return mail_scope_parse(&f->scope, &f->arena, acct, path, NULL, NULL);
}

/* At the commit `from`. */
static int begin(struct follow *f, struct mail *m, struct str ref, struct str path,
	const struct store_oid *from)
{
	struct mail_account *acct;
	struct store_commit c;
	int err = mail_words_account(&acct, m, ref);
	f->s = m->s;
	arena_init(&f->arena, 4 << 20);
	arena_init(&f->turn, 16 << 20);
	if (err == 0)
		err = store_commit_get(&c, &f->turn, m->s, from);
	struct store_oid tree = c.tree;
	if (err == 0)
		err = scope_of(f, acct, path, &tree);
	return err < 0 ? err : first_place(f, &tree);
}

/* Lines that go on may have the mailbox under several names, of which the path is one. */
static int know_id(struct follow *f, const struct store_lines *open)
{
	struct store_commit c;
	int err = 0;
	if (f->scope.message || f->scope.mailbox.n == 0 || open->n < 2)
		return 0;
	for (size_t i = 0; i < open->n && err == 0 && !f->has_id; i++) {
		arena_reset(&f->turn);
		err = store_commit_get(&c, &f->turn, f->s, &open->open[i]);
		if (err == 0)
			err = read_id(&f->has_id, &f->id, f, &c.tree, f->state.path);
	}
	return err;
}

static void end(struct follow *f)
{
	arena_free(&f->arena);
	arena_free(&f->turn);
}

int mail_words_log(void *ctx, struct arena *a, struct control_walk *w)
{
	static const struct store_lines_ops ops = { sizeof(struct state), look, same, told };
	struct follow f = { .w = w, .kept = a };
	int err = begin(&f, ctx, w->ref, w->path, &w->from.open[0]);
	w->next = w->from;
	if (err == 0)
		err = know_id(&f, &w->from);
	if (err == 0)
		err = store_lines_walk(&w->next, f.s, &ops, &f, w->scan_max);
	if (err == 0 && w->next.n > 0 && !w->more) {
		w->more = true;
		w->next_path = arena_dup(a, path_then(&f, &f.last));
	}
	if (err == 0 && !f.seen && !w->more && !w->goes_on)
		err = err_set(ERR_NOENT, "\"%.*s\" was never there", STR_ARG(w->path));
	end(&f);
	return err;
}

static int find_last(void *ctx, const struct store_commit *c)
{
	struct follow *f = ctx;
	struct state now;
	int err = state_at(&now, f, NULL, &c->tree);
	if (err < 0 || !now.there)
		return err;
	f->found = c->id;
	return ERR_EXIST;
}

int mail_words_last(struct store_oid *out, void *ctx, struct str ref, struct str path)
{
	struct mail *m = ctx;
	struct follow f = { .kept = NULL };
	struct store_oid head;
	int err = store_ref_get(&head, m->s, ref);
	if (err < 0)
		return err;
	err = begin(&f, m, ref, path, &head);
	if (err == 0)
		err = store_log(m->s, &head, STR(""), find_last, &f);
	end(&f);
	if (err == 0)
		return err_set(ERR_NOENT, "\"%.*s\" was never there", STR_ARG(path));
	if (err != ERR_EXIST)
		return err;
	*out = f.found;
	return store_oid_eq(&f.found, &head)
		? err_set(ERR_EXIST, "\"%.*s\" is there now: as of when (--at)?", STR_ARG(path))
		: 0;
}
