/* SPDX-License-Identifier: ISC */
/* The mail store, its accounts, and the list of an account's mailboxes. */
#include "services/mail/mailbox_impl.h"

#include "os/crypto.h"

#define LIST_ARENA (16 * 1024 * 1024)

static struct mail *open_mails;

struct mail *mail_of_store(const struct store *s)
{
	struct mail *m = open_mails;
	while (m != NULL && m->s != s)
		m = m->next;
	return m;
}

static void on_commit(void *ctx, struct str ref, const struct store_oid *commit)
{
	(void)ref;
	(void)commit;
	mail_catch_up(ctx);
}

int mail_open(struct mail **out, struct store *s, struct str domain)
{
	struct mail *m = calloc(1, sizeof(*m));
	int err = ERR_NOMEM;
	if (m == NULL || (m->domain = strndup(domain.p, domain.n)) == NULL) {
		err_set(err, "mail: no memory");
		goto fail;
	}
	m->s = s;
	err = store_watch(s, on_commit, m);
	if (err < 0)
		goto fail;
	m->next = open_mails;
	open_mails = m;
	*out = m;
	return 0;
fail:
	if (m != NULL)
		free(m->domain);
	free(m);
	return err;
}

static void account_free(struct mail_account *a)
{
	arena_free(&a->arena);
	arena_free(&a->names);
	free(a);
}

void mail_close(struct mail *m)
{
	struct mail **at = &open_mails;
	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	store_unwatch(m->s, on_commit, m);
	while (m->boxes != NULL) {
		struct mail_box *b = m->boxes;
		m->boxes = b->next;
		mail_box_free(b);
	}
	while (m->accounts != NULL) {
		struct mail_account *a = m->accounts;
		m->accounts = a->next;
		account_free(a);
	}
	free(m->hints);
	free(m->claims);
	free(m->domain);
	free(m);
}

/* ---- the list of mailboxes ---- */
struct listing {
	struct store *s;
	struct arena *arena;
	struct mail_entry *entries;
	size_t n, cap;
};
struct list_folder { /* what stands in one folder, as a chain in the arena */
	struct listing *l;
	struct list_item {
		struct list_item *next;
		struct str name;
		struct store_oid oid;
	} *first, **last;
	bool has_file;
	struct store_oid file;
};

static int no_room(void)
{
	return err_set(ERR_LIMIT, "mail: no room for the list of mailboxes");
}

static int list_item(void *ctx, struct str name, const struct store_entry *e)
{
	struct list_folder *f = ctx;
	if (e->kind == STORE_BLOB && str_eq(name, STR(".mailbox"))) {
		f->has_file = true;
		f->file = e->oid;
	}
	if (e->kind != STORE_TREE || name.n == 0 || name.p[0] == '.')
		return 0;
	struct list_item *it = ARENA_NEW(f->l->arena, struct list_item);
	if (it == NULL)
		return no_room();
	it->oid = e->oid;
	it->name = arena_dup(f->l->arena, name);
	*f->last = it;
	f->last = &it->next;
	return it->name.p != NULL ? 0 : no_room();
}

static int list_push(size_t *index, struct listing *l)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 32;
		struct mail_entry *more = arena_alloc(l->arena, cap * sizeof(*more));
		if (more == NULL)
			return no_room();
		if (l->n > 0)
			memcpy(more, l->entries, l->n * sizeof(*more));
		l->entries = more;
		l->cap = cap;
	}
	*index = l->n++;
	l->entries[*index] = (struct mail_entry){ 0 };
	return 0;
}

static int list_name(struct mail_entry *en, struct arena *a, struct str parent_path,
	struct str parent_name, struct str folder)
{
	struct buf level;
	buf_init(&level, NULL);
	mail_name_unescape(&level, folder);
	if (parent_path.n == 0) {
		en->path = arena_dup(a, folder);
		en->name = arena_dup(a, buf_str(&level));
	} else {
		en->path = arena_fmt(a, "%.*s/%.*s", STR_ARG(parent_path), STR_ARG(folder));
		en->name =
			arena_fmt(a, "%.*s/%.*s", STR_ARG(parent_name), STR_ARG(buf_str(&level)));
	}
	int err = level.err;
	buf_free(&level);
	if (err == 0 && (en->path.p == NULL || en->name.p == NULL))
		err = no_room();
	return err;
}

static int list_file(struct mail_entry *en, struct listing *l, const struct store_oid *blob)
{
	struct str text;
	int err = store_blob_all(&text, l->arena, l->s, blob, MAIL_FILE_MAX);
	if (err < 0)
		return err == ERR_LIMIT ? 0 : err;
	mail_file_parse(&en->file, text);
	en->has_file = true;
	en->file_oid = *blob;
	if (!en->file.exists)
		return 0;
	struct buf hex;
	buf_init(&hex, l->arena);
	os_hex(&hex, str_n(en->file.id.b, MAIL_ID_BYTES));
	en->id_hex = buf_str(&hex);
	return hex.err;
}

static int list_walk(struct listing *l, const struct store_oid *tree, struct str path,
	struct str name, unsigned depth)
{
	struct list_folder f = { .l = l };
	f.last = &f.first;
	int err = store_list(l->s, tree, STR_NONE, list_item, &f);
	if (err == 0 && depth > 0 && f.has_file)
		err = list_file(&l->entries[l->n - 1], l, &f.file);
	size_t own = l->n;
	for (struct list_item *it = f.first; err == 0 && it != NULL; it = it->next) {
		size_t index = 0;
		err = list_push(&index, l);
		if (err == 0)
			err = list_name(&l->entries[index], l->arena, path, name, it->name);
		if (err < 0)
			return err;
		struct mail_entry copy = l->entries[index];
		if (depth < MAIL_DEPTH_MAX)
			err = list_walk(l, &it->oid, copy.path, copy.name, depth + 1);
		/* A folder with no mailbox in it or below it is none of ours. */
		if (l->n == index + 1 && !l->entries[index].has_file)
			l->n = index;
	}
	if (depth > 0 && own > 0)
		l->entries[own - 1].has_children = l->n > own;
	return err;
}

static int entry_cmp(const void *a, const void *b)
{
	const struct mail_entry *x = a, *y = b;
	return mail_name_cmp(x->name, y->name);
}

int mail_entries_read(struct mail_entry **out, size_t *n, struct arena *arena, struct store *s,
	const struct store_oid *tree)
{
	struct listing l = { .s = s, .arena = arena };
	int err = list_walk(&l, tree, STR(""), STR(""), 0);
	if (err < 0)
		return err;
	if (l.n > 1)
		qsort(l.entries, l.n, sizeof(*l.entries), entry_cmp);
	*out = l.entries;
	*n = l.n;
	return 0;
}

static int head_tree(struct store_oid *out, struct mail_account *a)
{
	struct arena arena;
	struct store_oid head;
	struct store_commit c;
	int err = store_ref_get(&head, a->m->s, a->ref);
	if (err < 0)
		return err;
	arena_init(&arena, 256 * 1024);
	err = store_commit_get(&c, &arena, a->m->s, &head);
	if (err == 0)
		*out = c.tree;
	arena_free(&arena);
	return err;
}

int mail_account_refresh(struct mail_account *a)
{
	struct store_oid tree;
	uint64_t seq = store_seq(a->m->s);
	/* A change that is not durable yet is not to be seen, so entries stay put between two waits. */
	if (a->list_seq != 0 && (a->list_seq >= a->m->list_seq || a->list_seq == seq))
		return 0;
	int err = head_tree(&tree, a);
	if (err < 0)
		return err;
	arena_reset(&a->arena);
	a->entries = NULL;
	a->entry_count = 0;
	a->list_seq = 0;
	err = mail_entries_read(&a->entries, &a->entry_count, &a->arena, a->m->s, &tree);
	if (err == 0)
		a->list_seq = seq;
	return err;
}

const struct mail_entry *mail_account_find(const struct mail_account *a, struct str name)
{
	size_t low = 0, high = a->entry_count;
	while (low < high) {
		size_t mid = (low + high) / 2;
		int c = mail_name_cmp(a->entries[mid].name, name);
		if (c == 0)
			return &a->entries[mid];
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

const struct mail_entry *mail_account_find_id(
	const struct mail_account *a, const struct mail_id *id)
{
	for (size_t i = 0; i < a->entry_count; i++)
		if (a->entries[i].file.exists && mail_id_eq(&a->entries[i].file.id, id))
			return &a->entries[i];
	return NULL;
}

int mail_list(struct mail_info **out, size_t *n, struct arena *arena, struct mail_account *a)
{
	int err = mail_account_refresh(a);
	if (err < 0)
		return err;
	struct mail_info *list = arena_zalloc(arena, (a->entry_count + 1) * sizeof(*list));
	if (list == NULL)
		return no_room();
	for (size_t i = 0; i < a->entry_count; i++) {
		const struct mail_entry *en = &a->entries[i];
		list[i] = (struct mail_info){
			.name = arena_dup(arena, en->name),
			.id = arena_dup(arena, en->id_hex),
			.use = en->file.exists ? en->file.use : MAIL_USE_NONE,
			.exists = en->file.exists,
			.subscribed = en->file.subscribed,
			.has_children = en->has_children,
		};
		if (list[i].name.p == NULL || list[i].id.p == NULL)
			return no_room();
	}
	*out = list;
	*n = a->entry_count;
	return 0;
}

/* ---- accounts ---- */
static int read_number(struct mail_account *a)
{
	struct arena arena;
	struct mail_key key;
	struct mail_account_rec rec;
	struct str value;
	arena_init(&arena, 4096);
	mail_key_account(&key, a->ref);
	int err = store_local_get(&value, &arena, a->m->s, mail_key_str(&key));
	if (err == 0)
		err = mail_account_decode(&rec, value);
	if (err == 0)
		a->number = rec.number;
	arena_free(&arena);
	return err;
}

static int account_make(struct mail_account **out, struct mail *m, struct str user)
{
	struct mail_account *a = calloc(1, sizeof(*a));
	if (a == NULL)
		return err_set(ERR_NOMEM, "mail: no memory");
	a->m = m;
	arena_init(&a->arena, LIST_ARENA);
	arena_init(&a->names, 4096);
	a->user = arena_dup(&a->names, user);
	a->ref = arena_fmt(&a->names, "refs/heads/%.*s", STR_ARG(user));
	a->email = arena_fmt(&a->names, "%.*s@%s", STR_ARG(user), m->domain);
	*out = a;
	return 0;
}

static struct mail_account *account_known(struct mail *m, struct str user)
{
	struct mail_account *a = m->accounts;
	while (a != NULL && !str_eq(a->user, user))
		a = a->next;
	return a;
}

int mail_account_open(struct mail_account **out, struct mail *m, struct str user)
{
	struct mail_account *a = account_known(m, user), *other;
	int err;
	if (a != NULL) {
		*out = a;
		return 0;
	}
	if (user.n == 0 || user.n > MAIL_REF_MAX - 11)
		return err_set(ERR_BAD, "mail: no name for an account");
	err = account_make(&a, m, user);
	if (err < 0)
		return err;
	err = read_number(a);
	if (err == ERR_NOENT) {
		err = mail_account_fill(a);
		if (err == 0)
			err = read_number(a);
	}
	other = account_known(m, user); /* made by another fiber meanwhile */
	if (err < 0 || other != NULL) {
		account_free(a);
		*out = other;
		return other != NULL ? 0 : err;
	}
	a->next = m->accounts;
	m->accounts = a;
	*out = a;
	return 0;
}

/* An account stays until mail_close: there are as many as people, and it is small. */
void mail_account_close(struct mail_account *a)
{
	(void)a;
}

struct str mail_account_user(const struct mail_account *a)
{
	return a->user;
}
