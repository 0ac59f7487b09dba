/* SPDX-License-Identifier: ISC */
#include "tests/mail/mail_tree.h"

#include <criterion/criterion.h>

#define OK(call) \
	do { \
		int ok_err = (call); \
		cr_assert(ok_err == 0, "%s: %s", #call, err_text(ok_err)); \
	} while (0)

const char *const mt_words[MT_KW] = { "$Forwarded", "Later", "urgent", "zz" };

static int box_cmp(const void *a, const void *b)
{
	const struct mt_box *x = a, *y = b;
	int c = strcmp(x->id, y->id);
	return c ? c : strcmp(x->path, y->path);
}

static int msg_cmp(const void *a, const void *b)
{
	const struct mt_msg *x = a, *y = b;
	int c = strcmp(x->box, y->box);
	if (c)
		return c;
	if (x->lane != y->lane)
		return x->lane < y->lane ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static int lane_cmp(const void *a, const void *b)
{
	const struct mt_lane *x = a, *y = b;
	return x->lane < y->lane ? -1 : x->lane > y->lane;
}

void mt_sort(struct mt *t)
{
	qsort(t->box, t->box_n, sizeof(t->box[0]), box_cmp);
	qsort(t->msg, t->msg_n, sizeof(t->msg[0]), msg_cmp);
	qsort(t->lane, t->lane_n, sizeof(t->lane[0]), lane_cmp);
}

/* ---- writing ---- */
static void put_text(struct store_edit *e, const char *path, const char *text)
{
	OK(store_edit_put_bytes(e, str_of(path), str_of(text)));
}

static void write_box(struct store_edit *e, const struct mt_box *b)
{
	char path[500], text[800];
	const char *level = strrchr(b->path, '/');
	int n = 0;
	if (b->id[0])
		n = snprintf(text, sizeof(text), "id %s\n", b->id);
	snprintf(text + n, sizeof(text) - (size_t)n,
		"name %s\nuse %s\nsubscribed %s\ncreated %ld\n", level ? level + 1 : b->path,
		b->use, b->subscribed ? "yes" : "no", b->created);
	snprintf(path, sizeof(path), "%s/.mailbox", b->path);
	put_text(e, path, text);
}

static const struct mt_box *box_of(const struct mt *t, const char *id)
{
	for (size_t i = 0; i < t->box_n; i++)
		if (!strcmp(t->box[i].id, id))
			return &t->box[i];
	cr_assert(false, "no mailbox %s", id);
	return NULL;
}

static void folders(
	char *out, size_t cap, const char *path, const char *part, uint32_t lane, uint32_t seq)
{
	snprintf(out, cap, "%.900s/%s/%08x/%x/%x/%x/%x/%x/%x", path, part, lane, seq >> 19,
		seq >> 16 & 7, seq >> 13 & 7, seq >> 10 & 7, seq >> 7 & 7, seq >> 4 & 7);
}

static size_t format_line(char *out, size_t cap, const struct mt_msg *m)
{
	int n = snprintf(out, cap, "%08x %ld %ld %s", m->seq, m->internal, m->saved, m->flags);
	for (int k = 0; k < MT_KW; k++)
		if (m->kw >> k & 1)
			n += snprintf(out + n, cap - (size_t)n, " %s", mt_words[k]);
	n += snprintf(out + n, cap - (size_t)n, "\n");
	return (size_t)n;
}

void mt_write(struct store_oid *tree, struct store *s, const struct mt *in)
{
	static struct mt sorted;
	struct store_edit *e;
	struct store_entry root;
	char text[16 * 200], path[1200];
	size_t n = 0;
	sorted = *in;
	mt_sort(&sorted);
	OK(store_edit_begin(&e, s, STR("refs/heads/scratch"), OS_FOREVER));
	for (size_t i = 0; i < sorted.lane_n; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%08x %08x\n",
			sorted.lane[i].lane, sorted.lane[i].seq);
	struct store_oid blob;
	struct store_spool *w;
	uint64_t size;
	/* A tree of nothing else: the root is replaced by one with only .lanes. */
	OK(store_spool_begin(&w, s));
	OK(store_spool_write(w, str_n(text, n)));
	OK(store_spool_finish(&blob, &size, w));
	OK(store_edit_put(e, STR(".fresh/.lanes"), &blob, STORE_BLOB));
	OK(store_edit_find(&root, e, STR(".fresh")));
	OK(store_edit_put(e, STR(""), &root.oid, STORE_TREE));
	for (size_t i = 0; i < sorted.box_n; i++)
		write_box(e, &sorted.box[i]);
	for (size_t i = 0; i < sorted.msg_n; i++) {
		const struct mt_msg *m = &sorted.msg[i];
		const struct mt_box *b = box_of(&sorted, m->box);
		struct store_oid id;
		memcpy(id.b, m->blob, 20);
		folders(path, sizeof(path), b->path, ".m", m->lane, m->seq);
		size_t at = strlen(path);
		snprintf(path + at, sizeof(path) - at, "/%08x", m->seq);
		OK(store_edit_put(e, str_of(path), &id, STORE_BLOB));
	}
	for (size_t i = 0; i < sorted.msg_n;) {
		const struct mt_msg *m = &sorted.msg[i];
		n = 0;
		folders(path, sizeof(path), box_of(&sorted, m->box)->path, ".f", m->lane, m->seq);
		for (; i < sorted.msg_n; i++) {
			const struct mt_msg *x = &sorted.msg[i];
			if (strcmp(x->box, m->box) || x->lane != m->lane ||
				x->seq >> 4 != m->seq >> 4)
				break;
			n += format_line(text + n, sizeof(text) - n, x);
		}
		OK(store_edit_put_bytes(e, str_of(path), str_n(text, n)));
	}
	OK(store_edit_find(&root, e, STR("")));
	*tree = root.oid;
	struct store_why why = { STR("t"), STR("t@example.org"), STR("t"), 1 };
	OK(store_edit_commit(NULL, e, &why));
}

/* ---- the strict reader ---- */
struct reader {
	struct mt *t;
	struct store *s;
	struct arena a;
	char why[400];
	size_t line_n;
	struct mt_msg line[MT_MSGS]; /* from leaves */
};
struct level { /* of the walk */
	struct reader *r;
	char path[1000]; /* on disk */
	char shown[380];
	char id[17];
	unsigned depth;
	bool has_box;
};

static int wrong(struct reader *r, const char *what, const char *path)
{
	if (!r->why[0])
		snprintf(r->why, sizeof(r->why), "%.250s: %s", path, what);
	return ERR_BAD;
}

static bool take_hex(uint32_t *v, const char **p, int digits)
{
	*v = 0;
	for (int i = 0; i < digits; i++, (*p)++) {
		const char *hex = "0123456789abcdef", *at = **p ? strchr(hex, **p) : NULL;
		if (!at)
			return false;
		*v = *v << 4 | (uint32_t)(at - hex);
	}
	return true;
}

static bool take_long(long *v, const char **p)
{
	char *end, back[40];
	*v = strtol(*p, &end, 10);
	int n = snprintf(back, sizeof(back), "%ld", *v);
	bool same = end != *p && (size_t)n == (size_t)(end - *p) && !memcmp(back, *p, (size_t)n);
	*p = end;
	return same;
}

static bool take(const char **p, const char *text)
{
	size_t n = strlen(text);
	if (strncmp(*p, text, n))
		return false;
	*p += n;
	return true;
}

static char *blob_text(struct reader *r, const struct store_oid *id)
{
	struct str s;
	OK(store_blob_all(&s, &r->a, r->s, id, 1 << 20));
	return (char *)(uintptr_t)arena_dup(&r->a, s).p;
}

static bool read_words(uint32_t *kw, const char **p)
{
	int last = -1;
	*kw = 0;
	while (**p == ' ') {
		size_t n = strcspn(*p + 1, " \n");
		int k = 0;
		while (k < MT_KW && (strlen(mt_words[k]) != n || memcmp(*p + 1, mt_words[k], n)))
			k++;
		if (k == MT_KW || k <= last) /* unknown, twice or out of order */
			return false;
		last = k;
		*kw |= 1u << k;
		*p += 1 + n;
	}
	return true;
}

static int read_leaf(struct reader *r, struct level *l, uint32_t lane, uint32_t first,
	const struct store_oid *id, const char *path)
{
	const char *p = blob_text(r, id);
	uint32_t last = 0;
	int lines = 0;
	while (*p) {
		struct mt_msg m = { .lane = lane };
		size_t n = 0;
		memcpy(m.box, l->id, sizeof(m.box));
		bool ok = take_hex(&m.seq, &p, 8) && take(&p, " ") && take_long(&m.internal, &p) &&
			take(&p, " ") && take_long(&m.saved, &p) && take(&p, " ");
		if (!ok)
			return wrong(r, "bad line", path);
		for (const char *all = "DFRST"; *all; all++)
			if (*p == *all)
				m.flags[n++] = *p++;
		if (n == 0 && *p == '-')
			m.flags[n++] = *p++;
		if (n == 0 || !read_words(&m.kw, &p) || !take(&p, "\n"))
			return wrong(r, "bad flags or keywords", path);
		if ((m.seq & ~15u) != first || (lines && m.seq <= last))
			return wrong(r, "line out of place", path);
		last = m.seq;
		lines++;
		if (r->line_n == MT_MSGS)
			return wrong(r, "too many lines", path);
		r->line[r->line_n++] = m;
	}
	return lines ? 0 : wrong(r, "empty leaf", path);
}

static int on_entry(void *ctx, struct str name, const struct store_entry *e);

static int descend(struct level *l, const char *name, const struct store_oid *tree)
{
	struct level *next = calloc(1, sizeof(*next));
	*next = *l;
	next->depth++;
	snprintf(next->path, sizeof(next->path), "%.700s%s%.250s", l->path, l->path[0] ? "/" : "",
		name);
	if (name[0] != '.' && !strstr(next->path, "/.")) {
		const char *tilde = strstr(name, "%~");
		size_t whole = strlen(name) < 150 ? strlen(name) : 150;
		int n = tilde ? (int)(tilde - name) : (int)whole;
		snprintf(next->shown, sizeof(next->shown), "%.200s%s%.*s", l->shown,
			l->shown[0] ? "/" : "", n, name);
		next->id[0] = 0;
		struct store_entry f;
		next->has_box = store_find(&f, l->r->s, tree, STR(".mailbox")) == 0;
		if (next->has_box) {
			const char *p = blob_text(l->r, &f.oid);
			if (take(&p, "id "))
				snprintf(next->id, sizeof(next->id), "%.16s", p);
		}
	}
	size_t had = l->r->t->box_n + l->r->t->msg_n + l->r->line_n;
	int err = store_list(l->r->s, tree, STR_NONE, on_entry, next);
	if (err == 0 && had == l->r->t->box_n + l->r->t->msg_n + l->r->line_n)
		err = wrong(l->r, "an empty folder", next->path);
	free(next);
	return err;
}

static int read_box(struct level *l, const struct store_oid *id)
{
	struct reader *r = l->r;
	const char *p = blob_text(r, id);
	const char *slash = strrchr(l->shown, '/');
	struct mt_box *b = &r->t->box[r->t->box_n];
	char name[500];
	if (r->t->box_n == MT_BOXES)
		return wrong(r, "too many mailboxes", l->path);
	memset(b, 0, sizeof(*b));
	snprintf(b->path, sizeof(b->path), "%s", l->shown);
	if (take(&p, "id ")) {
		uint32_t v, w;
		const char *start = p;
		if (!take_hex(&v, &p, 8) || !take_hex(&w, &p, 8) || !take(&p, "\n"))
			return wrong(r, "bad id", l->path);
		snprintf(b->id, sizeof(b->id), "%.16s", start);
	}
	snprintf(name, sizeof(name), "name %s\nuse ", slash ? slash + 1 : l->shown);
	if (!take(&p, name))
		return wrong(r, "not the name of its folder", l->path);
	size_t n = strcspn(p, "\n");
	snprintf(b->use, sizeof(b->use), "%.*s", (int)n, p);
	p += n;
	b->subscribed = strncmp(p, "\nsubscribed yes", 15) == 0;
	if (!take(&p, b->subscribed ? "\nsubscribed yes\ncreated " : "\nsubscribed no\ncreated ") ||
		!take_long(&b->created, &p) || !take(&p, "\n") || *p)
		return wrong(r, "bad .mailbox", l->path);
	if (!b->id[0] && !b->subscribed)
		return wrong(r, "a .mailbox for nothing", l->path);
	r->t->box_n++;
	return 0;
}

static int read_lanes(struct level *l, const struct store_oid *id)
{
	struct mt *t = l->r->t;
	const char *p = blob_text(l->r, id);
	while (*p) {
		struct mt_lane *x = &t->lane[t->lane_n];
		if (t->lane_n == MT_LANES || !take_hex(&x->lane, &p, 8) || !take(&p, " ") ||
			!take_hex(&x->seq, &p, 8) || !take(&p, "\n") ||
			(t->lane_n && x->lane <= x[-1].lane))
			return wrong(l->r, "bad .lanes", l->path);
		t->lane_n++;
	}
	return 0;
}

/* "<...>/.m/<lane>/a/b/c/d/e/f[/<seq>]" taken apart and put together again. */
static int read_inner(struct level *l, const char *name, const struct store_entry *e)
{
	struct reader *r = l->r;
	char path[1600], want[1600];
	const char *inner =
		strstr(l->path, "/.m/") ? strstr(l->path, "/.m/") : strstr(l->path, "/.f/");
	bool leaf = inner && inner[2] == 'f';
	uint32_t lane = 0, seq = 0;
	snprintf(path, sizeof(path), "%s/%s", l->path, name);
	if (e->kind == STORE_TREE)
		return descend(l, name, &e->oid);
	const char *p = inner ? inner + 4 : "";
	if (!inner || !l->id[0] || !take_hex(&lane, &p, 8))
		return wrong(r, "a file that should not be there", path);
	if (leaf) {
		unsigned a, b, c, d, f, g;
		char tail;
		snprintf(want, sizeof(want), "%s/%s", p, name);
		if (sscanf(want, "/%4x/%1o/%1o/%1o/%1o/%1o%c", &a, &b, &c, &d, &f, &g, &tail) != 6)
			return wrong(r, "no leaf's name", path);
		seq = a << 19 | b << 16 | c << 13 | d << 10 | f << 7 | g << 4;
	} else {
		const char *q = name;
		if (!take_hex(&seq, &q, 8) || *q)
			return wrong(r, "no message's name", path);
	}
	snprintf(want, sizeof(want), "%.*s", (int)(inner - l->path), l->path);
	char back[1600];
	folders(back, sizeof(back), want, leaf ? ".f" : ".m", lane, seq);
	if (!leaf) {
		size_t n = strlen(back);
		snprintf(back + n, sizeof(back) - n, "/%08x", seq);
	}
	if (strcmp(back, path))
		return wrong(r, "not where its number says", path);
	if (leaf)
		return read_leaf(r, l, lane, seq, &e->oid, path);
	if (r->t->msg_n == MT_MSGS || seq == 0)
		return wrong(r, "too many messages, or 0", path);
	struct mt_msg *m = &r->t->msg[r->t->msg_n++];
	*m = (struct mt_msg){ .lane = lane, .seq = seq };
	memcpy(m->box, l->id, sizeof(m->box));
	memcpy(m->blob, e->oid.b, 20);
	return 0;
}

static int on_entry(void *ctx, struct str n, const struct store_entry *e)
{
	struct level *l = ctx;
	char name[300];
	snprintf(name, sizeof(name), "%.*s", STR_ARG(n));
	if (strstr(l->path, "/."))
		return read_inner(l, name, e);
	if (l->depth == 0 && !strcmp(name, ".gitattributes"))
		return 0;
	if (l->depth == 0 && !strcmp(name, ".lanes") && e->kind == STORE_BLOB)
		return read_lanes(l, &e->oid);
	if (l->depth && !strcmp(name, ".mailbox") && e->kind == STORE_BLOB)
		return read_box(l, &e->oid);
	bool inner = l->depth && (!strcmp(name, ".m") || !strcmp(name, ".f"));
	if (e->kind == STORE_TREE && (name[0] != '.' || inner))
		return descend(l, name, &e->oid);
	return wrong(l->r, "an unexpected entry", name);
}

static const char *check_whole(struct reader *r)
{
	struct mt *t = r->t;
	qsort(r->line, r->line_n, sizeof(r->line[0]), msg_cmp);
	if (r->line_n != t->msg_n)
		return "a message without a line, or a line without a message";
	for (size_t i = 0; i < t->msg_n; i++) {
		struct mt_msg *m = &t->msg[i];
		uint8_t blob[20];
		bool covered = false;
		if (msg_cmp(m, &r->line[i]))
			return "a line of another message";
		memcpy(blob, m->blob, 20);
		*m = r->line[i];
		memcpy(m->blob, blob, 20);
		for (size_t k = 0; k < t->lane_n; k++)
			covered =
				covered || (t->lane[k].lane == m->lane && t->lane[k].seq >= m->seq);
		if (!covered)
			return "a message above the mark of its lane";
	}
	for (size_t i = 1; i < t->box_n; i++) {
		if (t->box[i].id[0] && !strcmp(t->box[i].id, t->box[i - 1].id))
			return "one id twice";
		for (size_t k = 0; k < i; k++)
			if (!strcasecmp(t->box[i].path, t->box[k].path) &&
				!strcmp(t->box[i].path, t->box[k].path))
				return "one name twice";
	}
	return NULL;
}

const char *mt_read(struct mt *t, struct store *s, const struct store_oid *tree)
{
	static char why[400];
	struct reader *r = calloc(1, sizeof(*r));
	struct level *top = calloc(1, sizeof(*top));
	memset(t, 0, sizeof(*t));
	r->t = t;
	r->s = s;
	top->r = r;
	arena_init(&r->a, 16 << 20);
	int err = store_list(s, tree, STR_NONE, on_entry, top);
	const char *said = err < 0 ? r->why[0] ? r->why : "a read failed" : NULL;
	mt_sort(t);
	if (!said)
		said = check_whole(r);
	snprintf(why, sizeof(why), "%s", said ? said : "");
	arena_free(&r->a);
	free(top);
	free(r);
	return why[0] ? why : NULL;
}

static bool same_box(const struct mt_box *x, const struct mt_box *y)
{
	return !strcmp(x->id, y->id) && !strcmp(x->path, y->path) && !strcmp(x->use, y->use) &&
		x->subscribed == y->subscribed && x->created == y->created;
}

static bool same_msg(const struct mt_msg *x, const struct mt_msg *y)
{
	return !msg_cmp(x, y) && !memcmp(x->blob, y->blob, sizeof(x->blob)) &&
		x->internal == y->internal && x->saved == y->saved && !strcmp(x->flags, y->flags) &&
		x->kw == y->kw;
}

const char *mt_differ(const struct mt *a, const struct mt *b)
{
	static char text[1400];
	text[0] = 0;
	for (size_t i = 0; i < a->box_n || i < b->box_n; i++) {
		const struct mt_box *x = &a->box[i], *y = &b->box[i];
		if (i < a->box_n && i < b->box_n && same_box(x, y))
			continue;
		snprintf(text, sizeof(text),
			"mailbox: %s %s %s sub %d created %ld / %s %s %s sub %d created %ld",
			i < a->box_n ? x->id : "none", i < a->box_n ? x->path : "", x->use,
			x->subscribed, x->created, i < b->box_n ? y->id : "none",
			i < b->box_n ? y->path : "", y->use, y->subscribed, y->created);
		return text;
	}
	for (size_t i = 0; i < a->msg_n || i < b->msg_n; i++) {
		const struct mt_msg *x = &a->msg[i], *y = &b->msg[i];
		if (i < a->msg_n && i < b->msg_n && same_msg(x, y))
			continue;
		snprintf(text, sizeof(text),
			"message: %s %x.%x %s kw %x %ld %ld / %s %x.%x %s kw %x %ld %ld",
			i < a->msg_n ? x->box : "none", x->lane, x->seq, x->flags, x->kw,
			x->internal, x->saved, i < b->msg_n ? y->box : "none", y->lane, y->seq,
			y->flags, y->kw, y->internal, y->saved);
		return text;
	}
	if (a->lane_n != b->lane_n || memcmp(a->lane, b->lane, sizeof(a->lane)))
		return ".lanes";
	return NULL;
}
