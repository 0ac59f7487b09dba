#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Our recurrence against python-dateutil, on rules made here from a fixed seed.

Each rule is asked for a day, a week, a week over a change of the clock, a month and a month ten years ahead;
in zones (by IANA name, as Windows calls them, told in the object alone), in UTC, floating and for whole days; before 1970 and
after 2038; with UNTIL in UTC, COUNT, exceptions (of a time, of a day), extra dates and periods, and occurrences moved elsewhere.
Runs with the interpreter that the Debian package of dateutil belongs to. Catches, for one: UNTIL compared as if the wall showed UTC.
"""
import datetime
import glob
import os
import random
import subprocess
import sys
import tempfile
import zoneinfo

from dateutil import rrule

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UTC = datetime.timezone.utc
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Kolkata", "America/Sao_Paulo"]
DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]


class Reader:
    def __init__(self, folder):
        exe = os.path.join(folder, "ical_dump")
        sources = ["tests/tools/ical_dump.c", "services/dav/content.c"]
        sources += sorted(glob.glob("services/calendar/zone*.c", root_dir=TOP))
        sources += sorted(glob.glob("services/calendar/ical_*.c", root_dir=TOP))
        sources += ["os/arena.c", "os/buf.c", "os/str.c", "os/err.c", "os/time.c"]
        subprocess.run([os.environ.get("CC", "gcc"), "-std=gnu17", "-D_GNU_SOURCE", "-I.", "-isystem",
                        "build/tp/unix/include", "-O1", "-g", "-fsanitize=address,undefined",
                        "-fno-sanitize-recover=all", "-ffunction-sections", "-Wl,--gc-sections", "-o",
                        exe] + sources +
                       ["-Lbuild/tp/unix/lib", "-lical", "-ltzdata"], cwd=TOP, check=True)
        self.p = subprocess.Popen([exe], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, text, start, end):
        data = text.encode()
        self.p.stdin.write(b"%d %d %d\n" % (start, end, len(data)) + data)
        self.p.stdin.flush()
        found = []
        while True:
            line = self.p.stdout.readline().decode().strip()
            if line == ".":
                return found
            if not line or line.startswith("error"):
                raise AssertionError(f"our reader says: {line or 'nothing'}")
            found.append(tuple(int(x) for x in line.split()))


def seconds(wall, zone):
    """What the wall in the zone says, as UTC; a time that is not there counts as before the change."""
    return int(wall.replace(tzinfo=zone or UTC).timestamp())


def stamp(t, date=False):
    return t.strftime("%Y%m%d" if date else "%Y%m%dT%H%M%S")


# What Outlook sends where a zone has no name of its own: New York, as it is since 2007.
CUSTOM = """BEGIN:VTIMEZONE
TZID:Customized Time Zone
BEGIN:STANDARD
DTSTART:16010101T020000
TZOFFSETFROM:-0400
TZOFFSETTO:-0500
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=1SU;BYMONTH=11
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:-0500
TZOFFSETTO:-0400
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=2SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE"""
WINDOWS_NAMES = {"Europe/Berlin": "W. Europe Standard Time", "America/New_York": "Eastern Standard Time",
                 "Australia/Sydney": "AUS Eastern Standard Time", "Asia/Kolkata": "India Standard Time"}


class Event:
    """One event: its text, and its occurrences by dateutil."""

    def __init__(self, r):
        self.date = r.random() < 0.2
        name = r.choice(ZONES)
        kind = r.choice(["zone", "zone", "zone", "utc", "floating"])
        self.zone = zoneinfo.ZoneInfo(name) if kind == "zone" and not self.date else None
        self.years = r.choice([0] * 8 + [-64, 36])  # before 1970, after 2038
        start = datetime.datetime(2024 + self.years, r.randint(1, 12), r.randint(1, 28))
        if not self.date:
            start += datetime.timedelta(hours=r.randint(0, 23), minutes=r.choice([0, 15, 30]))
        self.length = datetime.timedelta(days=r.randint(1, 3)) if self.date else \
            datetime.timedelta(minutes=r.choice([0, 30, 60, 600, 3000]))
        rule = self.rule(r)
        if self.date:  # a date has no hours
            rule = rule.replace("HOURLY", "DAILY")
        first = next(iter(rrule.rrulestr(rule, dtstart=start)), None)
        start = first or start  # DTSTART belongs to its rule, as RFC 5545 wants it
        until = None
        if r.random() < 0.3:
            rule += f";COUNT={r.randint(1, 60)}"
        elif r.random() < 0.4:
            until = start + datetime.timedelta(days=r.randint(1, 1500), hours=r.randint(0, 23) * (not self.date))
        self.start = start
        text = rule
        if until:
            if self.date:
                text += f";UNTIL={stamp(until, True)}"
            elif self.zone:
                text += ";UNTIL=" + stamp(until.replace(tzinfo=self.zone).astimezone(UTC)) + "Z"
            else:
                text += f";UNTIL={stamp(until)}" + ("Z" if kind == "utc" else "")
            rule += f";UNTIL={stamp(until)}"
        self.set = rrule.rruleset()
        self.set.rrule(rrule.rrulestr(rule, dtstart=start))
        told = name
        if self.zone and self.years >= 0 and r.random() < 0.3:
            told = WINDOWS_NAMES.get(name, name)
            if name == "America/New_York" and r.random() < 0.5:
                told = "Customized Time Zone"
        param = f";TZID={told}" if self.zone else ";VALUE=DATE" if self.date else ""
        tail = "Z" if kind == "utc" and not self.date else ""
        lines = [f"DTSTART{param}:{stamp(start, self.date)}{tail}"]
        end = start + self.length
        if self.zone:  # exact length, whatever the clock does
            end = (start.replace(tzinfo=self.zone).astimezone(UTC) + self.length).astimezone(self.zone)
        lines.append(f"DTEND{param}:{stamp(end, self.date)}{tail}")
        lines.append(f"RRULE:{text}")
        if r.random() < 0.3:
            for t in list(self.set[:12])[1::3]:
                self.set.exdate(t)
                if "HOURLY" not in rule and r.random() < 0.3:  # the day of it
                    lines.append(f"EXDATE;VALUE=DATE:{stamp(t, True)}")
                else:
                    lines.append(f"EXDATE{param}:{stamp(t, self.date)}{tail}")
        if r.random() < 0.2:
            extra = start + datetime.timedelta(days=r.randint(1, 500))
            self.set.rdate(extra)
            lines.append(f"RDATE{param}:{stamp(extra, self.date)}{tail}")
        self.periods = []
        if not self.date and r.random() < 0.2:  # of a length of its own; at a minute no rule has
            extra = start.replace(minute=7) + datetime.timedelta(days=r.randint(1, 500))
            minutes = r.randint(1, 600)
            self.periods.append((extra, minutes * 60))
            lines.append(f"RDATE;VALUE=PERIOD{param}:{stamp(extra)}{tail}/PT{minutes}M")
        self.moved = {}
        if r.random() < 0.3:
            for t in list(self.set[:12])[::4]:
                to = t + datetime.timedelta(days=r.randint(-40, 40), hours=r.randint(-9, 9) * (not self.date))
                self.moved[t] = to
                lines += ["END:VEVENT", "BEGIN:VEVENT", "UID:1", f"RECURRENCE-ID{param}:{stamp(t, self.date)}{tail}",
                          f"DTSTART{param}:{stamp(to, self.date)}{tail}",
                          f"DURATION:P{self.length.days}D" if self.date else f"DURATION:PT{int(self.length.total_seconds())}S"]
        self.text = "\r\n".join(["BEGIN:VCALENDAR"] + (CUSTOM.split("\n") if told.startswith("Custom") else []) +
                                ["BEGIN:VEVENT", "UID:1"] + lines + ["END:VEVENT", "END:VCALENDAR", ""])

    @staticmethod
    def rule(r):
        freq = r.choice(["DAILY", "WEEKLY", "WEEKLY", "MONTHLY", "MONTHLY", "YEARLY", "YEARLY", "HOURLY"])
        parts = [f"FREQ={freq}"]
        if r.random() < 0.5:
            parts.append(f"INTERVAL={r.randint(1, 5)}")
        if freq == "HOURLY":
            return ";".join(parts)
        if freq == "DAILY":
            if r.random() < 0.3:
                parts.append("BYMONTH=" + ",".join(str(m) for m in sorted(r.sample(range(1, 13), 3))))
            if r.random() < 0.3:
                parts.append("BYDAY=" + ",".join(r.sample(DAYS, 3)))
        elif freq == "WEEKLY":
            if r.random() < 0.7:
                parts.append("BYDAY=" + ",".join(r.sample(DAYS, r.randint(1, 4))))
            if r.random() < 0.3:
                parts.append("WKST=" + r.choice(["MO", "SU"]))
        elif freq == "MONTHLY":
            way = r.randint(0, 3)
            if way == 0:
                parts.append("BYMONTHDAY=" + ",".join(str(d) for d in r.sample([1, 2, 15, 29, 30, 31, -1, -3], 2)))
            elif way == 1:
                parts.append(f"BYDAY={r.choice([1, 2, 3, 4, -1, -2])}{r.choice(DAYS)}")
            elif way == 2:
                parts.append("BYDAY=" + ",".join(r.sample(DAYS, 3)))
                parts.append("BYSETPOS=" + r.choice(["1", "-1", "2", "1,-1"]))
        else:
            way = r.randint(0, 4)
            if way == 0:
                parts.append("BYMONTH=" + ",".join(str(m) for m in r.sample(range(1, 13), 2)))
                parts.append(f"BYDAY={r.choice([1, 2, -1])}{r.choice(DAYS)}")
            elif way == 1:
                parts.append("BYWEEKNO=" + ",".join(str(w) for w in r.sample(range(1, 53), 2)))
                parts.append("BYDAY=" + r.choice(DAYS))
            elif way == 2:
                parts.append("BYYEARDAY=" + r.choice(["1", "100", "366", "-1", "60,200"]))
            elif way == 3:
                parts.append("BYMONTH=2;BYMONTHDAY=29")
        return ";".join(parts)

    def expect(self, start, end):
        """Those that overlap, by their seconds in UTC."""
        low = datetime.datetime.fromtimestamp(start, UTC).replace(tzinfo=None) - datetime.timedelta(days=6)
        high = datetime.datetime.fromtimestamp(end, UTC).replace(tzinfo=None) + datetime.timedelta(days=3)
        found = []

        def add(t, length):
            a = seconds(t, self.zone)
            b = seconds(t + self.length, self.zone) if self.date else a + length
            if (start < b and end > a) if b > a else (start <= a < end):
                found.append((a, b))

        for t in self.set.between(low, high, inc=True):
            if t not in self.moved:
                add(t, int(self.length.total_seconds()))
        found = list(set(found))  # two walls, one of them in the gap, can be one moment
        for t in self.moved.values():
            add(t, int(self.length.total_seconds()))
        for t, length in self.periods:
            add(t, length)
        return sorted(found)


def at(y, m, d):
    return int(datetime.datetime(y, m, d, tzinfo=UTC).timestamp())


WINDOWS = [((2025, 5, 7), (2025, 5, 8)), ((2025, 6, 2), (2025, 6, 9)), ((2025, 3, 27), (2025, 4, 3)),
           ((2024, 10, 25), (2024, 11, 5)), ((2025, 2, 1), (2025, 3, 1)), ((2034, 5, 1), (2034, 6, 1)),
           ((2024, 1, 1), (2026, 1, 1))]


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        reader = Reader(folder)
        bad, asked = [], 0
        for seed in range(600):
            event = Event(random.Random(seed))
            for first, last in WINDOWS:
                start, end = (at(y + event.years, m, d) for y, m, d in (first, last))
                want = event.expect(start, end)
                if len(want) > 9000:
                    continue
                asked += 1
                try:
                    got = reader.ask(event.text, start, end)
                    assert got == want, f"{len(got)} occurrences, not {len(want)}: " \
                        f"{sorted(set(got) ^ set(want))[:4]}"
                except AssertionError as e:
                    bad.append((seed, start, end, event.text, e))
                    if reader.p.poll() is not None:
                        break
        for seed, start, end, text, e in bad[:5]:
            print(f"seed {seed}, {start} to {end}: {e}\n{text}\n")
        print(f"{'not ok' if bad else 'ok'} - recurrence like dateutil: {asked} windows of 600 rules, {len(bad)} differ")
        failed += len(bad)
        reader.p.stdin.close()
        failed += reader.p.wait() != 0
    return 1 if failed else 0


sys.exit(main())
