/* SPDX-License-Identifier: ISC */
/*
 * The branchable store: git objects under refs, local records, derived rows; one disk.
 *
 *	err = store_format(disk);                                  once
 *	err = store_open(&s, disk, &driver);                       replays or rebuilds what is derived
 *
 *	struct store_edit *e;
 *	err = store_edit_begin(&e, s, STR("refs/heads/alice"), deadline);    takes the writer's turn
 *	err = store_edit_put_bytes(e, STR("INBOX/.mailbox"), text);          as often as you like
 *	err = store_edit_local_put(e, key, value);                           in the same commit group
 *	struct store_why why = { STR("alice"), STR("alice@example.org"), STR("imap: create INBOX"), 0 };
 *	err = store_edit_commit(&commit, e, &why);                           0: it is on stable storage
 *	(instead: store_edit_abort(e): as if it had never begun)
 *
 *	err = store_ref_get(&commit, s, STR("refs/heads/alice"));
 *	err = store_commit_get(&c, &arena, s, &commit);
 *	err = store_find(&entry, s, &c.tree, STR("INBOX/.mailbox"));
 *	err = store_blob_all(&bytes, &arena, s, &entry.oid, 65536);
 *
 * Three kinds of state, and nothing else:
 *  - branch data: git objects under refs; merged, restored, cloned;
 *  - local records: small durable keys of this endpoint alone (store_local_*), in the same group as
 *    the change they belong to; never merged or restored;
 *  - derived rows (store_row_*): written only by the driver's derive(), rebuilt from the branch and
 *    the local records at any time.
 *
 * Concurrency: edits take turns (a fiber lock held from begin to commit or abort; between the two
 * call nothing that BLOCKS but store_* itself). Edits that wait for the same flush become durable
 * together. Reads outside an edit see the last durable group, take no lock, do not switch fibers and so
 * are atomic with respect to everything: no read is marked BLOCKS (a page may be fetched from disk).
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "os/disk.h"

#define STORE_KEY_MAX   400         /* bytes of a local or row key */
#define STORE_VALUE_MAX (64 * 1024) /* bytes of a local or row value */
#define STORE_PATH_MAX  4096
#define STORE_NAME_MAX  255        /* bytes of one path segment */
#define STORE_DEPTH_MAX 64         /* path segments */
#define STORE_BLOB_MAX  (1u << 30) /* bytes of one blob */

struct store;
struct store_oid {
	uint8_t b[20];
};
#define STORE_HEX 41
static inline bool store_oid_eq(const struct store_oid *a, const struct store_oid *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}
const char *store_oid_hex(char out[static STORE_HEX], const struct store_oid *id);
MUST_CHECK int store_oid_parse(struct store_oid *out, struct str hex); /* 40 digits */

/* ---- the driver: how a service derives its rows ---- */
struct store_derive;
struct store_edit;
struct store_why;
struct store_driver {
	const char *name;
	uint32_t version; /* another number than on the disk: all rows are derived again */
	/*
	 * Called inside the group that moves `ref` from old_tree to new_tree (old NULL: from
	 * nothing; new NULL: deleted) and again on rebuild from nothing. Reads trees, blobs, local
	 * records; writes rows and local records through `d`. Must give the same rows for the same
	 * local records. Does not BLOCK.
	 */
	int (*derive)(void *ctx, struct store_derive *d, struct str ref,
		const struct store_oid *old_tree, const struct store_oid *new_tree);
	void *ctx;
	/*
	 * The three-way merge of one branch's trees: `e` stands at one side's tree; change it to the
	 * merge with `theirs`. `base` NULL: none is known. The result must not depend on which side
	 * is which, never fails for what the trees hold, and loses no edit (keep both, visibly).
	 * Reads through `e` and its store alone; `notes` takes a line for every decision a person
	 * should see. NULL: sides that changed different paths are joined, else both are kept.
	 */
	int (*merge)(void *ctx, struct store_edit *e, struct str ref, const struct store_oid *base,
		const struct store_oid *theirs, struct buf *notes);
	uint32_t merge_version; /* of the rules; named in the merge commit */
};
struct store *store_edit_store(struct store_edit *e); /* for tree and blob reads */
struct store *store_derive_store(
	struct store_derive *d);                   /* for tree and blob reads: they see the group */
uint64_t store_derive_seq(struct store_derive *d); /* this group's number */
MUST_CHECK int store_derive_local_get(
	struct str *out, struct store_derive *d, struct str key); /* borrowed until the next call */
MUST_CHECK int store_derive_local_put(struct store_derive *d, struct str key, struct str value);
MUST_CHECK int store_derive_local_del(struct store_derive *d, struct str key);
MUST_CHECK int store_derive_row_get(
	struct str *out, struct store_derive *d, struct str key); /* borrowed until the next call */
MUST_CHECK int store_derive_row_put(struct store_derive *d, struct str key, struct str value);
MUST_CHECK int store_derive_row_del(struct store_derive *d, struct str key);

/* ---- open and close ---- */
/* Writes superblocks and an empty store over whatever was there. BLOCKS. */
MUST_CHECK int store_format(struct os_disk *d);
/*
 * ERR_CORRUPT / ERR_UNSUPPORTED (another version) say what was found. With a damaged or unreadable log
 * it opens to be read alone: store_stats says why, edits are refused with ERR_CORRUPT. Borrows the disk
 * and the driver until store_close. `driver` may be NULL (no rows; for tools). BLOCKS.
 */
MUST_CHECK int store_open(struct store **out, struct os_disk *d, const struct store_driver *driver);
void store_close(struct store *s); /* waits for edits under way. BLOCKS */
uint64_t store_seq(
	const struct store *s); /* number of the last durable group; starts at seconds << 20 */

struct store_stats {
	uint64_t seq, groups, edits, flushes; /* since open */
	uint64_t index_rebuilds;              /* likewise: opening found it lost or damaged */
	bool index_damaged;                   /* seen since: the next open makes it again */
	const char *read_only;                /* why nothing is written any more; NULL: it is */
	uint64_t used_bytes, size_bytes;
	uint64_t map_faults, map_evictions;
};
void store_stats(struct store_stats *out, struct store *s);

/* ---- refs and commits ---- */
MUST_CHECK int store_ref_get(
	struct store_oid *out, struct store *s, struct str ref);                     /* ERR_NOENT */
typedef int store_ref_fn(void *ctx, struct str ref, const struct store_oid *commit); /* < 0 stops */
MUST_CHECK int store_ref_list(struct store *s, struct str prefix, store_ref_fn *fn, void *ctx);

/*
 * Moves several refs, all of them or none, in one group. `from` NULL: the ref must not exist;
 * `to` NULL: it is deleted. `to` is a commit whose objects are all here (store/exchange.h).
 * ERR_CONFLICT names a ref that does not stand at `from`. The driver derives as for an edit. BLOCKS.
 */
struct store_ref_move {
	struct str ref;
	const struct store_oid *from, *to;
};
MUST_CHECK int store_ref_update(struct store *s, const struct store_ref_move *moves, size_t count,
	const struct store_why *why, os_time deadline);
/* What this endpoint recorded of a ref's moves, newest first; `from` or `to` NULL: made, deleted. */
struct store_ref_record {
	uint64_t seq;                      /* group */
	int64_t time;                      /* Unix seconds, this endpoint's clock */
	const struct store_oid *from, *to; /* borrowed during the call */
	struct str who;                    /* store_why.name of the first edit */
};
typedef int store_ref_record_fn(
	void *ctx, const struct store_ref_record *r); /* < 0 stops and is returned */
MUST_CHECK int store_ref_log(struct store *s, struct str ref, store_ref_record_fn *fn, void *ctx);
/* Where the ref stood at `time`, by those records, not by the dates of commits; ERR_NOENT: it was
 * not there yet, or what it was is no longer kept; the sentence says which. */
MUST_CHECK int store_ref_at(struct store_oid *out, struct store *s, struct str ref, int64_t time);

struct store_commit {
	struct store_oid id, tree, parents[8];
	unsigned parent_count;
	struct str author_name, author_email, message;
	int64_t time; /* Unix seconds */
};
MUST_CHECK int store_commit_get(
	struct store_commit *out, struct arena *a, struct store *s, const struct store_oid *id);
/* Full or unambiguous abbreviated (>= 4 digits) commit id, or a ref (refs/ or refs/heads/ may be left
 * out), each with ~N: the commit meant. ERR_CONFLICT: the digits begin several commits. */
MUST_CHECK int store_resolve(struct store_oid *out, struct store *s, struct str text);

/* ---- trees ---- */
enum store_kind { STORE_BLOB, STORE_TREE };
struct store_entry {
	struct store_oid oid;
	enum store_kind kind;
};
/* The entry at `path` ("" is the tree itself); ERR_NOENT. An object id is also found before it is
 * durable: a finished spool, or what the edit under way has put. */
MUST_CHECK int store_find(
	struct store_entry *out, struct store *s, const struct store_oid *tree, struct str path);
typedef int store_list_fn(
	void *ctx, struct str name, const struct store_entry *e); /* < 0 stops and is returned */
/* Entries of one folder in git's order, those after the name `after` (STR_NONE: all). */
MUST_CHECK int store_list(struct store *s, const struct store_oid *tree, struct str after,
	store_list_fn *fn, void *ctx);

/* Blobs that differ between two trees (NULL: the empty tree); descends only where oids differ. */
struct store_change {
	struct str path;                        /* borrowed during the call */
	const struct store_oid *before, *after; /* NULL: added / removed */
};
typedef int store_diff_fn(void *ctx, const struct store_change *c); /* < 0 stops and is returned */
MUST_CHECK int store_diff(struct store *s, const struct store_oid *old_tree,
	const struct store_oid *new_tree, struct str under, store_diff_fn *fn, void *ctx);

/* ---- blobs ---- */
MUST_CHECK int store_blob_size(uint64_t *size_bytes, struct store *s, const struct store_oid *id);
/* The whole blob in the arena; ERR_LIMIT over `max`. */
MUST_CHECK int store_blob_all(
	struct str *out, struct arena *a, struct store *s, const struct store_oid *id, size_t max);
/* Part of a blob, any size in bounded memory: *n bytes from `offset`, less than `cap` only at the end.
 * ERR_CORRUPT when the bytes do not add up (checksums; verify compares ids as well). */
MUST_CHECK int store_blob_read(size_t *n, struct store *s, const struct store_oid *id,
	uint64_t offset, void *p, size_t cap);

/* The id a blob of `size` bytes has, which `more` gives part by part; nothing is kept. */
typedef int store_more_fn(void *ctx, struct str *part);
MUST_CHECK int store_blob_id(struct store_oid *out, uint64_t size, store_more_fn *more, void *ctx);

/* A blob of unknown length, spooled to disk as it comes. Not durable, and swept, until an edit puts
 * it in a tree. */
struct store_spool;
MUST_CHECK int store_spool_begin(struct store_spool **out, struct store *s);
MUST_CHECK int store_spool_write(
	struct store_spool *w, struct str bytes); /* BLOCKS; ERR_LIMIT, ERR_NOSPACE */
/* BLOCKS. Hashes it; ends the spool whatever the result. */
MUST_CHECK int store_spool_finish(
	struct store_oid *id, uint64_t *size_bytes, struct store_spool *w);
void store_spool_abort(struct store_spool *w); /* BLOCKS */

/* ---- edits ---- */
struct store_why {
	struct str name, email, message; /* author, and subject [+ body] of the commit */
	int64_t time;                    /* Unix seconds; 0: now */
};
/* BLOCKS for its turn, and a while for room a sweep gives back. The first commit makes the ref. */
MUST_CHECK int store_edit_begin(
	struct store_edit **out, struct store *s, struct str ref, os_time deadline);
/* To delete, on a full disk as well: may use the room kept for this, and waits for none. BLOCKS. */
MUST_CHECK int store_edit_begin_reserved(
	struct store_edit **out, struct store *s, struct str ref, os_time deadline);
/* Reading through the edit: its own changes and those of edits before it. */
MUST_CHECK int store_edit_find(struct store_entry *out, struct store_edit *e, struct str path);
MUST_CHECK int store_edit_list(struct store_edit *e, struct str path, store_list_fn *fn, void *ctx);
MUST_CHECK int store_edit_bytes(
	struct str *out, struct arena *a, struct store_edit *e, struct str path, size_t max);
/* Changing. Missing folders are made; folders left empty go. ERR_BAD names a path git forbids,
 * ERR_EXIST: a file stands where a folder is wanted, or the reverse; ERR_LIMIT: over 16 MiB in one
 * edit. A blob over 64 KiB goes to disk at once (BLOCKS), not durably before the commit. */
MUST_CHECK int store_edit_put(struct store_edit *e, struct str path,
	const struct store_oid *blob_or_tree, enum store_kind kind);
MUST_CHECK int store_edit_put_bytes(struct store_edit *e, struct str path, struct str bytes);
MUST_CHECK int store_edit_del(
	struct store_edit *e, struct str path); /* a blob or a whole folder; ERR_NOENT */
/* Local records of the same group. `get` sees the group's puts; the result is borrowed until the
 * next store call. */
MUST_CHECK int store_edit_local_get(struct str *out, struct store_edit *e, struct str key);
/* A row as the edits before this one leave it, durable or not; ERR_NOENT, borrowed likewise. */
MUST_CHECK int store_edit_row_get(struct str *out, struct store_edit *e, struct str key);
MUST_CHECK int store_edit_local_put(struct store_edit *e, struct str key, struct str value);
MUST_CHECK int store_edit_local_del(struct store_edit *e, struct str key); /* absent is fine */
/*
 * BLOCKS until the group is on stable storage; frees the edit in every case. An error means that
 * nothing of this edit is visible nor will be, except ERR_IO: the disk failed, the store now
 * refuses every further edit and what became of this one is known after reopening. `commit` may be
 * NULL. An edit that changed no tree makes no commit (*commit is the head); its local records are
 * written all the same.
 */
MUST_CHECK int store_edit_commit(
	struct store_oid *commit, struct store_edit *e, const struct store_why *why);
void store_edit_abort(struct store_edit *e);

/* ---- local records and rows, read outside an edit ---- */
MUST_CHECK int store_local_get(
	struct str *out, struct arena *a, struct store *s, struct str key); /* ERR_NOENT */
MUST_CHECK int store_row_get(
	struct str *out, struct arena *a, struct store *s, struct str key); /* ERR_NOENT */
/* In key order, keys starting with `prefix` and >= `from` (STR_NONE: all); < 0 from fn stops and is
 * returned. fn may BLOCK or write; what it was given is then no longer valid. */
typedef int store_kv_fn(
	void *ctx, struct str key, struct str value); /* both borrowed during the call */
MUST_CHECK int store_local_scan(
	struct store *s, struct str prefix, struct str from, store_kv_fn *fn, void *ctx);
MUST_CHECK int store_row_scan(
	struct store *s, struct str prefix, struct str from, store_kv_fn *fn, void *ctx);

/* ---- history ---- */
/*
 * Commits from `from` backwards by first parent, newest first; with a path, only those that changed
 * what stands there. Ends when fn returns < 0 (returned, except ERR_CLOSED: taken as "enough", 0).
 * BLOCKS (yields now and then; fn may BLOCK as well).
 */
typedef int store_log_fn(void *ctx, const struct store_commit *c);
MUST_CHECK int store_log(struct store *s, const struct store_oid *from, struct str path,
	store_log_fn *fn, void *ctx);

/* Called, in the committing fiber, after a group that moved `ref` is durable. Must not BLOCK. */
typedef void store_watch_fn(void *ctx, struct str ref, const struct store_oid *commit);
MUST_CHECK int store_watch(struct store *s, store_watch_fn *fn, void *ctx);
void store_unwatch(struct store *s, store_watch_fn *fn, void *ctx); /* absent is fine */

/* ---- merge ---- */
enum store_merged { STORE_MERGED_NOTHING, STORE_MERGED_FORWARD, STORE_MERGED_COMMIT };
/*
 * Brings `from` into the branch `into`: nothing when it is there already, a fast-forward when it
 * can be, else a merge commit with both parents, fixed by its inputs alone: two endpoints merging
 * the same two commits make the same commit. `commit` may be NULL. BLOCKS.
 */
MUST_CHECK int store_merge(enum store_merged *how, struct store_oid *commit, struct store *s,
	struct str into, const struct store_oid *from, os_time deadline);
/*
 * For drivers: merges what stands at `under` ("": everything) path by path, with `theirs`, a whole
 * tree as `base` is. Changes on one side are taken; an edit beats a deletion; two edits of one file
 * are both kept, one beside the other as "name (conflict 1234567).ext". `notes` may be NULL.
 */
MUST_CHECK int store_edit_merge_paths(struct store_edit *e, struct str under,
	const struct store_oid *base, const struct store_oid *theirs, struct buf *notes);
/* The best common ancestors of two commits, at most `cap`; *n 0: none is known here. BLOCKS. */
MUST_CHECK int store_merge_base(struct store_oid *out, size_t *n, size_t cap, struct store *s,
	const struct store_oid *a, const struct store_oid *b);

#endif
