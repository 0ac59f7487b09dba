/* SPDX-License-Identifier: ISC */
#include "services/dav/merge_impl.h"

#define LINES_MERGED 5000  /* of what is merged by property */
#define LINES_ANY    40000 /* CONTENT_LIMITS */

struct item { /* one side */
	struct str bytes, uid;
	struct content *root, *main;
	uint64_t sequence; /* the highest, the latest of all components */
	struct str stamp;
};

/* ---- what an item is ---- */
static void read_part(struct item *it, const struct content *c)
{
	static const char *const stamps[] = { "DTSTAMP", "LAST-MODIFIED", "REV" };
	struct content_line *uid = content_get(c, STR("UID"), NULL);
	struct content_line *sequence = content_get(c, STR("SEQUENCE"), NULL);
	uint64_t n = 0;

	if (uid && it->uid.n == 0)
		it->uid = str_trim(uid->value);
	if (sequence && str_u64(&n, str_trim(sequence->value), UINT32_MAX) >= 0 && n > it->sequence)
		it->sequence = n;
	for (size_t i = 0; i < ARRAY_LEN(stamps); i++) {
		struct content_line *l = content_get(c, str_of(stamps[i]), NULL);
		if (l && str_cmp(str_trim(l->value), it->stamp) > 0)
			it->stamp = str_trim(l->value);
	}
}

/* ERR_BAD: not one VCALENDAR or vCard. */
static int item_read(struct item *it, struct arena *a, struct str bytes, uint32_t lines_max)
{
	struct content_limits limits = CONTENT_LIMITS;
	struct content *root;
	int err;

	limits.lines_max = lines_max;
	err = content_parse(&root, a, bytes, &limits);

	*it = (struct item){ .bytes = bytes, .uid = STR(""), .stamp = STR("") };
	if (err < 0)
		return err;
	if (root->lines || !root->parts || root->parts->next ||
		(!str_ieq(root->parts->name, STR("VCALENDAR")) &&
			!str_ieq(root->parts->name, STR("VCARD"))))
		return err_set(ERR_BAD, "not one calendar object or vCard");
	it->root = root;
	it->main = root->parts;
	if (merge_kind_of(it->main) == KIND_CARD)
		read_part(it, it->main);
	for (const struct content *c = it->main->parts; c; c = c->next)
		read_part(it, c);
	return 0;
}

static const struct content *component(const struct item *it)
{
	const struct content *c = it->main->parts;

	while (c && str_ieq(c->name, STR("VTIMEZONE")))
		c = c->next;
	return c;
}

/* Two states of one thing, in one language? */
static bool of_one_kind(const struct item *x, const struct item *y)
{
	const struct content *p = component(x), *q = component(y);
	struct content_line *v = content_get(x->main, STR("VERSION"), NULL);
	struct content_line *w = content_get(y->main, STR("VERSION"), NULL);

	if (!str_ieq(x->main->name, y->main->name) || !str_eq(x->uid, y->uid))
		return false;
	if (merge_kind_of(x->main) == KIND_CARD)
		return v && w && str_eq(str_trim(v->value), str_trim(w->value));
	return p && q && str_ieq(p->name, q->name);
}

/* ---- by property ---- */
struct sides {
	struct item it[SIDES];
	struct str meaning[SIDES];
	struct item aligned[SIDES]; /* of one mind about which occurrence is which */
	struct merge_strays strays;
	int stands; /* X, Y: where they clash, its values stay; BASE: the later ones */
};

static bool has_exceptions(const struct item *it)
{
	for (const struct content *c = it->main ? it->main->parts : NULL; c; c = c->next)
		if (content_get(c, STR("RECURRENCE-ID"), NULL) ||
			content_get(c, STR("EXDATE"), NULL))
			return true;
	return false;
}

static int align(struct sides *s, struct arena *a, bool moves)
{
	struct content *main[SIDES] = { 0 };
	int err = 0;

	s->strays = (struct merge_strays){ 0 };
	memcpy(s->aligned, s->it, sizeof(s->it));
	if (!has_exceptions(&s->it[X]) && !has_exceptions(&s->it[Y]))
		return 0;
	for (int i = BASE; i < SIDES && err >= 0; i++) { /* once more: it is edited in place */
		if (s->it[i].main)
			err = item_read(&s->aligned[i], a, s->it[i].bytes, LINES_MERGED);
		main[i] = s->aligned[i].main;
	}
	return err < 0 ? err : merge_align(&s->strays, a, main, moves);
}

static int run_once(struct buf *text, struct merge *m, const struct sides *s, int winner)
{
	const struct content *c[SIDES] = { s->aligned[BASE].main, s->aligned[X].main,
		s->aligned[Y].main };
	struct arena *a = m->a;
	bool stuck = m->stuck;

	*m = (struct merge){ .a = a, .winner = winner, .part_key = STR(""), .stuck = stuck };
	if (!stuck && s->strays.n) {
		m->out_of = s->strays.side;
		m->out_key = s->strays.key;
	}
	buf_init(&m->clashes, a);
	buf_init(text, a);
	return merge_part(text, m, c);
}

static int run(struct buf *text, struct merge *m, int *loser, const struct sides *s)
{
	int err = run_once(text, m, s, X);

	*loser = Y;
	if (err < 0 || m->clash_count == 0 || (s->stands ? s->stands == X : m->clash_cmp >= 0))
		return err;
	*loser = X;
	return run_once(text, m, s, Y);
}

/* What came out parses and is whole; when a side says just this, then in that side's bytes. */
static int check_result(struct str *text, struct arena *a, const struct item it[SIDES],
	const struct str meaning[SIDES])
{
	struct str got;
	struct item r;
	int err = item_read(&r, a, *text, LINES_MERGED);

	if (err >= 0 && !of_one_kind(&it[X], &r))
		err = err_set(ERR_BAD, "nothing whole comes of the two");
	if (err >= 0)
		err = merge_meaning(&got, a, r.root, false);
	for (int s = X; s < SIDES && err >= 0; s++)
		if (str_eq(got, meaning[s]))
			*text = it[s].bytes;
	return err;
}

static int keep(struct dav_merged *out, struct arena *a, struct str bytes)
{
	out->bytes = arena_dup(a, bytes);
	return out->bytes.p ? 0 : err_set(ERR_LIMIT, "over the memory for one merge");
}

/* Both, and what is left over of the loser. */
static int conclude(struct dav_merged *out, struct arena *a, const struct sides *s,
	const struct merge *m, int loser, struct str who)
{
	struct str part = m->clash_parts ? STR_NONE : m->clash_part;
	const struct item *from = &s->it[loser];

	if (m->clash_count == 0 && !m->out_key.p)
		return 0;
	if (m->clash_count == 0) { /* an occurrence that has no place any more */
		out->clashes = STR("RECURRENCE-ID");
		return merge_copy(
			out, a, s->it[m->out_of].main, s->it[m->out_of].bytes, m->out_key, who);
	}
	out->clashes = arena_dup(a, buf_str(&m->clashes));
	if (part.p && merge_is_override(part))
		from = &s->aligned[loser];
	return merge_copy(out, a, from->main, s->it[loser].bytes, part, who);
}

static int join(struct dav_merged *out, struct arena *a, struct arena *inner, struct sides *s,
	struct str who)
{
	struct merge m = { .a = inner };
	struct str result;
	struct buf text;
	int loser = Y, err = align(s, inner, true);

	if (err >= 0 && s->strays.n <= 1)
		err = run(&text, &m, &loser, s);
	if (err >= 0 && s->strays.n && (s->strays.n > 1 || m.clash_count)) {
		m.stuck = true;
		err = align(s, inner, false);
		if (err >= 0)
			err = run(&text, &m, &loser, s);
	}
	if (err < 0)
		return err;
	result = buf_str(&text);
	err = check_result(&result, inner, s->it, s->meaning);
	if (err >= 0)
		err = keep(out, a, result);
	return err < 0 ? err : conclude(out, a, s, &m, loser, who);
}

static int by_property(struct dav_merged *out, struct arena *a, struct arena *inner,
	const struct str *base, const struct str side[SIDES], int stands, struct str who)
{
	struct sides s = { .stands = stands };
	struct item *it = s.it;
	struct str *meaning = s.meaning;
	bool based;
	int err = item_read(&it[X], inner, side[X], LINES_MERGED);

	if (err >= 0)
		err = item_read(&it[Y], inner, side[Y], LINES_MERGED);
	if (err >= 0 && !of_one_kind(&it[X], &it[Y]))
		err = err_set(ERR_BAD, "they are different things");
	if (err < 0)
		return err;
	based = base && item_read(&it[BASE], inner, *base, LINES_MERGED) >= 0 &&
		of_one_kind(&it[BASE], &it[X]);
	if (!based)
		it[BASE] = (struct item){ 0 };
	for (int i = based ? BASE : X; i < SIDES && err >= 0; i++)
		err = merge_meaning(&meaning[i], inner, it[i].root, false);
	if (err < 0)
		return err;
	/* Written anew on one side, with nothing changed by it. */
	if (based && str_eq(meaning[BASE], meaning[X]) != str_eq(meaning[BASE], meaning[Y]))
		return keep(out, a, str_eq(meaning[BASE], meaning[X]) ? side[Y] : side[X]);
	if (str_eq(meaning[X], meaning[Y]))
		return keep(out, a, side[X]);
	return join(out, a, inner, &s, who);
}

/* ---- as a whole ---- */
struct whole { /* what is known of one, of whatever size */
	bool known;
	uint64_t sequence;
	char stamp[32];
	size_t stamp_n;
	uint8_t uid[OS_SHA256_BYTES];
};

static void read_whole(struct whole *w, struct arena *inner, struct str bytes)
{
	struct item it;

	arena_reset(inner);
	*w = (struct whole){ .known = item_read(&it, inner, bytes, LINES_ANY) >= 0 };
	if (!w->known)
		return;
	w->sequence = it.sequence;
	w->stamp_n = it.stamp.n < sizeof(w->stamp) ? it.stamp.n : sizeof(w->stamp);
	memcpy(w->stamp, it.stamp.p, w->stamp_n);
	os_sha256(w->uid, it.uid);
}

/* > 0: x is the later one, or the only one that can be read. */
static int whole_cmp(const struct whole *x, const struct whole *y)
{
	if (x->known != y->known)
		return x->known - y->known;
	if (x->sequence != y->sequence)
		return x->sequence > y->sequence ? 1 : -1;
	return str_cmp(str_n(x->stamp, x->stamp_n), str_n(y->stamp, y->stamp_n));
}

/* One at a time is in memory. */
static int as_wholes(struct dav_merged *out, struct arena *a, struct arena *inner,
	const struct str side[SIDES], int stands, struct str who)
{
	struct whole w[SIDES];
	struct item it = { 0 };
	int loser, err;

	read_whole(&w[X], inner, side[X]);
	read_whole(&w[Y], inner, side[Y]);
	loser = stands ? X + Y - stands
		: whole_cmp(&w[X], &w[Y]) > 0
		? Y
		: X; /* of equals the one with the greater bytes stands */
	err = keep(out, a, side[X + Y - loser]);
	out->clashes = STR("everything");
	if (err < 0)
		return err;
	arena_reset(inner);
	if (w[X].known && w[Y].known && memcmp(w[X].uid, w[Y].uid, sizeof(w[X].uid)) == 0)
		err = item_read(&it, inner, side[loser], LINES_ANY);
	return err < 0 ? err : merge_copy(out, a, it.main, side[loser], STR_NONE, who);
}

/* `first`: where they clash, x stays. */
static int merge_two(struct dav_merged *out, struct arena *a, const struct str *base, struct str x,
	struct str y, bool first, struct str who)
{
	bool swap = str_cmp(x, y) > 0;
	struct str side[SIDES] = { STR_NONE, swap ? y : x, swap ? x : y };
	int stands = !first ? 0 : swap ? Y : X;
	struct arena inner;
	int err;

	*out = (struct dav_merged){ .clashes = STR("") };
	if (str_eq(x, y) || (base && str_eq(*base, y)))
		return keep(out, a, x);
	if (base && str_eq(*base, x))
		return keep(out, a, y);
	arena_init(&inner, MERGE_BYTES);
	err = by_property(out, a, &inner, base, side, stands, who);
	if (err < 0) {
		*out = (struct dav_merged){ .clashes = STR("") };
		arena_free(&inner);
		err = as_wholes(out, a, &inner, side, stands, who);
	}
	arena_free(&inner);
	return err;
}

int dav_item_merge(struct dav_merged *out, struct arena *a, const struct str *base, struct str x,
	struct str y, struct str who)
{
	return merge_two(out, a, base, x, y, false, who);
}

int dav_item_merge_into(struct dav_merged *out, struct arena *a, const struct str *base,
	struct str stands, struct str other, struct str who)
{
	return merge_two(out, a, base, stands, other, true, who);
}

int dav_item_choose(
	struct dav_merged *out, struct arena *a, struct str x, struct str y, struct str who)
{
	bool swap = str_cmp(x, y) > 0;
	struct str side[SIDES] = { STR_NONE, swap ? y : x, swap ? x : y };
	struct arena inner;
	int err;

	*out = (struct dav_merged){ 0 };
	arena_init(&inner, MERGE_BYTES);
	err = as_wholes(out, a, &inner, side, 0, who);
	arena_free(&inner);
	return err;
}

int dav_item_copy(struct dav_merged *out, struct arena *a, struct str bytes, struct str who)
{
	struct arena inner;
	struct item it;
	bool known;
	int err;

	arena_init(&inner, MERGE_BYTES);
	known = item_read(&it, &inner, bytes, LINES_ANY) >= 0;
	err = merge_copy(out, a, known ? it.main : NULL, bytes, STR_NONE, who);
	arena_free(&inner);
	return err;
}

void dav_item_digest(uint8_t out[static OS_SHA256_BYTES], struct str bytes)
{
	struct arena inner;
	struct str meaning;
	struct item it;

	arena_init(&inner, MERGE_BYTES);
	if (item_read(&it, &inner, bytes, LINES_MERGED) >= 0 &&
		merge_meaning(&meaning, &inner, it.root, true) >= 0)
		os_sha256(out, meaning);
	else
		os_sha256(out, bytes);
	arena_free(&inner);
}

bool dav_item_same(struct str x, struct str y)
{
	uint8_t digest[2][OS_SHA256_BYTES];

	dav_item_digest(digest[0], x);
	dav_item_digest(digest[1], y);
	return memcmp(digest[0], digest[1], OS_SHA256_BYTES) == 0;
}
