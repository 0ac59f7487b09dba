/* SPDX-License-Identifier: ISC */
/*
 * Modified UTF-7 of IMAP4rev1 mailbox names (RFC 3501 5.1.3), to UTF-8 and back. Strict: each name
 * has exactly one form, so that no two names on the wire mean one mailbox.
 *
 *	err = mail_utf7_decode(&name, &arena, STR("Entw&APw-rfe"));     "Entwürfe"
 *	err = mail_utf7_encode(&wire, &arena, name);
 */
#ifndef SERVICES_MAIL_UTF7_H
#define SERVICES_MAIL_UTF7_H

#include "os/base.h"

/*
 * ERR_BAD for what mail_utf7_encode would not write: 8-bit and control characters, "&" that is not
 * closed, base64 with bits left over or of characters that stand for themselves, a surrogate alone,
 * two shifts side by side. NUL never comes out. ERR_LIMIT: arena full.
 */
MUST_CHECK int mail_utf7_decode(struct str *utf8, struct arena *a, struct str wire);
/* ERR_BAD for what is no UTF-8 or has control characters. */
MUST_CHECK int mail_utf7_encode(struct str *wire, struct arena *a, struct str utf8);

#endif
