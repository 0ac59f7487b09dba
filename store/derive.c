/* SPDX-License-Identifier: ISC */
/*
 * Derived rows. An edit's derive() writes into the edit's own changes, so a failure takes the
 * edit back and no other. Rebuilding at open writes rows piecemeal: until the driver's name and
 * version stand in the meta record they do not count, and a power cut starts it over.
 */
#include "store/scratch_impl.h"

#include "os/log.h"
#include "os/platform.h"

#define DRIVER_KEY STR("mdriver")

/* ---- what drivers call ---- */
struct store *store_derive_store(struct store_derive *d)
{
	return d->s;
}

uint64_t store_derive_seq(struct store_derive *d)
{
	return d->seq;
}

/* The newest of: these changes, the group's, the disk's. */
int changes_view(
	struct str *out, struct store *s, const struct changes *kv, enum kv_table t, struct str key)
{
	int err;

	if (key.n == 0 || key.n > STORE_KEY_MAX)
		return ERR_NOENT;
	err = kv ? changes_get(out, kv, t, key) : ERR_AGAIN;
	if (err == ERR_AGAIN && s->group)
		err = changes_get(out, &s->group->kv, t, key);
	if (err == ERR_AGAIN)
		err = kv_get(out, s->kv, t, key);
	return err;
}

static int derive_get(struct str *out, struct store_derive *d, enum kv_table t, struct str key)
{
	int err = ERR_AGAIN;
	if (d->verify)
		err = scratch_get(out, d->verify, t, key);
	return err == ERR_AGAIN ? changes_view(out, d->s, d->kv, t, key) : err;
}

/* A log that is damaged takes nothing: rows are then the index's alone, and made at each start. */
static int flush_rows(struct store *s)
{
	if (!s->failed)
		return group_flush(s);
	kv_apply(s->kv, &s->group->kv);
	return kv_full(s->kv) ? kv_forward(s->kv) : 0;
}

/* While rebuilding, what has gathered goes to disk; nobody else uses the store yet. */
static int spill(struct store_derive *d)
{
	struct store *s = d->s;
	int err;

	if (!s->rebuilding || d->kv->bytes < GROUP_BYTES)
		return 0;
	changes_move(&s->group->kv, d->kv);
	err = flush_rows(s);
	if (err >= 0)
		err = group_open(&s->group, s);
	return err;
}

/*
 * The rows of one move are one group. Above what an edit may take they get half of the memory that was
 * free when they came to it: a large mailbox that arrives or goes at once asks for a larger machine.
 */
static bool room_for(struct store_derive *d, size_t n)
{
	uint64_t total, left;

	if (!d->most) {
		plat_memory(&total, &left);
		d->most = EDIT_BYTES + (left / 2 < DERIVE_BYTES ? left / 2 : DERIVE_BYTES);
	}
	return d->kv->bytes + n <= d->most;
}

static int derive_set(
	struct store_derive *d, enum kv_table t, struct str key, struct str value, bool del)
{
	int err = kv_check(key, value);

	if (err >= 0 && d->verify)
		err = scratch_set(d->verify, t, key, value, del);
	else if (err >= 0 && d->kv->bytes + value.n > EDIT_BYTES && !room_for(d, value.n))
		err = err_set(ERR_LIMIT, "store: one edit changes too many rows");
	else if (err >= 0)
		err = del ? changes_del(d->kv, t, key) : changes_put(d->kv, t, key, value);
	if (err >= 0 && !d->verify)
		err = spill(d);
	if (err < 0 && d->err >= 0)
		d->err = err;
	return err;
}

int store_derive_local_get(struct str *out, struct store_derive *d, struct str key)
{
	return derive_get(out, d, KV_LOCAL, key);
}

int store_derive_local_put(struct store_derive *d, struct str key, struct str value)
{
	return derive_set(d, KV_LOCAL, key, value, false);
}

int store_derive_local_del(struct store_derive *d, struct str key)
{
	return derive_set(d, KV_LOCAL, key, STR_NONE, true);
}

int store_derive_row_get(struct str *out, struct store_derive *d, struct str key)
{
	return derive_get(out, d, KV_ROW, key);
}

int store_derive_row_put(struct store_derive *d, struct str key, struct str value)
{
	return derive_set(d, KV_ROW, key, value, false);
}

int store_derive_row_del(struct store_derive *d, struct str key)
{
	return derive_set(d, KV_ROW, key, STR_NONE, true);
}

/* ---- who calls drivers ---- */
int derive_run(struct store_derive *d, struct str ref, const struct store_oid *old_tree,
	const struct store_oid *new_tree)
{
	const struct store_driver *v = d->s->driver;
	int err = v->derive(v->ctx, d, ref, old_tree, new_tree);
	return err < 0 ? err : d->err;
}

int derive_move(struct store *s, struct changes *kv, uint64_t seq, struct str ref,
	const struct store_oid *old_tree, const struct store_oid *new_tree)
{
	struct store_derive d = { .s = s, .kv = kv, .seq = seq };

	if (!s->driver)
		return s->rows_stale ? changes_del(kv, KV_SYS, DRIVER_KEY) : 0;
	return derive_run(&d, ref, old_tree, new_tree);
}

/* ---- rebuilding ---- */
static struct str driver_text(char room[static 256], const struct store_driver *v)
{
	int n = snprintf(room, 256, "%u %s", (unsigned)v->version, v->name);
	return str_n(room, (size_t)(n < 255 ? n : 255));
}

/* From here on the rows do not count. */
static int drop_rows(struct store *s)
{
	struct changes kv = { 0 };
	int err = changes_del(&kv, KV_SYS, DRIVER_KEY);

	if (err < 0)
		return err;
	kv_apply(s->kv, &kv);
	err = s->failed ? 0 : index_note(s); /* as in index_rebuild */
	return err < 0 ? err : kv_drop_rows(s->kv);
}

/* Known to the index alone, as the rows are; once all of them are in LMDB. */
static int mark_rows(struct store *s, struct str driver)
{
	struct changes kv = { 0 };
	int err = index_forward(s);

	if (err >= 0)
		err = changes_put(&kv, KV_SYS, DRIVER_KEY, driver);
	if (err < 0)
		return err;
	kv_apply(s->kv, &kv);
	return index_forward(s);
}

/* Refs one by one, by name: rows are flushed in between, and the list's cursor with them. */
static int rebuild_refs(struct store *s, struct changes *kv)
{
	char room[2 + REF_MAX];
	struct str key, value, from = STR("r");
	int err;

	while ((err = kv_next(&key, &value, s->kv, KV_SYS, from, true)) >= 0) {
		struct store_derive d = { .s = s, .kv = kv, .seq = s->group->seq };
		struct ref_value v;
		if (key.p[0] != 'r' || key.n > sizeof(room))
			return 0;
		memcpy(room, key.p, key.n);
		from = str_n(room, key.n);
		err = ref_read(&v, s, str_sub(from, 1, from.n));
		if (err >= 0)
			err = derive_run(&d, str_sub(from, 1, from.n), NULL, &v.tree);
		if (err < 0)
			return err;
	}
	return err == ERR_NOENT ? 0 : err;
}

int derive_open(struct store *s)
{
	char room[256];
	struct str have, want;
	struct changes kv = { 0 };
	struct group *g;
	os_time start = os_now();
	int err = kv_get(&have, s->kv, KV_SYS, DRIVER_KEY);

	if (err < 0 && err != ERR_NOENT)
		return err;
	s->rows_stale = !s->driver && err >= 0;
	if (!s->driver)
		return 0;
	want = driver_text(room, s->driver);
	if (err >= 0 && str_eq(have, want))
		return 0;
	err = drop_rows(s);
	if (err >= 0)
		err = group_open(&g, s);
	s->rebuilding = true;
	if (err >= 0)
		err = rebuild_refs(s, &kv);
	if (err >= 0)
		changes_move(&s->group->kv, &kv);
	changes_free(&kv);
	if (err >= 0)
		err = flush_rows(s);
	s->rebuilding = false;
	if (err >= 0 && !s->failed)
		err = mark_rows(s, want);
	os_log(OS_INFO, "svc=store event=rows-rebuilt driver=%s ms=%lld result=%d", s->driver->name,
		(long long)((os_now() - start) / OS_MS), err);
	return err;
}
