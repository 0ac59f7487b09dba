#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""IMAP by curl, mbsync and neomutt."""
import imaplib
import os
import subprocess
import sys

import harness

MESSAGES = [b"From: a@example.org\r\nTo: alice@example.org\r\nMessage-ID: <%d@example.org>\r\nSubject: number %d\r\n"
            b"Date: Fri, 20 Nov 2026 10:00:0%d +0000\r\n\r\nbody %d\r\n" % (n, n, n, n) for n in range(5)]


def login(e):
    m = imaplib.IMAP4_SSL("localhost", e.port("imaps"), ssl_context=e.tls())
    m.login("alice", e.password())
    return m


def fill(e):
    m = login(e)
    for text in MESSAGES:
        assert m.append("INBOX", "", None, text)[0] == "OK"
    m.logout()


def run(command, **kw):
    done = subprocess.run(command, capture_output=True, timeout=120, check=False, **kw)
    assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


def by_curl(e):
    """breaks when: STARTTLS keeps bytes of the old stream, or a FETCH literal has another length than it says"""
    fill(e)
    for url in (f"imaps://localhost:{e.port('imaps')}", f"imap://localhost:{e.port('imap')}"):
        base = ["curl", "-sS", "--ssl-reqd", "--cacert", e.ca, "--user", f"alice:{e.password()}"]
        assert b'"/" INBOX' in run([*base, url + "/"])
        assert run([*base, url + "/INBOX;UID=2"]) == MESSAGES[1]
        assert run([*base, url + "/INBOX;UID=2;SECTION=TEXT"]) == b"body 1\r\n"
        assert b"* SEARCH 3" in run([*base, url + "/INBOX?SUBJECT%20%22number%202%22"])
        assert b"* 5 EXISTS" in run([*base, "-X", "EXAMINE INBOX", url + "/"])
        with open(os.path.join(e.folder, "message"), "wb") as f:
            f.write(MESSAGES[0])
        run([*base, "-T", f.name, url + "/Sent"])
    assert b"Sent (MESSAGES 2)" in login(e).status("Sent", "(MESSAGES)")[1][0]


def by_mbsync(e):
    """breaks when: a flag or an expunge of one side does not reach the other, or UIDs are told wrongly by APPENDUID"""
    fill(e)
    maildir = os.path.join(e.folder, "maildir")
    os.makedirs(maildir)
    rc = os.path.join(e.folder, "mbsyncrc")
    with open(rc, "w", encoding="ascii") as f:
        f.write(f"""IMAPAccount a
Host localhost
Port {e.port('imaps')}
User alice
Pass {e.password()}
SSLType IMAPS
CertificateFile {e.ca}

IMAPStore far
Account a

MaildirStore near
Path {maildir}/
Inbox {maildir}/INBOX
SubFolders Verbatim

Channel c
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
""")
    os.chmod(rc, 0o600)
    sync = ["mbsync", "-q", "-c", rc, "c"]

    def near(box="INBOX"):
        return sorted(os.path.join(maildir, box, s, n) for s in ("cur", "new") for n in os.listdir(os.path.join(maildir, box, s)))

    run(sync)
    texts = sorted(open(p, "rb").read().split(b"Subject: ")[1].split(b"\n")[0] for p in near())
    assert texts == [b"number %d" % n for n in range(5)], texts
    # the maildir: one seen, one deleted, one new
    one, two = near()[:2]
    os.rename(one, os.path.join(maildir, "INBOX/cur", os.path.basename(one).split(":")[0] + ":2,S"))
    os.remove(two)
    with open(os.path.join(maildir, "INBOX/new/1.x.y"), "wb") as f:
        f.write(b"Subject: from here\n\nx\n")
    run(sync)
    m = login(e)
    m.select("INBOX")
    assert len(m.search(None, "ALL")[1][0].split()) == 5
    assert len(m.search(None, "SEEN")[1][0].split()) == 1
    assert len(m.search(None, "SUBJECT", '"from here"')[1][0].split()) == 1
    # and the other way
    m.store("3", "+FLAGS", r"(\Flagged \Answered)")
    m.store("4", "+FLAGS", r"\Deleted")
    m.expunge()
    m.create("later")
    m.append("later", r"\Seen", None, MESSAGES[0])
    run(sync)
    assert len(near()) == 4 and len(near("later")) == 1
    assert sum(p.endswith(":2,FR") for p in near()) == 1, near()
    run(sync)
    m.noop()
    assert len(m.search(None, "ALL")[1][0].split()) == 4


def by_neomutt(e):
    """breaks when: what neomutt asks for in one line (FETCH of header fields, STORE, COPY, EXPUNGE) is refused"""
    fill(e)
    rc = os.path.join(e.folder, "muttrc")
    with open(rc, "w", encoding="ascii") as f:
        f.write(f"""set folder=imaps://alice@localhost:{e.port('imaps')}/ spoolfile=+INBOX imap_pass={e.password()}
set ssl_force_tls ssl_starttls certificate_file={e.ca} ssl_ca_certificates_file={e.ca} quit=yes delete=yes
set sort=date confirmappend=no confirmcreate=no record="" header_cache="" imap_check_subscribed=no mark_old=no
push "<tag-pattern>~s 'number [12]'<enter><tag-prefix><save-message>=Archive<enter><delete-pattern>~s 'number 3'<enter>\
<limit>~A<enter><first-entry><display-message><exit><first-entry><flag-message><sync-mailbox><quit>"
""")
    os.chmod(rc, 0o600)
    env = dict(os.environ, TERM="vt100", HOME=e.folder)
    done = subprocess.run(["script", "-qec", f"neomutt -n -F {rc}", "/dev/null"], stdin=subprocess.DEVNULL, env=env,
                          capture_output=True, timeout=120, check=False)
    m = login(e)
    m.select("INBOX")
    status, data = m.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    left = [(d[1].split(b"\r\n")[0], rb"\Flagged" in d[0], rb"\Seen" in d[0]) for d in data if isinstance(d, tuple)]
    assert left == [(b"Subject: number 0", True, True), (b"Subject: number 4", False, False)], (left, done.stdout[-3000:])
    assert b"Archive (MESSAGES 2)" in m.status("Archive", "(MESSAGES)")[1][0]


if __name__ == "__main__":
    sys.exit(harness.main([by_curl, by_mbsync, by_neomutt], targets=("unix", "virt")))
