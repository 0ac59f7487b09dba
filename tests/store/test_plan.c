/* SPDX-License-Identifier: ISC */
/*
 * What a fetch sends, for random histories with merges, reverts and lying dates, against sets: when
 * it has come, the other side must hold everything below what it wanted, as far as its boundary.
 */
#include "store/plan_impl.h"
#include "tests/store/dag.h"

#define OBJECTS 1400
#define SLOTS   4096
#define COMMITS 24
#define FOLDERS 3
#define FILES   4
#define WORDS   ((OBJECTS + 63) / 64)

/* ---- every object of a history, and what it names ---- */
struct object {
	struct store_oid id;
	unsigned kids[FILES + 4], n;
	bool commit;
};
struct set {
	uint64_t w[WORDS];
};
static struct object objects[OBJECTS];
static unsigned count, slots[SLOTS];
static struct dag g;

static struct files {
	uint8_t at[FOLDERS][FILES]; /* 0: none */
} files[DAG_MAX];

static bool has(const struct set *x, unsigned i)
{
	return x->w[i / 64] >> i % 64 & 1;
}

static void add(struct set *x, unsigned i)
{
	x->w[i / 64] |= (uint64_t)1 << i % 64;
}

static unsigned total(const struct set *x)
{
	unsigned n = 0;
	for (unsigned i = 0; i < WORDS; i++)
		n += (unsigned)__builtin_popcountll(x->w[i]);
	return n;
}

/* Its number; a new one is noted. */
static unsigned number(const struct store_oid *id, bool *fresh)
{
	uint32_t h;
	unsigned i;

	memcpy(&h, id->b, sizeof(h));
	for (i = h % SLOTS; slots[i]; i = (i + 1) % SLOTS)
		if (store_oid_eq(&objects[slots[i] - 1].id, id)) {
			*fresh = false;
			return slots[i] - 1;
		}
	*fresh = true;
	cr_assert_lt(count, OBJECTS);
	objects[count] = (struct object){ .id = *id };
	slots[i] = ++count;
	return count - 1;
}

static void raw_entry(struct buf *b, const char *mode, char letter, unsigned n, unsigned object)
{
	buf_fmt(b, "%s %c%u", mode, letter, n);
	buf_addc(b, 0);
	buf_add(b, str_n(objects[object].id.b, 20));
}

static unsigned note_tree(struct buf *b, const unsigned *kids, unsigned n)
{
	struct store_oid id = dag_tree(&g, buf_str(b));
	bool fresh;
	unsigned me = number(&id, &fresh);

	memcpy(objects[me].kids, kids, n * sizeof(*kids));
	objects[me].n = n;
	b->n = 0;
	return me;
}

static unsigned note_files(const struct files *f)
{
	unsigned folders[FOLDERS], folder_n = 0, kids[FILES];
	struct buf b, top;
	bool fresh;

	buf_init(&b, NULL);
	buf_init(&top, NULL);
	for (unsigned d = 0; d < FOLDERS; d++) {
		unsigned n = 0;
		for (unsigned i = 0; i < FILES; i++) {
			char text[8];
			int len = snprintf(text, sizeof(text), "%u", f->at[d][i]);
			if (!f->at[d][i])
				continue;
			struct store_oid id = dag_blob(&g, str_n(text, (size_t)len));
			kids[n] = number(&id, &fresh);
			raw_entry(&b, "100644", 'f', i, kids[n++]);
		}
		if (n == 0)
			continue;
		folders[folder_n] = note_tree(&b, kids, n);
		raw_entry(&top, "40000", 'd', d, folders[folder_n++]);
	}
	unsigned me = note_tree(&top, folders, folder_n);
	buf_free(&b);
	buf_free(&top);
	return me;
}

/* Files of a new commit: its parents' mixed, some changed, or all as they once were. */
static void next_files(
	struct files *out, const unsigned *parents, unsigned n, unsigned so_far, uint64_t *seed)
{
	memset(out, 0, sizeof(*out));
	if (n)
		*out = files[parents[0]];
	for (unsigned k = 1; k < n; k++)
		for (unsigned d = 0; d < FOLDERS; d++)
			for (unsigned i = 0; i < FILES; i++)
				if (fake_random(seed) % 2)
					out->at[d][i] = files[parents[k]].at[d][i];
	for (uint64_t k = n > 1 ? 0 : fake_random(seed) % 4; k > 0; k--)
		out->at[fake_random(seed) % FOLDERS][fake_random(seed) % FILES] =
			(uint8_t)(fake_random(seed) % 60);
	if (so_far && fake_random(seed) % 5 == 0)
		*out = files[fake_random(seed) % so_far];
	if (so_far && fake_random(seed) % 5 == 0) /* one folder */
		memcpy(out->at[0], files[fake_random(seed) % so_far].at[0], FILES);
}

static void new_history(struct store *s, bool skewed, uint64_t *seed)
{
	bool fresh;

	count = 0;
	memset(slots, 0, sizeof(slots));
	dag_begin(&g, s);
	for (unsigned c = 0; c < COMMITS; c++) {
		unsigned parents[3], n = 0, want = (unsigned)(fake_random(seed) % 9);
		int64_t time = 1000 + 10 * (int64_t)c;
		want = c == 0 || want == 0 ? 0 : want < 5 ? 1 : want < 8 ? 2 : 3;
		for (unsigned k = 0; k < want; k++) {
			unsigned back = 1 + (unsigned)(fake_random(seed) % 5);
			unsigned parent = back > c ? 0 : c - back;
			bool twice = false;
			for (unsigned i = 0; i < n; i++)
				twice |= parents[i] == parent;
			if (!twice)
				parents[n++] = parent;
		}
		next_files(&files[c], parents, n, c, seed);
		unsigned tree = note_files(&files[c]);
		if (skewed && fake_random(seed) % 3 == 0)
			time = (int64_t)(fake_random(seed) % 3000);
		dag_commit(&g, &objects[tree].id, parents, n, time);
		unsigned me = number(&g.id[c], &fresh);
		cr_assert(fresh);
		objects[me].commit = true;
		objects[me].kids[objects[me].n++] = tree;
		for (unsigned i = 0; i < n; i++)
			objects[me].kids[objects[me].n++] = number(&g.id[parents[i]], &fresh);
	}
	dag_flush(&g);
}

static unsigned of_commit(unsigned c)
{
	bool fresh;
	return number(&g.id[c], &fresh);
}

/* Everything below object i; of those in `cut` the parents do not count. */
static void below(struct set *x, unsigned i, const struct set *cut)
{
	if (has(x, i))
		return;
	add(x, i);
	for (unsigned k = 0; k < objects[i].n; k++)
		if (!objects[i].commit || k == 0 || !has(cut, i))
			below(x, objects[i].kids[k], cut);
}

/* ---- the other side ---- */
struct client {
	struct set objects, shallow;
	struct store_oid haves[COMMITS], shallows[COMMITS];
	size_t have_n, shallow_n;
};
static const struct set nothing;

static void have(struct client *c, unsigned commit)
{
	c->haves[c->have_n++] = g.id[commit];
}

static void list_shallows(struct client *c)
{
	c->shallow_n = 0;
	for (unsigned i = 0; i < COMMITS; i++)
		if (has(&c->shallow, of_commit(i)))
			c->shallows[c->shallow_n++] = g.id[i];
}

/* Fetches commit `want`; the number of objects sent. */
static unsigned fetch(struct store *s, struct client *c, unsigned want, uint32_t depth,
	bool relative, unsigned case_number)
{
	struct set sent = { { 0 } }, after = { { 0 } };
	struct store_plan *pub;
	bool fresh;

	list_shallows(c);
	const struct store_fetch f = { .wants = &g.id[want],
		.want_count = 1,
		.haves = c->haves,
		.have_count = c->have_n,
		.shallows = c->shallows,
		.shallow_count = c->shallow_n,
		.depth = depth,
		.relative = relative,
		.objects_max = 100000 };
	OK(store_plan_make(&pub, s, &f));
	const struct chosen *chosen = &((struct plan *)pub)->chosen;
	cr_assert_eq(pub->objects, chosen->list_n);
	for (size_t i = 0; i < chosen->list_n; i++) {
		unsigned o = number(&chosen->list[i], &fresh);
		cr_assert(!fresh && !has(&sent, o), "case %u: sent twice", case_number);
		add(&sent, o);
		add(&c->objects, o);
	}
	for (size_t i = 0; i < pub->shallow_count; i++)
		add(&c->shallow, number(&pub->shallow[i], &fresh));
	for (size_t i = 0; i < pub->unshallow_count; i++) {
		unsigned o = number(&pub->unshallow[i], &fresh);
		cr_assert(has(&c->shallow, o), "case %u: it was not shallow", case_number);
		c->shallow.w[o / 64] &= ~((uint64_t)1 << o % 64);
	}
	store_plan_free(pub);
	below(&after, of_commit(want), &c->shallow);
	for (size_t i = 0; i < c->have_n; i++)
		below(&after, number(&c->haves[i], &fresh), &c->shallow);
	for (unsigned o = 0; o < count; o++)
		cr_assert(!has(&after, o) || has(&c->objects, o),
			"case %u: object %u of commit %u is missing", case_number, o, want);
	have(c, want);
	return total(&sent);
}

/* ---- whole histories ---- */
static int whole(void *p)
{
	struct fake_disk *f = p;
	unsigned sent = 0, needed = 0;
	uint64_t seed = any_seed("plan");
	struct store *s;

	f->eager = true;
	OK(store_open(&s, &f->d, NULL));
	for (unsigned i = 0; i < 1000; i++) {
		struct client c = { .have_n = 0 };
		bool skewed = i % 2;
		new_history(s, skewed, &seed);
		for (uint64_t k = fake_random(&seed) % 3; k > 0; k--) {
			unsigned old = (unsigned)(fake_random(&seed) % COMMITS);
			below(&c.objects, of_commit(old), &nothing);
			have(&c, old);
		}
		for (unsigned k = 0; k < 3; k++) {
			unsigned want =
				k < 2 ? (unsigned)(fake_random(&seed) % COMMITS) : COMMITS - 1;
			struct set all = c.objects;
			unsigned had = total(&all), n;
			below(&all, of_commit(want), &nothing);
			n = fetch(s, &c, want, 0, false, i);
			if (!skewed) {
				sent += n;
				needed += total(&all) - had;
			}
		}
		dag_end(&g);
	}
	cr_expect_lt(
		sent, needed + needed / 6, "%u objects sent where %u were needed", sent, needed);
	store_close(s);
	return 0;
}

/* Breakage it catches: a tree met again after a revert, taken for sent with all below it. */
Test(plan, nothing_is_missing)
{
	on_disk(whole, 128 * MIB);
}

/* ---- boundaries ---- */
static void expect_depth(const struct client *c, unsigned want, unsigned depth)
{
	unsigned level[COMMITS] = { 0 };

	level[want] = 1;
	for (unsigned l = 1; l <= COMMITS; l++)
		for (unsigned i = 0; i < COMMITS; i++)
			for (unsigned k = 0; level[i] == l && k < g.parent_count[i]; k++)
				if (!level[g.parents[i][k]])
					level[g.parents[i][k]] = l + 1;
	for (unsigned i = 0; i < COMMITS; i++)
		cr_assert_eq(has(&c->shallow, of_commit(i)),
			level[i] == depth && g.parent_count[i] > 0, "commit %u, depth %u", i,
			depth);
}

static int shallow(void *p)
{
	struct fake_disk *f = p;
	uint64_t seed = any_seed("plan");
	struct store *s;

	f->eager = true;
	OK(store_open(&s, &f->d, NULL));
	for (unsigned i = 0; i < 600; i++) {
		struct client c = { .have_n = 0 };
		unsigned at = 4 + (unsigned)(fake_random(&seed) % 12);
		uint32_t depth = 1 + (uint32_t)(fake_random(&seed) % 4);
		new_history(s, i % 2, &seed);
		fetch(s, &c, at, depth, false, i);
		expect_depth(&c, at, depth);
		for (unsigned k = 0; k < 4; k++) {
			uint64_t how = fake_random(&seed) % 4;
			at = (unsigned)(fake_random(&seed) % COMMITS);
			depth = 1 + (uint32_t)(fake_random(&seed) % 6);
			if (how == 3) /* all of it */
				depth = INT32_MAX;
			fetch(s, &c, at, how == 0 ? 0 : depth, how == 2, i);
		}
		dag_end(&g);
	}
	store_close(s);
	return 0;
}

Test(plan, with_boundaries)
{
	on_disk(shallow, 128 * MIB);
}

/* Our own history ends somewhere: whoever fetches is told, and gets what is left. */
static int our_own(void *p)
{
	struct fake_disk *f = p;
	uint64_t seed = any_seed("plan");
	struct store *s;

	f->eager = true;
	OK(store_open(&s, &f->d, NULL));
	for (unsigned i = 0; i < 300; i++) {
		struct client c = { .have_n = 0 };
		struct changes kv = { 0 };
		char room[21];
		new_history(s, i % 2, &seed);
		for (unsigned k = 0; k < 3; k++) {
			unsigned end = (unsigned)(fake_random(&seed) % COMMITS);
			OK(changes_put(
				&kv, KV_SYS, sys_key(room, 's', oid_str(&g.id[end])), STR_NONE));
		}
		write_changes(s, &kv);
		for (unsigned k = 0; k < 3; k++)
			fetch(s, &c, COMMITS / 2 + (unsigned)(fake_random(&seed) % (COMMITS / 2)),
				k == 1 ? 3 : 0, false, i);
		for (unsigned k = 0; k < COMMITS; k++)
			if (has(&c.shallow, of_commit(k)))
				cr_assert(g.parent_count[k] > 0);
		dag_end(&g);
	}
	store_close(s);
	return 0;
}

Test(plan, from_a_store_with_a_boundary)
{
	on_disk(our_own, 64 * MIB);
}

/* What a device pushed comes back to it within a merge: none of it is sent again. */
static int merged_back(void *p)
{
	static const unsigned all[] = { 2, 1 };
	static const unsigned root = 0;
	struct fake_disk *f = p;
	struct client c = { .have_n = 0 };
	struct store *s;
	bool fresh;

	OK(store_open(&s, &f->d, NULL));
	count = 0;
	memset(slots, 0, sizeof(slots));
	dag_begin(&g, s);
	for (unsigned k = 0; k < 4; k++) { /* root, device, hub, merge */
		memset(&files[k], 0, sizeof(files[k]));
		files[k].at[0][0] = 1;
		for (uint8_t i = 1; i < FILES && k % 2; i++)
			for (uint8_t d = 0; d < FOLDERS; d++)
				files[k].at[d][i] = (uint8_t)(10 * i + d);
		files[k].at[2][0] = k >= 2 ? 2 : 0;
		unsigned tree = note_files(&files[k]);
		dag_commit(&g, &objects[tree].id, k == 3 ? all : &root, k == 3 ? 2 : k > 0, 10 + k);
		unsigned me = number(&g.id[k], &fresh);
		objects[me].commit = true;
		objects[me].kids[objects[me].n++] = tree;
		for (unsigned i = 0; i < g.parent_count[k]; i++)
			objects[me].kids[objects[me].n++] = of_commit(g.parents[k][i]);
	}
	dag_flush(&g);
	below(&c.objects, of_commit(1), &nothing);
	have(&c, 1);
	/* Two commits, their trees, a folder in each, a file. */
	cr_expect_eq(fetch(s, &c, 3, 0, false, 0), 7);
	dag_end(&g);
	store_close(s);
	return 0;
}

/* Breakage it catches: a merge compared with its first parent only. */
Test(plan, what_was_pushed_does_not_come_back)
{
	on_disk(merged_back, 4 * MIB);
}
