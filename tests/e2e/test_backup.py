#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""An estate is backed up, deleted, and comes back on an empty machine; stock git and an IMAP client judge."""
import base64
import fcntl
import hashlib
import imaplib
import os
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import harness
import mailmodel

GAP = 1 << 16


def git(repo, *args):
    done = subprocess.run(["git", "--git-dir", repo, *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"git {args}: {done.stderr}"
    return done.stdout


def sound(backup):
    """What stock git says of it; its branches."""
    repo = os.path.join(backup, "mail.git")
    said = git(repo, "fsck", "--strict", "--full")
    assert "missing" not in said and "broken" not in said, said
    return dict(reversed(line.split()) for line in git(repo, "for-each-ref", "--format=%(objectname) %(refname)").splitlines())


def imap(e):
    return mailmodel.connect_imap(e.port("imaps"), "alice", e.password(), e.tls())


def deliver(e, count, start=0):
    with smtplib.SMTP("127.0.0.1", e.port("smtp"), timeout=60) as smtp:
        for n in range(start, start + count):
            smtp.sendmail("someone@example.net", ["alice@example.org"],
                          f"Subject: {n}\r\nFrom: someone@example.net\r\n\r\nbody {n}\r\n")


def seen(conn):
    """{mailbox: (UIDVALIDITY, UIDNEXT, {uid: (flags, bytes' hash)})} as a client sees it."""
    boxes = {}
    status, data = conn.list()
    assert status == "OK"
    for row in data:
        attributes, name = re.fullmatch(rb'\(([^)]*)\) "/" "?(.*?)"?', row).groups()
        if b"\\Noselect" in attributes or b"\\NonExistent" in attributes:
            continue
        name = name.decode()
        status, answer = conn.status(f'"{name}"', "(UIDVALIDITY UIDNEXT)")
        validity, nxt = (int(re.search(word + rb" (\d+)", answer[0])[1]) for word in (rb"UIDVALIDITY", rb"UIDNEXT"))
        mailmodel.select(conn, f'"{name}"', readonly=True)
        status, answer = conn.uid("FETCH", "1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")
        assert status == "OK", answer
        messages = {}
        for part in answer:
            if isinstance(part, tuple):
                uid = int(re.search(rb"UID (\d+)", part[0])[1])
                flags = frozenset(re.search(rb"FLAGS \(([^)]*)\)", part[0])[1].decode().split()) - {"\\Recent"}
                when = re.search(rb'INTERNALDATE "([^"]*)"', part[0])[1]
                messages[uid] = (flags, when, hashlib.sha256(part[1]).hexdigest())
        boxes[name] = (validity, nxt, messages)
    return boxes


def fill(e):
    deliver(e, 30)
    conn = imap(e)
    for name in ("Work", "Work/2026", "caf&AOk-"):
        assert conn.create(f'"{name}"')[0] == "OK"
    for n in range(40):
        text = b"Subject: kept\r\n\r\n" + os.urandom(500 * (n % 5)).hex().encode() + b"\r\n"
        assert conn.append('"Work/2026"', r"(\Seen $Label)" if n % 2 else r"(\Flagged)", None, text)[0] == "OK"
    mailmodel.select(conn)
    assert conn.uid("STORE", "3,5", "+FLAGS.SILENT", r"(\Deleted)")[0] == "OK"
    assert conn.expunge()[0] == "OK"
    assert conn.uid("STORE", "7", "+FLAGS.SILENT", r"(\Answered)")[0] == "OK"
    assert conn.uid("COPY", "8:10", '"caf&AOk-"')[0] == "OK"
    return conn


def lose(e):
    """The machine is gone; only the backup and the paper with the code are left."""
    e.down()
    shutil.rmtree(e.home)


def code_file(e, text=None):
    path = os.path.join(e.folder, "paper")
    with open(path, "w") as f:
        f.write(text or e.code + "\n")
    return path


def recover(e, backup, home="second", code=0, **kw):
    e.home = os.path.join(e.folder, home)
    return e.run("recover", backup, "--code-file", code_file(e, **kw), code=code)


def compare(before, after, gap=GAP):
    assert before.keys() == after.keys(), (before.keys(), after.keys())
    for name, (validity, nxt, messages) in before.items():
        assert after[name][0] == validity, (name, validity, after[name][0])
        assert after[name][1] == nxt + gap, (name, nxt, after[name][1])
        assert after[name][2] == messages, name


def comes_back(e):
    """Breakage: recover gives UIDs anew, so that every client downloads everything again."""
    backup = os.path.join(e.folder, "backup")
    fill(e).logout()
    told = e.json("backup", backup)["services"][0]
    first = sound(backup)
    assert "refs/heads/alice" in first and "refs/heads/estate" in first, first
    endpoint = [r for r in first if r.startswith("refs/endpoints/") and r.endswith("/alice")]
    assert len(endpoint) == 1 and told["refs"] == len(first), first
    assert git(os.path.join(backup, "mail.git"), "symbolic-ref", "HEAD") == "refs/heads/alice\n"
    sealed = open(os.path.join(backup, "estate.sealed"), "rb").read()
    for secret in (b"PRIVATE KEY", b"example.org", open(os.path.join(e.home, "keys/control.token"), "rb").read()):
        assert secret not in sealed
    # a refresh brings what is new, and no more
    deliver(e, 5, start=100)
    again = e.json("backup", backup)["services"][0]
    assert 0 < again["bytes"] < told["bytes"] / 3 and again["moved"] == 2, (told, again)
    assert e.json("backup", backup)["services"][0]["bytes"] == 0
    second = sound(backup)
    assert second["refs/heads/alice"] != first["refs/heads/alice"] and second.keys() == first.keys()
    assert subprocess.run(["git", "--git-dir", os.path.join(backup, "mail.git"), "merge-base", "--is-ancestor",
                           first[endpoint[0]], second[endpoint[0]]]).returncode == 0
    e.run("user", "add", "bob")
    e.run("backup", backup)

    conn = imap(e)
    before = seen(conn)
    conn.logout()
    ports = [e.port(p) for p in harness.PORTS]
    ca = open(e.ca).read()
    lose(e)
    said = recover(e, backup).stdout
    assert "alice@example.org" in said and "allod up" in said, said
    assert not os.path.exists(e.home + ".recovering")
    e.up()
    assert [e.port(p) for p in harness.PORTS] == ports and open(e.ca).read() == ca
    conn = imap(e)  # with the old password, trusting the old authority
    compare(before, seen(conn))
    assert [u["user"] for u in e.json("user", "list")["users"]] == ["alice", "bob"]
    assert e.json("verify", "mail")["mismatches"] == []
    # it goes on: new mail is above everything, under a lane of its own, and the next backup takes it in
    deliver(e, 2, start=200)
    now = seen(conn)["INBOX"]
    assert sorted(now[2])[-2:] == [before["INBOX"][1] + GAP, before["INBOX"][1] + GAP + 1], sorted(now[2])[-3:]
    lanes = git_lanes(e, backup)
    assert len(lanes) == 2, lanes
    third = sound(backup)
    assert len([r for r in third if r.startswith("refs/endpoints/") and r.endswith("/alice")]) == 2, third
    # and what it became comes back as well
    before = seen(conn)
    conn.logout()
    lose(e)
    recover(e, backup, "third")
    e.up()
    compare(before, seen(imap(e)))


def git_lanes(e, backup):
    e.run("backup", backup)
    return git(os.path.join(backup, "mail.git"), "show", "refs/heads/alice:.lanes").split()[::2]


def stale_backup_names_no_uid_twice(e):
    """Breakage: UIDNEXT goes on where the backup was, and UIDs told since name other messages."""
    backup = os.path.join(e.folder, "backup")
    deliver(e, 10)
    old = seen(conn := imap(e))["INBOX"]
    e.run("backup", backup)
    deliver(e, 7, start=50)  # told to the client, never backed up
    mailmodel.select(conn)
    conn.uid("STORE", "2", "+FLAGS.SILENT", r"(\Deleted)")
    conn.expunge()
    told = seen(conn)["INBOX"]
    conn.logout()
    e.kill()
    lose(e)
    recover(e, backup)
    e.up()
    conn = imap(e)
    now = seen(conn)["INBOX"]
    assert now[0] == told[0] and now[1] == old[1] + GAP > told[1], (old[:2], told[:2], now[:2])
    assert now[2] == old[2]
    deliver(e, 3, start=90)
    fresh = set(seen(conn)["INBOX"][2]) - set(now[2])
    assert len(fresh) == 3 and min(fresh) >= now[1] > max(told[2]), (fresh, max(told[2]))


def refuses(e):
    """Breakage: a damaged pack or a mistyped code makes an estate all the same, or leaves half of one."""
    backup = os.path.join(e.folder, "backup")
    deliver(e, 5)
    e.run("backup", backup)
    e.down()

    def no(*words, home="second", **kw):
        done = recover(e, backup, home, code=1, **kw)
        assert all(w in done.stderr for w in words), done.stderr
        assert not os.path.exists(e.home) or home != "second"
        assert not os.path.exists(e.home + ".recovering")

    typo = e.code[:14] + ("a" if e.code[14] != "a" else "b") + e.code[15:]
    no("group 3 of the code", "mistyped", text=typo)
    no("group 2 of the code has 4 characters", text=e.code[:6] + e.code[7:])
    with harness.Estate(e.target, start=False) as other:
        no("belongs to another estate", text=other.code)
        theirs = os.path.join(e.folder, "theirs")
        other.run("backup", theirs)
        first, e.home = e.home, other.home
        assert "backup of another estate" in other.run("backup", backup, code=1).stderr
        e.home = first
    no("is not empty", home="home")
    precious = os.path.join(e.folder, "precious")
    os.mkdir(precious)
    open(os.path.join(precious, "x"), "w").close()
    no("is not empty", home="precious")
    assert os.listdir(precious) == ["x"]
    whole, backup = backup, os.path.join(e.folder, "no-backup")
    no("is no backup")
    for name, spoil in (("estate.sealed", flip), ("mail.git/objects/pack", flip), ("mail.git/objects/pack", cut),
                        ("mail.git/packed-refs", cut)):
        backup = os.path.join(e.folder, "spoiled")
        shutil.copytree(whole, backup)
        spoil(os.path.join(backup, name))
        no("cannot recover", backup)
        shutil.rmtree(backup)
    # another estate's mail in this one's place
    shutil.copytree(whole, backup)
    shutil.rmtree(os.path.join(backup, "mail.git"))
    no("mail.git")
    # a port somebody has
    backup = whole
    with socket.socket() as s:
        conf = open(os.path.join(e.folder, "home", "allod.conf")).read()
        port = int(re.search(r"imaps = 127.0.0.1:(\d+)", conf)[1])
        s.bind(("127.0.0.1", port))
        s.listen()
        no(f"127.0.0.1:{port}", "--listen")
        e.home = os.path.join(e.folder, "second")
        e.run("recover", backup, "--code-file", code_file(e), "--listen",
              f"imaps=127.0.0.1:{harness.free_ports(1)[0]}")
        e.up()
        assert e.port("imaps") != port and len(seen(imap(e))["INBOX"][2]) == 5


def flip(path):
    if os.path.isdir(path):
        path = max((os.path.join(path, n) for n in os.listdir(path) if n.endswith(".pack")), key=os.path.getsize)
    os.chmod(path, 0o600)
    with open(path, "r+b") as f:
        f.seek(os.path.getsize(path) * 2 // 3)
        byte = f.read(1)
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte[0] ^ 4]))


def cut(path):
    if os.path.isdir(path):
        path = max((os.path.join(path, n) for n in os.listdir(path) if n.endswith(".pack")), key=os.path.getsize)
    os.chmod(path, 0o600)
    os.truncate(path, os.path.getsize(path) // 2)


def killed_backup_leaves_the_last(e):
    """Breakage: refs change before the objects they name are there."""
    backup = os.path.join(e.folder, "backup")
    deliver(e, 20)
    e.run("backup", backup)
    kills = 0
    for n in range(10):
        conn = imap(e)
        for k in range(5):
            conn.append("INBOX", None, None, b"Subject: big\r\n\r\n" + os.urandom(40000).hex().encode())
        conn.logout()
        p = e.popen("backup", backup, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.01 * n)
        kills += p.poll() is None
        p.send_signal(signal.SIGKILL)
        p.wait()
        sound(backup)
    assert kills > 2, kills
    e.run("backup", backup)
    left = os.listdir(os.path.join(backup, "mail.git/objects/pack"))
    assert not [n for n in left if not n.startswith("pack-")], left
    before = seen(imap(e))
    lose(e)
    recover(e, backup)
    e.up()
    compare(before, seen(imap(e)))


def killed_recover_leaves_nothing(e):
    """Breakage: an estate stands in its place before all of it is there."""
    backup = os.path.join(e.folder, "backup")
    deliver(e, 200)
    before = seen(imap(e))
    e.run("backup", backup)
    lose(e)
    e.home = os.path.join(e.folder, "second")
    kills = 0
    for n in range(8):
        p = e.popen("recover", backup, "--code-file", code_file(e), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.015 * n)
        kills += p.poll() is None
        p.send_signal(signal.SIGKILL)
        if p.wait() == 0:
            break
        assert not os.path.exists(e.home)
    assert kills > 2, kills
    if not os.path.exists(e.home):
        recover(e, backup)
    assert not os.path.exists(e.home + ".recovering")
    e.up()
    compare(before, seen(imap(e)))


def stopped_and_gathered(e):
    """Breakage: the last snapshot is not written at an orderly stop, or what git itself repacked is not read."""
    backup = os.path.join(e.folder, "backup")
    deliver(e, 6)
    before = seen(imap(e))
    e.down()
    e.run("backup", backup)
    old = e.code
    os.remove(os.path.join(e.home, "keys/recovery.pub"))  # an estate from before there were codes
    assert "--new-code" in e.run("backup", backup, code=1).stderr
    e.code = e.json("backup", backup, "--new-code", "--whole")["recovery_code"]
    repo = os.path.join(backup, "mail.git")
    assert len([n for n in os.listdir(os.path.join(repo, "objects/pack")) if n.endswith(".pack")]) == 1
    git(repo, "gc", "-q", "--prune=now")  # deltas, one pack
    lose(e)
    assert "newer one" in recover(e, backup, code=1, text=old).stderr
    recover(e, backup)
    e.up()
    compare(before, seen(imap(e)))
    assert e.json("verify", "mail")["mismatches"] == []


@harness.stopped
def make_shallow(backup):
    """As if history had ended at a horizon before the backup was made."""
    repo, whole = (os.path.join(backup, n) for n in ("mail.git", "whole.git"))
    os.rename(repo, whole)
    subprocess.run(["git", "init", "-q", "--bare", repo], check=True)
    git(repo, "-c", "fetch.unpackLimit=1", "fetch", "-q", "--depth", "3", "file://" + whole, "+refs/*:refs/*")
    git(repo, "symbolic-ref", "HEAD", "refs/heads/alice")
    git(repo, "pack-refs", "--all")
    shutil.rmtree(whole)


def cut_history_comes_back(e):
    """Breakage: a backup of a store whose history ends names parents that are nowhere, or forgets how long to keep."""
    backup = os.path.join(e.folder, "backup")
    for n in range(3):
        deliver(e, 4, start=10 * n)
    e.run("keep", "mail", "--days", "400", "--least", "100")
    before = seen(conn := imap(e))
    conn.logout()
    e.run("backup", backup)
    make_shallow(backup)
    lose(e)
    recover(e, backup)
    e.up()
    compare(before, seen(imap(e)))
    kept = e.json("keep", "mail")
    assert (kept["keep_days"], kept["keep_days_min"]) == (400, 100), kept
    assert e.json("verify", "mail")["mismatches"] == []
    assert e.json("keep", "mail", "--user", "estate")["keep_days"] == 0
    # the next backup, and one that goes on from it, end where the history does, and say so
    backup = os.path.join(e.folder, "again")
    repo = os.path.join(backup, "mail.git")
    length = 3
    for n in range(2):
        e.run("backup", backup)
        sound(backup)
        ends = open(os.path.join(repo, "shallow")).read().split()
        log = git(repo, "log", "--format=%H", "refs/heads/alice").split()
        assert len(log) >= length and log[-1] in ends, (log, ends)
        assert git(repo, "rev-parse", "--is-shallow-repository") == "true\n"
        length = len(log) + 1
        deliver(e, 1, start=100 + n)
    clone = os.path.join(e.folder, "clone")
    subprocess.run(["git", "clone", "-q", "file://" + repo, clone], check=True)


def every_service_comes_back(e):
    """Breakage: only the first service's disk is made anew, or another's users do not come along; an ETag that is not
    of the bytes; a sync token of the estate that is gone taken for one of this."""
    things = {"calendar": ("/calendars/alice/calendar/x.ics", "text/calendar",
                           "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//EN\r\nBEGIN:VEVENT\r\nUID:x\r\n"
                           "DTSTAMP:20260101T000000Z\r\nDTSTART:20260105T100000Z\r\nSUMMARY:x\r\nEND:VEVENT\r\n"
                           "END:VCALENDAR\r\n"),
              "contacts": ("/contacts/alice/contacts/x.vcf", "text/vcard",
                           "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:x\r\nFN:X\r\nN:X;;;;\r\nEND:VCARD\r\n")}

    def ask(a, service, method, data=None, path=None):
        """(status, ETag, body)"""
        request = urllib.request.Request(f"https://localhost:{a.port('https', service)}{path or things[service][0]}",
                                         method=method, data=data and data.encode(),
                                         headers={"Content-Type": things[service][1] if method == "PUT" else "text/xml"})
        login = base64.b64encode(f"alice:{a.password()}".encode()).decode()
        request.add_header("Authorization", "Basic " + login)
        try:
            with urllib.request.urlopen(request, context=a.tls(), timeout=60) as reply:
                return reply.status, reply.headers["ETag"], reply.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, None, refused.read().decode()

    def sync(a, service, token):
        return ask(a, service, "REPORT", '<sync-collection xmlns="DAV:"><sync-token>' + token + "</sync-token>"
                   "<sync-level>1</sync-level><prop><getetag/></prop></sync-collection>",
                   things[service][0].rsplit("/", 1)[0] + "/")

    def token_of(said):
        return re.search(r"sync-token>([^<]+)<", said[2])[1]

    with harness.Estate(e.target, services=("mail", "calendar", "contacts")) as a:
        deliver(a, 3)
        for service, (_path, _kind, text) in things.items():
            ask(a, service, "PUT", text)
        had = {service: (ask(a, service, "GET"), token_of(sync(a, service, ""))) for service in things}
        before = seen(imap(a))
        backup = os.path.join(a.folder, "backup")
        told = a.json("backup", backup)["services"]
        assert [s["name"] for s in told] == ["mail", "calendar", "contacts"], told
        for service in things:
            git(os.path.join(backup, service + ".git"), "fsck", "--strict", "--full")
        lose(a)
        recover(a, backup)
        a.up()
        compare(before, seen(imap(a)))
        for service, (_path, _kind, text) in things.items():
            item, token = had[service]
            assert ask(a, service, "GET") == item and item[2] == text, item
            old = sync(a, service, token)
            assert old[0] == 403 and "valid-sync-token" in old[2], old
            anew = sync(a, service, "")
            assert anew[0] == 207 and item[1].strip('"') in anew[2], anew
            assert sync(a, service, token_of(anew))[0] == 207
            assert a.json("verify", service)["mismatches"] == []


def parts(disk):
    """Where the first parts of the log begin, as (group, byte of the disk), by the form store/log_part_impl.h gives them."""
    with open(disk, "rb") as f:
        data = f.read(8 << 20)
    found, at = [], -1
    while (at := data.find(b"lPrT", at + 1)) >= 0:
        if at % 512 == 8 and int.from_bytes(data[at + 16:at + 24], "little") == at - 8:
            found.append((int.from_bytes(data[at + 40:at + 48], "little"), at - 8))
    return sorted(found)


def is_free(path):
    with open(path, "rb") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def a_bad_place_in_the_log_is_served_around(e):
    """Breakage: damage where the log is replayed stops the appliance, is written over, or is told to nobody."""
    backup = os.path.join(e.folder, "backup")
    e.password()
    for n in range(6):
        deliver(e, 1, start=n)
    pid, supervisor = e.service()["pid"], e.supervisor()
    os.kill(supervisor, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    harness.until("the disk is let go", lambda: is_free(e.disk()))
    group, at = parts(e.disk())[-3]
    with open(e.disk(), "r+b") as f:
        f.seek(at + 200)
        byte = f.read(1)
        f.seek(at + 200)
        f.write(bytes([byte[0] ^ 4]))
    e.up()
    told = e.wait_ready()["why"]
    assert f"byte {at} of the disk" in told and "read only" in told and "backup" in told, told
    conn = imap(e)
    before = seen(conn)
    assert 0 < len(before["INBOX"][2]) < 6, before
    try:
        said = conn.append("INBOX", None, None, b"Subject: x\r\n\r\nx\r\n")
    except imaplib.IMAP4.error as error:
        said = ("NO", [str(error).encode()])
    assert said[0] == "NO" and b"CORRUPTION" in said[1][0] and b"read only" in said[1][0], said
    mailmodel.select(conn)
    said = conn.uid("STORE", "1", "+FLAGS", r"(\Flagged)")
    assert said[0] == "NO" and b"CORRUPTION" in said[1][0], said
    conn.logout()
    try:
        deliver(e, 1)
        raise AssertionError("a message is taken in that can't be kept")
    except smtplib.SMTPDataError as error:
        assert error.smtp_code == 451, error
    mismatches = e.json("verify", "mail", code=None)["mismatches"]
    assert any(f"byte {at} of the disk" in str(m) for m in mismatches), mismatches
    e.run("backup", backup)
    with open(e.disk(), "rb") as f:
        f.seek(at + 200)
        assert f.read(1) == bytes([byte[0] ^ 4]), "the bad place was written to"
    lose(e)
    recover(e, backup)
    e.up()
    after = seen(imap(e))["INBOX"][2]
    assert sorted(m[2] for m in after.values()) == sorted(m[2] for m in before["INBOX"][2].values()), after
    deliver(e, 1)


sys.exit(harness.main([comes_back, stale_backup_names_no_uid_twice, refuses, killed_backup_leaves_the_last,
                       killed_recover_leaves_nothing, stopped_and_gathered, cut_history_comes_back, every_service_comes_back,
                       a_bad_place_in_the_log_is_served_around], targets=("unix", "virt")))
