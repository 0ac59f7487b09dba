/* SPDX-License-Identifier: ISC */
#include "services/mail/intake.h"
#include "services/mail/words_impl.h"

#define ROOM (1u << 20) /* keywords of one request */

enum { ADDED, UNCHANGED, REFUSED };
struct one {
	struct mail_item item;
	int what;
	struct str why; /* REFUSED */
};
struct taking {
	struct mail *m;
	struct mail_account *acct;
	struct control_intake *in;
	struct control_source *from;
	struct str mailbox;
	bool made; /* or would be */
	struct arena a;
	struct one v[MAIL_APPEND_ITEMS_MAX];
	size_t n;
};

/* ---- one message ---- */
static uint32_t flags_of(const char *letters)
{
	static const struct {
		char letter;
		uint32_t flag;
	} rows[] = { { 'D', MAIL_DRAFT }, { 'F', MAIL_FLAGGED }, { 'R', MAIL_ANSWERED },
		{ 'S', MAIL_SEEN }, { 'T', MAIL_DELETED } };
	uint32_t flags = 0;
	for (size_t i = 0; letters != NULL && i < ARRAY_LEN(rows); i++)
		if (strchr(letters, rows[i].letter) != NULL)
			flags |= rows[i].flag;
	return flags;
}

/* Beyond any calendar's years (a leaf can't have all of them): as if it had come now. */
static int64_t date_of(const json_t *date)
{
	const int64_t year_9999 = INT64_C(253402300799);
	json_int_t sec = json_integer_value(date);
	return sec < -year_9999 || sec > year_9999 ? 0 : sec;
}

/* What is no keyword here is left out. */
static int read_keywords(struct mail_item *it, struct arena *a, const json_t *list)
{
	struct str *v = arena_alloc(a, MAIL_KEYWORDS_MAX * sizeof(*v));
	const json_t *word;
	size_t i;
	if (v == NULL)
		return err_set(ERR_LIMIT, "mail: too many keywords at once");
	json_array_foreach(list, i, word)
	{
		const char *text = json_string_value(word);
		if (text == NULL || it->keyword_count == MAIL_KEYWORDS_MAX ||
			!mail_keyword_valid(str_of(text)))
			continue;
		v[it->keyword_count] = arena_dup(a, str_of(text));
		if (v[it->keyword_count++].p == NULL)
			return err_set(ERR_LIMIT, "mail: too many keywords at once");
	}
	it->keywords = v;
	return 0;
}

struct reading {
	struct control_source *from;
	bool nul;
};

static int read_part(void *ctx, struct str *part)
{
	struct reading *r = ctx;
	int err = r->from->read(r->from, part);
	if (err == 0 && part->n > 0 && memchr(part->p, 0, part->n) != NULL)
		r->nul = true;
	return err;
}

static int spool(struct mail_item *it, struct store *s, struct reading *r)
{
	struct store_spool *w;
	struct str part;
	int err = store_spool_begin(&w, s);
	if (err < 0)
		return err;
	while ((err = read_part(r, &part)) == 0 && part.n > 0 && !r->nul) {
		err = store_spool_write(w, part);
		if (err < 0)
			break;
	}
	if (err == 0 && !r->nul)
		return store_spool_finish(&it->blob, &it->size_bytes, w);
	store_spool_abort(w);
	return err;
}

static int take_bytes(struct one *o, struct taking *t, uint64_t bytes)
{
	struct reading r = { .from = t->from };
	int err;
	if (bytes == 0 || bytes > MAIL_INTAKE_BYTES) {
		o->what = REFUSED;
		o->why = bytes ? STR("it is over 64 MiB") : STR("it is empty");
		return 0;
	}
	if (t->in->dry_run)
		err = store_blob_id(&o->item.blob, bytes, read_part, &r);
	else
		err = spool(&o->item, t->m->s, &r);
	if (err == 0 && r.nul) {
		o->what = REFUSED;
		o->why = STR("it has NUL bytes, which no mail may have");
	}
	return err;
}

static int take_all(struct taking *t)
{
	const json_t *head;
	uint64_t bytes;
	int err;
	while ((err = t->from->next(t->from, &head, &bytes)) == 0 && head != NULL) {
		struct one *o = &t->v[t->n];
		if (t->n++ == ARRAY_LEN(t->v))
			return err_set(
				ERR_LIMIT, "mail: over %d messages at once", MAIL_APPEND_ITEMS_MAX);
		*o = (struct one){ 0 };
		o->item.flags = flags_of(json_string_value(json_object_get(head, "flags")));
		o->item.internal_sec = date_of(json_object_get(head, "date"));
		err = read_keywords(&o->item, &t->a, json_object_get(head, "keywords"));
		if (err == 0)
			err = take_bytes(o, t, bytes);
		if (err < 0)
			return err;
	}
	return err;
}

/* ---- those that are there ---- */
static int by_blob(const void *a, const void *b)
{
	const struct one *x = *(struct one *const *)a, *y = *(struct one *const *)b;
	int cmp = memcmp(&x->item.blob, &y->item.blob, sizeof(x->item.blob));
	return cmp != 0 ? cmp : x < y ? -1 : x > y;
}

static int blob_cmp(const void *key, const void *b)
{
	const struct one *y = *(struct one *const *)b;
	return memcmp(key, &y->item.blob, sizeof(y->item.blob));
}

static int find_known(struct taking *t)
{
	struct one *sorted[MAIL_APPEND_ITEMS_MAX], **hit;
	struct mail_box *box;
	size_t n = 0, kept = 0;
	for (size_t i = 0; i < t->n; i++)
		if (t->v[i].what == ADDED)
			sorted[n++] = &t->v[i];
	if (n > 1)
		qsort(sorted, n, sizeof(sorted[0]), by_blob);
	for (size_t i = 0; i < n; i++) { /* of twins the first one counts */
		if (kept > 0 && blob_cmp(&sorted[kept - 1]->item.blob, &sorted[i]) == 0)
			sorted[i]->what = UNCHANGED;
		else
			sorted[kept++] = sorted[i];
	}
	if (kept == 0 || t->made)
		return 0;
	int err = mail_box_open(&box, t->acct, t->mailbox);
	for (size_t i = 0; err == 0 && i < mail_box_count(box); i++) {
		hit = bsearch(
			&mail_box_at(box, i)->blob, sorted, kept, sizeof(sorted[0]), blob_cmp);
		if (hit != NULL)
			(*hit)->what = UNCHANGED;
	}
	if (err == 0)
		mail_box_close(box);
	return err;
}

/* ---- all of them ---- */
static int append(struct taking *t)
{
	struct mail_item *items = arena_alloc(&t->a, MAIL_APPEND_ITEMS_MAX * sizeof(*items));
	struct str source = str_sub(t->in->source, 0, 200);
	struct mail_why why;
	uint32_t uids[MAIL_APPEND_ITEMS_MAX], validity;
	size_t n = 0;
	for (size_t i = 0; items != NULL && i < t->n; i++)
		if (t->v[i].what == ADDED)
			items[n++] = t->v[i].item;
	why.message = arena_fmt(
		&t->a, "mail: import %zu%s%.*s", n, source.n ? " from " : "", STR_ARG(source));
	if (items == NULL || why.message.p == NULL)
		return err_set(ERR_LIMIT, "mail: over the memory for one request");
	if (n == 0 || t->in->dry_run)
		return 0;
	int err = mail_append_commit(
		&t->in->commit, uids, &validity, t->acct, t->mailbox, items, n, why);
	t->in->committed = err == 0;
	return err;
}

static int tell(const struct taking *t)
{
	static const char *const words[] = { "added", "unchanged", "refused" };
	struct control_intake *in = t->in;
	int err = 0;
	if (t->made)
		err = in->row(in->ctx,
			json_pack("{s:s,s:o}", "change", "collection-made", "collection",
				control_text(t->mailbox)));
	for (size_t i = 0; err == 0 && i < t->n; i++) {
		const struct one *o = &t->v[i];
		json_t *row = json_pack("{s:I,s:s}", "n", (json_int_t)i, "change", words[o->what]);
		if (o->what == REFUSED)
			json_object_set_new(row, "why", control_text(o->why));
		err = in->row(in->ctx, row);
	}
	return err;
}

static int find_mailbox(struct taking *t)
{
	struct mail_box_state state;
	int err = mail_status(&state, &t->a, t->acct, t->mailbox);
	t->made = err == ERR_NOENT;
	if (!t->made || t->in->dry_run)
		return t->made ? 0 : err;
	err = mail_create(t->acct, t->mailbox, MAIL_USE_NONE);
	return err < 0 ? err : mail_subscribe(t->acct, t->mailbox, true);
}

static int take_each(void *ctx, struct control_intake *in, struct control_source *from)
{
	struct taking *t = calloc(1, sizeof(*t));
	int err = t != NULL ? 0 : err_set(ERR_NOMEM, "mail: out of memory");
	if (err == 0 &&
		(!str_starts(in->ref, STR("refs/heads/")) ||
			str_eq(in->ref, STR("refs/heads/estate"))))
		err = err_set(ERR_BAD, "%.*s is nobody's branch", STR_ARG(in->ref));
	if (err == 0)
		err = mail_account_open(&t->acct, ctx, str_sub(in->ref, 11, in->ref.n));
	if (err < 0) {
		free(t);
		return err;
	}
	t->m = ctx;
	t->in = in;
	t->from = from;
	t->mailbox = in->collection.n ? in->collection : STR("INBOX");
	arena_init(&t->a, ROOM);
	err = find_mailbox(t);
	if (err == 0)
		err = take_all(t);
	if (err == 0)
		err = find_known(t);
	if (err == 0)
		err = append(t);
	if (err == 0)
		err = tell(t);
	arena_free(&t->a);
	mail_account_close(t->acct);
	free(t);
	return err;
}

void mail_transfer(struct control_items *out, struct mail *m)
{
	*out = (struct control_items){ .take_each = take_each, .ctx = m };
}
