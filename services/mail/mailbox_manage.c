/* SPDX-License-Identifier: ISC */
/* Mailboxes are made, deleted, renamed and subscribed to. */
#include "services/mail/mailbox_impl.h"
#include "services/mail/mime.h"

#include "os/crypto.h"
#include "os/time.h"

/* ---- folders ---- */
static int join(struct str *out, struct arena *a, struct str folder, struct str name)
{
	*out = folder.n == 0 ? arena_dup(a, name)
			     : arena_fmt(a, "%.*s/%.*s", STR_ARG(folder), STR_ARG(name));
	return out->p != NULL ? 0 : err_set(ERR_LIMIT, "mail: mailbox path is too long");
}

static int is_folder(bool *out, struct mail_edit *w, struct str path)
{
	struct store_entry e;
	int err = store_edit_find(&e, w->e, path);
	*out = err == 0 && e.kind == STORE_TREE;
	return err == ERR_NOENT ? 0 : err;
}

struct clash {
	struct buf want, have; /* case-folded */
	struct str ignore;     /* this folder is about to go */
	bool found;
};

static int look_for_clash(void *ctx, struct str name, const struct store_entry *e)
{
	struct clash *c = ctx;
	struct buf level;
	if (e->kind != STORE_TREE || name.p[0] == '.' || str_eq(name, c->ignore))
		return 0;
	buf_init(&level, NULL);
	mail_name_unescape(&level, name);
	c->have.n = 0;
	mime_fold(&c->have, buf_str(&level));
	if (str_eq(buf_str(&c->have), buf_str(&c->want)))
		c->found = true;
	int err = level.err < 0 ? level.err : c->have.err;
	buf_free(&level);
	return err;
}

static int clashes(
	bool *out, struct mail_edit *w, struct str parent, struct str level, struct str ignore)
{
	struct clash c = { .ignore = ignore };
	buf_init(&c.want, NULL);
	buf_init(&c.have, NULL);
	mime_fold(&c.want, level);
	int err = c.want.err;
	if (err == 0)
		err = store_edit_list(w->e, parent, look_for_clash, &c);
	buf_free(&c.want);
	buf_free(&c.have);
	*out = c.found;
	return err == ERR_NOENT ? 0 : err;
}

/* The folder of `level` in `parent`, whether it is there or not. `ignore` as in struct clash. */
static int level_folder(struct str *path, bool *exists, struct mail_edit *w, struct str parent,
	struct str level, struct str ignore)
{
	struct buf plain, suffixed;
	struct str plain_path, suffixed_path;
	bool clash = false;
	buf_init(&plain, &w->arena);
	buf_init(&suffixed, &w->arena);
	mail_name_escape(&plain, level);
	mail_name_escape_clash(&suffixed, level);
	if (plain.err < 0 || suffixed.err < 0)
		return ERR_LIMIT;
	int err = join(&plain_path, &w->arena, parent, buf_str(&plain));
	if (err == 0)
		err = join(&suffixed_path, &w->arena, parent, buf_str(&suffixed));
	if (err == 0)
		err = is_folder(exists, w, plain_path);
	*path = plain_path;
	if (err < 0 || *exists)
		return err;
	err = is_folder(exists, w, suffixed_path);
	if (err == 0 && !*exists)
		err = clashes(&clash, w, parent, level, ignore);
	if (*exists || clash) {
		*path = suffixed_path;
		if (suffixed.n > STORE_NAME_MAX)
			err = err_set(ERR_LIMIT, "mail: mailbox name is too long");
	}
	return err;
}

static int put_new(struct mail_edit *w, struct str path, struct str level, enum mail_use use)
{
	struct mail_file file = {
		.exists = true, .name = level, .use = use, .created_sec = os_wall_sec()
	};
	struct mail_file old;
	os_random(file.id.b, sizeof(file.id.b));
	int err = mail_edit_file(&old, w, path);
	if (err < 0 && err != ERR_NOENT)
		return err;
	file.subscribed = err == 0 && old.subscribed;
	return mail_edit_put_file(w, path, &file);
}

/* The folder of `name`; its parents are made where there are none. */
static int target_folder(struct str *path, struct str *level, struct mail_edit *w, struct str name,
	struct str ignore)
{
	struct str parent = STR(""), rest = name;
	unsigned made = 0;
	for (;;) {
		bool exists = false, more = str_cut(level, &rest, rest, '/');
		int err = level_folder(path, &exists, w, parent, *level, ignore);
		if (err < 0)
			return err;
		if (!exists && w->acct->entry_count + ++made > MAIL_MAILBOXES_MAX)
			return err_set(
				ERR_LIMIT, "mail: more than %d mailboxes", MAIL_MAILBOXES_MAX);
		if (!more)
			return 0;
		if (!exists)
			err = put_new(w, *path, *level, MAIL_USE_NONE);
		if (err < 0)
			return err;
		parent = *path;
	}
}

int mail_edit_folder(struct str *path, struct mail_edit *w, struct str name)
{
	struct str level;
	bool exists, more = true;
	int err = 0;
	*path = STR("");
	while (err == 0 && more) {
		more = str_cut(&level, &name, name, '/');
		err = level_folder(path, &exists, w, *path, level, STR_NONE);
	}
	return err;
}

/* ERR_EXIST when a mailbox stands in the folder; else 0. */
static int must_be_free(struct mail_edit *w, struct str path)
{
	struct mail_file file;
	int err = mail_edit_file(&file, w, path);
	if (err == 0 && file.exists)
		return err_set(ERR_EXIST, "mail: there is such a mailbox");
	return err == ERR_NOENT ? 0 : err;
}

/* Take the turn with a checked name. */
static int checked(
	int err, struct mail_edit **w, struct str *normal, struct mail_account *a, struct str name)
{
	if (err < 0)
		return err;
	err = mail_name_normal(normal, &(*w)->arena, name);
	if (err == 0)
		err = mail_account_refresh(a);
	if (err < 0)
		mail_edit_abort(*w);
	return err;
}

static int begin(struct mail_edit **w, struct str *normal, struct mail_account *a, struct str name)
{
	return checked(mail_edit_begin(w, a), w, normal, a, name);
}

static int finish(struct mail_edit *w, int err, const char *what, struct str name)
{
	if (err < 0) {
		mail_edit_abort(w);
		return err;
	}
	struct buf message;
	buf_init(&message, &w->arena);
	buf_fmt(&message, "imap: %s ", what);
	mail_name_escape(&message, str_sub(name, 0, 200));
	return mail_edit_commit(w, buf_str(&message));
}

/* ---- create, delete, subscribe ---- */
static int create(struct mail_edit *w, struct str name, enum mail_use use)
{
	struct str path, level;
	int err = target_folder(&path, &level, w, name, STR_NONE);
	if (err == 0)
		err = must_be_free(w, path);
	return err < 0 ? err : put_new(w, path, level, use);
}

int mail_create(struct mail_account *a, struct str name, enum mail_use use)
{
	struct mail_edit *w;
	int err = begin(&w, &name, a, name);
	return err < 0 ? err : finish(w, create(w, name, use), "create", name);
}

static int delete_below(struct mail_edit *w, struct str folder, const char *name)
{
	struct str path;
	bool exists;
	int err = join(&path, &w->arena, folder, str_of(name));
	if (err == 0)
		err = is_folder(&exists, w, path);
	return err == 0 && exists ? store_edit_del(w->e, path) : err;
}

/* The subscription outlives the mailbox (RFC 3501 6.3.6). */
static int put_subscription(struct mail_edit *w, struct str folder, struct mail_file *file)
{
	struct str path;
	if (file->exists || file->subscribed)
		return mail_edit_put_file(w, folder, file);
	int err = join(&path, &w->arena, folder, STR(".mailbox"));
	return err < 0 ? err : store_edit_del(w->e, path);
}

static int delete(struct mail_edit *w, struct str name)
{
	struct mail_place place;
	struct mail_file file;
	if (str_eq(name, STR("INBOX")))
		return err_set(ERR_DENIED, "mail: INBOX cannot be deleted");
	int err = mail_edit_place(&place, w, name);
	if (err == 0)
		err = mail_edit_file(&file, w, place.path);
	if (err == 0)
		err = delete_below(w, place.path, ".m");
	if (err == 0)
		err = delete_below(w, place.path, ".f");
	if (err < 0)
		return err;
	file.exists = false;
	return put_subscription(w, place.path, &file);
}

int mail_delete(struct mail_account *a, struct str name)
{
	struct mail_edit *w;
	int err = checked(mail_edit_begin_reserved(&w, a), &w, &name, a, name);
	if (err < 0)
		return err;
	return finish(w, delete (w, name), "delete", name);
}

static int subscribe(struct mail_edit *w, struct str name, bool on)
{
	struct mail_file file;
	struct str parent, level = name;
	const struct mail_entry *en = mail_account_find(w->acct, name);
	if (en == NULL)
		return err_set(ERR_NOENT, "mail: no such mailbox");
	int err = mail_edit_file(&file, w, en->path);
	if (err == ERR_NOENT) { /* a folder that only leads to others */
		if (!on)
			return 0;
		while (str_cut(&parent, &level, level, '/'))
			;
		file = (struct mail_file){ .name = parent, .created_sec = os_wall_sec() };
		err = 0;
	}
	if (err < 0 || file.subscribed == on)
		return err;
	file.subscribed = on;
	return put_subscription(w, en->path, &file);
}

int mail_subscribe(struct mail_account *a, struct str name, bool on)
{
	struct mail_edit *w;
	int err = begin(&w, &name, a, name);
	if (err < 0)
		return err;
	return finish(w, subscribe(w, name, on), on ? "subscribe" : "unsubscribe", name);
}

/* ---- rename ---- */
struct moved { /* what stands in a folder */
	struct moved *next;
	struct str name;
	struct store_entry entry;
};
struct moving {
	struct arena *a;
	struct moved *first;
};

static int collect(void *ctx, struct str name, const struct store_entry *e)
{
	struct moving *mv = ctx;
	struct moved *m = ARENA_NEW(mv->a, struct moved);
	if (m == NULL)
		return err_set(ERR_LIMIT, "mail: too many mailboxes to rename");
	m->entry = *e;
	m->name = arena_dup(mv->a, name);
	m->next = mv->first;
	mv->first = m;
	return m->name.p != NULL ? 0 : err_set(ERR_LIMIT, "mail: too many mailboxes to rename");
}

static int move_folder(struct mail_edit *w, struct str from, struct str to)
{
	struct moving mv = { .a = &w->arena };
	struct store_entry e;
	int err = store_edit_list(w->e, from, collect, &mv);
	for (struct moved *m = mv.first; err == 0 && m != NULL; m = m->next) {
		struct str path;
		err = join(&path, &w->arena, to, m->name);
		if (err < 0)
			return err;
		if (store_edit_find(&e, w->e, path) == 0 && !str_eq(m->name, STR(".mailbox")))
			return err_set(ERR_EXIST, "mail: a mailbox below has the same name");
		err = store_edit_put(w->e, path, &m->entry.oid, m->entry.kind);
	}
	return err < 0 ? err : store_edit_del(w->e, from);
}

/* INBOX stays: what it holds gets a new mailbox (RFC 3501 6.3.5). */
static int rename_inbox(struct mail_edit *w, struct str inbox, struct str to)
{
	static const char *const folders[] = { ".m", ".f" };
	struct str level, path, source, target;
	struct store_entry e;
	int err = target_folder(&path, &level, w, to, STR_NONE);
	if (err == 0)
		err = must_be_free(w, path);
	if (err == 0)
		err = put_new(w, path, level, MAIL_USE_NONE);
	for (size_t i = 0; err == 0 && i < ARRAY_LEN(folders); i++) {
		err = join(&source, &w->arena, inbox, str_of(folders[i]));
		if (err == 0)
			err = join(&target, &w->arena, path, str_of(folders[i]));
		if (err == 0)
			err = store_edit_find(&e, w->e, source);
		if (err == 0)
			err = store_edit_put(w->e, target, &e.oid, STORE_TREE);
		if (err == 0)
			err = store_edit_del(w->e, source);
		if (err == ERR_NOENT) /* empty */
			err = 0;
	}
	return err;
}

static struct str last_level(struct str path)
{
	for (size_t i = path.n; i > 0; i--)
		if (path.p[i - 1] == '/')
			return str_sub(path, i, path.n);
	return path;
}

static int rename_folder(struct mail_edit *w, struct str from, struct str to)
{
	struct str path, level;
	struct mail_file file;
	bool same_parent = from.n - last_level(from).n == to.n - last_level(to).n &&
		str_starts(from, str_sub(to, 0, to.n - last_level(to).n));
	int err = target_folder(&path, &level, w, to, same_parent ? last_level(from) : STR_NONE);
	if (err == 0)
		err = must_be_free(w, path);
	if (err == 0)
		err = move_folder(w, from, path);
	if (err == 0)
		err = mail_edit_file(&file, w, path);
	if (err < 0)
		return err == ERR_NOENT ? 0 : err;
	file.name = level;
	return mail_edit_put_file(w, path, &file);
}

static int rename_any(struct mail_edit *w, struct str from, struct str to)
{
	const struct mail_entry *en = mail_account_find(w->acct, from);
	struct mail_place place;
	struct str path;
	if (en == NULL)
		return err_set(ERR_NOENT, "mail: no such mailbox");
	if (en->file.exists) {
		int err = mail_edit_place(&place, w, from);
		if (err < 0)
			return err;
	}
	path = arena_dup(&w->arena, en->path);
	if (path.p == NULL)
		return ERR_LIMIT;
	if (str_eq(from, STR("INBOX")))
		return rename_inbox(w, path, to);
	if (str_eq(from, to))
		return err_set(ERR_EXIST, "mail: there is such a mailbox");
	if (mail_name_below(to, from))
		return err_set(ERR_BAD, "mail: a mailbox cannot move into itself");
	return rename_folder(w, path, to);
}

int mail_rename(struct mail_account *a, struct str from, struct str to)
{
	struct mail_edit *w;
	struct str target;
	int err = begin(&w, &from, a, from);
	if (err < 0)
		return err;
	err = mail_name_normal(&target, &w->arena, to);
	if (err == 0)
		err = rename_any(w, from, target);
	return finish(w, err, "rename", from);
}

/* ---- first use ---- */
int mail_account_fill(struct mail_account *a)
{
	static const struct {
		const char *name;
		enum mail_use use;
	} first[] = {
		{ "INBOX", MAIL_USE_NONE },
		{ "Archive", MAIL_USE_ARCHIVE },
		{ "Drafts", MAIL_USE_DRAFTS },
		{ "Junk", MAIL_USE_JUNK },
		{ "Sent", MAIL_USE_SENT },
		{ "Trash", MAIL_USE_TRASH },
	};
	struct mail_edit *w;
	struct store_entry e;
	int err = mail_edit_begin(&w, a);
	if (err < 0)
		return err;
	if (store_edit_find(&e, w->e, STR(".lanes")) ==
		0) { /* another fiber was faster, but it may not be durable yet */
		return mail_edit_commit(w, STR("mail: first use"));
	}
	err = store_edit_put_bytes(w->e, STR(".gitattributes"), STR("* -text\n"));
	if (err == 0)
		err = store_edit_put_bytes(w->e, STR(".lanes"), STR(""));
	for (size_t i = 0; err == 0 && i < ARRAY_LEN(first); i++) {
		struct mail_file file = {
			.exists = true,
			.name = str_of(first[i].name),
			.use = first[i].use,
			.subscribed = true,
			.created_sec = os_wall_sec(),
		};
		os_random(file.id.b, sizeof(file.id.b));
		err = mail_edit_put_file(w, file.name, &file);
	}
	if (err < 0) {
		mail_edit_abort(w);
		return err;
	}
	return mail_edit_commit(w, STR("mail: first use"));
}
