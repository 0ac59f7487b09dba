/* SPDX-License-Identifier: ISC */
/* .collection files and dead properties: lines "key value", each by itself. */
#include "services/dav/merge_impl.h"

#define LINES_MAX 1000 /* more is chosen as a whole */

struct meta_line {
	struct str key, text;
	unsigned nth; /* of its key */
};
struct meta_lines {
	struct meta_line *v;
	size_t n;
};

/* "prop <namespace> <name>" or the first word. */
static struct str key_of(struct str line)
{
	struct str word, rest;
	size_t n = str_starts(line, STR("prop ")) ? 3 : 1, at = 0;

	for (rest = line; n > 0; n--) {
		str_cut(&word, &rest, rest, ' ');
		at += word.n + 1;
	}
	return str_sub(line, 0, at - 1);
}

static const struct meta_line *find(const struct meta_lines *in, const struct meta_line *l)
{
	for (size_t i = 0; i < in->n; i++)
		if (in->v[i].nth == l->nth && str_eq(in->v[i].key, l->key))
			return &in->v[i];
	return NULL;
}

/* false: too many. */
static bool split(struct meta_lines *out, struct arena *a, struct str text)
{
	struct str line;

	*out = (struct meta_lines){ .v = arena_alloc(a, LINES_MAX * sizeof(*out->v)) };
	while (out->v && text.n) {
		if (out->n == LINES_MAX)
			return false;
		str_cut(&line, &text, text, '\n');
		if (line.n == 0)
			continue;
		struct meta_line l = { .key = key_of(line), .text = line };
		while (find(out, &l))
			l.nth++;
		out->v[out->n++] = l;
	}
	return out->v != NULL;
}

/* .p NULL: it goes. An edit beats a deletion; of two edits the greater stands. */
static struct str choose(
	const struct meta_line *b, const struct meta_line *x, const struct meta_line *y)
{
	const struct meta_line *one = x ? x : y;

	if (!x || !y)
		return one && (!b || !str_eq(b->text, one->text)) ? one->text : STR_NONE;
	if (b && str_eq(b->text, x->text))
		return y->text;
	if (b && str_eq(b->text, y->text))
		return x->text;
	return str_cmp(x->text, y->text) > 0 ? x->text : y->text;
}

static int by_text(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void add(struct buf *out, struct str line)
{
	if (line.p)
		buf_fmt(out, "%.*s\n", STR_ARG(line));
}

int dav_meta_merge(
	struct buf *out, struct arena *a, const struct str *base, struct str x, struct str y)
{
	struct meta_lines l[SIDES];
	struct str *added;
	size_t n = 0;

	if (base && (str_eq(*base, x) || str_eq(*base, y))) {
		buf_add(out, str_eq(*base, x) ? y : x);
		return out->err;
	}
	if (str_eq(x, y) || !split(&l[BASE], a, base ? *base : STR("")) || !split(&l[X], a, x) ||
		!split(&l[Y], a, y)) {
		buf_add(out, str_cmp(x, y) > 0 ? x : y);
		return out->err;
	}
	added = arena_alloc(a, (l[X].n + l[Y].n + 1) * sizeof(*added));
	if (!added)
		return err_set(ERR_LIMIT, "over the memory for one merge");
	for (size_t i = 0; i < l[BASE].n; i++) {
		const struct meta_line *b = &l[BASE].v[i];
		add(out, choose(b, find(&l[X], b), find(&l[Y], b)));
	}
	for (int s = X; s < SIDES; s++)
		for (size_t i = 0; i < l[s].n; i++) {
			const struct meta_line *m = &l[s].v[i],
					       *other = find(&l[s == X ? Y : X], m);
			if (!find(&l[BASE], m) && (s == X || !other))
				added[n++] = choose(NULL, m, other);
		}
	if (n > 1)
		qsort(added, n, sizeof(*added), by_text);
	for (size_t i = 0; i < n; i++)
		add(out, added[i]);
	return out->err;
}
