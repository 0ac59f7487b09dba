/* SPDX-License-Identifier: ISC */
/*
 *	words.c        the functions a service gives
 *	words_row.c    one change as JSON and as text
 *	words_log.c    following a mailbox or a message through the commits
 */
#ifndef SERVICES_MAIL_WORDS_IMPL_H
#define SERVICES_MAIL_WORDS_IMPL_H

#include "services/mail/restore.h"
#include "services/mail/words.h"

/* New references; NULL: out of memory. `restored`: in the words of a restore. */
json_t *mail_message_row(const struct mail_compare *c, const struct mail_change *ch, bool restored);
json_t *mail_box_row(enum mail_done done, const struct mail_pair *box, bool restored);

/* ERR_UNSUPPORTED: no branch of mail. */
MUST_CHECK int mail_words_account(struct mail_account **out, struct mail *m, struct str ref);
MUST_CHECK int mail_words_log(void *ctx, struct arena *a, struct control_walk *w);
MUST_CHECK int mail_words_last(struct store_oid *out, void *ctx, struct str ref, struct str path);

#endif
