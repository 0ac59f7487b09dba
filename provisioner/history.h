/* SPDX-License-Identifier: ISC */
/*
 * What log, show, diff and restore share: whose branch, which moment or commit, and how a change is
 * told.
 *
 *	code = prov_history(p, a, &history, run);      as prov_with_client; run gets the history
 *	err = prov_history_moment(&b, h, "from", "yesterday 14:00");     appends "&from=@1795182000"
 */
#ifndef PROVISIONER_HISTORY_H
#define PROVISIONER_HISTORY_H

#include "provisioner/client.h"

#define PROV_OPT_USER { "user", 'u', "USER", "whose, if the service has several users" }
#define PROV_PATHS_HELP \
	"a mailbox (mail/INBOX), with those below, or a message\n" \
	"(mail/INBOX/1a2b3c4d.2f, as shown in brackets; mail/INBOX/17 by UID); a calendar or " \
	"address\n" \
	"book by name or folder (calendar/Calendar), or an item in it by title, UID or file\n" \
	"(calendar/Calendar/Dentist, contacts/contacts/ann.vcf)"
#define PROV_OPT_RAW { "raw", 0, NULL, "in files of the branch, as git shows it" }
#define PROV_TIMES_HELP \
	"TIME is in words, such as \"yesterday 14:00\", \"2 hours ago\", \"last monday\", \"20 " \
	"Nov\",\n" \
	"\"2026-11-20 14:00\" (a day without a time: its end), or a commit as `allod log` prints " \
	"it,\n" \
	"HEAD, with ~N the Nth before it. What counts is when the service got to know."

struct prov_history {
	struct prov_session *x;
	struct str user;
	bool named; /* the user was, by --user */
	bool raw, json;
	int64_t now;
	int (*run)(struct prov_history *h);
};
/* Rows of the verb's options; -1: it has none. */
struct prov_history_opts {
	int user, raw, json;
};
int prov_history(struct prov *p, const struct prov_args *a, const struct prov_history_opts *opts,
	int (*run)(struct prov_history *h));

/* "/v1/log?ref=...&path=...&raw=1" */
void prov_history_target(struct buf *out, const struct prov_history *h, const char *what);
/* "&name=" and the moment or commit `text` means. PROV_OK, or what was complained about. */
int prov_history_moment(
	struct buf *out, const struct prov_history *h, const char *name, const char *text);

/* One change, as a line. */
void prov_history_print(const struct prov_history *h, const json_t *row);
/* What of an event or a contact changed, a line each; nothing for other rows. */
void prov_history_print_properties(const json_t *row);
/* "Fri 20 Nov 2026 13:58:12 +0100, commit 1234abcd1234" of {commit, time, at}. */
const char *prov_history_when(const struct prov_history *h, const json_t *moment);
/* The beginning of a restore as it can be typed, of this user in this estate; "`" opens it. */
void prov_history_print_restore(const struct prov_history *h, struct str what);
/* The command that takes back a commit, or all from `first` to `last` (NULL: only the first), as it can be
 * typed. */
void prov_history_print_undo(const struct prov_history *h, const char *first, const char *last);

#endif
