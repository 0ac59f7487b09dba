#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""IMAP by Python's imaplib, a reader of the protocol that is not ours."""
import email.message
import email.policy
import imaplib
import os
import random
import re
import socket
import ssl
import sys
import threading
import time

import harness

MB = 1 << 20


def login(e, endpoint="imaps"):
    if endpoint == "imaps":
        m = imaplib.IMAP4_SSL("localhost", e.port("imaps"), ssl_context=e.tls())
    else:
        m = imaplib.IMAP4("localhost", e.port("imap"))
        m.starttls(e.tls())
    m.login("alice", e.password())
    return m


def ok(answer):
    status, data = answer
    assert status == "OK", (status, data)
    return data


def no(answer, code):
    status, data = answer
    assert status == "NO" and data[0].startswith(code), (status, data)


def literals(data):
    return [d[1] for d in data if isinstance(d, tuple)]


def append(m, body, box="INBOX", flags="", date=None):
    data = ok(m.append(box, flags, date, body))
    return int(re.search(rb"APPENDUID \d+ (\d+)", data[0])[1])


def every_command(e):
    """breaks when: a handler answers without its untagged data, e.g. STATUS forgets UIDNEXT"""
    m = login(e, "imap")
    can = ok(m.capability())[0].decode().split()
    assert {"IMAP4rev1", "IDLE", "MOVE", "UIDPLUS"} <= set(can) and not {"STARTTLS", "LOGINDISABLED"} & set(can)
    ok(m.enable("X-NOTHING"))
    ok(m.create("work/plans"))
    no(m.create("work/plans"), b"[ALREADYEXISTS]")
    names = [line.decode().split(' "/" ')[1] for line in ok(m.list())]
    assert names[0] == "INBOX" and {"Drafts", "Sent", "Junk", "Trash", "Archive", "work", "work/plans"} <= set(names)
    ok(m.subscribe("work/plans"))
    assert any(b"work/plans" in x for x in ok(m.lsub()))
    ok(m.unsubscribe("work/plans"))
    assert b'"/"' in ok(m.namespace())[0]

    text = b"From: a@example.org\r\nTo: b@example.org\r\nSubject: one\r\n\r\nbody\r\n"
    first = append(m, text, flags=r"(\Seen $Work)", date='"17-Jul-1996 02:44:25 -0700"')
    no(m.append("nowhere", "", None, text), b"[TRYCREATE]")
    assert ok(m.select("INBOX")) == [b"1"]
    data = ok(m.fetch("1", "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY.PEEK[])"))
    assert data[0][1] == text
    head = data[0][0].decode()
    assert f"UID {first}" in head and r"\Seen" in head and "$Work" in head and f"RFC822.SIZE {len(text)}" in head
    assert '"17-Jul-1996 09:44:25 +0000"' in head
    assert '("one"' in head.replace('"one"', '("one"') and '(NIL NIL "a" "example.org")' in head
    assert b"\\Flagged" in ok(m.store("1", "+FLAGS", r"(\Flagged)"))[0]
    assert ok(m.search(None, "FLAGGED")) == [b"1"] and ok(m.search(None, "UNSEEN")) == [b""]
    assert ok(m.search("UTF-8", "SUBJECT", "one")) == [b"1"]
    ok(m.check())
    ok(m.noop())
    ok(m.copy("1", "work/plans"))
    assert re.fullmatch(rb'work/plans \(MESSAGES 1 UIDNEXT 2 UNSEEN 0\)', ok(m.status("work/plans", "(MESSAGES UIDNEXT UNSEEN)"))[0])
    ok(m.uid("MOVE", str(first), "Trash"))
    assert ok(m.search(None, "ALL")) == [b""]
    ok(m.rename("work/plans", "work/done"))
    assert ok(m.select("work/done", readonly=True)) == [b"1"]
    assert m.store("1", "FLAGS", "()")[0] == "NO"
    ok(m.unselect())
    ok(m.select("work/done"))
    ok(m.store("1", "FLAGS.SILENT", r"\Deleted"))
    assert ok(m.expunge()) == [b"1"]
    ok(m.close())
    ok(m.delete("work/done"))
    no(m.select("work/done"), b"[NONEXISTENT]")
    assert m.logout()[0] == "BYE"


def odd_messages(e):
    """breaks when: a body loses or gains a byte at the edge of a 32 kB piece"""
    m = login(e)
    rng = random.Random(7)
    bodies = [b"\r\n", b"x", b"\n\n\n", b"Subject: no end", b"Subject: 8 bit \xff\xfe\r\n\r\n" + bytes(range(1, 256)),
              b"Subject: long\r\n\r\n" + b"y" * 100000 + b"\r\n"]
    bodies += [b"S: x\r\n\r\n" + b"z" * (n - 8) for n in (8191, 8192, 8193, 32767, 32768, 32769, 65536)]
    bodies += [bytes(rng.randrange(1, 256) for _ in range(rng.randrange(1, 4000))) for _ in range(20)]
    uids = [append(m, b) for b in bodies]
    ok(m.select("INBOX"))
    for uid, body in zip(uids, bodies):
        want = imaplib.MapCRLF.sub(imaplib.CRLF, body)  # what imaplib sends
        got = literals(ok(m.uid("FETCH", str(uid), "(BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[]<5.9>)")))
        assert got[0] == want and got[1] + got[2] == want and got[3] == want[5:14], (uid, len(want))
        ok(m.uid("FETCH", str(uid), "(ENVELOPE BODY BODYSTRUCTURE)"))


def every_suite(e):
    """breaks when: a cipher of the image is another than on the host, for want of what the processor has"""
    body = b"Subject: suites\r\n\r\n" + random.Random(7).randbytes(75000).hex().encode()
    for version, suite in (("TLSv1_3", "TLS_AES_256_GCM_SHA384"), ("TLSv1_2", "ECDHE-ECDSA-AES256-GCM-SHA384"),
                           ("TLSv1_2", "ECDHE-ECDSA-CHACHA20-POLY1305"), ("TLSv1_2", "ECDHE-ECDSA-AES128-GCM-SHA256")):
        context = e.tls()
        context.maximum_version = getattr(ssl.TLSVersion, version)
        if version == "TLSv1_2":
            context.set_ciphers(suite)
        m = imaplib.IMAP4_SSL("localhost", e.port("imaps"), ssl_context=context)
        assert m.sock.cipher()[0] == suite, m.sock.cipher()
        m.login("alice", e.password())
        uid = append(m, body)
        ok(m.select("INBOX"))
        assert literals(ok(m.uid("FETCH", str(uid), "BODY.PEEK[]")))[0] == body
        m.logout()


def large_message(e):
    """breaks when: FETCH reads a whole message into memory, or a partial one starts from zero"""
    m = login(e)
    line = b"%064d\r\n"
    body = b"Subject: 25 MB\r\n\r\n" + b"".join(line % i for i in range(25 * MB // 66))
    uid = append(m, body)
    ok(m.select("INBOX"))
    assert literals(ok(m.uid("FETCH", str(uid), "BODY.PEEK[]")))[0] == body
    at = len(body) - 1000
    assert literals(ok(m.uid("FETCH", str(uid), f"BODY.PEEK[]<{at}.5000>")))[0] == body[at:]
    no(m.append("INBOX", "", None, b"x" * (51 * MB)), b"[TOOBIG]")  # before it is sent


def parts(e):
    """breaks when: an offset of a nested part is off by one line"""
    m = login(e)
    msg = email.message.EmailMessage()
    msg["Subject"] = "Grüße aus Köln"
    msg["From"] = "Jürgen <j@example.org>"
    msg.set_content("plain text äöü\n")
    msg.add_alternative("<p>html</p>\n", subtype="html")
    msg.add_attachment(os.urandom(5000), maintype="application", subtype="octet-stream", filename="a b.bin")
    inner = email.message.EmailMessage()
    inner["Subject"] = "inner"
    inner.set_content("inner text\n")
    msg.add_attachment(inner)
    raw = msg.as_bytes(policy=msg.policy.clone(linesep="\r\n"))
    uid = append(m, raw)
    ok(m.select("INBOX"))
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    want = {"1.1": parsed.get_payload(0).get_payload(0), "1.2": parsed.get_payload(0).get_payload(1),
            "2": parsed.get_payload(1), "3.1": parsed.get_payload(2).get_payload(0)}
    for section, part in want.items():
        got = literals(ok(m.uid("FETCH", str(uid), f"(BODY.PEEK[{section}] BODY.PEEK[{section}.MIME])")))
        body = part.get_payload().replace("\r\n", "\n").replace("\n", "\r\n").encode()
        assert got[0].rstrip(b"\r\n") == body.rstrip(b"\r\n"), section
        if section != "3.1":
            assert b"Content-Type: " + part.get_content_type().encode() in got[1], section
    got = literals(ok(m.uid("FETCH", str(uid), "(BODY.PEEK[3.HEADER] BODY.PEEK[3.TEXT])")))
    assert b"Subject: inner\r\n" in got[0] and got[1].strip() == b"inner text"
    for query in ("SUBJECT grüße", "BODY ÄÖÜ", "FROM jürgen", "TEXT inner", "BODY html"):
        key, word = query.split()
        m.literal = word.encode()
        assert ok(m.uid("SEARCH", "CHARSET", "UTF-8", key)) == [str(uid).encode()], query


class Raw:
    """Lines as they come."""

    def __init__(self, e):
        self.sock = e.tls().wrap_socket(socket.create_connection(("localhost", e.port("imaps")), 30), server_hostname="localhost")
        self.file = self.sock.makefile("rb")
        self.file.readline()
        self.say(f'l LOGIN alice {e.password()}')
        self.until(b"l OK")

    def say(self, line):
        self.sock.sendall(line.encode() + b"\r\n")

    def until(self, start):
        lines = []
        while True:
            line = self.file.readline()
            assert line, lines
            lines.append(line.rstrip(b"\r\n"))
            if line.startswith(start):
                return lines


def idle_hears(e):
    """breaks when: a change wakes only the session that made it"""
    m, raw = login(e), Raw(e)
    append(m, b"S: x\r\n\r\nx\r\n")
    ok(m.select("INBOX"))
    raw.say("a SELECT INBOX")
    raw.until(b"a OK")
    raw.say("b IDLE")
    raw.until(b"+")
    append(m, b"S: y\r\n\r\ny\r\n")
    assert b"* 2 EXISTS" in raw.until(b"* 2 EXISTS")
    ok(m.store("1", "+FLAGS", r"\Deleted"))
    raw.until(rb"* 1 FETCH (FLAGS (\Deleted")
    ok(m.expunge())
    raw.until(b"* 1 EXPUNGE")
    raw.say("DONE")
    assert raw.until(b"b OK")[-1].startswith(b"b OK")


def starttls_injection(e):
    """breaks when: bytes read before the handshake are taken for the first command under TLS"""
    s = socket.create_connection(("localhost", e.port("imap")), 30)
    f = s.makefile("rb")
    assert b"STARTTLS" in f.readline()
    s.sendall(b"a STARTTLS\r\nb NOOP\r\n")
    lines = f.read()
    assert b"b OK" not in lines and not lines.startswith(b"a OK"), lines


def wrong_passwords(e):
    """breaks when: the third failure does not end the session, or failing is told apart from unknown"""
    s = e.tls().wrap_socket(socket.create_connection(("localhost", e.port("imaps")), 60), server_hostname="localhost")
    f = s.makefile("rb")
    f.readline()
    texts = set()
    for i, name in enumerate(("alice", "nobody", "alice@example.org")):
        s.sendall(f"a{i} LOGIN {name} wrong\r\n".encode())
        texts.add(f.readline().split(b" ", 1)[1])
    assert len(texts) == 1 and b"AUTHENTICATIONFAILED" in texts.pop()
    assert f.readline().startswith(b"* BYE") and f.read() == b""
    m = login(e)
    assert m.logout()[0] == "BYE"


def everybody_at_once(e):
    """breaks when: a message number shifts under a session, or two sessions get one UID"""
    m = login(e)
    ok(m.select("INBOX"))
    uids, errors = [], []

    def work(n):
        try:
            c = login(e)
            mine = [append(c, b"Subject: %d-%d\r\n\r\n%d\r\n" % (n, i, i)) for i in range(15)]
            uids.extend(mine)
            ok(c.select("INBOX"))
            for uid in mine:
                data = ok(c.uid("FETCH", str(uid), "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])"))
                assert literals(data)[0].startswith(b"Subject: %d-" % n), data
                ok(c.uid("STORE", str(uid), "+FLAGS.SILENT", rf"(\Flagged w{n})"))
            for uid in mine[::2]:
                ok(c.uid("STORE", str(uid), "+FLAGS.SILENT", r"\Deleted"))
                ok(c.uid("EXPUNGE", str(uid)))
            ok(c.uid("COPY", str(mine[1]), "Archive"))
            c.logout()
        except Exception as x:  # shown by the assert below
            errors.append((n, x))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors, errors
    assert len(set(uids)) == 8 * 15 and min(uids) == 1 and max(uids) == 120
    ok(m.noop())
    assert len(ok(m.uid("SEARCH", "FLAGGED"))[0].split()) == 8 * 7
    assert b"MESSAGES 8" in ok(m.status("Archive", "(MESSAGES)"))[0]
    for n in range(8):
        assert len(ok(m.search(None, "KEYWORD", f"w{n}"))[0].split()) == 7


def crowd(e):
    """breaks when: local connections, which share one address behind user networking, trip the guard or a table"""
    n = 200
    began, crowd_ = time.monotonic(), []
    for _ in range(n):
        crowd_.append(login(e))
    for m in crowd_:
        ok(m.select("INBOX", readonly=True))
    for m in crowd_:
        assert m.logout()[0] == "BYE"
    print(f"# {n} sessions in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    imaplib._MAXLINE = 100 * MB
    sys.exit(harness.main([every_command, odd_messages, every_suite, large_message, parts, idle_hears, starttls_injection,
                           wrong_passwords, everybody_at_once, crowd], targets=("unix", "virt")))
