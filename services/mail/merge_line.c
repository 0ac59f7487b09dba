/* SPDX-License-Identifier: ISC */
/* Lines of leaves: dates, flags and keywords of one message, three-way; and leaves line by line. */
#include "services/mail/merge_impl.h"

#define WORDS_MAX (2 * MAIL_KEYWORDS_MAX)

/* ---- one line ---- */
struct words {
	size_t n;
	struct str v[WORDS_MAX];
};

static void split(struct words *w, struct str text)
{
	struct str word;
	while (w->n < WORDS_MAX && mail_keyword_next(&word, &text))
		w->v[w->n++] = word;
}

static const struct str *find_word(const struct words *w, struct str word)
{
	for (size_t i = 0; i < w->n; i++)
		if (str_ieq(w->v[i], word))
			return &w->v[i];
	return NULL;
}

static int word_cmp(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static int merge_words(struct buf *out, struct words w[static SIDES + 1])
{
	struct words *kept = &w[SIDES];
	for (enum merge_side s = OURS; s < SIDES; s++)
		for (size_t i = 0; i < w[s].n; i++) {
			struct str word = w[s].v[i];
			const struct str *other = find_word(&w[merge_other(s)], word);
			if (other == NULL && find_word(&w[BASE], word) != NULL)
				continue; /* taken off on the other side */
			if (other != NULL && s == THEIRS)
				continue; /* seen from ours */
			if (other != NULL && str_cmp(*other, word) < 0)
				word = *other;
			if (kept->n < WORDS_MAX && find_word(kept, word) == NULL)
				kept->v[kept->n++] = word;
		}
	qsort(kept->v, kept->n, sizeof(kept->v[0]), word_cmp);
	for (size_t i = 0; i < kept->n && i < MAIL_KEYWORDS_MAX; i++) {
		if (i > 0)
			buf_addc(out, ' ');
		buf_add(out, kept->v[i]);
	}
	return out->err;
}

static int merge_keywords(struct str *out, struct arena *a, const struct str *base, struct str ours,
	struct str theirs)
{
	bool clash;
	enum merge_side s = mail_merge_choose(&clash, base, ours, theirs);
	*out = s == OURS ? ours : theirs;
	if (!clash)
		return 0;
	struct words *w = calloc(SIDES + 1, sizeof(*w));
	if (w == NULL)
		return err_set(ERR_NOMEM, "mail: no memory to merge");
	if (base != NULL)
		split(&w[BASE], *base);
	split(&w[OURS], ours);
	split(&w[THEIRS], theirs);
	struct buf text;
	buf_init(&text, a);
	int err = merge_words(&text, w);
	*out = buf_str(&text);
	free(w);
	return err;
}

static int64_t merge_time(const int64_t *base, int64_t ours, int64_t theirs, bool latest)
{
	if (base != NULL && *base == ours)
		return theirs;
	if (base != NULL && *base == theirs)
		return ours;
	return (ours < theirs) == latest ? theirs : ours;
}

int mail_merge_line(struct mail_line *out, struct arena *a, const struct mail_line *base,
	const struct mail_line *ours, const struct mail_line *theirs)
{
	if (ours == NULL || theirs == NULL) {
		*out = ours != NULL ? *ours : *theirs;
	} else {
		uint32_t was = base != NULL ? base->flags : 0;
		*out = *ours;
		out->flags = (ours->flags & theirs->flags) | ((ours->flags ^ theirs->flags) & ~was);
		out->internal_sec = merge_time(base != NULL ? &base->internal_sec : NULL,
			ours->internal_sec, theirs->internal_sec, false);
		out->saved_sec = merge_time(base != NULL ? &base->saved_sec : NULL, ours->saved_sec,
			theirs->saved_sec, true);
		int err = merge_keywords(&out->keywords, a, base != NULL ? &base->keywords : NULL,
			ours->keywords, theirs->keywords);
		if (err < 0)
			return err;
	}
	out->keywords = arena_dup(a, out->keywords);
	return out->keywords.p != NULL ? 0 : err_set(ERR_LIMIT, "mail: too many keywords to merge");
}

static bool same_line(const struct mail_line *a, const struct mail_line *b)
{
	return a->flags == b->flags && a->internal_sec == b->internal_sec &&
		a->saved_sec == b->saved_sec && str_eq(a->keywords, b->keywords);
}

/* ---- a leaf ---- */
static int read_leaf(struct mail_leaf *out, struct merge *m, bool there, const struct store_oid *id)
{
	struct str text;
	out->n = 0;
	if (!there)
		return 0;
	int err = store_blob_all(&text, &m->scratch, m->s, id, MAIL_LEAF_BYTES / 4);
	if (err == 0)
		mail_leaf_parse(out, text);
	return err == ERR_LIMIT ? 0 : err; /* none of ours */
}

/* Past the limit the rest keep the lines they have, on both sides the same. */
static int add_stray(struct merge *m, uint32_t lane, uint32_t seq, struct mail_line *line[SIDES])
{
	if (m->stray_count == MERGE_STRAYS_MAX)
		return 0;
	int err = mail_grow(&m->strays, &m->stray_cap, m->stray_count, sizeof(*m->strays));
	if (err < 0)
		return err;
	struct merge_stray *st = &m->strays[m->stray_count++];
	*st = (struct merge_stray){ .lane = lane, .seq = seq, .node = m->node };
	for (enum merge_side s = BASE; s < SIDES; s++) {
		if (line[s] == NULL)
			continue;
		st->has[s] = true;
		st->line[s] = *line[s];
		err = mail_merge_dup(&st->line[s].keywords, m, line[s]->keywords);
		if (err < 0)
			return err;
	}
	return 0;
}

static int merge_one(struct merge *m, uint32_t lane, uint32_t seq)
{
	struct mail_line *l[SIDES], done;
	for (enum merge_side s = BASE; s < SIDES; s++)
		l[s] = mail_leaf_find(&m->leaf[s], seq);
	if (l[OURS] == NULL && l[THEIRS] == NULL)
		return l[BASE] != NULL ? add_stray(m, lane, seq, l) : 0;
	if (l[OURS] == NULL || l[THEIRS] == NULL) {
		struct mail_line *one = l[OURS] != NULL ? l[OURS] : l[THEIRS];
		if (l[BASE] != NULL) /* taken out on one side */
			return same_line(one, l[BASE]) ? 0 : add_stray(m, lane, seq, l);
		enum merge_side other = one == l[OURS] ? THEIRS : OURS;
		if (!m->has_base && mail_merge_known(m, other, lane, seq))
			return 0; /* one of the doubts */
	}
	int err = mail_merge_line(&done, &m->scratch, l[BASE], l[OURS], l[THEIRS]);
	struct mail_line *to = err == 0 ? mail_leaf_add(&m->merged, seq) : NULL;
	if (to != NULL)
		*to = done;
	return err;
}

static int write_leaf(struct merge *m, struct str path, bool there)
{
	if (m->merged.n == 0)
		return there ? mail_merge_del(m, path) : 0;
	m->text.n = 0;
	mail_leaf_format(&m->text, &m->merged);
	return m->text.err < 0 ? m->text.err : mail_merge_text(m, path, buf_str(&m->text));
}

int mail_merge_leaf(struct merge *m, const struct merge_trio *x, uint32_t lane)
{
	uint32_t first;
	int err = 0;
	arena_reset(&m->scratch);
	m->merged.n = 0;
	if (!mail_path_parse_leaf(&lane, &first, str_sub(buf_str(&m->path), m->below, m->path.n)))
		return 0;
	for (enum merge_side s = BASE; err == 0 && s < SIDES; s++)
		err = read_leaf(&m->leaf[s], m, x->there[s], &x->at[s].oid);
	for (uint32_t i = 0; err == 0 && i < MAIL_LEAF_MAX; i++)
		err = merge_one(m, lane, first + i);
	return err < 0 ? err : write_leaf(m, buf_str(&m->path), x->there[OURS]);
}

/* ---- what both took out ---- */
static int drop_leaf(struct merge *m, struct str path, const struct store_change *c)
{
	uint32_t lane, first;
	if (c->before == NULL || !mail_path_parse_leaf(&lane, &first, path))
		return 0;
	arena_reset(&m->scratch);
	int err = read_leaf(&m->leaf[BASE], m, true, c->before);
	if (err == 0)
		err = read_leaf(&m->leaf[OURS], m, c->after != NULL, c->after);
	for (unsigned i = 0; err == 0 && i < m->leaf[BASE].n; i++) {
		struct mail_line *l[SIDES] = { &m->leaf[BASE].line[i] };
		if (mail_leaf_find(&m->leaf[OURS], l[BASE]->seq) == NULL)
			err = add_stray(m, lane, l[BASE]->seq, l);
	}
	return err < 0 ? err : m->stray_count == MERGE_STRAYS_MAX ? ERR_CLOSED : 0;
}

static int on_drop(void *ctx, const struct store_change *c)
{
	struct merge *m = ctx;
	size_t at = m->path.n;
	buf_addc(&m->path, '/');
	buf_add(&m->path, c->path);
	int err = m->path.err;
	if (err == 0)
		err = drop_leaf(m, str_sub(buf_str(&m->path), m->below, m->path.n), c);
	m->path.n = at;
	return err;
}

int mail_merge_both_dropped(struct merge *m, const struct merge_trio *x)
{
	bool base = x->there[BASE] && x->at[BASE].kind == STORE_TREE;
	bool now = x->there[OURS] && x->at[OURS].kind == STORE_TREE;
	int err;
	if (!x->there[BASE])
		return 0;
	if (!base) {
		struct store_change c = { .before = &x->at[BASE].oid,
			.after = x->there[OURS] && !now ? &x->at[OURS].oid : NULL };
		err = drop_leaf(m, str_sub(buf_str(&m->path), m->below, m->path.n), &c);
	} else {
		err = store_diff(m->s, &x->at[BASE].oid, now ? &x->at[OURS].oid : NULL, STR_NONE,
			on_drop, m);
	}
	return err == ERR_CLOSED ? 0 : err;
}

/* ---- single lines ---- */
int mail_merge_find_line(struct mail_line *out, struct merge *m, const struct merge_node *n,
	enum merge_side s, uint32_t lane, uint32_t seq)
{
	struct merge_trio f = mail_merge_below(m, n, false);
	struct store_entry e;
	m->text.n = 0;
	mail_path_leaf(&m->text, lane, seq);
	if (!f.there[s] || m->text.err < 0)
		return ERR_NOENT;
	int err = store_find(&e, m->s, &f.at[s].oid, buf_str(&m->text));
	if (err < 0 || e.kind != STORE_BLOB)
		return err < 0 ? err : ERR_NOENT;
	arena_reset(&m->scratch);
	err = read_leaf(&m->merged, m, true, &e.oid);
	struct mail_line *line = err == 0 ? mail_leaf_find(&m->merged, seq) : NULL;
	if (line == NULL)
		return err < 0 ? err : ERR_NOENT;
	*out = *line;
	return mail_merge_dup(&out->keywords, m, line->keywords);
}

int mail_merge_fix(
	struct merge *m, size_t node, uint32_t lane, uint32_t seq, const struct mail_line *line)
{
	int err = mail_grow(&m->fixes, &m->fix_cap, m->fix_count, sizeof(*m->fixes));
	if (err < 0)
		return err;
	struct merge_fix *f = &m->fixes[m->fix_count++];
	*f = (struct merge_fix){ .lane = lane, .seq = seq, .node = node, .drop = line == NULL };
	if (line != NULL)
		f->line = *line;
	f->line.seq = seq;
	return 0;
}

static int fix_cmp(const void *a, const void *b)
{
	const struct merge_fix *x = a, *y = b;
	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	if (x->lane != y->lane)
		return x->lane < y->lane ? -1 : 1;
	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	return (int)x->drop - (int)y->drop;
}

/* The fixes of one leaf. */
static int fix_leaf(struct merge *m, const struct merge_fix *f, size_t n)
{
	struct str text;
	const struct merge_node *node = &m->nodes[f->node];
	arena_reset(&m->scratch);
	m->path.n = 0;
	buf_fmt(&m->path, "%.*s/.f/", STR_ARG(node->path));
	mail_path_leaf(&m->path, f->lane, f->seq);
	if (m->path.err < 0)
		return m->path.err;
	m->merged.n = 0;
	int err =
		store_edit_bytes(&text, &m->scratch, m->e, buf_str(&m->path), MAIL_LEAF_BYTES / 4);
	bool there = err == 0;
	if (there)
		mail_leaf_parse(&m->merged, text);
	else if (err != ERR_NOENT && err != ERR_LIMIT && err != ERR_BAD)
		return err;
	for (size_t i = 0; i < n; i++) {
		if (f[i].drop)
			mail_leaf_remove(&m->merged, f[i].seq);
		struct mail_line *to = f[i].drop ? NULL : mail_leaf_add(&m->merged, f[i].seq);
		if (to != NULL)
			*to = f[i].line;
	}
	return write_leaf(m, buf_str(&m->path), there);
}

int mail_merge_fixes(struct merge *m)
{
	int err = 0;
	if (m->fix_count > 1)
		qsort(m->fixes, m->fix_count, sizeof(*m->fixes), fix_cmp);
	for (size_t i = 0, n; err == 0 && i < m->fix_count; i += n) {
		const struct merge_fix *f = &m->fixes[i];
		for (n = 1; i + n < m->fix_count && f[n].node == f->node && f[n].lane == f->lane &&
			f[n].seq >> 4 == f->seq >> 4;
			n++)
			;
		err = fix_leaf(m, f, n);
	}
	return err;
}
