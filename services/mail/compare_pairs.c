/* SPDX-License-Identifier: ISC */
/* The mailboxes that differ between two trees, paired by id. */
#include "services/mail/compare.h"

struct pairing {
	struct store *s;
	struct arena *a;
	struct mail_pair *list;
	size_t n, cap;
};

static int half(
	struct mail_half *out, struct pairing *c, struct str path, const struct mail_folder *f)
{
	struct arena *a = c->a;
	struct str text;
	struct buf name;
	*out = (struct mail_half){ .at = f->side };
	if (!f->has_file)
		return 0;
	int err = store_blob_all(&text, a, c->s, &f->file, MAIL_FILE_MAX);
	if (err < 0)
		return err == ERR_LIMIT ? 0 : err;
	mail_file_parse(&out->file, text);
	if (!out->file.exists)
		return 0;
	out->at.present = true;
	buf_init(&name, a);
	mail_path_name(&name, path);
	out->name = buf_str(&name);
	out->path = arena_dup(a, path);
	return name.err < 0 || out->path.p == NULL ? err_set(ERR_LIMIT, "mail: too many mailboxes")
						   : 0;
}

static int add_pair(struct pairing *c, const struct mail_half *old, const struct mail_half *new)
{
	int err = mail_grow(&c->list, &c->cap, c->n, sizeof(*c->list));
	if (err < 0)
		return err;
	struct mail_pair *p = &c->list[c->n++];
	*p = (struct mail_pair){ 0 };
	if (old != NULL)
		p->side[MAIL_OLD] = *old;
	if (new != NULL)
		p->side[MAIL_NEW] = *new;
	return 0;
}

static bool same(bool has_a, const struct store_oid *a, bool has_b, const struct store_oid *b)
{
	return has_a == has_b && (!has_a || store_oid_eq(a, b));
}

static int on_folder(
	void *ctx, struct str path, const struct mail_folder *old, const struct mail_folder *new)
{
	struct pairing *c = ctx;
	struct mail_half o, n;
	if (same(old->has_file, &old->file, new->has_file, &new->file) &&
		same(old->side.has_m, &old->side.m, new->side.has_m, &new->side.m) &&
		same(old->side.has_f, &old->side.f, new->side.has_f, &new->side.f))
		return 0;
	int err = half(&o, c, path, old);
	if (err == 0)
		err = half(&n, c, path, new);
	if (err < 0)
		return err;
	if (o.at.present && n.at.present && mail_id_eq(&o.file.id, &n.file.id))
		return add_pair(c, &o, &n);
	if (o.at.present)
		err = add_pair(c, &o, NULL);
	return err == 0 && n.at.present ? add_pair(c, NULL, &n) : err;
}

static const struct mail_half *known(const struct mail_pair *p)
{
	return &p->side[p->side[MAIL_NEW].at.present ? MAIL_NEW : MAIL_OLD];
}

static int by_id(const void *a, const void *b)
{
	return memcmp(known(a)->file.id.b, known(b)->file.id.b, MAIL_ID_BYTES);
}

static int by_name(const void *a, const void *b)
{
	return mail_name_cmp(known(a)->name, known(b)->name);
}

/* What left one folder and came to another with the same id is one mailbox. */
static void join_pairs(struct pairing *c)
{
	size_t n = 0;
	if (c->n < 2)
		return;
	qsort(c->list, c->n, sizeof(*c->list), by_id);
	for (size_t i = 0; i < c->n; i++) {
		struct mail_pair *last = n > 0 ? &c->list[n - 1] : NULL, *p = &c->list[i];
		if (last == NULL || by_id(last, p) != 0) {
			c->list[n++] = *p;
			continue;
		}
		for (int k = 0; k < 2; k++)
			if (!last->side[k].at.present)
				last->side[k] = p->side[k];
	}
	c->n = n;
	qsort(c->list, n, sizeof(*c->list), by_name);
}

int mail_pairs(struct mail_pair **out, size_t *n, struct arena *a, struct store *s,
	const struct store_oid *old_tree, const struct store_oid *new_tree)
{
	struct pairing c = { .s = s, .a = a };
	struct arena walk;
	arena_init(&walk, MAIL_PAIRS_ARENA);
	int err = mail_walk(s, &walk, old_tree, new_tree, on_folder, &c);
	arena_free(&walk);
	if (err == 0)
		join_pairs(&c);
	*out = c.list;
	*n = c.n;
	return err;
}
