/* SPDX-License-Identifier: ISC */
/*
 * Writing a snapshot. A mailbox whose messages are those of the last time costs a look at its
 * file; else the trees of its messages, then and now, are compared as far as they differ, and the
 * leaves with a changed message are written anew from the local records. Of many leaves several
 * commits are made, so that others have their turn; a mailbox's file, which says that its leaves
 * are complete, comes last.
 */
#include "services/mail/mailbox_snapshot_impl.h"

#include "os/crypto.h"

#define LEAVES_A_COMMIT 64
#define LEAVES          (1u << (MAIL_TOP_SHIFT - MAIL_UIDS_SHIFT)) /* below one folder <lane>/<a> */
#define SNAP_ARENA      (16 * 1024 * 1024)
#define TURN_NS         (60 * OS_SEC)
#define ENDPOINT_KEY    STR("endpoint")

struct snapping {
	struct mail *m;
	struct store *s;
	struct str from, to; /* refs */
	struct store_oid head, tree;
	struct mail_account_rec account;
	struct store_edit *e;
	unsigned leaves; /* written in this edit */
	bool changed;
	struct arena arena; /* as long as the account is worked on */
	struct buf path, text;
	/* the mailbox at hand */
	struct mail_box_key key;
	bool known; /* its leaves are those of `old` */
	struct store_oid old;
	/* the folder at hand */
	uint32_t lane, top;
	uint8_t touched[LEAVES / 8];
};
struct child { /* a folder in a folder */
	struct child *next;
	struct str name;
	struct store_oid oid;
};
struct children {
	struct arena *a;
	struct child *first;
};

/* ---- edits ---- */
static int begin(struct snapping *p)
{
	p->leaves = 0;
	return store_edit_begin(&p->e, p->s, p->to, os_after(TURN_NS));
}

static int commit(struct snapping *p)
{
	struct str email = arena_fmt(&p->arena, "allod@%s", p->m->domain);
	struct store_why why = { STR("allod"), email, STR("mail: numbers of this endpoint"), 0 };
	struct store_edit *e = p->e;
	p->e = NULL;
	return store_edit_commit(NULL, e, &why);
}

static int path_done(struct snapping *p, struct str *out)
{
	*out = buf_str(&p->path);
	return p->path.err;
}

static int put(struct snapping *p)
{
	struct str path;
	int err = path_done(p, &path);
	if (err == 0)
		err = p->text.err;
	p->changed = true;
	return err < 0 ? err : store_edit_put_bytes(p->e, path, buf_str(&p->text));
}

static int drop(struct snapping *p)
{
	struct str path;
	int err = path_done(p, &path);
	if (err == 0)
		err = store_edit_del(p->e, path);
	if (err == 0)
		p->changed = true;
	return err == ERR_NOENT ? 0 : err;
}

/* ---- one leaf ---- */
static int add_line(void *ctx, struct str key, struct str value)
{
	struct snapping *p = ctx;
	struct mail_uid_rec rec;
	uint32_t seq = 0;
	int err = mail_uid_decode(&rec, value);
	for (size_t i = key.n - 4; i < key.n; i++)
		seq = seq << 8 | (uint8_t)key.p[i];
	if (err == 0)
		mail_snap_line(&p->text, seq, rec.uid);
	return err;
}

static int write_leaf(struct snapping *p, uint32_t first)
{
	struct mail_key key;
	mail_key_uid(&key, &p->key, p->lane, first);
	p->path.n = p->text.n = 0;
	mail_snap_path_leaf(&p->path, &p->key.id, p->lane, first);
	/* the records of seq first .. first + 255 */
	int err = store_local_scan(p->s, str_n(key.b, key.n - 1), STR_NONE, add_line, p);
	if (err == 0)
		err = p->text.n > 0 ? put(p) : drop(p);
	if (err == 0 && ++p->leaves == LEAVES_A_COMMIT) {
		err = commit(p);
		if (err == 0)
			err = begin(p);
	}
	return err;
}

/* ---- one folder <lane>/<a> of a mailbox ---- */
static int on_change(void *ctx, const struct store_change *c)
{
	struct snapping *p = ctx;
	uint32_t seq;
	if (c->path.n < 8 || !mail_hex32(&seq, str_sub(c->path, c->path.n - 8, c->path.n), 8) ||
		seq >> MAIL_TOP_SHIFT != p->top)
		return 0;
	uint32_t leaf = seq >> MAIL_UIDS_SHIFT & (LEAVES - 1);
	p->touched[leaf / 8] |= (uint8_t)(1u << leaf % 8);
	return 0;
}

static int write_top(struct snapping *p, const struct store_oid *old, const struct store_oid *new)
{
	memset(p->touched, 0, sizeof(p->touched));
	int err = store_diff(p->s, old, new, STR_NONE, on_change, p);
	for (uint32_t i = 0; i < LEAVES && err == 0; i++)
		if (p->touched[i / 8] >> i % 8 & 1)
			err = write_leaf(p, p->top << MAIL_TOP_SHIFT | i << MAIL_UIDS_SHIFT);
	return err;
}

/* ---- one mailbox ---- */
static int add_child(void *ctx, struct str name, const struct store_entry *e)
{
	struct children *v = ctx;
	if (e->kind != STORE_TREE)
		return 0;
	struct child *c = ARENA_NEW(v->a, struct child);
	if (c == NULL || (c->name = arena_dup(v->a, name)).p == NULL)
		return err_set(ERR_LIMIT, "mail: no room for a snapshot");
	c->oid = e->oid;
	c->next = v->first;
	v->first = c;
	return 0;
}

static int children_of(struct children *v, struct snapping *p, const struct store_oid *tree)
{
	*v = (struct children){ .a = &p->arena };
	return tree != NULL ? store_list(p->s, tree, STR_NONE, add_child, v) : 0;
}

static const struct store_oid *child_of(const struct children *v, struct str name)
{
	for (const struct child *c = v->first; c != NULL; c = c->next)
		if (str_eq(c->name, name))
			return &c->oid;
	return NULL;
}

/* Folders of the snapshot below "<id>[/<name>]" that the mail no longer has. */
static int drop_absent(struct snapping *p, struct str below, const struct children *now)
{
	struct children had = { .a = &p->arena };
	struct str path;
	p->path.n = 0;
	mail_snap_path_id(&p->path, &p->key.id);
	if (below.n > 0)
		buf_fmt(&p->path, "/%.*s", STR_ARG(below));
	int err = path_done(p, &path);
	if (err == 0)
		err = store_edit_list(p->e, path, add_child, &had);
	for (const struct child *c = had.first; c != NULL && err == 0; c = c->next) {
		if (child_of(now, c->name) != NULL)
			continue;
		p->path.n = 0;
		mail_snap_path_id(&p->path, &p->key.id);
		if (below.n > 0)
			buf_fmt(&p->path, "/%.*s", STR_ARG(below));
		buf_fmt(&p->path, "/%.*s", STR_ARG(c->name));
		err = drop(p);
	}
	return err == ERR_NOENT ? 0 : err;
}

static int write_lane(struct snapping *p, struct str name, const struct store_oid *old,
	const struct store_oid *new)
{
	struct children was, now;
	if (!mail_hex32(&p->lane, name, 8))
		return 0;
	int err = children_of(&was, p, old);
	if (err == 0)
		err = children_of(&now, p, new);
	if (err == 0)
		err = drop_absent(p, name, &now);
	for (const struct child *c = now.first; c != NULL && err == 0; c = c->next) {
		const struct store_oid *before = child_of(&was, c->name);
		if (!mail_hex32(&p->top, c->name, 1) || p->top > UINT32_MAX >> MAIL_TOP_SHIFT ||
			(before != NULL && store_oid_eq(before, &c->oid)))
			continue;
		err = write_top(p, before, &c->oid);
	}
	return err;
}

static int write_leaves(struct snapping *p, const struct store_oid *new)
{
	struct children was, now;
	int err = children_of(&was, p, p->known ? &p->old : NULL);
	if (err == 0)
		err = children_of(&now, p, new);
	if (err == 0)
		err = drop_absent(p, STR_NONE, &now);
	for (const struct child *c = now.first; c != NULL && err == 0; c = c->next) {
		const struct store_oid *before = child_of(&was, c->name);
		if (before == NULL || !store_oid_eq(before, &c->oid))
			err = write_lane(p, c->name, before, &c->oid);
	}
	return err;
}

/* All of it, whatever stands there. */
static int write_anew(struct snapping *p, const struct store_oid *new)
{
	p->known = false;
	p->path.n = 0;
	mail_snap_path_id(&p->path, &p->key.id);
	int err = drop(p);
	return err < 0 ? err : write_leaves(p, new);
}

static int read_box(struct mail_box_rec *out, struct snapping *p)
{
	struct mail_key key;
	struct str value;
	mail_key_box(&key, &p->key);
	int err = store_local_get(&value, &p->arena, p->s, mail_key_str(&key));
	return err < 0 ? err : mail_box_decode(out, value);
}

static int read_snap(struct mail_snap_box *out, struct snapping *p)
{
	struct str path, text;
	p->path.n = 0;
	mail_snap_path_box(&p->path, &p->key.id);
	int err = path_done(p, &path);
	if (err == 0)
		err = store_edit_bytes(&text, &p->arena, p->e, path, 4096);
	return err < 0 ? err : mail_snap_box_parse(out, text) ? 0 : ERR_NOENT;
}

static int write_box(struct snapping *p, const struct store_oid *m)
{
	struct mail_snap_box was = { 0 }, now = { .has_m = m != NULL };
	struct mail_box_rec rec;
	int err = read_snap(&was, p);
	if (err < 0 && err != ERR_NOENT)
		return err;
	p->known = err == 0 && was.has_m;
	p->old = was.m;
	err = read_box(&rec, p);
	if (err < 0) /* made meanwhile: next time */
		return err == ERR_NOENT ? 0 : err;
	if (m != NULL)
		now.m = *m;
	bool same = was.has_m == now.has_m && (m == NULL || store_oid_eq(&was.m, m));
	if (same && was.uidvalidity == rec.uidvalidity && was.uidnext == rec.uidnext)
		return 0;
	if (was.uidvalidity != rec.uidvalidity)
		err = write_anew(p, m);
	else if (!same)
		err = write_leaves(p, m);
	if (err == ERR_NOENT || err == ERR_CORRUPT) /* history was cut behind the last time */
		err = write_anew(p, m);
	if (err == 0)
		err = read_box(&rec, p); /* not below any UID of the leaves */
	now.uidvalidity = rec.uidvalidity;
	now.uidnext = rec.uidnext;
	p->path.n = p->text.n = 0;
	mail_snap_path_box(&p->path, &p->key.id);
	mail_snap_box_format(&p->text, &now);
	return err < 0 ? err : put(p);
}

/* ---- one account ---- */
static int write_boxes(struct snapping *p, const struct mail_entry *list, size_t n)
{
	int err = 0;
	for (size_t i = 0; i < n && err == 0; i++) {
		struct store_entry e;
		if (!list[i].file.exists)
			continue;
		p->key = (struct mail_box_key){ p->account.number, list[i].file.id };
		p->path.n = 0;
		buf_fmt(&p->path, "%.*s/.m", STR_ARG(list[i].path));
		err = store_find(&e, p->s, &p->tree, buf_str(&p->path));
		if (err == 0 || err == ERR_NOENT)
			err = write_box(p, err == 0 && e.kind == STORE_TREE ? &e.oid : NULL);
	}
	return err;
}

static int drop_boxes(struct snapping *p, const struct mail_entry *list, size_t n)
{
	struct children had = { .a = &p->arena };
	int err = store_edit_list(p->e, STR(""), add_child, &had);
	for (const struct child *c = had.first; c != NULL && err == 0; c = c->next) {
		bool there = false;
		for (size_t i = 0; i < n && !there; i++)
			there = list[i].file.exists && str_eq(list[i].id_hex, c->name);
		p->path.n = 0;
		buf_add(&p->path, c->name);
		if (!there)
			err = drop(p);
	}
	return err == ERR_NOENT ? 0 : err;
}

static int write_account(struct snapping *p)
{
	struct mail_snap_account a = { p->head, store_seq(p->s), p->account.validity_floor };
	struct mail_entry *list;
	size_t n;
	int err = mail_entries_read(&list, &n, &p->arena, p->s, &p->tree);
	if (err == 0)
		err = begin(p);
	if (err == 0)
		err = write_boxes(p, list, n);
	if (err == 0)
		err = drop_boxes(p, list, n);
	if (err == 0 && p->changed) {
		p->path.n = p->text.n = 0;
		buf_addz(&p->path, "account");
		mail_snap_account_format(&p->text, &a);
		err = put(p);
	}
	if (err == 0 && p->changed)
		return commit(p);
	if (p->e != NULL)
		store_edit_abort(p->e);
	return err;
}

/* Where branch and snapshot stand; ERR_EXIST: the snapshot is of this very commit. */
static int look(struct snapping *p)
{
	struct mail_snap_account a;
	struct store_oid last;
	struct store_commit c;
	struct store_entry e;
	struct mail_key key;
	struct str text;
	mail_key_account(&key, p->from);
	int err = store_local_get(&text, &p->arena, p->s, mail_key_str(&key));
	if (err == 0)
		err = mail_account_decode(&p->account, text);
	if (err == 0)
		err = store_ref_get(&p->head, p->s, p->from);
	if (err == 0)
		err = store_commit_get(&c, &p->arena, p->s, &p->head);
	if (err < 0)
		return err;
	p->tree = c.tree;
	if (store_ref_get(&last, p->s, p->to) == 0 &&
		store_commit_get(&c, &p->arena, p->s, &last) == 0 &&
		store_find(&e, p->s, &c.tree, STR("account")) == 0 && e.kind == STORE_BLOB &&
		store_blob_all(&text, &p->arena, p->s, &e.oid, 4096) == 0 &&
		mail_snap_account_parse(&a, text) && store_oid_eq(&a.branch, &p->head))
		return ERR_EXIST;
	return 0;
}

static int snap_account(bool *changed, struct mail *m, struct str ref, const char *endpoint)
{
	struct snapping *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return err_set(ERR_NOMEM, "mail: no memory");
	p->m = m;
	p->s = m->s;
	p->from = ref;
	arena_init(&p->arena, SNAP_ARENA);
	buf_init(&p->path, NULL);
	buf_init(&p->text, NULL);
	p->to = arena_fmt(
		&p->arena, "refs/endpoints/%s/%.*s", endpoint, STR_ARG(str_sub(ref, 11, ref.n)));
	int err = p->to.p != NULL ? look(p) : err_set(ERR_LIMIT, "mail: no room");
	if (err == 0)
		err = write_account(p);
	*changed = p->changed;
	arena_free(&p->arena);
	buf_free(&p->path);
	buf_free(&p->text);
	free(p);
	/* A branch that was deleted has no numbers to keep. */
	return err == ERR_EXIST || err == ERR_NOENT ? 0 : err;
}

/* ---- all of them ---- */
static int draw_endpoint(char out[static MAIL_ENDPOINT_HEX], struct mail *m)
{
	struct store_why why = { STR("allod"), STR("allod@localhost"), STR("mail: endpoint"), 0 };
	struct store_edit *e;
	uint8_t id[8];
	struct buf hex;
	int err = store_edit_begin(&e, m->s, STR("refs/heads/estate"), os_after(TURN_NS));
	if (err < 0)
		return err;
	buf_init(&hex, NULL);
	os_random(id, sizeof(id));
	os_hex(&hex, str_n(id, sizeof(id)));
	err = hex.err < 0 ? hex.err : store_edit_local_put(e, ENDPOINT_KEY, buf_str(&hex));
	if (err == 0) {
		memcpy(out, hex.p, MAIL_ENDPOINT_HEX);
		err = store_edit_commit(NULL, e, &why);
	} else {
		store_edit_abort(e);
	}
	buf_free(&hex);
	return err;
}

static int find_endpoint(char out[static MAIL_ENDPOINT_HEX], struct mail *m, struct arena *a)
{
	struct str value;
	int err = store_local_get(&value, a, m->s, ENDPOINT_KEY);
	if (err == ERR_NOENT)
		return draw_endpoint(out, m);
	if (err == 0 && value.n != MAIL_ENDPOINT_HEX - 1)
		err = err_set(ERR_CORRUPT, "mail: the endpoint's record is damaged");
	if (err == 0) {
		memcpy(out, value.p, value.n);
		out[value.n] = '\0';
	}
	return err;
}

static int add_account(void *ctx, struct str key, struct str value)
{
	struct children *v = ctx;
	struct child *c = ARENA_NEW(v->a, struct child);
	(void)value;
	if (c == NULL || (c->name = arena_dup(v->a, str_sub(key, 3, key.n))).p == NULL)
		return err_set(ERR_LIMIT, "mail: too many accounts");
	c->next = v->first;
	v->first = c;
	return 0;
}

static int snap_all(char *endpoint, size_t *written, struct mail *m, struct arena *a)
{
	struct children refs = { .a = a };
	int err = find_endpoint(endpoint, m, a);
	if (err == 0)
		err = store_local_scan(m->s, STR("ma:"), STR_NONE, add_account, &refs);
	for (const struct child *c = refs.first; c != NULL && err == 0; c = c->next) {
		bool changed = false;
		err = snap_account(&changed, m, c->name, endpoint);
		*written += changed;
	}
	return err;
}

int mail_snapshot(char endpoint[static MAIL_ENDPOINT_HEX], size_t *written, struct mail *m)
{
	struct arena a;
	*written = 0;
	int err = os_lock(&m->snapshot, OS_FOREVER);
	if (err < 0)
		return err;
	arena_init(&a, 1 << 20);
	err = snap_all(endpoint, written, m, &a);
	arena_free(&a);
	os_unlock(&m->snapshot);
	return err;
}
