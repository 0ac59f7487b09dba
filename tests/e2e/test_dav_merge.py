#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Two devices that change the same thing: by CalDAV and CardDAV with stale ETags, and by git."""
import os
import re
import sys
import tempfile

from harness import Failed, main
from test_dav import BOTH, CARD, EVENT, base, config, run, sync

PLACES = (("calendar", "caldav", ".ics", "/calendars/alice/calendar/", "calendar"),
          ("contacts", "carddav", ".vcf", "/contacts/alice/contacts/", "contacts"))


def ask(e, service, method, path, *more):
    """A client that thinks of ETags: status, ETag, body."""
    said = run("curl", "-sS", "-i", "--cacert", e.ca, "-u", f"alice:{e.password()}", "-X", method, *more,
               base(e, service) + path)
    head, _, body = said.partition("\n\n") if "\r\n\r\n" not in said else said.partition("\r\n\r\n")
    tag = re.search(r'(?im)^etag: ("[^"]+")', head)
    return int(head.split()[1]), tag and tag[1], body


def read(path):
    with open(path, encoding="utf-8", newline="") as f:
        return f.read()


def write(path, text):
    with open(path, "w", encoding="utf-8", newline="") as f:
        f.write(text)


def refused(e):
    # Breakage: the body of a PUT that was answered 412 is dropped; a copy for an edit that fits; the same copy twice.
    for service, kind, ext, home, name in PLACES:
        with tempfile.TemporaryDirectory() as laptop:
            env = config(e, laptop, kind, ext)
            first = (EVENT.format(uid="both", title="Lunch", hour=9).replace("SUMMARY", "LOCATION:Here\r\nSUMMARY")
                     if service == "calendar" else CARD.format(uid="both", name="Lunch") .replace("EMAIL", "TEL:1\r\nEMAIL"))
            title = "SUMMARY:" if service == "calendar" else "FN:"
            other = ("LOCATION:Here", "LOCATION:There") if service == "calendar" else ("TEL:1", "TEL:2")
            path, here = home + "both" + ext, os.path.join(laptop, "local", name, "both" + ext)
            if ask(e, service, "PUT", path, "--data-binary", first)[0] not in (201, 204):
                raise Failed("PUT")
            sync(env)
            _, tag, phone = ask(e, service, "GET", path)
            # Both are offline: the laptop changes the title, the phone something else.
            write(here, read(here).replace(title + "Lunch", title + "Laptop"))
            run("vdirsyncer", "sync", env=env)
            edited = phone.replace(*other)
            got = ask(e, service, "PUT", path, "-H", f"If-Match: {tag}", "--data-binary", edited)
            if got[0] != 412:
                raise Failed(f"{service}: a stale ETag is answered {got[0]}")
            now = ask(e, service, "GET", path)
            run("vdirsyncer", "sync", env=env)
            for text in (now[2], read(here)):
                if title + "Laptop" not in text or other[1] not in text:
                    raise Failed(f"{service}: an edit is lost\n{text}")
            # Both change the title: one stands, the other is seen beside it, once.
            write(here, read(here).replace(title + "Laptop", title + "Desk"))
            run("vdirsyncer", "sync", env=env)
            for _ in range(2):
                if ask(e, service, "PUT", path, "-H", f"If-Match: {now[1]}", "--data-binary",
                       now[2].replace(title + "Laptop", title + "Phone"))[0] != 412:
                    raise Failed(f"{service}: a stale ETag is taken")
            run("vdirsyncer", "sync", env=env)
            found = sorted(read(os.path.join(os.path.dirname(here), f)) for f in os.listdir(os.path.dirname(here)) if f.endswith(ext))
            copies = [t for t in found if "(conflict" in t]
            if len(found) != 2 or len(copies) != 1 or title + "Phone (conflict" not in copies[0]:
                raise Failed(f"{service}: {found}")
            if title + "Desk" not in read(here):
                raise Failed(f"{service}: what stood is gone")


if __name__ == "__main__":
    sys.exit(main([refused], targets=("unix", "virt"), services=BOTH, shared=True))
