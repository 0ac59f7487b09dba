/* SPDX-License-Identifier: ISC */
/* Commits: the text of new ones, and reading them. */
#include "store/store_impl.h"

struct why *why_new(const struct store_why *w)
{
	struct why *y = malloc(sizeof(*y) + w->name.n + w->email.n + w->message.n);
	struct str *parts[] = { &y->w.name, &y->w.email, &y->w.message };
	char *p;

	if (!y)
		return NULL;
	y->next = NULL;
	y->w = *w;
	if (!y->w.time)
		y->w.time = os_wall_sec();
	p = (char *)(y + 1);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (parts[i]->n)
			memcpy(p, parts[i]->p, parts[i]->n);
		parts[i]->p = p;
		p += parts[i]->n;
	}
	return y;
}

/* What git allows in a name or address: no <, >, control bytes; none of its marks around it. */
static void add_clean(struct buf *b, struct str s, const char *without)
{
	size_t start = b->n;

	s = person_trim(s);
	for (size_t i = 0; i < s.n; i++)
		if ((uint8_t)s.p[i] >= ' ' && s.p[i] != '<' && s.p[i] != '>' && s.p[i] != 127)
			buf_addc(b, s.p[i]);
	if (b->n == start)
		buf_addz(b, without);
}

static void add_person(struct buf *b, const char *role, const struct store_why *w)
{
	buf_fmt(b, "%s ", role);
	add_clean(b, w->name, "unknown");
	buf_add(b, STR(" <"));
	add_clean(b, w->email, "unknown");
	buf_fmt(b, "> %lld +0000\n", (long long)(w->time < 0 ? 0 : w->time));
}

/* Lines of `s`, each after `indent`; NUL is not allowed in a commit. */
static void add_lines(struct buf *b, struct str s, const char *indent)
{
	struct str line, rest = s;
	while (rest.n > 0) {
		str_cut(&line, &rest, rest, '\n');
		if (line.n > 0 && b->n > 0 && b->p[b->n - 1] == '\n')
			buf_addz(b, indent);
		for (size_t i = 0; i < line.n; i++)
			buf_addc(b, line.p[i] ? line.p[i] : ' ');
		buf_addc(b, '\n');
	}
}

static struct str subject_of(struct str message)
{
	struct str line, rest;
	str_cut(&line, &rest, message, '\n');
	line = str_trim(line);
	return line.n ? line : STR("change");
}

/*
 * One edit: its author and message. Several: the first one's subject "(+2 more)", then one
 * paragraph for each: who, and the message.
 */
int commit_text(struct buf *b, const struct gref *r)
{
	char hex[STORE_HEX];
	struct store_why first = r->whys->w;

	buf_fmt(b, "tree %s\n", store_oid_hex(hex, &r->tree));
	if (r->has_head)
		buf_fmt(b, "parent %s\n", store_oid_hex(hex, &r->head));
	for (struct why *w = r->whys; w; w = w->next)
		if (w->w.time > first.time)
			first.time = w->w.time;
	add_person(b, "author", &first);
	add_person(b, "committer", &first);
	buf_addc(b, '\n');
	if (r->count == 1) {
		struct str m = str_trim(first.message);
		add_lines(b, m.n ? m : STR("change"), "");
		return b->err;
	}
	add_lines(b, subject_of(first.message), "");
	b->n--; /* its newline */
	buf_fmt(b, " (+%u more)\n", r->count - 1);
	for (struct why *w = r->whys; w; w = w->next) {
		buf_add(b, STR("\n* "));
		add_clean(b, w->w.name, "unknown");
		buf_add(b, STR(" <"));
		add_clean(b, w->w.email, "unknown");
		buf_add(b, STR(">: "));
		add_lines(b, str_trim(w->w.message), "  ");
		if (b->n && b->p[b->n - 1] != '\n')
			buf_addc(b, '\n');
	}
	return b->err;
}

int merge_text(struct buf *b, const struct store_oid *tree, const struct store_oid parents[2],
	const struct store_why *why)
{
	char hex[STORE_HEX];

	buf_fmt(b, "tree %s\n", store_oid_hex(hex, tree));
	for (int i = 0; i < 2; i++)
		buf_fmt(b, "parent %s\n", store_oid_hex(hex, &parents[i]));
	add_person(b, "author", why);
	add_person(b, "committer", why);
	buf_addc(b, '\n');
	add_lines(b, why->message, "");
	return b->err;
}

/* ---- reading ---- */
int store_commit_get(
	struct store_commit *out, struct arena *a, struct store *s, const struct store_oid *id)
{
	struct commit_fields c;
	struct view v;
	int err = view_open(&v, s, id, OBJ_COMMIT, OBJECT_BYTES);

	if (err < 0)
		return err;
	err = commit_parse(&c, str_n(v.p, v.n));
	if (err >= 0) {
		*out = (struct store_commit){ .id = *id, .tree = c.tree, .time = c.time };
		out->parent_count = store_shallow_has(s, id) ? 0 : (unsigned)c.parent_count;
		if (out->parent_count > ARRAY_LEN(out->parents))
			out->parent_count = ARRAY_LEN(out->parents);
		memcpy(out->parents, c.parents, out->parent_count * sizeof(c.parents[0]));
		out->author_name = arena_dup(a, c.author_name);
		out->author_email = arena_dup(a, c.author_email);
		out->message = arena_dup(a, c.message);
		if (!out->author_name.p || !out->author_email.p || !out->message.p)
			err = err_set(ERR_LIMIT, "store: commit over the caller's memory");
	}
	view_end(&v);
	return err;
}
