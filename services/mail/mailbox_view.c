/* SPDX-License-Identifier: ISC */
/*
 * The live view of a mailbox: its messages by UID, one array shared by every session. It is loaded
 * from the rows once and then brought forward by hints: derive() leaves the UIDs it touched, and
 * when their group is durable their rows are looked at again. Views nobody has open are kept, the
 * oldest going first.
 */
#include "services/mail/mailbox_impl.h"

#include "os/crypto.h"
#include "os/log.h"

#define IDLE_MESSAGES_MAX 131072 /* in all idle views of a store, about 10 MB */
#define IDLE_VIEWS_MAX    32

/* ---- hints and claims ---- */
void mail_hint_add(struct mail *m, const struct mail_box_key *box, uint32_t uid, uint64_t seq)
{
	if (mail_grow(&m->hints, &m->hint_cap, m->hint_count, sizeof(*m->hints)) < 0) {
		m->hints_lost = true;
		return;
	}
	m->hints[m->hint_count++] = (struct mail_hint){ *box, uid, seq };
}

uint32_t mail_claimed(const struct mail *m, const struct mail_box_key *box)
{
	for (size_t i = 0; i < m->claim_count; i++)
		if (mail_box_key_eq(&m->claims[i].box, box))
			return m->claims[i].uid;
	return 0;
}

static void claim(struct mail *m, const struct mail_box_key *box, uint32_t uid)
{
	for (size_t i = 0; i < m->claim_count; i++) {
		if (mail_box_key_eq(&m->claims[i].box, box)) {
			m->claims[i].uid = uid;
			return;
		}
	}
	if (mail_grow(&m->claims, &m->claim_cap, m->claim_count, sizeof(*m->claims)) == 0)
		m->claims[m->claim_count++] = (struct mail_claim){ *box, uid };
}

/* A claim that stands in the mailbox's record is not needed any more. */
static void drop_claim(struct mail *m, const struct mail_box *b)
{
	for (size_t i = 0; i < m->claim_count; i++)
		if (mail_box_key_eq(&m->claims[i].box, &b->key) &&
			m->claims[i].uid <= b->rec.recent)
			m->claims[i--] = m->claims[--m->claim_count];
}

static struct mail_box *view_of(const struct mail *m, const struct mail_box_key *key)
{
	struct mail_box *b = m->boxes;
	while (b != NULL && !mail_box_key_eq(&b->key, key))
		b = b->next;
	return b;
}

void mail_box_changed(struct mail_box *b)
{
	b->version++;
	for (size_t i = 0; i < b->waiter_count; i++)
		os_wake_all(b->waiters[i]);
}

static void give_up(struct mail_box *b, int err)
{
	os_log(OS_ERROR, "svc=mail event=view-lost box=%s err=\"%s\"", b->id_hex, err_name(err));
	b->gone = true;
	mail_box_changed(b);
}

/* Every view whose mailbox has another name by now, or none. */
static void check_names(struct mail *m)
{
	for (struct mail_box *b = m->boxes; b != NULL; b = b->next) {
		const struct mail_entry *en = NULL;
		if (b->gone)
			continue;
		if (mail_account_refresh(b->acct) == 0)
			en = mail_account_find_id(b->acct, &b->key.id);
		if (en != NULL && str_eq(en->name, str_of(b->name)))
			continue;
		b->gone = true;
		mail_box_changed(b);
	}
}

static void reload_all(struct mail *m)
{
	struct mail_hint whole = { .uid = 0 };
	m->hints_lost = false;
	for (struct mail_box *b = m->boxes; b != NULL; b = b->next) {
		int err = b->gone ? 0 : mail_box_apply(b, &whole, 1);
		if (err < 0)
			give_up(b, err);
	}
}

void mail_catch_up(struct mail *m)
{
	uint64_t seq = store_seq(m->s);
	size_t i = 0, n = 0;
	while (n < m->hint_count && m->hints[n].seq <= seq)
		n++;
	while (i < n) {
		size_t end = i + 1;
		while (end < n && mail_box_key_eq(&m->hints[end].box, &m->hints[i].box))
			end++;
		struct mail_box *b = view_of(m, &m->hints[i].box);
		int err = b != NULL && !b->gone ? mail_box_apply(b, m->hints + i, end - i) : 0;
		if (err < 0)
			give_up(b, err);
		i = end;
	}
	if (n > 0) {
		memmove(m->hints, m->hints + n, (m->hint_count - n) * sizeof(*m->hints));
		m->hint_count -= n;
	}
	if (m->hints_lost)
		reload_all(m);
	if (m->list_seq > m->names_seq && m->list_seq <= seq) {
		m->names_seq = m->list_seq;
		check_names(m);
	}
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

/* Record and counters; not the messages. */
static int load_numbers(struct mail_box_rec *rec, struct mail_count *count, struct mail *m,
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
	int err = load_numbers(&b->rec, &b->count, b->acct->m, &b->key);
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
	int err = load_numbers(&b->rec, &b->count, b->acct->m, &b->key);
	if (err == ERR_NOENT)
		err = 0;
	arena_init(&a, STORE_VALUE_MAX);
	for (size_t i = 0; err == 0 && i < n; i++) {
		err = apply_uid(b, &a, hints[i].uid, known, &dead);
		arena_reset(&a);
	}
	arena_free(&a);
	compact(b, known, dead);
	drop_claim(b->acct->m, b);
	mail_box_changed(b);
	return err;
}

/* ---- open and close ---- */
void mail_box_free(struct mail_box *b)
{
	for (unsigned i = 0; i < b->keyword_count; i++)
		free(b->keywords[i]);
	free(b->waiters);
	free(b->msgs);
	free(b->name);
	free(b);
}

static void unlink_view(struct mail *m, struct mail_box *b)
{
	struct mail_box **at = &m->boxes;
	while (*at != b)
		at = &(*at)->next;
	*at = b->next;
	mail_box_free(b);
}

static void trim_idle(struct mail *m)
{
	for (;;) {
		size_t views = 0, messages = 0;
		struct mail_box *oldest = NULL;
		for (struct mail_box *b = m->boxes; b != NULL; b = b->next) {
			if (b->refs > 0)
				continue;
			views++;
			messages += b->n;
			if (oldest == NULL || b->gone || b->last_used < oldest->last_used)
				oldest = b;
		}
		if (oldest == NULL ||
			(!oldest->gone && views <= IDLE_VIEWS_MAX && messages <= IDLE_MESSAGES_MAX))
			return;
		unlink_view(m, oldest);
	}
}

static int new_view(struct mail_box **out, struct mail_account *a, const struct mail_entry *en)
{
	struct mail_box *b = calloc(1, sizeof(*b));
	char *name = malloc(en->name.n + 1);
	if (b == NULL || name == NULL) {
		free(b);
		free(name);
		return err_set(ERR_NOMEM, "mail: no memory for a mailbox");
	}
	memcpy(name, en->name.p, en->name.n);
	name[en->name.n] = 0;
	b->acct = a;
	b->name = name;
	b->key = mail_account_key(a, &en->file.id);
	b->version = 1;
	memcpy(b->id_hex, en->id_hex.p, MAIL_ID_HEX);
	int err = mail_box_load(b);
	if (err < 0) {
		mail_box_free(b);
		return err;
	}
	b->next = a->m->boxes;
	a->m->boxes = b;
	*out = b;
	return 0;
}

static int find_entry(const struct mail_entry **out, struct mail_account *acct, struct str name)
{
	struct arena a;
	struct str normal;
	arena_init(&a, 16 * 1024);
	int err = mail_name_normal(&normal, &a, name);
	if (err == 0)
		err = mail_account_refresh(acct);
	if (err == 0) {
		*out = mail_account_find(acct, normal);
		if (*out == NULL || !(*out)->file.exists)
			err = err_set(ERR_NOENT, "mail: no such mailbox");
	}
	arena_free(&a);
	return err;
}

int mail_box_open(struct mail_box **out, struct mail_account *a, struct str name)
{
	const struct mail_entry *en;
	mail_catch_up(a->m);
	int err = find_entry(&en, a, name);
	if (err < 0)
		return err;
	struct mail_box_key key = mail_account_key(a, &en->file.id);
	struct mail_box *b = view_of(a->m, &key);
	if (b != NULL && b->gone) { /* its sessions hold on to it under its old name */
		b->key.account = 0;
		b = NULL;
	}
	if (b == NULL)
		err = new_view(&b, a, en);
	if (err < 0)
		return err;
	b->refs++;
	b->last_used = ++a->m->clock;
	*out = b;
	return 0;
}

void mail_box_close(struct mail_box *b)
{
	os_assert(b->refs > 0);
	b->last_used = ++b->acct->m->clock;
	if (--b->refs == 0)
		trim_idle(b->acct->m);
}

int mail_status(
	struct mail_box_state *out, struct arena *a, struct mail_account *acct, struct str name)
{
	const struct mail_entry *en;
	struct mail_box_rec rec;
	struct mail_count count = { 0 };
	int err = find_entry(&en, acct, name);
	if (err < 0)
		return err;
	struct mail_box_key key = mail_account_key(acct, &en->file.id);
	err = load_numbers(&rec, &count, acct->m, &key);
	if (err < 0)
		return err;
	*out = (struct mail_box_state){
		.uidvalidity = rec.uidvalidity,
		.uidnext = rec.uidnext,
		.highest_modseq = rec.highest_modseq,
		.count = count.count,
		.unseen = count.unseen,
		.deleted = count.deleted,
		.size_bytes = count.size_bytes,
		.id = arena_dup(a, en->id_hex),
	};
	return out->id.p != NULL ? 0 : err_set(ERR_LIMIT, "mail: no room");
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

uint32_t mail_box_recent(struct mail_box *b, bool take)
{
	uint32_t claimed = mail_claimed(b->acct->m, &b->key);
	uint32_t recent = claimed > b->rec.recent ? claimed : b->rec.recent;
	if (take && recent < b->rec.uidnext)
		claim(b->acct->m, &b->key, b->rec.uidnext);
	return recent;
}
