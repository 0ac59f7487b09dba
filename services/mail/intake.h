/* SPDX-License-Identifier: ISC */
/*
 * Messages taken in from elsewhere (services/control/items.h):
 *
 *	struct control_items items;
 *	mail_transfer(&items, m);                config.items = &items
 *
 * An item's line: {bytes, flags, keywords, date}: flags as letters of a leaf (docs/mail-layout.md, "SRF"), keywords
 * a list of strings, date (it came) in Unix seconds; each may be absent. `collection` is the mailbox, INBOX where
 * it is "", made with its parents when it is not there.
 * A message whose very bytes are in that mailbox is `unchanged`, whatever flags it has there.
 */
#ifndef SERVICES_MAIL_INTAKE_H
#define SERVICES_MAIL_INTAKE_H

#include "services/control/items.h"
#include "services/mail/mailbox.h"

#define MAIL_INTAKE_BYTES (64u << 20) /* of one message */

void mail_transfer(struct control_items *out, struct mail *m);

#endif
