/* SPDX-License-Identifier: ISC */
/* The merge of calendar branches: rules for collections and names, then laws over random histories. */
#include "os/log.h"
#include "os/main.h"
#include "services/calendar/calendar.h"
#include "services/dav/merge.h"
#include "tests/fake/disk.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define OK(call) \
	do { \
		int ok_err = (call); \
		cr_assert(ok_err == 0, "%s: %s", #call, err_text(ok_err)); \
	} while (0)

static const struct store_why why = { STR("t"), STR("t@example.org"), STR("t"), 1 };

struct env {
	struct store *s;
	struct store_driver driver;
	struct arena a;
	struct buf notes;
	void (*body)(struct env *);
};

static int env_main(void *arg)
{
	struct env *v = arg;
	struct fake_disk *f = fake_disk_new(512u << 20);

	f->eager = true;
	os_log_level(OS_ERROR);
	arena_init(&v->a, 64u << 20);
	buf_init(&v->notes, NULL);
	dav_driver(&v->driver, &calendar_service);
	OK(store_format(&f->d));
	OK(store_open(&v->s, &f->d, NULL));
	v->body(v);
	store_close(v->s);
	os_disk_close(&f->d);
	buf_free(&v->notes);
	arena_free(&v->a);
	return 7;
}

#define MERGE_TEST(name) \
	static void name##_body(struct env *v); \
	Test(merge, name) \
	{ \
		struct env v = { .body = name##_body }; \
		cr_assert_eq(os_run(env_main, &v), 7); \
	} \
	static void name##_body(struct env *v)

static struct store_oid merge(struct env *v, const struct store_oid *base,
	const struct store_oid *ours, const struct store_oid *theirs)
{
	struct store_edit *e;
	struct store_entry root;

	v->notes.n = 0;
	OK(store_edit_begin(&e, v->s, STR("refs/heads/alice"), OS_FOREVER));
	OK(store_edit_put(e, STR(""), ours, STORE_TREE));
	OK(v->driver.merge(v->driver.ctx, e, STR("refs/heads/alice"), base, theirs, &v->notes));
	OK(store_edit_find(&root, e, STR("")));
	OK(store_edit_commit(NULL, e, &why));
	return root.oid;
}

/* ---- a side ---- */
#define COLLECTIONS 3
#define ITEMS       24
struct one {
	bool there;
	unsigned in, name, uid, title, place;
};
struct side {
	bool has[COLLECTIONS];
	unsigned called[COLLECTIONS], color[COLLECTIONS];
	struct one item[ITEMS];
};
struct world {
	uint64_t seed;
	unsigned token;
};

static unsigned roll(struct world *w, unsigned n)
{
	return (unsigned)(fake_random(&w->seed) >> 20) % n;
}

static struct str item_text(struct env *v, const struct one *i)
{
	return arena_fmt(&v->a,
		"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:u%u.\r\n"
		"DTSTAMP:20260101T000000Z\r\nDTSTART:20260105T100000Z\r\nSUMMARY:t%u.\r\n"
		"LOCATION:l%u.\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
		i->uid, i->title, i->place);
}

static void put(
	struct store_edit *e, struct env *v, const char *folder, unsigned name, struct str text)
{
	struct str segs[2] = { str_of(folder), arena_fmt(&v->a, "n%u.ics", name) };
	struct buf path;

	buf_init(&path, &v->a);
	buf_add(&path, STR(".fresh/"));
	dav_item_file(&path, segs, 2);
	OK(store_edit_put_bytes(e, buf_str(&path), text));
}

static const char *const folders[COLLECTIONS] = { "calendar", "work", "play" };

static struct store_oid tree(struct env *v, const struct side *s)
{
	struct store_edit *e;
	struct store_entry root;

	OK(store_edit_begin(&e, v->s, STR("refs/heads/files"), OS_FOREVER));
	OK(store_edit_put_bytes(e, STR(".fresh/.gitattributes"), STR("* -text\n")));
	for (unsigned i = 0; i < COLLECTIONS; i++)
		if (s->has[i])
			OK(store_edit_put_bytes(e,
				arena_fmt(&v->a, ".fresh/%s/.collection", folders[i]),
				arena_fmt(&v->a, "kind calendar\nname c%u\ncolor k%u\n",
					s->called[i], s->color[i])));
	for (unsigned i = 0; i < ITEMS; i++)
		if (s->item[i].there)
			put(e, v, folders[s->item[i].in], s->item[i].name,
				item_text(v, &s->item[i]));
	OK(store_edit_find(&root, e, STR(".fresh")));
	OK(store_edit_put(e, STR(""), &root.oid, STORE_TREE));
	OK(store_edit_commit(NULL, e, &why));
	return root.oid;
}

static struct one *any(struct side *s, struct world *w)
{
	for (unsigned i = 0, at = roll(w, ITEMS); i < ITEMS; i++)
		if (s->item[(at + i) % ITEMS].there)
			return &s->item[(at + i) % ITEMS];
	return NULL;
}

static bool taken(const struct side *s, unsigned in, unsigned name, unsigned uid)
{
	for (unsigned i = 0; i < ITEMS; i++)
		if (s->item[i].there && s->item[i].in == in &&
			(s->item[i].name == name || s->item[i].uid == uid))
			return true;
	return false;
}

/* UIDs below 5 and names below 12 are what both sides may come upon. */
static void add(struct side *s, struct world *w, bool gentle)
{
	unsigned in = roll(w, COLLECTIONS), fresh = 100 + ++w->token;
	unsigned uid = !gentle && roll(w, 2) ? roll(w, 5) : fresh;
	unsigned name = !gentle && roll(w, 2) ? roll(w, 12) : fresh;

	for (unsigned i = 0; i < ITEMS && s->has[in] && !taken(s, in, name, uid); i++)
		if (!s->item[i].there) {
			s->item[i] = (struct one){ true, in, name, uid, ++w->token, ++w->token };
			return;
		}
}

static void step(struct side *s, struct world *w, bool gentle)
{
	struct one *x = any(s, w);
	unsigned c = roll(w, COLLECTIONS), name;

	switch (gentle || !x ? 0 : roll(w, 12)) {
	case 0:
	case 1:
	case 2: add(s, w, gentle); return;
	case 3:
	case 4: x->title = ++w->token; return;
	case 5: x->place = ++w->token; return;
	case 6: x->there = false; return;
	case 7:
	case 8:
		name = roll(w, 2) ? roll(w, 12) : 100 + ++w->token;
		if (!taken(s, x->in, name, UINT32_MAX))
			x->name = name;
		return;
	case 9:
		if (roll(w, 3) == 0 && s->has[c]) {
			s->has[c] = false;
			for (unsigned i = 0; i < ITEMS; i++)
				s->item[i].there &= s->item[i].in != c;
		}
		return;
	case 10: s->has[c] = true; return;
	default: *(roll(w, 2) ? &s->called[c] : &s->color[c]) = ++w->token; return;
	}
}

static void steps(struct side *s, struct world *w, unsigned max, bool gentle)
{
	for (unsigned n = roll(w, max + 1); n > 0; n--)
		step(s, w, gentle);
}

/* ---- what came of it ---- */
struct seen {
	struct env *v;
	struct buf all; /* every file, its path first */
	struct str uids[2 * ITEMS * 3], paths[2 * ITEMS * 3];
	size_t n;
};

static int see(void *ctx, const struct store_change *c)
{
	struct seen *x = ctx;
	struct str text, folder, file, want;
	struct dav_facts facts;
	struct dav_refusal refusal;
	struct buf path, name;

	OK(store_blob_all(&text, &x->v->a, x->v->s, c->after, 1 << 20));
	buf_fmt(&x->all, "%.*s\n%.*s\n", STR_ARG(c->path), STR_ARG(text));
	if (!dav_item_path(&folder, &file, c->path))
		return 0;
	buf_init(&name, &x->v->a);
	dav_name_unescape(&name, file);
	want = buf_str(&name);
	buf_init(&path, &x->v->a);
	dav_item_file(&path, &want, 1);
	cr_assert(
		str_ends(c->path, buf_str(&path)), "%.*s is in another's folder", STR_ARG(c->path));
	cr_assert(calendar_service.check(&facts, &refusal, &x->v->a, NULL, text) == 0,
		"%.*s:\n%.*s", STR_ARG(c->path), STR_ARG(text));
	x->uids[x->n] = arena_fmt(&x->v->a, "%.*s/%.*s", STR_ARG(folder), STR_ARG(facts.uid));
	x->paths[x->n++] = arena_dup(&x->v->a, c->path);
	return 0;
}

static void look(struct seen *x, struct env *v, const struct store_oid *root, unsigned number)
{
	*x = (struct seen){ .v = v };
	buf_init(&x->all, &v->a);
	OK(store_diff(v->s, NULL, root, STR(""), see, x));
	for (size_t i = 0; i < x->n; i++)
		for (size_t k = 0; k < i; k++)
			cr_assert(!str_eq(x->uids[i], x->uids[k]), "%u: %.*s stands twice", number,
				STR_ARG(x->uids[i]));
	for (unsigned i = 0; i < COLLECTIONS; i++)
		cr_assert(str_find(buf_str(&x->all), arena_fmt(&v->a, "%s/", folders[i])) < 0 ||
				str_find(buf_str(&x->all),
					arena_fmt(&v->a, "%s/.collection", folders[i])) >= 0,
			"%u: %s is no calendar any more", number, folders[i]);
}

static const struct one *same_uid(const struct side *s, const struct one *of)
{
	for (unsigned i = 0; i < ITEMS; i++)
		if (s->item[i].there && s->item[i].in == of->in && s->item[i].uid == of->uid)
			return &s->item[i];
	return NULL;
}

static void nothing_lost(
	const struct seen *x, const struct side *o, const struct side *s, unsigned number)
{
	for (unsigned i = 0; i < ITEMS; i++) {
		const struct one *is = &s->item[i], *was = same_uid(o, is);
		if (!is->there)
			continue;
		for (int k = 0; k < 2; k++) {
			unsigned t = k ? is->place : is->title;
			if (was && t == (k ? was->place : was->title))
				continue;
			struct str word = arena_fmt(&x->v->a, "%c%u.", k ? 'l' : 't', t);
			cr_assert(str_find(buf_str(&x->all), word) >= 0, "%u: %.*s is lost\n%.*s",
				number, STR_ARG(word), STR_ARG(buf_str(&x->all)));
		}
	}
}

/* Deleted by one, as it was on the other. */
static void deleted_is_gone(const struct seen *x, const struct side *o, const struct side *a,
	const struct side *b, unsigned number)
{
	for (unsigned i = 0; i < ITEMS; i++) {
		const struct one *was = &o->item[i], *still;
		if (!was->there || same_uid(a, was))
			continue;
		still = same_uid(b, was);
		if (!still || still->name != was->name || still->title != was->title ||
			still->place != was->place)
			continue;
		struct str uid = arena_fmt(&x->v->a, "%s/u%u.", folders[was->in], was->uid);
		for (size_t k = 0; k < x->n; k++)
			cr_assert(!str_eq(x->uids[k], uid), "%u: %.*s came back", number,
				STR_ARG(uid));
	}
}

static struct store_oid law(struct env *v, const struct store_oid *base, const struct store_oid *x,
	const struct store_oid *y, const struct store_oid *want, const char *name, unsigned number)
{
	struct store_oid m = merge(v, base, x, y), back;
	struct str notes = arena_dup(&v->a, buf_str(&v->notes));

	back = merge(v, base, y, x);
	cr_assert(store_oid_eq(&m, &back), "%u: %s: it commutes", number, name);
	cr_assert(str_eq(notes, buf_str(&v->notes)) || want, "%u: %s: notes\n%.*s\n%.*s", number,
		name, STR_ARG(notes), STR_ARG(buf_str(&v->notes)));
	cr_assert(!want || store_oid_eq(&m, want), "%u: %s", number, name);
	return m;
}

static void begin(struct side *s, struct world *w, unsigned number)
{
	*w = (struct world){ .seed = number * 77773u + 1 };
	memset(s, 0, sizeof(*s));
	s->has[0] = s->has[1] = true;
	steps(s, w, 12, false);
}

static void one_pair(struct env *v, unsigned number)
{
	static struct side o, a, b;
	static struct seen x;
	struct store_oid to, ta, tb, m;
	struct world w;

	begin(&o, &w, number);
	a = b = o;
	steps(&a, &w, 7, false);
	steps(&b, &w, 7, false);
	to = tree(v, &o);
	ta = tree(v, &a);
	tb = tree(v, &b);
	if (getenv("MERGE_ONE") && number == (unsigned)atoi(getenv("MERGE_ONE")))
		for (int i = 0; i < 3; i++) {
			look(&x, v, i == 0 ? &to : i == 1 ? &ta : &tb, number);
			fprintf(stderr, "---- %d\n%.*s\n", i, STR_ARG(buf_str(&x.all)));
		}
	m = law(v, &to, &ta, &tb, NULL, "merge", number);
	look(&x, v, &m, number);
	nothing_lost(&x, &o, &a, number);
	nothing_lost(&x, &o, &b, number);
	deleted_is_gone(&x, &o, &a, &b, number);
	deleted_is_gone(&x, &o, &b, &a, number);
	(void)law(v, &to, &ta, &to, &ta, "merge(o, a, o) = a", number);
	(void)law(v, &ta, &ta, &tb, &tb, "merge(a, a, b) = b", number);
	(void)law(v, &tb, &m, &tb, &m, "merge(b, m, b) = m", number);
	(void)law(v, &to, &m, &m, &m, "merge(o, m, m) = m", number);
	m = law(v, NULL, &ta, &tb, NULL, "without a base", number);
	look(&x, v, &m, number);
	memset(&o, 0, sizeof(o));
	nothing_lost(&x, &o, &a, number);
	nothing_lost(&x, &o, &b, number);
}

static unsigned cases(unsigned normal)
{
	const char *more = getenv("MERGE_CASES");
	return more ? (unsigned)atoi(more) : normal;
}

MERGE_TEST(random_histories)
{
	for (unsigned i = 0, n = cases(800); i < n; i++) {
		one_pair(v, i);
		arena_free(&v->a);
	}
}

/* Whatever the order in which three meet, nothing is lost; and where they do not touch each other, it
 * comes to the same. */
MERGE_TEST(three_replicas_in_every_order)
{
	for (unsigned number = 0, n = cases(400); number < n; number++) {
		static struct side o, s[3];
		static struct seen x;
		struct store_oid to, t[3], first;
		struct world w;
		bool gentle = number % 2;

		begin(&o, &w, number + 100000);
		to = tree(v, &o);
		for (int i = 0; i < 3; i++) {
			s[i] = o;
			steps(&s[i], &w, 6, gentle);
			t[i] = tree(v, &s[i]);
		}
		for (int i = 0; i < 3; i++) {
			struct store_oid two =
				law(v, &to, &t[(i + 1) % 3], &t[(i + 2) % 3], NULL, "two", number);
			struct store_oid all = law(v, &to, &two, &t[i], NULL, "three", number);
			look(&x, v, &all, number);
			for (int k = 0; k < 3; k++)
				nothing_lost(&x, &o, &s[k], number);
			if (i == 0)
				first = all;
			cr_assert(!gentle || store_oid_eq(&first, &all), "%u: in another order",
				number);
		}
		arena_free(&v->a);
	}
}

/* What two sides' guests come to is over the limit for one event: a PUT of it would be refused. */
MERGE_TEST(limits_hold)
{
	struct str names[3] = { STR("a"), STR("b"), STR("c") }, text;
	struct store_oid t[3], m;
	struct store_edit *e;
	static struct seen x;

	for (unsigned i = 0; i < 3; i++) {
		struct store_entry root;
		struct buf b;
		buf_init(&b, &v->a);
		buf_addz(&b,
			"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:u.\r\n"
			"DTSTAMP:20260101T000000Z\r\nDTSTART:20260105T100000Z\r\nSUMMARY:s\r\n");
		for (int k = 0; i > 0 && k < 600; k++)
			buf_fmt(&b, "ATTENDEE:mailto:%.*s%d@example.org\r\n", STR_ARG(names[i]), k);
		buf_addz(&b, "END:VEVENT\r\nEND:VCALENDAR\r\n");
		text = buf_str(&b);
		OK(store_edit_begin(&e, v->s, STR("refs/heads/files"), OS_FOREVER));
		OK(store_edit_put_bytes(
			e, STR(".fresh/calendar/.collection"), STR("kind calendar\n")));
		put(e, v, "calendar", 0, text);
		OK(store_edit_find(&root, e, STR(".fresh")));
		OK(store_edit_put(e, STR(""), &root.oid, STORE_TREE));
		OK(store_edit_commit(NULL, e, &why));
		t[i] = root.oid;
	}
	m = law(v, &t[0], &t[1], &t[2], NULL, "limits", 0);
	look(&x, v, &m, 0); /* each of them passes as a PUT would */
	cr_expect_eq(x.n, 2);
}
