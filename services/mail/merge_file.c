/* SPDX-License-Identifier: ISC */
/* .mailbox files, three-way by key; keys we do not know as well. */
#include "services/mail/merge_impl.h"

#define LINES_MAX 64

struct lines {
	bool counts; /* this side has a say */
	size_t n;
	struct {
		struct str key, value;
	} v[LINES_MAX];
};

static void read_lines(struct lines *l, struct str text)
{
	while (text.n > 0 && l->n < LINES_MAX) {
		struct str line;
		str_cut(&line, &text, text, '\n');
		if (line.n == 0)
			continue;
		str_cut(&l->v[l->n].key, &l->v[l->n].value, line, ' ');
		l->n++;
	}
}

/* The last one counts, as for mail_file_parse. */
static struct str value_of(const struct lines *l, struct str key)
{
	for (size_t i = l->n; i > 0; i--)
		if (str_eq(l->v[i - 1].key, key))
			return l->v[i - 1].value;
	return STR("");
}

static struct str merge_value(const struct lines l[static SIDES], struct str key)
{
	struct str base = value_of(&l[BASE], key);
	struct str ours = value_of(&l[OURS], key), theirs = value_of(&l[THEIRS], key);
	bool clash;
	if (!l[OURS].counts || !l[THEIRS].counts)
		return l[OURS].counts ? ours : theirs;
	enum merge_side s = mail_merge_choose(&clash, l[BASE].counts ? &base : NULL, ours, theirs);
	struct str won = s == OURS ? ours : theirs, lost = s == OURS ? theirs : ours;
	if (clash &&
		(won.n == 0 || (str_eq(key, STR("use")) && str_eq(won, STR("none"))) ||
			(str_eq(key, STR("subscribed")) && str_eq(won, STR("no")))))
		won = lost;
	return won;
}

static void put_value(struct buf *out, struct str key, struct str value)
{
	if (value.n == 0)
		return;
	buf_add(out, key);
	buf_addc(out, ' ');
	buf_add(out, value);
	buf_addc(out, '\n');
}

static const char *const known[] = { "id", "name", "use", "subscribed", "created" };

static bool is_known(struct str key)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (str_eq(key, str_of(known[i])))
			return true;
	return false;
}

/* Of both sides, in bytewise order. */
static void put_unknown(struct buf *out, const struct lines l[static SIDES])
{
	struct str last = STR_NONE;
	for (;;) {
		struct str next = STR_NONE;
		for (enum merge_side s = OURS; s < SIDES; s++)
			for (size_t i = 0; l[s].counts && i < l[s].n; i++) {
				struct str key = l[s].v[i].key;
				if (!is_known(key) && (last.p == NULL || str_cmp(key, last) > 0) &&
					(next.p == NULL || str_cmp(key, next) < 0))
					next = key;
			}
		if (next.p == NULL)
			return;
		put_value(out, next, merge_value(l, next));
		last = next;
	}
}

/* What is left of a mailbox that nobody subscribes to is nothing. */
static bool subscribed(const struct merge *m, const struct merge_node *n)
{
	bool yes[SIDES];
	for (enum merge_side s = BASE; s < SIDES; s++) {
		const struct merge_rec *r = merge_rec_of(m, n, s);
		yes[s] = r != NULL && r->has_file && r->file.subscribed;
	}
	return yes[OURS] == yes[THEIRS] ? yes[OURS] : !yes[BASE];
}

static int by_key(struct buf *out, struct merge *m, const struct merge_node *n)
{
	struct lines *l = calloc(SIDES, sizeof(*l));
	struct buf level;
	if (l == NULL)
		return err_set(ERR_NOMEM, "mail: no memory to merge");
	for (enum merge_side s = BASE; s < SIDES; s++) {
		const struct merge_rec *r = merge_rec_of(m, n, s);
		if (r == NULL || !r->has_file || (n->exists && !r->file.exists))
			continue;
		l[s].counts = true;
		read_lines(&l[s], r->file_text);
	}
	buf_init(&level, NULL);
	mail_name_unescape(&level, n->folder);
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		struct str key = str_of(known[i]);
		struct str value = str_eq(key, STR("name")) ? buf_str(&level) : merge_value(l, key);
		if (!n->exists && i == 0)
			continue;
		if (!n->exists && str_eq(key, STR("subscribed")))
			value = STR("yes");
		put_value(out, key, value);
	}
	put_unknown(out, l);
	int err = level.err < 0 ? level.err : out->err;
	buf_free(&level);
	free(l);
	return err;
}

/* The side whose file is taken as it is, because the other left it alone; SIDES: none. */
static enum merge_side whole(const struct merge *m, const struct merge_node *n)
{
	struct merge_trio x = { 0 };
	for (enum merge_side s = BASE; s < SIDES; s++) {
		const struct merge_rec *r = merge_rec_of(m, n, s);
		x.there[s] = r != NULL && r->has_file;
		if (x.there[s])
			x.at[s] = (struct store_entry){ r->file_oid, STORE_BLOB };
	}
	if (mail_merge_same(&x, OURS, THEIRS) || mail_merge_same(&x, BASE, THEIRS))
		return OURS;
	return mail_merge_same(&x, BASE, OURS) ? THEIRS : SIDES;
}

/* Does this very file stand on a side under the name the folder gets? */
static bool named_so(
	const struct merge *m, const struct merge_node *n, const struct store_oid *file)
{
	for (enum merge_side s = OURS; s < SIDES; s++) {
		const struct merge_rec *r = merge_rec_of(m, n, s);
		if (r != NULL && r->has_file && store_oid_eq(&r->file_oid, file) &&
			str_eq(m->spots[n->spot[s]].folder, n->folder))
			return true;
	}
	return false;
}

int mail_merge_file(const struct store_oid **blob, struct buf *text, struct merge *m,
	const struct merge_node *n)
{
	enum merge_side s = whole(m, n);
	const struct merge_rec *r = s == SIDES ? NULL : merge_rec_of(m, n, s);
	bool there = r != NULL && r->has_file, box = there && r->file.exists;
	text->n = 0;
	*blob = NULL;
	if (s != SIDES && n->exists == box && (!box || named_so(m, n, &r->file_oid))) {
		*blob = there ? &r->file_oid : NULL;
		return 0;
	}
	return n->exists || subscribed(m, n) ? by_key(text, m, n) : 0;
}
