/* SPDX-License-Identifier: ISC */
/*
 * Mail as IMAP and SMTP see it, over a branch of the store. Layout: docs/mail-layout.md.
 *
 *	err = store_open(&s, disk, mail_driver());
 *	err = mail_open(&m, s, STR("example.org"));
 *	err = mail_account_open(&acct, m, STR("alice"));    the first time: makes INBOX, Sent, ...
 *	err = mail_append(&uid, &validity, acct, STR("INBOX"), &item, 1, why);
 *	err = mail_box_open(&box, acct, STR("INBOX"));      a live view shared by all sessions
 *	for (size_t i = 0; i < mail_box_count(box); i++)
 *		msg = mail_box_at(box, i);                  sorted by UID
 *	err = mail_flags(box, &uid, 1, MAIL_FLAG_ADD, &change, 0, NULL, NULL);
 *	mail_box_close(box);
 *	mail_account_close(acct);
 *	mail_close(m);                                      every view and account is closed by now
 *	store_close(s);                                     with no edit in between
 *
 * Whatever changes a mailbox BLOCKS until it is on stable storage, and the live views change when
 * it is, never earlier. Within one UIDVALIDITY a UID never names another message; new mail is never
 * below a UIDNEXT already told; MODSEQ (the number of the commit group) never goes back.
 * Names are UTF-8 with '/' between levels, kept in NFC, INBOX case-folded; at most 32 levels
 * of 255 bytes, less where some of them must be escaped on disk.
 */
#ifndef SERVICES_MAIL_MAILBOX_H
#define SERVICES_MAIL_MAILBOX_H

#include "store/store.h"

#define MAIL_KEYWORDS_MAX     64   /* different keywords in one mailbox */
#define MAIL_KEYWORD_BYTES    64   /* bytes of one keyword */
#define MAIL_MAILBOXES_MAX    4096 /* in one account */
#define MAIL_NAME_BYTES_MAX   1000 /* bytes of a whole mailbox name */
#define MAIL_APPEND_ITEMS_MAX 100

struct mail;
struct mail_account;
struct mail_box;

/* The derive() of a mail store: UIDs for what entered, one row a message, its ENVELOPE and
 * structure. */
const struct store_driver *mail_driver(void);
/* `domain` is what authors of commits are addressed at; copied. */
MUST_CHECK int mail_open(struct mail **out, struct store *s, struct str domain);
void mail_close(struct mail *m);

/* `user` as in the registry; the branch is refs/heads/<user>. Shared and counted. BLOCKS the first
 * time. */
MUST_CHECK int mail_account_open(struct mail_account **out, struct mail *m, struct str user);
void mail_account_close(struct mail_account *a);
struct str mail_account_user(const struct mail_account *a);

/* ---- mailboxes ---- */
enum mail_use { /* RFC 6154 */
	MAIL_USE_NONE,
	MAIL_USE_ARCHIVE,
	MAIL_USE_DRAFTS,
	MAIL_USE_FLAGGED,
	MAIL_USE_JUNK,
	MAIL_USE_SENT,
	MAIL_USE_TRASH,
	MAIL_USE_ALL
};
struct mail_info {
	struct str name; /* UTF-8 */
	struct str id;   /* RFC 8474 MAILBOXID; empty when it does not exist */
	enum mail_use use;
	bool exists; /* false: only a parent of others, or subscribed and gone (\NonExistent) */
	bool subscribed, has_children;
};
/* All of the account, parents before children, INBOX first; in the arena. */
MUST_CHECK int mail_list(
	struct mail_info **out, size_t *n, struct arena *a, struct mail_account *acct);
/* ERR_EXIST, ERR_NOENT, ERR_BAD (name), ERR_LIMIT, ERR_DENIED (INBOX deleted). All BLOCK. Parents
 * are made as needed, as mailboxes. */
MUST_CHECK int mail_create(struct mail_account *a, struct str name, enum mail_use use);
MUST_CHECK int mail_delete(struct mail_account *a,
	struct str name); /* with children: stays as their \NonExistent parent */
/* INBOX: its messages move to the new name, it stays (RFC 3501 6.3.5). Children move along. */
MUST_CHECK int mail_rename(struct mail_account *a, struct str from, struct str to);
MUST_CHECK int mail_subscribe(struct mail_account *a, struct str name, bool on);

/* ---- messages ---- */
enum mail_flag { /* bits */
	MAIL_SEEN = 1,
	MAIL_ANSWERED = 2,
	MAIL_FLAGGED = 4,
	MAIL_DELETED = 8,
	MAIL_DRAFT = 16
};
struct mail_msg {
	uint32_t uid, size_bytes;
	uint64_t modseq;
	uint64_t keywords;  /* bit i: mail_box_keyword(box, i) */
	uint32_t flags;     /* enum mail_flag */
	uint32_t lane, seq; /* permanent identity; lane is an index private to the mail layer */
	int64_t internal_sec, saved_sec; /* Unix time */
	struct store_oid blob; /* the message's bytes: store_blob_read; EMAILID (RFC 8474) */
};

struct mail_box_state {
	uint32_t uidvalidity, uidnext;
	uint64_t highest_modseq;
	uint32_t count, unseen, deleted;
	uint64_t size_bytes;
	struct str id; /* MAILBOXID */
};
/* A live view, shared and counted. ERR_NOENT. BLOCKS while it is loaded the first time. */
MUST_CHECK int mail_box_open(struct mail_box **out, struct mail_account *a, struct str name);
void mail_box_close(struct mail_box *b);
struct str mail_box_name(const struct mail_box *b);
bool mail_box_gone(const struct mail_box *b); /* deleted or renamed away meanwhile: close it */
void mail_box_state(struct mail_box_state *out, const struct mail_box *b);
/* STATUS without opening a view for good. BLOCKS. */
MUST_CHECK int mail_status(
	struct mail_box_state *out, struct arena *a, struct mail_account *acct, struct str name);
size_t mail_box_count(const struct mail_box *b);
/* Borrowed until the next call that BLOCKS. */
const struct mail_msg *mail_box_at(const struct mail_box *b, size_t index);
const struct mail_msg *mail_box_find(const struct mail_box *b, uint32_t uid); /* NULL when absent */
unsigned mail_box_keyword_count(const struct mail_box *b);
struct str mail_box_keyword(const struct mail_box *b, unsigned i);
/* Raised at every change of the view: a session that has seen this number has nothing to tell. */
uint64_t mail_box_version(const struct mail_box *b);
/* Wake `q` after every change; a session joins once and leaves once. */
void mail_box_join(struct mail_box *b, struct os_waitq *q);
void mail_box_leave(struct mail_box *b, struct os_waitq *q);
/*
 * UIDs >= the result are \Recent for the session that asks: it claims all messages there are now,
 * so that no other session is told the same (RFC 3501 2.3.2). `claim` false for EXAMINE: looks
 * only.
 */
uint32_t mail_box_recent(struct mail_box *b, bool claim);

/* What FETCH says of a message, kept ready. In the arena. */
struct mail_summary {
	struct str envelope, body, bodystructure; /* IMAP text as in RFC 3501 7.4.2 */
	uint32_t header_bytes; /* length of the header block with its empty line */
};
MUST_CHECK int mail_summary(
	struct mail_summary *out, struct arena *a, struct mail_box *b, const struct mail_msg *msg);

/* ---- changes; all BLOCK until durable; many thousand messages are several commits ---- */
struct mail_item {
	struct store_oid blob; /* from store_spool_finish */
	uint64_t size_bytes;
	uint32_t flags;
	const struct str *keywords;
	size_t keyword_count;
	int64_t internal_sec; /* 0: now */
};
/* Who and why, for the commit: "smtp: deliver from <x>", "imap: append". */
struct mail_why {
	struct str message;
};
/* In order, all or none. uids[n] is filled. ERR_NOENT: no such mailbox. */
MUST_CHECK int mail_append(uint32_t *uids, uint32_t *uidvalidity, struct mail_account *a,
	struct str mailbox, const struct mail_item *items, size_t n, struct mail_why why);
/* The same; and by which commit. */
MUST_CHECK int mail_append_commit(struct store_oid *commit, uint32_t *uids, uint32_t *uidvalidity,
	struct mail_account *a, struct str mailbox, const struct mail_item *items, size_t n,
	struct mail_why why);

bool mail_keyword_valid(struct str keyword);
enum mail_flag_op { MAIL_FLAG_SET, MAIL_FLAG_ADD, MAIL_FLAG_DEL };
struct mail_flag_change {
	uint32_t flags;
	const struct str *keywords;
	size_t keyword_count;
};
/*
 * UIDs no longer there are passed over. unchanged_since (RFC 7162): 0, or messages whose MODSEQ is
 * above it are left alone and their UIDs appended to `failed` (room for n; NULL with 0). ERR_LIMIT:
 * too many keywords.
 */
MUST_CHECK int mail_flags(struct mail_box *b, const uint32_t *uids, size_t n, enum mail_flag_op op,
	const struct mail_flag_change *change, uint64_t unchanged_since, uint32_t *failed,
	size_t *failed_count);
/* Those of `uids` that are \Deleted when its turn comes; NULL: all that are. */
MUST_CHECK int mail_expunge(struct mail_box *b, const uint32_t *uids, size_t n);
/*
 * from[i] became to[i] for i < *done, in order of UID; UIDs no longer there are left out. COPY: all
 * or none of those there. MOVE: what was moved before a failure stays moved (RFC 6851 3.3), so look
 * at *done then too. MOVE keeps the permanent identity, COPY makes a new one. ERR_NOENT: no such
 * mailbox.
 */
MUST_CHECK int mail_copy(uint32_t *from, uint32_t *to, size_t *done, uint32_t *uidvalidity,
	struct mail_box *b, const uint32_t *uids, size_t n, struct str to_mailbox, bool move);

/* ---- what this endpoint told its clients ---- */
#define MAIL_ENDPOINT_HEX 17 /* 16 digits and a NUL; drawn once, kept in the store */
/*
 * Writes UIDVALIDITY, UIDNEXT and UIDs of every account whose mail changed to the branch
 * refs/endpoints/<endpoint>/<user>, at a cost proportional to what changed (docs/mail-layout.md).
 * *written: branches that moved. BLOCKS.
 */
MUST_CHECK int mail_snapshot(
	char endpoint[static MAIL_ENDPOINT_HEX], size_t *written, struct mail *m);

#endif
