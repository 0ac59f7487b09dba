#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Stock git pushes to a running appliance: what may come in, and what may not."""
import base64
import gzip
import hashlib
import json
import os
import struct
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import zlib

import harness
import mailmodel
from test_git import Git, append, our_tip


class Device:
    """A clone that writes mail as docs/mail-layout.md has it, in a lane of its own."""

    def __init__(self, e, name, lane, *clone):
        self.git, self.e, self.name, self.lane, self.seq = Git(e), e, name, lane, 0
        self.repo = os.path.join(e.folder, "clone-" + name + lane)
        self.git("clone", "-q", *clone, self.git.url(), self.repo)
        self.ref = f"refs/devices/{name}/alice"

    def path(self, *parts):
        return os.path.join(self.repo, *parts)

    def read(self, path):
        try:
            with open(self.path(path), "rb") as f:
                return f.read()
        except FileNotFoundError:
            return b""

    def write(self, path, data):
        os.makedirs(os.path.dirname(self.path(path)), exist_ok=True)
        with open(self.path(path), "wb") as f:
            f.write(data)

    @staticmethod
    def leaf(lane, seq):
        return "/".join((lane, f"{seq >> 19:x}", *f"{seq >> 4 & 0o77777:05o}"))

    def mark(self, lane, seq):
        lanes = dict(line.split() for line in self.read(".lanes").decode().splitlines())
        lanes[lane] = f"{seq:08x}"
        self.write(".lanes", "".join(f"{k} {lanes[k]}\n" for k in sorted(lanes)).encode())

    def line(self, box, lane, seq, text):
        """The message's line becomes `text`; None: it goes."""
        path = f"{box}/.f/{self.leaf(lane, seq)}"
        lines = {line[:8]: line for line in self.read(path).decode().splitlines()}
        lines.pop(f"{seq:08x}", None)
        if text:
            lines[f"{seq:08x}"] = f"{seq:08x} {text}"
        if lines:
            self.write(path, "".join(lines[k] + "\n" for k in sorted(lines)).encode())
        else:
            os.remove(self.path(path))

    def add(self, message, box="INBOX", flags="-", lane=None, seq=None):
        if seq is None:
            self.seq += 1
            seq = self.seq
        lane = lane or self.lane
        self.write(f"{box}/.m/{self.leaf(lane, seq)}/{seq:08x}", message)
        self.line(box, lane, seq, f"1700000000 1700000001 {flags}")
        self.mark(lane, seq)
        return lane, seq

    def import_many(self, count, step, message):
        """`count` messages in commits of `step`, on what is checked out; what is checked out stays."""
        lanes, leaves, out = self.read(".lanes"), {}, []
        parent = self.git("rev-parse", "HEAD", cwd=self.repo)
        self.git("branch", "-f", "many", cwd=self.repo)

        def put(path, data):
            out.append(b"M 100644 inline %s\ndata %d\n%s" % (path.encode(), len(data), data))
        for first in range(self.seq + 1, self.seq + count + 1, step):
            out.append(b"commit refs/heads/many\ncommitter A <a@b> 1700000000 +0000\ndata 4\nmany")
            if parent:
                out.append(b"from " + parent.encode())
            parent = None
            for seq in range(first, first + step):
                put(f"INBOX/.m/{self.leaf(self.lane, seq)}/{seq:08x}", message(seq))
                leaf = leaves.setdefault(self.leaf(self.lane, seq), [])
                leaf.append(f"{seq:08x} 1700000000 1700000001 -\n")
                if seq % 16 == 15 or seq == first + step - 1:
                    put(f"INBOX/.f/{self.leaf(self.lane, seq)}", "".join(leaf).encode())
            rows = lanes + f"{self.lane} {first + step - 1:08x}\n".encode()
            put(".lanes", b"".join(sorted(rows.splitlines(True))))
        subprocess.run(["git", "fast-import", "--quiet"], input=b"\n".join(out) + b"\n", cwd=self.repo, check=True, timeout=300)
        self.seq += count

    def messages(self, box="INBOX"):
        out = []
        for folder, _, names in os.walk(self.path(box, ".m")):
            out += [(os.path.relpath(folder, self.path(box, ".m")).split("/")[0], int(n, 16)) for n in names]
        return sorted(out)

    def commit(self, text="from the device"):
        self.git("add", "-A", cwd=self.repo)
        self.git("commit", "-q", "-m", text, cwd=self.repo)

    def push(self, *args, good=True, ref=None):
        """git's words, its errors as well."""
        done = self.git.run("push", "origin", *args, "HEAD:" + (ref or self.ref), cwd=self.repo)
        if good and done.returncode:
            raise harness.Failed("push: " + done.stderr)
        if not good and not done.returncode:
            raise harness.Failed("push was not refused: " + done.stderr)
        return done.stderr

    def pull(self):
        self.git("pull", "-q", "--ff-only", cwd=self.repo)

    def back(self):
        self.git("reset", "-q", "--hard", "origin/alice", cwd=self.repo)
        self.git("clean", "-qfdx", cwd=self.repo)


def mail(subject, size=200):
    return f"Subject: {subject}\r\nFrom: a@example.org\r\n\r\n".encode() + b"x" * size + b"\r\n"


def subjects(e, box="INBOX"):
    imap = mailmodel.connect_imap(e.port("imaps"), "alice", e.password(), e.tls())
    imap.select(box, readonly=True)
    status, data = imap.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    assert status == "OK", data
    imap.logout()
    return sorted(part[1].decode().split("Subject: ")[1].strip() for part in data if isinstance(part, tuple))


def pushes(e):
    """Breakage: what was pushed is kept but not merged; or a client that is connected hears nothing of it."""
    append(e, 5)
    d = Device(e, "laptop", "11110000")
    imap = mailmodel.connect_imap(e.port("imaps"), "alice", e.password(), e.tls())
    status, data = imap.select("INBOX")
    before = int(data[0])
    d.add(mail("one"))
    d.add(mail("two"), flags="FS")
    d.commit()
    said = d.push()
    assert "new branch" in said or "new reference" in said, said
    imap.noop()
    assert int(imap.response("EXISTS")[1][-1]) == before + 2
    assert imap.search(None, "FLAGGED")[1][0] == str(before + 2).encode()
    assert {"one", "two"} <= set(subjects(e))
    # its own ref stands where it was pushed; the branch was forwarded
    d.git("fetch", "-q", "origin", "+refs/devices/*:refs/remotes/devices/*", cwd=d.repo)
    head = d.git("rev-parse", "HEAD", cwd=d.repo)
    assert d.git("rev-parse", "refs/remotes/devices/laptop/alice", cwd=d.repo) == head
    assert head.startswith(our_tip(e))
    # both went on: merged here, fetched there
    append(e, 2, start=100)
    d.add(mail("three"))
    lane, seq = next(m for m in d.messages() if m[0] != d.lane)
    leaf = d.read(f"INBOX/.f/{d.leaf(lane, seq)}").decode()
    dates = next(line for line in leaf.splitlines() if line.startswith(f"{seq:08x}")).split()[1:3]
    d.line("INBOX", lane, seq, " ".join(dates) + " R $Work")
    d.commit()
    assert "merged into refs/heads/alice" in d.push()
    assert {"one", "two", "three", "100", "101"} <= set(subjects(e))
    d.pull()
    assert d.git("rev-parse", "HEAD", cwd=d.repo).startswith(our_tip(e))
    d.git("fsck", "--strict", "--full", cwd=d.repo)
    imap.select("INBOX")
    assert imap.search(None, "ANSWERED", "KEYWORD", "$Work")[1][0] == b"1"
    # expunged and moved by the device
    a, b = [m for m in d.messages() if m[0] != d.lane][:2]
    os.remove(d.path(f"INBOX/.m/{d.leaf(*a)}/{a[1]:08x}"))
    d.line("INBOX", *a, None)
    text = d.read(f"INBOX/.m/{d.leaf(*b)}/{b[1]:08x}")
    os.remove(d.path(f"INBOX/.m/{d.leaf(*b)}/{b[1]:08x}"))
    d.line("INBOX", *b, None)
    d.write(f"Archive/.m/{d.leaf(*b)}/{b[1]:08x}", text)
    d.line("Archive", *b, "1700000000 1700000001 -")
    d.commit()
    d.push()
    assert len(subjects(e)) == before + 3 and len(subjects(e, "Archive")) == 1
    assert d.push() and "up-to-date" in d.push()
    status = e.run("verify", "mail", code=None)
    assert status.returncode == 0, status.stdout


def log_tells_both_sides(e):
    """Breakage: what a device did while the server went on shows as one change of the merge; or the second page of
    200 forgets a side."""
    append(e, 3)
    d = Device(e, "laptop", "22220000")
    count = 102 if e.target == "unix" else 10
    for n in range(count):
        d.add(mail(f"device {n}"))
        d.commit(f"device: mail {n}")
        append(e, 1, start=1000 + n)
    d.push()
    d.git("fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*", cwd=d.repo)

    def stock(*path):
        return sorted(d.git("log", "--format=%H", "origin/alice", "--", *path, cwd=d.repo).split())

    def ours(what, *args):
        out = [json.loads(line) for line in e.run("log", what, "--json", *args).stdout.splitlines()]
        assert [c["time"] for c in out] == sorted((c["time"] for c in out), reverse=True)
        return out
    whole = ours("mail")
    assert sorted(c["commit"] for c in whole) == stock()
    told = [c["text"] for commit in whole for c in commit.get("changes", [])]
    for n in range(count):
        assert sum(f"device {n}\"" in text for text in told) == 1, told
        assert sum(f"{1000 + n}\"" in text for text in told) == 1, told
    assert sorted(c["commit"] for c in ours("mail/INBOX")) == stock("INBOX")
    assert sorted(c["commit"] for c in ours("mail/INBOX", "--raw")) == stock("INBOX")


def survives(e):
    """Breakage: git was told ok before the flush; or a merge that a power cut prevented is never made up for."""
    append(e, 3)
    d = Device(e, "laptop", "77770000", "--depth", "1")
    told = []
    for restart in range(1, 4):
        stop = threading.Event()

        def work():
            while not stop.is_set():
                d.add(mail(f"told {d.seq + 1}"))
                d.commit()
                if d.git.run("push", "origin", "HEAD:" + d.ref, cwd=d.repo).returncode == 0:
                    told.append(f"told {d.seq}")
        before = len(told)
        thread = threading.Thread(target=work)
        thread.start()
        harness.until("pushes", lambda: len(told) >= before + 3)
        e.kill()
        stop.set()
        thread.join()
        e.wait_ready(restarts=restart)
        # all that arrived is in the branch, also what nobody was told of
        def merged():
            refs = dict(line.split()[::-1] for line in d.git("ls-remote", d.git.url()).splitlines())
            d.git("fetch", "-q", "origin", "+refs/heads/alice:refs/remotes/origin/alice", cwd=d.repo)
            return d.git("merge-base", "origin/alice", refs[d.ref], cwd=d.repo) == refs[d.ref]
        harness.until("the merge", merged)
        assert set(told) <= set(subjects(e)), (told, subjects(e))
    assert e.run("verify", "mail", code=None).returncode == 0


def large(e):
    """Breakage: what is too much for one merge stays in the device's way for ever; or is merged in one piece or not at all."""
    append(e, 3)
    d = Device(e, "laptop", "00000001")
    people = ", ".join(f"somebody.{i} <somebody.{i}@example.org>" for i in range(60))
    long = lambda seq: f"Subject: {seq}\r\nFrom: a@example.org\r\nTo: {people}\r\n\r\ntext\r\n".encode()
    d.import_many(8000, 8000, long)
    done = d.git.run("push", "origin", "many:" + d.ref, cwd=d.repo)
    if d.ref not in d.git("ls-remote", d.git.url()):  # more than fits this machine's memory at once
        assert "too much at once" in done.stderr, done.stderr
        d.seq = 0
        d.import_many(8000, 1000, long)
        d.git("push", "-q", "origin", "many:" + d.ref, cwd=d.repo)
    assert len(subjects(e)) == 8003
    append(e, 1)
    d.git("reset", "-q", "--hard", "many", cwd=d.repo)
    d.add(mail("after"))
    d.commit()
    d.push()
    assert len(subjects(e)) == 8005
    assert e.service()["restarts"] == 0


def refused(e):
    """Breakage: a rule of what may be pushed is not kept; or git shows no reason."""
    append(e, 20)
    e.run("user", "add", "bob")
    d = Device(e, "laptop", "22220000")
    d.add(mail("mine"))
    d.commit()
    d.push()
    d.pull()
    other = Device(e, "phone", "33330000")
    theirs, first = next(m for m in d.messages() if m[0] != d.lane)
    message = f"INBOX/.m/{d.leaf(theirs, first)}/{first:08x}"
    leaf = f"INBOX/.f/{d.leaf(theirs, first)}"

    def edit(path, fn):
        return lambda: d.write(path, fn(d.read(path)))

    def copy():
        d.write(f"Archive/.m/{d.leaf(theirs, first)}/{first:08x}", d.read(message))
        d.line("Archive", theirs, first, "1700000000 1700000001 -")

    def link():
        os.symlink("x", d.path("INBOX/link"))

    def executable():
        d.write("INBOX/x", b"x")
        os.chmod(d.path("INBOX/x"), 0o755)

    def deep():
        d.write("/".join(["d"] * 65) + "/x", b"x")

    def twice():
        d.write("Twin/.mailbox", d.read("Archive/.mailbox").replace(b"Archive", b"Twin"))

    rows = [
        (lambda: d.add(mail("x"), lane=theirs, seq=0x4000), "not this device's"),
        (lambda: d.add(mail("x"), seq=1), "never are"),
        (edit(message, lambda b: b + b"more"), "messages never are"),
        (edit(leaf, lambda b: b.replace(b" 17", b" 16")), "dates"),
        (edit(leaf, lambda b: b.replace(b"\n", b" (\n", 1)), "keywords that are none"),
        (edit(leaf, lambda b: b.replace(b"\n", b" b a\n", 1)), "keywords that are none"),
        (edit(leaf, lambda b: b.replace(b" -", b" SF")), "docs/mail-layout.md"),
        (edit(leaf, lambda b: b.replace(b" -", b"  -")), "docs/mail-layout.md"),
        (edit(leaf, lambda b: b"".join(reversed(b.splitlines(True)))), "docs/mail-layout.md"),
        (edit(leaf, lambda b: b"00000000 1 1 -\n" + b), "without its message"),
        (lambda: os.remove(d.path(message)), "without its message"),
        (lambda: os.remove(d.path(leaf)), "lacks the line"),
        (copy, "a copy needs a number of its own|stands elsewhere too"),
        (edit(".lanes", lambda b: b.replace(d.lane.encode() + b" 00000001", d.lane.encode() + b" 00000000")), "went down"),
        (edit(".lanes", lambda b: b + b"ffff 1\n"), "no line of it"),
        (edit(".lanes", lambda b: b""), "went down"),
        (lambda: d.write(f"INBOX/.m/{d.leaf(d.lane, 9)}/00000009", b"x"), "lacks the line"),
        (lambda: d.write("notes.txt", b"x"), "no part of a mailbox"),
        (lambda: d.write("INBOX/.m/x", b"x"), "no part of a mailbox"),
        (lambda: d.add(mail("x"), box="Nowhere"), "no .mailbox"),
        (lambda: os.remove(d.path("INBOX/.mailbox")), "INBOX must stay"),
        (edit("Archive/.mailbox", lambda b: b.replace(b"name Archive", b"name Other")), "does not name"),
        (twice, "the same id"),
        (edit(".gitattributes", lambda b: b"* text\n"), "-text"),
        (link, "symbolic link"),
        (executable, "executable"),
        (deep, "64 names"),
    ]
    for change, words in rows:
        change()
        d.commit("bad")
        said = d.push(good=False)
        assert any(w in said for w in words.split("|")) and "remote rejected" in said, (words, said)
        d.back()
        d.seq = 1
    # whose lane, which ref
    other.add(mail("x"), lane=d.lane, seq=7)
    other.commit()
    assert "belongs to device laptop" in other.push(good=False)
    for ref, words in (("refs/heads/alice", "git push origin HEAD:refs/devices/NAME/alice"),
                       ("refs/heads/alice", "push to refs/devices/<device>/alice"),
                       ("refs/heads/other", "push to refs/devices/<device>/alice"),
                       ("refs/heads/bob", "push to refs/devices/<device>/alice"),
                       ("refs/devices/laptop/bob", "push to refs/devices/<device>/alice"),
                       ("refs/tags/v1", "push to refs/devices/<device>/alice"),
                       ("refs/endpoints/x/alice", "push to refs/devices/<device>/alice"),
                       ("refs/devices/Lap_top/alice", "a device's name has")):
        d.add(mail("fine"), seq=2)
        d.commit()
        said = d.push("--force", good=False, ref=ref)
        assert words in said and "remote rejected" in said, (ref, said)
        d.back()
    # back in time; from nowhere
    d.git("commit", "-q", "--amend", "-m", "another", cwd=d.repo)
    assert "forward only" in d.push("--force", good=False)
    d.git("checkout", "-q", "--orphan", "root", cwd=d.repo)
    d.commit("no parent")
    assert "shares no history" in d.push(good=False, ref="refs/devices/new/alice")
    assert subjects(e).count("mine") == 1 and len(subjects(e)) == 21
    assert e.run("verify", "mail", code=None).returncode == 0


def many_ways(e):
    """Breakage: a push from a shallow clone, of several refs at once or by many at a time is wrong by one."""
    append(e, 30)
    shallow = Device(e, "shallow", "44440000", "--depth", "1")
    shallow.add(mail("from a shallow clone"))
    shallow.commit()
    shallow.push()
    assert "from a shallow clone" in subjects(e)
    # atomic: all or none
    d = Device(e, "a", "55550000")
    d.add(mail("atomic"))
    d.commit()
    git = lambda *args: d.git.run("push", *args, cwd=d.repo).stderr
    said = git("--atomic", "origin", "HEAD:refs/devices/a/alice", "HEAD:refs/heads/alice")
    assert "atomic" in said and "atomic" not in subjects(e), said
    said = git("--atomic", "origin", "HEAD:refs/devices/a/alice", "HEAD~:refs/devices/a2/alice")
    assert said.count("[new ") == 2 and "atomic" in subjects(e), said
    said = git("origin", ":refs/devices/a2/alice")
    assert "[deleted]" in said, said
    assert "no such ref" in git("origin", ":refs/devices/a2/alice")
    assert "refs/devices/a2" not in d.git("ls-remote", "origin", cwd=d.repo)
    assert "rejected" in git("origin", ":refs/heads/alice")
    # large, and not compressible; then nearly the same again, as a delta
    d.pull()
    big = os.urandom(18_000_000).hex().encode()[:25_000_000]
    d.add(mail("big")[:-4] + big + b"\r\n")
    d.commit()
    d.push()
    d.add(mail("big again")[:-4] + big + b"the end\r\n")
    d.commit()
    d.push()
    imap = mailmodel.connect_imap(e.port("imaps"), "alice", e.password(), e.tls())
    imap.select("INBOX", readonly=True)
    found = imap.search(None, "LARGER", "24000000")[1][0].split()
    assert len(found) == 2, found
    got = imap.fetch(found[-1], "(BODY.PEEK[TEXT])")[1][0][1]
    assert got.endswith(b"x" + big + b"the end\r\n"), len(got)
    # many at once
    crowd = [Device(e, f"dev-{i}", f"6666{i:04x}", "--depth", "1") for i in range(6)]
    problems = []

    def work(device, i):
        try:
            for n in range(3):
                device.add(mail(f"crowd {i} {n}"))
                device.commit()
                device.push()
        except BaseException as err:  # pylint: disable=broad-except
            problems.append(err)
    threads = [threading.Thread(target=work, args=(c, i)) for i, c in enumerate(crowd)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not problems, problems
    assert sum(s.startswith("crowd") for s in subjects(e)) == 18
    d.pull()
    d.git("fsck", "--strict", "--full", cwd=d.repo)
    assert e.service()["restarts"] == 0


# ---- what git would not send ----
def number(v):
    out = b""
    while v > 127:
        out += bytes([v & 127 | 128])
        v >>= 7
    return out + bytes([v])


def entry(kind, data, size=None, base=b"", packed=None):
    size = len(data) if size is None else size
    c, size, head = kind << 4 | size & 15, size >> 4, b""
    while size:
        head += bytes([c | 128])
        c, size = size & 127, size >> 7
    return head + bytes([c]) + base + (packed or zlib.compress(data, 1))


def pack(*entries, count=None, version=2):
    data = b"PACK" + struct.pack(">II", version, len(entries) if count is None else count) + b"".join(entries)
    return data + hashlib.sha1(data).digest()


def oid(kind, data):
    return hashlib.sha1(f"{kind} {len(data)}".encode() + b"\0" + data).digest()


def tree(*rows):
    return b"".join(f"{mode} {name}".encode() + b"\0" + id_ for mode, name, id_ in rows)


def commit(tree_id, *parents, date=1700000000):
    text = f"tree {tree_id.hex()}\n" + "".join(f"parent {p}\n" for p in parents)
    return (text + f"author A <a@b> {date} +0000\ncommitter A <a@b> {date} +0000\n\nx\n").encode()


def hostile(e):
    """Breakage: a pack that claims much is believed; others wait or the machine runs out of memory meanwhile."""
    append(e, 10)
    git = Git(e)
    head = git("ls-remote", git.url(), "refs/heads/alice").split()[0]
    none = b"\xee" * 20
    auth = "Basic " + base64.b64encode(("alice:" + e.password()).encode()).decode()

    def post(body, **headers):
        request = urllib.request.Request(git.base + "/alice.git/git-receive-pack", data=body, headers={
            "Content-Type": "application/x-git-receive-pack-request", "Authorization": auth, **headers})
        try:
            with urllib.request.urlopen(request, context=e.tls(), timeout=300) as reply:
                return reply.read().decode(errors="replace")
        except urllib.error.HTTPError as err:
            return f"{err.code} " + err.read().decode(errors="replace")

    def push(data, tip):
        line = f"{'0' * 40} {tip.hex()} refs/devices/evil/alice\0report-status".encode()
        body = b"%04x" % (len(line) + 4) + line + b"0000" + data
        if len(body) % 2:
            return post(gzip.compress(body), **{"Content-Encoding": "gzip"})
        return post(body)

    def below(entries, root, parents=(head,), **kw):
        text = commit(oid("tree", root), *parents, **kw)
        return pack(*entries, entry(2, root), entry(1, text)), oid("commit", text)

    zeros = zlib.compress(b"\0" * 40_000_000, 1)
    blob = entry(3, b"x" * 1000)
    bomb_delta = number(1000) + number(60_000_000) + b"\xbf\0\0\0\0\xe8\x03" * 60_000
    chain, at = [entry(3, b"x")], 0
    for i in range(5000):
        delta = number(1 + i % 100) + number(1 + (i + 1) % 100) + b"\x01y" * (1 + (i + 1) % 100)
        chain.append(entry(6, delta, base=bytes([len(chain[-1])])))
    nested, names = b"", []
    id_ = oid("blob", b"deep")
    names.append(entry(3, b"deep"))
    nested = tree(("100644", "f", id_))
    for i in range(200):
        names.append(entry(2, nested))
        nested = tree(("40000", "d", oid("tree", nested)))
    wide = [entry(3, b"wide")]
    rows = tree(*(("100644", f"{i:03}", oid("blob", b"wide")) for i in range(100)))
    for i in range(6):
        wide.append(entry(2, rows))
        rows = tree(*(("40000", f"{i:03}", oid("tree", rows)) for i in range(100)))
    own = oid("blob", b"x")
    tests = [
        (pack(count=2**32 - 1), none, "4294967295 objects at once are too many"),
        (pack(entry(3, b"", size=2**50)), none, "too large here"),
        (pack(*[entry(3, b"", size=40_000_000, packed=zeros)] * 20), none, "unpacks to over"),
        (pack(blob, entry(6, bomb_delta, base=bytes([len(blob)]))), none, "too large here"),
        (pack(*chain), none, "deep"),
        (pack(entry(7, b"\1\1\x01x", base=none)), none, "neither in the pack nor in your repository"),
        (pack(entry(6, b"\1\1\x01x", base=b"\x7f")), none, "out of the pack"),
        (pack(blob, entry(6, number(1000) + number(5) + b"\x93\xe8\x03\x05", base=bytes([len(blob)]))), none, "end of its base|more bytes"),
        (pack(entry(3, b"x"))[:-1], none, "ends early"),
        (pack(entry(3, b"x"))[:-1] + b"?", none, "checksum"),
        (pack(entry(3, b"x")) + b"more", none, "behind the end"),
        (pack(entry(3, b"x", packed=b"garbage")), none, "damaged"),
        (b"", none, "ends early"),
        (*below([], tree(("100644", "x", none))), "neither in the pack nor in your repository"),
        (*below([], tree(("40000", "x", none))), "neither in the pack nor in your repository"),
        (*below([entry(3, b"x")], tree(("100644", "x", own)), ["ee" * 20]), "neither in the pack nor in your repository"),
        (*below([entry(3, b"x")], tree(("120000", "x", own))), "symbolic link"),
        (*below([entry(3, b"x")], tree(("160000", "x", own))), "submodule"),
        (*below([entry(3, b"x")], tree(("100644", ".git", own))), "forbids the name"),
        (*below([entry(3, b"x")], tree(("40000", ".GiT ", own))), "forbids the name"),
        (*below([entry(3, b"x")], tree(("100644", "..", own))), "'..'"),
        (*below([entry(3, b"x")], tree(("100644", "b", own), ("100644", "a", own))), "out of order"),
        (*below([entry(3, b"x")], tree(("40000", "x", own))), "as what it is not"),
        (*below([entry(3, b"x")], tree(("100644", "x", own)), date=2**40), "in the future"),
        (*below(names, nested), "64 names"),
        (*below(wide, rows), "unfolds to over"),
        (*below([], tree()), "INBOX must stay|went down"),
    ]
    stop, answers = threading.Event(), []

    def others():
        while not stop.is_set():
            answers.append(len(subjects(e)))
    thread = threading.Thread(target=others)
    thread.start()
    try:
        for data, tip, words in tests:
            said = push(data, tip)
            assert any(w in said for w in words.split("|")), (words, said)
            assert "ok refs" not in said, said
        for bad in (b"", b"0003", b"zzzz", b"0008none", b"0050" + b"0" * 40):
            assert post(bad).startswith("400 "), bad
        assert post(b"0000") == ""
        line = f"{'0' * 40} {'1' * 40} refs/devices/x/alice".encode()
        many = b"".join(b"%04x" % (len(line) + 8) + line + b"%04d" % i for i in range(100)) + b"0000"
        assert post(many).startswith("400 ")
    finally:
        stop.set()
        thread.join()
    assert len(answers) > 2 and set(answers) == {10}, answers
    assert e.service()["restarts"] == 0
    assert "evil" not in git("ls-remote", git.url())
    assert e.run("verify", "mail", code=None).returncode == 0


if __name__ == "__main__":
    sys.exit(harness.main([pushes, log_tells_both_sides, survives, large, refused, many_ways, hostile], targets=("virt", "unix")))
