/* SPDX-License-Identifier: ISC */
/* The laws of the merge over random edits of a person's card: sets, types, groups with labels, line ends. */
#include "services/dav/content.h"
#include "services/dav/merge.h"
#include "tests/fake/disk.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define TELS  6
#define LINKS 4

struct card {
	unsigned name, org, rev;
	unsigned tel[TELS], types[TELS]; /* 0: none; TYPE as bits */
	unsigned link[LINKS], label[LINKS];
	unsigned nick; /* bits */
	bool lf, folded;
};
struct world {
	uint64_t seed;
	unsigned token; /* each value is new */
};
static struct arena arena;

static unsigned roll(struct world *w, unsigned n)
{
	return (unsigned)(fake_random(&w->seed) >> 20) % n;
}

static void edit(struct card *c, struct world *w)
{
	unsigned v = ++w->token, at = roll(w, TELS), link = at % LINKS;

	c->rev++;
	switch (roll(w, 8)) {
	case 0: c->name = v; return;
	case 1: c->org = roll(w, 3) ? v : 0; return;
	case 2: c->tel[at] = roll(w, 3) ? v : 0; return;
	case 3: c->types[at] ^= 1u << roll(w, 4); return;
	case 4:
	case 5:
		c->link[link] = roll(w, 4) ? v : 0;
		c->label[link] = ++w->token;
		return;
	case 6: c->nick ^= 1u << roll(w, 8); return;
	default: *(roll(w, 2) ? &c->lf : &c->folded) ^= true; return;
	}
}

static const char *const types[] = { "home", "WORK", "cell", "pref" };

static struct str card_text(const struct card *c)
{
	struct buf b, out;
	bool any = false;
	unsigned item = 0;

	buf_init(&b, &arena);
	buf_init(&out, &arena);
	buf_fmt(&b, "BEGIN:VCARD\nVERSION:3.0\nUID:u\nFN:n%u.\n", c->name);
	for (unsigned i = 0; i < TELS; i++) {
		if (!c->tel[i])
			continue;
		buf_add(&b, STR("TEL"));
		for (unsigned t = 0; t < 4; t++)
			if (c->types[i] & 1u << t)
				buf_fmt(&b, ";TYPE=%s", types[t]);
		buf_fmt(&b, ":t%u.\n", c->tel[i]);
	}
	for (unsigned i = 0; i < LINKS; i++)
		if (c->link[i]) {
			item++;
			buf_fmt(&b, "item%u.URL:l%u.\nitem%u.X-ABLabel:b%u.\n", item, c->link[i],
				item, c->label[i]);
		}
	for (unsigned i = 0; i < 8; i++)
		if (c->nick & 1u << i) {
			buf_fmt(&b, "%sk%u.", any ? "," : "NICKNAME:", i);
			any = true;
		}
	buf_fmt(&b, "%sREV:2026%04u\n", any ? "\n" : "", c->rev);
	if (c->org)
		buf_fmt(&b, "ORG:o%u.;;%s\n", c->org, c->folded ? "a\n b" : "ab");
	buf_add(&b, STR("END:VCARD\n"));
	for (size_t i = 0; i < b.n; i++) {
		if (b.p[i] == '\n' && !c->lf)
			buf_addc(&out, '\r');
		buf_addc(&out, b.p[i]);
	}
	cr_assert_eq(out.err, 0);
	return buf_str(&out);
}

static struct dav_merged law(const struct str *base, struct str x, struct str y, struct str want,
	const char *name, unsigned number)
{
	struct dav_merged m, back;

	cr_assert_eq(dav_item_merge(&m, &arena, base, x, y, STR_NONE), 0);
	cr_assert_eq(dav_item_merge(&back, &arena, base, y, x, STR_NONE), 0);
	cr_assert(str_eq(m.bytes, back.bytes) && str_eq(m.copy, back.copy), "%u: %s: it commutes",
		number, name);
	cr_assert(!want.p || str_eq(m.bytes, want), "%u: %s:\n%.*s\nwanted\n%.*s", number, name,
		STR_ARG(m.bytes), STR_ARG(want));
	return m;
}

static bool holds(const struct dav_merged *m, char what, unsigned v)
{
	struct str word = arena_fmt(&arena, "%c%u.", what, v);

	return v == 0 || str_find(m->bytes, word) >= 0 || str_find(m->copy, word) >= 0;
}

static void nothing_lost(
	const struct card *o, const struct card *c, const struct dav_merged *m, unsigned number)
{
	cr_assert(c->name == o->name || holds(m, 'n', c->name), "%u: a name", number);
	cr_assert(c->org == o->org || holds(m, 'o', c->org), "%u: an ORG", number);
	for (unsigned i = 0; i < TELS; i++)
		cr_assert(c->tel[i] == o->tel[i] || holds(m, 't', c->tel[i]), "%u: a TEL", number);
	for (unsigned i = 0; i < LINKS; i++)
		cr_assert((c->link[i] == o->link[i] && c->label[i] == o->label[i]) || !c->link[i] ||
				(holds(m, 'l', c->link[i]) && holds(m, 'b', c->label[i])),
			"%u: a link or its label\n%.*s", number, STR_ARG(m->bytes));
}

static int by_bytes(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* It parses, and every group is one link and its label. */
static void whole(struct str bytes, unsigned number)
{
	struct content_limits limits = CONTENT_LIMITS;
	struct content *root;
	struct str groups[4 * LINKS];
	size_t n = 0;

	cr_assert_eq(content_parse(&root, &arena, bytes, &limits), 0, "%u", number);
	for (const struct content_line *l = root->parts->lines; l; l = l->next)
		if (l->group.n && str_ieq(l->name, STR("URL")))
			groups[n++] = l->group;
	qsort(groups, n, sizeof(*groups), by_bytes);
	for (size_t i = 1; i < n; i++)
		cr_assert(!str_eq(groups[i], groups[i - 1]), "%u: %.*s twice\n%.*s", number,
			STR_ARG(groups[i]), STR_ARG(bytes));
}

static void one_pair(unsigned number)
{
	struct world w = { .seed = number * 31337u + 3 };
	struct card o = { .name = ++w.token }, a, b, none = { 0 };
	struct str to, ta, tb;
	struct dav_merged m;

	for (unsigned n = roll(&w, 14); n > 0; n--)
		edit(&o, &w);
	a = b = o;
	for (unsigned n = roll(&w, 6); n > 0; n--)
		edit(&a, &w);
	for (unsigned n = roll(&w, 6); n > 0; n--)
		edit(&b, &w);
	to = card_text(&o);
	ta = card_text(&a);
	tb = card_text(&b);
	m = law(&to, ta, tb, STR_NONE, "merge", number);
	whole(m.bytes, number);
	nothing_lost(&o, &a, &m, number);
	nothing_lost(&o, &b, &m, number);
	(void)law(&to, ta, to, ta, "merge(o, a, o) = a", number);
	(void)law(&ta, ta, tb, tb, "merge(a, a, b) = b", number);
	(void)law(&tb, m.bytes, tb, m.bytes, "merge(b, m, b) = m", number);
	(void)law(&to, m.bytes, tb, m.bytes, "merge(o, m, b) = m", number);
	(void)law(&to, m.bytes, ta, m.bytes, "merge(o, m, a) = m", number);
	m = law(NULL, ta, tb, STR_NONE, "without a base", number);
	whole(m.bytes, number);
	nothing_lost(&none, &a, &m, number);
	nothing_lost(&none, &b, &m, number);
}

Test(merge_card, random_edits)
{
	const char *more = getenv("MERGE_CASES");

	for (unsigned i = 0, n = more ? (unsigned)atoi(more) : 4000; i < n; i++) {
		arena_init(&arena, 64u << 20);
		one_pair(i);
		arena_free(&arena);
	}
}
