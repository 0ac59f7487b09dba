/* SPDX-License-Identifier: ISC */
/* Dialogues: what clients say and must hear, row by row of RFC 3501 6. */
#include "tests/mail/imap_check.h"

#include <criterion/criterion.h>

Test(imap, greeting_and_login)
{
	imap_check("1=< * OK [CAPABILITY IMAP4rev1 ~ LOGINDISABLED] ~\n"
		   "1> a1 LOGIN alice secret\n"
		   "1< a1 NO [PRIVACYREQUIRED] ~\n"
		   "1> a2 AUTHENTICATE PLAIN\n"
		   "1< a2 NO [PRIVACYREQUIRED] ~\n"
		   "1> a3 SELECT INBOX\n"
		   "1< a3 BAD log in first\n"
		   "1> a4 LOGOUT\n"
		   "1< * BYE ~\n"
		   "1< a4 OK ~\n"
		   "1! \n");
}
