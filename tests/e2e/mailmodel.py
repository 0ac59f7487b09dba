# SPDX-License-Identifier: ISC
"""A journal of what a mail server acknowledged, a workload that fills it, and a check against it.

Everything is stamped with a position that only grows (a counter, or the length of a disk's write
log), so the same journal can be asked what was acknowledged at any moment in the past:

    journal = Journal(position=lambda: os.path.getsize(log))
    load = Workload(journal, endpoints, user, password, ca); load.start(); ...; load.stop()
    problems = check(connect_imap(...), journal, upto=journal.position())
"""
import hashlib
import imaplib
import random
import re
import smtplib
import socket
import ssl
import threading
import time

FLAGS = ["\\Seen", "\\Flagged", "\\Answered", "kept", "$Forwarded"]


def body_of(token, size):
    """A message that can be recognised and whose every byte follows from its token."""
    lines = ["From: sender@elsewhere.example", "To: alice@example.org", f"Subject: {token}",
             f"X-Token: {token}", f"X-Size: {size}", "", ""]
    seed = hashlib.sha256(token.encode()).hexdigest()
    text = (seed * (size // len(seed) + 1))[:size]
    lines += [text[i:i + 76] for i in range(0, len(text), 76)]
    return "\r\n".join(lines) + "\r\n"


class Message:
    def __init__(self, token, size, start):
        self.token, self.size = token, size
        self.start, self.ack = start, None  # delivery
        self.changes = []                   # [start, ack, "flags" | "expunge", frozenset]


class Journal:
    def __init__(self, position=None):
        self.lock = threading.Lock()
        self.count = 0
        self.position = position or self.tick
        self.messages = {}   # token -> Message
        self.meaning = {}    # (uidvalidity, uid) -> (token, position)
        self.told = []       # (position, uidvalidity, uidnext)

    def tick(self):
        self.count += 1
        return self.count

    def begin(self, token, size):
        with self.lock:
            self.messages[token] = Message(token, size, self.position())

    def delivered(self, token):
        with self.lock:
            self.messages[token].ack = self.position()

    def change(self, token, kind, flags=frozenset()):
        with self.lock:
            entry = [self.position(), None, kind, frozenset(flags)]
            self.messages[token].changes.append(entry)
            return entry

    def changed(self, entry):
        with self.lock:
            entry[1] = self.position()

    def saw(self, uidvalidity, uid, token):
        """Returns a problem when this UID has meant another message before."""
        with self.lock:
            known = self.meaning.setdefault((uidvalidity, uid), (token, self.position()))
        if known[0] != token:
            return f"UID {uid} (validity {uidvalidity}) was {known[0]}, now {token}"
        return None

    def tell(self, uidvalidity, uidnext):
        with self.lock:
            self.told.append((self.position(), uidvalidity, uidnext))


def connect_imap(port, user, password, context, timeout=30):
    conn = imaplib.IMAP4_SSL("localhost", port, ssl_context=context, timeout=timeout)
    conn.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # imaplib writes an APPEND in pieces
    conn.login(user, password)
    return conn


def fetch_all(conn, items):
    """[(uid, flags, rest of the answer as bytes)] of the selected mailbox."""
    status, data = conn.uid("FETCH", "1:*", f"(UID FLAGS {items})")
    if status != "OK":
        raise RuntimeError(f"FETCH: {data}")
    out = []
    for part in data:
        if not isinstance(part, tuple):
            continue  # a closing parenthesis, or flags another connection has just changed
        head, text = part
        uid = re.search(rb"UID (\d+)", head)
        if not uid:
            continue
        if b"FLAGS" not in head:
            raise RuntimeError(f"FETCH answers {part!r}")
        flags = re.search(rb"FLAGS \(([^)]*)\)", head).group(1).decode().split()
        out.append((int(uid.group(1)), frozenset(f for f in flags if f != "\\Recent"), text))
    return out


def select(conn, mailbox="INBOX", readonly=False):
    status, data = conn.select(mailbox, readonly=readonly)
    if status != "OK":
        raise RuntimeError(f"SELECT: {data}")
    return int(conn.response("UIDVALIDITY")[1][0]), int(conn.response("UIDNEXT")[1][0])


class Workload:
    """Delivers by SMTP, appends, flags and expunges by IMAP, from several connections, until stopped or cut off."""

    def __init__(self, journal, ports, user, password, context, sizes=(0, 100, 3000, 70000), seed=0):
        self.journal, self.ports, self.user, self.password = journal, ports, user, password
        self.context, self.sizes = context, sizes
        self.halt = threading.Event()
        self.random = random.Random(seed)
        self.serial = 0
        self.lock = threading.Lock()
        self.faults = []
        self.threads = []

    def start(self, senders=3, readers=2):
        jobs = [self.send] * senders + [self.read] * readers
        self.threads = [threading.Thread(target=self.guarded, args=(job, n), daemon=True) for n, job in enumerate(jobs)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.halt.set()
        for thread in self.threads:
            thread.join(60)

    def guarded(self, job, number):
        while not self.halt.is_set():
            try:
                job(number)
            except (OSError, EOFError, smtplib.SMTPException, imaplib.IMAP4.abort, ssl.SSLError):
                time.sleep(0.05)  # the machine was killed under us: try again until it is back
            except Exception as fault:  # anything else the server said wrongly
                self.faults.append(f"{job.__name__}: {fault!r}")
                time.sleep(0.2)

    def token(self):
        with self.lock:
            self.serial += 1
            return f"t{self.serial}-{self.random.getrandbits(48):012x}", self.random.choice(self.sizes)

    def send(self, _number):
        smtp = smtplib.SMTP("localhost", self.ports["submission"], timeout=30)
        try:
            smtp.starttls(context=self.context)
            smtp.login(self.user, self.password)
            while not self.halt.is_set():
                token, size = self.token()
                text = body_of(token, size)
                self.journal.begin(token, size)
                smtp.sendmail("sender@elsewhere.example", ["alice@example.org"], text.encode())
                self.journal.delivered(token)
        finally:
            smtp.close()

    def read(self, number):
        conn = connect_imap(self.ports["imaps"], self.user, self.password, self.context)
        try:
            while not self.halt.is_set():
                validity, uidnext = select(conn)
                self.journal.tell(validity, uidnext)
                mine = []
                for uid, _flags, text in fetch_all(conn, "BODY.PEEK[HEADER.FIELDS (X-TOKEN)]"):
                    token = text.decode().split(":")[1].strip()
                    problem = self.journal.saw(validity, uid, token)
                    if problem:
                        self.faults.append(problem)
                    if int(token[1:].split("-")[0]) % 2 == number % 2:  # each reader has its own half
                        mine.append((uid, token))
                self.append(conn, validity)
                for uid, token in random.sample(mine, min(len(mine), 6)):
                    if self.halt.is_set():
                        return
                    if random.random() < 0.25:
                        self.expunge(conn, uid, token)
                    else:
                        self.flag(conn, uid, token)
        finally:
            conn.shutdown()

    def append(self, conn, validity):
        token, size = self.token()
        text = body_of(token, size)
        self.journal.begin(token, size)
        status, data = conn.append("INBOX", None, None, text.encode())
        if status != "OK":
            raise RuntimeError(f"APPEND: {data}")
        self.journal.delivered(token)
        uid = re.search(rb"APPENDUID (\d+) (\d+)", data[0])
        if not uid or int(uid.group(1)) != validity:
            raise RuntimeError(f"APPENDUID: {data}")
        problem = self.journal.saw(validity, int(uid.group(2)), token)
        if problem:
            self.faults.append(problem)

    def flag(self, conn, uid, token):
        flags = random.sample(FLAGS, random.randint(0, 3))
        entry = self.journal.change(token, "flags", flags)
        status, data = conn.uid("STORE", str(uid), "FLAGS", "(" + " ".join(flags) + ")")
        if status != "OK":
            raise RuntimeError(f"STORE: {data}")
        self.journal.changed(entry)

    def expunge(self, conn, uid, token):
        entry = self.journal.change(token, "expunge")
        for command in (("STORE", str(uid), "+FLAGS", "(\\Deleted)"), ("EXPUNGE", str(uid))):
            status, data = conn.uid(*command)
            if status != "OK":
                raise RuntimeError(f"{command[0]}: {data}")
        self.journal.changed(entry)


def allowed(message, upto):
    """(may be absent, may be present, allowed flag sets or None for any) at that position."""
    if message.ack is None or message.ack > upto:
        return True, message.start <= upto, None if message.changes else {frozenset()}
    flags, absent, present = {frozenset()}, False, True
    for start, ack, kind, wanted in message.changes:
        if start > upto:
            break
        sure = ack is not None and ack <= upto
        if kind == "expunge":
            absent, present = True, not sure
            flags = {f | {"\\Deleted"} for f in flags} | flags
        elif sure:
            flags = {wanted}
        else:
            flags = flags | {wanted}
    return absent, present, flags


def check(conn, journal, upto, bodies=20):
    """What the mailbox shows now against what was acknowledged up to that position; a list of problems."""
    problems = []
    validity, uidnext = select(conn, readonly=True)
    for position, told_validity, told_next in journal.told:
        if position <= upto and (told_validity, told_next) > (validity, uidnext):
            problems.append(f"UIDNEXT went back from {told_next} to {uidnext}")
            break
    seen = {}
    shown = fetch_all(conn, "BODY.PEEK[HEADER.FIELDS (X-TOKEN)]")
    for uid, flags, text in shown:
        token = text.decode().split(":")[1].strip()
        known = journal.meaning.get((validity, uid))
        if known and known[1] <= upto and known[0] != token:
            problems.append(f"UID {uid} was {known[0]}, now {token}")
        if token in seen:
            problems.append(f"{token} is there twice (UIDs {seen[token][0]} and {uid})")
        if uid >= uidnext:
            problems.append(f"UID {uid} is not below UIDNEXT {uidnext}")
        seen[token] = (uid, flags)
    for token, message in journal.messages.items():
        if message.start > upto:
            if token in seen:
                problems.append(f"{token} is there before it was sent")
            continue
        absent, present, flags = allowed(message, upto)
        if token not in seen and not absent:
            problems.append(f"{token} was acknowledged and is gone")
        elif token in seen and not present:
            problems.append(f"{token} was expunged and is back")
        elif token in seen and flags is not None and seen[token][1] not in flags:
            problems.append(f"{token} has flags {sorted(seen[token][1])}, allowed {[sorted(f) for f in flags]}")
    for token in seen.keys() - journal.messages.keys():
        problems.append(f"{token} was never sent")
    for token in random.sample(sorted(seen), min(bodies, len(seen))):
        problems += check_body(conn, journal, seen[token][0], token)
    return problems


def check_body(conn, journal, uid, token):
    status, data = conn.uid("FETCH", str(uid), "(BODY.PEEK[])")
    if status != "OK" or not isinstance(data[0], tuple):
        return [f"FETCH of {token}: {status} {data}"]
    text = data[0][1].decode()
    if not text.endswith(body_of(token, journal.messages[token].size)):
        return [f"{token} (UID {uid}) has other bytes than were sent"]
    return []
