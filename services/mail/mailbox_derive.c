/* SPDX-License-Identifier: ISC */
/*
 * What differs between two trees of a mail branch: folders are compared down to the mailboxes, and
 * mailboxes are paired by id, so one that was renamed costs nothing and keeps its numbers.
 */
#include "services/mail/mailbox_snapshot_impl.h"

#define WALK_ARENA (16 * 1024 * 1024)

static bool same_oid(bool has_a, const struct store_oid *a, bool has_b, const struct store_oid *b)
{
	return has_a == has_b && (!has_a || store_oid_eq(a, b));
}

/* The id in a .mailbox; ERR_NOENT when it has none. */
static int read_id(struct mail_id *out, struct mail_derive *d, const struct store_oid *blob)
{
	struct str text;
	struct mail_file file;
	int err = store_blob_all(&text, &d->arena, d->s, blob, MAIL_FILE_MAX);
	if (err < 0)
		return err == ERR_LIMIT ? ERR_NOENT : err;
	mail_file_parse(&file, text);
	*out = file.id;
	return file.exists ? 0 : ERR_NOENT;
}

static int add_event(struct mail_derive *d, const struct mail_id *id, const struct mail_side *old,
	const struct mail_side *new)
{
	int err = mail_grow(&d->events, &d->event_cap, d->event_count, sizeof(*d->events));
	if (err < 0)
		return err;
	struct mail_event *ev = &d->events[d->event_count++];
	*ev = (struct mail_event){ .key = { d->account.number, *id } };
	if (old != NULL) {
		ev->old = *old;
		ev->old.present = true;
	}
	if (new != NULL) {
		ev->new = *new;
		ev->new.present = true;
	}
	return 0;
}

/* The mailbox that stands in this very folder, before and after. */
static int compare_mailbox(
	void *ctx, struct str path, const struct mail_folder *old, const struct mail_folder *new)
{
	struct mail_derive *d = ctx;
	(void)path;
	const struct mail_side *o = &old->side, *n = &new->side;
	bool same_file = same_oid(old->has_file, &old->file, new->has_file, &new->file);
	struct mail_id old_id, new_id;
	if (!same_file)
		d->list_changed = true;
	if (same_file && same_oid(o->has_m, &o->m, n->has_m, &n->m) &&
		same_oid(o->has_f, &o->f, n->has_f, &n->f))
		return 0;
	int old_err = old->has_file ? read_id(&old_id, d, &old->file) : ERR_NOENT;
	if (old_err < 0 && old_err != ERR_NOENT)
		return old_err;
	int new_err = old_err;
	if (same_file)
		new_id = old_id;
	else
		new_err = new->has_file ? read_id(&new_id, d, &new->file) : ERR_NOENT;
	if (new_err < 0 && new_err != ERR_NOENT)
		return new_err;
	if (old_err == 0 && new_err == 0 && mail_id_eq(&old_id, &new_id))
		return add_event(d, &old_id, o, n);
	int err = old_err == 0 ? add_event(d, &old_id, o, NULL) : 0;
	if (err == 0 && new_err == 0)
		err = add_event(d, &new_id, NULL, n);
	return err;
}

static int event_cmp(const void *a, const void *b)
{
	const struct mail_event *x = a, *y = b;
	return memcmp(x->key.id.b, y->key.id.b, MAIL_ID_BYTES);
}

/* What left one folder and came to another with the same id is one mailbox. */
static void pair_events(struct mail_derive *d)
{
	size_t n = 0;
	if (d->event_count < 2)
		return;
	qsort(d->events, d->event_count, sizeof(*d->events), event_cmp);
	for (size_t i = 0; i < d->event_count; i++) {
		struct mail_event *last = n > 0 ? &d->events[n - 1] : NULL, *ev = &d->events[i];
		if (last == NULL || event_cmp(last, ev) != 0) {
			d->events[n++] = *ev;
			continue;
		}
		if (!last->old.present)
			last->old = ev->old;
		if (!last->new.present)
			last->new = ev->new;
	}
	d->event_count = n;
}

/* ---- the account of a ref ---- */
static bool is_mail_tree(struct store *s, const struct store_oid *tree)
{
	struct store_entry e;
	return tree != NULL && store_find(&e, s, tree, STR(".lanes")) == 0 && e.kind == STORE_BLOB;
}

static int save_account(struct mail_derive *d)
{
	mail_key_account(&d->key, d->ref);
	return store_derive_local_put(
		d->d, mail_key_str(&d->key), mail_account_encode(&d->value, &d->account));
}

static int number_account(struct mail_derive *d)
{
	struct str value;
	uint32_t count = 0;
	mail_key_accounts(&d->key);
	int err = store_derive_local_get(&value, d->d, mail_key_str(&d->key));
	if (err == 0 && value.n == 4)
		count = mail_get32(value.p);
	else if (err != ERR_NOENT)
		return err < 0 ? err : err_set(ERR_CORRUPT, "mail: account counter is damaged");
	mail_put32(d->value.b, ++count);
	err = store_derive_local_put(d->d, mail_key_str(&d->key), str_n(d->value.b, 4));
	d->account = (struct mail_account_rec){ count, 0 };
	return err < 0 ? err : save_account(d);
}

/* ERR_NOENT: no mail branch. */
static int find_account(struct mail_derive *d, const struct store_oid *new_tree)
{
	struct str value;
	if (!str_starts(d->ref, STR("refs/heads/")) || d->ref.n > MAIL_REF_MAX)
		return ERR_NOENT;
	mail_key_account(&d->key, d->ref);
	int err = store_derive_local_get(&value, d->d, mail_key_str(&d->key));
	if (err == 0)
		return mail_account_decode(&d->account, value);
	if (err != ERR_NOENT || new_tree == NULL || !is_mail_tree(d->s, new_tree))
		return err;
	return number_account(d);
}

int mail_derive_validity(uint32_t *out, struct mail_derive *d)
{
	int64_t now = os_wall_sec();
	uint32_t v = now > 0 && now < UINT32_MAX ? (uint32_t)now : 1;
	if (v <= d->account.validity_floor)
		v = d->account.validity_floor + 1;
	*out = d->account.validity_floor = v;
	return save_account(d);
}

static void derive_free(struct mail_derive *d)
{
	mail_takeover_free(d->taking);
	arena_free(&d->arena);
	arena_free(&d->leaf_arena);
	buf_free(&d->path);
	buf_free(&d->text);
	free(d->events);
	free(d->drops);
	free(d->fresh);
	free(d);
}

static int derive(void *ctx, struct store_derive *sd, struct str ref,
	const struct store_oid *old_tree, const struct store_oid *new_tree)
{
	(void)ctx;
	struct mail_derive *d = calloc(1, sizeof(*d));
	if (d == NULL)
		return ERR_NOMEM;
	d->d = sd;
	d->s = store_derive_store(sd);
	d->m = mail_of_store(d->s);
	d->ref = ref;
	d->seq = store_derive_seq(sd);
	arena_init(&d->arena, WALK_ARENA);
	arena_init(&d->leaf_arena, MAIL_LEAF_BYTES);
	buf_init(&d->path, NULL);
	buf_init(&d->text, NULL);
	int err = find_account(d, new_tree);
	if (err == 0 && old_tree == NULL)
		err = mail_takeover_begin(&d->taking, d);
	if (err == 0 && d->taking != NULL)
		err = save_account(d);
	if (err == 0)
		err = mail_walk(d->s, &d->arena, old_tree, new_tree, compare_mailbox, d);
	if (err == 0) {
		pair_events(d);
		err = mail_derive_rows(d);
		if (err == 0 && d->taking != NULL)
			err = mail_takeover_end(d);
	} else if (err == ERR_NOENT && d->account.number == 0) {
		err = 0;
	}
	if (err == 0 && d->list_changed && d->m != NULL)
		d->m->list_seq = d->seq;
	derive_free(d);
	return err;
}

static const struct store_driver driver = { .name = "mail",
	.version = 1,
	.derive = derive,
	.merge = mail_merge,
	.merge_version = MAIL_MERGE_VERSION };

const struct store_driver *mail_driver(void)
{
	return &driver;
}
