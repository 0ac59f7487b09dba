/* SPDX-License-Identifier: ISC */
/* The model of a store's life, and a store compared with it. */
#include "tests/fake/tape.h"
#include "tests/store/life_impl.h"

#include <ctype.h>
#include <stdio.h>

#define SHOWN 5 /* problems printed of one check */

struct life *life_new(uint64_t seed, unsigned writers, unsigned steps)
{
	struct life *l = calloc(1, sizeof(*l));

	cr_assert(l && writers <= LIFE_WRITERS);
	l->seed = seed;
	l->writers = writers;
	l->steps = steps;
	return l;
}

void life_free(struct life *l)
{
	for (unsigned i = 0; i < l->writers; i++) {
		for (size_t k = 0; k < l->models[i].n; k++)
			free(l->models[i].changes[k].key);
		free(l->models[i].changes);
	}
	free(l);
}

void life_mark(struct life_mark *out, const struct life *l)
{
	*out = (struct life_mark){ .seq = l->s ? store_seq(l->s) : l->seq };
	for (unsigned i = 0; i < l->writers; i++) {
		out->begun[i] = l->models[i].begun;
		out->acked[i] = l->models[i].acked;
	}
}

uint64_t hash_of(struct str bytes)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < bytes.n; i++)
		h = (h ^ (uint8_t)bytes.p[i]) * 0x100000001b3u;
	return h ? h : 1;
}

/* ---- the model ---- */
static void add(
	struct life *l, unsigned i, unsigned step, struct str kind, struct str key, uint64_t hash)
{
	struct model *m = &l->models[i];
	char *name = malloc(kind.n + key.n + 1);

	if (m->n == m->cap) {
		m->cap = m->cap ? 2 * m->cap : 256;
		m->changes = fake_realloc(m->changes, m->cap * sizeof(*m->changes));
	}
	os_assert(name);
	memcpy(name, kind.p, kind.n);
	memcpy(name + kind.n, key.p, key.n);
	name[kind.n + key.n] = '\0';
	m->changes[m->n++] = (struct life_change){ step, name, hash };
}

void model_set(struct life *l, unsigned i, unsigned step, char kind, struct str key, uint64_t hash)
{
	char text[2] = { kind, ':' };

	add(l, i, step, str_n(text, 2), key, hash);
}

void model_begin(struct life *l, unsigned i, unsigned step)
{
	l->models[i].begun = step;
}

void model_ack(struct life *l, unsigned i, unsigned step)
{
	l->models[i].begun = l->models[i].acked = step;
}

void model_forget(struct life *l, unsigned i, unsigned step)
{
	struct model *m = &l->models[i];

	while (m->n > 0 && m->changes[m->n - 1].step == step)
		free(m->changes[--m->n].key);
}

static int by_key_then_age(const void *a, const void *b)
{
	const struct life_change *const *x = a, *const *y = b;
	int c = strcmp((*x)->key, (*y)->key);

	return c ? c : (*x > *y) - (*x < *y);
}

struct item *model_at(size_t *n, const struct life *l, unsigned i, unsigned step)
{
	const struct model *m = &l->models[i];
	const struct life_change **all = calloc(m->n + 1, sizeof(struct life_change *));
	struct item *out = calloc(m->n + 1, sizeof(*out));
	size_t count = 0;

	os_assert(all && out);
	*n = 0;
	for (size_t k = 0; k < m->n; k++)
		if (m->changes[k].step <= step)
			all[count++] = &m->changes[k];
	qsort(all, count, sizeof(struct life_change *), by_key_then_age);
	for (size_t k = 0; k < count; k++) /* the last of equal keys counts */
		if (all[k]->hash && (k + 1 == count || strcmp(all[k]->key, all[k + 1]->key) != 0))
			out[(*n)++] = (struct item){ all[k]->key, all[k]->hash };
	free(all);
	return out;
}

static bool is_under(const struct item *x, struct str ref_path)
{
	struct str key = str_of(x->key + 2), rest = str_sub(key, ref_path.n, key.n);

	return x->key[0] != 'l' && str_starts(key, ref_path) && (rest.n == 0 || rest.p[0] == '/');
}

bool model_del_under(struct life *l, unsigned i, unsigned step, struct str ref_path)
{
	size_t n, gone = 0;
	struct item *now = model_at(&n, l, i, step);

	for (size_t k = 0; k < n; k++) {
		if (!is_under(&now[k], ref_path))
			continue;
		add(l, i, step, STR(""), str_of(now[k].key), 0);
		gone++;
	}
	free(now);
	return gone > 0;
}

void model_copy_under(struct life *l, unsigned i, unsigned step, struct str from, struct str to)
{
	size_t n;
	struct item *now = model_at(&n, l, i, step);

	model_del_under(l, i, step, to);
	for (size_t k = 0; k < n; k++) {
		char copy[STORE_KEY_MAX];
		if (!is_under(&now[k], from))
			continue;
		int len = snprintf(copy, sizeof(copy), "%.2s%.*s%s", now[k].key, STR_ARG(to),
			now[k].key + 2 + from.n);
		add(l, i, step, STR(""), str_n(copy, (size_t)len), now[k].hash);
	}
	free(now);
}

void model_drop_ref(struct life *l, unsigned i, unsigned step, struct str ref)
{
	size_t n;
	struct item *now = model_at(&n, l, i, step);

	for (size_t k = 0; k < n; k++) {
		struct str key = str_of(now[k].key + 2);
		if (now[k].key[0] != 'l' && str_starts(key, ref) && key.p[ref.n] == ':')
			add(l, i, step, STR(""), str_of(now[k].key), 0);
	}
	free(now);
}

void model_copy_ref(struct life *l, unsigned i, unsigned step, struct str from, struct str to)
{
	size_t n;
	struct item *now = model_at(&n, l, i, step);

	model_drop_ref(l, i, step, to);
	for (size_t k = 0; k < n; k++) {
		struct str key = str_of(now[k].key + 2);
		char copy[STORE_KEY_MAX];
		if (now[k].key[0] == 'l' || !str_starts(key, from) || key.p[from.n] != ':')
			continue;
		int len = snprintf(
			copy, sizeof(copy), "%.2s%.*s%s", now[k].key, STR_ARG(to), key.p + from.n);
		add(l, i, step, STR(""), str_n(copy, (size_t)len), now[k].hash);
	}
	free(now);
}

/* ---- what a store holds ---- */
struct walk {
	struct life *l;
	struct store *s;
	struct arena names, bytes;
	struct item *items; /* hash 0: could not be read */
	size_t n, cap;
	struct str ref, *list;
	size_t list_n;
	unsigned problems, errors;
	enum life_strict how;
};

static void problem(struct walk *w, const char *what, struct str key)
{
	if (w->problems++ < SHOWN)
		fprintf(stderr, "  %s: %.*s\n", what, STR_ARG(key));
}

/* A read failed: allowed only on a damaged disk, and in words that say so. */
static void failed(struct walk *w, int err, struct str key)
{
	w->errors++;
	if (w->how == LIFE_WHOLE || (err != ERR_CORRUPT && err != ERR_IO) ||
		strcmp(err_text(err), err_name(err)) == 0)
		problem(w, err_text(err), key);
}

static void found(struct walk *w, const char *kind, struct str key, uint64_t hash)
{
	if (w->n == w->cap) {
		w->cap = w->cap ? 2 * w->cap : 1024;
		w->items = fake_realloc(w->items, w->cap * sizeof(*w->items));
	}
	w->items[w->n++] =
		(struct item){ arena_fmt(&w->names, "%s%.*s", kind, STR_ARG(key)).p, hash };
}

static int note_ref(void *ctx, struct str ref, const struct store_oid *commit)
{
	struct walk *w = ctx;

	(void)commit;
	w->list[w->list_n++] = arena_dup(&w->names, ref);
	return w->list_n < 4096 ? 0 : ERR_LIMIT;
}

struct listing {
	struct walk *w;
	struct {
		struct str name;
		struct store_entry e;
	} all[512];
	size_t n;
};

static int note_entry(void *ctx, struct str name, const struct store_entry *e)
{
	struct listing *x = ctx;

	if (x->n == ARRAY_LEN(x->all))
		return ERR_LIMIT;
	x->all[x->n].name = arena_dup(&x->w->names, name);
	x->all[x->n++].e = *e;
	return 0;
}

static void walk_tree(struct walk *w, const struct store_oid *tree, struct str path)
{
	struct listing *x = calloc(1, sizeof(*x));
	struct str bytes;
	int err;

	os_assert(x);
	x->w = w;
	err = store_list(w->s, tree, STR_NONE, note_entry, x);
	if (err < 0)
		failed(w, err, path);
	for (size_t k = 0; k < x->n; k++) {
		struct str at = arena_fmt(&w->names, "%.*s%s%.*s", STR_ARG(path),
			path.n && path.p[path.n - 1] != ':' ? "/" : "", STR_ARG(x->all[k].name));
		if (x->all[k].e.kind == STORE_TREE) {
			walk_tree(w, &x->all[k].e.oid, at);
			continue;
		}
		err = store_blob_all(&bytes, &w->bytes, w->s, &x->all[k].e.oid, MIB);
		if (err < 0)
			failed(w, err, at);
		found(w, "r:", at, err < 0 ? 0 : hash_of(bytes));
		arena_reset(&w->bytes);
	}
	free(x);
}

static int note_local(void *ctx, struct str key, struct str value)
{
	found(ctx, "l:", key, hash_of(value));
	return 0;
}

static int note_row(void *ctx, struct str key, struct str value)
{
	found(ctx, "w:", key, hash_of(value));
	return 0;
}

struct last {
	bool has;
	struct store_oid to;
};

static int note_last(void *ctx, const struct store_ref_record *r)
{
	struct last *last = ctx;

	last->has = r->to != NULL;
	if (r->to)
		last->to = *r->to;
	return ERR_CLOSED; /* enough */
}

/* The record of a ref's moves is of the same group as the move. */
static void check_record(struct walk *w, struct str ref, const struct store_oid *head)
{
	struct last last = { 0 };
	int err = store_ref_log(w->s, ref, note_last, &last);

	if (err < 0 && err != ERR_CLOSED)
		failed(w, err, ref);
	else if (!last.has || !store_oid_eq(&last.to, head))
		problem(w, "does not stand where its last record says", ref);
}

static void walk_store(struct walk *w)
{
	struct store_oid id;
	struct store_commit c;
	int err = store_ref_list(w->s, STR(""), note_ref, w);

	if (err < 0)
		failed(w, err, STR("refs"));
	for (size_t k = 0; k < w->list_n; k++) {
		err = store_ref_get(&id, w->s, w->list[k]);
		if (err >= 0)
			err = store_commit_get(&c, &w->bytes, w->s, &id);
		if (err < 0)
			failed(w, err, w->list[k]);
		else
			check_record(w, w->list[k], &id);
		if (err >= 0)
			walk_tree(w, &c.tree, arena_fmt(&w->names, "%.*s:", STR_ARG(w->list[k])));
	}
	err = store_local_scan(w->s, STR(""), STR_NONE, note_local, w);
	if (err < 0)
		failed(w, err, STR("local records"));
	err = store_row_scan(w->s, STR(""), STR_NONE, note_row, w);
	if (err < 0)
		failed(w, err, STR("rows"));
}

/* ---- the comparison ---- */
static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct item *)a)->key, ((const struct item *)b)->key);
}

/* Every key has its writer's number behind a `w`; LIFE_WRITERS: nobody's. */
static unsigned owner(const char *key)
{
	for (const char *p = key + 2; *p; p++)
		if (p[0] == 'w' && isdigit((unsigned char)p[1]))
			return (unsigned)(p[1] - '0');
	return LIFE_WRITERS;
}

/* Differences between what was found of writer i and the model after `step`. */
static unsigned differ(struct walk *w, unsigned i, unsigned step, bool loud)
{
	size_t n, k = 0, at = 0;
	struct item *want = model_at(&n, w->l, i, step);
	unsigned count = 0;

	while (k < n || at < w->n) {
		if (at < w->n && owner(w->items[at].key) != i) {
			at++;
			continue;
		}
		int c = at == w->n ? -1 : k == n ? 1 : strcmp(want[k].key, w->items[at].key);
		const char *what = NULL, *key = c <= 0 ? want[k].key : w->items[at].key;
		if (c < 0)
			what = w->errors ? NULL : "is gone"; /* below something unreadable */
		else if (c > 0)
			what = "is from nowhere";
		else if (w->items[at].hash && w->items[at].hash != want[k].hash)
			what = "has other bytes";
		count += what != NULL;
		if (what && loud)
			problem(w, what, str_of(key));
		k += c <= 0;
		at += c >= 0;
	}
	free(want);
	return count;
}

static void compare(struct walk *w, struct life_mark *m)
{
	if (w->n > 0)
		qsort(w->items, w->n, sizeof(*w->items), by_key);
	for (unsigned i = 0; i < w->l->writers; i++) {
		unsigned k = m->begun[i];
		while (k > m->acked[i] && differ(w, i, k, false))
			k--;
		if (differ(w, i, k, true))
			fprintf(stderr, "  writer %u at step %u, begun %u\n", i, m->acked[i],
				m->begun[i]);
		m->begun[i] = m->acked[i] = k;
	}
	for (size_t k = 0; k < w->n; k++)
		if (owner(w->items[k].key) >= w->l->writers &&
			!strstr(w->items[k].key, "again")) /* what a test added */
			problem(w, "is nobody's", str_of(w->items[k].key));
}

unsigned life_check(struct life *l, struct store *s, struct life_mark *m, enum life_strict how,
	unsigned *errors)
{
	struct walk w = { .l = l, .s = s, .how = how };
	struct str list[4096];

	w.list = list;
	arena_init(&w.names, 64 * MIB);
	arena_init(&w.bytes, 4 * MIB);
	if (store_seq(s) < m->seq)
		problem(&w, "went back", STR("the group number"));
	walk_store(&w);
	compare(&w, m);
	m->seq = store_seq(s);
	if (errors)
		*errors = w.errors;
	free(w.items);
	arena_free(&w.names);
	arena_free(&w.bytes);
	return w.problems;
}
