/* SPDX-License-Identifier: ISC */
/*
 * What a device may push to a person's mail (docs/mail-layout.md, "What a device may push").
 *
 *	git.check_push = mail_push_check;
 *	git.ctx = mail;
 */
#ifndef SERVICES_MAIL_PUSH_H
#define SERVICES_MAIL_PUSH_H

#include "services/mail/mailbox.h"
#include "sync/git.h"

/* ERR_BAD, ERR_DENIED, ERR_LIMIT with a sentence for the person who pushes. BLOCKS */
MUST_CHECK int mail_push_check(void *mail, const struct git_push *p);

#endif
