/* SPDX-License-Identifier: ISC */
/*
 * A branch that comes to a new machine with the snapshot of the one it replaces: named by a local
 * record, looked up while the branch is derived from nothing, forgotten when that is done. UIDs
 * that clients know go on to name the same messages; new ones start after a gap, as the snapshot
 * may be older than what was told last.
 */
#include "services/mail/mailbox_snapshot_impl.h"

struct mail_takeover {
	struct store *s;
	struct store_oid tree;
	struct mail_id id; /* asked for last */
	uint32_t uidnext;  /* of then: UIDs are below it */
	struct buf path;
	struct arena arena; /* of the leaf at hand */
	struct str leaf;
	bool has_leaf;
	uint32_t leaf_lane, leaf_first;
};

static void record_key(struct mail_key *k, struct str ref)
{
	static const char table[] = "recover/";
	os_assert(sizeof(table) - 1 + ref.n <= sizeof(k->b));
	memcpy(k->b, table, sizeof(table) - 1);
	memcpy(k->b + sizeof(table) - 1, ref.p, ref.n);
	k->n = sizeof(table) - 1 + ref.n;
}

static int read_text(struct str *out, struct mail_takeover *t, size_t max)
{
	struct store_entry e;
	int err = t->path.err < 0 ? t->path.err : store_find(&e, t->s, &t->tree, buf_str(&t->path));
	if (err == 0 && e.kind != STORE_BLOB)
		err = ERR_NOENT;
	return err < 0 ? err : store_blob_all(out, &t->arena, t->s, &e.oid, max);
}

static int open_snapshot(struct mail_takeover *t, struct mail_derive *d, struct str commit)
{
	struct mail_snap_account a;
	struct store_commit c;
	struct store_oid id;
	struct str text;
	if (commit.n != sizeof(id.b))
		return err_set(ERR_CORRUPT, "mail: the record of a snapshot is damaged");
	memcpy(id.b, commit.p, sizeof(id.b));
	int err = store_commit_get(&c, &t->arena, t->s, &id);
	if (err < 0)
		return err;
	t->tree = c.tree;
	buf_addz(&t->path, "account");
	err = read_text(&text, t, 4096);
	if (err == 0 && !mail_snap_account_parse(&a, text))
		err = ERR_CORRUPT;
	if (err < 0)
		return err_set(ERR_CORRUPT, "mail: the snapshot to take over is none");
	if (a.modseq >= d->seq) /* or MODSEQ would go back */
		return err_set(ERR_BAD,
			"mail: this machine's clock is behind the one before it; set it and "
			"recover again");
	if (a.validity > d->account.validity_floor)
		d->account.validity_floor = a.validity;
	return 0;
}

int mail_takeover_begin(struct mail_takeover **out, struct mail_derive *d)
{
	struct str commit;
	*out = NULL;
	record_key(&d->key, d->ref);
	int err = store_derive_local_get(&commit, d->d, mail_key_str(&d->key));
	if (err < 0)
		return err == ERR_NOENT ? 0 : err;
	struct mail_takeover *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return err_set(ERR_NOMEM, "mail: no memory");
	t->s = d->s;
	arena_init(&t->arena, 4 * MAIL_UIDS_BYTES);
	buf_init(&t->path, NULL);
	err = open_snapshot(t, d, commit);
	if (err < 0) {
		mail_takeover_free(t);
		return err;
	}
	*out = t;
	return 0;
}

int mail_takeover_box(
	struct mail_box_rec *out, struct mail_takeover *t, const struct mail_id *id, uint64_t seq)
{
	struct mail_snap_box box;
	struct str text;
	arena_reset(&t->arena);
	t->has_leaf = false;
	t->path.n = 0;
	mail_snap_path_box(&t->path, id);
	int err = read_text(&text, t, 4096);
	if (err < 0)
		return err;
	if (!mail_snap_box_parse(&box, text))
		return err_set(ERR_CORRUPT, "mail: the snapshot of a mailbox is damaged");
	if (box.uidnext > UINT32_MAX - 2 * MAIL_UID_GAP)
		return ERR_NOENT; /* no UIDs left: it begins anew, under another UIDVALIDITY */
	t->id = *id;
	t->uidnext = box.uidnext;
	*out = (struct mail_box_rec){
		.uidvalidity = box.uidvalidity,
		.uidnext = box.uidnext + MAIL_UID_GAP,
		.recent = box.uidnext + MAIL_UID_GAP,
		.highest_modseq = seq,
	};
	return 0;
}

int mail_takeover_uid(uint32_t *uid, struct mail_takeover *t, uint32_t lane, uint32_t seq)
{
	uint32_t first = seq >> MAIL_UIDS_SHIFT << MAIL_UIDS_SHIFT;
	int err;
	if (!t->has_leaf || t->leaf_lane != lane || t->leaf_first != first) {
		arena_reset(&t->arena);
		t->leaf = STR_NONE;
		t->path.n = 0;
		mail_snap_path_leaf(&t->path, &t->id, lane, seq);
		err = read_text(&t->leaf, t, MAIL_UIDS_BYTES);
		if (err < 0 && err != ERR_NOENT)
			return err;
		t->has_leaf = true;
		t->leaf_lane = lane;
		t->leaf_first = first;
	}
	return mail_snap_find(uid, t->leaf, seq) && *uid < t->uidnext ? 0 : ERR_NOENT;
}

int mail_takeover_end(struct mail_derive *d)
{
	record_key(&d->key, d->ref);
	return store_derive_local_del(d->d, mail_key_str(&d->key));
}

void mail_takeover_free(struct mail_takeover *t)
{
	if (t == NULL)
		return;
	arena_free(&t->arena);
	buf_free(&t->path);
	free(t);
}
