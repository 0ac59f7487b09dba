#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Evolution's data server, without a screen: it finds calendars and address book from the one URL, writes, and sees what
others write. In the soak, as its packages are large."""
import os
import subprocess
import sys

from harness import Failed, main

EVOLUTION = r"""
import sys, time
import gi
for name, version in (("EDataServer", "1.2"), ("ECal", "2.0"), ("EBook", "1.2"), ("EBookContacts", "1.2"),
                      ("ICalGLib", "3.0")):
    gi.require_version(name, version)
from gi.repository import EBook, EBookContacts, ECal, EDataServer, Gio, GLib, ICalGLib

port, user, password, certificate = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
secret = EDataServer.NamedParameters.new()
secret.set("username", user)
secret.set("password", password)


def source(uid, kind, backend, path):
    s = EDataServer.Source.new_with_uid(uid, None)
    s.set_display_name(uid)
    s.get_extension(kind).set_backend_name(backend)
    login = s.get_extension("Authentication")
    login.set_host("localhost")
    login.set_port(port)
    login.set_user(user)
    login.set_method("plain/password")
    s.get_extension("Security").set_method("tls")
    web = s.get_extension("WebDAV Backend")
    web.set_resource_path(path)
    web.update_ssl_trust("localhost", Gio.TlsCertificate.new_from_file(certificate),
                         EDataServer.TrustPromptResponse.ACCEPT)
    return s


def until(what, condition, patience=60):
    end = time.monotonic() + patience
    while not (value := condition()):
        if time.monotonic() > end:
            sys.exit(f"{what}: not in time")
        GLib.MainContext.default().iteration(False)
        time.sleep(0.01)
    return value


found = EDataServer.webdav_discover_sources_sync(
    source("probe", "Calendar", "caldav", "/"), f"https://localhost:{port}/", 0, secret, None)
paths = {d.href.split(str(port))[1]: d.supports for d in found.out_discovered_sources}
assert set(paths) == {"/calendars/alice/calendar/", "/calendars/alice/tasks/", "/contacts/alice/contacts/"}, paths
assert found.out_calendar_user_addresses == ["alice@example.org"], found.out_calendar_user_addresses

registry = EDataServer.SourceRegistry.new_sync(None)
clients = {}
for uid, kind, backend, path, connect, which in (
        ("cal", "Calendar", "caldav", "/calendars/alice/calendar/", ECal.Client, (ECal.ClientSourceType.EVENTS,)),
        ("card", "Address Book", "carddav", "/contacts/alice/contacts/", EBook.BookClient, ())):
    registry.commit_source_sync(source(uid, kind, backend, path), None)
    kept = until(uid, lambda: registry.ref_source(uid))
    kept.connect("credentials-required", lambda s, *a: s.invoke_authenticate(secret, None, None))
    connect.connect(kept, *which, 30, None, lambda o, r, u, k: clients.__setitem__(u, k.connect_finish(r)), uid, connect)
until("connected", lambda: len(clients) == 2)
cal, card = clients["cal"], clients["card"]
assert cal.props.online and not cal.is_readonly() and not card.is_readonly()

event = ICalGLib.Component.new_from_string(
    "BEGIN:VEVENT\r\nUID:evolution\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260301T100000Z\r\n"
    "DTEND:20260301T110000Z\r\nSUMMARY:From Evolution\r\nEND:VEVENT\r\n")
assert cal.create_object_sync(event, ECal.OperationFlags.NONE, None)[0]
event = cal.get_object_sync("evolution", None, None)[1]
event.set_summary("Changed in Evolution")
assert cal.modify_object_sync(event, ECal.ObjModType.ALL, ECal.OperationFlags.NONE, None)
person = EBookContacts.Contact.new_from_vcard(
    "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:evolution\r\nFN:Eve Lution\r\nN:Lution;Eve;;;\r\nEND:VCARD\r\n")
assert card.add_contact_sync(person, 0, None)[0]
print("written", flush=True)
sys.stdin.readline()


def seen():
    cal.refresh_sync(None)
    card.refresh_sync(None)
    time.sleep(0.5)
    return (sorted(c.get_summary() for c in cal.get_object_list_sync("#t", None)[1]) ==
            ["Changed in Evolution", "From elsewhere"] and
            sorted(c.get_property("full_name") for c in card.get_contacts_sync('(exists "full_name")', None)[1]) ==
            ["Else Where", "Eve Lution"])


until("what others wrote", seen)
assert cal.remove_object_sync("evolution", None, ECal.ObjModType.ALL, ECal.OperationFlags.NONE, None)
print("fine", flush=True)
"""


def curl(e, method, path, *more):
    return subprocess.run(["curl", "-sS", "--cacert", e.ca, "-u", f"alice:{e.password()}", "-X", method, *more,
                           f"https://localhost:{e.port('https', 'calendar')}{path}"],
                          capture_output=True, text=True, check=True).stdout


def evolution(e):
    # Breakage: a token it takes for a ctag, a privilege it misses, an origin that is left.
    home = os.path.join(e.folder, "evolution")
    os.makedirs(os.path.join(home, "run"), mode=0o700)
    env = {"HOME": home, "XDG_RUNTIME_DIR": os.path.join(home, "run"), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    with subprocess.Popen(["dbus-run-session", "--", "/usr/bin/python3", "-c", EVOLUTION, str(e.port("https", "calendar")),
                           "alice", e.password(), os.path.join(e.home, "keys/calendar.pem")], env=env, text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
        try:
            if p.stdout.readline() != "written\n":
                raise Failed(p.communicate(timeout=60)[1][-3000:])
            if "Changed in Evolution" not in curl(e, "GET", "/calendars/alice/calendar/evolution.ics") or \
                    "Eve Lution" not in curl(e, "GET", "/contacts/alice/contacts/evolution.vcf"):
                raise Failed("what Evolution wrote")
            curl(e, "PUT", "/calendars/alice/calendar/else.ics", "--data-binary",
                 "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:else\r\nDTSTAMP:20260101T000000Z\r\n"
                 "DTSTART:20260302T100000Z\r\nSUMMARY:From elsewhere\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
            curl(e, "PUT", "/contacts/alice/contacts/else.vcf", "--data-binary",
                 "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:else\r\nFN:Else Where\r\nN:Where;Else;;;\r\nEND:VCARD\r\n")
            out, err = p.communicate("go\n", timeout=120)
            if out != "fine\n":
                raise Failed(out + err[-3000:])
        finally:
            p.kill()
    if "evolution.ics" in curl(e, "PROPFIND", "/calendars/alice/calendar/", "-H", "Depth: 1"):
        raise Failed("it was removed in Evolution")


if __name__ == "__main__":
    sys.exit(main([evolution], targets=("unix", "virt"), services=("calendar", "contacts")))
