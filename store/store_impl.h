/* SPDX-License-Identifier: ISC */
/*
 * Inside the store. The way of a change:
 *
 *	edit (edit.c)      one fiber at a time: a lazy tree (node.c), new objects, changed records
 *	  -> group         edits that become durable together (group.c), in memory only
 *	  -> log           written with one flush by whichever edit's turn comes first (log_impl.h)
 *	  -> index         in memory at once, on disk a batch at a time (index.c, kv_impl.h)
 *
 * and of a read: the edit under way, the group, finished small spools, then the index for the place
 * and the log for the bytes.
 */
#ifndef STORE_STORE_IMPL_H
#define STORE_STORE_IMPL_H

#include "store/exchange.h"
#include "store/keep.h"
#include "store/log_impl.h"
#include "store/overlay_impl.h"

#define ZLIB_CONST
#include <libdeflate.h>
#include <zlib.h>

#define STORE_VERSION 3                   /* also of what the services keep: docs/mail-layout.md */
#define FRAME_BYTES   (64 * 1024)         /* larger objects are kept in such frames */
#define GROUP_BYTES   (1024 * 1024)       /* a group that holds more is written at once */
#define LOOSE_BYTES   (1024 * 1024)       /* finished small spools kept in memory */
#define EDIT_BYTES    (16 * 1024 * 1024)  /* memory of one edit */
#define DERIVE_BYTES  (256 * 1024 * 1024) /* ... and of what follows from one move, at most */
#define OBJECT_BYTES  (64 * 1024 * 1024)  /* a tree, commit or tag */
#define REF_MAX       255
#define WARM_BYTES    (128 * 1024) /* of folders kept for the next edit */
#define SCRATCH_BYTES (FRAME_BYTES + 1024)
#define RECORD_BYTES  (SCRATCH_BYTES + 64) /* of the log, for an object or frame */

enum { OBJ_COMMIT = 1, OBJ_TREE, OBJ_BLOB, OBJ_TAG };
#define MODE_TREE 040000u
#define MODE_MAX  0177777u /* of git */
#define MODE_BLOB 0100644u

/* ---- oid.c ---- */
struct sha1 {
	_Alignas(16) uint8_t room[4096];
};
void sha1_init(struct sha1 *h);
void sha1_init_plain(struct sha1 *h); /* a check sum: collisions do not matter */
void sha1_add(struct sha1 *h, struct str s);
MUST_CHECK int sha1_end(struct store_oid *out, struct sha1 *h);
void sha1_object(struct sha1 *h, int type, uint64_t n); /* begins with git's header */
MUST_CHECK int oid_of(struct store_oid *out, struct store *s, int type, struct str bytes);
const char *obj_type_name(int type);
int hex_digit(char c); /* -1: not one */
static inline struct str oid_str(const struct store_oid *id)
{
	return str_n(id->b, sizeof(id->b));
}
static inline bool oid_opt_eq(const struct store_oid *a, const struct store_oid *b)
{
	return a && b ? store_oid_eq(a, b) : a == b;
}

/* ---- super.c: how the disk is divided ---- */
#define EXTENTS_MAX KV_EXTENTS
struct super {
	uint32_t version;
	uint8_t uuid[16];
	uint64_t generation;
	uint32_t unit_bytes, units;
	unsigned extent_count;
	struct extent { /* of the index, in its order */
		uint32_t unit, units;
	} extents[EXTENTS_MAX];
};
#define SUPER_BYTES 512
#define UNITS_AT    (64 * 1024)  /* unit 0 */
#define INDEX_LEAST (256 * 1024) /* bytes it is given first; it grows */
#define INDEX_MOST  (64 * 1024 * 1024)
void super_pack(uint8_t out[static SUPER_BYTES], const struct super *u);
MUST_CHECK int super_parse(struct super *out, const uint8_t in[static SUPER_BYTES]);
MUST_CHECK int super_load(struct super *out, struct os_disk *d); /* BLOCKS */
/* Both copies, one after the other, as the next generation. BLOCKS. */
MUST_CHECK int super_save(struct super *u, struct os_disk *d);
void super_geometry(struct log_geometry *out, const struct super *u);

/* ---- the store itself ---- */
struct gref { /* one ref moved by a group */
	struct gref *next;
	struct str name;
	bool has_head, has_base, has_tree;
	struct store_oid head;       /* before the group */
	struct store_oid base, tree; /* before the group; after the edits so far */
	struct why *whys, **whys_end;
	unsigned count;  /* of whys */
	bool fixed;      /* goes to `commit`, or is deleted; no commit is made of the edits */
	bool moved;      /* once written: `head` and `commit` differ */
	bool has_commit; /* once written, or fixed */
	struct store_oid commit; /* the ref's value afterwards */
};

struct group {
	unsigned refs;
	uint64_t seq;
	struct omap objs;    /* kept if a ref reaches them */
	struct omap pending; /* written in any case */
	struct omap adopted; /* of what was pending (pending.c): refs reach it then */
	struct changes kv;
	struct gref *grefs;
	unsigned edits;
	bool led; /* an edit of it queues for the flush */
	bool done;
	int err;
	struct os_waitq wait;
};

struct watch {
	struct watch *next;
	store_watch_fn *fn;
	void *ctx;
};

struct spooling { /* of a spool, or another large blob in the making */
	struct spooling *next;
	uint64_t content; /* 0: still in memory */
};

struct sweep;
struct store {
	const struct store_driver *driver;
	struct os_disk *disk;
	struct super super;
	struct unit *units; /* super.units of them */
	struct log *log;
	struct kv *kv;
	uint64_t seq, forwarded;  /* the last durable group; the last that the index alone knows */
	uint64_t forwarded_bytes; /* of log before that */
	bool index_full;          /* the last try found no room */

	struct os_mutex turn;
	struct store_edit *edit; /* whose turn it is, if it is an edit's */
	struct store_edit *detached;
	struct warm { /* folders of the last edit, for the next one that stands where it ended */
		struct node *root; /* NULL: none */
		struct store_oid tree;
		size_t bytes;
	} warm;
	struct group *group; /* open, or being written */
	unsigned users;      /* edits, spools and walks not yet ended */
	struct os_waitq idle;
	bool closing, failed; /* failed: nothing is written any more, */
	int fail_err;         /* for this reason */
	char fail_text[256];
	bool rebuilding; /* rows may be written piecemeal: they count only when complete */
	bool rows_stale; /* no driver, but rows on the disk: the first edit marks them so */

	struct omap loose; /* finished small spools */
	struct obj *loose_first, **loose_end;
	struct omap pending;   /* ids only: objects no ref reaches yet, on disk or in the group */
	uint64_t next_content; /* id of the next large blob */

	struct libdeflate_compressor *compressor; /* of objects kept whole */
	z_stream deflate, inflate;                /* of frames, of all; raw, one call at a time */
	uint8_t *scratch;                         /* SCRATCH_BYTES */
	uint8_t *record; /* RECORD_BYTES: a frame as read; NULL until used */
	struct sha1 sha;
	uint64_t frame_content; /* the frame last read, whole */
	uint32_t frame_n;
	uint32_t frame_len;
	uint8_t *frame; /* FRAME_BYTES; NULL until used */

	struct spooling *spools;
	bool sweeping;
	struct sweep *sweep;              /* once settled (sweep_impl.h) */
	unsigned walks[2], turn_of_walks; /* see history_begin */
	struct os_waitq walked;
	bool keeper; /* its fiber runs (keeper.c) */
	struct os_waitq keeper_wake;
	os_time keeper_rests; /* until then: its last sweep failed */
	struct os_waitq room; /* a sweep gave some back, or ended */
	uint64_t
		swept_at; /* generation of the log when the last sweep ended; 0: something changed */
	int64_t ahead_sec; /* tests: horizons are reckoned from a later day */

	struct store_stats stats;
	struct watch *watches;
	struct store_receive *receives; /* under way (receive_impl.h: receive_each) */
};

/* From now on nothing is written. */
void store_fail(struct store *s, int err, const char *text);
/* While opening: the log is damaged, as the current sentence says, and what is sound can be read. */
void store_read_only(struct store *s, int err);
/* Takes the writer's turn: ERR_IO after a failed flush, ERR_CLOSED while closing. BLOCKS. */
MUST_CHECK int store_turn(struct store *s, os_time deadline);
void store_turn_end(struct store *s);
void store_user_add(struct store *s);
void store_user_del(struct store *s);

/*
 * Around a walk over history that lasts: a sweep waits for those that began before it moved the
 * boundary. Give history_end what history_begin returned.
 */
unsigned history_begin(struct store *s);
void history_end(struct store *s, unsigned walk);

/* ---- group.c ---- */
MUST_CHECK int group_open(struct group **out, struct store *s); /* the one being filled */
void group_unref(struct group *g);
struct gref *group_ref(struct group *g, struct str name);
MUST_CHECK int group_ref_add(struct gref **out, struct store *s, struct group *g, struct str name);
/* In a group of its own: goes to `to` (NULL: is deleted) as it is. Takes `w` over. */
void gref_fix(
	struct gref *r, const struct store_oid *to, const struct store_oid *tree, struct why *w);
size_t group_bytes(const struct group *g);
/* Writes s->group, if any; holding the turn. The result is in group->err. BLOCKS. */
void group_write(struct store *s);
MUST_CHECK int group_flush(struct store *s);
MUST_CHECK int flush_if_big(struct store *s); /* holding the turn. BLOCKS */
/* Waits until g, to which the caller added while it held the turn, is written; ends the turn.
 * BLOCKS. */
MUST_CHECK int group_wait(struct store *s, struct group *g);
/* ERR_NOSPACE when `bytes` more leave less than the reserve; smaller limit for deletes. */
MUST_CHECK int space_check(struct store *s, size_t bytes, bool grows);
bool space_presses(const struct store *s); /* horizons may move towards their least */
/* Nobody is refused for want of room that the keeper's sweep is about to give back. Not holding the
 * turn. BLOCKS, for a while. */
void space_wait(struct store *s, os_time deadline);

/* ---- index.c: the index follows the log ---- */
MUST_CHECK int index_format(struct os_disk *d, const struct super *u); /* and the log. BLOCKS */
/* Opens both and brings the index forward to the log's end. BLOCKS. */
MUST_CHECK int index_open(struct store *s);
/* Closes log and index, and makes the index again. BLOCKS. */
MUST_CHECK int index_again(struct store *s);
/* The next open finds no index, and makes it again. BLOCKS. */
void index_lose(struct store *s);
/* What the index must know to go on from here: the log's position, the units. Visible with the next
 * batch. */
MUST_CHECK int index_note(struct store *s);
/* The tail to LMDB, durably. Holding the turn. BLOCKS. */
MUST_CHECK int index_forward(struct store *s);
bool index_wants(const struct store *s); /* it is time to */
/* Parts of opening, for a rebuild: LMDB alone; an empty one; the index's own units. */
MUST_CHECK int index_start(struct store *s);
MUST_CHECK int index_empty(struct os_disk *d, const struct super *u);
void index_units(struct store *s);
/* What a record of the log means for the index. */
MUST_CHECK int record_index(struct changes *out, const struct log_record *r);

/* ---- rebuild.c ---- */
/* A new index from the log alone, in place of a lost or damaged one. BLOCKS. */
MUST_CHECK int index_rebuild(struct store *s);
/* It found again what sweeps had forgotten, and nobody has forgotten it since. */
#define KEY_GARBAGE STR("mgarbage")

/* ---- checkpoint.c ---- */
/* Puts everything of KV_SYS and KV_LOCAL into the log once more, a bit at a time: then units from
 * before (*from: the generation it began in) hold nothing that is needed but objects. BLOCKS. */
MUST_CHECK int checkpoint_write(uint64_t *from, struct store *s);
bool checkpoint_wants(enum kv_table t, struct str key); /* not of the index's own making */

/* ---- ref.c ---- */
struct ref_value {
	struct store_oid commit, tree;
};
MUST_CHECK int ref_read(struct ref_value *out, struct store *s, struct str name); /* durable */
MUST_CHECK int ref_name_check(struct str name);
struct str sys_key(char *room, char letter, struct str rest); /* room: 1 + rest.n bytes */

/* ---- ref_log.c ---- */
MUST_CHECK int ref_record_add(struct changes *out, uint64_t seq, const struct gref *r);
/* All of them, ref by ref, newest first; also of refs that are no more. < 0 stops. */
typedef int ref_record_fn(
	void *ctx, struct str ref, struct str key, const struct store_ref_record *r);
MUST_CHECK int ref_record_each(struct store *s, ref_record_fn *fn, void *ctx);

/* ---- ref_update.c ---- */
/* store_ref_update, holding the turn; the group takes what `with` (may be NULL) made. BLOCKS. */
MUST_CHECK int refs_move(struct store *s, const struct store_ref_move *moves, size_t count,
	const struct store_why *why, struct store_edit *with);

/* ---- object.c: bytes of one object ---- */
struct view {
	const uint8_t *p;
	size_t n;
	int type;
	void *heap;      /* freed by view_end */
	struct obj *obj; /* released by view_end */
};
/* `type` 0: any; another type is ERR_BAD. ERR_LIMIT over `max`. */
MUST_CHECK int view_open(
	struct view *v, struct store *s, const struct store_oid *id, int type, size_t max);
void view_end(struct view *v);
struct head { /* of an object, however it is kept */
	int type;
	uint64_t size;
	struct obj *obj;    /* in memory, borrowed */
	int form;           /* FORM_*, when on disk */
	uint64_t content;   /* FORM_FRAMES */
	struct place place; /* of its record in the log; none yet in a group's changes */
};
enum { FORM_WHOLE, FORM_FRAMES };
MUST_CHECK int head_get(struct head *out, struct store *s, const struct store_oid *id);
MUST_CHECK int head_parse(struct head *out, struct str value); /* ERR_CORRUPT */
/* As the index knows it, without what is in memory only. ERR_NOENT, also when it is being swept. */
MUST_CHECK int object_stored(struct head *out, struct store *s, const struct store_oid *id);
/* KV_OBJ's value. */
#define OBJECT_VALUE_MAX 40
struct str object_value(char out[static OBJECT_VALUE_MAX], const struct head *h);
/* The zlib stream of an object kept whole (FORM_WHOLE), read into `room` of h->place.n bytes. */
MUST_CHECK int object_raw(struct str *zlib_stream, struct store *s, const struct store_oid *id,
	const struct head *h, uint8_t *room);
/* Adds to the sentence which object it was. */
MUST_CHECK int object_fail(int err, const struct store_oid *id);
/* The object into the log's open group unless it is there, and its places into `out`. */
MUST_CHECK int object_write(struct store *s, struct changes *out, const struct obj *o);
/* In edit, group or loose; borrowed; NULL. */
struct obj *object_fresh(struct store *s, const struct store_oid *id);

/* ---- frame.c: large blobs ---- */
#define FRAME_KEY 12
struct str frame_key(char out[static FRAME_KEY], uint64_t content, uint32_t n);
static inline uint32_t frame_number(struct str key)
{
	const uint8_t *p = (const uint8_t *)key.p + 8;
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
/* Compresses one frame into s->scratch. */
void frame_pack(struct str *out, struct store *s, struct str bytes);
/* A compressed frame into the log's open group, its place into `out`. */
MUST_CHECK int frame_log(
	struct store *s, struct changes *out, uint64_t content, uint32_t n, struct str kept);
/* Compresses one frame and keeps it, as it is, in a group's changes. */
MUST_CHECK int frame_put(
	struct store *s, struct changes *out, uint64_t content, uint32_t n, struct str bytes);
/* The frame as kept: adler32 (4 bytes, little-endian), raw deflate ending in a full flush. */
MUST_CHECK int frame_raw(struct str *out, struct store *s, uint64_t content, uint32_t n);
/* Inflated into s->frame, `len` bytes expected. */
MUST_CHECK int frame_load(struct store *s, uint64_t content, uint32_t n, uint32_t len);
MUST_CHECK int inflate_whole(z_stream *z, uint8_t *out, size_t n, struct str raw, bool last);
uint32_t load_le32(const char *p);
uint64_t load_be64(const char *p);
void store_be64(char *p, uint64_t v);

/* ---- pending.c: objects that no ref reaches yet ---- */
MUST_CHECK int pending_content_abort(struct group *g, uint64_t content, uint32_t frames);
MUST_CHECK int pending_content_end(struct store *s, struct group *g, uint64_t content,
	uint64_t size, const struct store_oid *id);
/* No sweep takes it until an edit has put it somewhere. */
MUST_CHECK int pending_note(struct store *s, const struct store_oid *id);
/* Keep a small object although no ref reaches it. */
MUST_CHECK int pending_add(struct store *s, struct group *g, struct obj *o);
/* An edit put `id` into a tree: no longer pending once its group is durable. */
MUST_CHECK int pending_adopt(struct store *s, struct omap *adopted, const struct store_oid *id);
void pending_forget(struct store *s, const struct omap *adopted);
MUST_CHECK int pending_open(struct store *s);
/* Keep an object of any type and size although no ref reaches it, unless it is there already. */
MUST_CHECK int pending_take(struct store *s, struct group *g, struct obj *o);
MUST_CHECK int loose_add(struct store *s, struct obj *o);
void loose_del(struct store *s, const struct store_oid *id);
void loose_free(struct store *s);

/* ---- take.c: objects of another repository ---- */
/*
 * Objects that come one after another, kept though no ref reaches them yet: gathered in memory,
 * given to the open group a batch at a time. take_spooled: the same for a finished spool.
 */
struct taker {
	struct store *s;
	struct omap fresh; /* not yet in a group: take_get finds them, reads by id do not */
	struct group *in;  /* the last one that was given some */
};
MUST_CHECK int take_object(
	struct store_oid *id, struct taker *t, int type, struct str bytes); /* BLOCKS */
MUST_CHECK int take_spooled(struct taker *t, const struct store_oid *id);   /* BLOCKS */
struct obj *take_get(struct taker *t, const struct store_oid *id);          /* borrowed; NULL */
/* All of it is found by id, and becomes durable no later than any edit that follows. BLOCKS. */
MUST_CHECK int take_flush(struct taker *t);
void take_end(struct taker *t);

/* ---- spool.c ---- */
/* The open group in *out; ERR when *in, where parts of the same went before, was lost. */
MUST_CHECK int spool_group(struct group **out, struct group **in, struct store *s);

/* ---- tree.c ---- */
struct tent {
	struct str name;
	uint32_t mode;
	const uint8_t *id; /* 20 bytes */
	size_t at, n;      /* where the entry stands in the tree */
};
struct tcur {
	const uint8_t *p;
	size_t n, at;
};
/* A tree that a commit or another tree names: ERR_CORRUPT when it is missing. */
MUST_CHECK int tree_open(struct view *v, struct store *s, const struct store_oid *id);
/* ERR_NOENT at the end; ERR_CORRUPT. */
MUST_CHECK int tree_next(struct tent *out, struct tcur *c);
MUST_CHECK int tree_list(struct str raw, struct str after, store_list_fn *fn, void *ctx);
MUST_CHECK int tree_get(struct tent *out, struct str raw, struct str name);
/* Git's order: a folder sorts as if its name ended in a slash. */
int tree_cmp(struct str a, bool a_folder, struct str b, bool b_folder);
static inline bool mode_folder(uint32_t mode)
{
	return mode == MODE_TREE;
}
void tent_entry(struct store_entry *out, const struct tent *t);
/* Next segment of a path; ERR_NOENT at its end; ERR_BAD for one git forbids. */
MUST_CHECK int path_next(struct str *seg, struct str *rest);
MUST_CHECK int path_check(struct str path);
MUST_CHECK int name_check(struct str name);

/* ---- node.c: folders being changed ---- */
struct node;
MUST_CHECK int node_load(struct node **out, struct store_edit *e, const struct store_oid *tree);
void node_free(struct node *n);
/* The folder `path` leads to; `make`: missing ones are made, else ERR_NOENT. */
MUST_CHECK int node_walk(
	struct node **out, struct store_edit *e, struct node *root, struct str path, bool make);
/* The entry called `name`, written first if it is a changed folder; ERR_NOENT. */
MUST_CHECK int node_get(struct tent *out, struct store_edit *e, struct node *n, struct str name);
MUST_CHECK int node_set(struct store_edit *e, struct node *n, struct str name, uint32_t mode,
	const struct store_oid *id);
MUST_CHECK int node_del(struct store_edit *e, struct node *n, struct str name); /* ERR_NOENT */
/* Makes objects of everything changed below; *empty when nothing is left in it. */
MUST_CHECK int node_write(struct store_oid *id, bool *empty, struct store_edit *e, struct node *n);
struct str node_raw(const struct node *n); /* after node_write */

/* ---- edit.c ---- */
struct store_edit {
	struct store *s;
	struct str ref;
	bool has_base;
	struct store_oid base; /* tree: the edits before this one included */
	struct node *root;
	struct omap objs;
	struct omap adopted; /* of what was pending */
	struct changes kv;
	size_t node_bytes, warm_bytes; /* of folders; of those it was given to begin with */
	bool grows;                    /* puts blobs */
	bool use_reserve;              /* all the same */
	struct group *in;              /* a group this edit already gave large blobs to */
	struct store_edit *next;       /* of the detached */
	bool turnless;                 /* its fiber does not hold the turn */
	char name[REF_MAX + 1];
};
/* Not an edit of the branch (merge.c): it can't be committed, only given to a group. */
MUST_CHECK int edit_detach(struct store_edit **out, struct store *s, struct str ref,
	const struct store_oid *tree, bool turnless);
void edit_detached_end(struct store_edit *e);
/* As if nothing had been changed in `tree`, NULL: in nothing; what was made is kept. */
MUST_CHECK int edit_stand_at(struct store_edit *e, const struct store_oid *tree);
/* Everything it made and changed; on failure nothing of it will be written. */
MUST_CHECK int edit_give(struct group *g, struct store_edit *e);
/* A blob over one frame: straight to the group, which may be written at once. BLOCKS. */
MUST_CHECK int content_whole(struct store_oid *id, struct store_edit *e, struct str bytes);
MUST_CHECK int kv_check(struct str key, struct str value);
MUST_CHECK int edit_new_object(
	struct store_oid *id, struct store_edit *e, int type, struct str bytes);
size_t edit_bytes(const struct store_edit *e);

/* ---- derive.c ---- */
struct store_derive {
	struct store *s;
	struct changes *kv; /* where changes go */
	uint64_t seq;
	struct scratch *verify; /* not NULL: compare instead of writing (verify.c) */
	uint64_t most;          /* bytes of `kv`; 0: not asked yet */
	int err;                /* sticky: a driver that ignores a failure still fails */
};
/* Rows and records that follow from a ref's move go into `kv`. */
MUST_CHECK int derive_move(struct store *s, struct changes *kv, uint64_t seq, struct str ref,
	const struct store_oid *old_tree, const struct store_oid *new_tree);
MUST_CHECK int derive_open(struct store *s); /* rebuilds the rows if need be. BLOCKS */
MUST_CHECK int changes_view(struct str *out, struct store *s, const struct changes *kv,
	enum kv_table t, struct str key);

/* ---- commit.c ---- */
MUST_CHECK int commit_text(struct buf *b, const struct gref *r);
MUST_CHECK int merge_text(struct buf *b, const struct store_oid *tree,
	const struct store_oid parents[2], const struct store_why *why);
struct why {
	struct why *next;
	struct store_why w; /* the strings lie behind it */
};
struct why *why_new(const struct store_why *w); /* NULL: no memory */

/* ---- walk.c ---- */
MUST_CHECK int commit_tree(struct store_oid *out, struct store *s, const struct store_oid *commit);
MUST_CHECK int commit_parent(/* the first; ERR_NOENT, also on the shallow boundary */
	struct store_oid *out, struct store *s, const struct store_oid *commit);

/* ---- object_text.c: commits and tags, which are text ---- */
#define COMMIT_PARENTS 16
struct commit_fields { /* borrow from the text */
	struct store_oid tree, parents[COMMIT_PARENTS];
	size_t parent_count;
	struct str author_name, author_email, message;
	int64_t time; /* committer's */
};
/* As loosely as git reads it: ERR_CORRUPT; ERR_LIMIT with more parents. */
MUST_CHECK int commit_parse(struct commit_fields *out, struct str text);
/* The value of the next line, when it is called so: *rest is what follows it. */
bool text_field(struct str *value, struct str *rest, const char *name);
struct str person_trim(struct str s); /* a name or address without blanks and marks around it */
/* Is it an object of that type as git's own readers understand it? */
bool object_readable(int type, struct str bytes);

#endif
