#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What the IMAP RFCs prescribe, as scripts (see imapscript.py). Each has a mailbox $box of its own with the
messages named in its head, bound as $uid1...; connections are logged in, and select $box unless the
head says `auth` (or `plain`: not logged in either).

Breaks when: any answer named in a script is not given, or one it forbids is."""
import socket
import sys

import harness
import imapscript


def message(*lines):
    return "\r\n".join(lines).encode("utf-8") + b"\r\n"


INNER = ("From: Inner <inner@example.net>", "Subject: inner subject", "Date: Sun, 2 Feb 2020 10:00:00 +0000",
         "Content-Type: multipart/mixed; boundary=\"in\"", "", "inner preamble",
         "--in", "Content-Type: text/plain; charset=us-ascii", "X-Part: one", "", "first inner",
         "--in", "Content-Type: text/html", "Content-Transfer-Encoding: quoted-printable", "", "<p>caf=C3=A9</p>",
         "--in--")
MAIL = {
    "one": message("From: Ann <ann@a.example>", "To: bob@b.example", "Subject: first", "Date: Mon, 1 Jan 2018 10:00:00 +0000",
                   "Message-ID: <1@a.example>", "", "alpha body"),
    "two": message("From: Bob <bob@b.example>", "To: ann@a.example", "Cc: Carl <carl@c.example>", "Subject: second thing",
                   "Date: Fri, 1 Feb 2019 23:30:00 -0500", "In-Reply-To: <1@a.example>", "X-Extra: hello beautiful header",
                   "", "beta body nil"),
    "three": message("From: \"Carl, C.\" <carl@c.example>", "To: friends: ann@a.example, bob@b.example;, ann2@a.example",
                     "Bcc: hidden@h.example", "Subject: =?utf-8?q?caf=C3=A9_time?=", "Date: 2 Feb 2020 10:00:00 +0000",
                     "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64", "",
                     "Z2FtbWEgcsOpc3Vtw6kK"),
    "nohead": b"\r\njust a body\r\n",
    "full": message("Date: Sat, 01 Feb 2007 01:02:03 +0200", "Subject: all fields", "From: F Real <f@d.example>",
                    "Sender: S Real <s@d.example>", "Reply-To: R Real <r@d.example>", "To: T Real <t@d.example>",
                    "Cc: C Real <c@d.example>", "Bcc: B Real <b@d.example>", "In-Reply-To: <before@id>", "Message-ID: <this@id>",
                    "", "x"),
    "odd": message("Date: Sat, 01 Feb 2007 01:02:03 +0200", "From: u@d.example (Real Name)", "Sender: ", "Reply-To:",
                   "To: <@r1,@r2:u@d.example>, group: g1@d.example, G Two <g2@d.example>;, empty:;", "Subject: quote\"and\\slash",
                   "", "x"),
    "nested": message("From: outer@example.net", "Subject: outer", "MIME-Version: 1.0",
                      "Content-Type: multipart/mixed; boundary=out", "", "preamble",
                      "--out", "Content-Type: text/plain; charset=utf-8; format=flowed", "Content-ID: <c1@x>",
                      "Content-Description: greeting", "", "hello",
                      "--out", "Content-Type: message/rfc822", "Content-Disposition: attachment; filename=\"m.eml\"", "",
                      *INNER,
                      "--out", "Content-Type: application/octet-stream; name=\"a b.bin\"", "Content-Transfer-Encoding: BASE64",
                      "Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==", "Content-Language: en, de", "Content-Location: http://x/y", "",
                      "AAEC", "--out--", "epilogue"),
    "embedded": message("From: o@example.net", "Subject: embeds", "MIME-Version: 1.0", "Content-Type: message/rfc822", "",
                        "From: i@example.net", "Subject: inside", "", "inside text"),
    "folded": message("From: a@a.example", "Subject: long", " continued", "X-Empty:", "x-dup: 1", "X-Dup: 2", "", "t"),
    "latin": message("From: a@a.example", "Subject: x", "Content-Type: text/plain; charset=iso-8859-1",
                     "Content-Transfer-Encoding: quoted-printable", "", "na=EFve soft=", "ware"),
}
SCRIPTS = []


def script(name, text, mail="", how="selected"):
    SCRIPTS.append((name, text, mail.split(), how))


# ---- RFC 3501 6.1, 6.2: any state, not authenticated ----
script("greeting-capability", r"""
    CAPABILITY
    * CAPABILITY ...IMAP4rev1...AUTH=PLAIN...
    capability
    BAD CAPABILITY x
    NOOP
    BAD NOOP x
    """, how="plain")
script("logout", r"""
    send LOGOUT
    read * BYE...
    read TAG OK...
    read end
    """, how="plain")
script("logout-selected", r"""
    send LOGOUT
    read * BYE...
    read TAG OK...
    read end
    """)
script("not-authenticated", r"""
    BAD SELECT INBOX
    BAD LIST "" *
    BAD FETCH 1 FLAGS
    BAD CLOSE
    BAD UID FETCH 1 FLAGS
    """, how="plain")
script("login", r"""
    NO LOGIN alice wrong
    = [AUTHENTICATIONFAILED]...
    BAD LOGIN alice
    BAD LOGIN
    LOGIN "alice" «$password»
    = [CAPABILITY ...IDLE...]...
    BAD LOGIN alice $password
    BAD AUTHENTICATE PLAIN
    BAD STARTTLS
    """, how="plain")
script("authenticate", r"""
    NO AUTHENTICATE NOSUCH
    BAD AUTHENTICATE PLAIN !!!
    send AUTHENTICATE PLAIN
    read +...
    raw *
    read TAG BAD...
    send AUTHENTICATE PLAIN
    read +...
    raw $plain
    read TAG OK...
    """, how="plain")
script("authenticate-initial", r"""
    authenticate plain $plain
    = ...CAPABILITY...
    """, how="plain")
script("authenticate-login", r"""
    send AUTHENTICATE LOGIN
    read + VXNlcm5hbWU6
    raw $user64
    read + UGFzc3dvcmQ6
    raw $password64
    read TAG OK...
    """, how="plain")
script("bad-commands", r"""
    BAD XYZZY
    BAD UID
    BAD UID XYZZY 1
    BAD UID NOOP
    raw tagonly
    read tagonly BAD...
    raw
    read * BAD...
    raw + NOOP
    read * BAD...
    raw a.b NOOP
    read a.b OK...
    raw t  NOOP
    read t BAD...
    raw t NOOP\x20
    read t BAD...
    NOOP
    """, how="auth")
script("pipelining", r"""
    raw p1 NOOP\r\np2 CREATE ${box}x\r\np3 STATUS ${box}x (MESSAGES)\r\np4 DELETE ${box}x
    read p1 OK...
    read p2 OK...
    read * STATUS ${box}x (MESSAGES 0)
    read p3 OK...
    read p4 OK...
    raw f FETCH 1:2 (UID)\r\ns STORE 2 +FLAGS (\Deleted)\r\ne EXPUNGE\r\ng FETCH 1 (FLAGS)
    read * 1 FETCH (UID $uid1)
    read * 2 FETCH (UID $uid2)
    read f OK...
    read * 2 FETCH (FLAGS (...\Deleted...))
    read s OK...
    read * 2 EXPUNGE
    read * 1 RECENT
    read e OK...
    read * 1 FETCH (FLAGS (...))
    read g OK...
    """, "one two")

# ---- mailboxes ----
script("create-delete", r"""
    CREATE $box/a
    NO CREATE $box/a
    = [ALREADYEXISTS]...
    NO CREATE INBOX
    NO CREATE inbox
    CREATE $box/p/
    CREATE $box/p/q/r
    LIST "" $box/p/%
    * LIST (...) "/" $box/p/q
    DELETE $box/p/q/r
    LIST "" $box/p/q/r
    ! LIST (...) "/" $box/p/q/r
    NO DELETE $box/p/q/r
    = [NONEXISTENT]...
    NO DELETE INBOX
    NO DELETE inBox
    BAD CREATE
    BAD CREATE a b
    BAD DELETE
    """, how="auth")
script("delete-parent", r"""
    CREATE $box/a/b
    DELETE $box/a
    LIST "" $box/*
    * LIST (...\Noselect...) "/" $box/a
    * LIST (...) "/" $box/a/b
    NO SELECT $box/a
    NO DELETE $box/a
    CREATE $box/a
    LIST "" $box/a
    ! LIST (...\Noselect...) "/" $box/a
    SELECT $box/a
    """, how="auth")
script("rename", r"""
    CREATE $box/a/b
    RENAME $box/a $box/c/d
    LIST "" $box/*
    * LIST (...) "/" $box/c
    * LIST (...) "/" $box/c/d
    * LIST (...) "/" $box/c/d/b
    ! LIST (...) "/" $box/a
    ! LIST (...) "/" $box/a/b
    NO RENAME $box/none $box/x
    = [NONEXISTENT]...
    CREATE $box/e
    NO RENAME $box/c/d $box/e
    = [ALREADYEXISTS]...
    NO RENAME $box/c $box/c/z
    NO RENAME $box/e INBOX
    BAD RENAME $box/e
    """, how="auth")
script("rename-keeps-messages", r"""
    STATUS $box (UIDVALIDITY UIDNEXT MESSAGES)
    * STATUS $box (MESSAGES 2 UIDNEXT $next UIDVALIDITY $validity)
    RENAME $box ${box}new
    SELECT ${box}new
    * 2 EXISTS
    UID FETCH 1:* UID
    * 1 FETCH (UID $uid1)
    * 2 FETCH (UID $uid2)
    UNSELECT
    RENAME ${box}new $box
    """, "one two", "auth")
script("rename-inbox", r"""
    APPEND INBOX «@one»
    RENAME INBOX ${box}in
    STATUS INBOX (MESSAGES)
    * STATUS INBOX (MESSAGES 0)
    SELECT ${box}in
    = [READ-WRITE]...
    SEARCH SUBJECT first
    * SEARCH ...1...
    DELETE ${box}in
    """, how="auth")
script("uidvalidity-changes", r"""
    CREATE ${box}v
    STATUS ${box}v (UIDVALIDITY)
    * STATUS ${box}v (UIDVALIDITY $v1)
    DELETE ${box}v
    CREATE ${box}v
    STATUS ${box}v (UIDVALIDITY)
    ! STATUS ${box}v (UIDVALIDITY $v1)
    DELETE ${box}v
    """, how="auth")
script("list-separator", r"""
    LIST "" ""
    * LIST (\Noselect) "/" ""
    LIST $box ""
    * LIST (\Noselect) "/" ...
    BAD LIST
    BAD LIST ""
    BAD LIST "" * x
    LIST "" nosuch$box
    ! LIST ...
    """, how="auth")
script("list-wildcards", r"""
    CREATE $box/test
    CREATE $box/test2
    CREATE $box/test3/test4/test5
    2 LIST "" $box/%
    * LIST (...) "/" $box/test
    * LIST (...) "/" $box/test2
    * LIST (...) "/" $box/test3
    ! LIST (...) "/" $box/test3/test4
    LIST "" $box/%/%
    * LIST (...) "/" $box/test3/test4
    ! LIST (...) "/" $box/test
    ! LIST (...) "/" $box/test3/test4/test5
    LIST "" $box/*
    * LIST (...) "/" $box/test3
    * LIST (...) "/" $box/test3/test4/test5
    LIST $box/ *
    * LIST (...) "/" $box/test3/test4/test5
    LIST $box/ %
    * LIST (...) "/" $box/test2
    ! LIST (...) "/" $box/test3/test4
    LIST "" $box/*test4
    * LIST (...) "/" $box/test3/test4
    ! LIST (...) "/" $box/test3/test4/test5
    ! LIST (...) "/" $box/test3
    LIST "" $box/%t*4
    * LIST (...) "/" $box/test3/test4
    LIST "" $box/%3/%4
    * LIST (...) "/" $box/test3/test4
    LIST "" $box/%
    ! LIST (...) "/" $box
    LIST "" «$box/test%»
    * LIST (...) "/" $box/test2
    LIST "$box/" "test3/%"
    * LIST (...) "/" $box/test3/test4
    """, how="auth")
script("list-inbox", r"""
    LIST "" INBOX
    * LIST (...) "/" INBOX
    LIST "" inbox
    * LIST (...) "/" INBOX
    LIST "" iNb%
    * LIST (...) "/" INBOX
    LIST "" %
    * LIST (...) "/" INBOX
    LIST "" INBOX/nothere
    ! LIST ...
    """, how="auth")
script("list-children", r"""
    CREATE $box/a/b
    LIST "" $box/*
    * LIST (...\HasChildren...) "/" $box/a
    * LIST (...\HasNoChildren...) "/" $box/a/b
    """, how="auth")
script("names-special", r"""
    CREATE "$box/with space"
    CREATE "$box/quote\"d"
    CREATE "$box/back\\slash"
    CREATE "$box/(paren)"
    CREATE "$box/amp&-ersand"
    CREATE $box/&AOkA6A-
    CREATE $box/NIL
    CREATE "$box/brack]et"
    CREATE $box/tilde~#'!
    LIST "" $box/*
    * LIST (...) "/" "$box/with space"
    LIST "" "$box/quote\"d"
    * LIST (...) "/" "$box/quote\"d"
    LIST "" "$box/back\\slash"
    * LIST (...) "/" "$box/back\\slash"
    LIST "" "$box/(paren)"
    * LIST (...) "/" "$box/(paren)"
    LIST "" $box/amp*
    * LIST (...) "/" $box/amp&-ersand
    LIST "" $box/&AOk*
    * LIST (...) "/" $box/&AOkA6A-
    LIST "" $box/NIL
    * LIST (...) "/" $box/NIL
    SELECT "$box/quote\"d"
    SELECT $box/&AOkA6A-
    STATUS $box/&AOkA6A- (MESSAGES)
    * STATUS $box/&AOkA6A- (MESSAGES 0)
    STATUS "$box/with space" (MESSAGES)
    * STATUS "$box/with space" (MESSAGES 0)
    """, how="auth")
script("names-wildcard-chars", r"""
    CREATE "$box/a%b"
    CREATE "$box/a*b"
    SELECT "$box/a%b"
    NO SELECT "$box/*"
    LIST "" $box/a%
    * LIST (...) "/" "$box/a%b"
    BAD CREATE $box/c%d
    NO CREATE "$box//x"
    NO CREATE "/$box"
    """, how="auth")
script("nil-is-no-string", r"""
    SEARCH SUBJECT NIL
    * SEARCH
    SEARCH BODY nil
    * SEARCH 2
    LIST "" NIL
    LIST NIL NIL
    STATUS $box (MESSAGES)
    """, "one two")
script("subscribe", r"""
    CREATE $box/test
    CREATE $box/test2/test
    CREATE $box/test3/test3
    SUBSCRIBE $box/test
    SUBSCRIBE $box/test2/test
    SUBSCRIBE $box/test3/test3
    2 LSUB "" $box/%
    * LSUB (...) "/" $box/test
    * LSUB (...\Noselect...) "/" $box/test2
    * LSUB (...\Noselect...) "/" $box/test3
    ! LSUB (...\Noselect...) "/" $box/test
    ! LSUB (...) "/" $box/test2/test
    2 LSUB "" $box/*test
    * LSUB (...) "/" $box/test
    * LSUB (...) "/" $box/test2/test
    ! LSUB (...) "/" $box/test2
    ! LSUB (...) "/" $box/test3/test3
    LSUB $box/ *
    * LSUB (...) "/" $box/test2/test
    UNSUBSCRIBE $box/test
    2 LSUB "" $box/%
    ! LSUB (...) "/" $box/test
    UNSUBSCRIBE $box/test3/test3
    2 LSUB "" $box/*
    ! LSUB (...) "/" $box/test3...
    UNSUBSCRIBE $box/test2/test
    BAD SUBSCRIBE
    BAD LSUB ""
    """, how="auth")
script("subscription-outlives-mailbox", r"""
    CREATE $box/gone
    SUBSCRIBE $box/gone
    DELETE $box/gone
    LSUB "" $box/*
    * LSUB (...) "/" $box/gone
    LIST (SUBSCRIBED) "" $box/*
    * LIST (...\NonExistent...) "/" $box/gone
    LIST "" $box/*
    ! LIST (...) "/" $box/gone
    UNSUBSCRIBE $box/gone
    LSUB "" $box/*
    ! LSUB (...) "/" $box/gone
    """, how="auth")
script("list-extended", r"""
    CREATE $box/test1
    CREATE $box/test2/test1
    CREATE $box/test3
    CREATE $box/test7/test7
    SUBSCRIBE $box/test1
    SUBSCRIBE $box/test2/test1
    SUBSCRIBE $box/test7/test7
    LIST "" ($box/*2 $box/test3)
    * LIST (...) "/" $box/test2
    * LIST (...) "/" $box/test3
    ! LIST (...) "/" $box/test1
    BAD LIST (NOSUCH) "" ""
    BAD LIST (RECURSIVEMATCH) "" ""
    BAD LIST (RECURSIVEMATCH REMOTE) "" ""
    BAD LIST "" "" RETURN (NOSUCH)
    LIST (REMOTE) "" %
    LIST () "" $box/test3
    * LIST (...) "/" $box/test3
    LIST (SUBSCRIBED) "" $box/*
    * LIST (...\Subscribed...) "/" $box/test1
    * LIST (...\Subscribed...) "/" $box/test2/test1
    ! LIST (...) "/" $box/test3
    ! LIST (...) "/" $box/test2
    LIST (SUBSCRIBED RECURSIVEMATCH) "" $box/% RETURN (CHILDREN)
    * LIST (...\Subscribed...) "/" $box/test1
    * LIST (...\HasChildren...) "/" $box/test2 ("CHILDINFO" ("SUBSCRIBED"))
    ! LIST (...\Subscribed...) "/" $box/test2...
    LIST (SUBSCRIBED RECURSIVEMATCH) "" *$box/test7
    * LIST (...) "/" $box/test7 ("CHILDINFO" ("SUBSCRIBED"))
    LIST (SUBSCRIBED RECURSIVEMATCH) "" ($box/test2 $box/test2/test1)
    * LIST (...\Subscribed...) "/" $box/test2/test1
    ! LIST (...) "/" $box/test2 (...)
    LIST (SUBSCRIBED RECURSIVEMATCH) "" $box/*test7
    * LIST (...\Subscribed...) "/" $box/test7/test7
    ! LIST (...) "/" $box/test7 (...)
    LIST "" $box/% RETURN (CHILDREN SUBSCRIBED)
    * LIST (...\Subscribed...) "/" $box/test1
    * LIST (...\HasChildren...) "/" $box/test2
    ! LIST (...\Subscribed...) "/" $box/test3
    LIST "" $box/test3 RETURN ()
    * LIST (...) "/" $box/test3
    LIST (SUBSCRIBED REMOTE RECURSIVEMATCH) "" $box/% RETURN (SUBSCRIBED)
    UNSUBSCRIBE $box/test1
    UNSUBSCRIBE $box/test2/test1
    UNSUBSCRIBE $box/test7/test7
    """, how="auth")
script("list-status", r"""
    LIST "" $box RETURN (STATUS (MESSAGES UNSEEN))
    * LIST (...) "/" $box
    * STATUS $box (MESSAGES 2 UNSEEN 2)
    BAD LIST "" $box RETURN (STATUS)
    BAD LIST "" $box RETURN (STATUS (NOSUCH))
    LIST "" ($box) RETURN (CHILDREN STATUS (UIDNEXT) SUBSCRIBED)
    * STATUS $box (UIDNEXT ...)
    """, "one two", "auth")
script("special-use", r"""
    LIST (SPECIAL-USE) "" *
    * LIST (...\Drafts...) "/" Drafts
    * LIST (...\Sent...) "/" ...
    ! LIST (...) "/" INBOX
    LIST "" % RETURN (SPECIAL-USE)
    * LIST (...) "/" INBOX
    * LIST (...\Trash...) "/" ...
    CREATE $box/d (USE (\Archive))
    NO CREATE $box/e (USE (\NoSuch))
    = [USEATTR]...
    """, how="auth")
script("namespace-id-enable", r"""
    NAMESPACE
    * NAMESPACE (("" "/")) NIL NIL
    ID NIL
    * ID (...)
    ID ("name" "x" "version" NIL "os" "y")
    * ID (...)
    BAD ID
    BAD ID ("name")
    ENABLE NOSUCH
    * ENABLED
    BAD ENABLE
    BAD NAMESPACE x
    """, how="auth")
script("status", r"""
    STATUS $box (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)
    * STATUS $box (MESSAGES 2 RECENT ... UIDNEXT ... UIDVALIDITY ... UNSEEN 2)
    status $box (messages)
    * STATUS $box (MESSAGES 2)
    STATUS $box (SIZE)
    * STATUS $box (SIZE $size)
    NO STATUS $box/none (MESSAGES)
    = [NONEXISTENT]...
    BAD STATUS $box
    BAD STATUS $box ()
    BAD STATUS $box MESSAGES
    BAD STATUS $box (NOSUCH)
    STATUS INBOX (MESSAGES)
    STATUS "inbox" (APPENDLIMIT)
    * STATUS INBOX (APPENDLIMIT ...)
    """, "one two", "auth")

# ---- select ----
script("select", r"""
    SELECT $box
    * FLAGS (\Answered \Flagged \Deleted \Seen \Draft)
    * OK [PERMANENTFLAGS (...\*...)]...
    * 2 EXISTS
    * 2 RECENT
    * OK [UNSEEN 1]...
    * OK [UIDVALIDITY $validity]...
    * OK [UIDNEXT $next]...
    = [READ-WRITE]...
    SELECT $box
    * 2 EXISTS
    * 0 RECENT
    * OK [UIDVALIDITY $validity]...
    NO SELECT $box/none
    = [NONEXISTENT]...
    BAD FETCH 1 UID
    BAD SELECT
    BAD SELECT $box x
    """, "one two", "auth")
script("examine", r"""
    EXAMINE $box
    * OK [PERMANENTFLAGS ()]...
    * 1 EXISTS
    = [READ-ONLY]...
    NO STORE 1 +FLAGS (\Seen)
    FETCH 1 BODY[TEXT]
    * 1 FETCH (BODY[TEXT] "alpha body\r\n")
    FETCH 1 FLAGS
    ! 1 FETCH (FLAGS (...\Seen...))
    NO EXPUNGE
    CLOSE
    2 SELECT $box
    * 1 EXISTS
    * 1 RECENT
    """, "one", "auth")
script("close-expunges", r"""
    2 NOOP
    STORE 1 +FLAGS.SILENT (\Deleted)
    CLOSE
    ! 1 EXPUNGE
    BAD FETCH 1 FLAGS
    BAD CLOSE
    2 NOOP
    * 1 EXPUNGE
    SELECT $box
    * 1 EXISTS
    STORE 1 +FLAGS.SILENT (\Deleted)
    EXAMINE $box
    * 1 EXISTS
    CLOSE
    SELECT $box
    * 1 EXISTS
    """, "one two")
script("unselect-keeps", r"""
    STORE 1 +FLAGS.SILENT (\Deleted)
    UNSELECT
    BAD UNSELECT
    BAD CHECK
    SELECT $box
    * 1 EXISTS
    FETCH 1 FLAGS
    * 1 FETCH (FLAGS (...\Deleted...))
    BAD UNSELECT x
    CHECK
    """, "one")
script("selected-is-deleted", r"""
    2 NOOP
    DELETE $box
    BAD FETCH 1 FLAGS
    2 send NOOP
    2 read * BYE...
    """, "one")

# ---- append, copy, move ----
script("append", r"""
    APPEND $box (\Seen \Flagged custom) " 5-Mar-2021 10:11:12 +0200" «@one»
    * 1 EXISTS
    = [APPENDUID $validity $uid]...
    FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE)
    * 1 FETCH (UID $uid FLAGS (\Flagged...\Seen custom) INTERNALDATE " 5-Mar-2021 08:11:12 +0000" RFC822.SIZE $size)
    FETCH 1 BODY.PEEK[]
    * 1 FETCH (BODY[] "From: Ann...alpha body\r\n")
    SEARCH SINCE 5-Mar-2021 BEFORE 6-Mar-2021
    * SEARCH 1
    APPEND $box ‹@two›
    * 2 EXISTS
    NO APPEND $box/none «x»
    = [TRYCREATE]...
    BAD APPEND $box
    BAD APPEND $box (\Seen
    BAD APPEND $box "not a date" «x\r\n»
    BAD APPEND $box (\Nonsense) «x\r\n»
    APPEND $box () «@nohead»
    * 3 EXISTS
    FETCH 3 (FLAGS BODY.PEEK[HEADER] BODY.PEEK[TEXT])
    * 3 FETCH (FLAGS (\Recent) BODY[HEADER] "\r\n" BODY[TEXT] "just a body\r\n")
    BAD APPEND $box "x"
    """)
script("append-two-sessions", r"""
    2 NOOP
    APPEND $box (\Seen \Flagged) «@one»
    * 1 EXISTS
    2 NOOP
    * 1 EXISTS
    3 STATUS $box (MESSAGES RECENT UNSEEN)
    * STATUS $box (MESSAGES 1 RECENT 0 UNSEEN 0)
    FETCH 1 (FLAGS)
    * 1 FETCH (FLAGS (...\Flagged...))
    2 APPEND $box «@two»
    * 2 EXISTS
    NOOP
    * 2 EXISTS
    STATUS $box (MESSAGES UNSEEN)
    * STATUS $box (MESSAGES 2 UNSEEN 1)
    """)
script("multiappend", r"""
    APPEND $box (\Seen) ‹@one› (\Flagged) ‹@two› ‹@three›
    * 3 EXISTS
    = [APPENDUID $validity $a:$b]...
    FETCH 1:3 FLAGS
    * 1 FETCH (FLAGS (...\Seen...))
    * 2 FETCH (FLAGS (...\Flagged...))
    """)
script("literals", r"""
    STATUS «$box» (MESSAGES)
    * STATUS $box (MESSAGES 1)
    STATUS ‹$box› (MESSAGES)
    * STATUS $box (MESSAGES 1)
    SEARCH SUBJECT ‹fir› FROM «ann»
    * SEARCH 1
    SEARCH SUBJECT «»
    CREATE ‹$box/lit›
    RENAME «$box/lit» ‹$box/lit2›
    FETCH 1 BODY.PEEK[HEADER.FIELDS (‹Subject›)]
    * 1 FETCH (BODY[HEADER.FIELDS (Subject)] "Subject: first\r\n\r\n")
    raw bad NOOP {x}
    read bad BAD...
    NOOP
    """, "one")
script("copy", r"""
    CREATE $box/to
    STORE 1 FLAGS (\Flagged)
    COPY 1:2 $box/to
    = [COPYUID $validity $uid1:$uid2 1:2]...
    2 SELECT $box/to
    * 2 EXISTS
    2 FETCH 1 (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])
    * 1 FETCH (FLAGS (...\Flagged...) BODY[HEADER.FIELDS (SUBJECT)] "Subject: first\r\n\r\n")
    NO COPY 1 $box/none
    = [TRYCREATE]...
    BAD COPY 5 $box/to
    BAD COPY 1
    BAD COPY x $box/to
    UID COPY $uid2 $box/to
    = [COPYUID $validity $uid2 3]...
    UID COPY 999 $box/to
    2 NOOP
    * 3 EXISTS
    COPY 1 $box
    * 3 EXISTS
    """, "one two")
script("copy-keeps-date", r"""
    APPEND $box "05-Mar-2021 10:11:12 +0000" «@one»
    CREATE $box/to
    COPY 1 $box/to
    SELECT $box/to
    FETCH 1 INTERNALDATE
    * 1 FETCH (INTERNALDATE " 5-Mar-2021 10:11:12 +0000")
    """)
script("move", r"""
    CREATE $box/to
    2 NOOP
    MOVE 1 $box/to
    * OK [COPYUID $validity $uid1 1]...
    * 1 EXPUNGE
    2 NOOP
    * 1 EXPUNGE
    UID MOVE $uid3 $box/to
    * OK [COPYUID $validity $uid3 2]...
    * 2 EXPUNGE
    UID MOVE 999 $box/to
    NO MOVE 1 $box/none
    = [TRYCREATE]...
    FETCH 1 UID
    * 1 FETCH (UID $uid2)
    BAD MOVE 9 $box/to
    EXAMINE $box
    NO MOVE 1 $box/to
    """, "one two three")

# ---- fetch ----
script("fetch-items", r"""
    FETCH 1 ALL
    * 1 FETCH (FLAGS (\Recent) INTERNALDATE "..." RFC822.SIZE ... ENVELOPE (...))
    FETCH 1 FAST
    * 1 FETCH (FLAGS (\Recent) INTERNALDATE "..." RFC822.SIZE $size)
    FETCH 1 FULL
    * 1 FETCH (FLAGS (\Recent) INTERNALDATE "..." RFC822.SIZE $size ENVELOPE (...) BODY (...))
    fetch 1 (uid rfc822.size)
    * 1 FETCH (UID $uid1 RFC822.SIZE $size)
    FETCH 2:1 UID
    * 1 FETCH (UID $uid1)
    * 2 FETCH (UID $uid2)
    FETCH *:1 UID
    * 2 FETCH (UID $uid2)
    FETCH 1,2,1 UID
    * 1 FETCH (UID $uid1)
    BAD FETCH 3 UID
    BAD FETCH 0 UID
    BAD FETCH 1:x UID
    BAD FETCH 1
    BAD FETCH 1 ()
    BAD FETCH 1 (UID
    BAD FETCH 1 NOSUCH
    BAD FETCH 1 (ALL UID)
    BAD FETCH 1  UID
    UID FETCH $uid2 FLAGS
    * 2 FETCH (UID $uid2 FLAGS (\Recent))
    UID FETCH 999:* (UID)
    * 2 FETCH (UID $uid2)
    UID FETCH 999 (UID)
    ! 2 FETCH ...
    """, "one two")
script("fetch-rfc822", r"""
    FETCH 1 RFC822.HEADER
    * 1 FETCH (RFC822.HEADER "From: Ann...Message-ID: <1@a.example>\r\n\r\n")
    FETCH 1 FLAGS
    ! 1 FETCH (FLAGS (...\Seen...))
    FETCH 1 RFC822.TEXT
    * 1 FETCH (RFC822.TEXT "alpha body\r\n"...)
    FETCH 1 FLAGS
    * 1 FETCH (FLAGS (...\Seen...))
    STORE 1 -FLAGS.SILENT \Seen
    FETCH 1 RFC822
    * 1 FETCH (RFC822 "From: Ann...alpha body\r\n" FLAGS (...\Seen...))
    """, "one")
script("fetch-sections", r"""
    FETCH 1 BODY[]
    * 1 FETCH (BODY[] "From: a@...t\r\n" FLAGS (\Recent \Seen))
    FETCH 1 BODY.PEEK[HEADER]
    * 1 FETCH (BODY[HEADER] "From: a@a.example\r\nSubject: long\r\n continued\r\nX-Empty:\r\nx-dup: 1\r\nX-Dup: 2\r\n\r\n")
    FETCH 1 BODY.PEEK[HEADER.FIELDS (subject x-DUP)]
    * 1 FETCH (BODY[HEADER.FIELDS (subject x-DUP)] "Subject: long\r\n continued\r\nx-dup: 1\r\nX-Dup: 2\r\n\r\n")
    FETCH 1 BODY.PEEK[HEADER.FIELDS ("Subject" NoSuch)]
    * 1 FETCH (BODY[HEADER.FIELDS (Subject NoSuch)] "Subject: long\r\n continued\r\n\r\n")
    FETCH 1 BODY.PEEK[HEADER.FIELDS (NoSuch)]
    * 1 FETCH (BODY[HEADER.FIELDS (NoSuch)] "\r\n")
    FETCH 1 BODY.PEEK[HEADER.FIELDS.NOT (from subject x-dup)]
    * 1 FETCH (BODY[HEADER.FIELDS.NOT (from subject x-dup)] "X-Empty:\r\n\r\n")
    FETCH 1 BODY.PEEK[TEXT]
    * 1 FETCH (BODY[TEXT] "t\r\n")
    FETCH 1 BODY.PEEK[1]
    * 1 FETCH (BODY[1] "t\r\n")
    FETCH 1 BODY.PEEK[2]
    * 1 FETCH (BODY[2] NIL)
    BAD FETCH 1 BODY[0]
    BAD FETCH 1 BODY[MIME]
    BAD FETCH 1 BODY[NOSUCH]
    BAD FETCH 1 BODY[HEADER.FIELDS ()]
    BAD FETCH 1 BODY[HEADER.FIELDS]
    BAD FETCH 1 BODY[
    BAD FETCH 1 BODY[1.]
    """, "folded")
script("fetch-partial", r"""
    FETCH 1 BODY.PEEK[TEXT]<0.5>
    * 1 FETCH (BODY[TEXT]<0> "alpha")
    FETCH 1 BODY.PEEK[TEXT]<6.100>
    * 1 FETCH (BODY[TEXT]<6> "body\r\n")
    FETCH 1 BODY.PEEK[TEXT]<100.5>
    * 1 FETCH (BODY[TEXT]<100> "")
    FETCH 1 BODY.PEEK[]<0.4>
    * 1 FETCH (BODY[]<0> "From")
    FETCH 1 BODY.PEEK[HEADER.FIELDS (Subject)]<2.3>
    * 1 FETCH (BODY[HEADER.FIELDS (Subject)]<2> "bje")
    FETCH 1 BODY.PEEK[1]<1.2>
    * 1 FETCH (BODY[1]<1> "lp")
    BAD FETCH 1 BODY[]<0.0>
    BAD FETCH 1 BODY[]<0>
    BAD FETCH 1 BODY[]<.5>
    FETCH 1 BODY.PEEK[]<4294967295.4294967295>
    * 1 FETCH (BODY[]<4294967295> "")
    """, "one")
script("fetch-nested", r"""
    FETCH 1 BODY.PEEK[1]
    * 1 FETCH (BODY[1] "hello")
    FETCH 1 BODY.PEEK[1.MIME]
    * 1 FETCH (BODY[1.MIME] "Content-Type: text/plain; charset=utf-8; format=flowed\r\nContent-ID: <c1@x>\r\nContent-Description: greeting\r\n\r\n")
    FETCH 1 BODY.PEEK[2]
    * 1 FETCH (BODY[2] "From: Inner...--in--")
    FETCH 1 BODY.PEEK[2.MIME]
    * 1 FETCH (BODY[2.MIME] "Content-Type: message/rfc822\r\nContent-Disposition: attachment; filename="m.eml"\r\n\r\n")
    FETCH 1 BODY.PEEK[2.HEADER]
    * 1 FETCH (BODY[2.HEADER] "From: Inner <inner@example.net>\r\n...boundary="in"\r\n\r\n")
    FETCH 1 BODY.PEEK[2.TEXT]
    * 1 FETCH (BODY[2.TEXT] "inner preamble\r\n--in...--in--")
    FETCH 1 BODY.PEEK[2.HEADER.FIELDS (SUBJECT)]
    * 1 FETCH (BODY[2.HEADER.FIELDS (SUBJECT)] "Subject: inner subject\r\n\r\n")
    FETCH 1 BODY.PEEK[2.1]
    * 1 FETCH (BODY[2.1] "first inner")
    FETCH 1 BODY.PEEK[2.1.MIME]
    * 1 FETCH (BODY[2.1.MIME] "Content-Type: text/plain; charset=us-ascii\r\nX-Part: one\r\n\r\n")
    FETCH 1 BODY.PEEK[2.2]<3.4>
    * 1 FETCH (BODY[2.2]<3> "caf=")
    FETCH 1 BODY.PEEK[3]
    * 1 FETCH (BODY[3] "AAEC")
    FETCH 1 BODY.PEEK[4]
    * 1 FETCH (BODY[4] NIL)
    FETCH 1 BODY.PEEK[1.HEADER]
    * 1 FETCH (BODY[1.HEADER] NIL)
    FETCH 1 BODY.PEEK[2.3]
    * 1 FETCH (BODY[2.3] NIL)
    FETCH 1 BODY.PEEK[TEXT]<0.8>
    * 1 FETCH (BODY[TEXT]<0> "preamble")
    FETCH 1 (BODY.PEEK[1] BODY.PEEK[3])
    * 1 FETCH (BODY[1] "hello" BODY[3] "AAEC")
    """, "nested")
script("fetch-embedded", r"""
    FETCH 1 BODY.PEEK[1]
    * 1 FETCH (BODY[1] "From: i@example.net\r\nSubject: inside\r\n\r\ninside text\r\n")
    FETCH 1 BODY.PEEK[1.HEADER]
    * 1 FETCH (BODY[1.HEADER] "From: i@example.net\r\nSubject: inside\r\n\r\n")
    FETCH 1 BODY.PEEK[1.TEXT]
    * 1 FETCH (BODY[1.TEXT] "inside text\r\n")
    FETCH 1 BODY.PEEK[1.1]
    * 1 FETCH (BODY[1.1] "inside text\r\n")
    FETCH 1 BODY.PEEK[1.MIME]
    * 1 FETCH (BODY[1.MIME] "...Content-Type: message/rfc822\r\n\r\n")
    FETCH 1 BODYSTRUCTURE
    * 1 FETCH (BODYSTRUCTURE ("message" "rfc822" NIL NIL NIL "7bit" $n (NIL "inside" ((NIL NIL "i" "example.net")) ...) ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 13 1 ...) ...))
    """, "embedded")
script("envelope", r"""
    FETCH 1 ENVELOPE
    * 1 FETCH (ENVELOPE ("Sat, 01 Feb 2007 01:02:03 +0200" "all fields" (("F Real" NIL "f" "d.example")) (("S Real" NIL "s" "d.example")) (("R Real" NIL "r" "d.example")) (("T Real" NIL "t" "d.example")) (("C Real" NIL "c" "d.example")) (("B Real" NIL "b" "d.example")) "<before@id>" "<this@id>"))
    FETCH 2 ENVELOPE
    * 2 FETCH (ENVELOPE ("Sat, 01 Feb 2007 01:02:03 +0200" "quote\"and\\slash" (("Real Name" NIL "u" "d.example")) (("Real Name" NIL "u" "d.example")) (("Real Name" NIL "u" "d.example")) ((NIL "@r1,@r2" "u" "d.example")(NIL NIL "group" NIL)(NIL NIL "g1" "d.example")("G Two" NIL "g2" "d.example")(NIL NIL NIL NIL)(NIL NIL "empty" NIL)(NIL NIL NIL NIL)) NIL NIL NIL NIL))
    FETCH 3 ENVELOPE
    * 3 FETCH (ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL))
    """, "full odd nohead")
script("bodystructure", r"""
    FETCH 1 BODY
    * 1 FETCH (BODY ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 12 1))
    FETCH 2 BODY
    * 2 FETCH (BODY (("text" "plain" ("charset" "utf-8" "format" "flowed") "<c1@x>" "greeting" "7bit" 5 ...)("message" "rfc822" NIL NIL NIL "7bit" $n ("Sun, 2 Feb 2020 10:00:00 +0000" "inner subject" ...) (("text" "plain" ...)("text" "html" ...) "mixed") $lines)("application" "octet-stream" ("name" "a b.bin") NIL NIL "base64" 4) "mixed"))
    FETCH 2 BODYSTRUCTURE
    * 2 FETCH (BODYSTRUCTURE (("text" "plain" ("charset" "utf-8" "format" "flowed") "<c1@x>" "greeting" "7bit" 5 ... NIL NIL NIL NIL)("message" "rfc822" NIL NIL NIL "7bit" $n (...) (... "mixed" ("boundary" "in") NIL NIL NIL) $lines NIL ("attachment" ("filename" "m.eml")) NIL NIL)("application" "octet-stream" ("name" "a b.bin") NIL NIL "base64" 4 "Q2hlY2sgSW50ZWdyaXR5IQ==" NIL ("en" "de") "http://x/y") "mixed" ("boundary" "out") NIL NIL NIL))
    FETCH 3 BODYSTRUCTURE
    * 3 FETCH (BODYSTRUCTURE ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 13 1 NIL NIL NIL NIL))
    """, "one nested nohead")
script("bodystructure-folded-boundary", r"""
    APPEND $box «From: u@d\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="foo\r\n bar"\r\n\r\n--foo bar\r\nContent-Type: text/x-myown; charset=us-ascii\r\n\r\nhello\r\n\r\n--foo bar--\r\n»
    FETCH 1 BODY
    * 1 FETCH (BODY (("text" "x-myown" ("charset" "us-ascii") NIL NIL "7bit" 7 1) "mixed"))
    """)

# ---- store, expunge ----
script("store", r"""
    STORE 1 FLAGS (\Seen \Flagged)
    * 1 FETCH (FLAGS (\Recent \Seen \Flagged))
    STORE 1 +FLAGS \Deleted
    * 1 FETCH (FLAGS (\Recent \Seen \Flagged \Deleted))
    STORE 1 -FLAGS (\Seen \Deleted)
    * 1 FETCH (FLAGS (\Recent \Flagged))
    STORE 1 FLAGS ()
    * 1 FETCH (FLAGS (\Recent))
    STORE 1 +FLAGS.SILENT (\Draft)
    ! 1 FETCH ...
    STORE 1 -flags.silent (\draft)
    STORE 1 FLAGS \Answered \Draft
    * 1 FETCH (FLAGS (\Answered \Draft \Recent))
    STORE 1:2 FLAGS.SILENT (\seen)
    ! 1 FETCH ...
    UID STORE $uid2 +FLAGS (\Flagged)
    * 2 FETCH (UID $uid2 FLAGS (\Flagged \Recent \Seen))
    UID STORE 999 +FLAGS (\Flagged)
    BAD STORE 3 +FLAGS (\Seen)
    BAD STORE 1 +FLAGS
    BAD STORE 1 +FLAGS (\Recent)
    BAD STORE 1 +FLAGS (\Bogus)
    BAD STORE 1 ~FLAGS (\Seen)
    BAD STORE 1 FLAGS (\Seen
    BAD STORE 1
    """, "one two")
script("store-sessions", r"""
    2 NOOP
    STORE 1 +FLAGS (\Seen)
    2 NOOP
    * 1 FETCH (FLAGS (...\Seen...))
    2 STORE 1 +FLAGS.SILENT (\Flagged)
    ! 1 FETCH ...
    NOOP
    * 1 FETCH (FLAGS (...\Flagged...\Seen...))
    2 NOOP
    ! 1 FETCH ...
    2 FETCH 1 FLAGS
    * 1 FETCH (FLAGS (...\Flagged...\Seen...))
    """, "one")
script("keywords", r"""
    STORE 1 +FLAGS (Forwarded work NonJunk)
    * FLAGS (...Forwarded...)
    * OK [PERMANENTFLAGS (...work...)]...
    * 1 FETCH (FLAGS (...Forwarded...))
    SEARCH KEYWORD work
    * SEARCH 1
    SEARCH KEYWORD WORK
    * SEARCH 1
    SEARCH UNKEYWORD work
    * SEARCH 2
    SEARCH KEYWORD nosuch
    * SEARCH
    SEARCH UNKEYWORD nosuch
    * SEARCH 1 2
    STORE 1 -FLAGS (WORK)
    ! 1 FETCH (FLAGS (...work...))
    2 NOOP
    2 FETCH 1 FLAGS
    * 1 FETCH (FLAGS (...NonJunk...))
    SELECT $box
    * FLAGS (...NonJunk...)
    """, "one two")
script("expunge", r"""
    STORE 1,3 +FLAGS.SILENT (\Deleted)
    EXPUNGE
    * 1 EXPUNGE
    * 2 EXPUNGE
    FETCH 1 UID
    * 1 FETCH (UID $uid2)
    BAD FETCH 2 UID
    EXPUNGE
    ! 1 EXPUNGE
    BAD EXPUNGE 1
    """, "one two three")
script("expunge-sessions", r"""
    2 NOOP
    STORE 1,3 +FLAGS.SILENT (\Deleted)
    EXPUNGE
    * 1 EXPUNGE
    * 2 EXPUNGE
    2 UID FETCH $uid2,$uid4 UID
    * $n FETCH (UID $uid2)
    2 NOOP
    2 FETCH 1:2 UID
    * 1 FETCH (UID $uid2)
    * 2 FETCH (UID $uid4)
    STORE 1 +FLAGS.SILENT (\Deleted)
    EXPUNGE
    2 CHECK
    * 1 EXPUNGE
    """, "one two three full")
script("expunge-not-told-early", r"""
    2 NOOP
    STORE 1 +FLAGS.SILENT (\Deleted)
    EXPUNGE
    2 FETCH 2 UID
    * 2 FETCH (UID $uid2)
    ! 1 EXPUNGE
    2 STORE 2 +FLAGS (\Seen)
    * 2 FETCH (FLAGS (...\Seen...))
    ! 1 EXPUNGE
    2 SEARCH ALL
    ! 1 EXPUNGE
    2 NO FETCH 1 FLAGS
    ! 1 EXPUNGE
    2 NOOP
    * 1 EXPUNGE
    """, "one two")
script("uid-expunge", r"""
    STORE 1:3 +FLAGS.SILENT (\Deleted)
    UID EXPUNGE $uid2
    * 2 EXPUNGE
    ! 1 EXPUNGE
    UID EXPUNGE 999
    BAD UID EXPUNGE
    SEARCH ALL
    * SEARCH 1 2
    STORE 1 -FLAGS.SILENT (\Deleted)
    UID EXPUNGE 1:*
    * 2 EXPUNGE
    SEARCH ALL
    * SEARCH 1
    """, "one two three")
script("uidnext-never-reused", r"""
    STORE 1:* +FLAGS.SILENT (\Deleted)
    EXPUNGE
    APPEND $box «@one»
    = [APPENDUID $validity $uid3]...
    FETCH 1 UID
    ! 1 FETCH (UID $uid1)
    ! 1 FETCH (UID $uid2)
    """, "one two")

# ---- search ----
script("search-flags", r"""
    STORE 1 FLAGS.SILENT (\Seen \Answered)
    STORE 2 FLAGS.SILENT (\Flagged \Deleted)
    STORE 3 FLAGS.SILENT (\Draft)
    SEARCH SEEN
    * SEARCH 1
    SEARCH UNSEEN
    * SEARCH 2 3
    SEARCH ANSWERED
    * SEARCH 1
    SEARCH UNANSWERED
    * SEARCH 2 3
    SEARCH FLAGGED
    * SEARCH 2
    SEARCH UNFLAGGED
    * SEARCH 1 3
    SEARCH DELETED
    * SEARCH 2
    SEARCH UNDELETED
    * SEARCH 1 3
    SEARCH DRAFT
    * SEARCH 3
    SEARCH UNDRAFT
    * SEARCH 1 2
    SEARCH RECENT
    * SEARCH 1 2 3
    SEARCH OLD
    * SEARCH
    SEARCH NEW
    * SEARCH 2 3
    SEARCH OR SEEN DRAFT
    * SEARCH 1 3
    SEARCH NOT (OR SEEN DRAFT)
    * SEARCH 2
    SEARCH NOT NOT SEEN
    * SEARCH 1
    search (seen answered)
    * SEARCH 1
    SEARCH SEEN UNSEEN
    * SEARCH
    UID SEARCH SEEN
    * SEARCH $uid1
    BAD SEARCH
    BAD SEARCH NOSUCH
    BAD SEARCH NOT
    BAD SEARCH OR SEEN
    BAD SEARCH (SEEN
    BAD SEARCH ()
    """, "one two three")
script("search-sets", r"""
    STORE 2 +FLAGS.SILENT (\Deleted)
    EXPUNGE
    SEARCH ALL
    * SEARCH 1 2 3 4
    UID SEARCH ALL
    * SEARCH $uid1 $uid3 $uid4 $uid5
    SEARCH 1:2,4
    * SEARCH 1 2 4
    SEARCH 4:2
    * SEARCH 2 3 4
    SEARCH UID $uid1:$uid3
    * SEARCH 1 2
    SEARCH UID $uid4:$uid2
    * SEARCH 2 3
    SEARCH 1:3 NOT UID $uid3
    * SEARCH 1 3
    SEARCH NOT 2,4
    * SEARCH 1 3
    SEARCH OR 1 UID $uid3
    * SEARCH 1 2
    SEARCH *
    * SEARCH 4
    SEARCH UID *
    * SEARCH 4
    SEARCH *:5
    * SEARCH 4
    SEARCH UID 999:*
    * SEARCH 4
    SEARCH *:3
    * SEARCH 3 4
    SEARCH 1,3,*
    * SEARCH 1 3 4
    UID SEARCH 1:2
    * SEARCH $uid1 $uid3
    BAD SEARCH 0
    BAD SEARCH UID x
    """, "one two three full odd")
script("search-addresses", r"""
    SEARCH FROM ann@a.example
    * SEARCH 1
    SEARCH FROM "nn@a.ex"
    * SEARCH 1
    SEARCH FROM "carl, c."
    * SEARCH 3
    SEARCH TO bob
    * SEARCH 1 3
    SEARCH TO friends
    * SEARCH 3
    SEARCH TO ann2
    * SEARCH 3
    SEARCH CC CARL
    * SEARCH 2
    SEARCH BCC hidden
    * SEARCH 3
    SEARCH HEADER CC ""
    * SEARCH 2
    SEARCH NOT HEADER BCC ""
    * SEARCH 1 2
    SEARCH FROM nobody
    * SEARCH
    SEARCH FROM Ann FROM "a.example"
    * SEARCH 1
    """, "one two three")
script("search-address-comments", r"""
    APPEND $box «From: <user-from (comment)@ (comment) domain.org>\r\nTo: user-to@domain.org (RealTo)\r\n\r\nx\r\n»
    SEARCH FROM user-from@domain.org
    * SEARCH 1
    SEARCH TO realto
    * SEARCH 1
    SEARCH TO user-to@domain.org
    * SEARCH 1
    """)
script("search-header", r"""
    SEARCH SUBJECT ""
    SEARCH SUBJECT FIRST
    * SEARCH 1
    SEARCH SUBJECT "second thing"
    * SEARCH 2
    SEARCH SUBJECT "econd thin"
    * SEARCH 2
    SEARCH HEADER SUBJECT ""
    * SEARCH 1 2 3
    SEARCH HEADER X-EXTRA ""
    * SEARCH 2
    SEARCH HEADER x-extra "beautiful head"
    * SEARCH 2
    SEARCH NOT HEADER X-Extra ""
    * SEARCH 1 3
    SEARCH HEADER Message-ID "<1@a.example>"
    * SEARCH 1
    SEARCH HEADER In-Reply-To 1@a
    * SEARCH 2
    BAD SEARCH HEADER SUBJECT
    BAD SEARCH SUBJECT
    """, "one two three")
script("search-charsets", r"""
    SEARCH CHARSET UTF-8 SUBJECT «café»
    * SEARCH 1
    SEARCH CHARSET utf-8 SUBJECT «CAFÉ»
    * SEARCH 1
    SEARCH CHARSET UTF-8 BODY «résumé»
    * SEARCH 1
    SEARCH CHARSET UTF-8 BODY «naïve software»
    * SEARCH 2
    SEARCH CHARSET US-ASCII BODY gamma
    * SEARCH 1
    NO SEARCH CHARSET X-NOSUCH BODY gamma
    = [BADCHARSET...
    BAD SEARCH CHARSET
    BAD SEARCH CHARSET UTF-8
    """, "three latin")
script("search-body-text", r"""
    SEARCH BODY alpha
    * SEARCH 1
    SEARCH BODY "beta body"
    * SEARCH 2
    SEARCH BODY first
    * SEARCH 3
    SEARCH TEXT first
    * SEARCH 1 3
    SEARCH TEXT "second thing"
    * SEARCH 2
    SEARCH BODY "inner subject"
    * SEARCH 3
    SEARCH BODY "first inner"
    * SEARCH 3
    SEARCH BODY alpha BODY beta
    * SEARCH
    SEARCH OR BODY alpha BODY beta
    * SEARCH 1 2
    SEARCH NOT TEXT body
    * SEARCH 3
    """, "one two nested")
script("search-dates", r"""
    SEARCH SENTON 1-Jan-2018
    * SEARCH 1
    SEARCH SENTBEFORE 1-Feb-2019
    * SEARCH 1
    SEARCH SENTSINCE 1-Feb-2019
    * SEARCH 2 3
    SEARCH SENTON 01-Feb-2019
    * SEARCH 2
    SEARCH SENTON "1-feb-2019"
    * SEARCH 2
    SEARCH SINCE 1-Jan-1990
    * SEARCH 1 2 3
    SEARCH BEFORE 1-Jan-1990
    * SEARCH
    BAD SEARCH ON 32-Jan-2018
    BAD SEARCH ON 1-Foo-2018
    BAD SEARCH ON
    SEARCH YOUNGER 86400
    * SEARCH 1 2 3
    SEARCH OLDER 86400
    * SEARCH
    BAD SEARCH YOUNGER 0
    """, "one two three")
script("search-internal-date", r"""
    APPEND $box "31-Dec-2019 23:30:00 +0000" «@one»
    APPEND $box " 1-Jan-2020 00:30:00 +0000" «@one»
    SEARCH ON 31-Dec-2019
    * SEARCH 1
    SEARCH BEFORE 1-Jan-2020
    * SEARCH 1
    SEARCH SINCE 1-Jan-2020
    * SEARCH 2
    SEARCH ON 1-Jan-2020
    * SEARCH 2
    """)
script("search-size", r"""
    APPEND $box «12345678\r\n»
    APPEND $box «123456789\r\n»
    SEARCH LARGER 10
    * SEARCH 2
    SEARCH SMALLER 11
    * SEARCH 1
    SEARCH SMALLER 10
    * SEARCH
    SEARCH LARGER 9 SMALLER 12
    * SEARCH 1 2
    BAD SEARCH LARGER x
    """)
script("esearch", r"""
    STORE 2 +FLAGS.SILENT (\Seen)
    SEARCH RETURN (ALL) ALL
    * ESEARCH (TAG "...") ALL 1:3
    SEARCH RETURN () ALL
    * ESEARCH (TAG "...") ALL 1:3
    SEARCH RETURN (MIN) ALL
    * ESEARCH (TAG "...") MIN 1
    SEARCH RETURN (MAX) ALL
    * ESEARCH (TAG "...") MAX 3
    SEARCH RETURN (COUNT) ALL
    * ESEARCH (TAG "...") COUNT 3
    SEARCH RETURN (MIN MAX COUNT) UNSEEN
    * ESEARCH (TAG "...") MIN 1 MAX 3 COUNT 2
    UID SEARCH RETURN (ALL) SEEN
    * ESEARCH (TAG "...") UID ALL $uid2
    UID SEARCH RETURN (MIN MAX) ALL
    * ESEARCH (TAG "...") UID MIN $uid1 MAX $uid3
    SEARCH RETURN () 1000
    * ESEARCH (TAG "...")
    SEARCH RETURN (MIN MAX) FLAGGED
    * ESEARCH (TAG "...")
    SEARCH RETURN (COUNT) FLAGGED
    * ESEARCH (TAG "...") COUNT 0
    UID SEARCH RETURN (COUNT) UID 1000
    * ESEARCH (TAG "...") UID COUNT 0
    SEARCH RETURN (ALL) CHARSET UTF-8 SEEN
    * ESEARCH (TAG "...") ALL 2
    BAD SEARCH RETURN (NOSUCH) ALL
    BAD SEARCH RETURN ALL
    """, "one two three")
script("empty-mailbox", r"""
    SEARCH ALL
    * SEARCH
    SEARCH RETURN (COUNT) ALL
    * ESEARCH (TAG "...") COUNT 0
    UID SEARCH UID 1:*
    * SEARCH
    UID FETCH 1:* (FLAGS)
    ! 1 FETCH ...
    EXPUNGE
    BAD FETCH 1 FLAGS
    UID STORE 1:* +FLAGS (\Seen)
    """)

# ---- odds and ends ----
script("examine-keeps-recent", r"""
    EXAMINE $box
    * 2 RECENT
    SELECT $box
    * 2 RECENT
    2 SELECT $box
    * 0 RECENT
    2 FETCH 1 FLAGS
    * 1 FETCH (FLAGS ())
    FETCH 1 FLAGS
    * 1 FETCH (FLAGS (\Recent))
    """, "one two", "auth")
script("select-unseen", r"""
    STORE 1 +FLAGS.SILENT (\Seen)
    SELECT $box
    * OK [UNSEEN 2]...
    STORE 2 +FLAGS.SILENT (\Seen)
    SELECT $box
    ! OK [UNSEEN ...
    """, "one two")
script("rename-selected", r"""
    RENAME $box ${box}r
    NOOP
    FETCH 1 UID
    * 1 FETCH (UID $uid1)
    RENAME ${box}r $box
    """, "one")
script("expunge-then-append", r"""
    2 NOOP
    STORE 1 +FLAGS.SILENT (\Deleted)
    EXPUNGE
    APPEND $box «@three»
    2 NOOP
    * 1 EXPUNGE
    * 2 EXISTS
    2 FETCH 1:* UID
    * 1 FETCH (UID $uid2)
    * 2 FETCH (UID $new)
    """, "one two")
script("silent-store-tells-others-news", r"""
    2 NOOP
    2 STORE 1 +FLAGS.SILENT (\Flagged)
    STORE 1 +FLAGS.SILENT (\Seen)
    NOOP
    FETCH 1 FLAGS
    * 1 FETCH (FLAGS (\Flagged...\Seen))
    """, "one")
script("uid-set-order", r"""
    UID FETCH $uid3,$uid1 UID
    * 1 FETCH (UID $uid1)
    * 3 FETCH (UID $uid3)
    UID FETCH *:$uid2 UID
    * 2 FETCH (UID $uid2)
    * 3 FETCH (UID $uid3)
    UID FETCH * UID
    * 3 FETCH (UID $uid3)
    UID FETCH $uid1 (UID FLAGS UID)
    * 1 FETCH (UID $uid1 FLAGS (...))
    UID FETCH 4294967295 UID
    BAD UID FETCH 4294967296 UID
    BAD UID FETCH 0 UID
    BAD UID FETCH 1, UID
    BAD UID FETCH 1: UID
    """, "one two three")
script("quoted-strings", r"""
    BAD STATUS "$box (MESSAGES)
    BAD STATUS "a\b" (MESSAGES)
    STATUS "$box" (MESSAGES)
    NO STATUS "" (MESSAGES)
    NO SELECT ""
    NO CREATE ""
    """, how="auth")
script("utf7-names", r"""
    CREATE $box/&U,BTFw-
    LIST "" $box/*
    * LIST (...) "/" $box/&U,BTFw-
    NO CREATE $box/&U,BTFw-
    RENAME $box/&U,BTFw- $box/&2D3eCQ-
    SELECT $box/&2D3eCQ-
    BAD CREATE $box/&bad
    BAD SELECT $box/&AGE-
    """, how="auth")
script("mime-odd", r"""
    APPEND $box «From: a@b\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\nno boundary here\r\n»
    APPEND $box «From: a@b\r\nContent-Type: multipart/alternative; boundary="b b"\r\n\r\n--b b\r\n\r\nplain\r\n--b b\r\nContent-Type: text/html\r\n\r\n<p>\r\n»
    APPEND $box «Content-Type: nonsense\r\n\r\nx\r\n»
    APPEND $box «From: a@b\r\nContent-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\nSubject: one\r\n\r\nfirst\r\n--d--\r\n»
    FETCH 1 BODYSTRUCTURE
    * 1 FETCH (BODYSTRUCTURE (...))
    FETCH 2 BODY
    * 2 FETCH (BODY (("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 5 ...)("text" "html" ... "alternative"))
    FETCH 2 BODY.PEEK[1]
    * 2 FETCH (BODY[1] "plain")
    FETCH 2 BODY.PEEK[1.MIME]
    * 2 FETCH (BODY[1.MIME] "\r\n")
    FETCH 3 BODY
    * 3 FETCH (BODY ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 1))
    FETCH 4 BODY
    * 4 FETCH (BODY (("message" "rfc822" NIL NIL NIL "7bit" 21 (...) ("text" "plain" ...) ...) "digest"))
    FETCH 4 BODY.PEEK[1.HEADER]
    * 4 FETCH (BODY[1.HEADER] "Subject: one\r\n\r\n")
    FETCH 4 BODY.PEEK[1.1]
    * 4 FETCH (BODY[1.1] "first")
    """)
script("eight-bit-header", r"""
    APPEND $box «From: é <e@b.example>\r\nSubject: naïve\r\n\r\nx\r\n»
    FETCH 1 ENVELOPE
    * 1 FETCH (ENVELOPE (NIL "naïve" (("é" NIL "e" "b.example")) ...))
    SEARCH CHARSET UTF-8 SUBJECT «naïve»
    * SEARCH 1
    FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]
    * 1 FETCH (BODY[HEADER.FIELDS (SUBJECT)] "Subject: naïve\r\n\r\n")
    """)
script("search-pending", r"""
    2 APPEND $box «@two»
    SEARCH ALL
    * SEARCH 1...
    NOOP
    SEARCH ALL
    * SEARCH 1 2
    FETCH 2 FLAGS
    * 2 FETCH (FLAGS (...))
    """, "one")
script("status-of-selected", r"""
    2 APPEND $box (\Seen) «@two»
    STATUS $box (MESSAGES UNSEEN)
    * STATUS $box (MESSAGES 2 UNSEEN 1)
    """, "one")
script("close-examined-keeps", r"""
    STORE 1 +FLAGS.SILENT (\Deleted)
    EXAMINE $box
    CLOSE
    STATUS $box (MESSAGES)
    * STATUS $box (MESSAGES 1)
    """, "one")
script("many-connections", r"""
    2 NOOP
    3 NOOP
    4 NOOP
    STORE 1 FLAGS (\Seen)
    2 NOOP
    * 1 FETCH (FLAGS (...\Seen))
    3 STORE 1 FLAGS (\Answered)
    4 NOOP
    * 1 FETCH (FLAGS (\Answered...))
    4 STORE 1 +FLAGS.SILENT (\Deleted)
    2 EXPUNGE
    * 1 EXPUNGE
    NOOP
    * 1 EXPUNGE
    3 NOOP
    * 1 EXPUNGE
    4 NOOP
    * 1 EXPUNGE
    """, "one")

# ---- idle ----
script("idle", r"""
    2 send IDLE
    2 read +...
    APPEND $box «@one»
    2 read * 1 EXISTS
    2 read * $n RECENT
    STORE 1 +FLAGS (\Deleted)
    2 read * 1 FETCH (FLAGS (...\Deleted...))
    EXPUNGE
    2 read * 1 EXPUNGE
    2 raw DONE
    2 read TAG OK...
    2 send IDLE
    2 read +...
    2 raw done
    2 read TAG OK...
    2 send IDLE
    2 read +...
    2 raw x NOOP
    2 read TAG BAD...
    2 NOOP
    2 BAD IDLE x
    """)
script("idle-auth", r"""
    send IDLE
    read +...
    raw DONE
    read TAG OK...
    """, how="auth")

# ---- what real clients say ----
script("thunderbird", r"""
    CAPABILITY
    ID ("name" "Thunderbird" "version" "115.0")
    * ID ...
    NAMESPACE
    LIST (SUBSCRIBED) "" "*" RETURN (SPECIAL-USE)
    LIST "" "INBOX" RETURN (SPECIAL-USE)
    * LIST ... "/" INBOX
    SELECT "$box"
    = [READ-WRITE]...
    UID FETCH 1:* (FLAGS)
    * 1 FETCH (UID $uid1 FLAGS (...))
    * 2 FETCH (UID $uid2 FLAGS (...))
    UID FETCH $uid1,$uid2 (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To)])
    * 1 FETCH (UID $uid1 RFC822.SIZE ... FLAGS (...) BODY[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To)] "From: Ann...")
    UID FETCH $uid1 (UID RFC822.SIZE BODY.PEEK[])
    UID STORE $uid1 +Flags (\Seen)
    * 1 FETCH (UID $uid1 FLAGS (...\Seen...))
    UID FETCH 5000:* (FLAGS)
    * 2 FETCH (UID $uid2 FLAGS (...))
    send IDLE
    read +...
    raw DONE
    read TAG OK...
    UID STORE $uid1 +Flags (\Deleted \Seen)
    UID EXPUNGE $uid1
    * 1 EXPUNGE
    LOGOUT
    """, "one two", "auth")
script("apple-mail", r"""
    ID ("name" "com.apple.email.maild" "version" "3696.120.41.1.1" "os" "Mac OS X" "os-version" "12.5" "vendor" "Apple Inc.")
    LIST "" ""
    LIST "" "*" RETURN (SPECIAL-USE)
    LSUB "" "*"
    STATUS $box (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)
    SELECT $box
    FETCH 1:2 (FLAGS UID)
    * 1 FETCH (FLAGS (...) UID $uid1)
    UID FETCH $uid1 (INTERNALDATE UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (date subject from to cc message-id in-reply-to references content-type x-priority x-uniform-type-identifier x-universally-unique-identifier list-id list-unsubscribe bimi-indicator bimi-location x-bimi-indicator-hash authentication-results dkim-signature)])
    UID FETCH $uid1 (BODYSTRUCTURE BODY.PEEK[HEADER])
    UID FETCH $uid1 BODY.PEEK[1]<0.65536>
    * 1 FETCH (UID $uid1 BODY[1]<0> "alpha body\r\n")
    UID SEARCH 1:* NOT DELETED
    * SEARCH $uid1 $uid2
    UID COPY $uid1 Trash
    = [COPYUID...
    UID STORE $uid1 +FLAGS.SILENT (\Deleted)
    CHECK
    """, "one two", "auth")
script("k9-mail", r"""
    CAPABILITY
    NAMESPACE
    LIST "" "*" RETURN (SPECIAL-USE)
    SELECT "$box"
    UID SEARCH 1:* NOT DELETED
    UID SEARCH UID 1:* UNSEEN UNDELETED
    * SEARCH $uid1 $uid2
    UID FETCH $uid1,$uid2 (UID FLAGS)
    UID FETCH $uid1 (UID INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (date subject from content-type to cc reply-to message-id references in-reply-to list-unsubscribe sender X-K9mail-Identity)])
    UID FETCH $uid1 (BODYSTRUCTURE)
    UID FETCH $uid1 (BODY.PEEK[]<0.131072>)
    * 1 FETCH (UID $uid1 BODY[]<0> "From: Ann...)
    UID FETCH $uid1 (BODY.PEEK[1])
    UID SEARCH HEADER MESSAGE-ID "<1@a.example>"
    * SEARCH $uid1
    UID STORE $uid1 +FLAGS.SILENT (\Seen)
    UID MOVE $uid1 "Trash"
    """, "one two", "auth")
script("mutt", r"""
    LIST "" ""
    STATUS "$box" (UIDNEXT UIDVALIDITY UNSEEN RECENT MESSAGES)
    SELECT "$box"
    FETCH 1:2 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (DATE FROM SENDER SUBJECT TO CC MESSAGE-ID REFERENCES CONTENT-TYPE CONTENT-DESCRIPTION IN-REPLY-TO REPLY-TO LINES LIST-POST LIST-SUBSCRIBE LIST-UNSUBSCRIBE X-LABEL X-ORIGINAL-TO)])
    * 2 FETCH (UID $uid2 FLAGS (...) INTERNALDATE "..." RFC822.SIZE $n BODY[HEADER.FIELDS (...)] "...")
    UID FETCH $uid1 BODY.PEEK[]
    UID STORE $uid1 +FLAGS.SILENT (\Seen \Deleted)
    UID STORE $uid1 FLAGS.SILENT (\Deleted old)
    EXPUNGE
    * 1 EXPUNGE
    CLOSE
    """, "one two", "auth")
script("imapflow", r"""
    ID ("name" "imapflow" "version" "1.0.0")
    NAMESPACE
    LIST "" "*" RETURN (SUBSCRIBED STATUS (MESSAGES UIDNEXT UNSEEN))
    * STATUS $box (...)
    LSUB "" "*"
    SELECT $box
    UID FETCH 1:* (UID FLAGS BODYSTRUCTURE ENVELOPE INTERNALDATE RFC822.SIZE)
    * 1 FETCH (UID $uid1 FLAGS (...) BODYSTRUCTURE (...) ENVELOPE (...) INTERNALDATE "..." RFC822.SIZE $n)
    UID FETCH $uid1 (UID BODY.PEEK[1.MIME] BODY.PEEK[1])
    * 1 FETCH (UID $uid1 BODY[1.MIME] ... BODY[1] "alpha body\r\n")
    UID SEARCH RETURN (ALL) UNSEEN
    EXPUNGE
    send IDLE
    read +...
    raw DONE
    read TAG OK...
    """, "one two", "auth")


def base64(text):
    import base64 as b
    return b.b64encode(text.encode()).decode()


def connection(estate):
    sock = socket.create_connection(("127.0.0.1", estate.port_imaps), 30)
    c = imapscript.Connection(estate.context.wrap_socket(sock, server_hostname="localhost"))
    c.greeting = c.line()
    return c


def logged_in(estate):
    c = connection(estate)
    c.command(f"LOGIN alice {estate.password()}", {})
    return c


def run_one(estate, maker, number, item):
    name, text, mail, how = item
    box = f"c{number:03}"
    password = estate.password()
    values = {"box": box, "password": password, "plain": base64(f"\0alice\0{password}"),
              "user64": base64("alice"), "password64": base64(password)}
    maker.command(f"CREATE {box}", {})
    for i, m in enumerate(mail, 1):
        tagged = maker.command(f"APPEND {box} ‹@{m}›", MAIL)[1]
        values[f"uid{i}"] = tagged.split("]")[0].split()[-1]

    def connect(_):
        if how == "plain":
            return connection(estate)
        c = logged_in(estate)
        if how == "selected":
            c.command(f"SELECT {box}", {})
        return c
    try:
        imapscript.Script(connect, values, MAIL).run(text)
        return None
    except imapscript.Deviation as x:
        return f"{name}: {x}"


def conform(estate, items):
    estate.port_imaps, estate.context = estate.port("imaps"), estate.tls()
    maker = logged_in(estate)
    found = [x for n, item in enumerate(items) if (x := run_one(estate, maker, n, item))]
    maker.close()
    if found:
        raise harness.Failed(f"{len(found)} of {len(items)} scripts\n" + "\n".join(found))
    print(f"# {len(items)} scripts")


def scripts(e):
    """every script, or those named on the command line"""
    names = sys.argv[1:]
    items = [s for s in SCRIPTS if s[0] in names] or SCRIPTS
    conform(e, items)


if __name__ == "__main__":
    sys.exit(harness.main([scripts], targets=("unix", "virt")))
