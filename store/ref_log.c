/* SPDX-License-Identifier: ISC */
/*
 * Ref records: what moved a ref here, one per move, in the same group. Key: letter, ref, a zero
 * byte, the group's number counted down, so that the newest comes first. Value: time (8 bytes),
 * which of from and to follow (1), from, to (20 each), who.
 */
#include "store/store_impl.h"

#define LETTER     'h'
#define WHO_MAX    255
#define HAS_FROM   1
#define HAS_TO     2
#define RECORD_KEY (1 + REF_MAX + 1 + 8)
#define RECORD_MIN 9

static struct str record_prefix(char room[static RECORD_KEY], struct str ref)
{
	struct str key = sys_key(room, LETTER, ref);
	room[key.n++] = 0;
	return key;
}

int ref_record_add(struct changes *out, uint64_t seq, const struct gref *r)
{
	char room[RECORD_KEY], value[RECORD_MIN + 40 + WHO_MAX];
	struct str key = record_prefix(room, r->name), who = r->whys->w.name;
	size_t n = RECORD_MIN;

	store_be64(room + key.n, ~seq);
	key.n += 8;
	store_be64(value, (uint64_t)os_wall_sec());
	value[8] = (char)((r->has_head ? HAS_FROM : 0) | (r->has_commit ? HAS_TO : 0));
	if (r->has_head) {
		memcpy(value + n, r->head.b, 20);
		n += 20;
	}
	if (r->has_commit) {
		memcpy(value + n, r->commit.b, 20);
		n += 20;
	}
	if (who.n > WHO_MAX)
		who.n = WHO_MAX;
	memcpy(value + n, who.p, who.n);
	return changes_put(out, KV_SYS, key, str_n(value, n + who.n));
}

/* ---- reading ---- */
struct walk {
	store_ref_record_fn *fn;
	void *ctx;
};

static int take_oid(struct store_oid *id, struct str *rest)
{
	if (rest->n < sizeof(id->b))
		return ERR_CORRUPT;
	memcpy(id->b, rest->p, sizeof(id->b));
	*rest = str_sub(*rest, sizeof(id->b), rest->n);
	return 0;
}

struct parsed {
	struct store_ref_record r;
	struct store_oid from, to;
};

static int record_parse(struct parsed *p, struct str key, struct str value)
{
	struct store_ref_record *r = &p->r;
	int err = value.n < RECORD_MIN || key.n < 10 ? ERR_CORRUPT : 0;

	*r = (struct store_ref_record){ 0 };
	if (err >= 0) {
		r->seq = ~load_be64(key.p + key.n - 8);
		r->time = (int64_t)load_be64(value.p);
		r->who = str_sub(value, RECORD_MIN, value.n);
		r->from = value.p[8] & HAS_FROM ? &p->from : NULL;
		r->to = value.p[8] & HAS_TO ? &p->to : NULL;
	}
	if (err >= 0 && r->from)
		err = take_oid(&p->from, &r->who);
	if (err >= 0 && r->to)
		err = take_oid(&p->to, &r->who);
	return err < 0 ? err_set(err, "store: a ref record is damaged") : 0;
}

static int one_record(void *ctx, struct str key, struct str value)
{
	struct walk *w = ctx;
	struct parsed p;
	int err = record_parse(&p, key, value);

	return err < 0 ? err : w->fn(w->ctx, &p.r);
}

int store_ref_log(struct store *s, struct str ref, store_ref_record_fn *fn, void *ctx)
{
	char room[RECORD_KEY];
	struct walk w = { fn, ctx };

	if (ref.n > REF_MAX)
		return 0;
	return kv_scan(s->kv, KV_SYS, record_prefix(room, ref), STR_NONE, one_record, &w);
}

struct each {
	ref_record_fn *fn;
	void *ctx;
};

static int each_record(void *ctx, struct str key, struct str value)
{
	struct each *e = ctx;
	struct parsed p;
	int err = record_parse(&p, key, value);

	return err < 0 ? err : e->fn(e->ctx, str_sub(key, 1, key.n - 9), key, &p.r);
}

int ref_record_each(struct store *s, ref_record_fn *fn, void *ctx)
{
	const char letter = LETTER;
	struct each e = { fn, ctx };

	return kv_scan(s->kv, KV_SYS, str_n(&letter, 1), STR_NONE, each_record, &e);
}

struct at {
	int64_t time;
	bool any;
	bool has_from; /* of the oldest record seen */
	bool found, has;
	struct store_oid id;
};

static int at_record(void *ctx, const struct store_ref_record *r)
{
	struct at *a = ctx;

	a->any = true;
	a->has_from = r->from != NULL;
	if (r->time > a->time)
		return 0;
	a->found = true;
	a->has = r->to != NULL;
	if (r->to)
		a->id = *r->to;
	return ERR_CLOSED;
}

int store_ref_at(struct store_oid *out, struct store *s, struct str ref, int64_t time)
{
	struct at a = { .time = time };
	struct ref_value now;
	struct head h;
	int err = store_ref_log(s, ref, at_record, &a);

	if (err < 0 && err != ERR_CLOSED)
		return err;
	/* Older records are gone, or all of them. */
	if (!a.found && (a.any ? a.has_from : ref_read(&now, s, ref) == 0))
		return err_set(
			ERR_NOENT, "store: what %.*s was then is no longer kept", STR_ARG(ref));
	if (!a.found || !a.has)
		return err_set(ERR_NOENT, "store: there was no %.*s then", STR_ARG(ref));
	err = head_get(&h, s, &a.id);
	if (err == ERR_NOENT)
		return err_set(
			ERR_NOENT, "store: what %.*s was then is no longer kept", STR_ARG(ref));
	if (err >= 0)
		*out = a.id;
	return err;
}
