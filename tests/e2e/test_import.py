#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Calendars and contacts in and out of files, their history in words, and going back in it, with clients connected.

Debian's own interpreter, as it has icalendar and vobject, which judge what we write."""
import json
import os
import re
import resource
import subprocess
import sys
import tempfile

import icalendar
import vobject

from harness import ALLOD, Failed, main
from test_dav import CARD, EVENT, curl, khard, run, status

EVENTS = 20000
TOKENS = re.compile(r"<[^>]*sync-token>([^<]*)<")


def rows(e, *args, code=0):
    return [json.loads(line) for line in e.run(*args, "--json", code=code).stdout.splitlines()]


def put(e, service, path, text):
    with tempfile.NamedTemporaryFile() as f:
        f.write(text.encode())
        f.flush()
        code = status(e, service, "PUT", path, "--data-binary", f"@{f.name}")
        assert code in (201, 204), (path, code)


def sync(e, service, collection, token=""):
    """({name: status} of what changed since the token, the new token)"""
    said = curl(e, service, "REPORT", collection, "--data",
                f'<sync-collection xmlns="DAV:"><sync-token>{token}</sync-token><sync-level>1</sync-level>'
                "<prop><getetag/></prop></sync-collection>")
    changed = {}
    for response in re.findall(r"<D:response>.*?</D:response>", said, re.S):
        name = re.search(r"href>([^<]*)<", response)[1].rsplit("/", 1)[1]
        changed[name] = 404 if "404" in response else 200
    return changed, TOKENS.findall(said)[-1]


def texts(changes):
    return sorted(c["text"] for c in changes)


# ---- history ----
def history(e):
    # Breakage: a restored event left out of what sync-collection tells; a UID that stands twice after a restore.
    calendar, office = "/calendars/alice/calendar/", "/calendars/alice/office/"
    put(e, "calendar", calendar + "a.ics", EVENT.format(uid="a", title="Dentist", hour=9))
    put(e, "calendar", calendar + "b.ics", EVENT.format(uid="b", title="Lunch", hour=12))
    put(e, "contacts", "/contacts/alice/contacts/ann.vcf", CARD.format(uid="ann", name="Ann"))
    then = rows(e, "log", "calendar", "-n", "1")[0]["commit"]
    put(e, "calendar", calendar + "a.ics", EVENT.format(uid="a", title="Dentist", hour=14))
    assert status(e, "calendar", "MKCALENDAR", office) == 201
    assert status(e, "calendar", "MOVE", calendar + "b.ics", "-H", f"Destination: {office}b.ics") == 201
    _, here = sync(e, "calendar", calendar)
    _, there = sync(e, "calendar", office)
    changed = rows(e, "show", "calendar", "HEAD~2")[1]
    assert changed["text"] == 'Calendar: changed "Dentist": time' and changed["item"] == "calendar/a.ics", changed
    assert [p["after"] for p in changed["properties"]] == ["Mon 5 Jan 2026 14:30, Europe/Berlin", "Mon 5 Jan 2026 14:00, Europe/Berlin"]
    diff = texts(rows(e, "diff", "calendar", "--at", then)[1:])
    assert diff == ['Calendar -> office: "Lunch"', 'Calendar: changed "Dentist": time', "calendar office made"], diff
    told = rows(e, "log", "calendar/Calendar/Dentist")
    assert [texts(c["changes"])[0] for c in told] == [
        'Calendar: changed "Dentist": time', 'Calendar: added "Dentist" (Mon 5 Jan 2026 9:00, Europe/Berlin)'], told

    done = rows(e, "restore", "calendar/Calendar", "--at", then)
    assert texts(done[1:-1]) == ['Calendar: as it was "Dentist": time', 'office -> Calendar: back "Lunch"'], done
    assert sync(e, "calendar", calendar, here)[0] == {"a.ics": 200, "b.ics": 200}
    assert sync(e, "calendar", office, there)[0] == {"b.ics": 404}
    rows(e, "restore", "calendar", "--undo", done[-1]["last"])
    assert sync(e, "calendar", office, there)[0] in ({}, {"b.ics": 200})
    assert status(e, "calendar", "GET", calendar + "b.ics") == 404

    # What is gone is named by its title; on the disk of a stopped service as well.
    assert status(e, "contacts", "DELETE", "/contacts/alice/contacts/ann.vcf") == 204
    assert status(e, "calendar", "DELETE", office) == 204
    e.down()
    done = rows(e, "restore", "contacts/Contacts/Ann")
    assert texts(done[1:-1]) == ['Contacts: back "Ann" <Ann@example.org>'], done
    e.run("restore", "calendar/office")
    e.run("restore", "calendar/nowhere", code=1)
    e.up()
    assert status(e, "contacts", "GET", "/contacts/alice/contacts/ann.vcf") == 200
    assert status(e, "calendar", "GET", office + "b.ics") == 200


# ---- files ----
QUIRKS = """\ufeffBEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Other//EN
METHOD:PUBLISH
BEGIN:VTIMEZONE
TZID:Own/Zone
BEGIN:STANDARD
DTSTART:19700101T000000
TZOFFSETFROM:+0530
TZOFFSETTO:+0530
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
UID:series
DTSTAMP:20260101T000000Z
DTSTART;TZID=Own/Zone:20260105T090000
RRULE:FREQ=DAILY;COUNT=3
SUMMARY:Series
END:VEVENT
BEGIN:VEVENT
DTSTAMP:20260101T000000Z
DTSTART:20260105T100000Z
SUMMARY:No UID
END:VEVENT
BEGIN:VEVENT
UID:broken
END:VALARM
END:VEVENT
BEGIN:VEVENT
UID:endless
BEGIN:VTODO
UID:todo
DTSTAMP:20260101T000000Z
SUMMARY:A task
END:VTODO
BEGIN:VFREEBUSY
UID:fb
END:VFREEBUSY
BEGIN:VEVENT
UID:series
DTSTAMP:20260101T000000Z
RECURRENCE-ID;TZID=Own/Zone:20260106T090000
DTSTART;TZID=Own/Zone:20260106T110000
SUMMARY:Later that day
END:VEVENT
END:VCALENDAR
"""
CARDS = b"""BEGIN:VCARD
VERSION:2.1
N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller;J=C3=B6rg
FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:J=C3=B6rg =
M=C3=BCller
END:VCARD
BEGIN:VCARD
VERSION:3.0
N:Caf\xe9;;;;
FN:Caf\xe9
END:VCARD
BEGIN:VCARD
VERSION:9.0
FN:of a version to come
END:VCARD
"""


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    return path


def counts(row):
    return tuple(row[k] for k in ("added", "replaced", "unchanged", "kept", "refused"))


def files(e):
    # Breakage: an override far from its series becomes an item of its own; a broken item takes others along; a second
    # import adds everything again; an export that other programs do not read.
    with tempfile.TemporaryDirectory() as d:
        ics, vcf = write(d, "quirks.ics", QUIRKS), write(d, "cards.vcf", CARDS)
        dry = rows(e, "import", "calendar", ics, "--dry-run", code=1)
        said = rows(e, "import", "calendar", ics, code=1)
        assert counts(said[-1]) == counts(dry[-1]) == (3, 0, 0, 0, 3), said
        wrong = {r["line"]: r["why"] for r in said if r.get("change") == "refused"}
        assert sorted(wrong) == [27, 29, 36], wrong
        assert "END:VALARM" in wrong[27] and "END" in wrong[29] and "VFREEBUSY" in wrong[36], wrong
        where = {r.get("uid"): r["item"] for r in said if r.get("change") == "added"}
        assert where["series"] == "calendar/series.ics" and where["todo"] == "tasks/todo.ics", where
        series = icalendar.Calendar.from_ical(curl(e, "calendar", "GET", "/calendars/alice/calendar/series.ics").rsplit("\n", 1)[0])
        assert len(series.walk("VEVENT")) == 2 and len(series.walk("VTIMEZONE")) == 1 and "METHOD" not in series
        assert counts(rows(e, "import", "calendar", ics, code=1)[-1]) == (0, 0, 3, 0, 3)
        other = write(d, "other.ics", QUIRKS.replace("Series", "New title").encode("utf-16"))
        assert counts(rows(e, "import", "calendar", other, "--keep", code=1)[-1]) == (0, 0, 0, 3, 3)
        assert counts(rows(e, "import", "calendar", other, code=1)[-1]) == (0, 1, 2, 0, 3)

        said = rows(e, "import", "contacts/Friends", vcf, code=1)
        assert counts(said[-1]) == (2, 0, 0, 0, 1) and said[-1]["ok"] is False, said
        assert e.run("import", "contacts/Friends", vcf, code=1).stdout.startswith("0 added, 2 unchanged, 1 skipped")
        e.run("import", "contacts", os.path.join(d, "nowhere"), code=1)
        e.run("import", "contacts", ics, code=1)
        with open(ics, "rb") as f:
            done = subprocess.run([ALLOD, "--home", e.home, "import", "calendar", "-"], stdin=f, capture_output=True, check=False)
        assert done.returncode == 1 and b"1 replaced, 2 unchanged" in done.stdout, done

        # A restore takes an import back.
        undo = rows(e, "import", "calendar/Short", write(d, "one.ics", EVENT.format(uid="one", title="One", hour=9)))[-1]
        e.run("restore", "calendar", "--undo", undo["last"])
        assert status(e, "calendar", "GET", "/calendars/alice/Short/one.ics") == 404

        rows(e, "import", "contacts", write(d, "card.vcf", CARD.format(uid="two", name="two-again")))
        e.down()  # on the disk
        exports(e, d)
        e.up()
        exports(e, d)


def exports(e, d):
    with tempfile.TemporaryDirectory(dir=d) as to:
        out = os.path.join(to, "all.ics")
        e.run("export", "calendar", "--ics", out)
        with open(out, "rb") as f:
            text = f.read()
        calendar = icalendar.Calendar.from_ical(text)
        assert len(calendar.walk("VTIMEZONE")) == 1 and len(calendar.walk("VEVENT")) == 3, text
        assert text.count(b"\r\n") == text.count(b"\n")
        assert counts(rows(e, "import", "calendar", out)[-1]) == (0, 0, 3, 0, 0)
        out = os.path.join(to, "all.vcf")
        e.run("export", "contacts/Friends", "--vcf", out)
        with open(out, encoding="utf-8", newline="") as f:
            cards = list(vobject.readComponents(f.read(), allowQP=True))
        assert sorted(c.fn.value for c in cards) == ["Café", "Jörg Müller"], cards
        folder = os.path.join(to, "vdir")
        e.run("export", "calendar", "--vdir", folder)
        assert {"calendar", "tasks"} <= set(os.listdir(folder))
        with open(os.path.join(folder, "calendar", "displayname"), encoding="utf-8") as f:
            assert f.read() == "Calendar"
        khal(to, os.path.join(folder, "calendar"))
        e.run("export", "contacts/Contacts", "--vdir", os.path.join(to, "local"))
        khard(to)
        e.run("export", "calendar", "--vdir", folder, code=1)
        assert counts(rows(e, "import", "calendar", os.path.join(folder, "calendar"))[-1])[2] == 2


def khal(folder, calendar):
    path = write(folder, "khal.conf", f"""[calendars]
[[c]]
path = {calendar}
[locale]
local_timezone = UTC
default_timezone = UTC
timeformat = %H:%M
dateformat = %Y-%m-%d
longdateformat = %Y-%m-%d
datetimeformat = %Y-%m-%d %H:%M
longdatetimeformat = %Y-%m-%d %H:%M
[sqlite]
path = {folder}/khal.db
""")
    said = run("khal", "-c", path, "list", "2026-01-06", "1d", env={**os.environ, "HOME": folder})
    if "Later that day" not in said:
        raise Failed(f"khal shows {said!r}")


# ---- many ----
def many(e, count=None):
    # Breakage: the whole file in the memory of the command, or of the service; one commit an item.
    count = count or (EVENTS if e.target == "unix" else EVENTS // 10)  # emulated, each takes a while: soak_import.py
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "many.ics")
        with open(path, "w", encoding="utf-8") as f:
            f.write("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//many//EN\n")
            for n in range(count):
                f.write(f"BEGIN:VEVENT\nUID:{n}@many\nDTSTAMP:20260101T000000Z\nDTSTART:2026{n % 12 + 1:02}{n % 28 + 1:02}T090000Z\n"
                        f"SUMMARY:Event {n}\nDESCRIPTION:{'x' * 1000}\nEND:VEVENT\n")
            for n in range(0, count, 100):
                f.write(f"BEGIN:VEVENT\nUID:{n}@many\nDTSTAMP:20260101T000000Z\nRECURRENCE-ID:20260101T000000Z\n"
                        "DTSTART:20260101T000000Z\nSUMMARY:Far away\nEND:VEVENT\n")
            f.write("END:VCALENDAR\n")
        last = rows(e, "import", "calendar", path)[-1]
        assert counts(last) == (count, 0, 0, 0, 0), last
        # of the command: the biggest child there was; the file alone has more
        mine = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        assert e.target == "virt" or mine < 64 * 1024, f"the command took {mine} kB"
        memory(e)
        commits = rows(e, "log", "calendar")
        assert len(commits) <= count / 300 + 2, len(commits)
        assert "import" in commits[0]["message"] and len(commits[0]["changes"]) == 4, commits[0]


def memory(e):
    if e.target == "unix":
        with open(f"/proc/{e.service('calendar')['pid']}/status", encoding="ascii") as f:
            peak = int(re.search(r"VmHWM:\s*(\d+) kB", f.read())[1])
        assert peak < 64 * 1024, f"the service took {peak} kB"
        return
    with open(os.path.join(e.home, "keys/control.token"), encoding="ascii") as f:
        token = f.read().strip()
    said = json.loads(run("curl", "-sS", "--cacert", e.ca, "-H", f"Authorization: Bearer {token}",
                          f"https://localhost:{e.port('control', 'calendar')}/v1/status"))
    free, total = said["memory"]["free_bytes"], said["memory"]["total_bytes"]
    assert free > total // 4, f"{free} bytes of {total} are free"


if __name__ == "__main__":
    sys.exit(main([history, files, many], targets=("unix", "virt"), services=("calendar", "contacts")))
