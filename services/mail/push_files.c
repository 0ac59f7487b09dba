/* SPDX-License-Identifier: ISC */
#include "services/mail/push_impl.h"

#define LEAF_BYTES 16384
#define ATTRIBUTES "* -text\n"

/* ---- paths ---- */
/* The folder up to the first name that begins with a dot, and what follows. */
static bool cut_box(struct str *box, struct str *rest, struct str path)
{
	for (size_t i = 0; i + 1 < path.n; i++)
		if (path.p[i] == '.' && (i == 0 || path.p[i - 1] == '/')) {
			*box = str_sub(path, 0, i ? i - 1 : 0);
			*rest = str_sub(path, i, path.n);
			return true;
		}
	return false;
}

struct push_place push_place_of(struct str path)
{
	struct push_place w = { .kind = PUSH_STRAY };
	struct str rest;

	if (str_eq(path, STR(".lanes")))
		w.kind = PUSH_LANES;
	else if (str_eq(path, STR(".gitattributes")))
		w.kind = PUSH_ATTRIBUTES;
	else if (!cut_box(&w.box, &rest, path) || w.box.n == 0)
		return w;
	else if (str_eq(rest, STR(".mailbox")))
		w.kind = PUSH_BOX;
	else if (str_starts(rest, STR(".m/")) &&
		mail_path_parse_message(&w.lane, &w.seq, str_sub(rest, 3, rest.n)))
		w.kind = PUSH_MESSAGE;
	else if (str_starts(rest, STR(".f/")) &&
		mail_path_parse_leaf(&w.lane, &w.seq, str_sub(rest, 3, rest.n)))
		w.kind = PUSH_LEAF;
	return w;
}

int push_attributes_check(struct push *u, const struct store_oid *after)
{
	struct str text;
	int err;

	if (!after)
		return err_set(ERR_BAD, ".gitattributes must stay");
	arena_free(&u->scratch);
	err = store_blob_all(&text, &u->scratch, u->s, after, 4096);
	if (err >= 0 && !str_eq(text, STR(ATTRIBUTES)))
		err = err_set(ERR_BAD, ".gitattributes must say \"* -text\"");
	return err;
}

/* ---- mailboxes ---- */
static int by_id(const void *a, const void *b)
{
	const struct mail_entry *const *x = a, *const *y = b;
	return memcmp((*x)->file.id.b, (*y)->file.id.b, MAIL_ID_BYTES);
}

static int check_ids(struct push *u)
{
	const struct mail_entry **ids =
		arena_alloc(&u->arena, (u->box_n + 1) * sizeof(struct mail_entry *));
	size_t n = 0;

	if (!ids)
		return err_set(ERR_LIMIT, "too many mailboxes");
	for (size_t i = 0; i < u->box_n; i++)
		if (u->boxes[i].has_file && u->boxes[i].file.exists)
			ids[n++] = &u->boxes[i];
	if (n > 1)
		qsort(ids, n, sizeof(struct mail_entry *), by_id);
	for (size_t i = 1; i < n; i++)
		if (mail_id_eq(&ids[i]->file.id, &ids[i - 1]->file.id))
			return err_set(ERR_BAD, "\"%.*s\" and \"%.*s\" have the same id",
				STR_ARG(ids[i - 1]->path), STR_ARG(ids[i]->path));
	return 0;
}

int push_boxes_read(struct push *u)
{
	int err = mail_entries_read(&u->boxes, &u->box_n, &u->arena, u->s, &u->tree);

	return err < 0 ? err : check_ids(u);
}

int push_box_known(struct push *u, struct str folder)
{
	if (u->box && str_eq(u->box->path, folder))
		return 0;
	u->box = NULL;
	for (size_t i = 0; i < u->box_n; i++)
		if (u->boxes[i].has_file && u->boxes[i].file.exists &&
			str_eq(u->boxes[i].path, folder))
			u->box = &u->boxes[i];
	return u->box ? 0
		      : err_set(ERR_BAD, "\"%.*s\" has messages but no .mailbox with an id",
				STR_ARG(folder));
}

/* Is each folder spelled as mailbox_name.c would? */
static int check_name(struct push *u, struct str box)
{
	struct str folder, rest = box, normal, joined;
	struct buf name, again;

	arena_free(&u->scratch);
	buf_init(&name, &u->scratch);
	buf_init(&again, &u->scratch);
	while (rest.n > 0) {
		size_t from = name.n;
		struct str level;

		str_cut(&folder, &rest, rest, '/');
		mail_name_unescape(&name, folder);
		if (name.err < 0)
			return name.err;
		level = str_sub(buf_str(&name), from, name.n);
		again.n = 0;
		mail_name_escape(&again, level);
		if (again.err >= 0 && !str_eq(buf_str(&again), folder)) {
			again.n = 0;
			mail_name_escape_clash(&again, level);
		}
		if (again.err < 0 || !str_eq(buf_str(&again), folder))
			return err_set(ERR_BAD, "\"%.*s\" is not how a mailbox's folder is written",
				STR_ARG(folder));
		buf_addc(&name, '/');
	}
	joined = str_sub(buf_str(&name), 0, name.n ? name.n - 1 : 0);
	if (mail_name_normal(&normal, &u->scratch, joined) < 0 || !str_eq(normal, joined))
		return err_set(ERR_BAD, "\"%.*s\" is no mailbox's name", STR_ARG(box));
	return 0;
}

static int check_file(struct push *u, struct str box, struct str text)
{
	struct mail_file f;
	struct str level, rest = box, folder = box;
	struct buf name;

	mail_file_parse(&f, text);
	while (rest.n > 0)
		str_cut(&folder, &rest, rest, '/');
	buf_init(&name, &u->scratch);
	mail_name_unescape(&name, folder);
	level = buf_str(&name);
	if (!str_ends(text, STR("\n")) || !str_eq(f.name, level))
		return err_set(ERR_BAD, "\"%.*s/.mailbox\" does not name \"%.*s\"", STR_ARG(box),
			STR_ARG(level));
	return name.err;
}

int push_box_check(struct push *u, struct str box, const struct store_oid *after)
{
	struct store_entry e;
	struct str text;
	int err;

	if (!after) {
		if (str_eq(box, STR("INBOX")))
			return err_set(ERR_BAD, "INBOX must stay");
		u->path.n = 0;
		buf_fmt(&u->path, "%.*s/.m", STR_ARG(box));
		err = u->path.err < 0 ? u->path.err
				      : store_find(&e, u->s, &u->tree, buf_str(&u->path));
		if (err >= 0)
			err = err_set(ERR_BAD, "\"%.*s\" has messages but no .mailbox with an id",
				STR_ARG(box));
		return err == ERR_NOENT ? 0 : err;
	}
	err = check_name(u, box);
	arena_free(&u->scratch);
	if (err >= 0)
		err = store_blob_all(&text, &u->scratch, u->s, after, MAIL_FILE_MAX);
	return err < 0 ? err : check_file(u, box, text);
}

/* ---- leaves ---- */
static int bad_leaf(struct push *u, const char *what)
{
	return err_set(ERR_BAD, "\"%.*s\" %s", STR_ARG(buf_str(&u->leaf_done)), what);
}

static bool keywords_fine(struct str words)
{
	struct str word, last = STR_NONE;
	unsigned n = 0;

	while (mail_keyword_next(&word, &words)) {
		if (!mail_keyword_valid(word) || ++n > MAIL_KEYWORDS_MAX ||
			(last.p && str_cmp(last, word) >= 0))
			return false;
		last = word;
	}
	return true;
}

/* Every byte as mailbox_layout.c writes it. */
static int check_text(struct push *u, struct str text, uint32_t first)
{
	mail_leaf_parse(&u->leaf, text);
	u->text.n = 0;
	mail_leaf_format(&u->text, &u->leaf);
	if (u->text.err < 0)
		return u->text.err;
	if (u->leaf.n == 0 || !str_eq(buf_str(&u->text), text))
		return bad_leaf(u, "is not written as docs/mail-layout.md says");
	for (unsigned i = 0; i < u->leaf.n; i++)
		if ((u->leaf.line[i].seq & ~15u) != first ||
			!keywords_fine(u->leaf.line[i].keywords))
			return bad_leaf(u, "has a line of another leaf, or keywords that are none");
	return 0;
}

struct names {
	struct push *u;
	uint32_t first;
	unsigned n;
};

static int check_message_name(void *ctx, struct str name, const struct store_entry *e)
{
	struct names *x = ctx;
	uint32_t seq;

	if (e->kind != STORE_BLOB || name.n != 8 || !mail_hex32(&seq, name, 8) ||
		mail_leaf_find(&x->u->leaf, seq) == NULL)
		return bad_leaf(x->u, "lacks the line of a message");
	x->n++;
	return 0;
}

static int leaf_text(struct str *text, struct push *u)
{
	struct store_entry e;
	int err = store_find(&e, u->s, &u->tree, buf_str(&u->leaf_done));

	*text = STR("");
	arena_free(&u->scratch);
	if (err == ERR_NOENT)
		return 0;
	if (err >= 0 && e.kind != STORE_BLOB)
		return bad_leaf(u, "is a folder");
	return err < 0 ? err : store_blob_all(text, &u->scratch, u->s, &e.oid, LEAF_BYTES);
}

int push_leaf_check(struct push *u, struct str box, uint32_t lane, uint32_t seq)
{
	struct names x = { u, seq & ~15u, 0 };
	struct store_entry e;
	struct str text;
	int err;

	u->path.n = 0;
	buf_fmt(&u->path, "%.*s/.f/", STR_ARG(box));
	mail_path_leaf(&u->path, lane, seq);
	if (u->path.err < 0 || str_eq(buf_str(&u->path), buf_str(&u->leaf_done)))
		return u->path.err;
	u->leaf_done.n = 0;
	buf_add(&u->leaf_done, buf_str(&u->path));
	err = u->leaf_done.err < 0 ? u->leaf_done.err : leaf_text(&text, u);
	u->leaf.n = 0;
	if (err >= 0 && text.n > 0)
		err = check_text(u, text, x.first);
	u->path.p[box.n + 2] = 'm';
	if (err >= 0)
		err = store_find(&e, u->s, &u->tree, buf_str(&u->path));
	if (err >= 0)
		err = store_list(u->s, &e.oid, STR_NONE, check_message_name, &x);
	if (err < 0 && err != ERR_NOENT)
		return err;
	return x.n == u->leaf.n ? 0 : bad_leaf(u, "has a line without its message");
}

int push_dates_check(struct push *u, const struct store_oid *before, const struct store_oid *after)
{
	struct str old, now;
	int err;

	arena_free(&u->scratch);
	err = store_blob_all(&old, &u->scratch, u->s, before, LEAF_BYTES);
	if (err >= 0)
		err = store_blob_all(&now, &u->scratch, u->s, after, LEAF_BYTES);
	if (err < 0)
		return err;
	mail_leaf_parse(&u->before, old);
	mail_leaf_parse(&u->leaf, now);
	for (unsigned i = 0; i < u->leaf.n; i++) {
		const struct mail_line *l = &u->leaf.line[i];
		const struct mail_line *b = mail_leaf_find(&u->before, l->seq);
		if (b && (b->internal_sec != l->internal_sec || b->saved_sec != l->saved_sec))
			return err_set(ERR_BAD, "the dates of message %08x were changed", l->seq);
	}
	return 0;
}
