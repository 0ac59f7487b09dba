/* SPDX-License-Identifier: ISC */
/*
 * The views there are. derive() leaves a hint for every message it touched; when their group is
 * durable the views look at those again. Views nobody has open are kept, the oldest going first.
 */
#include "services/mail/mailbox_impl.h"

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
void mail_claim_drop(struct mail *m, const struct mail_box *b)
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

/* ---- after a group ---- */
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
	err = mail_box_numbers(&rec, &count, acct->m, &key);
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

uint32_t mail_box_recent(struct mail_box *b, bool take)
{
	uint32_t claimed = mail_claimed(b->acct->m, &b->key);
	uint32_t recent = claimed > b->rec.recent ? claimed : b->rec.recent;
	if (take && recent < b->rec.uidnext)
		claim(b->acct->m, &b->key, b->rec.uidnext);
	return recent;
}
