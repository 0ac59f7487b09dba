/* SPDX-License-Identifier: ISC */
#include "identity/registry_impl.h"
#include "os/log.h"

#define ESTATE_REF STR("refs/heads/estate")
#define ARENA_CAP  (16 * 1024 * 1024)
#define FILE_MAX   4096
#define EDIT_WAIT  (60 * OS_SEC)

/* ---- the files: "key = value" lines ---- */

struct str id_file_get(struct str text, struct str key)
{
	struct str line, k, v;

	while (text.n > 0) {
		str_cut(&line, &text, text, '\n');
		if (str_cut(&k, &v, line, '=') && str_eq(str_trim(k), key))
			return str_trim(v);
	}
	return STR_NONE;
}

int64_t id_file_time(struct str text, struct str key)
{
	uint64_t v;

	return str_u64(&v, id_file_get(text, key), INT64_MAX) == 0 ? (int64_t)v : 0;
}

/* ---- reading the branch into memory ---- */

struct walk {
	struct id_registry *r;
	struct store_oid tree; /* of the folder being listed */
	struct id_user *user;
	enum id_kind kind;
};

static int read_file(
	struct str *out, struct id_registry *r, const struct store_oid *tree, struct str path)
{
	struct store_entry e;
	int err = store_find(&e, r->s, tree, path);

	if (err < 0)
		return err;
	return store_blob_all(out, &r->a, r->s, &e.oid, FILE_MAX);
}

static int load_secret(void *ctx, struct str name, const struct store_entry *e)
{
	struct walk *w = ctx;
	struct id_secrets *all = &w->user->secrets[w->kind];
	struct id_secret *p;
	struct str text;
	int err;

	if (e->kind != STORE_BLOB || name.n > ID_CLIENT_BYTES_MAX ||
		(w->kind == ID_TOKEN && !id_device_ok(name)))
		return 0;
	if (all->count == ID_PASSWORDS_MAX)
		return err_set(ERR_LIMIT, "registry: %.*s has more than %d %.*s",
			STR_ARG(w->user->name), ID_PASSWORDS_MAX, STR_ARG(id_kind_folder(w->kind)));
	p = ARENA_NEW(&w->r->a, struct id_secret);
	if (!p)
		return err_set(ERR_LIMIT, "registry: too large");
	p->name = arena_dup(&w->r->a, name);
	if ((err = store_blob_all(&text, &w->r->a, w->r->s, &e->oid, FILE_MAX)) < 0)
		return err;
	if (id_secret_parse(p, text) < 0) { /* it lets nobody in, and keeps nobody else out */
		os_log(OS_WARN,
			"svc=registry event=password result=unreadable user=%.*s client=\"%.*s\"",
			STR_ARG(w->user->name), STR_ARG(name));
		return 0;
	}
	p->next = all->first;
	all->first = p;
	all->count++;
	return 0;
}

static int load_secrets(struct walk *w, const struct store_oid *user)
{
	struct store_entry folder;
	int err = 0;

	for (w->kind = 0; w->kind < ID_KINDS && err >= 0; w->kind++) {
		err = store_find(&folder, w->r->s, user, id_kind_folder(w->kind));
		if (err >= 0)
			err = store_list(w->r->s, &folder.oid, STR_NONE, load_secret, w);
		else if (err == ERR_NOENT)
			err = 0;
	}
	return err;
}

static bool user_name_ok(struct str s)
{
	return id_name_ok(s, ID_USER_BYTES_MAX, false, ".-_");
}

static bool name_taken(struct str s)
{
	return str_eq(s, STR("estate")) || str_eq(s, STR("postmaster"));
}

static int load_user(void *ctx, struct str name, const struct store_entry *e)
{
	struct walk *w = ctx;
	struct id_registry *r = w->r;
	struct str text;
	int err;

	if (e->kind != STORE_TREE || !user_name_ok(name) || name_taken(name))
		return 0; /* whoever wrote the branch: nobody's mail may stand in refs/heads/estate */
	if (r->user_count == ID_USERS_MAX)
		return err_set(ERR_LIMIT, "registry: more than %d users", ID_USERS_MAX);
	w->user = ARENA_NEW(&r->a, struct id_user);
	if (!w->user)
		return err_set(ERR_LIMIT, "registry: too large");
	if ((err = read_file(&text, r, &e->oid, STR("user"))) < 0)
		return err;
	w->user->name = arena_dup(&r->a, name);
	w->user->full_name = id_file_get(text, STR("name"));
	w->user->created_sec = id_file_time(text, STR("created"));
	*r->tail = w->user;
	r->tail = &w->user->next;
	r->user_count++;
	return load_secrets(w, &e->oid);
}

static int load_branch(struct id_registry *r)
{
	struct walk w = { .r = r };
	struct store_oid head;
	struct store_commit c;
	struct store_entry users;
	struct str text;
	int err;

	if ((err = store_ref_get(&head, r->s, ESTATE_REF)) < 0)
		return err == ERR_NOENT ? err_set(err, "registry: no estate on this disk") : err;
	if ((err = store_commit_get(&c, &r->a, r->s, &head)) < 0 ||
		(err = read_file(&text, r, &c.tree, STR("estate"))) < 0)
		return err;
	r->domain = id_file_get(text, STR("domain"));
	err = store_find(&users, r->s, &c.tree, STR("users"));
	if (err == ERR_NOENT)
		return 0;
	return err < 0 ? err : store_list(r->s, &users.oid, STR_NONE, load_user, &w);
}

/* Replaces what is in memory; on an error the old state stays and is tried again next time. */
static int load(struct id_registry *r)
{
	struct id_registry fresh = { .s = r->s };
	int err;

	arena_init(&fresh.a, ARENA_CAP);
	fresh.tail = &fresh.users;
	if ((err = load_branch(&fresh)) < 0) {
		arena_free(&fresh.a);
		return err;
	}
	arena_free(&r->a);
	*r = fresh;
	if (r->tail == &fresh.users)
		r->tail = &r->users;
	return 0;
}

int id_refresh(struct id_registry *r)
{
	return r->stale ? load(r) : 0;
}

static void moved(void *ctx, struct str ref, const struct store_oid *commit)
{
	struct id_registry *r = ctx;

	(void)commit;
	if (str_eq(ref, ESTATE_REF))
		r->stale = true;
}

struct id_user *id_user_find(struct id_registry *r, struct str name)
{
	for (struct id_user *u = r->users; u; u = u->next)
		if (str_eq(u->name, name))
			return u;
	return NULL;
}

/* ---- changing the branch ---- */

/* One file of the estate written (or removed, with text.p NULL) as one commit; then memory follows.
 */
int id_change(struct store *s, struct str path, struct str text, struct str message)
{
	struct store_why why = { STR("allod"), STR("allod@localhost"), message, 0 };
	struct store_edit *e;
	int err = store_edit_begin(&e, s, ESTATE_REF, os_after(EDIT_WAIT));

	if (err < 0)
		return err;
	err = text.p ? store_edit_put_bytes(e, path, text) : store_edit_del(e, path);
	if (err < 0) {
		store_edit_abort(e);
		return err;
	}
	return store_edit_commit(NULL, e, &why);
}

static bool domain_ok(struct str d)
{
	if (d.n == 0 || d.n > 253 || d.p[0] == '.' || d.p[d.n - 1] == '.')
		return false;
	for (size_t i = 0; i < d.n; i++) {
		char c = d.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'))
			return false;
	}
	return true;
}

int id_found(struct store *s, struct str domain)
{
	struct store_oid head;
	char text[300];
	int n, err = store_ref_get(&head, s, ESTATE_REF);

	if (err != ERR_NOENT)
		return err < 0
			? err
			: err_set(ERR_EXIST, "registry: there is an estate on this disk already");
	if (!domain_ok(domain))
		return err_set(ERR_BAD,
			"registry: \"%.*s\" is not a domain name (lower-case letters, digits, '-', "
			"'.')",
			STR_ARG(domain));
	n = snprintf(text, sizeof(text), "domain = %.*s\n", STR_ARG(domain));
	return id_change(s, STR("estate"), str_n(text, (size_t)n), STR("estate: found it"));
}

int id_open(struct id_registry **out, struct store *s)
{
	struct id_registry *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return ERR_NOMEM;
	r->s = s;
	arena_init(&r->a, ARENA_CAP);
	if ((err = load(r)) < 0 || (err = store_watch(s, moved, r)) < 0) {
		id_close(r);
		return err;
	}
	*out = r;
	return 0;
}

void id_close(struct id_registry *r)
{
	if (!r)
		return;
	store_unwatch(r->s, moved, r);
	arena_free(&r->a);
	free(r);
}

struct str id_domain(const struct id_registry *r)
{
	return r->domain;
}

static bool alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Of `alnum` and, but for the first, of `more`; a git path whatever it is. */
bool id_name_ok(struct str s, size_t max, bool upper, const char *more)
{
	if (s.n == 0 || s.n > max)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!alnum(c) && !(upper && c >= 'A' && c <= 'Z') &&
			(i == 0 || !c || !strchr(more, c)))
			return false;
	}
	/* a user's name is a ref's as well (git check-ref-format) */
	return s.p[s.n - 1] != '.' && s.p[s.n - 1] != ' ' && !str_ends(s, STR(".lock")) &&
		str_find(s, STR("..")) < 0;
}

int id_user_add(struct id_registry *r, struct str user, struct str full_name)
{
	char path[ID_USER_BYTES_MAX + 32], text[512], why[ID_USER_BYTES_MAX + 32];
	int n, m, w, err;

	if (!user_name_ok(user))
		return err_set(ERR_BAD,
			"registry: \"%.*s\" is not a user name (1 to %d lower-case letters, "
			"digits, '.', '-', '_')",
			STR_ARG(user), ID_USER_BYTES_MAX);
	if (name_taken(user))
		return err_set(ERR_BAD, "registry: the user name \"%.*s\" is taken by the system",
			STR_ARG(user));
	if (full_name.n > 200 || str_chr(full_name, '\n') >= 0 || str_chr(full_name, '\r') >= 0)
		return err_set(ERR_BAD, "registry: a full name is one line of at most 200 bytes");
	if ((err = id_refresh(r)) < 0)
		return err;
	if (id_user_find(r, user))
		return err_set(ERR_EXIST, "registry: there is a user %.*s already", STR_ARG(user));
	if (r->user_count == ID_USERS_MAX)
		return err_set(ERR_LIMIT, "registry: at most %d users", ID_USERS_MAX);
	n = snprintf(path, sizeof(path), "users/%.*s/user", STR_ARG(user));
	m = snprintf(text, sizeof(text), "name = %.*s\ncreated = %lld\n", STR_ARG(full_name),
		(long long)os_wall_sec());
	w = snprintf(why, sizeof(why), "user: add %.*s", STR_ARG(user));
	err = id_change(
		r->s, str_n(path, (size_t)n), str_n(text, (size_t)m), str_n(why, (size_t)w));
	return err < 0 ? err : id_refresh(r);
}

int id_user_list(struct id_registry *r, id_user_fn *fn, void *ctx)
{
	int err = id_refresh(r);

	for (struct id_user *u = r->users; u && err >= 0; u = u->next)
		err = fn(ctx, u->name, u->full_name);
	return err < 0 ? err : 0;
}

/* The first user that was made answers for postmaster. */
static struct id_user *first_user(struct id_registry *r)
{
	struct id_user *first = r->users;

	for (struct id_user *u = r->users; u; u = u->next)
		if (u->created_sec < first->created_sec)
			first = u;
	return first;
}

int id_user_of(char *out, struct id_registry *r, struct str address)
{
	char low[ID_USER_BYTES_MAX + 1];
	struct str local = address, domain = STR_NONE, tag;
	struct id_user *u;
	int err = id_refresh(r);

	if (err < 0)
		return err;
	for (size_t i = address.n; i-- > 0;)
		if (address.p[i] == '@') {
			local = str_sub(address, 0, i);
			domain = str_sub(address, i + 1, address.n);
			break;
		}
	if (domain.p && !str_ieq(domain, r->domain))
		return err_set(
			ERR_UNSUPPORTED, "the domain %.*s is not served here", STR_ARG(domain));
	str_cut(&local, &tag, local, '+');
	if (local.n > ID_USER_BYTES_MAX)
		return err_set(ERR_NOENT, "no such user");
	for (size_t i = 0; i < local.n; i++)
		low[i] = local.p[i] >= 'A' && local.p[i] <= 'Z' ? (char)(local.p[i] + 32)
								: local.p[i];
	local = str_n(low, local.n);
	u = str_eq(local, STR("postmaster")) ? first_user(r) : id_user_find(r, local);
	if (!u)
		return err_set(ERR_NOENT, "no such user");
	memcpy(out, u->name.p, u->name.n);
	out[u->name.n] = 0;
	return 0;
}
