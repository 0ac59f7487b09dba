/* SPDX-License-Identifier: ISC */
/* The workload: what the writers do. The model and its comparison are in life_model.c. */
#include "store/store_impl.h"
#include "tests/store/life_impl.h"
#include "tests/store/packer.h"

#define BIG    (150 * 1024)
#define DIRECT (90 * 1024)

struct step {
	struct life *l;
	struct store *s;
	unsigned i, k;
	struct str ref;
	uint64_t seed;
	struct arena *a;
};

/* ---- rows ---- */
struct deriving {
	struct store_derive *d;
	struct str ref;
};

static int derive_one(void *ctx, const struct store_change *c)
{
	struct deriving *x = ctx;
	char key[STORE_KEY_MAX], size[24];
	uint64_t n;
	int len = snprintf(key, sizeof(key), "%.*s:%.*s", STR_ARG(x->ref), STR_ARG(c->path));

	if (!c->after)
		return store_derive_row_del(x->d, str_n(key, (size_t)len));
	int err = store_blob_size(&n, store_derive_store(x->d), c->after);
	if (err < 0)
		return err;
	snprintf(size, sizeof(size), "%llu", (unsigned long long)n);
	return store_derive_row_put(x->d, str_n(key, (size_t)len), str_of(size));
}

static int derive(void *ctx, struct store_derive *d, struct str ref,
	const struct store_oid *old_tree, const struct store_oid *new_tree)
{
	struct deriving x = { d, ref };

	(void)ctx;
	return store_diff(store_derive_store(d), old_tree, new_tree, STR(""), derive_one, &x);
}
const struct store_driver life_driver = { .name = "life", .version = 1, .derive = derive };

static int merge(void *ctx, struct store_edit *e, struct str ref, const struct store_oid *base,
	const struct store_oid *theirs, struct buf *notes)
{
	int err = store_edit_merge_paths(e, STR(""), base, theirs, notes);

	(void)ctx, (void)ref;
	return err < 0 ? err : store_edit_put_bytes(e, STR("merges"), STR("by the driver"));
}
const struct store_driver life_merging_driver = {
	.name = "life", .version = 1, .derive = derive, .merge = merge, .merge_version = 1
};

/* ---- the model's side of each change ---- */
static struct str key_of(struct step *t, struct str ref, const char *path)
{
	return arena_fmt(t->a, "%.*s:%s", STR_ARG(ref), path);
}

static void model_blob(struct step *t, struct str ref, const char *path, struct str bytes)
{
	char size[24];
	struct str key = key_of(t, ref, path);

	snprintf(size, sizeof(size), "%zu", bytes.n);
	model_set(t->l, t->i, t->k, 'r', key, hash_of(bytes));
	model_set(t->l, t->i, t->k, 'w', key, hash_of(str_of(size)));
}

static int put(struct step *t, struct store_edit *e, const char *path, struct str bytes)
{
	model_blob(t, t->ref, path, bytes);
	return store_edit_put_bytes(e, str_of(path), bytes);
}

/* A blob or a folder. */
static int del(struct step *t, struct store_edit *e, const char *path)
{
	if (!model_del_under(t->l, t->i, t->k, key_of(t, t->ref, path)))
		return 0;
	return store_edit_del(e, str_of(path));
}

static int local(struct step *t, struct store_edit *e, const char *name, struct str value)
{
	struct str key = arena_fmt(t->a, "w%u/%s", t->i, name);

	model_set(t->l, t->i, t->k, 'l', key, value.p ? hash_of(value) : 0);
	return value.p ? store_edit_local_put(e, key, value) : store_edit_local_del(e, key);
}

static const char *fmt(struct step *t, const char *f, unsigned n)
{
	return num(t->a, f, n).p;
}

static struct str noisy(struct step *t, size_t n)
{
	char *p = arena_alloc(t->a, n);

	cr_assert(p);
	noise(p, n, fake_random(&t->seed));
	return str_n(p, n);
}

/* Commits the edit, or gives it up when something went wrong before. */
static int commit(struct step *t, struct store_edit *e, int err)
{
	if (err < 0) {
		model_forget(t->l, t->i, t->k);
		store_edit_abort(e);
		return err;
	}
	model_begin(t->l, t->i, t->k);
	return store_edit_commit(NULL, e, &why_test);
}

/* ---- kinds of steps ---- */
static int small(struct step *t)
{
	struct store_edit *e;
	struct str text = num(t->a, "step %u of its writer, with words that compress", t->k);
	int err = store_edit_begin(&e, t->s, t->ref, OS_FOREVER);

	if (err < 0)
		return err;
	err = put(t, e, fmt(t, "d/%2$x/%3$x/%1$u", t->k), text);
	if (err >= 0)
		err = put(t, e, "count", num(t->a, "%u", t->k));
	if (err >= 0 && t->k > 5)
		err = del(t, e, fmt(t, "d/%2$x/%3$x/%1$u", t->k - 5));
	if (err >= 0)
		err = local(t, e, "count", num(t->a, "%u", t->k));
	if (err >= 0)
		err = local(t, e, fmt(t, "k%u", t->k % 4), t->k % 3 ? text : STR_NONE);
	return commit(t, e, err);
}

static int shared(struct step *t)
{
	struct store_edit *e;
	int err;

	t->ref = STR("refs/heads/shared");
	err = store_edit_begin(&e, t->s, t->ref, OS_FOREVER);
	if (err < 0)
		return err;
	err = put(t, e, arena_fmt(t->a, "w%u/%u", t->i, t->k % 5).p, noisy(t, 700));
	if (err >= 0)
		err = local(t, e, "shared", num(t->a, "%u", t->k));
	return commit(t, e, err);
}

static int spool(struct step *t)
{
	struct store_spool *w;
	struct store_edit *e;
	struct store_oid id;
	struct str bytes = noisy(t, BIG);
	const char *path = fmt(t, "big/%u", t->k % 3);
	int err = store_spool_begin(&w, t->s);

	for (size_t at = 0; err >= 0 && at < BIG; at += 50 * 1024) {
		err = store_spool_write(w, str_sub(bytes, at, at + 50 * 1024));
		if (err < 0)
			store_spool_abort(w);
	}
	if (err >= 0)
		err = store_spool_finish(&id, NULL, w);
	if (err >= 0)
		err = store_edit_begin(&e, t->s, t->ref, OS_FOREVER);
	if (err < 0)
		return err;
	model_blob(t, t->ref, path, bytes);
	err = store_edit_put(e, str_of(path), &id, STORE_BLOB);
	if (err >= 0)
		err = local(t, e, "big", num(t->a, "%u", t->k));
	return commit(t, e, err);
}

/* Begun and given up: no trace of it. */
static int given_up(struct step *t)
{
	struct store_edit *e;
	struct store_spool *w;
	struct store_oid id;
	int err = store_edit_begin(&e, t->s, t->ref, OS_FOREVER);

	if (err < 0)
		return err;
	err = store_edit_put_bytes(e, STR("nothing"), noisy(t, DIRECT));
	if (err >= 0)
		err = store_edit_local_put(e, num(t->a, "w%u/nothing", t->i), STR("x"));
	store_edit_abort(e);
	if (err >= 0)
		err = store_spool_begin(&w, t->s);
	if (err < 0)
		return err;
	err = store_spool_write(w, noisy(t, DIRECT));
	if (err < 0 || t->k % 2)
		store_spool_abort(w);
	else
		err = store_spool_finish(&id, NULL, w); /* and nobody wants it */
	return err;
}

/* Two refs at once: one follows the branch, the other comes and goes. */
static int move_refs(struct step *t)
{
	struct store_oid head, a, b;
	struct str names[2] = { arena_fmt(t->a, "%.*s.a", STR_ARG(t->ref)),
		arena_fmt(t->a, "%.*s.b", STR_ARG(t->ref)) };
	int err = store_ref_get(&head, t->s, t->ref), has_a, has_b;

	if (err < 0)
		return err == ERR_NOENT ? 0 : err;
	has_a = store_ref_get(&a, t->s, names[0]);
	has_b = store_ref_get(&b, t->s, names[1]);
	struct store_ref_move moves[2] = { { names[0], has_a < 0 ? NULL : &a, &head },
		{ names[1], has_b < 0 ? NULL : &b, has_b < 0 ? &head : NULL } };
	model_copy_ref(t->l, t->i, t->k, t->ref, names[0]);
	if (has_b < 0)
		model_copy_ref(t->l, t->i, t->k, t->ref, names[1]);
	else
		model_drop_ref(t->l, t->i, t->k, names[1]);
	model_begin(t->l, t->i, t->k);
	return store_ref_update(t->s, moves, 2, &why_test, OS_FOREVER);
}

static int many(struct step *t)
{
	struct store_edit *e;
	int err = store_edit_begin(&e, t->s, t->ref, OS_FOREVER);

	if (err < 0)
		return err;
	for (unsigned n = 0; n < 24 && err >= 0; n++)
		err = put(t, e, fmt(t, "m/%u", n), noisy(t, 12000));
	if (err >= 0)
		err = local(t, e, "many", num(t->a, "%u", t->k));
	return commit(t, e, err);
}

static int locals(struct step *t)
{
	struct store_edit *e;
	int err = store_edit_begin(&e, t->s, t->ref, OS_FOREVER);

	if (err < 0)
		return err;
	for (unsigned n = 0; n < 5 && err >= 0; n++)
		err = local(t, e, fmt(t, "large%u", n), noisy(t, 3000));
	return commit(t, e, err);
}

static int clear(struct step *t)
{
	struct store_edit *e;
	int err = store_edit_begin(&e, t->s, t->ref, OS_FOREVER);

	if (err < 0)
		return err;
	err = del(t, e, t->k % 2 ? "m" : "big");
	if (err >= 0)
		err = local(t, e, "clear", num(t->a, "%u", t->k));
	return commit(t, e, err);
}

static int direct(struct step *t)
{
	struct store_edit *e;
	int err = store_edit_begin(&e, t->s, t->ref, OS_FOREVER);

	if (err < 0)
		return err;
	err = put(t, e, "direct", noisy(t, DIRECT));
	return commit(t, e, err);
}

/* ---- branches that part and meet again ---- */
static struct str side_ref(struct step *t)
{
	return arena_fmt(t->a, "%.*s.s", STR_ARG(t->ref));
}

/* The side begins where the branch is, or goes on with files that the branch never touches. */
static int side(struct step *t)
{
	struct store_oid head, old;
	struct str own = t->ref, ref = side_ref(t);
	struct store_edit *e;
	int err = store_ref_get(&head, t->s, own), has;

	if (err < 0)
		return err == ERR_NOENT ? 0 : err;
	has = store_ref_get(&old, t->s, ref);
	if (has < 0 || t->k % 3 == 0) {
		struct store_ref_move m = { ref, has < 0 ? NULL : &old, &head };
		model_copy_ref(t->l, t->i, t->k, own, ref);
		model_begin(t->l, t->i, t->k);
		return store_ref_update(t->s, &m, 1, &why_test, OS_FOREVER);
	}
	t->ref = ref;
	err = store_edit_begin(&e, t->s, ref, OS_FOREVER);
	if (err < 0)
		return err;
	err = put(t, e, fmt(t, "side/%u", t->k % 6), num(t->a, "of the side, %u", t->k));
	if (err >= 0)
		err = local(t, e, "side", num(t->a, "%u", t->k));
	return commit(t, e, err);
}

/* A pack of one commit more, on a branch of its own. */
static int receive(struct step *t)
{
	struct str ref = arena_fmt(t->a, "%.*s.d", STR_ARG(t->ref)), bytes = noisy(t, 20000);
	struct store_oid tip, old, blob;
	struct store_receive *r;
	struct packer p;
	struct buf tree;
	int has = store_ref_get(&old, t->s, ref), err;

	pack_begin(&p, 3);
	blob = put_object(&p, OBJ_BLOB, bytes);
	buf_init(&tree, t->a);
	add_entry(&tree, "100644", "pushed", &blob);
	tip = put_commit(&p, &tree, has < 0 ? NULL : &old);
	pack_end(&p);
	err = store_receive_begin(&r, t->s, &limits_test);
	if (err >= 0)
		err = give_pieces(r, buf_str(&p.b), 7000);
	if (err >= 0)
		err = store_receive_check(r, &tip, &ref, 1);
	if (err >= 0) {
		struct store_ref_move m = { ref, has < 0 ? NULL : &old, &tip };
		struct str own = t->ref;
		t->ref = ref;
		model_blob(t, ref, "pushed", bytes);
		t->ref = own;
		model_begin(t->l, t->i, t->k);
		err = store_ref_update(t->s, &m, 1, &why_test, OS_FOREVER);
	}
	store_receive_end(r);
	buf_free(&p.b);
	return err;
}

/* Does bringing `from` in make a commit, so that the driver is asked? */
static int is_merge(
	bool *out, struct step *t, const struct store_oid *head, const struct store_oid *from)
{
	struct store_oid base;
	size_t n = 0;
	int err = store_merge_base(&base, &n, 1, t->s, head, from);

	*out = err >= 0 && !(n && (store_oid_eq(&base, head) || store_oid_eq(&base, from)));
	return err;
}

static int join(struct step *t)
{
	bool pushed = t->k % 2, merges;
	struct str from = pushed ? arena_fmt(t->a, "%.*s.d", STR_ARG(t->ref)) : side_ref(t);
	const char *what = pushed ? "pushed" : "side";
	struct store_oid head, theirs;
	enum store_merged how;
	int err = store_ref_get(&theirs, t->s, from);

	if (err >= 0)
		err = store_ref_get(&head, t->s, t->ref);
	if (err >= 0)
		err = is_merge(&merges, t, &head, &theirs);
	if (err < 0)
		return err == ERR_NOENT ? 0 : err;
	model_copy_under(t->l, t->i, t->k, key_of(t, from, what), key_of(t, t->ref, what));
	if (merges && t->s->driver->merge)
		model_blob(t, t->ref, "merges", STR("by the driver"));
	model_begin(t->l, t->i, t->k);
	err = store_merge(&how, NULL, t->s, t->ref, &theirs, OS_FOREVER);
	cr_expect(err < 0 || (how == STORE_MERGED_COMMIT) == merges);
	t->l->merges += err >= 0 && merges;
	return err;
}

static int (*const kinds[])(struct step *t) = { small, small, small, small, small, small, shared,
	shared, spool, given_up, move_refs, many, locals, clear, direct, side, side, side, receive,
	join, join, join };

/* ---- running it ---- */
struct writer {
	struct life *l;
	unsigned i;
};

static void note_error(struct life *l, int err)
{
	if (err >= 0 || l->err < 0)
		return;
	l->err = err;
	snprintf(l->words, sizeof(l->words), "%s", err_text(err));
}

static void writer(void *p)
{
	struct life *l = ((struct writer *)p)->l;
	unsigned i = ((struct writer *)p)->i;
	struct arena a;

	arena_init(&a, 8 * MIB);
	for (unsigned k = 1; k <= l->steps && l->err >= 0; k++) {
		struct step t = { l, l->s, i, k, num(&a, "refs/heads/w%u", i), 0, &a };
		t.seed = l->seed + i * 1000003 + k;
		unsigned kind = fake_random(&t.seed) % ARRAY_LEN(kinds);
		int err = kinds[kind](&t);
		note_error(l, err);
		if (err >= 0)
			model_ack(l, i, k);
		arena_reset(&a);
	}
	arena_free(&a);
	l->running--;
}

/* Everything is old enough at once to be forgotten when something newer stands in its place. */
static void sweeper(struct life *l)
{
	const struct store_horizon day = { .keep_days = 1 };
	int err = store_horizon_set(l->s, STR("refs/heads/shared"), &day);
	struct arena a;

	arena_init(&a, 4096);
	l->s->ahead_sec = 3 * 86400;
	for (unsigned i = 0; i < l->writers && err >= 0; i++)
		for (const char *const *f = (const char *const[]){ "refs/heads/w%u",
			     "refs/heads/w%u.a", "refs/heads/w%u.b", "refs/heads/w%u.s",
			     "refs/heads/w%u.d", NULL };
			*f && err >= 0; f++)
			err = store_horizon_set(l->s, num(&a, *f, i), &day);
	arena_free(&a);
	while (l->running > 0 && err >= 0 && l->err >= 0) {
		struct store_sweep w = { 0 };
		err = store_sweep(l->s, &w);
		l->freed += w.freed_bytes;
		for (unsigned i = 0; i < 10 && l->running > 0; i++)
			os_yield();
	}
	note_error(l, err);
}

static void worker(void *p)
{
	struct writer *w = p;

	if (w->i < w->l->writers)
		writer(w);
	else
		sweeper(w->l);
}

uint64_t life_freed(const struct life *l)
{
	return l->freed;
}

unsigned life_merges(const struct life *l)
{
	return l->merges;
}

void life_sweeps(struct life *l)
{
	l->sweeps = true;
}

int life_run(struct life *l, struct store *s)
{
	struct writer ws[LIFE_WRITERS + 1];

	l->s = s;
	l->running = l->writers;
	for (unsigned i = 0; i <= l->writers; i++)
		ws[i] = (struct writer){ l, i };
	fibers(l->writers + l->sweeps, worker, ws, sizeof(ws[0]));
	l->seq = store_seq(s);
	l->s = NULL;
	return l->err < 0 ? err_set(l->err, "%s", l->words) : 0;
}
