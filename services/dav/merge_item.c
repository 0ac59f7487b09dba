/* SPDX-License-Identifier: ISC */
#include "services/dav/merge_impl.h"

#define MERGE_BYTES \
	(16u << 20) /* of memory; the same everywhere, so that all come to the same end */
#define MERGE_LIMITS \
	((struct content_limits){ \
		.bytes_max = DAV_ITEM_MAX, .lines_max = 5000, .params_max = 200, .depth_max = 4 })

struct item { /* one side */
	struct str bytes, uid;
	const struct content *root, *main;
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
static int item_read(struct item *it, struct arena *a, struct str bytes)
{
	struct content_limits limits = MERGE_LIMITS;
	struct content *root;
	int err = content_parse(&root, a, bytes, &limits);

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
static int run(struct buf *text, struct merge *m, const struct item it[SIDES], int winner)
{
	const struct content *c[SIDES] = { it[BASE].main, it[X].main, it[Y].main };
	struct arena *a = m->a;

	*m = (struct merge){ .a = a, .winner = winner, .part_key = STR("") };
	buf_init(&m->clashes, a);
	buf_init(text, a);
	return merge_part(text, m, c);
}

/* What came out parses and is whole; when a side says just this, then in that side's bytes. */
static int check_result(struct str *text, struct arena *a, const struct item it[SIDES],
	const struct str meaning[SIDES])
{
	struct str got;
	struct item r;
	int err = item_read(&r, a, *text);

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

static int join(struct dav_merged *out, struct arena *a, struct arena *inner,
	const struct item it[SIDES], const struct str meaning[SIDES], int stands, struct str who)
{
	struct merge m = { .a = inner };
	struct str result;
	struct buf text;
	int loser = Y, err = run(&text, &m, it, X);

	if (err >= 0 && m.clash_count > 0 && (stands ? stands == Y : m.clash_cmp < 0)) {
		loser = X;
		err = run(&text, &m, it, Y);
	}
	result = buf_str(&text);
	if (err >= 0)
		err = check_result(&result, inner, it, meaning);
	if (err >= 0)
		err = keep(out, a, result);
	if (err < 0 || m.clash_count == 0)
		return err;
	out->clashes = arena_dup(a, buf_str(&m.clashes));
	return merge_copy(out, a, it[loser].main, it[loser].bytes,
		m.clash_parts ? STR_NONE : m.clash_part, who);
}

static int by_property(struct dav_merged *out, struct arena *a, struct arena *inner,
	const struct str *base, const struct str side[SIDES], int stands, struct str who)
{
	struct item it[SIDES] = { 0 };
	struct str meaning[SIDES] = { 0 };
	bool based;
	int err = item_read(&it[X], inner, side[X]);

	if (err >= 0)
		err = item_read(&it[Y], inner, side[Y]);
	if (err >= 0 && !of_one_kind(&it[X], &it[Y]))
		err = err_set(ERR_BAD, "they are different things");
	if (err < 0)
		return err;
	based = base && item_read(&it[BASE], inner, *base) >= 0 && of_one_kind(&it[BASE], &it[X]);
	if (!based)
		it[BASE] = (struct item){ 0 };
	for (int s = based ? BASE : X; s < SIDES && err >= 0; s++)
		err = merge_meaning(&meaning[s], inner, it[s].root, false);
	if (err < 0)
		return err;
	/* Written anew on one side, with nothing changed by it. */
	if (based && str_eq(meaning[BASE], meaning[X]) != str_eq(meaning[BASE], meaning[Y]))
		return keep(out, a, str_eq(meaning[BASE], meaning[X]) ? side[Y] : side[X]);
	if (str_eq(meaning[X], meaning[Y]))
		return keep(out, a, side[X]);
	return join(out, a, inner, it, meaning, stands, who);
}

/* ---- as a whole ---- */
static int rank_cmp(const struct item *x, const struct item *y)
{
	if (x->sequence != y->sequence)
		return x->sequence > y->sequence ? 1 : -1;
	return str_cmp(x->stamp, y->stamp);
}

static int as_wholes(struct dav_merged *out, struct arena *a, struct arena *inner,
	const struct str side[SIDES], int stands, struct str who)
{
	struct item it[SIDES];
	bool x = item_read(&it[X], inner, side[X]) >= 0, y = item_read(&it[Y], inner, side[Y]) >= 0;
	int cmp = x != y ? x - y : x ? rank_cmp(&it[X], &it[Y]) : 0;
	int loser = stands ? (stands == X ? Y : X)
		: cmp > 0  ? Y
			   : X; /* of equals the one with the greater bytes stands */
	bool one = x && y && str_eq(it[X].uid, it[Y].uid);
	int err = keep(out, a, side[loser == X ? Y : X]);

	out->clashes = STR("everything");
	if (err >= 0)
		err = merge_copy(out, a, one ? it[loser].main : NULL, side[loser], STR_NONE, who);
	return err;
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

int dav_item_copy(struct dav_merged *out, struct arena *a, struct str bytes, struct str who)
{
	struct arena inner;
	struct item it;
	bool known;
	int err;

	arena_init(&inner, MERGE_BYTES);
	known = item_read(&it, &inner, bytes) >= 0;
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
	if (item_read(&it, &inner, bytes) >= 0 &&
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
