#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""CONDSTORE and QRESYNC over restarts and kills, and by neomutt."""
import imaplib
import os
import re
import subprocess
import sys
import threading
import time

import harness


def login(e, *enable):
    m = imaplib.IMAP4_SSL("localhost", e.port("imaps"), ssl_context=e.tls())
    m.login("alice", e.password())
    for what in enable:
        status, data = m.enable(what)
        assert status == "OK", data
    return m


def ok(answer):
    status, data = answer
    assert status == "OK", (status, data)
    return data


def message(n):
    return b"From: a@example.org\r\nSubject: number %d\r\nMessage-ID: <%d@example.org>\r\n" \
        b"Date: Fri, 20 Nov 2026 10:00:%02d +0000\r\n\r\nbody %d\r\n" % (n, n, n % 60, n)


def fill(m, n):
    for i in range(n):
        ok(m.append("INBOX", "", None, message(i)))


def highest(m):
    return int(re.search(rb"HIGHESTMODSEQ (\d+)", ok(m.status("INBOX", "(HIGHESTMODSEQ)"))[0])[1])


def modseqs(m):
    """UID: (MODSEQ, flags) of all of the selected mailbox."""
    found = {}
    m.untagged_responses = {}
    for line in ok(m.uid("FETCH", "1:*", "(FLAGS MODSEQ)")):
        uid, flags, modseq = re.search(rb"UID (\d+) FLAGS \((.*?)\) MODSEQ \((\d+)\)", line).groups()
        found[int(uid)] = (int(modseq), flags.replace(b"\\Recent", b"").split())
    return found


def take(m, name):
    """Untagged data of this name heard so far."""
    return [d for d in m.untagged_responses.pop(name, []) if d]


def resync(m, validity, modseq, known=""):
    """SELECT with QRESYNC: what vanished, and the UIDs that changed."""
    m.untagged_responses = {}
    typ, data = m._simple_command("SELECT", "INBOX", f"(QRESYNC ({validity} {modseq}{known}))")
    assert typ == "OK", data
    m.state = "SELECTED"
    gone = set()
    for text in take(m, "VANISHED"):
        for part in text.decode().split(" ")[-1].split(","):
            a, _, b = part.partition(":")
            gone |= set(range(int(a), int(b or a) + 1))
    return gone, {int(re.search(rb"UID (\d+)", t)[1]) for t in take(m, "FETCH")}


def uidvalidity(m):
    return int(re.search(rb"UIDVALIDITY (\d+)", ok(m.status("INBOX", "(UIDVALIDITY)"))[0])[1])


def conditional(e):
    """breaks when: UNCHANGEDSINCE is compared with the MODSEQ of the view instead of the branch's"""
    m, other = login(e), login(e)
    fill(m, 10)
    ok(m.select("INBOX"))
    ok(other.select("INBOX"))
    began, wins = highest(m), []

    def race(c, word):
        for n in range(1, 11):
            typ, data = c._command_complete("STORE", c._command("STORE", str(n), f"(UNCHANGEDSINCE {began})", "+FLAGS.SILENT", f"({word})"))
            assert typ == "OK", data
            if b"[MODIFIED" not in data[0]:
                wins.append((n, word))

    threads = [threading.Thread(target=race, args=a) for a in ((m, "mine"), (other, "theirs"))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(n for n, _ in wins) == list(range(1, 11)), wins  # each message has one winner
    for uid, (modseq, flags) in modseqs(m).items():
        assert modseq > began and [w.encode() for n, w in wins if n == uid] == flags, (uid, flags)


def restarts(e):
    """breaks when: MODSEQ starts again from the clock or from zero, or an expunge leaves HIGHESTMODSEQ as it was"""
    m = login(e)
    fill(m, 6)
    ok(m.select("INBOX"))
    ok(m.store("2", "+FLAGS", r"\Flagged"))
    before, top, validity = modseqs(m), highest(m), uidvalidity(m)
    e.down()
    e.up()
    m = login(e, "QRESYNC")
    ok(m.select("INBOX"))
    assert highest(m) == top and modseqs(m) == before and uidvalidity(m) == validity
    ok(m.store("3", "+FLAGS", r"\Deleted"))
    ok(m.expunge())
    ok(m.store("4", "+FLAGS", r"\Answered"))
    assert highest(m) > top
    e.down()
    e.up()
    m = login(e, "QRESYNC")
    assert resync(m, validity, top) == ({3}, {5})
    assert resync(m, validity, top, " 1:2,5:6") == (set(), {5})
    assert resync(m, validity, highest(m)) == (set(), set())
    assert resync(m, validity + 1, top) == (set(), set())


def kills(e):
    """breaks when: a MODSEQ is told before it is durable, so that after a kill another change gets it again"""
    m = login(e, "QRESYNC")
    fill(m, 20)
    ok(m.select("INBOX"))
    validity, known = uidvalidity(m), modseqs(m)
    told, top = dict(known), highest(m)
    for round_ in range(3):
        synced, stop = top, time.monotonic() + 1
        expunged = set()
        try:
            threading.Timer(0.8, e.kill).start()
            while time.monotonic() < stop + 20:
                for uid in sorted(known)[:10]:
                    m.untagged_responses = {}
                    ok(m.uid("STORE", str(uid), "+FLAGS" if len(told[uid][1]) == 0 else "-FLAGS", r"(\Flagged)"))
                    for text in take(m, "FETCH"):
                        got = re.search(rb"UID (\d+) FLAGS \((.*?)\) MODSEQ \((\d+)\)", text)
                        if got:
                            told[int(got[1])] = (int(got[3]), got[2].replace(b"\\Recent", b"").split())
                            top = max(top, int(got[3]))
                if len(expunged) == 0:
                    last = max(known)
                    ok(m.uid("STORE", str(last), "+FLAGS.SILENT", r"(\Deleted)"))
                    ok(m.expunge())
                    expunged = {last}
                    top = max(top, highest(m))
        except (imaplib.IMAP4.abort, OSError, AssertionError):
            pass
        e.wait_ready(restarts=round_ + 1)
        m = login(e, "QRESYNC")
        gone, changed = resync(m, validity, synced, " " + ",".join(map(str, sorted(known))))
        after = modseqs(m)
        assert highest(m) >= top, (highest(m), top)
        assert expunged <= gone and gone == set(known) - set(after), (expunged, gone)
        assert changed == {uid for uid, (modseq, _) in after.items() if modseq > synced}
        for uid, (modseq, flags) in after.items():
            if modseq == told[uid][0]:
                assert flags == told[uid][1], (uid, flags, told[uid])
            else:  # the change the kill left unanswered
                assert modseq > told[uid][0], (uid, modseq, told[uid])
        known, told, top = after, dict(after), highest(m)


def by_neomutt(e):
    """breaks when: VANISHED names a message that is there, or FETCH lacks the UID or MODSEQ neomutt's cache needs"""
    fill(login(e), 6)
    rc, cache = os.path.join(e.folder, "muttrc"), os.path.join(e.folder, "cache")
    os.makedirs(cache)

    def mutt(run, keys):
        """What it said to itself."""
        with open(rc, "w", encoding="ascii") as f:
            f.write(f"""set folder=imaps://alice@localhost:{e.port('imaps')}/ spoolfile=+INBOX imap_pass={e.password()}
set ssl_force_tls ssl_starttls certificate_file={e.ca} ssl_ca_certificates_file={e.ca} quit=yes delete=yes
set imap_qresync=yes imap_condstore=yes header_cache={cache} sort=date confirmappend=no record="" mark_old=no
set imap_check_subscribed=no
push "{keys}<sync-mailbox><quit>"
""")
        os.chmod(rc, 0o600)
        env, log = dict(os.environ, TERM="vt100", HOME=e.folder), os.path.join(e.folder, f"log{run}-")
        subprocess.run(["script", "-qec", f"neomutt -n -d 3 -l {log} -F {rc}", "/dev/null"],
                       stdin=subprocess.DEVNULL, env=env, capture_output=True, timeout=120, check=False)
        with open(log + "0", errors="replace") as f:
            return f.read()

    def mail():
        m = login(e)
        ok(m.select("INBOX", readonly=True))
        found = {}
        for d in ok(m.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")):
            if isinstance(d, tuple):
                found[int(d[1].split(b"\r\n")[0].split(b" ")[-1])] = set(re.findall(rb"\\(Flagged|Answered)", d[0]))
        return found

    mutt(1, "<tag-pattern>~s 'number 1'<enter><tag-prefix><flag-message>")
    assert mail() == {n: {b"Flagged"} if n == 1 else set() for n in range(6)}, mail()
    m = login(e)  # meanwhile, elsewhere
    ok(m.select("INBOX"))
    ok(m.store("4", "+FLAGS", r"\Answered"))
    ok(m.append("INBOX", "", None, message(6)))
    # what it flags and deletes shows what it sees: number 3 answered, number 6 there
    log = mutt(2, "<tag-pattern>~Q<enter><tag-prefix><flag-message><untag-pattern>~A<enter>"
                  "<delete-pattern>~s 'number [56]'<enter>")
    assert mail() == {0: set(), 1: {b"Flagged"}, 2: set(), 3: {b"Answered", b"Flagged"}, 4: set()}, (mail(), log[-3000:])
    assert re.search(r"CHANGEDSINCE \d+ VANISHED", log) and "QRESYNC failed" not in log, log[-3000:]
    ok(m.noop())
    ok(m.store("3", "+FLAGS", r"\Deleted"))
    ok(m.expunge())
    # NeoMutt 20220429 does not renumber what follows (EARLIER) ones, sees it and reads anew, whatever the server
    log = mutt(3, "<delete-pattern>~s 'number [24]'<enter>")
    assert mail() == {0: set(), 1: {b"Flagged"}, 3: {b"Answered", b"Flagged"}}, (mail(), log[-3000:])
    assert "Handling VANISHED" in log, log[-3000:]


if __name__ == "__main__":
    sys.exit(harness.main([conditional, restarts, kills, by_neomutt], targets=("unix", "virt")))
