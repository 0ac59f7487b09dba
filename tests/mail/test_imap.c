/* SPDX-License-Identifier: ISC */
/* Dialogues: what clients say and must hear, by section of RFC 3501. */
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
		   "1> a4 STARTTLS\n"
		   "1< a4 BAD there is no TLS here\n"
		   "1> a5 LOGOUT\n"
		   "1< * BYE ~\n"
		   "1< a5 OK ~\n"
		   "1! \n");
	imap_check("1-< * OK [CAPABILITY IMAP4rev1 ~ AUTH=PLAIN AUTH=LOGIN] ~\n"
		   "1> a1 LOGIN alice secret\n"
		   "1< a1 NO [AUTHENTICATIONFAILED] ~\n"
		   "1> a2 AUTHENTICATE PLAIN AGFsaWNlAG5v\n"
		   "1< a2 NO [AUTHENTICATIONFAILED] ~\n"
		   "1> a3 AUTHENTICATE CRAM-MD5\n"
		   "1< a3 NO [CANNOT] ~\n"
		   "1> a4 AUTHENTICATE PLAIN\n"
		   "1< + \n"
		   "1> *\n"
		   "1< a4 BAD cancelled\n"
		   "1> a5 AUTHENTICATE LOGIN\n"
		   "1< + VXNlcm5hbWU6\n"
		   "1> YWxpY2U=\n"
		   "1< + UGFzc3dvcmQ6\n"
		   "1> bm8=\n"
		   "1< a5 NO [AUTHENTICATIONFAILED] ~\n"
		   "1< * BYE ~\n"
		   "1! \n");
	imap_check(
		"1> a1 LOGIN alice again\n"
		"1< a1 BAD you are logged in already\n"
		"1> a2 CAPABILITY\n"
		"1< * CAPABILITY IMAP4rev1 LITERAL+ ~ IDLE ~ UIDPLUS MOVE ~ APPENDLIMIT=1000000\n"
		"1< a2 OK ~\n"
		"1> a3 ID (\"name\" \"test\" \"version\" NIL)\n"
		"1< * ID (~)\n"
		"1< a3 OK ~\n"
		"1> a4 NAMESPACE\n"
		"1< * NAMESPACE ((\"\" \"/\")) NIL NIL\n"
		"1< a4 OK ~\n"
		"1> a5 ENABLE CONDSTORE\n"
		"1< * ENABLED CONDSTORE\n"
		"1< a5 OK ~\n");
}

Test(imap, malformed_commands)
{
	imap_check("1> \n"
		   "1< * BAD ~\n"
		   "1> a1\n"
		   "1< a1 BAD ~\n"
		   "1> a2 FROB\n"
		   "1< a2 BAD there is no such command\n"
		   "1> a3 NOOP now\n"
		   "1< a3 BAD NOOP: there is something after the last argument\n"
		   "1> a4 SELECT\n"
		   "1< a4 BAD SELECT: an argument is missing\n"
		   "1> a5 SELECT \"INBOX\n"
		   "1< a5 BAD SELECT: a quoted string is broken\n"
		   "1> a6 UID NOOP\n"
		   "1< a6 BAD there is no such command\n"
		   "1> a7 FETCH 1 FLAGS\n"
		   "1< a7 BAD select a mailbox first\n"
		   "1> + NOOP\n"
		   "1< * BAD a command starts with a tag\n"
		   "1> a8 STATUS {1000000}\n"
		   "1< a8 BAD [TOOBIG] ~\n"
		   "1> a9 STATUS {70000000000+}\n"
		   "1< * BYE ~\n"
		   "1! \n");
}

Test(imap, mailboxes)
{
	imap_check(
		"1> a1 LIST \"\" *\n"
		"1< * LIST (\\HasNoChildren) \"/\" INBOX\n"
		"1< * LIST (\\HasNoChildren \\Archive) \"/\" Archive\n"
		"1< * LIST (\\HasNoChildren \\Drafts) \"/\" Drafts\n"
		"1< * LIST (\\HasNoChildren \\Junk) \"/\" Junk\n"
		"1< * LIST (\\HasNoChildren \\Sent) \"/\" Sent\n"
		"1< * LIST (\\HasNoChildren \\Trash) \"/\" Trash\n"
		"1< a1 OK ~\n"
		"1> a2 LIST \"\" \"\"\n"
		"1< * LIST (\\Noselect) \"/\" \"\"\n"
		"1< a2 OK ~\n"
		"1> a2 LIST work \"\"\n"
		"1< * LIST (\\Noselect) \"/\" \"\"\n"
		"1< a2 OK ~\n"
		"1> a3 CREATE \"work/a project\"\n"
		"1< a3 OK [MAILBOXID (~)] ~\n"
		"1> a4 CREATE \"work/a project\"\n"
		"1< a4 NO [ALREADYEXISTS] ~\n"
		"1> a5 LIST \"\" work%\n"
		"1< * LIST (\\HasChildren) \"/\" work\n"
		"1< a5 OK ~\n"
		"1> a6 LIST work/ %\n"
		"1< * LIST (\\HasNoChildren) \"/\" \"work/a project\"\n"
		"1< a6 OK ~\n"
		"1> a7 RENAME work Arbeit\n"
		"1< a7 OK ~\n"
		"1> a8 LIST \"\" Arbeit*\n"
		"1< * LIST (\\HasChildren) \"/\" Arbeit\n"
		"1< * LIST (\\HasNoChildren) \"/\" \"Arbeit/a project\"\n"
		"1< a8 OK ~\n"
		"1> a9 CREATE Entw&APw-rfe (USE (\\Archive))\n"
		"1< a9 OK ~\n"
		"1> b1 LIST (SPECIAL-USE) \"\" (Ent* Dra%) RETURN (SUBSCRIBED)\n"
		"1< * LIST (~\\HasNoChildren \\Drafts) \"/\" Drafts\n"
		"1< * LIST (~\\HasNoChildren \\Archive) \"/\" Entw&APw-rfe\n"
		"1< b1 OK ~\n"
		"1> b2 CREATE x (USE (\\Frob))\n"
		"1< b2 NO [USEATTR] ~\n"
		"1> b3 DELETE INBOX\n"
		"1< b3 NO [CANNOT] ~\n"
		"1> b4 DELETE nowhere\n"
		"1< b4 NO [NONEXISTENT] ~\n"
		"1> b5 DELETE \"Arbeit/a project\"\n"
		"1< b5 OK ~\n"
		"1> b6 RENAME nowhere there\n"
		"1< b6 NO [NONEXISTENT] ~\n"
		"1> b7 RENAME Sent Trash\n"
		"1< b7 NO [ALREADYEXISTS] ~\n"
		"1> b8 STATUS INBOX (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN SIZE APPENDLIMIT)\n"
		"1< * STATUS INBOX (MESSAGES 0 RECENT 0 UIDNEXT 1 UIDVALIDITY ~ UNSEEN 0 SIZE 0 "
		"APPENDLIMIT 1000000)\n"
		"1< b8 OK ~\n"
		"1> b9 STATUS nowhere (MESSAGES)\n"
		"1< b9 NO [NONEXISTENT] ~\n"
		"1> c1 STATUS INBOX (FROB)\n"
		"1< c1 BAD ~\n"
		"1> c2 CREATE &&&\n"
		"1< c2 BAD ~\n");
}

Test(imap, subscriptions)
{
	imap_check("1> a1 CREATE foo/bar\n"
		   "1< a1 OK ~\n"
		   "1> a2 SUBSCRIBE foo/bar\n"
		   "1< a2 OK ~\n"
		   "1> a3 LSUB \"\" foo%\n"
		   "1< * LSUB (\\Noselect \\HasChildren) \"/\" foo\n"
		   "1< a3 OK ~\n"
		   "1> a4 LSUB \"\" foo*\n"
		   "1< * LSUB (\\HasNoChildren) \"/\" foo/bar\n"
		   "1< a4 OK ~\n"
		   "1> a5 LIST (SUBSCRIBED RECURSIVEMATCH) \"\" foo%\n"
		   "1< * LIST (\\HasChildren) \"/\" foo (\"CHILDINFO\" (\"SUBSCRIBED\"))\n"
		   "1< a5 OK ~\n"
		   "1> a6 LIST (SUBSCRIBED) \"\" foo* RETURN (SPECIAL-USE STATUS (MESSAGES))\n"
		   "1< * LIST (\\Subscribed \\HasNoChildren) \"/\" foo/bar\n"
		   "1< * STATUS foo/bar (MESSAGES 0)\n"
		   "1< a6 OK ~\n"
		   "1> a7 LIST (RECURSIVEMATCH) \"\" *\n"
		   "1< a7 BAD ~\n"
		   "1> a8 UNSUBSCRIBE foo/bar\n"
		   "1< a8 OK ~\n"
		   "1> a9 LSUB \"\" foo*\n"
		   "1< a9 OK ~\n");
}

Test(imap, append_select_fetch)
{
	imap_check(
		"1> a1 APPEND nowhere {5}\n"
		"1< a1 NO [TRYCREATE] ~\n"
		"1> a2 APPEND INBOX (\\Seen work) \" 1-Feb-1994 21:52:25 -0800\" {27}\n"
		"1< + ~\n"
		"1| Subject: hi\\r\\n\\r\\nhello\\r\\n\n"
		"1| abc\\r\\n\\r\\n\n"
		"1< a2 OK [APPENDUID ~ 1] ~\n"
		"1> a3 APPEND INBOX {2000000}\n"
		"1< a3 NO [TOOBIG] ~\n"
		"1| a4 APPEND INBOX {3+}\\r\\na\\0b\\r\\n\n"
		"1< a4 NO [CANNOT] ~NUL~\n"
		"1| a5 APPEND INBOX {3+}\\r\\nabc (\\Deleted) {4+}\\r\\ndefg\\r\\n\n"
		"1< a5 OK [APPENDUID ~ 2:3] ~\n"
		"1> a6 APPEND INBOX {0}\n"
		"1< a6 NO ~\n"
		"1> a7 APPEND INBOX (\\Recent) {5}\n"
		"1< a7 BAD ~\n"
		"1| a8 APPEND INBOX (\\Frob) {5+}\\r\\nabcde {3+}\\r\\nabc\\r\\n\n"
		"1< a8 BAD ~\n"
		"1> a9 EXAMINE INBOX\n"
		"1< * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft work)\n"
		"1< * OK [PERMANENTFLAGS ()] ~\n"
		"1< * 3 EXISTS\n"
		"1< * 3 RECENT\n"
		"1< * OK [UNSEEN 2] ~\n"
		"1< * OK [UIDVALIDITY ~] ~\n"
		"1< * OK [UIDNEXT 4] ~\n"
		"1< * OK [HIGHESTMODSEQ ~] ~\n"
		"1< * OK [MAILBOXID (~)] ~\n"
		"1< a9 OK [READ-ONLY] ~\n"
		"1> b0 STORE 1 FLAGS ()\n"
		"1< b0 NO [READ-ONLY] ~\n"
		"1> b1 SELECT INBOX\n"
		"1< * OK [CLOSED] ~\n"
		"1< * FLAGS (~ work)\n"
		"1< * OK [PERMANENTFLAGS (~ work \\*)] ~\n"
		"1< * 3 EXISTS\n"
		"1< * 3 RECENT\n"
		"1< * OK [UNSEEN 2] ~\n"
		"1< * OK [UIDVALIDITY ~] ~\n"
		"1< * OK [UIDNEXT 4] ~\n"
		"1< * OK [HIGHESTMODSEQ ~] ~\n"
		"1< * OK [MAILBOXID (~)] ~\n"
		"1< b1 OK [READ-WRITE] ~\n"
		"1> b2 FETCH 1 (FLAGS UID INTERNALDATE RFC822.SIZE BODY.PEEK[])\n"
		"1< * 1 FETCH (FLAGS (\\Seen \\Recent work) UID 1 INTERNALDATE \" 2-Feb-1994 "
		"05:52:25 "
		"+0000\" RFC822.SIZE 27 BODY[] {27}\n"
		"1< Subject: hi\n"
		"1< \n"
		"1< hello\n"
		"1< abc\n"
		"1< )\n"
		"1< b2 OK ~\n"
		"1> b3 FETCH 2:* BODY[]<1.1>\n"
		"1< * 2 FETCH (BODY[]<1> {1}\n"
		"1< b FLAGS (\\Seen \\Recent))\n"
		"1< * 3 FETCH (BODY[]<1> {1}\n"
		"1< e FLAGS (\\Deleted \\Seen \\Recent))\n"
		"1< b3 OK ~\n"
		"1> b4 FETCH 4 FLAGS\n"
		"1< b4 BAD there are only 3 messages\n"
		"1> b5 UID FETCH 3:9 (FLAGS)\n"
		"1< * 3 FETCH (UID 3 FLAGS (\\Deleted \\Seen \\Recent))\n"
		"1< b5 OK ~\n"
		"1> b6 UID FETCH 9 FLAGS\n"
		"1< b6 OK ~\n"
		"1> b7 FETCH 1 (BODY[HEADER.FIELDS (Subject X)] BODY[TEXT] RFC822.HEADER BODY[7])\n"
		"1< * 1 FETCH (BODY[HEADER.FIELDS (Subject X)] {15}\n"
		"1< Subject: hi\n"
		"1< \n"
		"1<  BODY[TEXT] {12}\n"
		"1< hello\n"
		"1< abc\n"
		"1<  RFC822.HEADER {15}\n"
		"1< Subject: hi\n"
		"1< \n"
		"1<  BODY[7] NIL)\n"
		"1< b7 OK ~\n"
		"1> b8 EXPUNGE\n"
		"1< * 3 EXPUNGE\n"
		"1< * 2 RECENT\n"
		"1< b8 OK ~\n"
		"1> b9 UNSELECT\n"
		"1< b9 OK ~\n"
		"1> c1 FETCH 1 FLAGS\n"
		"1< c1 BAD select a mailbox first\n");
}

static void deliver_three(struct imap_check_env *e)
{
	imap_check_deliver(e, "INBOX", "Subject: one\r\n\r\n1\r\n");
	imap_check_deliver(e, "INBOX", "Subject: two\r\n\r\n2\r\n");
	imap_check_deliver(e, "INBOX", "Subject: three\r\n\r\n3\r\n");
}

#define SELECT(n) \
	#n "> s SELECT INBOX\n" #n "< * FLAGS ~\n" #n "< * OK [PERM~\n" #n "< * 3 EXISTS\n" #n \
	   "< * ~ RECENT\n" #n "< * OK [UNSEEN 1] ~\n" #n "< * OK [UIDV~\n" #n \
	   "< * OK [UIDN~\n" #n "< * OK [HIGH~\n" #n "< * OK [MAILBOXID ~\n" #n "< s OK ~\n"

Test(imap, store)
{
	imap_check_in(deliver_three,
		SELECT(1) "1> a1 STORE 1:2 +FLAGS (\\Flagged $Label1)\n"
			  "1< * FLAGS (~ $Label1)\n"
			  "1< * OK [PERMANENTFLAGS ~\n"
			  "1< * 1 FETCH (FLAGS (\\Flagged \\Recent $Label1))\n"
			  "1< * 2 FETCH (FLAGS (\\Flagged \\Recent $Label1))\n"
			  "1< a1 OK ~\n"
			  "1> a2 UID STORE 2 -FLAGS $label1\n"
			  "1< * 2 FETCH (UID 2 FLAGS (\\Flagged \\Recent))\n"
			  "1< a2 OK ~\n"
			  "1> a3 STORE * FLAGS.SILENT (\\Answered \\Draft)\n"
			  "1< a3 OK ~\n"
			  "1> a4 NOOP\n"
			  "1< a4 OK ~\n"
			  "1> a5 FETCH 3 FLAGS\n"
			  "1< * 3 FETCH (FLAGS (\\Answered \\Draft \\Recent))\n"
			  "1< a5 OK ~\n"
			  "1> a6 STORE 3 FLAGS ()\n"
			  "1< * 3 FETCH (FLAGS (\\Recent))\n"
			  "1< a6 OK ~\n"
			  "1> a7 STORE 1 FLAGS (\\Recent)\n"
			  "1< a7 BAD ~\n"
			  "1> a8 STORE 1 FROB (\\Seen)\n"
			  "1< a8 BAD ~\n"
			  "1> a9 STORE 0 FLAGS (\\Seen)\n"
			  "1< a9 BAD ~\n");
}

/* What one session does, the others hear; when, RFC 3501 7.4.1 says. */
Test(imap, sessions_hear_of_each_other)
{
	imap_check_in(deliver_three,
		SELECT(1) SELECT(2) "1> a1 STORE 1 +FLAGS (\\Seen)\n"
				    "1< * 1 FETCH (FLAGS (\\Seen \\Recent))\n"
				    "1< a1 OK ~\n"
				    "2> b1 NOOP\n"
				    "2< * 1 FETCH (FLAGS (\\Seen))\n"
				    "2< b1 OK ~\n"
				    "1> a2 UID STORE 1:2 +FLAGS.SILENT (\\Deleted)\n"
				    "1< a2 OK ~\n"
				    "1> a3 EXPUNGE\n"
				    "1< * 1 EXPUNGE\n"
				    "1< * 1 EXPUNGE\n"
				    "1< * 1 RECENT\n"
				    "1< a3 OK ~\n"
				    /* numbers hold through FETCH, STORE and SEARCH */
				    "2> b2 FETCH 1:3 UID\n"
				    "2< * 3 FETCH (UID 3)\n"
				    "2< b2 NO [EXPUNGEISSUED] ~\n"
				    "2> b3 STORE 3 +FLAGS (\\Flagged)\n"
				    "2< * 3 FETCH (FLAGS (\\Flagged))\n"
				    "2< b3 OK ~\n"
				    "2> b4 SEARCH ALL\n"
				    "2< * SEARCH 3\n"
				    "2< b4 OK ~\n"
				    "2> b5 COPY 1:3 Trash\n"
				    "2< * 1 EXPUNGE\n"
				    "2< * 1 EXPUNGE\n"
				    "2< b5 NO [EXPUNGEISSUED] ~\n"
				    "2> b6 FETCH 1 UID\n"
				    "2< * 1 FETCH (UID 3)\n"
				    "2< b6 OK ~\n"
				    "1> a4 NOOP\n"
				    "1< * 1 FETCH (FLAGS (\\Flagged \\Recent))\n"
				    "1< a4 OK ~\n"
				    /* new mail is recent for one of them */
				    "3| a5 APPEND INBOX {3+}\\r\\nabc\\r\\n\n"
				    "3< a5 OK ~\n"
				    "1> a6 NOOP\n"
				    "1< * 2 EXISTS\n"
				    "1< * 2 RECENT\n"
				    "1< a6 OK ~\n"
				    "2> b7 NOOP\n"
				    "2< * 2 EXISTS\n"
				    "2< * 0 RECENT\n"
				    "2< b7 OK ~\n");
}

Test(imap, idle)
{
	imap_check_in(deliver_three,
		SELECT(1) SELECT(2) "2> b1 IDLE\n"
				    "2< + ~\n"
				    "2. \n"
				    "1> a1 STORE 2 +FLAGS (\\Deleted)\n"
				    "1< * 2 FETCH ~\n"
				    "1< a1 OK ~\n"
				    "2< * 2 FETCH (FLAGS (\\Deleted))\n"
				    "1> a2 EXPUNGE\n"
				    "1< * 2 EXPUNGE\n"
				    "1< * 2 RECENT\n"
				    "1< a2 OK ~\n"
				    "2< * 2 EXPUNGE\n"
				    "1| a3 APPEND INBOX {3+}\\r\\nabc\\r\\n\n"
				    "1< * 3 EXISTS\n"
				    "1< * ~ RECENT\n"
				    "1< a3 OK ~\n"
				    "2< * 3 EXISTS\n"
				    "2< * 0 RECENT\n"
				    "2. \n"
				    "2> DONE\n"
				    "2< b1 OK ~\n"
				    "2> b2 IDLE\n"
				    "2< + ~\n"
				    "2> b3 NOOP\n"
				    "2< b2 BAD expected DONE\n");
}

Test(imap, copy_and_move)
{
	imap_check_in(deliver_three,
		SELECT(1) "1> a1 COPY 1:2 Archive\n"
			  "1< a1 OK [COPYUID ~ 1:2 1:2] ~\n"
			  "1> a2 COPY 1 nowhere\n"
			  "1< a2 NO [TRYCREATE] ~\n"
			  "1> a3 UID COPY 77 Archive\n"
			  "1< a3 OK 0 messages\n"
			  "1> a4 MOVE 1,3 Trash\n"
			  "1< * OK [COPYUID ~ 1,3 1:2] ~\n"
			  "1< * 1 EXPUNGE\n"
			  "1< * 2 EXPUNGE\n"
			  "1< * 1 RECENT\n"
			  "1< a4 OK ~\n"
			  "1> a5 UID MOVE 2 Archive\n"
			  "1< * OK [COPYUID ~ 2 3] ~\n"
			  "1< * 1 EXPUNGE\n"
			  "1< * 0 RECENT\n"
			  "1< a5 OK ~\n"
			  "1> a6 STATUS Archive (MESSAGES)\n"
			  "1< * STATUS Archive (MESSAGES 3)\n"
			  "1< a6 OK ~\n"
			  "1> a7 UID EXPUNGE 1:5\n"
			  "1< a7 OK ~\n"
			  "1> a8 CLOSE\n"
			  "1< a8 OK ~\n"
			  "1> a9 CLOSE\n"
			  "1< a9 BAD ~\n");
}

Test(imap, uid_expunge_takes_only_what_is_named)
{
	imap_check_in(deliver_three,
		SELECT(1) "1> a1 STORE 1:3 +FLAGS.SILENT \\Deleted\n"
			  "1< a1 OK ~\n"
			  "1> a2 UID EXPUNGE 2:2,9\n"
			  "1< * 2 EXPUNGE\n"
			  "1< * 2 RECENT\n"
			  "1< a2 OK ~\n"
			  "1> a3 UNSELECT\n"
			  "1< a3 OK ~\n"
			  "1> a4 STATUS INBOX (MESSAGES)\n"
			  "1< * STATUS INBOX (MESSAGES 2)\n"
			  "1< a4 OK ~\n"
			  "1> a5 SELECT INBOX\n"
			  "1< * FLAGS ~\n1< * OK ~\n1< * 2 EXISTS\n1< * 0 RECENT\n1< * OK ~\n"
			  "1< * OK ~\n1< * OK ~\n1< * OK ~\n1< * OK ~\n1< a5 OK ~\n"
			  "1> a6 CLOSE\n"
			  "1< a6 OK ~\n"
			  "1> a7 STATUS INBOX (MESSAGES)\n"
			  "1< * STATUS INBOX (MESSAGES 0)\n"
			  "1< a7 OK ~\n");
}

Test(imap, the_selected_mailbox_goes_away)
{
	imap_check("1> a1 CREATE x\n"
		   "1< a1 OK ~\n"
		   "1| a2 APPEND x {3+}\\r\\nabc\\r\\n\n"
		   "1< a2 OK ~\n"
		   "1> a3 SELECT x\n"
		   "1< * FLAGS ~\n1< * OK ~\n1< * 1 EXISTS\n1< * 1 RECENT\n1< * OK ~\n1< * OK ~\n"
		   "1< * OK ~\n1< * OK ~\n1< * OK ~\n1< a3 OK ~\n"
		   "2> b1 SELECT x\n"
		   "2< * FLAGS ~\n2< * OK ~\n2< * 1 EXISTS\n2< * 0 RECENT\n2< * OK ~\n2< * OK ~\n"
		   "2< * OK ~\n2< * OK ~\n2< * OK ~\n2< b1 OK ~\n"
		   /* its own renaming it survives, */
		   "1> a4 RENAME x y\n"
		   "1< a4 OK ~\n"
		   "1> a5 FETCH 1 UID\n"
		   "1< * 1 FETCH (UID 1)\n"
		   "1< a5 OK ~\n"
		   /* somebody else's not, */
		   "2> b2 NOOP\n"
		   "2< * BYE ~\n"
		   "2< b2 OK ~\n"
		   "2! \n"
		   /* and deleting it, one has nothing selected. */
		   "1> a6 DELETE y\n"
		   "1< a6 OK ~\n"
		   "1> a7 NOOP\n"
		   "1< a7 OK ~\n"
		   "1> a8 FETCH 1 UID\n"
		   "1< a8 BAD select a mailbox first\n");
}

static void hurry(struct imap_check_env *e)
{
	e->conf.login_sec = e->conf.idle_sec = 1;
}

Test(imap, nobody_waits_for_ever)
{
	imap_check_in(hurry,
		"1-< * OK ~\n"
		"1> a1 NOOP\n"
		"1< a1 OK ~\n"
		"1< * BYE log in faster\n"
		"1! \n");
	imap_check_in(hurry, /* not by the announcement of a literal either */
		"1-< * OK ~\n"
		"1> a1 LOGIN alice {5+}\n"
		"1| ab\n"
		"1< * BYE log in faster\n"
		"1! \n");
	imap_check_in(hurry,
		"1> a1 NOOP\n"
		"1< a1 OK ~\n"
		"1< * BYE idle for too long\n"
		"1! \n");
	imap_check_in(hurry,
		"1> a1 IDLE\n"
		"1< + ~\n"
		"1< * BYE idle for too long\n"
		"1! \n");
}

/* An IDLE of one mailbox hears nothing of another; a keyword is told before the flags that use it. */
Test(imap, idle_hears_of_its_own_mailbox)
{
	imap_check_in(deliver_three,
		SELECT(1) "1> a1 IDLE\n"
			  "1< + ~\n"
			  "2| b1 APPEND Trash {3+}\\r\\nabc\\r\\n\n"
			  "2< b1 OK ~\n"
			  "1. \n"
			  "2> b2 SELECT INBOX\n"
			  "2< * FLAGS ~\n2< * OK ~\n2< * 3 EXISTS\n"
			  "2< * 0 RECENT\n2< * OK ~\n2< * OK ~\n"
			  "2< * OK ~\n2< * OK ~\n2< * OK ~\n2< b2 OK ~\n"
			  "2> b3 UID STORE 3 FLAGS (new-word)\n"
			  "1< * FLAGS (~ new-word)\n"
			  "1< * OK [PERMANENTFLAGS (~ new-word \\*)] ~\n"
			  "1< * 3 FETCH (FLAGS (\\Recent new-word))\n"
			  "1| DO\n"
			  "1. \n"
			  "1> NE\n"
			  "1< a1 OK ~\n");
}

/* More keywords than a mailbox may have are a limit, not bad grammar; taking them off is neither. */
Test(imap, many_keywords)
{
	struct buf words, script;

	buf_init(&words, NULL);
	buf_init(&script, NULL);
	for (int i = 0; i < 200; i++)
		buf_fmt(&words, "%sword-%d", i ? " " : "", i);
	buf_fmt(&script,
		SELECT(1) "1> a1 STORE 1 +FLAGS (%.*s)\n1< a1 NO [LIMIT] ~\n"
			  "1> a2 STORE 1 -FLAGS.SILENT (%.*s)\n1< a2 OK ~\n"
			  "1| a3 APPEND INBOX (%.*s) {3+}\\r\\nabc\\r\\n\n1< a3 NO [LIMIT] ~\n",
		STR_ARG(buf_str(&words)), STR_ARG(buf_str(&words)), STR_ARG(buf_str(&words)));
	imap_check_in(deliver_three, script.p);
	buf_free(&words);
	buf_free(&script);
}

/* INBOX stays, its messages go (RFC 3501 6.3.5). */
Test(imap, rename_of_inbox)
{
	imap_check_in(deliver_three,
		SELECT(1) "1> a1 RENAME INBOX old\n"
			  "1< * 1 EXPUNGE\n1< * 1 EXPUNGE\n1< * 1 EXPUNGE\n"
			  "1< * 0 RECENT\n"
			  "1< a1 OK ~\n"
			  "1> a2 STATUS old (MESSAGES)\n"
			  "1< * STATUS old (MESSAGES 3)\n"
			  "1< a2 OK ~\n");
}

/* What a message needs of memory is known before its first literal is announced, or does without. */
static char wide[250 * 1024 + 64];
static void deliver_wide(struct imap_check_env *e)
{
	int n = snprintf(wide, sizeof(wide), "x: ");
	memset(wide + n, 'a', 250 * 1024);
	snprintf(wide + n + 250 * 1024, 32, "\r\n\r\nb");
	imap_check_deliver(e, "INBOX", wide);
}

Test(imap, a_fetch_of_many_sections_ends)
{
	struct buf b;
	buf_init(&b, NULL);
	buf_addz(&b,
		"1> a1 EXAMINE INBOX\n1< * FLAGS ~\n1< * OK ~\n1< * 1 EXISTS\n1< * 1 RECENT\n"
		"1< * OK ~\n1< * OK ~\n1< * OK ~\n1< * OK ~\n1< * OK ~\n1< a1 OK ~\n1> a2 FETCH 1 "
		"(");
	for (int i = 0; i < 3; i++)
		buf_addz(&b, "BODY.PEEK[HEADER.FIELDS (x)] ");
	for (int i = 0; i < 97; i++)
		buf_addz(&b, i ? " BODY.PEEK[TEXT]<0.1>" : "BODY.PEEK[TEXT]<0.1>");
	buf_addz(&b, ")\n1< * 1 FETCH (BODY[HEADER.FIELDS (x)] {~}\n1< x: ~\n1< \n");
	for (int i = 0; i < 2; i++)
		buf_addz(&b, "1<  BODY[HEADER.FIELDS (x)] {~}\n1< x: ~\n1< \n");
	for (int i = 0; i < 97; i++)
		buf_addz(&b, i ? "1< b BODY[TEXT]<0> {1}\n" : "1<  BODY[TEXT]<0> {1}\n");
	buf_addz(&b, "1< b)\n1< a2 OK ~\n");
	cr_assert_eq(b.err, 0);
	imap_check_in(deliver_wide, b.p);
	buf_free(&b);
}
