/* SPDX-License-Identifier: ISC */
#ifndef SERVICES_MAIL_IMAP_GLOB_H
#define SERVICES_MAIL_IMAP_GLOB_H

#include "os/base.h"

/* Does the pattern match the whole name? INBOX, also as first level, in any case. */
bool imap_glob(struct str pattern, struct str name);

#endif
