#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Calendar and contacts (unix target) and Radicale doing the same work in the same run, on one connection each. Ours
flushes every PUT before it answers and speaks TLS; Radicale speaks plain HTTP, so is spared both the TLS and, as
Debian configures it, nothing else. Prints the medians and their ratio. Ours starts by `allod up`, and its memory is that of both
services, where Radicale is one.

    bench/dav.py [--items N] [--rounds N]         events, and contacts; turns of each question
"""
import argparse
import base64
import contextlib
import http.client
import json
import os
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peers  # noqa: E402

CAL, CARD = "urn:ietf:params:xml:ns:caldav", "urn:ietf:params:xml:ns:carddav"


def event(n):
    day, hour = n % 360, n % 9 + 8
    start = time.strftime("%Y%m%d", time.gmtime(1767225600 + day * 86400))
    rule = "RRULE:FREQ=WEEKLY\r\n" if n % 10 == 0 else ""
    return (f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//bench//EN\r\nBEGIN:VEVENT\r\nUID:event-{n}\r\nDTSTAMP:20260101T000000Z"
            f"\r\nDTSTART;TZID=Europe/Berlin:{start}T{hour:02}0000\r\nDTEND;TZID=Europe/Berlin:{start}T{hour:02}4500\r\n{rule}"
            f"SUMMARY:Meeting {n} with group {n % 31}\r\nDESCRIPTION:{'Words about it. ' * 12}\r\nEND:VEVENT\r\n"
            "END:VCALENDAR\r\n").encode()


def card(n):
    return (f"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:card-{n}\r\nFN:Person {n}\r\nN:Person;{n};;;\r\nEMAIL;TYPE=work:person{n}@"
            f"example.org\r\nTEL;TYPE=cell:+49 170 {n:07}\r\nNOTE:{'Words about them. ' * 8}\r\nEND:VCARD\r\n").encode()


def memory(pids):
    """Resident now, and at most so far, in MB."""
    total = {"VmRSS": 0, "VmHWM": 0}
    for pid in pids:
        with open(f"/proc/{pid}/status", encoding="utf-8") as f:
            for line in f:
                if line.split(":")[0] in total:
                    total[line.split(":")[0]] += int(line.split()[1]) / 1024
    return total


def running(folder):
    """Processes whose program lies in that folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/exe").startswith(folder):
                found.append(pid)
    return found


class Client:
    def __init__(self, host, port, context, user, secret, calendar, book):
        self.c = http.client.HTTPSConnection(host, port, context=context) if context else http.client.HTTPConnection(host, port)
        token = base64.b64encode(f"{user}:{secret}".encode()).decode()
        self.head = {"Authorization": "Basic " + token}
        self.calendar, self.book = calendar, book

    def ask(self, method, path, body=None, want=(200, 201, 204, 207), **headers):
        head = {**self.head, **{k.replace("_", "-"): v for k, v in headers.items()}}
        try:
            self.c.request(method, path, body, head)
            r = self.c.getresponse()
        except (OSError, http.client.HTTPException):  # it was idle for too long while the other worked
            self.c.close()
            self.c.request(method, path, body, head)
            r = self.c.getresponse()
        data = r.read()
        if r.status not in want:
            raise RuntimeError(f"{method} {path}: {r.status} {data[:300]!r}")
        return data


@contextlib.contextmanager
def allod():
    program = os.path.join(peers.TOP, "build", "allod")
    home = tempfile.mkdtemp(prefix="allod-bench-")
    env = dict(os.environ, ALLOD_HOME=home + "/estate")

    def run(*words):
        return subprocess.run([program, *words], env=env, check=True, capture_output=True, text=True).stdout

    ports = peers.free_ports(4)
    names = ("calendar.https", "calendar.control", "contacts.https", "contacts.control")
    try:
        run("init", "alice@example.org", "--services", "calendar,contacts", "--target", "unix", "--listen",
            ",".join(f"{n}=127.0.0.1:{p}" for n, p in zip(names, ports)))
        secret = json.loads(run("user", "app-password", "alice", "--client", "bench", "--json"))["password"]
        began = time.monotonic()
        run("up")
        peers.wait_for(ports[0])
        start = time.monotonic() - began
        context = ssl.create_default_context(cafile=json.loads(run("status", "--json"))["ca_file"])
        cal = Client("localhost", ports[0], context, "alice", secret, "/calendars/alice/calendar/", None)
        book = Client("localhost", ports[2], context, "alice", secret, None, "/contacts/alice/contacts/")
        try:
            yield cal, book, start, running(home)
        finally:
            run("down")
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def radicale():
    root = peers.unpacked("radicale", "python3-radicale", "python3-vobject", "python3-passlib", "python3-dateutil",
                          "python3-defusedxml", "python3-six", "python3-tz", libraries=False)
    home = tempfile.mkdtemp(prefix="radicale-bench-")
    port, = peers.free_ports(1)
    with open(home + "/config", "w", encoding="utf-8") as f:
        f.write(f"[server]\nhosts = 127.0.0.1:{port}\n[auth]\ntype = none\n[storage]\nfilesystem_folder = {home}/data\n"
                "[logging]\nlevel = error\n")
    env = dict(os.environ, PYTHONPATH=root + "/usr/lib/python3/dist-packages")
    began = time.monotonic()
    server = subprocess.Popen(["/usr/bin/python3", "-m", "radicale", "--config", home + "/config"], env=env)
    try:
        peers.wait_for(port)
        start = time.monotonic() - began
        both = Client("127.0.0.1", port, None, "alice", "x", "/alice/calendar/", "/alice/contacts/")
        for path, kind, ns in ((both.calendar, "calendar", CAL), (both.book, "addressbook", CARD)):
            both.ask("MKCOL", path, f"<mkcol xmlns='DAV:'><set><prop><resourcetype><collection/><{kind} xmlns='{ns}'/>"
                     "</resourcetype></prop></set></mkcol>")
        yield both, both, start, [server.pid]
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(home, ignore_errors=True)


def fill(client, folder, make, ext, start, n):
    began = time.monotonic()
    for i in range(start, start + n):
        client.ask("PUT", f"{folder}{i}{ext}", make(i))
    return n / (time.monotonic() - began)


def query(a, b, data="<C:calendar-data/>", inner=""):
    return (f"<C:calendar-query xmlns='DAV:' xmlns:C='{CAL}'><prop><getetag/>{data}</prop><C:filter><C:comp-filter "
            f"name='VCALENDAR'><C:comp-filter name='VEVENT'><C:time-range start='{a}' end='{b}'/>{inner}</C:comp-filter>"
            "</C:comp-filter></C:filter></C:calendar-query>")


def sync(token):
    return (f"<sync-collection xmlns='DAV:'><sync-token>{token}</sync-token><sync-level>1</sync-level><prop><getetag/></prop>"
            "</sync-collection>")


def token_of(data):
    text = data.decode()
    return text.split("sync-token>", 1)[1].split("</", 1)[0]


def multiget(ns, kind, data, folder, ext, n):
    hrefs = "".join(f"<href>{folder}{i}{ext}</href>" for i in range(n))
    return f"<C:{kind} xmlns='DAV:' xmlns:C='{ns}'><prop><getetag/><C:{data}/></prop>{hrefs}</C:{kind}>"


def questions(cal, book, n):
    """Name, and a function to be timed."""
    week = ("20260601T000000Z", "20260608T000000Z")
    expand = f"<C:calendar-data><C:expand start='{week[0]}' end='{week[1]}'/></C:calendar-data>"
    token = token_of(cal.ask("REPORT", cal.calendar, sync("")))

    def report(c, folder, body):
        return lambda: c.ask("REPORT", folder, body, Depth="1")

    def one_change():
        cal.ask("PUT", cal.calendar + "1.ics", event(1).replace(b"Words", b"Changed %d" % time.monotonic_ns()))
        cal.ask("REPORT", cal.calendar, sync(token))

    return [
        ("week query", report(cal, cal.calendar, query(*week))),
        ("week, expand", report(cal, cal.calendar, query(*week, data=expand))),
        ("month in 10 years", report(cal, cal.calendar, query("20360601T000000Z", "20360701T000000Z"))),
        ("free-busy week", report(cal, cal.calendar, f"<C:free-busy-query xmlns:C='{CAL}'><C:time-range start='{week[0]}' "
                                  f"end='{week[1]}'/></C:free-busy-query>")),
        ("sync, no change", report(cal, cal.calendar, sync(token))),
        ("PUT and sync", one_change),
        ("multiget events", report(cal, cal.calendar, multiget(CAL, "calendar-multiget", "calendar-data", cal.calendar,
                                                               ".ics", n))),
        ("multiget contacts", report(book, book.book, multiget(CARD, "addressbook-multiget", "address-data", book.book,
                                                               ".vcf", n))),
        ("contacts text match", report(book, book.book, f"<C:addressbook-query xmlns='DAV:' xmlns:C='{CARD}'><prop><getetag/>"
                                       "</prop><C:filter><C:prop-filter name='EMAIL'><C:text-match>person77</C:text-match>"
                                       "</C:prop-filter></C:filter></C:addressbook-query>")),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    a = parser.parse_args()
    first = min(1000, a.items // 2)
    with allod() as ours, radicale() as theirs:
        rates, idle = {}, [memory(side[3])["VmRSS"] for side in (ours, theirs)]
        for name, (cal, book, *_) in (("allod", ours), ("radicale", theirs)):
            rates[name] = (fill(cal, cal.calendar, event, ".ics", 0, first),
                           fill(cal, cal.calendar, event, ".ics", first, a.items - first - first) if a.items > 2 * first else 0,
                           fill(cal, cal.calendar, event, ".ics", a.items - first, first))
            fill(book, book.book, card, ".vcf", 0, a.items)
        print(f"# {a.items} events, a tenth of them weekly for ever, and {a.items} contacts; medians of {a.rounds}")
        print(f"{'':24}{'allod':>12}{'radicale':>12}{'ratio':>8}")
        for what, i in ((f"PUT/s, first {first}", 0), (f"PUT/s, last {first}", 2)):
            x, y = rates["allod"][i], rates["radicale"][i]
            print(f"{what:24}{x:>12.0f}{y:>12.0f}{x / y:>8.1f}")
        for (what, mine), (_, other) in zip(questions(*ours[:2], a.items), questions(*theirs[:2], a.items)):
            times = ([], [])
            for _ in range(a.rounds):
                for k, work in enumerate((mine, other)):
                    began = time.monotonic()
                    work()
                    times[k].append((time.monotonic() - began) * 1000)
            x, y = (statistics.median(t) for t in times)
            print(f"{what:24}{x:>9.1f} ms{y:>9.1f} ms{y / x:>8.1f}")
        peak = [memory(side[3])["VmHWM"] for side in (ours, theirs)]
        for what, (x, y), unit in (("start to accept", (1000 * ours[2], 1000 * theirs[2]), "ms"), ("memory, idle", idle, "MB"),
                                   ("memory, peak", peak, "MB")):
            print(f"{what:24}{x:>9.1f} {unit}{y:>9.1f} {unit}{y / x:>8.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
