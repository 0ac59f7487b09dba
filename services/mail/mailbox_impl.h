/* SPDX-License-Identifier: ISC */
/*
 * What the mailbox files share. From the bottom up:
 *	mailbox_nfc.c      Unicode composition of names
 *	mailbox_name.c     a mailbox name and the folder it stands in
 *	mailbox_layout.c   paths in a mail branch, and the text of its small files
 *	mailbox_walk.c     folders of mailboxes that differ between two trees
 *	mailbox_keyword.c  sets of keywords
 *	mailbox_record.c   local records and derived rows: keys and values
 *	mailbox_summary.c  ENVELOPE and BODYSTRUCTURE of a stored message
 *	mailbox_derive.c   what differs between two trees, mailbox by mailbox
 *	mailbox_rows.c     ... and the numbers and rows that follow from it
 *	merge*.c           two sides of a branch made one (merge_impl.h)
 *	mailbox_account.c  accounts and the list of their mailboxes
 *	mailbox_view.c     the live view of one mailbox
 *	mailbox_live.c     the views there are, and what brings them up to date
 *	mailbox_edit.c     one change under way
 *	mailbox_manage.c   create, delete, rename, subscribe
 *	mailbox_snapshot*.c, mailbox_takeover.c   see mailbox_snapshot_impl.h
 *	mailbox_append.c, mailbox_flags.c, mailbox_copy.c   changes of messages
 * The layout of the branch is in docs/mail-layout.md.
 */
#ifndef SERVICES_MAIL_MAILBOX_IMPL_H
#define SERVICES_MAIL_MAILBOX_IMPL_H

#include "services/mail/mailbox.h"

#define MAIL_DEPTH_MAX  32   /* levels of a mailbox name */
#define MAIL_CHUNK      8192 /* messages changed by one edit, which has bounded memory */
#define MAIL_COPY_CHUNK 4096
#define MAIL_LEAF_MAX   16 /* lines of one leaf */
#define MAIL_ID_BYTES   8
#define MAIL_REF_MAX    150          /* bytes of a ref that holds mail */
#define MAIL_LEAF_BYTES (512 * 1024) /* arena for the leaves at hand */
#define MAIL_FLAGS_ALL  (MAIL_SEEN | MAIL_ANSWERED | MAIL_FLAGGED | MAIL_DELETED | MAIL_DRAFT)
#define MAIL_ID_HEX     (2 * MAIL_ID_BYTES)

/* ---- names ---- */
void mail_name_compose(struct buf *out, struct str utf8); /* NFC; `utf8` must be valid */
/* Checked and normal: INBOX folded, a trailing '/' gone. In the arena; ERR_BAD, ERR_LIMIT. */
MUST_CHECK int mail_name_normal(struct str *out, struct arena *a, struct str name);
/* Parents before children, INBOX first; 0 only for the same name. */
int mail_name_cmp(struct str a, struct str b);
/* `name` stands below `parent`. */
bool mail_name_below(struct str name, struct str parent);
/* One level to the name of its folder, and back. One to one, except for the suffix of a clash. */
void mail_name_escape(struct buf *out, struct str level);
void mail_name_unescape(struct buf *out, struct str folder);
void mail_path_name(struct buf *out, struct str path); /* folders of levels to the name */
/* The folder of a level whose plain folder would differ from another's only by case. */
void mail_name_escape_clash(struct buf *out, struct str level);

/* ---- layout ---- */
struct mail_line {
	uint32_t seq, flags;
	int64_t internal_sec, saved_sec;
	struct str keywords; /* sorted, one space between */
};
struct mail_leaf {
	unsigned n;
	struct mail_line line[MAIL_LEAF_MAX]; /* by seq */
};
/* Keywords are borrowed from `text`. Lines that cannot be read are passed over. */
void mail_leaf_parse(struct mail_leaf *out, struct str text);
void mail_leaf_format(struct buf *out, const struct mail_leaf *leaf);
struct mail_line *mail_leaf_find(struct mail_leaf *leaf, uint32_t seq); /* NULL when absent */
/* A new or existing line; NULL when the leaf is full, which a leaf of one path never is. */
struct mail_line *mail_leaf_add(struct mail_leaf *leaf, uint32_t seq);
void mail_leaf_remove(struct mail_leaf *leaf, uint32_t seq);

#define MAIL_TOP_SHIFT 19 /* the folder below the lane's is seq >> this */
/* "<lane>/…/<seq>" below .m, "<lane>/…" below .f; appended. */
void mail_path_message(struct buf *out, uint32_t lane, uint32_t seq);
void mail_path_leaf(struct buf *out, uint32_t lane, uint32_t seq);
/* Lower-case hex, `least` to 8 digits. */
bool mail_hex32(uint32_t *out, struct str s, size_t least);
/* The way back; false for a path that is none of ours. */
bool mail_path_parse_message(uint32_t *lane, uint32_t *seq, struct str path);
bool mail_path_parse_leaf(uint32_t *lane, uint32_t *first_seq, struct str path);

struct mail_id {
	uint8_t b[MAIL_ID_BYTES];
};
bool mail_id_eq(const struct mail_id *a, const struct mail_id *b);
struct mail_file {   /* <mailbox>/.mailbox */
	bool exists; /* has an id; without: only a subscription is left of it */
	struct mail_id id;
	struct str name; /* of this level, for people and other readers */
	enum mail_use use;
	bool subscribed;
	int64_t created_sec;
};
#define MAIL_FILE_MAX 4096
void mail_file_parse(struct mail_file *out, struct str text); /* name borrowed from `text` */
void mail_file_format(struct buf *out, const struct mail_file *f);

/* ---- two trees ---- */
struct mail_side { /* a mailbox in one of two trees */
	bool present, has_m, has_f;
	struct store_oid m, f; /* its folders .m and .f */
};
struct mail_folder { /* what stands in one folder of mailboxes */
	struct mail_below {
		struct str name;
		struct store_oid oid;
	} *below; /* in git's order */
	size_t n, cap;
	struct store_oid file; /* .mailbox */
	bool has_file;
	struct mail_side side;
	struct arena *a;
};
/* Reads a folder into the arena; `tree` NULL: an empty one. */
MUST_CHECK int mail_folder_read(
	struct mail_folder *out, struct store *s, struct arena *a, const struct store_oid *tree);
/* Every folder below the root that is not the same in both trees (NULL: empty). < 0 from fn stops. */
typedef int mail_walk_fn(
	void *ctx, struct str path, const struct mail_folder *old, const struct mail_folder *new);
MUST_CHECK int mail_walk(struct store *s, struct arena *a, const struct store_oid *old_tree,
	const struct store_oid *new_tree, mail_walk_fn *fn, void *ctx);

/* The folder a mailbox or a parent of mailboxes has in a tree; in the arena. ERR_NOENT. */
MUST_CHECK int mail_tree_folder(struct str *path, struct arena *a, struct store *s,
	const struct store_oid *tree, struct str name);
/* The folder of the mailbox with this id, or (NULL) of one that has the message; .p NULL: nowhere. */
MUST_CHECK int mail_tree_search(struct str *path, struct arena *a, struct store *s,
	const struct store_oid *tree, const struct mail_id *id, uint32_t lane, uint32_t seq);

/* .lanes: "lane seq" lines, sorted. The mark of `lane` becomes `seq` if it is higher. */
void mail_lanes_raise(struct buf *out, struct str text, uint32_t lane, uint32_t seq);
bool mail_lanes_find(uint32_t *seq, struct str text, uint32_t lane);

/* ---- keywords: sets kept as sorted text ---- */
/* The first word of *rest; false at the end. */
bool mail_keyword_next(struct str *word, struct str *rest);
/* Case-folded union, difference or replacement; in the arena. ERR_LIMIT. */
MUST_CHECK int mail_keywords_apply(struct str *out, struct arena *a, struct str old,
	enum mail_flag_op op, const struct str *words, size_t n);

/* `now` with what was added and removed from `old` to `new`; in the arena. ERR_LIMIT. */
MUST_CHECK int mail_keywords_merge(
	struct str *out, struct arena *a, struct str now, struct str old, struct str new);

/* ---- local records and rows ---- */
/* Room for one more element in a malloc'ed array: `array` is the address of its pointer. */
MUST_CHECK int mail_grow(void *array, size_t *cap, size_t n, size_t element_bytes);
struct mail_box_key { /* names a mailbox in every key */
	uint32_t account;
	struct mail_id id;
};
static inline bool mail_box_key_eq(const struct mail_box_key *a, const struct mail_box_key *b)
{
	return a->account == b->account && mail_id_eq(&a->id, &b->id);
}
struct mail_account_rec { /* by ref */
	uint32_t number, validity_floor;
};
struct mail_lane_rec { /* by ref: the lane this endpoint appends to */
	uint32_t lane;
	uint64_t next_seq;
};
struct mail_box_rec { /* by mailbox */
	uint32_t uidvalidity, uidnext, recent;
	uint64_t highest_modseq;
};
struct mail_uid_rec { /* by mailbox, lane, seq */
	uint32_t uid;
	uint64_t modseq; /* 0: its group has no number yet */
};
struct mail_count { /* row by mailbox */
	uint32_t count, unseen, deleted;
	uint64_t size_bytes;
};
struct mail_row {            /* row by mailbox, uid */
	struct mail_msg msg; /* its keywords are unset, its uid is in the key */
	struct str keywords;
};

#define MAIL_KEY_MAX 200
struct mail_key {
	size_t n;
	char b[MAIL_KEY_MAX];
};
static inline struct str mail_key_str(const struct mail_key *k)
{
	return str_n(k->b, k->n);
}
void mail_key_account(struct mail_key *k, struct str ref);
void mail_key_lane(struct mail_key *k, struct str ref);
void mail_key_accounts(struct mail_key *k); /* how many accounts were ever numbered */
void mail_key_box(struct mail_key *k, const struct mail_box_key *b);
void mail_key_uid(struct mail_key *k, const struct mail_box_key *b, uint32_t lane, uint32_t seq);
void mail_key_count(struct mail_key *k, const struct mail_box_key *b);
void mail_key_rows(struct mail_key *k, const struct mail_box_key *b); /* their common prefix */
void mail_key_row(struct mail_key *k, const struct mail_box_key *b, uint32_t uid);
void mail_key_summary(struct mail_key *k, uint32_t account, uint32_t lane, uint32_t seq);
void mail_key_shared(struct mail_key *k, uint32_t account, uint32_t lane, uint32_t seq);

/* Values: fixed little-endian fields. Decoders: ERR_CORRUPT. */
#define MAIL_REC_MAX 32
struct mail_value {
	size_t n;
	char b[MAIL_REC_MAX];
};
static inline struct str mail_value_str(const struct mail_value *v)
{
	return str_n(v->b, v->n);
}
void mail_put32(char *p, uint32_t v);
void mail_put64(char *p, uint64_t v);
uint32_t mail_get32(const char *p);
uint64_t mail_get64(const char *p);
struct str mail_account_encode(struct mail_value *v, const struct mail_account_rec *r);
MUST_CHECK int mail_account_decode(struct mail_account_rec *r, struct str value);
struct str mail_lane_encode(struct mail_value *v, const struct mail_lane_rec *r);
MUST_CHECK int mail_lane_decode(struct mail_lane_rec *r, struct str value);
struct str mail_box_encode(struct mail_value *v, const struct mail_box_rec *r);
MUST_CHECK int mail_box_decode(struct mail_box_rec *r, struct str value);
struct str mail_uid_encode(struct mail_value *v, const struct mail_uid_rec *r);
MUST_CHECK int mail_uid_decode(struct mail_uid_rec *r, struct str value);
struct str mail_count_encode(struct mail_value *v, const struct mail_count *r);
MUST_CHECK int mail_count_decode(struct mail_count *r, struct str value);
void mail_row_encode(struct buf *out, const struct mail_row *r);
MUST_CHECK int mail_row_decode(struct mail_row *r, struct str value); /* keywords borrowed */

/* ---- summaries ---- */
/* Reads the message through in bounded memory; the strings are in the arena. */
MUST_CHECK int mail_summary_make(
	struct mail_summary *out, struct arena *a, struct store *s, const struct store_oid *blob);
/* As a row; one too long for a row keeps only its fixed part. */
void mail_summary_encode(struct buf *out, const struct mail_summary *m);
/* ERR_NOENT: it was too long. Strings borrowed from `value`. */
MUST_CHECK int mail_summary_decode(struct mail_summary *out, struct str value);
#define MAIL_SUMMARY_ARENA (8 * 1024 * 1024)

/* ---- the mail store ---- */
/* A message, or with uid 0 a whole mailbox, that group `seq` touched: what views have to look at
 * again. A hint too many does no harm, so those of a group that failed need no care. */
struct mail_hint {
	struct mail_box_key box;
	uint32_t uid;
	uint64_t seq;
};
struct mail_claim { /* messages below this UID have been \Recent for somebody */
	struct mail_box_key box;
	uint32_t uid;
};
struct mail {
	struct mail *next; /* all that are open: derive() knows only its store */
	struct store *s;
	char *domain;
	struct mail_account *accounts;
	struct mail_box *boxes; /* open or idle views */
	struct mail_hint *hints;
	size_t hint_count, hint_cap;
	struct mail_claim *claims;
	size_t claim_count, claim_cap;
	uint64_t list_seq;        /* the last group that changed what mailboxes there are */
	uint64_t names_seq;       /* ... and the last whose new names the views were checked for */
	uint64_t clock;           /* for the age of idle views */
	struct os_mutex snapshot; /* one at a time */
	bool hints_lost;          /* memory was out: every view is loaded anew */
};
struct mail *mail_of_store(const struct store *s); /* NULL: rows are derived, nobody looks on */
void mail_hint_add(struct mail *m, const struct mail_box_key *box, uint32_t uid, uint64_t seq);
/* Bring views and lists up to the last durable group. */
void mail_catch_up(struct mail *m);
/* What now stands in the mailbox's record need not be remembered. */
void mail_claim_drop(struct mail *m, const struct mail_box *b);
uint32_t mail_claimed(const struct mail *m, const struct mail_box_key *box); /* 0: none */

/* The merge of two sides of a branch, as store_driver.merge says (merge.c). */
#define MAIL_MERGE_VERSION 1
MUST_CHECK int mail_merge(void *ctx, struct store_edit *e, struct str ref,
	const struct store_oid *base, const struct store_oid *theirs, struct buf *notes);

/* ---- accounts ---- */
struct mail_entry { /* a mailbox, or a folder that only leads to others */
	struct str name, path, id_hex;
	struct mail_file file;
	struct store_oid file_oid; /* of .mailbox; unset without one */
	bool has_file, has_children;
};
struct mail_account {
	struct mail_account *next;
	struct mail *m;
	struct str user, email, ref;
	uint32_t number;
	struct arena arena;         /* what `entries` points to */
	struct mail_entry *entries; /* sorted by mail_name_cmp */
	size_t entry_count;
	uint64_t list_seq;  /* of the entries; 0: none read yet */
	struct arena names; /* user, email, ref */
};
/* The mailboxes in a tree of a mail branch, sorted by mail_name_cmp; in the arena. */
MUST_CHECK int mail_entries_read(struct mail_entry **out, size_t *n, struct arena *arena,
	struct store *s, const struct store_oid *tree);
/* Read the list again if it changed. */
MUST_CHECK int mail_account_refresh(struct mail_account *a);
/* NULL when absent; borrowed until the next call that BLOCKS. */
const struct mail_entry *mail_account_find(const struct mail_account *a, struct str name);
const struct mail_entry *mail_account_find_id(
	const struct mail_account *a, const struct mail_id *id);
static inline struct mail_box_key mail_account_key(
	const struct mail_account *a, const struct mail_id *id)
{
	return (struct mail_box_key){ a->number, *id };
}
/* First use: the folders everybody expects. BLOCKS. */
MUST_CHECK int mail_account_fill(struct mail_account *a);

/* ---- views ---- */
struct mail_box {
	struct mail_box *next;
	struct mail_account *acct;
	struct mail_box_key key;
	struct mail_box_rec rec;
	struct mail_count count;
	char id_hex[MAIL_ID_HEX + 1];
	char *name;
	unsigned refs;
	bool gone;
	uint64_t version, last_used;
	struct mail_msg *msgs; /* by UID */
	size_t n, cap;
	char *keywords[MAIL_KEYWORDS_MAX];
	unsigned keyword_count;
	struct os_waitq **waiters;
	size_t waiter_count, waiter_cap;
};
/* Look again at what the hints of one mailbox name; at all of it when one has uid 0. */
MUST_CHECK int mail_box_apply(struct mail_box *b, const struct mail_hint *hints, size_t n);
MUST_CHECK int mail_box_load(struct mail_box *b);
/* Record and counters; not the messages. */
MUST_CHECK int mail_box_numbers(struct mail_box_rec *rec, struct mail_count *count, struct mail *m,
	const struct mail_box_key *box);
void mail_box_changed(struct mail_box *b); /* tells the sessions */
void mail_box_free(struct mail_box *b);

/* ---- changes ---- */
struct mail_place { /* a mailbox, as a change sees it */
	struct str path;
	struct mail_box_key key;
	struct mail_box_rec rec;
};
struct mail_leaf_slot {
	struct buf path;
	struct arena arena; /* text, and keywords set since */
	struct mail_leaf leaf;
	bool loaded, dirty, on_disk;
};
struct mail_edit {
	struct mail_account *acct;
	struct store_edit *e;
	struct arena arena;
	struct buf path, text; /* scratch */
	struct mail_leaf_slot slot[2];
	struct mail_lane_rec lane; /* lane 0: not asked for yet */
};
/* Takes the writer's turn; views and lists are up to date then. BLOCKS. */
MUST_CHECK int mail_edit_begin(struct mail_edit **out, struct mail_account *a);
/* For what must work on a full disk (store_edit_begin_reserved). BLOCKS. */
MUST_CHECK int mail_edit_begin_reserved(struct mail_edit **out, struct mail_account *a);
/* Frees the edit in every case. BLOCKS. */
MUST_CHECK int mail_edit_commit(struct mail_edit *w, struct str message);
MUST_CHECK int mail_edit_commit_id(
	struct store_oid *commit, struct mail_edit *w, struct str message); /* commit may be NULL */
void mail_edit_abort(struct mail_edit *w);
/* Write the leaves at hand into the tree and forget them. */
MUST_CHECK int mail_edit_flush(struct mail_edit *w);
/* The mailbox of this name as of now; ERR_NOENT. */
MUST_CHECK int mail_edit_place(struct mail_place *out, struct mail_edit *w, struct str name);
MUST_CHECK int mail_edit_id(struct mail_place *out, struct mail_edit *w, const struct mail_id *id);
MUST_CHECK int mail_edit_box(struct mail_place *out, struct mail_edit *w, const struct mail_box *b);
MUST_CHECK int mail_edit_save_rec(struct mail_edit *w, const struct mail_place *p);
/* The leaf of a message, kept in slot 0 or 1 until another is asked for there. */
MUST_CHECK int mail_edit_leaf(struct mail_leaf **out, struct mail_edit *w, unsigned slot,
	const struct mail_place *p, uint32_t lane, uint32_t seq);
/* Its record, or ERR_NOENT. */
MUST_CHECK int mail_edit_uid(struct mail_uid_rec *out, struct mail_edit *w,
	const struct mail_place *p, uint32_t lane, uint32_t seq);
/* A new permanent identity in this endpoint's lane. */
MUST_CHECK int mail_edit_new_seq(uint32_t *lane, uint32_t *seq, struct mail_edit *w);
/* Enter a message: its blob, its line and its UID. */
MUST_CHECK int mail_edit_enter(uint32_t *uid, struct mail_edit *w, struct mail_place *p,
	uint32_t lane, uint32_t seq, const struct store_oid *blob, const struct mail_line *line);
/* Its blob and its line alone: derive() gives the UID. */
MUST_CHECK int mail_edit_put(struct mail_edit *w, unsigned slot, const struct mail_place *p,
	uint32_t lane, uint32_t seq, const struct store_oid *blob, const struct mail_line *line);
MUST_CHECK int mail_edit_has(
	bool *out, struct mail_edit *w, const struct mail_place *p, uint32_t lane, uint32_t seq);
/* Take out its blob and its line (slot 0). */
MUST_CHECK int mail_edit_leave(
	struct mail_edit *w, const struct mail_place *p, uint32_t lane, uint32_t seq);
MUST_CHECK int mail_edit_file(struct mail_file *out, struct mail_edit *w, struct str path);
MUST_CHECK int mail_edit_put_file(
	struct mail_edit *w, struct str path, const struct mail_file *file);

/* The folder of a mailbox name as the edit has it, whether it is there or not. */
MUST_CHECK int mail_edit_folder(struct str *path, struct mail_edit *w, struct str name);

/* Those of `uids` that the view has, by lane and seq, so that a leaf is read once. malloc'ed. */
struct mail_pick {
	uint32_t uid, lane, seq;
	struct store_oid blob;
};
MUST_CHECK int mail_pick(struct mail_pick **out, size_t *n, const struct mail_box *b,
	const uint32_t *uids, size_t uid_count);
void mail_pick_sort_identity(struct mail_pick *p, size_t n);

#endif
