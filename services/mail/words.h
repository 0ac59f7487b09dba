/* SPDX-License-Identifier: ISC */
/*
 * Mail's words for its history (services/control/words.h):
 *
 *	struct control_words words;
 *	mail_words(&words, m);                  config.words = &words
 *
 * Rows: {change, text, mailbox, ...}. `change` of a message: new, removed, moved, flags; in a
 * restore back, removed, moved, flags. With it: message ("1a2b3c4d.2f", what a path may end in),
 * subject, sender, date (when it came), size, flags (all it has, or had); moved: was (mailbox);
 * flags: added, removed.
 * Of a mailbox: mailbox-made, mailbox-removed, mailbox-renamed (was), mailbox-changed
 * (subscription, special use); in a restore also mailbox-kept: its name then is taken now.
 */
#ifndef SERVICES_MAIL_WORDS_H
#define SERVICES_MAIL_WORDS_H

#include "services/control/words.h"
#include "services/mail/mailbox.h"

void mail_words(struct control_words *out, struct mail *m);

#endif
