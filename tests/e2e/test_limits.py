#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The appliance under load, abuse and shortage; soak_limits.py has what takes long.

Each test names in its doc string the one-line breakage it catches."""
import concurrent.futures
import contextlib
import hashlib
import imaplib
import json
import os
import random
import smtplib
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.request

import harness

imaplib._MAXLINE = 50_000_000  # pylint: disable=protected-access
MB = 1024 * 1024
SETTLE = 90  # seconds for connections and their memory to go: user networking tells the machine late


# ---- what the appliance says of itself ----
def status(estate):
    """The appliance's own counters, from the control endpoint."""
    with open(os.path.join(estate.home, "keys/control.token"), encoding="ascii") as f:
        token = f.read().strip()
    ask = urllib.request.Request(f"https://localhost:{estate.port('control')}/v1/status",
                                 headers={"Authorization": "Bearer " + token})
    with urllib.request.urlopen(ask, timeout=60, context=estate.tls()) as answer:
        return json.load(answer)


def used(estate):
    """Bytes of memory in use: of the machine (virt), or of the process (unix) but for the disk it maps."""
    if estate.target == "virt":
        memory = status(estate)["memory"]
        return memory["total_bytes"] - memory["free_bytes"]
    with open(f"/proc/{estate.service()['pid']}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith("RssAnon:"))


def settled(estate, connections=1):
    """Memory in use once everybody's connections are gone but this one's."""
    harness.until("connections end", lambda: status(estate)["connections"]["open"] <= connections, SETTLE)
    return used(estate)


def slack(estate):
    """What may stay after a crowd: glibc's malloc keeps pieces between those in use."""
    return (2 if estate.target == "virt" else 16) * MB


@contextlib.contextmanager
def watched(estate, every=0.3):
    """Yields a list that fills with memory in use while the block runs."""
    seen, stop = [used(estate)], threading.Event()

    def look():
        while not stop.wait(every):
            with contextlib.suppress(OSError):
                seen.append(used(estate))
    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def alive(estate):
    """Never restarted, and a new client is served at once."""
    service = estate.service()
    assert service["state"] == "ready" and service["restarts"] == 0, service
    began = time.monotonic()
    with imap(estate) as conn:
        assert conn.noop()[0] == "OK"
    return time.monotonic() - began


def together(*jobs):
    """Runs the functions at once; their results. The first exception is raised."""
    with concurrent.futures.ThreadPoolExecutor(len(jobs)) as pool:
        return [f.result() for f in [pool.submit(j) for j in jobs]]


# ---- clients ----
def imap(estate, folder="INBOX", timeout=120):
    conn = imaplib.IMAP4_SSL("localhost", estate.port("imaps"), ssl_context=estate.tls(), timeout=timeout)
    conn.login(estate.user, estate.password())
    if folder:
        assert conn.select(folder)[0] == "OK"
    return conn


def fresh_folder(conn, name):
    conn.delete(name)
    assert conn.create(name)[0] == "OK"


def large(seed, size=25_000_000):
    """A message of that size whose body compresses little, lines of 76."""
    rng, line = random.Random(seed), 57
    body = b"".join(rng.randbytes(line).hex().encode()[:74] + b"\r\n" for _ in range(size // 76))
    return b"Subject: large %d\r\n\r\n" % seed + body


def deliver(estate, text):
    with smtplib.SMTP("localhost", estate.port("smtp"), timeout=300) as smtp:
        smtp.sendmail("b@elsewhere.example", [estate.owner], text)


def append(estate, folder, text):
    with imap(estate, None, 300) as conn:
        answer = conn.append(folder, None, None, text)
        assert answer[0] == "OK", answer


def whole(conn, uid):
    status_, got = conn.uid("FETCH", uid, "(BODY.PEEK[])")
    assert status_ == "OK", got
    return got[0][1]


def digests(estate, folder, which="1:*"):
    """SHA-256 of the messages in the folder, what the server put before the Subject cut off."""
    out = []
    with imap(estate, folder, 300) as conn:
        for uid in conn.uid("SEARCH", which)[1][0].split():
            text = whole(conn, uid.decode())
            out.append(hashlib.sha256(text[text.index(b"Subject: large"):]).digest())
    return sorted(out)


def empty_inbox(estate):
    with imap(estate) as conn:
        conn.store("1:*", "+FLAGS.SILENT", "\\Deleted")
        conn.expunge()


class Raw:
    """A bare connection that reads lines."""

    def __init__(self, estate, endpoint, tls=False, timeout=60):
        self.sock = socket.create_connection(("127.0.0.1", estate.port(endpoint)), timeout)
        if tls:
            self.sock = estate.tls().wrap_socket(self.sock, server_hostname="localhost")
        self.file = self.sock.makefile("rb")

    def line(self):
        return self.file.readline()

    def say(self, text):
        self.sock.sendall(text + b"\r\n")

    def command(self, text, tag=b"t"):
        """Lines of an IMAP answer, the tagged one last."""
        self.say(tag + b" " + text)
        out = []
        while not out or not out[-1].startswith(tag + b" "):
            line = self.line()
            assert line, f"closed in {text[:60]}: {out[-3:]}"
            out.append(line)
        return out

    def login(self, estate):
        assert self.line().startswith(b"* OK")
        assert b"OK" in self.command(b"LOGIN %s %s" % (estate.user.encode(), estate.password().encode()))[-1]
        return self

    def idle(self):
        self.say(b"i IDLE")
        while True:
            line = self.line()
            assert line, "closed in IDLE"
            if line.startswith(b"+"):
                return self

    def vanish(self, fin=False):
        """Ends without a word of the protocol; a reset instead of a FIN when not `fin`."""
        if not fin:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.file.close()
        self.sock.close()


# ---- large messages at once ----
def large_messages_at_once(estate, append_size):
    texts = [large(n) for n in (1, 2, 3)]
    sums = [hashlib.sha256(t).digest() for t in texts]
    with imap(estate, None) as conn:
        fresh_folder(conn, "Large")
    before = settled(estate)
    deliver(estate, texts[0])
    with watched(estate) as seen:
        got, _, _ = together(lambda: digests(estate, "INBOX", "1"), lambda: deliver(estate, texts[1]), lambda: deliver(estate, texts[2]))
    assert got == sums[:1]
    assert digests(estate, "INBOX", "2:3") == sorted(sums[1:])
    print(f"# memory before {before >> 10} kB, most {max(seen) >> 10} kB, at the end {settled(estate) >> 10} kB")
    assert max(seen) - before < 20 * MB, (before, max(seen))
    texts = [large(n, append_size) for n in (4, 5)]
    idlers = [Raw(estate, "imaps", True).login(estate) for _ in range(10)]
    for raw in idlers:
        raw.command(b"SELECT Large")
        raw.idle()
    with watched(estate) as seen:
        together(lambda: append(estate, "Large", texts[0]), lambda: append(estate, "Large", texts[1]))
    for raw in idlers:
        while raw.line() != b"* 2 EXISTS\r\n":
            pass
        raw.vanish()
    assert digests(estate, "Large") == sorted(hashlib.sha256(t).digest() for t in texts)
    print(f"# memory of two appends: most {max(seen) >> 10} kB")
    assert max(seen) - before < 20 * MB, (before, max(seen))
    alive(estate)
    empty_inbox(estate)


def test_large_messages_at_once(estate):
    """A whole message, or a queue of it, is held in memory instead of a frame."""
    large_messages_at_once(estate, 8_000_000)


# ---- many connections ----
def crowd(estate, n):
    """n idle sessions, with a working one beside them; memory in use at the peak."""
    estate.password()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        raws = list(pool.map(lambda _: Raw(estate, "imaps", True).login(estate), range(n)))
    for raw in raws:
        raw.command(b"SELECT INBOX")
        raw.idle()
    with imap(estate) as conn:
        assert conn.append("INBOX", None, None, b"Subject: x\r\n\r\nx\r\n")[0] == "OK"
        peak = used(estate)
        for raw in raws:
            while b"EXISTS" not in raw.line():
                pass
        conn.select("INBOX")
        conn.store("1:*", "+FLAGS", "\\Deleted")
        conn.expunge()
    for i, raw in enumerate(raws):
        raw.vanish(fin=i % 2 == 0)
    return peak


def test_200_idle_sessions(estate):
    """A session's memory is not given back."""
    crowd(estate, 20)
    before = settled(estate)
    peak = crowd(estate, 200)
    middle = settled(estate)
    crowd(estate, 100)
    after = settled(estate)
    print(f"# memory before {before >> 10} kB, with 200 sessions {peak >> 10} kB, after {middle >> 10} kB, {after >> 10} kB")
    assert after - middle < slack(estate), (before, middle, after)
    assert alive(estate) < 60


def test_more_connections_than_fit(estate):
    """Connections are taken in until an allocation fails in the middle of somebody's work."""
    before = settled(estate)
    keep = imap(estate)
    raws, words, refused = [], set(), 0
    for endpoint in ("smtp", "imap"):
        for _ in range(300):
            raw = Raw(estate, endpoint)
            raws.append(raw)
    for raw in raws:
        line = raw.line()
        if not line.startswith((b"220", b"* OK")):
            words.add(line)
            refused += 1
    print(f"# {len(raws)} connections, {refused} refused: {words}")
    assert refused and all(w.startswith((b"421 4.3.2", b"* BYE")) for w in words), words
    assert keep.noop()[0] == "OK" and keep.append("INBOX", None, None, b"Subject: x\r\n\r\nx\r\n")[0] == "OK"
    keep.logout()
    for raw in raws:
        raw.vanish(fin=True)
    after = settled(estate)
    assert after - before < slack(estate), (before, after)
    assert alive(estate) < 60


def test_more_tls_than_fits(estate):
    """Memory for the handshakes under way is not counted when the next one is taken in."""
    before, keep = settled(estate), imap(estate)

    def one(_):
        try:
            raw = Raw(estate, "imaps", True).login(estate)
            raw.command(b"SELECT INBOX")
            return raw.idle()
        except (OSError, AssertionError):
            return None
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        raws = list(pool.map(one, range(600)))
    got = [r for r in raws if r]
    print(f"# {len(got)} of {len(raws)} sessions, memory {used(estate) >> 10} kB" if len(got) < 450 else "# all fit")
    assert len(got) >= 200
    assert keep.noop()[0] == "OK"
    keep.logout()
    for raw in got:
        raw.vanish(fin=True)
    after = settled(estate)
    print(f"# before {before >> 10} kB, after {after >> 10} kB")
    assert after - before < slack(estate), (before, after)
    assert alive(estate) < 60


# ---- connections that come and go, or stay and do nothing ----
def come_and_go(estate, n):
    for _ in range(n):
        raw = Raw(estate, "smtp")
        assert raw.line().startswith(b"220")
        raw.say(b"QUIT")
        assert raw.line().startswith(b"221")
        raw.file.close()
        raw.sock.close()


def test_1000_connections_in_a_row(estate):
    """Closed connections pile up until no more come in."""
    come_and_go(estate, 100)
    before, began = settled(estate), time.monotonic()
    come_and_go(estate, 1000)
    print(f"# {1000 / (time.monotonic() - began):.0f} connections/s")
    after = settled(estate)
    assert after - before < MB, (before, after)
    alive(estate)


def test_slow_and_silent_clients(estate):
    """One client's pace is everybody's: a write or read is waited for in the accepting fiber."""
    before = settled(estate)
    silent = [Raw(estate, e) for e in ("smtp", "imap", "imaps", "submissions", "control") for _ in range(20)]
    drip = [Raw(estate, "smtp") for _ in range(20)]
    for raw in drip:
        raw.line()
    for c in b"EHLO a.b":
        for raw in drip:
            raw.sock.sendall(bytes([c]))
        assert alive(estate) < 60
        time.sleep(0.3)
    for raw in drip:
        raw.sock.sendall(b"c\r\n")
        assert raw.line().startswith(b"250")
    for raw in silent + drip:
        raw.vanish()
    # Gone in the middle of a text: nothing is delivered.
    for _ in range(20):
        raw = Raw(estate, "smtp")
        raw.sock.sendall(b"EHLO a.b\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<%s>\r\nDATA\r\n" % estate.owner.encode() + b"x" * 70000)
        raw.vanish()
    assert settled(estate) - before < MB
    alive(estate)


def test_clients_that_never_read(estate):
    """Answers queue without bound, or the queue of one starves the others."""
    text = large(7, 4_000_000)
    with imap(estate, None) as conn:
        fresh_folder(conn, "Unread")
    append(estate, "Unread", text)
    before = settled(estate)
    stuck = []
    for _ in range(40):
        raw = Raw(estate, "imaps", True).login(estate)
        raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.command(b"EXAMINE Unread")
        raw.say(b"f FETCH 1 BODY.PEEK[]")
        stuck.append(raw)
    time.sleep(2)
    with watched(estate) as seen:
        began = time.monotonic()
        assert digests(estate, "Unread") == [hashlib.sha256(text).digest()]
        took = time.monotonic() - began
        assert alive(estate) < 60
    print(f"# 4 MB beside 40 clients that do not read: {took:.1f} s; memory {before >> 10} kB, most {max(seen) >> 10} kB")
    assert took < 120
    for raw in stuck:
        raw.vanish()
    assert settled(estate) - before < 2 * MB
    with imap(estate, None) as conn:
        conn.delete("Unread")


# ---- hostile input ----
SCRIPTS = {
    "smtp": b"EHLO a.b\r\nMAIL FROM:<a@b.c> SIZE=100\r\nRCPT TO:<alice@example.org>\r\nDATA\r\nSubject: hostile\r\n\r\nx\r\n.\r\nBDAT 3 LAST\r\nabcRSET\r\nVRFY a\r\nSTARTTLS\r\nQUIT\r\n",
    "submission": b"EHLO a.b\r\nAUTH PLAIN AGEAYg==\r\nSTARTTLS\r\n",
    "imap": b"a CAPABILITY\r\nb LOGIN {5+}\r\nalice x\r\nc STARTTLS\r\n",
    "imaps": b"%s SELECT INBOX\r\nb FETCH 1:* (FLAGS ENVELOPE BODY.PEEK[HEADER.FIELDS (A B)]<0.5>)\r\nc SEARCH OR FROM a NOT (SINCE 1-Jan-2020 UID 1:5)\r\nd APPEND INBOX (\\Seen) {10+}\r\nSubject: x\r\ne LIST \"\" *\r\nf STORE 1 +FLAGS (a)\r\ng STATUS INBOX (MESSAGES)\r\nh CREATE x/&AOQ-\r\ni RENAME x y\r\nj DELETE y\r\nk IDLE\r\nDONE\r\nl UID COPY 1:3 Trash\r\n",
    "control": b"GET /v1/log?path=INBOX HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n\r\nPOST /v1/users HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
}


def mutate(rng, text):
    """Bytes changed, cut out, repeated, grown; or nothing but noise."""
    if rng.random() < 0.1:
        return rng.randbytes(rng.randrange(1, 4000))
    out = bytearray(text)
    for _ in range(rng.randrange(1, 8)):
        at, n = rng.randrange(len(out) + 1), rng.randrange(1, 20)
        kind = rng.randrange(5)
        if kind == 0:
            out[at:at + n] = rng.randbytes(n)
        elif kind == 1:
            del out[at:at + n]
        elif kind == 2:
            out[at:at] = out[at:at + n] * rng.randrange(1, 200)
        elif kind == 3:
            out[at:at] = rng.choice([b"{99999999999}\r\n", b"{4294967295+}\r\n", b"(" * 300, b"\r\n", b"\0", b"\"", b"\x80\xff",
                                     b"*", b"4294967296", b" " * 3000, b"%", b"BODY[1.2.3.4.5]", b"A" * 9000])
        elif len(out) > 1:
            out[at % len(out)] ^= 1 << rng.randrange(8)
    return bytes(out)


def attack(estate, rng, until):
    """Sessions of mutated commands, in the clear and inside TLS, and noise where TLS is wanted."""
    n = 0
    while time.monotonic() < until:
        n += 1
        endpoint = rng.choice(["smtp", "submission", "imap", "imaps", "control", "submissions"])
        script = SCRIPTS.get(endpoint, SCRIPTS["smtp"])
        tls = endpoint in ("imaps", "control", "submissions") and rng.random() < 0.7
        with contextlib.suppress(OSError):
            raw = Raw(estate, endpoint, tls, timeout=1)
            if endpoint == "imaps" and tls and rng.random() < 0.8:
                raw.sock.sendall(b"l LOGIN %s %s\r\n" % (estate.user.encode(), estate.password().encode()))
            raw.sock.sendall(mutate(rng, script if tls or endpoint in ("smtp", "submission", "imap") else CLIENT_HELLO))
            raw.sock.settimeout(0.2)
            with contextlib.suppress(OSError):
                while raw.sock.recv(65536):
                    pass
            raw.vanish(fin=rng.random() < 0.5)
    return n


def client_hello():
    """A real first flight, to be mutated."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


CLIENT_HELLO = client_hello()


def hostile(estate, seconds, seed):
    until = time.monotonic() + seconds
    return sum(together(*[lambda i=i: attack(estate, random.Random(seed * 100 + i), until) for i in range(8)]))


def test_hostile_input(estate):
    """Something a stranger sends ends the machine, or stays in memory."""
    seed = random.randrange(1 << 32)
    hostile(estate, 4, seed)
    before = settled(estate)
    n = hostile(estate, 12, seed + 1)
    after = settled(estate)
    print(f"# {n} sessions, seed {seed}; memory before {before >> 10} kB, after {after >> 10} kB")
    assert after - before < 2 * MB, (before, after)
    assert alive(estate) < 60


# ---- many messages ----
def fill(estate, folder, n, batch=50):
    """n small messages, by MULTIAPPEND-free pipelined APPENDs with literals that need no asking."""
    raw = Raw(estate, "imaps", True).login(estate)
    for at in range(0, n, batch):
        out = b""
        for i in range(at, min(at + batch, n)):
            text = b"From: a%d@b.example\r\nSubject: number %d\r\n\r\nbody %d\r\n" % (i % 97, i, i)
            out += b"a%d APPEND %s {%d+}\r\n%s\r\n" % (i, folder.encode(), len(text), text)
        raw.sock.sendall(out)
        for i in range(at, min(at + batch, n)):
            line = raw.line()
            assert line.startswith(b"a%d OK" % i), line
    raw.vanish(fin=True)


def many_messages(estate, n):
    with imap(estate, None) as conn:
        fresh_folder(conn, "Many")
        fresh_folder(conn, "Copy")
    before, began = settled(estate), time.monotonic()
    fill(estate, "Many", n)
    times = {"append": time.monotonic() - began}
    raw = Raw(estate, "imaps", True, timeout=300).login(estate)
    with watched(estate) as seen:
        for name, command, check in (
                ("select", b"SELECT Many", lambda a: b"* %d EXISTS\r\n" % n in a),
                ("flags", b"FETCH 1:* (FLAGS)", lambda a: sum(b" FETCH " in x for x in a) == n),
                ("envelope", b"FETCH 1:* (ENVELOPE)", lambda a: sum(b" FETCH " in x for x in a) == n),
                ("search", b"SEARCH SUBJECT \"number %d\"" % (n - 1), lambda a: b"* SEARCH %d\r\n" % n in a),
                ("body", b"SEARCH BODY \"body %d\"" % (n - 1), lambda a: b"* SEARCH %d\r\n" % n in a),
                ("store", b"STORE 1:* +FLAGS (\\Flagged)", lambda a: sum(b"\\Flagged" in x for x in a) == n),
                ("copy", b"COPY 1:* Copy", lambda a: b"COPYUID" in a[-1]),
                ("delete", b"STORE 1:* +FLAGS.SILENT (\\Deleted)", lambda a: True),
                ("expunge", b"EXPUNGE", lambda a: sum(b" EXPUNGE" in x for x in a) == n),
                ("status", b"STATUS Copy (MESSAGES)", lambda a: any(b"MESSAGES %d" % n in x for x in a)),
                ("drop", b"DELETE Copy", lambda a: True)):
            began = time.monotonic()
            answer = raw.command(command)
            times[name] = time.monotonic() - began
            assert answer[-1].startswith(b"t OK") and check(answer), (name, answer[-1], len(answer))
    raw.vanish(fin=True)
    print(f"# {n} messages: " + ", ".join(f"{k} {v:.2f}" for k, v in times.items()) + f" s; memory {before >> 10} kB, most {max(seen) >> 10} kB")
    alive(estate)


def test_many_messages(estate):
    """A command over a whole mailbox holds all of it in memory."""
    many_messages(estate, 2000)


# ---- a full disk ----
def until_full(send):
    """How often send(i) said yes before it first said no, and what it said then."""
    for i in range(5000):
        refusal = send(i)
        if refusal:
            return i, refusal
    raise harness.Failed("the disk never fills")


def subjects(estate, folder):
    with imap(estate, folder) as conn:
        got = conn.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
    return {x[1].split()[1].decode(): b"\\Deleted" in x[0] for x in got if isinstance(x, tuple)}


def killed_when_full(estate, left, send):
    """SIGKILL on the full disk; then all is there, a sweep runs, and what still does not fit is refused as before."""
    estate.kill()
    estate.wait_ready(restarts=1)
    assert subjects(estate, "INBOX") == left
    assert estate.json("verify", "mail")["ok"]
    estate.run("keep", "mail", "--days", "1")  # today's history stays: room need not come back
    # "busy" as long as the sweep lasts that began by itself
    swept = json.loads(harness.until("a sweep ends", lambda: estate.run("sweep", "mail", "--json", code=None).stdout))
    more, refusal = until_full(send)
    print(f"# a sweep freed {swept['freed_bytes']} bytes, then {more} more fit")
    assert refusal[0] == 452 and refusal[1].startswith(b"4.3.1"), refusal
    with imap(estate) as conn:
        assert conn.store("1", "+FLAGS", "\\Flagged")[0] == "OK"
    estate.kill()
    estate.wait_ready(restarts=2)
    now = subjects(estate, "INBOX")
    assert len(now) == len(left) + more and left.items() <= now.items(), now
    assert estate.json("verify", "mail")["ok"]


def test_full_disk(shared):
    """The reserve for deletions is not kept, or an acknowledged message did not fit; a full disk cannot be opened
    after a kill, or not swept."""
    with harness.SmallEstate(shared.target) as estate:
        estate.password()
        rng = random.Random(1)
        block = b"".join(rng.randbytes(37).hex().encode() + b"\r\n" for _ in range(26000))

        def mail(i, size):
            with smtplib.SMTP("localhost", estate.port("smtp"), timeout=120) as smtp:
                try:
                    smtp.sendmail("b@elsewhere.example", [estate.owner], b"Subject: s%d-%d\r\n\r\n%d" % (size, i, i) + block[i * 100:][:size])
                except smtplib.SMTPDataError as refusal:
                    return refusal.smtp_code, refusal.smtp_error
            return None

        count, refusal = until_full(lambda i: mail(i, 1_000_000))
        assert count > 5 and refusal[0] == 452 and refusal[1].startswith(b"4.3.1"), refusal
        wanted = {f"s1000000-{i}" for i in range(count)}
        with imap(estate) as conn:
            kind, words = conn.append("INBOX", None, None, b"Subject: no\r\n\r\n" + block[:1_000_000])
            assert kind == "NO" and words[0].startswith(b"[OVERQUOTA]"), words
            fresh_folder(conn, "Copies")
        small, refusal = until_full(lambda i: mail(i, 20000))
        assert refusal[0] == 452, refusal
        wanted |= {f"s20000-{i}" for i in range(small)}
        print(f"# {count} large and {small} small messages fit")
        assert set(subjects(estate, "INBOX")) == wanted
        with imap(estate) as conn:
            assert block[:1_000_000] in whole(conn, "1"), "a message read on the full disk"
            copies, refusal = until_full(lambda i: (lambda a: None if a[0] == "OK" else a)(conn.copy("1:*", "Copies")))
            assert refusal[0] == "NO" and refusal[1][0].startswith(b"[OVERQUOTA]"), refusal
            print(f"# {copies} copies of all fit")
            for command in (lambda: conn.store("1:3", "+FLAGS", "\\Deleted"), conn.expunge,
                            lambda: conn.store("2", "+FLAGS", "\\Deleted")):
                kind, words = command()
                assert kind == "OK", words
        wanted -= {f"s1000000-{i}" for i in range(3)}
        left = subjects(estate, "INBOX")
        assert set(left) == wanted and left[f"s1000000-4"] and sum(left.values()) == 1
        verified = estate.json("verify", "mail")
        assert verified["ok"], verified
        estate.down()
        estate.up()
        assert subjects(estate, "INBOX") == left
        assert estate.json("verify", "mail")["ok"]
        assert estate.service()["restarts"] == 0
        killed_when_full(estate, left, lambda i: mail(10000 + i, 1_000_000))


TESTS = [f for name, f in list(globals().items()) if name.startswith("test_")]

if __name__ == "__main__":
    # As a process: in soak_limits.py, or when asked for.
    sys.exit(harness.main(TESTS, targets=("unix",) if "unix" in sys.argv else ("virt",), shared=True))
