/* SPDX-License-Identifier: ISC */
/*
 * What the files of the IMAP server share. A session is one fiber and this one struct; commands are
 * rows of the table in imap.c, whose functions parse, act, and end with exactly one of imap_ok,
 * imap_no, imap_bad, imap_fail, or the pair imap_done + imap_put for a long answer.
 */
#ifndef SERVICES_MAIL_IMAP_IMPL_H
#define SERVICES_MAIL_IMAP_IMPL_H

#include "os/log.h"
#include "services/mail/imap.h"
#include "services/mail/imap_seq.h"
#include "services/mail/imap_wire.h"
#include "services/mail/mime.h"

#define IMAP_ARENA_MAX   (4 * 1024 * 1024) /* of a command, and again of one message in it */
#define IMAP_ROOM        8192              /* each way */
#define IMAP_COPY_BYTES  (32 * 1024)       /* message bytes are moved in pieces of this size */
#define IMAP_BATCH       256               /* messages marked \Seen in one commit while fetching */
#define IMAP_BAD_MAX     20                /* commands in a row that are none, before BYE */
#define IMAP_WRITE_SEC   300               /* a client that takes nothing for so long is gone */
#define IMAP_LITERAL_SEC 300               /* or gives nothing of an announced literal */

enum imap_state { /* bits, for the table */
	IMAP_NOT_AUTH = 1,
	IMAP_AUTH = 2,
	IMAP_SELECTED = 4,
	IMAP_LOGOUT = 8
};
#define IMAP_ANY    (IMAP_NOT_AUTH | IMAP_AUTH | IMAP_SELECTED)
#define IMAP_AUTHED (IMAP_AUTH | IMAP_SELECTED)

enum imap_update { /* which untagged news precede the tagged answer */
	IMAP_NEWS_NONE,
	IMAP_NEWS_KEEP, /* all but EXPUNGE (RFC 3501 7.4.1) */
	IMAP_NEWS_ALL
};

struct imap;
struct imap_command {
	const char *name;
	unsigned states;
	enum imap_update news;
	void (*run)(struct imap *c, struct imap_rd *rd);
	bool uid; /* has a UID form, whose news are IMAP_NEWS_ALL */
};

/* ---- the selected mailbox as this client knows it: imap_view.c ---- */
#define IMAP_TOLD_RECENT   32u
#define IMAP_TOLD_KEYWORDS 6 /* first bit of keywords */
#define IMAP_TOLD_ROOM     (32 - IMAP_TOLD_KEYWORDS)
struct imap_row {
	uint32_t uid;
	uint32_t told; /* enum mail_flag, \Recent, the first keywords: as the client was told */
};
struct imap_view {
	struct mail_box *box; /* NULL: nothing is selected */
	bool readonly;
	bool gaps; /* rows are kept whose messages are gone, untold as yet */
	struct imap_row *rows;
	uint64_t *more; /* keywords past those in `told`; made when there are any */
	size_t n, cap;
	size_t recent;
	size_t hint;            /* where in the live view the next row probably is */
	unsigned keywords_told; /* in FLAGS */
	uint64_t version;       /* of the live view, when last compared */
};

/* The structure of the message last looked into (clients fetch parts piece by piece). */
struct imap_tree {
	struct arena arena;
	struct store_oid blob;
	const struct mime_part *root; /* NULL: none */
};

struct imap {
	const struct imap_config *conf;
	struct os_stream *s;
	struct os_reader r;
	struct os_writer w;
	char *room; /* of both */
	enum imap_state state;
	os_time login_by;
	unsigned bad_logins, bad_commands;
	struct mail_account *acct;
	struct id_login who;
	struct imap_view view;
	struct imap_tree tree;
	bool condstore, qresync; /* enabled (RFC 7162): MODSEQ is told, VANISHED for EXPUNGE */
	/* the command at hand */
	struct arena arena, scratch;
	struct imap_scan scan;
	struct buf line;
	bool over;    /* longer than IMAP_LINE_MAX */
	bool literal; /* one was announced and not taken: scan.literal, scan.sync */
	struct str tag;
	const struct imap_command *cmd;
	bool uid;
	bool gone; /* a message that was asked for is no longer there */
};

/* ---- answers: imap_reply.c. Texts start with a code in brackets if they need one ---- */
void imap_put(struct imap *c, struct str s);
void imap_putf(struct imap *c, const char *fmt, ...) PRINTF(2, 3); /* at most 1000 bytes */
void imap_put_word(struct imap *c, struct str s);                  /* quoted string or literal */
void imap_put_number(struct imap *c, uint64_t v);                  /* what thousands of rows need */
void imap_put_fetch(struct imap *c, size_t row, bool uid);         /* "* 7 FETCH (UID 12 " */
void imap_ok(struct imap *c, const char *fmt, ...) PRINTF(2, 3);
void imap_no(struct imap *c, const char *fmt, ...) PRINTF(2, 3);
void imap_bad(struct imap *c, const char *fmt, ...) PRINTF(2, 3);
void imap_bad_args(struct imap *c, const struct imap_rd *rd);
void imap_fail(struct imap *c, int err); /* NO with the code of RFC 5530 and err_text */
void imap_bye(struct imap *c, const char *fmt, ...) PRINTF(2, 3); /* and the session ends */
/* The news that precede a tagged OK; then "tag OK " and the caller's text. */
void imap_done(struct imap *c);
void imap_capabilities(struct imap *c); /* the names, without brackets */

/* ---- CONDSTORE and QRESYNC (RFC 7162): imap_modseq.c ---- */
void imap_condstore(struct imap *c);         /* the client used it: from now on MODSEQ is told */
uint64_t imap_highest(const struct imap *c); /* HIGHESTMODSEQ of the selected mailbox */
void imap_put_highest(struct imap *c, uint64_t modseq);
void imap_put_modseq(struct imap *c, uint64_t modseq);
/* UIDs as a set, without spaces around. */
void imap_put_uids(struct imap *c, const uint32_t *uids, size_t n);
/* "VANISHED (EARLIER)": those of the resolved set above `floor` that are no messages. */
void imap_put_vanished(struct imap *c, const struct imap_set *set, uint32_t floor);
/* The parameters of SELECT and EXAMINE, " (CONDSTORE)" or " (QRESYNC (...))". */
struct imap_resync {
	bool condstore, qresync, all; /* all: the client named no UIDs it knows */
	uint32_t uidvalidity;
	uint64_t modseq;
	struct imap_set known, match_seqs, match_uids;
};
void imap_resync_parse(struct imap_resync *q, struct imap *c, struct imap_rd *rd);
/* What has changed since; the view is just open, `st` is its state. */
void imap_resync(struct imap *c, struct imap_resync *q, const struct mail_box_state *st);

/* ---- input: imap_input.c ---- */
/* One command into c->line, up to an APPEND's message. 1 byte or more is there; < 0: the stream. */
MUST_CHECK int imap_read_command(struct imap *c, os_time deadline);
/* What is left of an announced literal and of the command behind it. */
MUST_CHECK int imap_skip_command(struct imap *c);
/* The next line of a command whose literal was taken, into c->line anew. */
MUST_CHECK int imap_read_on(struct imap *c);
/* A line outside the command syntax (AUTHENTICATE, DONE), line end taken off. ERR_LIMIT: too long. */
MUST_CHECK int imap_read_plain(struct str *line, struct imap *c, os_time deadline);

/* ---- names: UTF-8 inside, modified UTF-7 on the wire; imap_name.c ---- */
/* The mailbox argument, decoded, in the arena; errors in the reader. */
struct str imap_mailbox(struct imap_rd *rd);
/* STR_NONE when the arena is full. */
struct str imap_mailbox_wire(struct arena *a, struct str name);
void imap_put_name(struct imap *c, struct str wire);
const char *imap_use_name(enum mail_use use); /* "\Sent", NULL for none */
bool imap_use_of(enum mail_use *out, struct str attribute);

/* ---- flags: imap_flags.c ---- */
struct imap_flags {
	uint32_t flags; /* enum mail_flag */
	struct str *keywords;
	size_t keyword_count;
};
/* "(\Seen work)", or without parentheses where `bare` is allowed; \Recent is refused. */
void imap_flags_parse(struct imap_flags *out, struct imap_rd *rd, bool bare);
void imap_put_flags(struct imap *c, uint32_t flags, uint64_t keywords, bool recent);
void imap_put_flag_list(struct imap *c); /* "* FLAGS" and PERMANENTFLAGS */
/* The bit of a system flag's name, 0 for others. */
uint32_t imap_flag_bit(struct str name);
uint64_t imap_keyword_bits(const struct mail_box *b, const struct str *names, size_t n);

/* ---- imap_view.c ---- */
MUST_CHECK int imap_view_open(struct imap *c, struct mail_box *box, bool readonly);
void imap_view_close(struct imap *c); /* also closes the box */
void imap_news(struct imap *c, enum imap_update what);
/* "* 7 FETCH (FLAGS ...)", with what else the client has enabled. */
void imap_put_flag_news(struct imap *c, size_t i, const struct mail_msg *m);
bool imap_news_waiting(const struct imap *c);
/* A copy of what row i is now; false: gone meanwhile. */
bool imap_live(struct mail_msg *out, struct imap *c, size_t i);
void imap_told_get(uint32_t *flags, uint64_t *keywords, const struct imap_view *v, size_t i);
void imap_told_set(struct imap *c, size_t i, uint32_t flags, uint64_t keywords);
bool imap_told_differs(const struct imap_view *v, size_t i, const struct mail_msg *msg);
/* First row with a UID >= uid. */
size_t imap_row_at(const struct imap_view *v, uint32_t uid);

/*
 * Message sets: parse, then check against the rows (numbers over the last are an error of the
 * client), then walk:
 *	for (struct imap_walk k = { 0 }; imap_walk(&i, &k, c, &set);) ... row i
 */
struct imap_walk {
	size_t range, next;
	bool inside; /* of the range: `next` holds */
};
bool imap_walk(size_t *row, struct imap_walk *k, const struct imap *c, const struct imap_set *s);
/* Resolves the set for c->uid; false: answered BAD. */
bool imap_set_ready(struct imap *c, struct imap_set *s);
/* The UIDs of the set's rows that are still there, in the arena; sets c->gone. */
MUST_CHECK int imap_set_uids(uint32_t **uids, size_t *n, struct imap *c, const struct imap_set *s);

/* ---- message bytes: imap_body.c ---- */
/* Structure of a message, kept in c->tree. ERR_LIMIT: too many parts. */
MUST_CHECK int imap_tree_load(struct imap *c, const struct mail_msg *msg);
void imap_tree_drop(struct imap *c);

/* ---- commands ---- */
typedef void imap_run(struct imap *c, struct imap_rd *rd);
imap_run imap_run_capability, imap_run_noop, imap_run_logout, imap_run_id, imap_run_enable;
imap_run imap_run_starttls, imap_run_authenticate, imap_run_login;
imap_run imap_run_select, imap_run_examine, imap_run_close, imap_run_unselect, imap_run_check,
	imap_run_expunge;
imap_run imap_run_create, imap_run_delete, imap_run_rename, imap_run_subscribe,
	imap_run_unsubscribe, imap_run_status, imap_run_namespace;
imap_run imap_run_list, imap_run_lsub;
imap_run imap_run_append, imap_run_idle;
imap_run imap_run_search, imap_run_fetch, imap_run_store, imap_run_copy, imap_run_move;

/* STATUS items, for STATUS and LIST RETURN (STATUS (...)): imap_status.c */
unsigned imap_status_items(struct imap_rd *rd); /* bits; errors in the reader */
MUST_CHECK int imap_put_status(struct imap *c, struct str name, unsigned items);

#endif
