#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Two devices that change the same thing: by CalDAV and CardDAV with stale ETags, and by git."""
import hashlib
import os
import re
import subprocess
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


def git(e, cwd, *args, code=0):
    env = {**os.environ, "GIT_SSL_CAINFO": e.ca, "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1", "HOME": cwd}
    done = subprocess.run(("git", "-c", "user.name=A", "-c", "user.email=a@example.org", *args), cwd=cwd, env=env,
                          capture_output=True, text=True, timeout=180, check=False)
    if done.returncode != code:
        raise Failed(f"git {args[0]}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout + done.stderr


def shard(name):
    return hashlib.sha256(name.encode()).hexdigest()[:2]


def pushed(e):
    # Breakage: a push that is taken and never merged; rows that don't follow it; any file is taken.
    for service, _, ext, home, name in PLACES:
        user = "alice"
        make = (lambda n, t: EVENT.format(uid=n, title=t, hour=9)) if service == "calendar" else (
            lambda n, t: CARD.format(uid=n, name=t))
        title = "SUMMARY:" if service == "calendar" else "FN:"
        for n in ("kept", "old"):
            if ask(e, service, "PUT", home + n + ext, "--data-binary", make("push-" + n, "Before"))[0] not in (201, 204):
                raise Failed("PUT")
        with tempfile.TemporaryDirectory() as folder:
            url = base(e, service).replace("https://", f"https://{user}:{e.password()}@") + f"/{user}.git"
            git(e, folder, "clone", "-q", url, "r")
            here = os.path.join(folder, "r")

            def at(n, hh=None):
                return os.path.join(here, name, hh or shard(n + ext), n + ext)

            def put(n, text, hh=None):
                os.makedirs(os.path.dirname(at(n, hh)), exist_ok=True)
                write(at(n, hh), text)

            def push(why=None):
                git(e, here, "add", "-A")
                git(e, here, "commit", "-qm", "offline")
                said = git(e, here, "push", "origin", f"HEAD:refs/devices/laptop/{user}", code=1 if why else 0)
                if why:
                    if why not in said:
                        raise Failed(f"{service}: wanted {why!r}\n{said}")
                    git(e, here, "reset", "-q", "--hard", "HEAD~1")
                return said

            # The server changes one property, the laptop another, a new item and a deletion.
            other = ("LOCATION:Here\r\nSUMMARY:Before" if service == "calendar" else "NOTE:n\r\nFN:Before")
            old = make("push-kept", "Before").replace(title + "Before", other)
            ask(e, service, "PUT", home + "kept" + ext, "--data-binary", old)
            put("kept", make("push-kept", "Offline"))
            put("new", make("push-new", "New"))
            os.remove(at("old"))
            push()
            now = ask(e, service, "GET", home + "kept" + ext)[2]
            if title + "Offline" not in now or other.split("\r")[0] not in now:
                raise Failed(f"{service}: {now}")
            if ask(e, service, "GET", home + "old" + ext)[0] != 404 or title + "New" not in ask(
                    e, service, "GET", home + "new" + ext)[2]:
                raise Failed(f"{service}: the push is not there")
            if ask(e, service, "PUT", home + "twice" + ext, "--data-binary", make("push-new", "x"))[0] != 409:
                raise Failed(f"{service}: a UID that was pushed is not known")
            git(e, here, "pull", "-q", "--ff-only", "origin", user)
            # What is refused, and why.
            put("new", "nothing\r\n")
            push("new" + ext)
            put("odd", make("push-odd", "x"), hh="00" if shard("odd" + ext) != "00" else "01")
            push("is not where an item of this name stands")
            put("again", make("push-kept", "x"))
            push("have the same UID")
            write(os.path.join(here, name, "README"), "x")
            push("is no part of a collection")
            write(os.path.join(here, name, ".collection"), "kind plain\n")
            push("changes the kind")
            os.remove(os.path.join(here, ".gitattributes"))
            push(".gitattributes")
            git(e, here, "commit", "-q", "--allow-empty", "-m", "x")
            if "it is merged" not in git(e, here, "push", "origin", f"HEAD:refs/heads/{user}", code=1):
                raise Failed("a push to the user's branch is taken, or refused without a word")


if __name__ == "__main__":
    sys.exit(main([refused, pushed], targets=("unix", "virt"), services=BOTH, shared=True))
