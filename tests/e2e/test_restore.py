#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""log, diff and restore on a running estate, with IMAP clients connected; and on a stopped one."""
import imaplib
import json
import re
import sys
import threading
import time

import harness


def ok(answer):
    status, data = answer
    assert status == "OK", (status, data)
    return data


def login(e):
    m = imaplib.IMAP4_SSL("localhost", e.port("imaps"), ssl_context=e.tls())
    m.login("alice", e.password())
    ok(m.enable("CONDSTORE"))
    return m


def message(subject):
    return (f"From: Bob =?utf-8?q?M=C3=BCller?= <bob@example.org>\r\nSubject: {subject}\r\n"
            f"Date: Fri, 20 Nov 2026 10:00:00 +0000\r\n\r\nbody of {subject}\r\n").encode()


def fill(m, box, *subjects, flags=""):
    for s in subjects:
        ok(m.append(f'"{box}"', flags, None, message(s)))


def look(m, box):
    """{subject: (uid, flags)} of one mailbox; subjects differ."""
    ok(m.select(f'"{box}"', readonly=True))
    m.untagged_responses = {}
    found = {}
    for part in ok(m.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")):
        if isinstance(part, tuple):
            uid, flags = re.search(rb"UID (\d+) FLAGS \((.*?)\)", part[0]).groups()
            subject = part[1].decode().strip().removeprefix("Subject: ")
            assert subject not in found, f"{subject} stands twice in {box}"
            found[subject] = (int(uid), frozenset(flags.decode().split()) - {"\\Recent"})
    return found


def look_all(m):
    """{mailbox: {subject: flags}}"""
    seen = {}
    for row in ok(m.list()):
        attributes, name = re.fullmatch(rb'\(([^)]*)\) "/" "?(.*?)"?', row).groups()
        if b"\\NonExistent" not in attributes and b"\\Noselect" not in attributes:
            seen[name.decode()] = {s: v[1] for s, v in look(m, name.decode()).items()}
    return seen


def numbers(m, box):
    """UIDVALIDITY, UIDNEXT, HIGHESTMODSEQ"""
    answer = ok(m.status(f'"{box}"', "(UIDVALIDITY UIDNEXT HIGHESTMODSEQ)"))[0].decode()
    return tuple(int(re.search(rf"{what} (\d+)", answer)[1]) for what in ("UIDVALIDITY", "UIDNEXT", "HIGHESTMODSEQ"))


def now():
    """A moment with nothing in the seconds beside it, by the service's clock, which starts with whole seconds."""
    time.sleep(2.1)
    t = int(time.time())
    time.sleep(2.1)
    return f"@{t}"


def restore(e, *args, code=0):
    """Rows of changes, and the last."""
    rows = [json.loads(line) for line in e.run("restore", *args, "--json", code=code).stdout.splitlines()]
    assert "as_of" in rows[0] and rows[-1]["ok"], rows
    return rows[1:-1], rows[-1]


def undo(e, *args):
    """What `allod restore` says is the command to undo it: its arguments after the verb."""
    said = e.run("restore", *args).stdout
    return re.search(r"to undo: `allod .*restore mail (--undo [0-9a-f.]+)`", said)[1].split()


class Idle(threading.Thread):
    """A client that has INBOX selected and waits; what it is told."""

    def __init__(self, e):
        super().__init__(daemon=True)
        self.m = login(e)
        ok(self.m.select("INBOX"))
        self.told = []
        self.m.send(b"i1 IDLE\r\n")
        while not self.m.readline().startswith(b"+"):
            pass
        self.start()

    def run(self):
        while True:
            line = self.m.readline()
            if not line or line.startswith(b"i1 "):
                return
            self.told.append(line.strip())

    def done(self):
        self.m.send(b"DONE\r\n")
        self.join(harness.PATIENCE)
        return self.told


def a_day_at_the_office(m):
    """Three messages and a folder; then all kinds of mishap."""
    fill(m, "INBOX", "one", "two", "three")
    ok(m.create('"Entw&APw-rfe/alt"'))
    fill(m, "Entw&APw-rfe/alt", "draft")
    then, when = look_all(m), now()
    ok(m.select("INBOX"))
    ok(m.uid("STORE", "1", "+FLAGS", "(\\Deleted)"))
    ok(m.expunge())
    ok(m.uid("MOVE", "2", "Trash"))
    ok(m.uid("STORE", "3", "+FLAGS", "(\\Seen Later)"))
    ok(m.close())
    ok(m.delete('"Entw&APw-rfe/alt"'))
    fill(m, "INBOX", "later")
    return then, when


def one_message_comes_back(e):
    """Breakage: a restored message keeps its old UID, below a UIDNEXT that clients were told."""
    m = login(e)
    _then, when = a_day_at_the_office(m)
    removed = [c for row in e.run("log", "mail/INBOX", "--json").stdout.splitlines()
               for c in json.loads(row)["changes"] if c["change"] == "removed"]
    assert [c["subject"] for c in removed] == ["one"] and removed[0]["sender"] == "Bob Müller", removed
    before, idle = numbers(m, "INBOX"), Idle(e)
    # what is gone altogether needs no time
    rows, last = restore(e, f"mail/INBOX/{removed[0]['message']}")
    assert [(r["change"], r["subject"]) for r in rows] == [("back", "one")] and last["commits"] == 1, rows
    harness.until("the idle client hears of it", lambda: b"* 3 EXISTS" in idle.told)
    assert not any(b"EXPUNGE" in t or b"VANISHED" in t for t in idle.done()), idle.told
    after = numbers(m, "INBOX")
    assert after[0] == before[0] and after[1] > before[1] and after[2] > before[2], (before, after)
    found = look(m, "INBOX")
    assert found["one"][0] >= before[1] and found["one"][1] == {"\\Deleted"}, found  # as it last was
    rows, last = restore(e, f"mail/INBOX/{found['one'][0]}", "--at", when)
    assert [(r["change"], r["removed"]) for r in rows] == [("flags", ["\\Deleted"])], rows
    rows, last = restore(e, f"mail/INBOX/{removed[0]['message']}", "--at", when)
    assert rows == [] and last["commits"] == 0, "it is so already"
    e.run("restore", "mail/INBOX/00000000.1", "--at", when, code=1)
    e.run("restore", "mail/INBOX/999", "--at", when, code=1)


def a_folder_comes_back(e):
    """Breakage: a restore of a folder leaves the message in the Trash as well; or it forgets flags."""
    m = login(e)
    then, when = a_day_at_the_office(m)
    before, mess, idle = numbers(m, "INBOX"), look_all(m), Idle(e)
    head = e.run("log", "mail", "-n", "1").stdout
    dry, last = restore(e, "mail/INBOX", "--at", when, "--dry-run")
    assert last["dry_run"] and last["commits"] == 0
    assert look_all(m) == mess and e.run("log", "mail", "-n", "1").stdout == head, "a dry run changed something"
    rows, last = restore(e, "mail/inbox", "--at", when)
    assert rows == dry and last["counts"] == {"back": 1, "moved": 1, "flags": 1, "removed": 0, "mailboxes": 0}, rows
    harness.until("the idle client hears of it", lambda: b"* 4 EXISTS" in idle.told)
    idle.done()
    seen = look_all(m)
    assert seen["INBOX"] == then["INBOX"] | {"later": frozenset()} and not seen["Trash"], seen
    after = numbers(m, "INBOX")
    assert after[0] == before[0] and after[1] == before[1] + 2 and after[2] > before[2], (before, after)
    # undone: as it was before, and what came meanwhile stays
    fill(m, "INBOX", "meanwhile")
    restore(e, "mail", "--undo", last["last"])
    mess["INBOX"]["meanwhile"] = frozenset()
    assert look_all(m) == mess, look_all(m)
    # a folder that is gone, by the name people know
    rows, last = restore(e, "mail/Entwürfe/alt")
    assert [r["change"] for r in rows] == ["mailbox-made", "back"], rows
    assert look(m, "Entw&APw-rfe/alt").keys() == {"draft"}


def all_mail_comes_back(e):
    """Breakage: a message that came back from a mailbox that goes is lost with it."""
    m = login(e)
    then, when = a_day_at_the_office(m)
    ok(m.rename("Archive", "Attic"))
    ok(m.create("New"))
    ok(m.select("INBOX"))
    ok(m.uid("MOVE", "3", "New"))
    ok(m.close())
    mess = look_all(m)
    again = undo(e, "mail", "--at", when)
    seen = look_all(m)
    assert seen.pop("New") == {} and seen["INBOX"].pop("later") == frozenset() and seen == then, seen
    e.run("restore", "mail", *again)
    assert look_all(m) == mess, look_all(m)
    # exactly: what came since goes, and can be had again
    again = undo(e, "mail", "--at", when, "--exact")
    assert look_all(m) == then, look_all(m)
    numbers_then = numbers(m, "INBOX")
    e.run("restore", "mail", *again)
    assert look_all(m) == mess, look_all(m)
    assert numbers(m, "INBOX")[1:] > numbers_then[1:]
    # the undoing undone, with the service stopped; and what people see on the way
    last = json.loads(e.run("log", "mail", "--json", "-n", "1").stdout)["commit"]
    e.down()
    e.run("restore", "mail", "--undo", last)
    said = e.run("diff", "mail", "--at", when).stdout
    assert said == "", said
    said = e.run("show", "mail").stdout
    assert "restore: all mail, undo" in said and "New -> INBOX: " in said, said
    assert e.run("verify", "mail").returncode == 0
    e.up()
    m = login(e)
    assert look_all(m) == then, look_all(m)
    assert numbers(m, "INBOX")[1:] > numbers_then[1:]


def moments_and_people(e):
    """Breakage: --at asks the commits' dates; a second user's mail is restored for the first."""
    m = login(e)
    fill(m, "INBOX", "one")
    when = now()
    fill(m, "INBOX", "two")
    assert [json.loads(x)["change"] for x in e.run("diff", "mail", "--at", when, "--json").stdout.splitlines()[1:]] == ["new"]
    said = e.run("diff", "mail/INBOX", "--at", "now")
    assert said.stdout == "" and "nothing changed" in said.stderr
    rows = [json.loads(x) for x in e.run("show", "mail", "HEAD~1", "--json").stdout.splitlines()]
    assert rows[1]["subject"] == "one" and rows[1]["size"] == len(message("one")), rows
    for nonsense in ("fortnight", "2999-01-01", "25:00"):
        told = e.run("restore", "mail", "--at", nonsense, code=2).stderr
        assert told.startswith("allod: ") and "hint:" in told, told
    assert "yesterday 14:00" in e.run("diff", "mail", "--at", "fortnight", code=2).stderr
    told = e.run("diff", "mail", "--at", "10 years ago", code=1).stderr
    assert "then" in told, told
    e.run("restore", "mail", code=2)
    e.run("restore", "mail", "--at", "now", "--undo", "HEAD", code=2)
    e.run("restore", "mail/nowhere", "--at", "now", code=1)
    assert "--at" in e.run("restore", "mail/INBOX", code=1).stderr
    e.run("user", "add", "bob")
    told = e.run("log", "mail", code=2).stderr
    assert "alice, bob" in told or "bob, alice" in told, told
    assert "two" in e.run("log", "mail", "--user", "alice", "-n", "1").stdout
    e.run("restore", "mail", "--user", "carol", "--at", "now", code=1)
    # a page ends, the next goes on
    ok(m.select("INBOX"))
    for n in range(210):
        ok(m.uid("STORE", "1", f"{'+-'[n % 2]}FLAGS", "(\\Flagged)"))
    lines = e.run("log", "mail/INBOX/1", "--user", "alice", "--json").stdout.splitlines()
    assert len(lines) == 211, len(lines)


sys.exit(harness.main([one_message_comes_back, a_folder_comes_back, all_mail_comes_back, moments_and_people],
                      targets=("unix", "virt")))
