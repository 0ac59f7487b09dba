#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What is exported, read by stock git and by a reader of docs/mail-layout.md written in Python, against what IMAP shows."""
import imaplib
import json
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from urllib.parse import unquote_to_bytes

import harness
import mailmodel

LETTERS = {"D": "\\Draft", "F": "\\Flagged", "R": "\\Answered", "S": "\\Seen", "T": "\\Deleted"}


def git(repo, *args, **kw):
    done = subprocess.run(["git", "--git-dir", repo, *args], capture_output=True, check=False, **kw)
    assert done.returncode == 0, f"git {args}: {done.stderr.decode()}"
    return done.stdout


def blobs(repo, oids):
    """{oid: bytes} by one `git cat-file --batch`."""
    out, at, found = git(repo, "cat-file", "--batch", input="\n".join(oids).encode() + b"\n"), 0, {}
    for oid in oids:
        end = out.index(b"\n", at)
        size = int(out[at:end].split()[2])
        found[oid] = out[end + 1:end + 1 + size]
        at = end + 1 + size + 1
    return found


def level_name(folder):
    return unquote_to_bytes(re.sub(r"%~[0-9A-F]{4}$", "", folder)).decode()


def radix(seq):
    leaf = int(seq[:7], 16)
    return [f"{leaf >> 15:x}", *f"{leaf & 0o77777:05o}"]


def read_branch(repo, commit):
    """{mailbox: Counter of (bytes, flags, internal date)}, and what breaks the rules of the layout."""
    files, messages, lines, boxes, wrong = {}, {}, {}, {}, []
    for row in git(repo, "ls-tree", "-r", "-z", commit).decode().split("\0")[:-1]:
        meta, path = row.split("\t", 1)
        files[path] = meta.split()[2]
    content = blobs(repo, sorted(set(files.values())))
    for path, oid in files.items():
        parts = path.split("/")
        for mark in (".m", ".f", ".mailbox"):
            if mark in parts:
                where = parts.index(mark)
                box = "/".join(level_name(p) for p in parts[:where])
                rest = parts[where + 1:]
                break
        else:
            if path not in (".lanes", ".gitattributes"):
                wrong.append(f"{path} has no place in the layout")
            continue
        if mark == ".m":
            if rest[1:-1] != radix(rest[-1]):
                wrong.append(f"{path} is in the wrong folder")
            messages[box, rest[0], rest[-1]] = content[oid]
        elif mark == ".f":
            rows = content[oid].decode().splitlines()
            if not 0 < len(rows) <= 16 or rows != sorted(rows):
                wrong.append(f"{path} is no leaf")
            for line in rows:
                seq, internal, saved, flags, *keywords = line.split(" ")
                if rest[1:] != radix(seq):
                    wrong.append(f"{path}: {line} does not belong here")
                int(saved)
                named = {LETTERS[c] for c in flags if c != "-"} | set(keywords)
                lines[box, rest[0], seq] = (frozenset(named), int(internal))
        else:
            fields = dict(line.split(" ", 1) for line in content[oid].decode().splitlines())
            if "id" in fields:
                boxes[box] = fields
                if fields["name"] != box.split("/")[-1]:
                    wrong.append(f"{path}: its name is {fields['name']}")
    if messages.keys() != lines.keys():
        wrong.append(f"messages without a line or lines without a message: {messages.keys() ^ lines.keys()}")
    highest = dict(line.split() for line in content[files[".lanes"]].decode().splitlines())
    for _box, lane, seq in messages:
        if seq > highest[lane]:
            wrong.append(f"{lane}.{seq} is above the lane's mark {highest[lane]}")
    shown = {box: Counter() for box in boxes}
    for key, text in messages.items():
        shown[key[0]][(text, *lines[key])] += 1
    return shown, wrong


def utf7(name):
    """Modified UTF-7 as IMAP shows names, back to text (RFC 3501 5.1.3)."""
    return re.sub(r"&([^-]*)-", lambda m: ("+" + m[1].replace(",", "/") + "-").encode().decode("utf-7") if m[1] else "&", name)


def read_imap(conn):
    status, data = conn.list()
    assert status == "OK"
    shown = {}
    for row in data:
        attributes, name = re.fullmatch(rb'\(([^)]*)\) "/" "?(.*?)"?', row).groups()
        if b"\\Noselect" in attributes or b"\\NonExistent" in attributes:
            continue
        mailmodel.select(conn, '"' + name.decode() + '"', readonly=True)
        box = shown[utf7(name.decode())] = Counter()
        status, answer = conn.fetch("1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")
        assert status == "OK", answer
        for part in answer:
            if isinstance(part, tuple):
                flags = frozenset(re.search(rb"FLAGS \(([^)]*)\)", part[0])[1].decode().split()) - {"\\Recent"}
                when = int(time.mktime(imaplib.Internaldate2tuple(part[0])))
                box[part[1], flags, when] += 1
    return shown


def fill(conn):
    """A mailbox tree with odd names, and a history in it."""
    rng = random.Random(7)
    for name in ("work/plans", "Work", "caf&AOk-", "a.b", "x &- y", "&ZeVnLIqe-/deep/er"):
        status, data = conn.create(f'"{name}"')
        assert status == "OK", data
    names = ["INBOX", "Sent", "work/plans", "Work", "caf&AOk-", '"x &- y"', "&ZeVnLIqe-/deep/er"]
    for n in range(120):
        body = mailmodel.body_of(f"t{n}-x", rng.choice([0, 10, 3000, 90000])).encode()
        if n % 7 == 0:
            body = body.replace(b"\r\n\r\n", b"\r\n\r\n\xff\xfe8-bit \xe4\r\n", 1)
        flags = " ".join(rng.sample(mailmodel.FLAGS + ["\\Draft"], rng.randint(0, 3)))
        status, data = conn.append(rng.choice(names), f"({flags})", '"01-Feb-2020 03:04:%02d +0100"' % (n % 60), body)
        assert status == "OK", data
    mailmodel.select(conn)
    for command in (("COPY", "1:5", "Work"), ("MOVE", "3", "work/plans"), ("STORE", "1:4", "+FLAGS", "(\\Deleted again)"),
                    ("EXPUNGE", "1")):
        uids = conn.uid("SEARCH", "ALL")[1][0].split()
        if command[0] in ("MOVE", "EXPUNGE"):
            command = (command[0], uids[1].decode(), *command[2:])
        else:
            command = (command[0], b",".join(uids[:5]).decode(), *command[2:])
        status, data = conn.uid(*command)
        assert status == "OK", (command, data)
    assert conn.rename("Work", "Renamed")[0] == "OK"


def export_is_what_imap_shows(e):
    """Breakage: a moved message's line stays behind in the old leaf; or flags are written from the view, not the branch."""
    conn = mailmodel.connect_imap(e.port("imaps"), "alice", e.password(), e.tls())
    fill(conn)
    shown = read_imap(conn)
    repo = os.path.join(e.folder, "out.git")
    e.run("export", "mail", "--git", repo)
    git(repo, "fsck", "--strict", "--full")
    assert b"imap: " in git(repo, "log", "--format=%s", "alice")
    assert git(repo, "show", "--stat", "alice")
    branch, wrong = read_branch(repo, "alice")
    assert not wrong, wrong[:10]
    assert branch.keys() == shown.keys(), branch.keys() ^ shown.keys()
    for box, messages in shown.items():
        assert branch[box] == messages, f"{box}: {sum((branch[box] - messages).values())} too many, " \
                                        f"{sum((messages - branch[box]).values())} missing"
    assert sum(sum(m.values()) for m in shown.values()) > 100

    # the history the command shows is the one git shows; and a mailbox's is part of it
    ours = [json.loads(line)["commit"] for line in e.run("log", "mail", "--json").stdout.splitlines()]
    theirs = git(repo, "log", "--first-parent", "--format=%H", "alice").decode().split()
    assert ours == theirs, (ours[:3], theirs[:3])
    some = [json.loads(line)["commit"] for line in e.run("log", "mail/Sent", "--json").stdout.splitlines()]
    assert 0 < len(some) < len(theirs)
    assert "Sent: " in e.run("show", "mail", some[0]).stdout
    assert "Sent/.m/" in e.run("show", "mail", "--raw", some[0]).stdout

    # a second export into the same folder follows
    assert conn.append("Sent", None, None, b"Subject: later\r\n\r\nx\r\n")[0] == "OK"
    e.run("export", "mail", "--git", repo)
    git(repo, "fsck", "--strict")
    assert sum(read_branch(repo, "alice")[0]["Sent"].values()) == sum(shown["Sent"].values()) + 1
    assert e.json("verify", "mail")["mismatches"] == []
    conn.logout()


sys.exit(harness.main([export_is_what_imap_shows], targets=("virt", "unix")))
