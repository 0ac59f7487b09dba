#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The mail service (unix target) and Dovecot doing the same work in the same run, both with TLS for IMAP and
every message on stable storage before it is acknowledged. Prints both figures and their ratio.

    bench/mail.py [--messages N]       N: size of the large mailbox (100000)
"""
import argparse
import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peers  # noqa: E402
import wire  # noqa: E402


def message(n, size=4096):
    head = (f"From: Sender {n % 97} <sender{n % 97}@elsewhere.example>\r\nTo: alice@example.org\r\n"
            f"Subject: message {n} about subject {n % 13}\r\nDate: Sat, 21 Nov 2026 {n % 24:02d}:{n % 60:02d}:00 +0000\r\n"
            f"Message-ID: <{n}@elsewhere.example>\r\n\r\n")
    line = f"line of message {n} with some text in it that compresses as text does\r\n"
    return (head + line * ((size - len(head)) // len(line))).encode()


def rate(work, seconds, threads):
    """Calls work(thread, n) from so many threads for so long; calls per second."""
    counts, stop, faults = [0] * threads, time.monotonic() + seconds, []

    def run(number):
        try:
            step = work(number)
            while time.monotonic() < stop:
                step(counts[number])
                counts[number] += 1
        except Exception as fault:
            faults.append(fault)

    start = time.monotonic()
    crew = [threading.Thread(target=run, args=(n,)) for n in range(threads)]
    for each in crew:
        each.start()
    for each in crew:
        each.join()
    if faults:
        raise faults[0]
    return sum(counts) / (time.monotonic() - start)


def measure(server, many):
    imap = server.imap()
    figures = {}

    def deliverer(_number):
        mail = server.mail()
        return lambda n: mail.deliver(server.rcpt, message(n))

    def appender(_number):
        conn = server.imap()
        return lambda n: conn.append(b"Drafts", message(n))

    imap.command(b"CREATE Drafts") if server.name != "allod" else None
    figures["deliver, 1 session, 4 kB", "/s"] = rate(deliverer, 4, 1)
    figures["deliver, 4 sessions, 4 kB", "/s"] = rate(deliverer, 4, 4)
    figures["append, 1 session, 4 kB", "/s"] = rate(appender, 4, 1)
    imap.command(b"CREATE Bodies")
    for n in range(300):
        imap.append(b"Bodies", message(n, 100000))
    imap.command(b"SELECT Bodies")
    took, size = imap.timed(b"UID FETCH 1:* (BODY.PEEK[])")
    figures["fetch bodies of 100 kB", "MB/s"] = size / took / 1e6
    imap.command(b"CREATE Many")
    fill(server, imap, many)
    imap.command(b"SELECT Many")
    imap.command(b"UID STORE 1:%d +FLAGS.SILENT (\\Seen)" % (many // 2))
    for name, text in (("SELECT", b"SELECT Many"), ("SEARCH UNSEEN", b"SEARCH UNSEEN"),
                       ("FETCH 1:* (FLAGS)", b"FETCH 1:* (FLAGS)"), ("FETCH 1:* (ENVELOPE)", b"FETCH 1:* (ENVELOPE)"),
                       ('SEARCH FROM "sender42"', b'SEARCH FROM "sender42"')):
        figures[f"{name}, {many} messages", "ms"] = imap.timed(text)[0] * 1000
    return figures


def fill(server, imap, many):
    """APPENDs of small messages, several on their way at once."""
    crew, share = [], 4

    def run(first):
        conn = server.imap()
        for n in range(first, many, share):
            conn.append(b"Many", message(n, 600))

    for first in range(share):
        crew.append(threading.Thread(target=run, args=(first,)))
        crew[-1].start()
    for each in crew:
        each.join()


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--messages", type=int, default=100000)
    many = options.parse_args().messages
    results = []
    for start in (peers.allod_unix, peers.dovecot):
        with start() as server:
            print(f"{server.name}: {server.configuration}", flush=True)
            results.append(measure(server, many))
    print(f"{'':36} {'allod':>12} {'dovecot':>12}   ratio (above 1: allod is better)")
    for key in results[0]:
        ours, theirs = results[0][key], results[1][key]
        ratio = theirs / ours if key[1] == "ms" else ours / theirs
        print(f"{key[0]:36} {ours:9.1f} {key[1]:4}{theirs:8.1f} {key[1]:4} {ratio:6.2f}")


if __name__ == "__main__":
    main()
