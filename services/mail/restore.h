/* SPDX-License-Identifier: ISC */
/*
 * Mail brought back as it stood at an earlier commit of its branch; itself a commit like any other.
 *
 *	struct mail_restore r = { .path = STR("INBOX"), .to = commit, .told = print };
 *	err = mail_restore(&r, account);                  BLOCKS; r.commits[...] are the new ones
 *
 * What comes back:
 *  - A message that stood in the mailbox then and stands nowhere now enters it again, its bytes and
 *    its line (flags, dates) as then, under a new UID. Clients see a new arrival; no UIDNEXT, MODSEQ
 *    or mark in .lanes goes back.
 *  - A message has one place. One that stands in another mailbox now is taken out there as it comes
 *    back here, be it the Trash or a folder the path does not name; it leaves nothing behind, as
 *    nothing of it would be lost. Only what stood in both then stays in both.
 *  - A message that is there gets the flags, keywords and dates it had.
 *  - Mail that came since stays. With `exact` it goes; but what stood elsewhere then goes there
 *    instead of away.
 *  - A mailbox that is gone is made again with its id (and a UIDVALIDITY of its own, as any new
 *    one); one that was renamed gets its name back, unless another has it by now; where one of the
 *    same name was made since, the mail goes there. With `exact`, mailboxes made since go with all
 *    they hold. INBOX is never removed.
 * A mailbox's name in the path stands for those below as well, and for the one that bore it then.
 *
 * Undoing: with `undo`, what the commits after `to` up to `from` did is taken back, where it still
 * is as they left it. Mail that first arrived in those commits stays, and mailboxes that hold any.
 *
 * MAIL_CHUNK messages are one commit; many more are several, and then those before a failure stay.
 */
#ifndef SERVICES_MAIL_RESTORE_H
#define SERVICES_MAIL_RESTORE_H

#include "services/mail/compare.h"

/* What a path names: nothing, a mailbox and those below, or one message. */
struct mail_scope {
	struct str mailbox; /* "" : all, or the message wherever it stands */
	bool message;
	uint32_t lane, seq;
};
/*
 * "", "work/plans", "INBOX/1a2b3c4d.0000002f" (zeros may be left out), "1a2b3c4d.2f", or
 * "INBOX/17": by UID, of what is there now. In the arena. ERR_NOENT: no such mailbox in either tree
 * (one may be NULL; both: the path is taken at its word); ERR_BAD: no such UID.
 */
MUST_CHECK int mail_scope_parse(struct mail_scope *out, struct arena *a, struct mail_account *acct,
	struct str path, const struct store_oid *tree, const struct store_oid *other_tree);
bool mail_scope_box(const struct mail_scope *sc, struct str name); /* names it, or one above */
bool mail_scope_message(const struct mail_scope *sc, uint32_t lane, uint32_t seq);

enum mail_done { /* of a mailbox */
	MAIL_BOX_MADE,
	MAIL_BOX_REMOVED,
	MAIL_BOX_RENAMED,
	MAIL_BOX_CHANGED, /* subscription, special use */
	MAIL_BOX_KEPT     /* its name then is taken: keeps the one it has */
};
struct mail_restore_told { /* one of them is set */
	const struct mail_change *message;
	enum mail_done done;
	const struct mail_pair *box;
};
typedef int mail_restore_fn(
	void *ctx, const struct mail_compare *c, const struct mail_restore_told *what);

struct mail_restore {
	struct str path;
	struct store_oid to;
	struct store_oid from; /* undo: the last commit to take back */
	bool undo, exact, dry_run;
	/* Called for everything that is done, after it is; with dry_run for what would be. May BLOCK;
	 * < 0 stops and is returned. */
	mail_restore_fn *told;
	void *ctx;
	/* results */
	struct store_oid before, first, last; /* the tip it began at; the commits made */
	uint32_t commits;                     /* 0: there was nothing to do */
	uint64_t back, moved, flags, removed, boxes;
};
/* ERR_NOENT: no such path; ERR_BAD: `to` or `from` is not in the branch's history. BLOCKS. */
MUST_CHECK int mail_restore(struct mail_restore *r, struct mail_account *a);

#endif
