/* SPDX-License-Identifier: ISC */
/*
 * Numbers and rows of the mailboxes that changed. A message that entered keeps the UID its local
 * record gives it, written by the change that brought it in, or takes the next one (merge,
 * restore, renamed INBOX), in order of arrival. MODSEQ is written where a record has none or its
 * line changed; nothing else is written to the local records, so a rebuild finds them as they are.
 */
#include "services/mail/mailbox_snapshot_impl.h"

#define HINTS_MAX 8192 /* of one mailbox in one group; past that its view is loaded anew */

static void hint(struct mail_derive *d, struct mail_event *ev, uint32_t uid)
{
	if (d->m == NULL || ++ev->hint_count > HINTS_MAX + 1)
		return;
	mail_hint_add(d->m, &ev->key, ev->hint_count > HINTS_MAX ? 0 : uid, d->seq);
}

/* ---- local records and rows ---- */
static int get_uid(struct mail_uid_rec *out, struct mail_derive *d, const struct mail_event *ev,
	uint32_t lane, uint32_t seq)
{
	struct str value;
	mail_key_uid(&d->key, &ev->key, lane, seq);
	int err = store_derive_local_get(&value, d->d, mail_key_str(&d->key));
	return err < 0 ? err : mail_uid_decode(out, value);
}

static int put_uid(struct mail_derive *d, const struct mail_event *ev, uint32_t lane, uint32_t seq,
	const struct mail_uid_rec *rec)
{
	mail_key_uid(&d->key, &ev->key, lane, seq);
	return store_derive_local_put(d->d, mail_key_str(&d->key), mail_uid_encode(&d->value, rec));
}

/* Keywords are borrowed until the next call to the store. */
static int get_row(
	struct mail_row *out, struct mail_derive *d, const struct mail_event *ev, uint32_t uid)
{
	struct str value;
	mail_key_row(&d->key, &ev->key, uid);
	int err = store_derive_row_get(&value, d->d, mail_key_str(&d->key));
	return err < 0 ? err : mail_row_decode(out, value);
}

static int put_row(
	struct mail_derive *d, const struct mail_event *ev, uint32_t uid, const struct mail_row *r)
{
	d->text.n = 0;
	mail_row_encode(&d->text, r);
	if (d->text.err < 0)
		return d->text.err;
	mail_key_row(&d->key, &ev->key, uid);
	return store_derive_row_put(d->d, mail_key_str(&d->key), buf_str(&d->text));
}

static int make_summary(
	struct mail_derive *d, uint32_t lane, uint32_t seq, const struct store_oid *blob)
{
	struct arena a;
	struct mail_summary sum;
	arena_init(&a, MAIL_SUMMARY_ARENA);
	int err = mail_summary_make(&sum, &a, d->s, blob);
	if (err == 0) {
		d->text.n = 0;
		mail_summary_encode(&d->text, &sum);
		err = d->text.err;
	}
	arena_free(&a);
	if (err < 0)
		return err;
	mail_key_summary(&d->key, d->account.number, lane, seq);
	return store_derive_row_put(d->d, mail_key_str(&d->key), buf_str(&d->text));
}

/* How many mailboxes but one hold the message: only while it moves, or after a merge, not 0. */
static int get_shared(uint32_t *out, struct mail_derive *d, uint32_t lane, uint32_t seq)
{
	struct str value;
	*out = 0;
	mail_key_shared(&d->key, d->account.number, lane, seq);
	int err = store_derive_row_get(&value, d->d, mail_key_str(&d->key));
	if (err == 0 && value.n == 4)
		*out = mail_get32(value.p);
	return err == ERR_NOENT ? 0 : err;
}

static int put_shared(struct mail_derive *d, uint32_t lane, uint32_t seq, uint32_t n)
{
	mail_key_shared(&d->key, d->account.number, lane, seq);
	if (n == 0)
		return store_derive_row_del(d->d, mail_key_str(&d->key));
	mail_put32(d->value.b, n);
	return store_derive_row_put(d->d, mail_key_str(&d->key), str_n(d->value.b, 4));
}

static int take_summary(
	struct mail_derive *d, uint32_t lane, uint32_t seq, const struct store_oid *blob)
{
	struct str value;
	uint32_t shared;
	mail_key_summary(&d->key, d->account.number, lane, seq);
	int err = store_derive_row_get(&value, d->d, mail_key_str(&d->key));
	if (err == ERR_NOENT)
		return make_summary(d, lane, seq, blob);
	if (err == 0)
		err = get_shared(&shared, d, lane, seq);
	return err < 0 ? err : put_shared(d, lane, seq, shared + 1);
}

static int drop_summary(struct mail_derive *d, uint32_t lane, uint32_t seq)
{
	uint32_t shared;
	int err = get_shared(&shared, d, lane, seq);
	if (err < 0)
		return err;
	if (shared > 0)
		return put_shared(d, lane, seq, shared - 1);
	mail_key_summary(&d->key, d->account.number, lane, seq);
	return store_derive_row_del(d->d, mail_key_str(&d->key));
}

/* +1 when `r` came, -1 when it went; unsigned arithmetic wraps as it should. */
static void count_message(struct mail_count *c, const struct mail_msg *m, int by)
{
	c->count += (uint32_t)by;
	c->unseen += m->flags & MAIL_SEEN ? 0 : (uint32_t)by;
	c->deleted += m->flags & MAIL_DELETED ? (uint32_t)by : 0;
	c->size_bytes += (uint64_t)((int64_t)by * m->size_bytes);
}

/* ---- the line of a message ---- */
static int read_leaf(struct mail_leaf *out, struct mail_derive *d, const struct store_oid *blob)
{
	struct str text;
	int err = store_blob_all(&text, &d->leaf_arena, d->s, blob, MAIL_LEAF_BYTES / 4);
	if (err < 0)
		return err;
	mail_leaf_parse(out, text);
	return 0;
}

/* A message without one has no flags and no dates. */
static int find_line(struct mail_line *out, struct mail_derive *d, const struct mail_event *ev,
	uint32_t lane, uint32_t seq)
{
	uint32_t first = seq & ~(uint32_t)(MAIL_LEAF_MAX - 1);
	*out = (struct mail_line){ .seq = seq };
	if (!d->leaf_valid || d->leaf_event != d->current || d->leaf_lane != lane ||
		d->leaf_first != first) {
		struct store_entry e;
		arena_reset(&d->leaf_arena);
		d->leaf.n = 0;
		d->path.n = 0;
		mail_path_leaf(&d->path, lane, seq);
		int err = ev->new.has_f ? store_find(&e, d->s, &ev->new.f, buf_str(&d->path))
					: ERR_NOENT;
		if (err == 0 && e.kind == STORE_BLOB)
			err = read_leaf(&d->leaf, d, &e.oid);
		if (err < 0 && err != ERR_NOENT)
			return err;
		d->leaf_valid = true;
		d->leaf_event = d->current;
		d->leaf_lane = lane;
		d->leaf_first = first;
	}
	struct mail_line *l = mail_leaf_find(&d->leaf, seq);
	if (l != NULL)
		*out = *l;
	return 0;
}

/* ---- messages that came and went ---- */
static int write_message(struct mail_derive *d, struct mail_event *ev,
	const struct mail_uid_rec *rec, uint32_t lane, uint32_t seq, const struct store_oid *blob)
{
	struct mail_line line;
	uint64_t size_bytes;
	int err = find_line(&line, d, ev, lane, seq);
	if (err == 0)
		err = store_blob_size(&size_bytes, d->s, blob);
	if (err < 0)
		return err;
	struct mail_row row = {
		.msg = {
			.modseq = rec->modseq,
			.flags = line.flags,
			.size_bytes = size_bytes < UINT32_MAX ? (uint32_t)size_bytes : UINT32_MAX,
			.lane = lane,
			.seq = seq,
			.internal_sec = line.internal_sec,
			.saved_sec = line.saved_sec,
			.blob = *blob,
		},
		.keywords = line.keywords,
	};
	err = put_row(d, ev, rec->uid, &row);
	if (err == 0)
		err = take_summary(d, lane, seq, blob);
	count_message(&ev->count, &row.msg, 1);
	if (rec->uid >= ev->rec.uidnext)
		ev->rec.uidnext = rec->uid + 1;
	hint(d, ev, rec->uid);
	return err;
}

/* What the endpoint before this one called it, unless another message has that UID by now. */
static int taken_uid(struct mail_uid_rec *out, struct mail_derive *d, const struct mail_event *ev,
	uint32_t lane, uint32_t seq)
{
	struct mail_row row;
	*out = (struct mail_uid_rec){ 0 };
	int err = ev->taken ? mail_takeover_uid(&out->uid, d->taking, lane, seq) : ERR_NOENT;
	if (err == 0)
		err = get_row(&row, d, ev, out->uid);
	else
		return err;
	return err == 0 ? ERR_NOENT : err == ERR_NOENT ? 0 : err;
}

static int enter(struct mail_derive *d, uint32_t lane, uint32_t seq, const struct store_oid *blob)
{
	struct mail_event *ev = &d->events[d->current];
	struct mail_uid_rec rec;
	int err = get_uid(&rec, d, ev, lane, seq);
	if (err == ERR_NOENT)
		err = taken_uid(&rec, d, ev, lane, seq);
	if (err == ERR_NOENT) {
		struct mail_line line;
		err = find_line(&line, d, ev, lane, seq);
		if (err == 0)
			err = mail_grow(
				&d->fresh, &d->fresh_cap, d->fresh_count, sizeof(*d->fresh));
		if (err == 0)
			d->fresh[d->fresh_count++] =
				(struct mail_fresh){ lane, seq, line.saved_sec, *blob };
		return err;
	}
	if (err == 0 && rec.modseq == 0) {
		rec.modseq = ev->rec.highest_modseq = d->seq;
		err = put_uid(d, ev, lane, seq, &rec);
	}
	return err < 0 ? err : write_message(d, ev, &rec, lane, seq, blob);
}

static int leave(struct mail_derive *d, struct mail_event *ev, uint32_t lane, uint32_t seq)
{
	struct mail_uid_rec rec;
	struct mail_row row;
	int err = get_uid(&rec, d, ev, lane, seq);
	if (err < 0)
		return err == ERR_NOENT ? 0 : err;
	err = store_derive_local_del(d->d, mail_key_str(&d->key));
	if (err == 0)
		err = get_row(&row, d, ev, rec.uid);
	if (err < 0)
		return err == ERR_NOENT ? 0 : err;
	count_message(&ev->count, &row.msg, -1);
	ev->rec.highest_modseq = d->seq;
	hint(d, ev, rec.uid);
	err = store_derive_row_del(d->d, mail_key_str(&d->key));
	return err < 0 ? err : drop_summary(d, lane, seq);
}

static int on_message(void *ctx, const struct store_change *c)
{
	struct mail_derive *d = ctx;
	uint32_t lane, seq;
	int err = 0;
	if (!mail_path_parse_message(&lane, &seq, c->path))
		return 0;
	if (c->before != NULL && c->after != NULL) { /* other bytes: another message */
		err = leave(d, &d->events[d->current], lane, seq);
	} else if (c->before != NULL) {
		err = mail_grow(&d->drops, &d->drop_cap, d->drop_count, sizeof(*d->drops));
		if (err == 0)
			d->drops[d->drop_count++] = (struct mail_drop){ d->current, lane, seq };
	}
	return err < 0 || c->after == NULL ? err : enter(d, lane, seq, c->after);
}

static int by_arrival(const void *a, const void *b)
{
	const struct mail_fresh *x = a, *y = b;
	if (x->saved_sec != y->saved_sec)
		return x->saved_sec < y->saved_sec ? -1 : 1;
	if (x->lane != y->lane)
		return x->lane < y->lane ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static int number_fresh(struct mail_derive *d)
{
	struct mail_event *ev = &d->events[d->current];
	if (d->fresh_count == 0)
		return 0;
	if (UINT32_MAX - ev->rec.uidnext < d->fresh_count)
		return err_set(ERR_LIMIT, "mail: no UIDs left");
	qsort(d->fresh, d->fresh_count, sizeof(*d->fresh), by_arrival);
	ev->rec.highest_modseq = d->seq;
	int err = 0;
	for (size_t i = 0; err == 0 && i < d->fresh_count; i++) {
		const struct mail_fresh *f = &d->fresh[i];
		struct mail_uid_rec rec = { ev->rec.uidnext++, d->seq };
		err = put_uid(d, ev, f->lane, f->seq, &rec);
		if (err == 0)
			err = write_message(d, ev, &rec, f->lane, f->seq, &f->blob);
	}
	d->fresh_count = 0;
	return err;
}

/* ---- lines that changed ---- */
static int update_line(
	struct mail_derive *d, struct mail_event *ev, uint32_t lane, const struct mail_line *line)
{
	struct mail_uid_rec rec;
	struct mail_row row;
	int err = get_uid(&rec, d, ev, lane, line->seq);
	if (err == 0)
		err = get_row(&row, d, ev, rec.uid);
	if (err < 0)
		return err == ERR_NOENT ? 0 : err;
	struct mail_msg *m = &row.msg;
	if (m->flags == line->flags && m->internal_sec == line->internal_sec &&
		m->saved_sec == line->saved_sec && str_eq(row.keywords, line->keywords))
		return 0;
	count_message(&ev->count, m, -1);
	rec.modseq = m->modseq = ev->rec.highest_modseq = d->seq;
	m->flags = line->flags;
	m->internal_sec = line->internal_sec;
	m->saved_sec = line->saved_sec;
	row.keywords = line->keywords;
	count_message(&ev->count, m, 1);
	err = put_uid(d, ev, lane, line->seq, &rec);
	if (err == 0)
		err = put_row(d, ev, rec.uid, &row);
	hint(d, ev, rec.uid);
	return err;
}

static int on_leaf(void *ctx, const struct store_change *c)
{
	struct mail_derive *d = ctx;
	struct mail_event *ev = &d->events[d->current];
	uint32_t lane, first;
	if (!mail_path_parse_leaf(&lane, &first, c->path))
		return 0;
	arena_reset(&d->leaf_arena);
	d->leaf_valid = false;
	d->leaf.n = d->before.n = 0;
	int err = c->before != NULL ? read_leaf(&d->before, d, c->before) : 0;
	if (err == 0 && c->after != NULL)
		err = read_leaf(&d->leaf, d, c->after);
	for (unsigned i = 0; err == 0 && i < MAIL_LEAF_MAX; i++) {
		uint32_t seq = first + i;
		struct mail_line *o = mail_leaf_find(&d->before, seq);
		struct mail_line *n = mail_leaf_find(&d->leaf, seq);
		if (o == NULL && n == NULL)
			continue;
		if (o != NULL && n != NULL && o->flags == n->flags &&
			o->internal_sec == n->internal_sec && o->saved_sec == n->saved_sec &&
			str_eq(o->keywords, n->keywords))
			continue;
		struct mail_line none = { .seq = seq };
		err = update_line(d, ev, lane, n != NULL ? n : &none);
	}
	return err;
}

/* ---- a mailbox ---- */
static int begin_box(struct mail_derive *d, struct mail_event *ev)
{
	struct str value;
	mail_key_box(&d->key, &ev->key);
	int err = store_derive_local_get(&value, d->d, mail_key_str(&d->key));
	if (err == 0)
		err = mail_box_decode(&ev->rec, value);
	if (err == ERR_NOENT && ev->new.present && d->taking != NULL) {
		err = mail_takeover_box(&ev->rec, d->taking, &ev->key.id, d->seq);
		ev->taken = err == 0;
	}
	if (err == ERR_NOENT && ev->new.present) {
		ev->rec = (struct mail_box_rec){
			.uidnext = 1, .recent = 1, .highest_modseq = d->seq
		};
		err = mail_derive_validity(&ev->rec.uidvalidity, d);
	}
	if (err < 0 && err != ERR_NOENT)
		return err;
	if (!ev->old.present)
		return 0;
	mail_key_count(&d->key, &ev->key);
	err = store_derive_row_get(&value, d->d, mail_key_str(&d->key));
	if (err == 0)
		err = mail_count_decode(&ev->count, value);
	return err == ERR_NOENT ? 0 : err;
}

static int end_box(struct mail_derive *d, struct mail_event *ev)
{
	struct mail_key *key = &d->key;
	int err;
	mail_key_box(key, &ev->key);
	if (ev->new.present) {
		uint32_t claimed = d->m != NULL ? mail_claimed(d->m, &ev->key) : 0;
		if (claimed > ev->rec.recent)
			ev->rec.recent = claimed;
		err = store_derive_local_put(
			d->d, mail_key_str(key), mail_box_encode(&d->value, &ev->rec));
		mail_key_count(key, &ev->key);
		if (err == 0)
			err = store_derive_row_put(
				d->d, mail_key_str(key), mail_count_encode(&d->value, &ev->count));
		return err;
	}
	err = store_derive_local_del(d->d, mail_key_str(key));
	mail_key_count(key, &ev->key);
	return err < 0 ? err : store_derive_row_del(d->d, mail_key_str(key));
}

/* The first tree is empty where there is none. */
static int diff_side(struct mail_derive *d, bool has_old, const struct store_oid *old, bool has_new,
	const struct store_oid *new, store_diff_fn *fn)
{
	if (!has_old && !has_new)
		return 0;
	if (has_old && has_new && store_oid_eq(old, new))
		return 0;
	return store_diff(d->s, has_old ? old : NULL, has_new ? new : NULL, STR_NONE, fn, d);
}

int mail_derive_rows(struct mail_derive *d)
{
	int err = 0;
	for (d->current = 0; err == 0 && d->current < d->event_count; d->current++) {
		struct mail_event *ev = &d->events[d->current];
		err = begin_box(d, ev);
		if (err == 0)
			err = diff_side(d, ev->old.has_m, &ev->old.m, ev->new.has_m, &ev->new.m,
				on_message);
		if (err == 0)
			err = number_fresh(d);
	}
	for (size_t i = 0; err == 0 && i < d->drop_count; i++)
		err = leave(d, &d->events[d->drops[i].event], d->drops[i].lane, d->drops[i].seq);
	for (d->current = 0; err == 0 && d->current < d->event_count; d->current++) {
		struct mail_event *ev = &d->events[d->current];
		if (ev->old.present && ev->new.present)
			err = diff_side(
				d, ev->old.has_f, &ev->old.f, ev->new.has_f, &ev->new.f, on_leaf);
		if (err == 0)
			err = end_box(d, ev);
	}
	return err;
}
