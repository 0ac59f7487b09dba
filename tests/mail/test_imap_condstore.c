/* SPDX-License-Identifier: ISC */
/* CONDSTORE and QRESYNC (RFC 7162), OBJECTID (RFC 8474), SAVEDATE (RFC 8514). */
#include "tests/mail/imap_check.h"

#include <criterion/criterion.h>

static void deliver_five(struct imap_check_env *e)
{
	for (int i = 0; i < 5; i++)
		imap_check_deliver(e, "INBOX", "Subject: x\r\n\r\nx\r\n");
}

#define SELECT(n, parameters, v, h) \
	#n "> s SELECT INBOX" parameters "\n" #n "< * FLAGS ~\n" #n "< * OK [PERM~\n" #n \
	   "< * ~ EXISTS\n" #n "< * ~ RECENT\n" #n "< * OK [UNSEEN ~\n" #n \
	   "< * OK [UIDVALIDITY " v "] ~\n" #n "< * OK [UIDNEXT ~\n" #n "< * OK [HIGHESTMODSEQ " h \
	   "] ~\n" #n "< * OK [MAILBOXID (~)] ~\n"
#define OK(n)   #n "< s OK ~\n"
#define NEXT(n) #n "< * OK [CLOSED] ~\n"

Test(imap_condstore, fetch_and_status)
{
	imap_check_in(deliver_five,
		SELECT(1, "", "{v}", "{h}")
			OK(1) "1> a1 FETCH 2 FLAGS\n"
			      "1< * 2 FETCH (FLAGS (\\Recent))\n"
			      "1< a1 OK ~\n"
			      /* asking for it enables it */
			      "1> a2 FETCH 5,1 MODSEQ\n"
			      "1< * OK [HIGHESTMODSEQ {h}] ~\n"
			      "1< * 1 FETCH (MODSEQ ({a}))\n"
			      "1< * 5 FETCH (MODSEQ ({h}))\n"
			      "1< a2 OK ~\n"
			      "1> a3 STORE 2 +FLAGS \\Flagged\n"
			      "1< * 2 FETCH (FLAGS (\\Flagged \\Recent) MODSEQ ({b>h}))\n"
			      "1< a3 OK ~\n"
			      "1> a4 UID STORE 1 +FLAGS.SILENT \\Seen\n"
			      "1< * 1 FETCH (UID 1 MODSEQ ({c>b}))\n"
			      "1< a4 OK ~\n"
			      "1> a5 FETCH 1:* (FLAGS) (CHANGEDSINCE {h})\n"
			      "1< * 1 FETCH (FLAGS (\\Seen \\Recent) MODSEQ ({c}))\n"
			      "1< * 2 FETCH (FLAGS (\\Flagged \\Recent) MODSEQ ({b}))\n"
			      "1< a5 OK ~\n"
			      "1> a6 UID FETCH 1:* (MODSEQ) (CHANGEDSINCE {b})\n"
			      "1< * 1 FETCH (UID 1 MODSEQ ({c}))\n"
			      "1< a6 OK ~\n"
			      "1> a7 FETCH 1:* ALL (CHANGEDSINCE {c})\n"
			      "1< a7 OK ~\n"
			      "1> a8 STATUS INBOX (HIGHESTMODSEQ MESSAGES)\n"
			      "1< * STATUS INBOX (MESSAGES 5 HIGHESTMODSEQ {c})\n"
			      "1< a8 OK ~\n"
			      /* reading sets \Seen, which is a change like another */
			      "1> a9 FETCH 3 BODY[]<0.1>\n"
			      "1< * 3 FETCH (BODY[]<0> {1}\n"
			      "1< S FLAGS (\\Seen \\Recent) MODSEQ ({d>c}))\n"
			      "1< a9 OK ~\n"
			      "1> b1 UID FETCH 1:* FLAGS (CHANGEDSINCE {d} VANISHED)\n"
			      "1< b1 BAD ~\n"
			      "1> b2 FETCH 1 FLAGS (FROB 1)\n"
			      "1< b2 BAD ~\n"
			      "1> b3 FETCH 1 FLAGS (CHANGEDSINCE)\n"
			      "1< b3 BAD ~\n"
			      "1> b4 SELECT INBOX (FROB)\n"
			      "1< b4 BAD ~\n"
			      "1> b5 SELECT INBOX (QRESYNC ({v} {h}))\n"
			      "1< b5 BAD ~\n");
}

/* Each of the ways to enable it, and that others are told nothing they did not ask for. */
Test(imap_condstore, who_is_told)
{
	imap_check_in(deliver_five,
		SELECT(1, "", "{v}", "{h}") OK(1) SELECT(2, " (CONDSTORE)", "{v}", "{h}")
			OK(2) "3> e ENABLE X-FROB CONDSTORE\n3< * ENABLED CONDSTORE\n3< e OK "
			      "~\n" SELECT(3, "", "{v}", "{h}") OK(
				      3) "4> e STATUS INBOX (HIGHESTMODSEQ)\n"
					 "4< * STATUS INBOX (HIGHESTMODSEQ {h})\n4< e OK "
					 "~\n" SELECT(4, "", "{v}", "{h}") OK(
						 4) "1> a1 STORE 1 FLAGS \\Seen\n"
						    "1< * 1 FETCH (FLAGS (\\Seen \\Recent))\n1< a1 "
						    "OK ~\n"
						    "1> a2 STORE 2 FLAGS.SILENT \\Seen\n1< a2 OK "
						    "~\n"
						    "2> a NOOP\n"
						    "2< * 1 FETCH (FLAGS (\\Seen) MODSEQ ({a>h}))\n"
						    "2< * 2 FETCH (FLAGS (\\Seen) MODSEQ "
						    "({b>a}))\n2< a OK ~\n"
						    "3> a NOOP\n"
						    "3< * 1 FETCH (FLAGS (\\Seen) MODSEQ ({a}))\n"
						    "3< * 2 FETCH (FLAGS (\\Seen) MODSEQ "
						    "({b}))\n3< a OK ~\n"
						    "4> a NOOP\n"
						    "4< * 1 FETCH (FLAGS (\\Seen) MODSEQ ({a}))\n"
						    "4< * 2 FETCH (FLAGS (\\Seen) MODSEQ "
						    "({b}))\n4< a OK ~\n"
						    "1> a3 SEARCH MODSEQ {a}\n"
						    "1< * OK [HIGHESTMODSEQ {b}] ~\n"
						    "1< * SEARCH 1 2 (MODSEQ {b})\n1< a3 OK ~\n"
						    "2> b STORE 3 FLAGS.SILENT \\Seen\n2< * 3 "
						    "FETCH (MODSEQ ({c>b}))\n2< b OK ~\n"
						    "1> a4 NOOP\n1< * 3 FETCH (FLAGS (\\Seen "
						    "\\Recent) MODSEQ ({c}))\n1< a4 OK ~\n");
}

Test(imap_condstore, conditional_store)
{
	imap_check_in(deliver_five,
		SELECT(1, "", "{v}", "{h}") OK(1) SELECT(2, " (CONDSTORE)", "{v}", "{h}")
			OK(2) "2> b1 STORE 2,4 FLAGS \\Draft\n"
			      "2< * 2 FETCH (FLAGS (\\Draft) MODSEQ ({a>h}))\n"
			      "2< * 4 FETCH (FLAGS (\\Draft) MODSEQ ({a}))\n2< b1 OK ~\n"
			      "1> a1 STORE 1:4 (UNCHANGEDSINCE {h}) +FLAGS.SILENT \\Seen\n"
			      "1< * OK [HIGHESTMODSEQ {a}] ~\n"
			      "1< * 2 FETCH (FLAGS (\\Draft \\Recent) MODSEQ ({a}))\n"
			      "1< * 4 FETCH (FLAGS (\\Draft \\Recent) MODSEQ ({a}))\n"
			      "1< * 1 FETCH (MODSEQ ({b>a}))\n"
			      "1< * 3 FETCH (MODSEQ ({b}))\n"
			      "1< a1 OK [MODIFIED 2,4] ~\n"
			      "1> a2 STORE 1 (UNCHANGEDSINCE {b}) +FLAGS \\Flagged\n"
			      "1< * 1 FETCH (FLAGS (\\Flagged \\Seen \\Recent) MODSEQ ({c>b}))\n"
			      "1< a2 OK done\n"
			      "1> a3 STORE 1:5 (UNCHANGEDSINCE 0) FLAGS ()\n"
			      "1< a3 OK [MODIFIED 1:5] ~\n"
			      "2> b2 STORE 1 FLAGS.SILENT \\Deleted\n"
			      "2< * 1 FETCH ~\n2< * 3 FETCH ~\n2< * 1 FETCH (MODSEQ ({d>c}))\n2< "
			      "b2 OK ~\n"
			      "2> b3 EXPUNGE\n2< * 1 EXPUNGE\n2< b3 OK expunged\n"
			      /* numbers still count the one that is gone */
			      "1> a4 STORE 1:2 (UNCHANGEDSINCE {h}) FLAGS ()\n"
			      "1< a4 NO [MODIFIED 2] ~\n"
			      "1> a5 UID STORE 1:2 (UNCHANGEDSINCE {h}) FLAGS ()\n"
			      "1< * 1 EXPUNGE\n1< * ~ RECENT\n"
			      "1< a5 OK [MODIFIED 2] ~\n"
			      "1> a6 STORE 1 (UNCHANGEDSINCE) FLAGS ()\n1< a6 BAD ~\n"
			      "1> a7 STORE 1 (FROB 1) FLAGS ()\n1< a7 BAD ~\n");
}

Test(imap_condstore, search)
{
	imap_check_in(deliver_five,
		SELECT(1, " (CONDSTORE)", "{v}", "{h}")
			OK(1) "1> a1 FETCH 1:5 MODSEQ\n"
			      "1< * 1 FETCH (MODSEQ ({a}))\n1< * 2 FETCH (MODSEQ ({b>a}))\n"
			      "1< * 3 FETCH (MODSEQ ({c>b}))\n1< * 4 FETCH (MODSEQ ({d>c}))\n"
			      "1< * 5 FETCH (MODSEQ ({h}))\n1< a1 OK ~\n"
			      "1> a2 STORE 2 FLAGS.SILENT \\Seen\n1< * 2 FETCH (MODSEQ "
			      "({e>h}))\n1< a2 OK ~\n"
			      "1> a3 SEARCH MODSEQ {c}\n"
			      "1< * SEARCH 2 3 4 5 (MODSEQ {e})\n1< a3 OK ~\n"
			      "1> a4 UID SEARCH MODSEQ \"/flags/\\\\Seen\" all {d} UNSEEN\n"
			      "1< * SEARCH 4 5 (MODSEQ {h})\n1< a4 OK ~\n"
			      "1> a5 SEARCH RETURN (MIN) NOT 2 MODSEQ 1\n"
			      "1< * ESEARCH (TAG \"a5\") MIN 1 MODSEQ {a}\n1< a5 OK ~\n"
			      "1> a6 SEARCH RETURN (MIN MAX) 1:4 MODSEQ 1\n"
			      "1< * ESEARCH (TAG \"a6\") MIN 1 MAX 4 MODSEQ {d}\n1< a6 OK ~\n"
			      "1> a7 SEARCH RETURN (COUNT) 1:4 MODSEQ 1\n"
			      "1< * ESEARCH (TAG \"a7\") COUNT 4 MODSEQ {e}\n1< a7 OK ~\n"
			      "1> a8 SEARCH MODSEQ 9000000000000000000\n"
			      "1< * SEARCH\n1< a8 OK ~\n"
			      "1> a9 SEARCH RETURN () 1\n"
			      "1< * ESEARCH (TAG \"a9\") ALL 1\n1< a9 OK ~\n");
}

Test(imap_condstore, resync)
{
	imap_check_in(deliver_five,
		"1> e ENABLE QRESYNC CONDSTORE\n1< * ENABLED CONDSTORE QRESYNC\n1< e OK ~\n" SELECT(
			1, "", "{v}", "{h}")
			OK(1) "2> a1 SELECT INBOX\n2< * FLAGS ~\n2< * OK ~\n2< * 5 EXISTS\n2< * 0 "
			      "RECENT\n"
			      "2< * OK ~\n2< * OK ~\n2< * OK ~\n2< * OK ~\n2< * OK ~\n2< a1 OK ~\n"
			      "2> a2 STORE 2:3,5 FLAGS.SILENT \\Deleted\n2< a2 OK ~\n"
			      "2> a3 STORE 4 FLAGS.SILENT \\Flagged\n2< a3 OK ~\n"
			      "2> a4 EXPUNGE\n2< * 2 EXPUNGE\n2< * 2 EXPUNGE\n2< * 3 EXPUNGE\n2< "
			      "a4 OK expunged\n"
			      "1> a1 NOOP\n"
			      "1< * VANISHED 2:3,5\n1< * ~ RECENT\n"
			      "1< * 2 FETCH (UID 4 FLAGS (\\Flagged \\Recent) MODSEQ ({a>h}))\n1< "
			      "a1 OK ~\n"
			      "1> a2 UID FETCH 1:* (FLAGS) (CHANGEDSINCE {h} VANISHED)\n"
			      "1< * VANISHED (EARLIER) 2:3,5\n"
			      "1< * 2 FETCH (UID 4 FLAGS (\\Flagged \\Recent) MODSEQ ({a}))\n1< a2 "
			      "OK ~\n"
			      "1> a3 UID FETCH 3:4 (UID) (VANISHED CHANGEDSINCE {h})\n"
			      "1< * VANISHED (EARLIER) 3\n"
			      "1< * 2 FETCH (UID 4 MODSEQ ({a}))\n1< a3 OK ~\n"
			      "1> a4 FETCH 1:* (UID) (VANISHED CHANGEDSINCE {h})\n1< a4 BAD ~\n"
			      "1> a5 UID FETCH 1:* (UID) (VANISHED)\n1< a5 BAD ~\n"
		/* all, then by known UIDs, then by what matches; another UIDVALIDITY; nothing new */
		SELECT(1, " (QRESYNC ({v} {h}))\n1< * OK [CLOSED] ~", "{v}",
			"{b>a}") "1< * VANISHED (EARLIER) 2:3,5\n"
				 "1< * 2 FETCH (UID 4 FLAGS (\\Flagged) MODSEQ ({a}))\n" OK(
					 1) SELECT(1,
					 " (QRESYNC ({v} {h} 1:3))\n1< * OK [CLOSED] ~", "{v}",
					 "{b}") "1< * VANISHED (EARLIER) 2:3\n" OK(1) SELECT(1,
					 " (QRESYNC ({v} {h} 1,4:9 (1,2 1,4)))\n1< * OK [CLOSED] ~",
					 "{v}",
					 "{b}") "1< * VANISHED (EARLIER) 5\n"
						"1< * 2 FETCH (UID 4 FLAGS (\\Flagged) MODSEQ "
						"({a}))\n" OK(1) SELECT(1,
							" (QRESYNC ({v} {h} 1:5 (1:2 1:2)))\n1< * "
							"OK [CLOSED] ~",
							"{v}",
							"{b}") "1< * VANISHED (EARLIER) 2:3,5\n"
							       "1< * 2 FETCH (UID 4 FLAGS "
							       "(\\Flagged) MODSEQ ({a}))\n" OK(
								       1) SELECT(1,
								       " (QRESYNC (7 {h}))\n1< * "
								       "OK [CLOSED] ~",
								       "{v}", "{b}") OK(1) SELECT(1,
								       " (CONDSTORE QRESYNC ({v} "
								       "{b}))\n1< * OK [CLOSED] ~",
								       "{v}", "{b}")
								       OK(1) "1> a6 SELECT INBOX "
									     "(QRESYNC ({v} {h} "
									     "1:*))\n1< a6 BAD ~\n"
									     "1> a7 SELECT INBOX "
									     "(QRESYNC ({v}))\n1< "
									     "a7 BAD ~\n"
									     "1> a8 STORE 1 "
									     "+FLAGS.SILENT "
									     "\\Deleted\n1< * 1 "
									     "FETCH (UID 1 MODSEQ "
									     "({c>b}))\n"
									     "1< a8 OK ~\n"
									     "1> a9 EXPUNGE\n1< * "
									     "VANISHED 1\n1< a9 OK "
									     "[HIGHESTMODSEQ "
									     "{d>c}] ~\n"
									     "1> b1 MOVE 1 "
									     "Archive\n1< * OK "
									     "[COPYUID ~ 4 1] "
									     "~\n1< * VANISHED 4\n"
									     "1< b1 OK "
									     "[HIGHESTMODSEQ "
									     "{e>d}] ~\n"
									     "1> b2 UID FETCH 1:* "
									     "FLAGS (CHANGEDSINCE "
									     "{h} VANISHED)\n"
									     "1< * VANISHED "
									     "(EARLIER) 1:5\n1< b2 "
									     "OK ~\n"
									     "1> b3 UNSELECT\n1< "
									     "b3 OK ~\n"
									     "1> b4 STATUS INBOX "
									     "(HIGHESTMODSEQ)\n1< "
									     "* STATUS INBOX "
									     "(HIGHESTMODSEQ {e})\n"
									     "1< b4 OK ~\n");
}

/* Mail that came since the last news has no row yet, and is neither gone nor without room. */
Test(imap_condstore, mail_arrives_meanwhile)
{
	imap_check_in(deliver_five,
		"1> e ENABLE QRESYNC\n1< * ENABLED QRESYNC\n1< e OK ~\n" SELECT(1, "", "{v}", "{h}")
			OK(1) "2| a1 APPEND INBOX {1+}\\r\\na {1+}\\r\\nb {1+}\\r\\nc\\r\\n\n"
			      "2< a1 OK ~\n"
			      "2> a2 SELECT INBOX\n2< * FLAGS ~\n2< * OK ~\n2< * 8 EXISTS\n"
			      "2< * ~ RECENT\n2< * OK ~\n2< * OK ~\n2< * OK ~\n2< * OK ~\n"
			      "2< * OK ~\n2< a2 OK ~\n"
			      "2> a3 STORE 2,7 FLAGS.SILENT \\Deleted\n2< a3 OK ~\n"
			      "2> a4 EXPUNGE\n2< * 2 EXPUNGE\n2< * 6 EXPUNGE\n2< * ~ RECENT\n"
			      "2< a4 OK ~\n"
			      "1> a1 UID FETCH 1:9 (UID) (CHANGEDSINCE {h} VANISHED)\n"
			      "1< * VANISHED (EARLIER) 7\n"
			      "1< * VANISHED 2\n1< * 6 EXISTS\n1< * ~ RECENT\n1< a1 OK ~\n"
			      "2| a5 APPEND INBOX {1+}\\r\\na {1+}\\r\\nb {1+}\\r\\nc\\r\\n\n"
			      "2< * 9 EXISTS\n2< * ~ RECENT\n2< a5 OK ~\n"
			      "1> a2 UID STORE 1:99 (UNCHANGEDSINCE 0) FLAGS ()\n"
			      "1< * 9 EXISTS\n1< * ~ RECENT\n"
			      "1< a2 OK [MODIFIED 1,3:6,8:11] ~\n");
}

Test(imap_condstore, objectid_and_savedate)
{
	imap_check_in(deliver_five,
		"1> a1 CREATE x\n1< a1 OK [MAILBOXID (~)] ~\n"
		"1> a2 STATUS x (MAILBOXID)\n1< * STATUS x (MAILBOXID (~))\n1< a2 OK ~\n"
		"1> a3 LIST \"\" x RETURN (STATUS (MAILBOXID MESSAGES))\n1< * LIST ~ x\n"
		"1< * STATUS x (MESSAGES 0 MAILBOXID (~))\n1< a3 OK ~\n"
		"1| a4 APPEND x \" 1-Feb-1994 21:52:25 -0800\" {3+}\\r\\nabc {3+}\\r\\nabd\\r\\n\n"
		"1< a4 OK ~\n"
		"1> a5 SELECT x\n1< * FLAGS ~\n1< * OK ~\n1< * 2 EXISTS\n1< * 2 RECENT\n"
		"1< * OK ~\n1< * OK ~\n1< * OK ~\n1< * OK ~\n1< * OK [MAILBOXID (~)] ~\n1< a5 OK "
		"~\n"
		/* the oid of a git blob "abc" */
		"1> a6 FETCH 1 (EMAILID THREADID)\n"
		"1< * 1 FETCH (EMAILID (f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f) THREADID NIL)\n"
		"1< a6 OK ~\n"
		"1> a7 SEARCH EMAILID f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f\n"
		"1< * SEARCH 1\n1< a7 OK ~\n"
		"1> a8 SEARCH THREADID f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f\n"
		"1< * SEARCH\n1< a8 OK ~\n"
		"1> a9 FETCH 1 (SAVEDATE)\n1< * 1 FETCH (SAVEDATE \"~-20~ +0000\")\n1< a9 OK ~\n"
		"1> b1 SEARCH SAVEDSINCE 2-Feb-1994\n1< * SEARCH 1 2\n1< b1 OK ~\n"
		"1> b2 SEARCH SAVEDBEFORE 3-Feb-1994\n1< * SEARCH\n1< b2 OK ~\n"
		"1> b3 SEARCH SAVEDON 2-Feb-1994\n1< * SEARCH\n1< b3 OK ~\n"
		"1> b4 SEARCH ON 2-Feb-1994 SAVEDATESUPPORTED\n1< * SEARCH 1\n1< b4 OK ~\n");
}
