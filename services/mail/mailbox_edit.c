/* SPDX-License-Identifier: ISC */
/* One change under way: a store edit, the leaves at hand, and the numbers it gives out. */
#include "services/mail/mailbox_impl.h"

#include "os/crypto.h"

#define EDIT_ARENA (4 * 1024 * 1024)
#define LANES_MAX  (64 * 1024) /* bytes of .lanes */
#define TURN_WAIT  (60 * OS_SEC)

static int begin(struct mail_edit **out, struct mail_account *a, bool reserved)
{
	struct mail_edit *w = calloc(1, sizeof(*w));
	if (w == NULL)
		return err_set(ERR_NOMEM, "mail: no memory for a change");
	w->acct = a;
	arena_init(&w->arena, EDIT_ARENA);
	buf_init(&w->path, NULL);
	buf_init(&w->text, NULL);
	for (size_t i = 0; i < ARRAY_LEN(w->slot); i++) {
		buf_init(&w->slot[i].path, NULL);
		arena_init(&w->slot[i].arena, MAIL_LEAF_BYTES);
	}
	int err = reserved ? store_edit_begin_reserved(&w->e, a->m->s, a->ref, os_after(TURN_WAIT))
			   : store_edit_begin(&w->e, a->m->s, a->ref, os_after(TURN_WAIT));
	if (err < 0) {
		mail_edit_abort(w);
		return err;
	}
	mail_catch_up(a->m);
	*out = w;
	return 0;
}

int mail_edit_begin(struct mail_edit **out, struct mail_account *a)
{
	return begin(out, a, false);
}

int mail_edit_begin_reserved(struct mail_edit **out, struct mail_account *a)
{
	return begin(out, a, true);
}

void mail_edit_abort(struct mail_edit *w)
{
	if (w->e != NULL)
		store_edit_abort(w->e);
	arena_free(&w->arena);
	buf_free(&w->path);
	buf_free(&w->text);
	for (size_t i = 0; i < ARRAY_LEN(w->slot); i++) {
		buf_free(&w->slot[i].path);
		arena_free(&w->slot[i].arena);
	}
	free(w);
}

static int flush_leaf(struct mail_edit *w, struct mail_leaf_slot *s)
{
	int err = 0;
	if (!s->loaded || !s->dirty)
		return 0;
	s->dirty = false;
	if (s->leaf.n == 0) {
		if (s->on_disk)
			err = store_edit_del(w->e, buf_str(&s->path));
		s->on_disk = false;
		return err;
	}
	w->text.n = 0;
	mail_leaf_format(&w->text, &s->leaf);
	if (w->text.err < 0)
		return w->text.err;
	s->on_disk = true;
	return store_edit_put_bytes(w->e, buf_str(&s->path), buf_str(&w->text));
}

int mail_edit_flush(struct mail_edit *w)
{
	int err = 0;
	for (size_t i = 0; err == 0 && i < ARRAY_LEN(w->slot); i++) {
		err = flush_leaf(w, &w->slot[i]);
		w->slot[i].loaded = false;
	}
	return err;
}

/* The marks of .lanes and the lane's own record. */
static int save_lane(struct mail_edit *w)
{
	struct mail_key key;
	struct mail_value value;
	struct str old = STR_NONE;
	struct mail_account *a = w->acct;
	if (w->lane.lane == 0)
		return 0;
	mail_key_lane(&key, a->ref);
	int err =
		store_edit_local_put(w->e, mail_key_str(&key), mail_lane_encode(&value, &w->lane));
	if (err == 0)
		err = store_edit_bytes(&old, &w->arena, w->e, STR(".lanes"), LANES_MAX);
	if (err < 0 && err != ERR_NOENT)
		return err;
	w->text.n = 0;
	mail_lanes_raise(&w->text, old, w->lane.lane, (uint32_t)(w->lane.next_seq - 1));
	return w->text.err < 0 ? w->text.err
			       : store_edit_put_bytes(w->e, STR(".lanes"), buf_str(&w->text));
}

int mail_edit_commit(struct mail_edit *w, struct str message)
{
	return mail_edit_commit_id(NULL, w, message);
}

int mail_edit_commit_id(struct store_oid *commit, struct mail_edit *w, struct str message)
{
	struct mail *m = w->acct->m;
	int err = mail_edit_flush(w);
	if (err == 0)
		err = save_lane(w);
	if (err == 0) {
		struct store_why why = { w->acct->user, w->acct->email, message, 0 };
		struct store_edit *e = w->e;
		w->e = NULL;
		err = store_edit_commit(commit, e, &why);
		mail_catch_up(m);
	}
	mail_edit_abort(w);
	return err;
}

/* ---- mailboxes ---- */
static int path_of(struct str *out, struct mail_edit *w, struct str folder, const char *below)
{
	w->path.n = 0;
	buf_add(&w->path, folder);
	buf_addz(&w->path, below);
	*out = buf_str(&w->path);
	return w->path.err;
}

int mail_edit_file(struct mail_file *out, struct mail_edit *w, struct str folder)
{
	struct str path, text;
	int err = path_of(&path, w, folder, "/.mailbox");
	if (err == 0)
		err = store_edit_bytes(&text, &w->arena, w->e, path, MAIL_FILE_MAX);
	if (err == 0)
		mail_file_parse(out, text);
	return err;
}

int mail_edit_put_file(struct mail_edit *w, struct str folder, const struct mail_file *file)
{
	struct str path;
	int err = path_of(&path, w, folder, "/.mailbox");
	w->text.n = 0;
	mail_file_format(&w->text, file);
	if (err == 0)
		err = w->text.err;
	return err < 0 ? err : store_edit_put_bytes(w->e, path, buf_str(&w->text));
}

/* The list is of the last durable group: see whether edits before us moved the mailbox. */
static int still_there(struct mail_edit *w, const struct mail_entry *en)
{
	struct store_entry found;
	struct str path;
	struct mail_file file;
	int err = path_of(&path, w, en->path, "/.mailbox");
	if (err == 0)
		err = store_edit_find(&found, w->e, path);
	if (err < 0 || store_oid_eq(&found.oid, &en->file_oid))
		return err;
	err = mail_edit_file(&file, w, en->path);
	if (err == 0 && (!file.exists || !mail_id_eq(&file.id, &en->file.id)))
		err = ERR_NOENT;
	return err;
}

static int place_entry(struct mail_place *out, struct mail_edit *w, const struct mail_entry *en)
{
	struct mail_key key;
	struct str value;
	if (en == NULL || !en->file.exists)
		return err_set(ERR_NOENT, "mail: no such mailbox");
	int err = still_there(w, en);
	if (err < 0)
		return err == ERR_NOENT ? err_set(err, "mail: no such mailbox") : err;
	out->path = arena_dup(&w->arena, en->path);
	out->key = mail_account_key(w->acct, &en->file.id);
	if (out->path.p == NULL)
		return err_set(ERR_LIMIT, "mail: mailbox path is too long");
	mail_key_box(&key, &out->key);
	err = store_edit_local_get(&value, w->e, mail_key_str(&key));
	if (err == ERR_NOENT)
		return err_set(ERR_CORRUPT, "mail: a mailbox has no UIDs");
	return err < 0 ? err : mail_box_decode(&out->rec, value);
}

int mail_edit_place(struct mail_place *out, struct mail_edit *w, struct str name)
{
	struct str normal;
	int err = mail_name_normal(&normal, &w->arena, name);
	if (err == 0)
		err = mail_account_refresh(w->acct);
	return err < 0 ? err : place_entry(out, w, mail_account_find(w->acct, normal));
}

int mail_edit_id(struct mail_place *out, struct mail_edit *w, const struct mail_id *id)
{
	int err = mail_account_refresh(w->acct);
	return err < 0 ? err : place_entry(out, w, mail_account_find_id(w->acct, id));
}

int mail_edit_box(struct mail_place *out, struct mail_edit *w, const struct mail_box *b)
{
	int err = mail_account_refresh(w->acct);
	if (err < 0)
		return err;
	const struct mail_entry *en = mail_account_find(w->acct, str_of(b->name));
	if (en == NULL || !en->file.exists || !mail_id_eq(&en->file.id, &b->key.id))
		en = mail_account_find_id(w->acct, &b->key.id);
	return place_entry(out, w, en);
}

int mail_edit_save_rec(struct mail_edit *w, const struct mail_place *p)
{
	struct mail_key key;
	struct mail_value value;
	mail_key_box(&key, &p->key);
	return store_edit_local_put(w->e, mail_key_str(&key), mail_box_encode(&value, &p->rec));
}

/* ---- messages ---- */
int mail_edit_leaf(struct mail_leaf **out, struct mail_edit *w, unsigned slot,
	const struct mail_place *p, uint32_t lane, uint32_t seq)
{
	struct mail_leaf_slot *s = &w->slot[slot];
	struct str path, text;
	int err = path_of(&path, w, p->path, "/.f/");
	mail_path_leaf(&w->path, lane, seq);
	path = buf_str(&w->path);
	*out = &s->leaf;
	if (err < 0 || w->path.err < 0)
		return ERR_NOMEM;
	if (s->loaded && str_eq(buf_str(&s->path), path))
		return 0;
	err = flush_leaf(w, s);
	if (err < 0)
		return err;
	arena_reset(&s->arena);
	s->leaf.n = 0;
	s->loaded = s->dirty = false;
	s->path.n = 0;
	buf_add(&s->path, path);
	err = store_edit_bytes(&text, &s->arena, w->e, path, MAIL_LEAF_BYTES / 4);
	s->on_disk = err == 0;
	if (err == 0)
		mail_leaf_parse(&s->leaf, text);
	if (err == ERR_NOENT)
		err = 0;
	s->loaded = err == 0;
	return err < 0 ? err : s->path.err;
}

int mail_edit_uid(struct mail_uid_rec *out, struct mail_edit *w, const struct mail_place *p,
	uint32_t lane, uint32_t seq)
{
	struct mail_key key;
	struct str value;
	mail_key_uid(&key, &p->key, lane, seq);
	int err = store_edit_local_get(&value, w->e, mail_key_str(&key));
	return err < 0 ? err : mail_uid_decode(out, value);
}

static int new_lane(struct mail_edit *w, struct str marks)
{
	uint32_t mark;
	do
		os_random(&w->lane.lane, sizeof(w->lane.lane));
	while (w->lane.lane == 0 || mail_lanes_find(&mark, marks, w->lane.lane));
	w->lane.next_seq = 1;
	return 0;
}

/* Never below the mark in .lanes: a record that is behind it was rolled back. */
static int load_lane(struct mail_edit *w)
{
	struct mail_key key;
	struct str value, marks = STR_NONE;
	uint32_t mark;
	mail_key_lane(&key, w->acct->ref);
	int err = store_edit_bytes(&marks, &w->arena, w->e, STR(".lanes"), LANES_MAX);
	if (err < 0 && err != ERR_NOENT)
		return err;
	err = store_edit_local_get(&value, w->e, mail_key_str(&key));
	if (err == 0)
		err = mail_lane_decode(&w->lane, value);
	if (err < 0 && err != ERR_NOENT)
		return err;
	if (err == ERR_NOENT || w->lane.next_seq > UINT32_MAX ||
		(mail_lanes_find(&mark, marks, w->lane.lane) && mark >= w->lane.next_seq))
		return new_lane(w, marks);
	return 0;
}

int mail_edit_new_seq(uint32_t *lane, uint32_t *seq, struct mail_edit *w)
{
	int err = w->lane.lane == 0 ? load_lane(w) : 0;
	if (err < 0)
		return err;
	if (w->lane.next_seq >
		UINT32_MAX) /* in the middle of one change: the next has a new lane */
		return err_set(ERR_LIMIT, "mail: the lane is full, try again");
	*lane = w->lane.lane;
	*seq = (uint32_t)w->lane.next_seq++;
	return 0;
}

static int message_path(struct str *out, struct mail_edit *w, const struct mail_place *p,
	uint32_t lane, uint32_t seq)
{
	int err = path_of(out, w, p->path, "/.m/");
	mail_path_message(&w->path, lane, seq);
	*out = buf_str(&w->path);
	return err < 0 ? err : w->path.err;
}

int mail_edit_has(
	bool *out, struct mail_edit *w, const struct mail_place *p, uint32_t lane, uint32_t seq)
{
	struct store_entry e;
	struct str path;
	int err = message_path(&path, w, p, lane, seq);
	if (err == 0)
		err = store_edit_find(&e, w->e, path);
	*out = err == 0 && e.kind == STORE_BLOB;
	return err == ERR_NOENT ? 0 : err;
}

int mail_edit_put(struct mail_edit *w, unsigned slot, const struct mail_place *p, uint32_t lane,
	uint32_t seq, const struct store_oid *blob, const struct mail_line *line)
{
	struct str path;
	struct mail_leaf *leaf;
	int err = message_path(&path, w, p, lane, seq);
	if (err == 0)
		err = store_edit_put(w->e, path, blob, STORE_BLOB);
	if (err == 0)
		err = mail_edit_leaf(&leaf, w, slot, p, lane, seq);
	if (err < 0)
		return err;
	struct mail_line *to = mail_leaf_add(leaf, seq);
	if (to == NULL) /* written by somebody else, not to the layout */
		return err_set(ERR_CORRUPT, "mail: a leaf of flags is full");
	*to = *line;
	to->seq = seq;
	to->keywords = arena_dup(&w->slot[slot].arena, line->keywords);
	w->slot[slot].dirty = true;
	return to->keywords.p != NULL ? 0 : err_set(ERR_LIMIT, "mail: no room for keywords");
}

int mail_edit_enter(uint32_t *uid, struct mail_edit *w, struct mail_place *p, uint32_t lane,
	uint32_t seq, const struct store_oid *blob, const struct mail_line *line)
{
	struct mail_key key;
	struct mail_value value;
	if (p->rec.uidnext == UINT32_MAX)
		return err_set(ERR_LIMIT, "mail: no UIDs left in this mailbox");
	struct mail_uid_rec rec = { .uid = p->rec.uidnext };
	int err = mail_edit_put(w, 1, p, lane, seq, blob, line);
	if (err < 0)
		return err;
	mail_key_uid(&key, &p->key, lane, seq);
	err = store_edit_local_put(w->e, mail_key_str(&key), mail_uid_encode(&value, &rec));
	*uid = p->rec.uidnext++;
	return err;
}

int mail_edit_leave(struct mail_edit *w, const struct mail_place *p, uint32_t lane, uint32_t seq)
{
	struct mail_leaf *leaf;
	struct str path;
	int err = mail_edit_leaf(&leaf, w, 0, p, lane, seq);
	if (err < 0)
		return err;
	mail_leaf_remove(leaf, seq);
	w->slot[0].dirty = true;
	err = message_path(&path, w, p, lane, seq);
	return err < 0 ? err : store_edit_del(w->e, path);
}

/* ---- what a session chose ---- */
static int pick_cmp(const void *a, const void *b)
{
	const struct mail_pick *x = a, *y = b;
	if (x->lane != y->lane)
		return x->lane < y->lane ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

void mail_pick_sort_identity(struct mail_pick *p, size_t n)
{
	if (n > 1)
		qsort(p, n, sizeof(*p), pick_cmp);
}

static int uid_cmp(const void *a, const void *b)
{
	const struct mail_pick *x = a, *y = b;
	return x->uid < y->uid ? -1 : x->uid > y->uid;
}

int mail_pick(struct mail_pick **out, size_t *n, const struct mail_box *b, const uint32_t *uids,
	size_t uid_count)
{
	struct mail_pick *p = malloc((uid_count + 1) * sizeof(*p));
	size_t count = 0, kept = 0;
	if (p == NULL)
		return err_set(ERR_NOMEM, "mail: no memory for %zu UIDs", uid_count);
	for (size_t i = 0; i < uid_count; i++) {
		const struct mail_msg *m = mail_box_find(b, uids[i]);
		if (m != NULL)
			p[count++] = (struct mail_pick){ m->uid, m->lane, m->seq, m->blob };
	}
	if (count > 1)
		qsort(p, count, sizeof(*p), uid_cmp);
	for (size_t i = 0; i < count; i++)
		if (i == 0 || p[i].uid != p[i - 1].uid)
			p[kept++] = p[i];
	*out = p;
	*n = kept;
	return 0;
}
