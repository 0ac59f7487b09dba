/* SPDX-License-Identifier: ISC */
/*
 * The three-way merge of mail branches; the rules are at the end of docs/mail-layout.md.
 *	merge.c         the whole of it, .lanes, notes
 *	merge_folder.c  the folders that differ, and what pairs them
 *	merge_place.c   where each mailbox stands afterwards, under which name
 *	merge_file.c    .mailbox files
 *	merge_tree.c    files of three trees, descending only where all three differ
 *	merge_line.c    lines of leaves
 *	merge_stray.c   messages that one side moved and the other changed or moved as well
 *	merge_clash.c   two messages under one identity
 * Everything is decided by keys, names and ids, never by which side is "ours", so that both
 * endpoints come to the same tree.
 */
#ifndef SERVICES_MAIL_MERGE_IMPL_H
#define SERVICES_MAIL_MERGE_IMPL_H

#include "services/mail/mailbox_impl.h"

enum merge_side { BASE, OURS, THEIRS, SIDES };
static inline enum merge_side merge_other(enum merge_side s)
{
	return s == OURS ? THEIRS : OURS;
}

/* What stands at one path in the three trees. */
struct merge_trio {
	bool there[SIDES];
	struct store_entry at[SIDES];
};
bool mail_merge_same(const struct merge_trio *x, enum merge_side a, enum merge_side b);

/* Names in up to three folders, sorted bytewise, with what stands there. */
struct merge_item {
	size_t name_at, name_n;
	struct merge_trio x;
};
struct merge_items {
	struct merge_item *v;
	size_t n, cap;
	struct buf names;
	enum merge_side side; /* being read */
};
static inline struct str merge_item_name(const struct merge_items *l, const struct merge_item *it)
{
	return str_n(l->names.p + it->name_at, it->name_n);
}

/* A literal folder, and its mailbox on each side. */
struct merge_rec {
	bool there, has_file, first; /* first: no other folder of this side has its id before */
	struct merge_trio_entry {
		bool there;
		struct store_oid oid;
	} m, f; /* .m and .f */
	struct store_oid file_oid;
	struct mail_file file; /* texts in the arena */
	struct str file_text;
	struct str key;
};
struct merge_spot {
	struct str path, folder;
	size_t parent; /* spot, or NOWHERE for those of the root */
	bool pruned;   /* the same on all sides: stays as it is */
	struct merge_rec at[SIDES];
};
#define NOWHERE SIZE_MAX

/* What the spots of the sides with one key make: a mailbox, or a folder that leads to others. */
struct merge_node {
	struct str key;
	size_t spot[SIDES]; /* NOWHERE: not there */
	bool exists;        /* a mailbox, afterwards */
	bool vanishes;      /* was one on one side at least, and is none afterwards */
	struct str folder;  /* its last level on disk */
	size_t parent;      /* node or NOWHERE */
	unsigned depth;
	struct str path; /* afterwards; .p NULL: it has no folder on either side */
};

/* A file outside of .m, .f and .mailbox; or a folder that is none of ours, left to the store. */
struct merge_loose {
	struct str path;
	bool folder;
	struct merge_trio x; /* blobs */
};
/* A message that one side took out of a mailbox while the other changed its line or took it out. */
struct merge_stray {
	uint32_t lane, seq;
	size_t node;
	struct mail_line line[SIDES]; /* keywords in the arena */
	bool has[SIDES];
};
/* A line to be set in the result, or to be taken out. */
struct merge_fix {
	uint32_t lane, seq;
	size_t node;
	bool drop;
	struct mail_line line; /* keywords in the arena */
};
/* Without a base: on `side` alone, though the other side has known it. */
struct merge_doubt {
	uint32_t lane, seq;
	size_t node;
	enum merge_side side;
};
/* Two different messages under one identity: the one that has to take another. */
struct merge_clash {
	uint32_t lane, seq;
	size_t node;
	enum merge_side side;
	struct store_oid blob;
};

#define MERGE_STRAYS_MAX 65536
#define MERGE_NOTES_MAX  100
#define MERGE_DEPTH_MAX  16 /* folders in .m or .f; deeper ones are none of ours */

struct merge {
	struct store_edit *e;
	struct store *s;
	bool has_base;
	struct store_oid root[SIDES];
	struct str lanes[SIDES];
	struct arena arena; /* names, files, lines kept */
	struct merge_spot *spots;
	size_t spot_count, spot_cap;
	struct merge_node *nodes;
	size_t node_count, node_cap;
	struct merge_loose *loose;
	size_t loose_count, loose_cap;
	struct merge_stray *strays;
	size_t stray_count, stray_cap;
	struct merge_doubt *doubts;
	size_t doubt_count, doubt_cap;
	struct merge_clash *clashes;
	size_t clash_count, clash_cap;
	struct merge_clash *twins; /* places of identities that may be given to two messages */
	size_t twin_count, twin_cap;
	struct merge_fix *fixes;
	size_t fix_count, fix_cap;
	struct buf *notes;
	unsigned note_count, turns;
	/* of the walk under way */
	size_t node;
	bool dry;        /* look only */
	struct buf path; /* in the edit; what stands before `below` is the folder of .m or .f */
	size_t below;
	struct arena scratch; /* texts of one leaf */
	struct mail_leaf leaf[SIDES], merged;
	struct buf text;
};

/* One line for people. */
void mail_merge_note(struct merge *m, const char *fmt, ...) PRINTF(2, 3);
MUST_CHECK int mail_merge_dup(struct str *out, struct merge *m, struct str s);

/* ---- folders ---- */
MUST_CHECK int mail_merge_read(
	struct merge_items *out, struct merge *m, const struct merge_trio *folder);
void mail_merge_items_free(struct merge_items *l);
MUST_CHECK int mail_merge_folders(struct merge *m);
/* By key; NOWHERE when there is none. */
size_t mail_merge_node(const struct merge *m, struct str key);
static inline const struct merge_rec *merge_rec_of(
	const struct merge *m, const struct merge_node *n, enum merge_side s)
{
	return n->spot[s] == NOWHERE ? NULL : &m->spots[n->spot[s]].at[s];
}
/* Its .m (or .f) on the three sides. */
struct merge_trio mail_merge_below(
	const struct merge *m, const struct merge_node *n, bool messages);

/* ---- places ---- */
MUST_CHECK int mail_merge_places(struct merge *m);
/* The merged .mailbox: the blob of one side, or text; neither: there is none. */
MUST_CHECK int mail_merge_file(const struct store_oid **blob, struct buf *text, struct merge *m,
	const struct merge_node *n);
/* The side whose value counts in a three-way choice; *clash when both changed it, each its way. */
enum merge_side mail_merge_choose(
	bool *clash, const struct str *base, struct str ours, struct str theirs);

/* ---- trees ---- */
enum merge_what { MERGE_MESSAGES, MERGE_LEAVES };
/* Merges what stands at m->path, where the edit has the entry of OURS. */
MUST_CHECK int mail_merge_tree(
	struct merge *m, const struct merge_trio *x, enum merge_what what, unsigned depth);
/* Puts a file or folder, whatever stands there; a file beside it, at path~oid, where a folder does,
 * and where files stand in the way of a folder, they step aside likewise. */
MUST_CHECK int mail_merge_put(struct merge *m, struct str path, const struct store_entry *e);
/* At path~oid. */
MUST_CHECK int mail_merge_beside(struct merge *m, struct str path, const struct store_entry *e);
/* A file of ours: what stands in its place, or in its way, steps aside. */
MUST_CHECK int mail_merge_text(struct merge *m, struct str path, struct str text);
MUST_CHECK int mail_merge_del(struct merge *m, struct str path);
/* Files of folders, first taken out of the edit, at the end put back as merged; folders that are
 * none of ours, merged at once. */
MUST_CHECK int mail_merge_loose_out(struct merge *m);
MUST_CHECK int mail_merge_loose_in(struct merge *m);
/* Without a base: has the side known this message? */
bool mail_merge_known(const struct merge *m, enum merge_side s, uint32_t lane, uint32_t seq);

/* ---- lines ---- */
/* NULL: has none; not both of ours and theirs. Keywords in `a`. */
MUST_CHECK int mail_merge_line(struct mail_line *out, struct arena *a, const struct mail_line *base,
	const struct mail_line *ours, const struct mail_line *theirs);
MUST_CHECK int mail_merge_leaf(struct merge *m, const struct merge_trio *x, uint32_t lane);
/* Lines that both sides took out. */
MUST_CHECK int mail_merge_both_dropped(struct merge *m, const struct merge_trio *x);
/* The line of a message on one side, in a mailbox; ERR_NOENT. Keywords in the arena. */
MUST_CHECK int mail_merge_find_line(struct mail_line *out, struct merge *m,
	const struct merge_node *n, enum merge_side s, uint32_t lane, uint32_t seq);
/* A line of the result is to be this; NULL: to go. All at once at the end, leaf by leaf. */
MUST_CHECK int mail_merge_fix(
	struct merge *m, size_t node, uint32_t lane, uint32_t seq, const struct mail_line *line);
MUST_CHECK int mail_merge_fixes(struct merge *m);

/* ---- what crosses mailboxes ---- */
MUST_CHECK int mail_merge_strays(struct merge *m);
MUST_CHECK int mail_merge_doubts(struct merge *m);
MUST_CHECK int mail_merge_twin(struct merge *m, const struct merge_clash *place);
MUST_CHECK int mail_merge_clashes(struct merge *m);
/* The blob of a message on one side; `path` below .m. ERR_NOENT. */
MUST_CHECK int mail_merge_find(struct store_oid *out, struct merge *m, const struct merge_node *n,
	enum merge_side s, struct str path);
/* Its path in the result, in m->path. */
MUST_CHECK int mail_merge_message(
	struct str *out, struct merge *m, size_t node, uint32_t lane, uint32_t seq);
/* Puts it there, with its line. */
MUST_CHECK int mail_merge_enter(struct merge *m, size_t node, uint32_t lane, uint32_t seq,
	const struct store_oid *blob, const struct mail_line *line);

#endif
