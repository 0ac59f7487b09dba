/* SPDX-License-Identifier: ISC */
/*
 * Snapshots of what this endpoint told its clients, and taking one over on a new machine. Layout:
 * docs/mail-layout.md.
 *	mailbox_snapshot_text.c   paths and small files
 *	mailbox_snapshot.c        writing
 *	mailbox_takeover.c        reading, while a branch is derived for the first time
 */
#ifndef SERVICES_MAIL_MAILBOX_SNAPSHOT_IMPL_H
#define SERVICES_MAIL_MAILBOX_SNAPSHOT_IMPL_H

#include "services/mail/mailbox_derive_impl.h"

#define MAIL_UIDS_SHIFT 8                  /* a leaf of UIDs serves 256 seqs */
#define MAIL_UIDS_BYTES (32 * 1024)        /* of its text, at most */
#define MAIL_UID_GAP    (1u << 16)         /* what may have been told since the snapshot */
#define MAIL_SNAP_PATH  (MAIL_ID_HEX + 32) /* bytes of a path */

/* ---- text ---- */
struct mail_snap_account {       /* "account" */
	struct store_oid branch; /* the commit it was taken at */
	uint64_t modseq;         /* none above it was told by then */
	uint32_t validity;       /* highest UIDVALIDITY ever given */
};
void mail_snap_account_format(struct buf *out, const struct mail_snap_account *a);
bool mail_snap_account_parse(struct mail_snap_account *out, struct str text);
struct mail_snap_box { /* "<id>/box" */
	uint32_t uidvalidity, uidnext;
	bool has_m;
	struct store_oid m; /* the mailbox's .m that the UIDs are of */
};
void mail_snap_box_format(struct buf *out, const struct mail_snap_box *b);
bool mail_snap_box_parse(struct mail_snap_box *out, struct str text);
/* "<id>", "<id>/box", "<id>/<lane>/<a>/<b>/<c>/<d>"; appended. */
void mail_snap_path_id(struct buf *out, const struct mail_id *id);
void mail_snap_path_box(struct buf *out, const struct mail_id *id);
void mail_snap_path_leaf(struct buf *out, const struct mail_id *id, uint32_t lane, uint32_t seq);
void mail_snap_line(struct buf *out, uint32_t seq, uint32_t uid);
/* The UID of `seq` in a leaf; false when it is not there. */
bool mail_snap_find(uint32_t *uid, struct str leaf, uint32_t seq);

/* ---- taking over ---- */
struct mail_takeover;
/* NULL in *out: nothing is to be taken over by this branch. */
MUST_CHECK int mail_takeover_begin(struct mail_takeover **out, struct mail_derive *d);
/* The numbers a mailbox goes on with; ERR_NOENT: it is not in the snapshot. */
MUST_CHECK int mail_takeover_box(
	struct mail_box_rec *out, struct mail_takeover *t, const struct mail_id *id, uint64_t seq);
/* The UID a message had in the mailbox asked for last; ERR_NOENT. */
MUST_CHECK int mail_takeover_uid(
	uint32_t *uid, struct mail_takeover *t, uint32_t lane, uint32_t seq);
/* It is done: never again. */
MUST_CHECK int mail_takeover_end(struct mail_derive *d);
void mail_takeover_free(struct mail_takeover *t); /* NULL is fine */

#endif
