/* SPDX-License-Identifier: ISC */
/*
 * The branch refs/rejected/<user>. A name is 16 hex digits made of the item's file, '-', and 16 made of base and
 * meaning; <name>.why has lines "key value": item, base, copy (file and blob), time (Unix seconds).
 */
#include "os/crypto.h"
#include "os/time.h"
#include "services/dav/dav_impl.h"
#include "services/dav/rejected_impl.h"

#define NAME_BYTES  33
#define WHY_MAX     8192
#define COMMITS_MAX 10000 /* looked through for a base */
#define REST_TURNS  32
#define EDIT_NS     (30 * OS_SEC)

/* ---- history ---- */
struct past {                          /* commits to look at, each once */
	struct store_oid *todo, *seen; /* seen: open addressing */
	bool *used;
	size_t from, to;
};

static void add_commit(struct past *p, const struct store_oid *id)
{
	size_t slots = 2 * COMMITS_MAX, at;

	memcpy(&at, id->b, sizeof(at));
	for (at %= slots; p->used[at]; at = (at + 1) % slots)
		if (store_oid_eq(&p->seen[at], id))
			return;
	if (p->to == COMMITS_MAX)
		return;
	p->used[at] = true;
	p->seen[at] = *id;
	p->todo[p->to++] = *id;
}

static int look_back(
	bool *had, struct past *p, struct store *s, struct str path, const struct store_oid *blob)
{
	struct arena a;
	int err = 0;

	arena_init(&a, 1 << 20);
	while (p->from < p->to && !*had && err >= 0) {
		struct store_commit c;
		struct store_entry e;
		err = store_commit_get(&c, &a, s, &p->todo[p->from++]);
		if (err == ERR_NOENT && p->from > 1) { /* beyond what is kept */
			err = 0;
			continue;
		}
		if (err >= 0 && store_find(&e, s, &c.tree, path) >= 0)
			*had = e.kind == STORE_BLOB && store_oid_eq(&e.oid, blob);
		for (unsigned i = 0; err >= 0 && i < c.parent_count; i++)
			add_commit(p, &c.parents[i]);
		arena_reset(&a);
		if (p->from % REST_TURNS == 0)
			os_yield();
	}
	arena_free(&a);
	return err;
}

int dav_had(
	bool *had, struct store *s, struct str ref, struct str path, const struct store_oid *blob)
{
	struct past p = { .todo = calloc(COMMITS_MAX, sizeof(*p.todo)),
		.seen = calloc(2 * COMMITS_MAX, sizeof(*p.seen)),
		.used = calloc(2 * COMMITS_MAX, sizeof(*p.used)) };
	struct store_oid head;
	int err = p.todo && p.seen && p.used ? store_ref_get(&head, s, ref)
					     : err_set(ERR_NOMEM, "dav: out of memory");

	*had = false;
	if (err >= 0) {
		add_commit(&p, &head);
		err = look_back(had, &p, s, path, blob);
	}
	free(p.todo);
	free(p.seen);
	free(p.used);
	return err;
}

/* ---- names ---- */
static void hex16(char out[static 17], const uint8_t hash[static 8])
{
	for (int i = 0; i < 8; i++)
		snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

static int make_name(char out[static NAME_BYTES + 1], const struct rejected *j)
{
	uint8_t hash[OS_SHA256_BYTES], digest[OS_SHA256_BYTES];
	struct buf b;

	os_sha256(hash, j->file);
	hex16(out, hash);
	out[16] = '-';
	dav_item_digest(digest, j->bytes);
	buf_init(&b, NULL);
	if (j->has_base)
		buf_add(&b, str_n(j->base.b, sizeof(j->base.b)));
	buf_add(&b, str_n(digest, sizeof(digest)));
	if (b.err >= 0)
		os_sha256(hash, buf_str(&b));
	hex16(out + 17, hash);
	buf_free(&b);
	return b.err;
}

static int tree_of(struct store_oid *tree, struct rejected *j)
{
	struct store_commit c;
	struct store_oid head;
	int err = store_ref_get(&head, j->s, j->ref);

	if (err >= 0)
		err = store_commit_get(&c, &j->r->a, j->s, &head);
	if (err >= 0)
		*tree = c.tree;
	return err;
}

/* ---- reading ---- */
static void parse_why(struct rejected_why *w, struct str text)
{
	struct str line, key, value, hex;
	uint64_t n = 0;

	*w = (struct rejected_why){ .copy = STR(""), .item = STR("") };
	while (text.n) {
		str_cut(&line, &text, text, '\n');
		str_cut(&key, &value, line, ' ');
		if (str_eq(key, STR("item")))
			w->item = value;
		else if (str_eq(key, STR("base")))
			w->has_base = store_oid_parse(&w->base, value) >= 0;
		else if (str_eq(key, STR("copy")) && str_cut(&hex, &value, value, ' ') &&
			store_oid_parse(&w->copy_blob, hex) >= 0)
			w->copy = value;
		else if (str_eq(key, STR("time")) && str_u64(&n, value, INT64_MAX) >= 0)
			w->time_sec = (int64_t)n;
	}
}

struct listing {
	struct rejected *j;
	struct str prefix; /* of names */
	struct store_oid tree;
	struct kept {
		char name[NAME_BYTES + 1];
		struct rejected_why why;
		uint64_t bytes;
	} *v;
	size_t n;
};

static int list_one(void *ctx, struct str name, const struct store_entry *e)
{
	struct listing *l = ctx;
	struct store_entry body;
	struct str text;
	int err;

	if (name.n != NAME_BYTES + 4 || !str_ends(name, STR(".why")) ||
		!str_starts(name, l->prefix) || l->n == 2 * DAV_REJECTED_MAX)
		return 0;
	err = store_find(&body, l->j->s, &l->tree, str_sub(name, 0, NAME_BYTES));
	if (err >= 0)
		err = store_blob_all(&text, &l->j->r->a, l->j->s, &e->oid, WHY_MAX);
	if (err >= 0)
		err = store_blob_size(&l->v[l->n].bytes, l->j->s, &body.oid);
	if (err < 0)
		return err == ERR_NOENT || err == ERR_LIMIT ? 0 : err;
	parse_why(&l->v[l->n].why, text);
	l->v[l->n].why.body = body.oid;
	memcpy(l->v[l->n].name, name.p, NAME_BYTES);
	l->v[l->n++].name[NAME_BYTES] = 0;
	return 0;
}

/* ERR_NOENT: nothing was ever refused. */
static int list(struct listing *l, struct rejected *j, struct str prefix)
{
	int err;

	*l = (struct listing){ .j = j, .prefix = prefix };
	err = tree_of(&l->tree, j);
	if (err < 0)
		return err;
	l->v = arena_alloc(&j->r->a, 2 * DAV_REJECTED_MAX * sizeof(*l->v));
	if (!l->v)
		return err_set(ERR_LIMIT, "over the memory for one request");
	return store_list(j->s, &l->tree, STR_NONE, list_one, l);
}

int dav_rejected_of(struct rejected *j, rejected_fn *fn, void *ctx)
{
	uint8_t hash[OS_SHA256_BYTES];
	char prefix[17];
	struct listing l;
	int err;

	os_sha256(hash, j->file);
	hex16(prefix, hash);
	err = list(&l, j, str_n(prefix, 16));
	for (size_t i = 0; err >= 0 && i < l.n; i++)
		err = fn(ctx, &l.v[i].why);
	return err == ERR_NOENT ? 0 : err;
}

static int count_copy(void *ctx, const struct rejected_why *w)
{
	struct rejected *j = ctx;

	j->copies += w->copy.n > 0;
	return 0;
}

int dav_rejected_known(bool *known, struct rejected *j)
{
	char name[NAME_BYTES + 1];
	struct store_entry e;
	struct store_oid tree;
	int err = tree_of(&tree, j);

	j->copies = 0;
	*known = false;
	if (err == ERR_NOENT)
		return 0;
	if (err >= 0)
		err = make_name(name, j);
	if (err < 0)
		return err;
	*known = store_find(&e, j->s, &tree, str_of(name)) >= 0;
	return dav_rejected_of(j, count_copy, j);
}

/* ---- keeping ---- */
/* Those with copies first, by which copies are counted; then the newest. */
static int by_worth(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;

	if ((x->why.copy.n > 0) != (y->why.copy.n > 0))
		return x->why.copy.n > 0 ? -1 : 1;
	if (x->why.time_sec != y->why.time_sec)
		return x->why.time_sec > y->why.time_sec ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int forget(struct store_edit *e, struct rejected *j, int64_t now)
{
	uint64_t bytes = j->bytes.n;
	struct listing l;
	int err = list(&l, j, STR(""));

	if (err < 0)
		return err == ERR_NOENT ? 0 : err;
	if (l.n > 1)
		qsort(l.v, l.n, sizeof(*l.v), by_worth);
	for (size_t i = 0; i < l.n && err >= 0; i++) {
		struct kept *k = &l.v[i];
		struct str why = arena_fmt(&j->r->a, "%s.why", k->name);
		bytes += k->bytes;
		if (i + 1 < DAV_REJECTED_MAX && bytes <= DAV_REJECTED_BYTES &&
			now - k->why.time_sec <= DAV_REJECTED_SEC)
			continue;
		err = store_edit_del(e, str_of(k->name));
		if (err >= 0)
			err = why.p ? store_edit_del(e, why)
				    : err_set(ERR_LIMIT, "over the memory for one request");
		if (err == ERR_NOENT) /* somebody was faster */
			err = 0;
	}
	return err;
}

static void format_why(struct buf *b, const struct rejected *j, int64_t now)
{
	char hex[STORE_HEX];

	buf_fmt(b, "item %.*s\n", STR_ARG(j->file));
	if (j->has_base)
		buf_fmt(b, "base %s\n", store_oid_hex(hex, &j->base));
	if (j->copy.n)
		buf_fmt(b, "copy %s %.*s\n", store_oid_hex(hex, &j->copy_blob), STR_ARG(j->copy));
	buf_fmt(b, "time %lld\n", (long long)now);
}

int dav_rejected_keep(struct rejected *j)
{
	struct store_why why = {
		.name = j->r->user, .email = STR(""), .message = STR("refused: 412")
	};
	int64_t now = os_wall_sec();
	char name[NAME_BYTES + 5];
	struct store_edit *e;
	struct buf text;
	int err = make_name(name, j);

	if (err >= 0)
		err = store_edit_begin(&e, j->s, j->ref, os_after(EDIT_NS));
	if (err < 0)
		return err;
	err = forget(e, j, now);
	if (err >= 0)
		err = store_edit_put_bytes(e, str_of(name), j->bytes);
	buf_init(&text, &j->r->a);
	format_why(&text, j, now);
	snprintf(name + NAME_BYTES, 5, ".why");
	if (err >= 0)
		err = text.err < 0 ? text.err
				   : store_edit_put_bytes(e, str_of(name), buf_str(&text));
	if (err < 0) {
		store_edit_abort(e);
		return err;
	}
	return store_edit_commit(NULL, e, &why);
}
