/* SPDX-License-Identifier: ISC */
/*
 * The live view of a mailbox: its messages by UID, one array shared by every session. It is loaded
 * from the rows once and then brought forward by looking again at the rows that changed.
 */
#include "services/mail/mailbox_impl.h"

void mail_box_changed(struct mail_box *b)
{
	b->version++;
	for (size_t i = 0; i < b->waiter_count; i++)
		os_wake_all(b->waiters[i]);
}

/* ---- messages ---- */
/* Index of the first of the `n` leading messages whose UID is >= uid. */
static size_t lower(const struct mail_box *b, size_t n, uint32_t uid)
{
	size_t low = 0, high = n;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (b->msgs[mid].uid < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int keyword_index(struct mail_box *b, struct str word)
{
	for (unsigned i = 0; i < b->keyword_count; i++)
		if (str_ieq(str_of(b->keywords[i]), word))
			return (int)i;
	if (b->keyword_count == MAIL_KEYWORDS_MAX)
		return -1;
	char *copy = malloc(word.n + 1);
	if (copy == NULL)
		return -1;
	memcpy(copy, word.p, word.n);
	copy[word.n] = 0;
	b->keywords[b->keyword_count] = copy;
	return (int)b->keyword_count++;
}

/* Past the limit a keyword is not shown; it stays in the branch. */
static uint64_t keyword_bits(struct mail_box *b, struct str words)
{
	uint64_t bits = 0;
	struct str word;
	while (mail_keyword_next(&word, &words)) {
		int i = keyword_index(b, word);
		if (i >= 0)
			bits |= 1ull << i;
	}
	return bits;
}

static int row_of(struct mail_box *b, struct str key, struct str value)
{
	struct mail_row row;
	uint32_t uid = 0;
	int err = mail_row_decode(&row, value);
	if (err == 0)
		err = mail_grow(&b->msgs, &b->cap, b->n, sizeof(*b->msgs));
	if (err < 0)
		return err;
	for (size_t i = key.n - 4; i < key.n; i++)
		uid = uid << 8 | (uint8_t)key.p[i];
	row.msg.uid = uid;
	if (row.keywords.n > 0)
		row.msg.keywords = keyword_bits(b, row.keywords);
	b->msgs[b->n++] = row.msg;
	return 0;
}

static int load_row(void *ctx, struct str key, struct str value)
{
	return row_of(ctx, key, value);
}

int mail_box_numbers(struct mail_box_rec *rec, struct mail_count *count, struct mail *m,
	const struct mail_box_key *box)
{
	struct arena a;
	struct mail_key key;
	struct str value;
	arena_init(&a, 4096);
	mail_key_box(&key, box);
	int err = store_local_get(&value, &a, m->s, mail_key_str(&key));
	if (err == 0)
		err = mail_box_decode(rec, value);
	mail_key_count(&key, box);
	if (err == 0)
		err = store_row_get(&value, &a, m->s, mail_key_str(&key));
	if (err == 0)
		err = mail_count_decode(count, value);
	arena_free(&a);
	return err;
}

int mail_box_load(struct mail_box *b)
{
	struct mail_key prefix;
	int err = mail_box_numbers(&b->rec, &b->count, b->acct->m, &b->key);
	mail_key_rows(&prefix, &b->key);
	b->n = 0;
	return err < 0
		? err
		: store_row_scan(b->acct->m->s, mail_key_str(&prefix), STR_NONE, load_row, b);
}

/* One row again. What is not there any more gets uid 0 and is taken out by compact(). */
static int apply_uid(struct mail_box *b, struct arena *a, uint32_t uid, size_t known, bool *dead)
{
	struct mail_key key;
	struct str value;
	size_t at = lower(b, known, uid);
	bool have = at < known && b->msgs[at].uid == uid;
	mail_key_row(&key, &b->key, uid);
	int err = store_row_get(&value, a, b->acct->m->s, mail_key_str(&key));
	if (err == ERR_NOENT) {
		if (have) {
			b->msgs[at].lane = 0;
			b->msgs[at].seq = 0;
			*dead = true;
		}
		return 0;
	}
	if (err < 0)
		return err;
	err = row_of(b, mail_key_str(&key), value);
	if (err == 0 && have)
		b->msgs[at] = b->msgs[--b->n];
	return err;
}

static int msg_cmp(const void *a, const void *b)
{
	const struct mail_msg *x = a, *y = b;
	return x->uid < y->uid ? -1 : x->uid > y->uid;
}

/* [0, known) may hold dead ones, what follows is new, in any order and perhaps twice. */
static void compact(struct mail_box *b, size_t known, bool dead)
{
	size_t kept = known;
	if (b->n - known > 1)
		qsort(b->msgs + known, b->n - known, sizeof(*b->msgs), msg_cmp);
	if (dead) {
		kept = 0;
		for (size_t i = 0; i < known; i++)
			if (b->msgs[i].lane != 0 || b->msgs[i].seq != 0)
				b->msgs[kept++] = b->msgs[i];
	}
	for (size_t i = known; i < b->n; i++)
		if (kept == 0 || b->msgs[kept - 1].uid < b->msgs[i].uid)
			b->msgs[kept++] = b->msgs[i];
	b->n = kept;
}

int mail_box_apply(struct mail_box *b, const struct mail_hint *hints, size_t n)
{
	struct arena a;
	bool whole = false, dead = false;
	for (size_t i = 0; i < n; i++)
		whole = whole || hints[i].uid == 0;
	if (whole) {
		int err = mail_box_load(b);
		if (err == ERR_NOENT) { /* deleted: check_names() will say so */
			b->n = 0;
			err = 0;
		}
		if (err == 0)
			mail_box_changed(b);
		return err;
	}
	size_t known = b->n;
	int err = mail_box_numbers(&b->rec, &b->count, b->acct->m, &b->key);
	if (err == ERR_NOENT)
		err = 0;
	arena_init(&a, STORE_VALUE_MAX);
	for (size_t i = 0; err == 0 && i < n; i++) {
		err = apply_uid(b, &a, hints[i].uid, known, &dead);
		arena_reset(&a);
	}
	arena_free(&a);
	compact(b, known, dead);
	mail_claim_drop(b->acct->m, b);
	mail_box_changed(b);
	return err;
}

/* ---- what a session asks ---- */
struct str mail_box_name(const struct mail_box *b)
{
	return str_of(b->name);
}

bool mail_box_gone(const struct mail_box *b)
{
	return b->gone;
}

void mail_box_state(struct mail_box_state *out, const struct mail_box *b)
{
	*out = (struct mail_box_state){
		.uidvalidity = b->rec.uidvalidity,
		.uidnext = b->rec.uidnext,
		.highest_modseq = b->rec.highest_modseq,
		.count = b->count.count,
		.unseen = b->count.unseen,
		.deleted = b->count.deleted,
		.size_bytes = b->count.size_bytes,
		.id = str_of(b->id_hex),
	};
}

size_t mail_box_count(const struct mail_box *b)
{
	return b->n;
}

const struct mail_msg *mail_box_at(const struct mail_box *b, size_t index)
{
	os_assert(index < b->n);
	return &b->msgs[index];
}

const struct mail_msg *mail_box_find(const struct mail_box *b, uint32_t uid)
{
	size_t at = lower(b, b->n, uid);
	return at < b->n && b->msgs[at].uid == uid ? &b->msgs[at] : NULL;
}

unsigned mail_box_keyword_count(const struct mail_box *b)
{
	return b->keyword_count;
}

struct str mail_box_keyword(const struct mail_box *b, unsigned i)
{
	os_assert(i < b->keyword_count);
	return str_of(b->keywords[i]);
}

uint64_t mail_box_version(const struct mail_box *b)
{
	return b->version;
}

void mail_box_join(struct mail_box *b, struct os_waitq *q)
{
	/* Without memory the session still sees changes when it next looks. */
	if (mail_grow(&b->waiters, &b->waiter_cap, b->waiter_count, sizeof(struct os_waitq *)) == 0)
		b->waiters[b->waiter_count++] = q;
}

void mail_box_leave(struct mail_box *b, struct os_waitq *q)
{
	for (size_t i = 0; i < b->waiter_count; i++) {
		if (b->waiters[i] == q) {
			b->waiters[i] = b->waiters[--b->waiter_count];
			return;
		}
	}
}
