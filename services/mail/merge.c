/* SPDX-License-Identifier: ISC */
/* The three-way merge of a mail branch, from the root down. */
#include "services/mail/merge_impl.h"

#define MERGE_ARENA (24 * 1024 * 1024)
#define LANES_MAX   (64 * 1024)

void mail_merge_note(struct merge *m, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	if (m->notes == NULL || m->dry || ++m->note_count > MERGE_NOTES_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	buf_addz(m->notes, line);
	buf_addc(m->notes, '\n');
}

int mail_merge_dup(struct str *out, struct merge *m, struct str s)
{
	*out = arena_dup(&m->arena, s);
	return out->p != NULL ? 0 : err_set(ERR_LIMIT, "mail: the sides differ too much to merge");
}

/* ---- .lanes ---- */
static int read_lanes(struct merge *m)
{
	int err = 0;
	for (enum merge_side s = BASE; err == 0 && s < SIDES; s++) {
		struct store_entry e;
		m->lanes[s] = STR("");
		if (s == BASE && !m->has_base)
			continue;
		err = store_find(&e, m->s, &m->root[s], STR(".lanes"));
		if (err == 0 && e.kind == STORE_BLOB)
			err = store_blob_all(&m->lanes[s], &m->arena, m->s, &e.oid, LANES_MAX);
		if (err == ERR_NOENT || err == ERR_LIMIT)
			err = 0;
	}
	return err;
}

/* Every lane's highest mark, whoever has it: also that of a side that was rolled back. */
static int merge_lanes(struct merge *m)
{
	struct buf a, b, *done = &a, *next = &b;
	buf_init(&a, NULL);
	buf_init(&b, NULL);
	for (enum merge_side s = BASE; s < SIDES; s++) {
		struct str text = m->lanes[s];
		while (text.n > 0) {
			struct str line;
			uint32_t seq;
			char lane[9] = { 0 };
			str_cut(&line, &text, text, '\n');
			if (line.n != 17) /* "<lane> <seq>", else nothing to read */
				continue;
			memcpy(lane, line.p, 8);
			uint32_t number = (uint32_t)strtoul(lane, NULL, 16);
			if (!mail_lanes_find(&seq, line, number))
				continue;
			next->n = 0;
			mail_lanes_raise(next, buf_str(done), number, seq);
			struct buf *swap = done;
			done = next;
			next = swap;
		}
	}
	int err = a.err < 0 ? a.err : b.err;
	if (err == 0)
		err = mail_merge_text(m, STR(".lanes"), buf_str(done));
	struct store_entry e;
	if (err == 0 && store_find(&e, m->s, &m->root[THEIRS], STR(".lanes")) == 0 &&
		e.kind == STORE_TREE)
		err = mail_merge_beside(m, STR(".lanes"), &e);
	buf_free(&a);
	buf_free(&b);
	return err;
}

/* ---- mailboxes ---- */
static int below(struct str *out, struct merge *m, struct str folder, const char *name)
{
	m->path.n = 0;
	buf_fmt(&m->path, "%.*s/%s", STR_ARG(folder), name);
	*out = buf_str(&m->path);
	return m->path.err;
}

static const struct merge_trio_entry *part(const struct merge_rec *r, bool messages)
{
	return messages ? &r->m : &r->f;
}

/* Out of the places that are given up, before anything else is put there. */
static int leave(struct merge *m, const struct merge_node *n)
{
	static const char *const names[] = { ".mailbox", ".m", ".f" };
	const struct merge_rec *r = merge_rec_of(m, n, OURS);
	struct str path;
	int err = 0;
	if (r == NULL)
		return 0;
	bool moves = n->vanishes || !str_eq(n->path, m->spots[n->spot[OURS]].path);
	for (size_t i = 0; err == 0 && i < ARRAY_LEN(names); i++) {
		bool has = i == 0 ? r->has_file : part(r, i == 1)->there;
		if (!has || (i > 0 && !moves))
			continue;
		err = below(&path, m, m->spots[n->spot[OURS]].path, names[i]);
		if (err == 0)
			err = mail_merge_del(m, path);
	}
	return err;
}

static int merge_part(struct merge *m, size_t node, bool messages)
{
	const struct merge_node *n = &m->nodes[node];
	struct merge_trio x = mail_merge_below(m, n, messages);
	struct str path, home = n->path;
	int err = 0;
	if (home.p == NULL) /* gone on both sides */
		home = m->spots[n->spot[BASE]].path;
	m->node = node;
	m->dry = n->vanishes || n->path.p == NULL;
	err = below(&path, m, home, messages ? ".m" : ".f");
	if (err == 0 && x.there[OURS] && n->spot[OURS] != NOWHERE &&
		!str_eq(home, m->spots[n->spot[OURS]].path))
		err = mail_merge_put(m, path, &x.at[OURS]);
	m->below = m->path.n + 1;
	if (err == 0)
		err = mail_merge_tree(m, &x, messages ? MERGE_MESSAGES : MERGE_LEAVES, 0);
	m->dry = false;
	return err;
}

static int put_file(struct merge *m, const struct merge_node *n)
{
	const struct store_oid *blob;
	struct store_entry e = { .kind = STORE_BLOB };
	struct str path;
	if (n->path.p == NULL)
		return 0;
	int err = mail_merge_file(&blob, &m->text, m, n);
	if (err == 0)
		err = below(&path, m, n->path, ".mailbox");
	if (err < 0 || (blob == NULL && m->text.n == 0))
		return err;
	if (blob == NULL)
		return mail_merge_text(m, path, buf_str(&m->text));
	e.oid = *blob;
	return mail_merge_put(m, path, &e);
}

static int mailboxes(struct merge *m)
{
	int err = 0;
	for (size_t i = 0; err == 0 && i < m->node_count; i++)
		err = leave(m, &m->nodes[i]);
	for (size_t i = 0; err == 0 && i < m->node_count; i++) {
		err = merge_part(m, i, true);
		if (err == 0)
			err = merge_part(m, i, false);
	}
	/* A mailbox last: its file counts where a subscription was left in the same folder. */
	for (int real = 0; real < 2; real++)
		for (size_t i = 0; err == 0 && i < m->node_count; i++)
			if (m->nodes[i].exists == (real == 1))
				err = put_file(m, &m->nodes[i]);
	return err;
}

static int whole_root(struct merge *m, enum merge_side s)
{
	return store_edit_put(m->e, STR(""), &m->root[s], STORE_TREE);
}

static bool is_mail(const struct merge *m, enum merge_side s)
{
	struct store_entry e;
	return store_find(&e, m->s, &m->root[s], STR(".lanes")) == 0 && e.kind == STORE_BLOB;
}

static int merge_roots(struct merge *m)
{
	struct merge_trio x = { .there = { m->has_base, true, true } };
	for (enum merge_side s = BASE; s < SIDES; s++)
		x.at[s] = (struct store_entry){ m->root[s], STORE_TREE };
	if (mail_merge_same(&x, OURS, THEIRS) || mail_merge_same(&x, BASE, THEIRS))
		return 0;
	if (mail_merge_same(&x, BASE, OURS))
		return whole_root(m, THEIRS);
	if (!is_mail(m, OURS) && !is_mail(m, THEIRS))
		return store_edit_merge_paths(m->e, STR(""), m->has_base ? &m->root[BASE] : NULL,
			&m->root[THEIRS], m->notes);
	int err = read_lanes(m);
	if (err == 0)
		err = mail_merge_folders(m);
	if (err == 0)
		err = mail_merge_places(m);
	if (err == 0)
		err = mail_merge_loose_out(m);
	if (err == 0)
		err = mailboxes(m);
	if (err == 0)
		err = merge_lanes(m);
	if (err == 0)
		err = mail_merge_strays(m);
	if (err == 0)
		err = mail_merge_doubts(m);
	if (err == 0)
		err = mail_merge_clashes(m);
	if (err == 0)
		err = mail_merge_fixes(m);
	return err < 0 ? err : mail_merge_loose_in(m);
}

static void merge_free(struct merge *m)
{
	arena_free(&m->arena);
	arena_free(&m->scratch);
	buf_free(&m->path);
	buf_free(&m->text);
	free(m->spots);
	free(m->nodes);
	free(m->loose);
	free(m->strays);
	free(m->fixes);
	free(m->doubts);
	free(m->clashes);
	free(m->twins);
	free(m);
}

int mail_merge(void *ctx, struct store_edit *e, struct str ref, const struct store_oid *base,
	const struct store_oid *theirs, struct buf *notes)
{
	struct store_entry root;
	struct merge *m = calloc(1, sizeof(*m));
	(void)ctx;
	(void)ref;
	if (m == NULL)
		return err_set(ERR_NOMEM, "mail: no memory to merge");
	m->e = e;
	m->s = store_edit_store(e);
	m->has_base = base != NULL;
	m->notes = notes;
	arena_init(&m->arena, MERGE_ARENA);
	arena_init(&m->scratch, MAIL_LEAF_BYTES * 2);
	buf_init(&m->path, NULL);
	buf_init(&m->text, NULL);
	int err = store_edit_find(&root, e, STR(""));
	if (err == 0) {
		m->root[OURS] = root.oid;
		m->root[THEIRS] = *theirs;
		if (base != NULL)
			m->root[BASE] = *base;
		err = merge_roots(m);
	}
	if (err == 0 && notes != NULL && m->note_count > MERGE_NOTES_MAX)
		buf_fmt(notes, "and %u more\n", m->note_count - MERGE_NOTES_MAX);
	merge_free(m);
	return err;
}
