#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The mail service (unix target) and Dovecot doing the same work in the same run, both with TLS for IMAP and
every message on stable storage before it is acknowledged. They take turns for several rounds; prints the medians and
their ratio.

    bench/mail.py [--messages N] [--rounds N] [--seconds N]     size of the large mailbox, turns of each, time for a rate
"""
import argparse
import concurrent.futures
import contextlib
import os
import random
import statistics
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peers  # noqa: E402
import wire  # noqa: E402


WORDS = ["".join(random.Random(i).choices("etaoinshrdlucmfw", k=2 + i % 9)) for i in range(4000)]


def message(n, size=4096):
    """Text of its own for each: mail that differs in a number alone would be nothing but deltas to git."""
    head = (f"From: Sender {n % 97} <sender{n % 97}@elsewhere.example>\r\nTo: alice@example.org\r\n"
            f"Subject: message {n} about subject {n % 13}\r\nDate: Sat, 21 Nov 2026 {n % 24:02d}:{n % 60:02d}:00 +0000\r\n"
            f"Message-ID: <{n}@elsewhere.example>\r\n\r\n")
    words = random.Random(n).choices(WORDS, k=(size - len(head)) // 7)
    return (head + "".join(" ".join(words[i:i + 10]) + "\r\n" for i in range(0, len(words), 10))).encode()


def rate(work, seconds, threads):
    """Calls step = work() from so many threads for so long; calls per second."""
    counts, faults, gate = [0] * threads, [], threading.Barrier(threads + 1)

    def run(number):
        try:
            step = work()
            gate.wait(60)
            stop = time.monotonic() + seconds
            while time.monotonic() < stop:
                step(number * 1000003 + counts[number])
                counts[number] += 1
        except Exception as fault:
            faults.append(fault)
            gate.abort()

    crew = [threading.Thread(target=run, args=(n,)) for n in range(threads)]
    for each in crew:
        each.start()
    with contextlib.suppress(threading.BrokenBarrierError):
        gate.wait(60)
    start = time.monotonic()
    for each in crew:
        each.join()
    if faults:
        raise faults[0]
    return sum(counts) / (time.monotonic() - start)


class Subject:
    """A server, its large mailbox, and the figures taken of it: (what, unit) to a list."""

    def __init__(self, server, many):
        self.server, self.many, self.figures, self.serial = server, many, {}, 0
        self.imap = server.imap()
        if b"Drafts" not in self.imap.answer(b'LIST "" Drafts'):
            self.imap.command(b"CREATE Drafts")
        self.imap.command(b"CREATE Bodies")
        self.imap.append(b"Bodies", *(message(n, 100000) for n in range(50)))
        self.imap.command(b"CREATE Many")
        fill(server, many)
        self.imap.command(b"SELECT Many")
        self.imap.command(b"UID STORE 1:%d +FLAGS.SILENT (\\Seen)" % (many // 2))

    def note(self, what, unit, figure):
        self.figures.setdefault((what, unit), []).append(figure)

    def new(self):
        """A message of its own: equal bytes would be stored once."""
        self.serial += 1
        return message(self.serial, 4096)

    def deliverer(self):
        mail = self.server.mail()
        return lambda _n: mail.deliver(self.server.rcpt, self.new())

    def appender(self):
        conn = self.server.imap()
        return lambda _n: conn.append(b"Drafts", self.new())

    def round(self, seconds):
        for sessions in (1, 4, 16):
            plural = "" if sessions == 1 else "s"
            self.note(f"deliver, {sessions} session{plural}, 4 kB", "/s", rate(self.deliverer, seconds, sessions))
        for sessions in (1, 4):
            plural = "" if sessions == 1 else "s"
            self.note(f"append, {sessions} session{plural}, 4 kB", "/s", rate(self.appender, seconds, sessions))
        self.imap.command(b"SELECT Bodies")
        took, size = self.imap.timed(b"UID FETCH 1:* (BODY.PEEK[])")
        self.note("fetch bodies of 100 kB", "MB/s", size / took / 1e6)
        for text in (b"SELECT Many", b"SEARCH UNSEEN", b"FETCH 1:* (FLAGS)", b"FETCH 1:* (ENVELOPE)",
                     b'SEARCH FROM "sender42"'):
            if not text.startswith(b"SELECT"):
                self.imap.command(b"SELECT Many")
            self.note(f"{text.decode()}, {self.many} messages", "ms", self.imap.timed(text, 1)[0] * 1000)


def fill(server, many, sessions=8):
    """Small messages into Many, a hundred at a time; several sessions, for each waits for the disk."""
    def run(first):
        conn = server.imap()
        for n in range(first * 100, many, sessions * 100):
            conn.append(b"Many", *(message(i, 600) for i in range(n, min(n + 100, many))))

    with concurrent.futures.ThreadPoolExecutor(sessions) as crew:
        list(crew.map(run, range(sessions)))


def say(text):
    print("bench: " + text, file=sys.stderr, flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--messages", type=int, default=100000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=2)
    chosen = options.parse_args()
    subjects = []
    with contextlib.ExitStack() as stack:
        for start in (peers.allod_unix, peers.dovecot):
            server = stack.enter_context(start())
            print(f"{server.name}: {server.configuration}", flush=True)
            say(f"filling {server.name} with {chosen.messages} messages")
            subjects.append(Subject(server, chosen.messages))
        for n in range(chosen.rounds):
            for subject in subjects[::1 if n % 2 == 0 else -1]:
                say(f"round {n + 1}/{chosen.rounds}: {subject.server.name}")
                subject.round(chosen.seconds)
    print(f"{f'median of {chosen.rounds} rounds':42} {'allod':>9}      {'dovecot':>9}       ratio (above 1: allod is better)")
    for key, figures in subjects[0].figures.items():
        ours, theirs = statistics.median(figures), statistics.median(subjects[1].figures[key])
        ratio = theirs / ours if key[1] == "ms" else ours / theirs
        print(f"{key[0]:42} {ours:9.1f} {key[1]:4} {theirs:9.1f} {key[1]:4} {ratio:7.2f}")


if __name__ == "__main__":
    main()
