/* SPDX-License-Identifier: ISC */
/*
 * Keys and values of the mail service. Numbers in keys are big-endian, so that they sort.
 *	local	ma:<ref>                        account
 *		ml:<ref>                        lane
 *		mn:                             accounts numbered so far
 *		mb:<account><id>                mailbox
 *		mu:<account><id><lane><seq>     UID and MODSEQ of a message
 *	row	mm:<account><id><uid>           a message
 *		ms:<account><lane><seq>         summary of a message, wherever it stands
 *		mx:<account><lane><seq>         in how many mailboxes more than one
 *		mc:<account><id>                counters
 */
#include "services/mail/mailbox_impl.h"

int mail_grow(void *array, size_t *cap, size_t n, size_t element_bytes)
{
	if (n < *cap)
		return 0;
	void *old;
	memcpy(&old, array, sizeof(old));
	size_t more = *cap ? *cap + *cap / 2 : 16;
	void *p = realloc(old, more * element_bytes);
	if (p == NULL)
		return err_set(ERR_NOMEM, "mail: no memory for %zu entries", more);
	memcpy(array, &p, sizeof(p));
	*cap = more;
	/* cppcheck-suppress memleak ; the array has it */
	return 0;
}

/* ---- keys ---- */
static void key_add(struct mail_key *k, const void *p, size_t n)
{
	os_assert(n <= sizeof(k->b) - k->n);
	memcpy(k->b + k->n, p, n);
	k->n += n;
}

static void key_begin(struct mail_key *k, const char *table)
{
	k->n = 0;
	key_add(k, table, 3);
}

static void key_add32(struct mail_key *k, uint32_t v)
{
	uint8_t b[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };
	key_add(k, b, sizeof(b));
}

static void key_add_box(struct mail_key *k, const char *table, const struct mail_box_key *b)
{
	key_begin(k, table);
	key_add32(k, b->account);
	key_add(k, b->id.b, sizeof(b->id.b));
}

void mail_key_account(struct mail_key *k, struct str ref)
{
	key_begin(k, "ma:");
	key_add(k, ref.p, ref.n);
}

void mail_key_lane(struct mail_key *k, struct str ref)
{
	key_begin(k, "ml:");
	key_add(k, ref.p, ref.n);
}

void mail_key_accounts(struct mail_key *k)
{
	key_begin(k, "mn:");
}

void mail_key_box(struct mail_key *k, const struct mail_box_key *b)
{
	key_add_box(k, "mb:", b);
}

void mail_key_uid(struct mail_key *k, const struct mail_box_key *b, uint32_t lane, uint32_t seq)
{
	key_add_box(k, "mu:", b);
	key_add32(k, lane);
	key_add32(k, seq);
}

void mail_key_count(struct mail_key *k, const struct mail_box_key *b)
{
	key_add_box(k, "mc:", b);
}

void mail_key_rows(struct mail_key *k, const struct mail_box_key *b)
{
	key_add_box(k, "mm:", b);
}

void mail_key_row(struct mail_key *k, const struct mail_box_key *b, uint32_t uid)
{
	mail_key_rows(k, b);
	key_add32(k, uid);
}

static void key_add_message(
	struct mail_key *k, const char *table, uint32_t account, uint32_t lane, uint32_t seq)
{
	key_begin(k, table);
	key_add32(k, account);
	key_add32(k, lane);
	key_add32(k, seq);
}

void mail_key_summary(struct mail_key *k, uint32_t account, uint32_t lane, uint32_t seq)
{
	key_add_message(k, "ms:", account, lane, seq);
}

void mail_key_shared(struct mail_key *k, uint32_t account, uint32_t lane, uint32_t seq)
{
	key_add_message(k, "mx:", account, lane, seq);
}

/* ---- values ---- */
void mail_put32(char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (char)(v >> (8 * i));
}

void mail_put64(char *p, uint64_t v)
{
	mail_put32(p, (uint32_t)v);
	mail_put32(p + 4, (uint32_t)(v >> 32));
}

uint32_t mail_get32(const char *p)
{
	uint32_t v = 0;
	for (int i = 0; i < 4; i++)
		v |= (uint32_t)(uint8_t)p[i] << (8 * i);
	return v;
}

uint64_t mail_get64(const char *p)
{
	return mail_get32(p) | (uint64_t)mail_get32(p + 4) << 32;
}

static int check_size(struct str value, size_t n, const char *what)
{
	if (value.n == n)
		return 0;
	return err_set(ERR_CORRUPT, "mail: %s record of %zu bytes, not %zu", what, value.n, n);
}

struct str mail_account_encode(struct mail_value *v, const struct mail_account_rec *r)
{
	v->n = 8;
	mail_put32(v->b, r->number);
	mail_put32(v->b + 4, r->validity_floor);
	return mail_value_str(v);
}

int mail_account_decode(struct mail_account_rec *r, struct str value)
{
	int err = check_size(value, 8, "account");
	if (err < 0)
		return err;
	r->number = mail_get32(value.p);
	r->validity_floor = mail_get32(value.p + 4);
	return 0;
}

struct str mail_lane_encode(struct mail_value *v, const struct mail_lane_rec *r)
{
	v->n = 12;
	mail_put32(v->b, r->lane);
	mail_put64(v->b + 4, r->next_seq);
	return mail_value_str(v);
}

int mail_lane_decode(struct mail_lane_rec *r, struct str value)
{
	int err = check_size(value, 12, "lane");
	if (err < 0)
		return err;
	r->lane = mail_get32(value.p);
	r->next_seq = mail_get64(value.p + 4);
	return 0;
}

struct str mail_box_encode(struct mail_value *v, const struct mail_box_rec *r)
{
	v->n = 20;
	mail_put32(v->b, r->uidvalidity);
	mail_put32(v->b + 4, r->uidnext);
	mail_put32(v->b + 8, r->recent);
	mail_put64(v->b + 12, r->highest_modseq);
	return mail_value_str(v);
}

int mail_box_decode(struct mail_box_rec *r, struct str value)
{
	int err = check_size(value, 20, "mailbox");
	if (err < 0)
		return err;
	r->uidvalidity = mail_get32(value.p);
	r->uidnext = mail_get32(value.p + 4);
	r->recent = mail_get32(value.p + 8);
	r->highest_modseq = mail_get64(value.p + 12);
	return 0;
}

struct str mail_uid_encode(struct mail_value *v, const struct mail_uid_rec *r)
{
	v->n = 12;
	mail_put32(v->b, r->uid);
	mail_put64(v->b + 4, r->modseq);
	return mail_value_str(v);
}

int mail_uid_decode(struct mail_uid_rec *r, struct str value)
{
	int err = check_size(value, 12, "UID");
	if (err < 0)
		return err;
	r->uid = mail_get32(value.p);
	r->modseq = mail_get64(value.p + 4);
	return 0;
}

struct str mail_count_encode(struct mail_value *v, const struct mail_count *r)
{
	v->n = 20;
	mail_put32(v->b, r->count);
	mail_put32(v->b + 4, r->unseen);
	mail_put32(v->b + 8, r->deleted);
	mail_put64(v->b + 12, r->size_bytes);
	return mail_value_str(v);
}

int mail_count_decode(struct mail_count *r, struct str value)
{
	int err = check_size(value, 20, "counter");
	if (err < 0)
		return err;
	r->count = mail_get32(value.p);
	r->unseen = mail_get32(value.p + 4);
	r->deleted = mail_get32(value.p + 8);
	r->size_bytes = mail_get64(value.p + 12);
	return 0;
}

#define ROW_FIXED 60 /* modseq, internal, saved, lane, seq, size, flags, blob */

void mail_row_encode(struct buf *out, const struct mail_row *r)
{
	char b[ROW_FIXED];
	const struct mail_msg *m = &r->msg;
	mail_put64(b, m->modseq);
	mail_put64(b + 8, (uint64_t)m->internal_sec);
	mail_put64(b + 16, (uint64_t)m->saved_sec);
	mail_put32(b + 24, m->lane);
	mail_put32(b + 28, m->seq);
	mail_put32(b + 32, m->size_bytes);
	mail_put32(b + 36, m->flags);
	memcpy(b + 40, m->blob.b, sizeof(m->blob.b));
	buf_add(out, str_n(b, sizeof(b)));
	buf_add(out, r->keywords);
}

int mail_row_decode(struct mail_row *r, struct str value)
{
	if (value.n < ROW_FIXED)
		return err_set(ERR_CORRUPT, "mail: message row of %zu bytes", value.n);
	struct mail_msg *m = &r->msg;
	m->uid = 0;
	m->keywords = 0;
	m->modseq = mail_get64(value.p);
	m->internal_sec = (int64_t)mail_get64(value.p + 8);
	m->saved_sec = (int64_t)mail_get64(value.p + 16);
	m->lane = mail_get32(value.p + 24);
	m->seq = mail_get32(value.p + 28);
	m->size_bytes = mail_get32(value.p + 32);
	m->flags = mail_get32(value.p + 36);
	memcpy(m->blob.b, value.p + 40, sizeof(m->blob.b));
	r->keywords = str_sub(value, ROW_FIXED, value.n);
	return 0;
}
