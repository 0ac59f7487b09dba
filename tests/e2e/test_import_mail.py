#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""mbox files and Maildirs, as Python's mailbox module and neomutt write them, into mailboxes; read back by imaplib."""
import imaplib
import json
import mailbox
import os
import re
import resource
import subprocess
import sys
import time

from harness import ALLOD, Failed, main

WHEN = 1780000000  # what the sources say of when it came, in steps of a day
BODIES = ["plain\n", "From here on\n\nFrom the desk of A\n\n\n", "caf\u00e9 \u20ac\n" * 3, "x" * 5000 + "\n", "", "\n\n", "no end"]
FLAGS = ["", "RO", "ROA", "OF", "ROT", "ROD", "ROAF"]  # of an mbox: Status and X-Status
IMAP = {"R": "\\Seen", "A": "\\Answered", "F": "\\Flagged", "T": "\\Draft", "D": "\\Deleted"}
MAILDIR = {"S": "\\Seen", "R": "\\Answered", "F": "\\Flagged", "D": "\\Draft", "T": "\\Deleted"}


def message(n, extra=""):
    return f"From: a{n}@example.org\nSubject: number {n}\n{extra}\n{BODIES[n % len(BODIES)]}".encode()


def wanted(text):
    """As it goes through the network: an mbox ends a last line that has no end."""
    text = text if text.endswith(b"\n") else text + b"\n"
    return text.replace(b"\n", b"\r\n")


def rows(e, *args, code=0):
    return [json.loads(line) for line in e.run("import", *args, "--json", code=code).stdout.splitlines()]


def counts(said):
    return tuple(said[-1][k] for k in ("added", "unchanged", "refused"))


def fetch(e, name):
    """{bytes: (flags, INTERNALDATE in seconds)} of a mailbox"""
    with imaplib.IMAP4_SSL("localhost", e.port("imaps"), ssl_context=e.tls()) as c:
        c.login("alice", e.password())
        kind, said = c.select(f'"{name}"', readonly=True)
        if kind != "OK":
            raise Failed(f"{name}: {said}")
        if said == [b"0"]:
            return {}
        got = {}
        for head, text in (p for p in c.fetch("1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")[1] if isinstance(p, tuple)):
            flags = set(re.search(rb"FLAGS \(([^)]*)\)", head)[1].decode().split()) - {"\\Recent"}
            if text in got:
                raise Failed(f"twice in {name}: {text[:80]}")
            got[text] = flags, time.mktime(imaplib.Internaldate2tuple(head))
        return got


def same(got, want):
    for text in want.keys() | got.keys():
        if got.get(text) != want.get(text):
            raise Failed(f"{text[:200]}: {got.get(text)}, not {want.get(text)}")


def make_mbox(path, count=len(BODIES)):
    """An mbox, and what is to come of it."""
    want = {}
    box = mailbox.mbox(path)
    for n in range(count):
        m = mailbox.mboxMessage(message(n))
        m.set_flags(FLAGS[n % len(FLAGS)])
        m.set_from("MAILER-DAEMON", time.gmtime(WHEN + 86400 * n))
        box.add(m)
        want[wanted(message(n))] = {IMAP[f] for f in FLAGS[n % len(FLAGS)] if f in IMAP}, WHEN + 86400 * n
    box.close()
    return want


def mboxes(e):
    # Breakage: an mbox's own fields stay in messages; a ">From" keeps its '>'; a "From the desk of" cuts a message; a
    # second import adds everything again; a dry run adds; one bad message takes the others along.
    path = os.path.join(e.folder, "old.mbox")
    want = make_mbox(path)
    with open(path, "ab") as f:
        f.write(b"From x Thu Jan  1 00:00:00 2026\nSubject: nul\n\na\0b\n\n")
        f.write(b"From - Sat Feb  3 11:22:33 2018\nX-Keywords: $Label1 work   \nContent-Length: 29\nSubject: length\n\n"
                b"From x Thu Jan  1 00:00:00 202\n\n"
                b"From x@y 3 Feb 2018 11:22:33 +0100\nSubject: quoted\n\n>From a\n>>From b\n\nFrom the desk of C\n>x\n")
    want[b"Subject: length\r\n\r\nFrom x Thu Jan  1 00:00:00 202\r\n"] = {"$Label1", "work"}, 1517656953
    want[b"Subject: quoted\r\n\r\nFrom a\r\n>From b\r\n\r\nFrom the desk of C\r\n>x\r\n"] = set(), 1517653353
    count = len(want)
    dry = rows(e, "mail", path, "--dry-run", "--folder", "Old/2026", code=1)
    if counts(dry) != (count, 0, 1) or "commit" in dry[-1]:
        raise Failed(dry)
    said = rows(e, "mail", path, "--folder", "Old/2026", code=1)
    bad = [r for r in said if r.get("change") == "refused"]
    if counts(said) != (count, 0, 1) or len(bad) != 1 or "NUL" not in bad[0]["why"] or bad[0]["line"] < 60:
        raise Failed(said)
    same(fetch(e, "Old/2026"), want)
    if fetch(e, "INBOX"):
        raise Failed("the dry run was none")
    # Again; read meanwhile by another program, which changes the file's own fields alone; by standard input.
    box = mailbox.mbox(path)
    for key in list(box.keys())[:len(BODIES)]:
        m = box[key]
        m.set_flags("RO")
        box[key] = m
    box.close()
    said = rows(e, "mail/Old/2026", path, code=1)
    if counts(said) != (0, count, 1):
        raise Failed(said)
    with open(path, "rb") as f:
        done = subprocess.run([ALLOD, "--home", e.home, "import", "mail", "-", "--folder", "Old/2026"], stdin=f, capture_output=True,
                              text=True, check=False)
    if done.returncode != 1 or f"0 added, {count} unchanged, 1 skipped" not in done.stdout or "line " not in done.stderr:
        raise Failed(done)
    same(fetch(e, "Old/2026"), want)
    # Breakage: what takes it back is another user's, or in another estate.
    way = re.search(r"`allod --home (\S+) (restore .*)`", e.run("import", "mail", path, "--user", "alice", code=1).stdout)
    if way[1] != e.home or "--user alice" not in way[2]:
        raise Failed(way[0])
    if len(fetch(e, "INBOX")) != count:
        raise Failed("nothing in INBOX")
    e.run(*way[2].split())
    if fetch(e, "INBOX"):
        raise Failed("an import was not taken back")


def maildirs(e):
    # Breakage: flags of the names, "new", or the files' dates are lost; a folder within becomes messages of this one.
    path = os.path.join(e.folder, "Maildir")
    box, want = mailbox.Maildir(path), {}
    for n in range(8):
        m = mailbox.MaildirMessage(message(n, "Date: Thu, 1 Jan 2015 00:00:00 +0000\n"))
        flags = ["", "S", "RS", "FS", "DS", "ST", "FRS", "P"][n]
        if flags:
            m.set_subdir("cur")
            m.set_flags(flags)
        m.set_date(WHEN - 86400 * n)
        box.add(m)
        text = message(n, "Date: Thu, 1 Jan 2015 00:00:00 +0000\n").replace(b"\n", b"\r\n")
        want[text] = {MAILDIR[f] for f in flags if f in MAILDIR} | ({"$Forwarded"} if "P" in flags else set()), WHEN - 86400 * n
    box.add_folder("Other").add(message(99))
    open(os.path.join(path, "cur", "empty:2,S"), "wb").close()
    e.down()  # on the disk
    said = rows(e, "mail", path, code=1)
    e.up()
    if counts(said) != (8, 0, 1) or not any("empty" in r.get("why", "") for r in said):
        raise Failed(said)
    same(fetch(e, "INBOX"), want)
    if counts(rows(e, "mail", path, code=1)) != (0, 8, 1):
        raise Failed("all again")
    # What neomutt makes an mbox of is the same messages.
    rc, copy = os.path.join(e.folder, "rc"), os.path.join(e.folder, "copy")
    with open(rc, "w", encoding="utf-8") as f:
        f.write(f'set folder="{e.folder}"\nset mbox_type=mbox\nset confirmappend=no\nset confirmcreate=no\nset delete=no\nset quit=yes\n'
                f'set mark_old=no\nset copy=no\npush "<tag-pattern>.*<enter><tag-prefix><copy-message>{copy}<enter><quit>"\n')
    subprocess.run(["script", "-qec", f"neomutt -n -F {rc} -f {path}", "/dev/null"], stdin=subprocess.DEVNULL, check=True,
                   capture_output=True, timeout=60, env={**os.environ, "HOME": e.folder, "TERM": "xterm"})
    said = rows(e, "mail", copy)
    if sum(counts(said)) != 8 or counts(said)[1] < 7:  # an empty file is none; what has no end gets one
        raise Failed(said)
    # One message, and what is none.
    eml = os.path.join(e.folder, "one.eml")
    with open(eml, "wb") as f:
        f.write(b"Date: Thu, 1 Jan 2015 00:00:00 +0000\r\nSubject: one\r\n\r\nFrom x\r\n")
    if counts(rows(e, "mail/One", eml)) != (1, 0, 0):
        raise Failed("one.eml")
    same(fetch(e, "One"), {b"Date: Thu, 1 Jan 2015 00:00:00 +0000\r\nSubject: one\r\n\r\nFrom x\r\n": (set(), 1420070400)})
    for odd, word in ((rc, "neither"), (e.folder, "no Maildir"), (os.path.join(e.folder, "nowhere"), "nowhere")):
        done = e.run("import", "mail", odd, code=1)
        if word not in done.stderr:
            raise Failed(done.stderr)


def many(e):
    # Breakage: the whole file in the memory of the command.
    count, large = (1000, 20) if e.target == "unix" else (150, 4)
    path = os.path.join(e.folder, "many.mbox")
    with open(path, "wb") as f:
        for n in range(count):
            f.write(b"From x@y Thu Jan  1 00:00:00 2026\nSubject: %d\n\n" % n + (b"%d " % n * 3000) + b"\n\n")
        f.write(b"From x@y Thu Jan  1 00:00:00 2026\nSubject: large\n\n" + b"0123456789abcde\n" * (large << 16) + b"\n")
    said = rows(e, "mail", path)
    if counts(said) != (count + 1, 0, 0):
        raise Failed(said[-1])
    mine = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    if e.target == "unix" and mine > 128 * 1024:
        raise Failed(f"the command took {mine} kB")
    if len(fetch(e, "INBOX")) != count + 1:
        raise Failed("some are missing")


if __name__ == "__main__":
    sys.exit(main([mboxes, maildirs, many], targets=("unix", "virt")))
