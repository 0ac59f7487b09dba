#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The allod command against both targets: what issue and manual promise a person and a program."""
import contextlib
import imaplib
import json
import os
import re
import signal
import smtplib
import socket
import ssl
import stat
import struct
import subprocess
import sys
import time

from harness import ALLOD, PORTS, ROOT, Failed, free_ports, main, stopped, until


def equal(got, want, what=""):
    if got != want:
        raise Failed(f"{what}: {got!r}, not {want!r}")


def check(condition, what):
    if not condition:
        raise Failed(what)


def greeting(port):
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.settimeout(10)
        return s.recv(100)


def complaint(done, *words):
    """stderr is `allod: what: why` and a hint, and names all these words."""
    lines = done.stderr.splitlines()
    check(any(line.startswith("allod: ") for line in lines), f"no complaint: {done.stderr}")
    check(any(line.startswith("hint: ") for line in lines), f"no hint: {done.stderr}")
    for word in words:
        check(str(word) in done.stderr, f"{word} is not named: {done.stderr}")


# Breakage: keys written with mode 0644, the folder with 0755.
@stopped
def init_keeps_secrets(e):
    mode = lambda *p: stat.S_IMODE(os.stat(os.path.join(e.home, *p)).st_mode)
    equal(mode(), 0o700, "home")
    for path in ("keys/ca.key", "keys/control.token", "disks/mail.img", "allod.conf"):
        equal(mode(path), 0o600, path)
    check(os.stat(e.disk()).st_blocks * 512 < 8 << 20, "a fresh disk is not sparse")
    status = e.json("status")
    check(os.path.isfile(status["ca_file"]), "no ca_file")
    mail = e.service()
    equal((mail["name"], mail["target"], mail["state"], mail["pid"], mail["restarts"]),
          ("mail", e.target, "stopped", None, 0), "status")
    equal(sorted(mail["endpoints"]), sorted(PORTS), "endpoints")


# Breakage: conf written in another syntax than git's.
@stopped
def git_reads_allod_conf(e):
    got = subprocess.run(["git", "config", "-f", os.path.join(e.home, "allod.conf"), "listen.mail.imaps"],
                         capture_output=True, text=True, check=True).stdout.strip()
    equal(got, f"127.0.0.1:{e.port('imaps')}", "listen.mail.imaps")


# Breakage: init that makes a new disk over an old one.
@stopped
def second_init_is_refused(e):
    before = [open(os.path.join(e.home, f), "rb").read() for f in ("allod.conf", "ca.pem", "keys/ca.key")]
    complaint(e.run("init", "bob@example.net", code=1), "already there", e.home)
    after = [open(os.path.join(e.home, f), "rb").read() for f in ("allod.conf", "ca.pem", "keys/ca.key")]
    equal(before, after, "files")


# Breakage: a usage error that exits 1, an error on stdout, a verb without help.
@stopped
def exit_codes_and_help(e):
    for args in ((), ("fly",), ("init",), ("status", "--fast"), ("user",), ("user", "fly"), ("log",),
                 ("user", "app-password", "alice"), ("user", "device-token", "alice"), ("user", "revoke", "alice"),
                 ("user", "device-token", "alice", "--device", "x", "--days", "0"), ("export", "mail"), ("logs", "-n", "many")):
        done = e.run(*args, code=2)
        check(done.stderr.startswith("allod: ") and not done.stdout, f"{args}: {done}")
    for args in (("log", "web"), ("up", "web"), ("logs", "web"), ("show", "mail", "refs/heads/nobody"),
                 ("user", "passwords", "nobody"), ("user", "device-token", "alice", "--device", "My Laptop")):
        done = e.run(*args, code=1)
        check(done.stderr.startswith("allod: ") and not done.stdout, f"{args}: {done}")
    verbs = re.findall(r"^  ([a-z]+(?: [a-z-]+)?) ", e.run("--help").stdout, re.M)
    check(len(verbs) > 10, f"verbs: {verbs}")
    for verb in verbs:
        words = verb.split()
        done = e.run(*words, "--help", code=None)
        if done.returncode == 2:  # a verb of one word, followed by what it takes
            done = e.run(words[0], "--help")
        check("usage: allod " + words[0] in done.stdout, f"{verb}: {done.stdout}")
    page = e.run("man").stdout
    for verb in verbs:
        check(f"\\fB{verb.split()[0]}" in page, f"no {verb} in the manual page")
    check("message\\-max" in page and page.startswith(".TH"), page[:200])
    empty = subprocess.run([ALLOD, "status"], env={**os.environ, "ALLOD_HOME": e.folder + "/none"},
                           capture_output=True, text=True, check=False)
    equal(empty.returncode, 1, "status without an estate")
    complaint(empty, "there is no estate", e.folder + "/none")


# Breakage: a path with a space, a percent sign or a dollar that systemd takes for more than itself; a unit of
# somebody else's overwritten.
@stopped
def install_writes_a_unit(e):
    env = {**os.environ, "XDG_CONFIG_HOME": e.folder + "/config"}
    odd = e.folder + "/50% of $HOME"
    os.rename(e.home, odd)
    e.home = odd
    path = e.run("install", env=env).stdout.strip()
    equal(path, e.folder + "/config/systemd/user/allod.service", "path")
    with open(path) as f:
        unit = f.read()
    command = re.search("^ExecStart=(.*)$", unit, re.M).group(1)
    check(f'"{e.folder}/50%% of $$HOME" up --foreground' in command, command)
    e.run("install", env=env)
    with open(path, "w") as f:
        f.write("[Service]\nExecStart=/bin/true\n")
    complaint(e.run("install", env=env, code=1), path)
    check(e.run("install", "--name", "other", env=env).stdout.endswith("/other.service\n"), "another name")


# Breakage: an error in allod.conf that is passed over, or named without its line.
@stopped
def conf_errors_name_file_and_line(e):
    path = os.path.join(e.home, "allod.conf")
    with open(path, "a") as f:
        f.write("[service \"mail\"]\n\tturbo = yes\n")
    lines = len(open(path).readlines())
    done = e.run("status", code=1)
    check(f"{path}:{lines}: " in done.stderr, done.stderr)
    with open(path) as f:
        text = f.read()
    with open(path, "w") as f:
        f.write(text.replace("turbo = yes", "message-max = 100"))
    done = e.run("up", code=1)
    check(f"{path}:{lines}: message-max: \"100\" is not a number from" in done.stderr, done.stderr)


# Breakage: `ready` told before the services greet, a certificate without one of its names.
def up_means_that_services_greet(e):
    mail = e.service()
    equal(mail["state"], "ready", "state")
    os.kill(mail["pid"], 0)
    check(greeting(e.port("smtp")).startswith(b"220 "), "no SMTP greeting")
    check(greeting(e.port("imap")).startswith(b"* OK"), "no IMAP greeting")
    for name in ("localhost", "127.0.0.1", "::1", "mail.example.org"):
        with socket.create_connection(("127.0.0.1", e.port("control")), 20) as raw:
            e.tls().wrap_socket(raw, server_hostname=name).close()
    other = e.tls()
    with socket.create_connection(("127.0.0.1", e.port("control")), 20) as raw:
        try:
            other.wrap_socket(raw, server_hostname="example.org").close()
        except ssl.SSLCertVerificationError:
            pass
        else:
            raise Failed("the certificate names example.org")
    e.up()  # again: nothing to do
    equal(e.service()["pid"], mail["pid"], "pid after a second up")


# Breakage: a certificate that runs out because nobody makes the next, or that the service never gets.
@stopped
def certificate_is_renewed(e):
    path = os.path.join(e.home, "keys/mail.pem")
    old = open(path).read()
    os.remove(path)  # as good as one that ends tomorrow
    check("renewed the certificate" in e.up().stderr, "not renewed")
    new = open(path).read()
    check(new != old, "the same certificate")
    with socket.create_connection(("127.0.0.1", e.port("control")), 20) as raw:
        with e.tls().wrap_socket(raw, server_hostname="localhost") as s:
            equal(ssl.DER_cert_to_PEM_cert(s.getpeercert(True)).split(), new.split(), "certificate served")
    e.down()
    check("renewed" not in e.up().stderr, "renewed again")


# Breakage: the control endpoint answers without its token.
def control_wants_its_token(e):
    def ask(headers, what="GET /v1/status"):
        with socket.create_connection(("127.0.0.1", e.port("control")), 20) as raw:
            with e.tls().wrap_socket(raw, server_hostname="localhost") as s:
                s.sendall(f"{what} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n".encode())
                return b"".join(iter(lambda: s.recv(65536), b""))
    token = open(os.path.join(e.home, "keys/control.token")).read().strip()
    for headers in ("", "Authorization: Bearer \r\n", f"Authorization: Bearer {token[:-1]}\r\n",
                    f"Authorization: Bearer {token}0\r\n", f"Authorization: Basic {token}\r\n"):
        check(ask(headers).startswith(b"HTTP/1.1 401 "), headers)
    good = ask(f"Authorization: Bearer {token}\r\n")
    check(good.startswith(b"HTTP/1.1 200 "), good)
    status = json.loads(good.split(b"\r\n\r\n", 1)[1])
    equal(status["name"], "mail", "name")
    check(status["memory"]["total_bytes"] > 0 and status["store"]["seq"] > 0, str(status))
    right = f"Authorization: Bearer {token}\r\n"
    metrics = ask(right, "GET /metrics").decode()
    check(re.search(r"^allod_store_seq\{service=\"mail\"\} [1-9]\d*$", metrics, re.M), metrics)
    check(ask(right, "GET /v1/nothing").startswith(b"HTTP/1.1 404 "), "404")
    check(ask(right, "DELETE /v1/status").startswith(b"HTTP/1.1 405 "), "405")
    check(ask(right, "GET /v1/log?ref=refs/heads/estate&limit=501").startswith(b"HTTP/1.1 400 "), "400")
    check(ask(right, "POST /v1/powerdown").startswith(b"HTTP/1.1 202 "), "202")
    equal(e.wait_state("stopped")["restarts"], 0, "restarts after an orderly stop")


# Breakage: a supervisor that takes a killed QEMU for an orderly stop, or waits long to start it again.
def killed_service_is_back_in_two_seconds(e):
    ports = {p: e.port(p) for p in PORTS}
    for n in (1, 2):
        old = e.service()["pid"]
        began = time.monotonic()
        e.kill()
        until("a new process", lambda: (p := e.service()["pid"]) and p != old, 2)
        check(time.monotonic() - began < 2, "restart took over 2 s")
        mail = e.wait_ready(restarts=n)
        equal(mail["restarts"], n, "restarts")
    equal({p: e.port(p) for p in PORTS}, ports, "ports")
    check(greeting(ports["imap"]).startswith(b"* OK"), "no greeting")


# Breakage: backoff without a start over, or restarts that stop the log from being kept.
def logs_are_kept_and_followed(e):
    follow = e.popen("logs", "-f", "-n", "1", "supervisor", stdout=subprocess.PIPE, text=True)
    try:
        check("event=ready" in follow.stdout.readline(), "the last line is not event=ready")
        e.kill()
        until("the crash in the log", lambda: "event=crashed" in follow.stdout.readline(), 10)
    finally:
        follow.kill()
        follow.wait()
    check(e.run("logs").stdout, "the service's log is empty")


# Breakage: an unfit configuration restarted for ever.
@stopped
def refused_configuration_is_not_restarted(e):
    with open(e.disk(), "r+b") as f:
        f.write(bytes(1 << 20))
    complaint(e.up(code=1), "mail is failed", "refused its configuration", "no store on this disk")
    mail = e.service()
    equal((mail["state"], mail["restarts"]), ("failed", 0), "status")
    e.down()
    complaint(e.run("up", "--foreground", code=1), "refused its configuration")


def crashing_image(e):
    """A folder with the service's image, its first instruction an invalid one."""
    folder = os.path.join(e.folder, "images")
    name = "mail" if e.target == "unix" else "mail.img"
    kept = os.environ.get("ALLOD_IMAGES") or os.path.join(os.path.dirname(ALLOD), e.target + "-rel")
    with open(os.path.join(kept, name), "rb") as f:
        image = bytearray(f.read())
    entry, headers = struct.unpack_from("<QQ", image, 24)
    for i in range(*struct.unpack_from("<H", image, 56)):
        kind, _, offset, address, _, size = struct.unpack_from("<IIQQQQ", image, headers + 56 * i)
        if kind == 1 and address <= entry < address + size:
            at = offset + entry - address
            image[at:at + 2] = b"\x0f\x0b"
    os.mkdir(folder)
    with open(os.path.join(folder, name), "wb") as f:
        f.write(image)
    return folder


# Breakage: a triple fault, which QEMU ends with status 0, taken for an orderly end; `up` that waits on and on.
@stopped
def crashing_image_is_reported(e):
    began = time.monotonic()
    done = e.run("up", code=1, env={**os.environ, "ALLOD_IMAGES": crashing_image(e)})
    complaint(done, "mail is crashed", "triple fault" if e.target == "virt" else "Illegal instruction")
    check(time.monotonic() - began < 30, "it took 30 s")
    check(e.service()["restarts"] >= 3, "it was not tried again")
    e.down()
    e.up()


# Breakage: `up` that picks another port by itself, or a message that does not say who has it.
@stopped
def busy_port_is_named(e):
    conf = open(os.path.join(e.home, "allod.conf")).read()
    with socket.create_server(("127.0.0.1", e.port("imap"))):
        complaint(e.up(code=1), e.port("imap"), f"process {os.getpid()}", "imap", "allod.conf")
    equal(open(os.path.join(e.home, "allod.conf")).read(), conf, "allod.conf")
    e.up()


# Breakage: a powerdown nobody hears, so that 20 seconds pass and SIGKILL comes.
def down_is_orderly(e):
    ports = [e.port(p) for p in PORTS]
    pid = e.service()["pid"]
    began = time.monotonic()
    e.down()
    check(time.monotonic() - began < 15, "down took 15 s")
    mail = e.service()
    equal((mail["state"], mail["pid"]), ("stopped", None), "status")
    check("event=kill" not in e.run("logs", "supervisor").stdout, "it was killed")
    check(not os.path.exists(f"/proc/{pid}"), "the process is still there")
    for port in ports:
        with socket.socket() as s:
            check(s.connect_ex(("127.0.0.1", port)) != 0, f"port {port} still answers")
    e.down()  # nothing to do is no error
    e.up()
    check(e.service()["state"] == "ready", "not up again")


# Breakage: a restart that keeps the old ports or options, or tells `ready` of the process that is going away.
def restart_takes_up_what_changed(e):
    path = os.path.join(e.home, "allod.conf")
    old, pid = e.port("imap"), e.service()["pid"]
    new, = free_ports(1)
    conf = open(path).read()
    with open(path, "w") as f:
        f.write(conf.replace(f"\timap = 127.0.0.1:{old}\n", f"\timap = 127.0.0.1:{new}\n")
                + "[service \"mail\"]\n\tmessage-max = 2000\n\tconnections-max = 2\n")
    e.run("restart")
    mail = e.service()
    equal((mail["state"], mail["restarts"]), ("ready", 0), "status")
    check(mail["pid"] != pid, "the same process")
    equal(e.port("imap"), new, "port")
    check(greeting(new).startswith(b"* OK"), "no greeting")
    with smtplib.SMTP("127.0.0.1", e.port("smtp")) as one, smtplib.SMTP("127.0.0.1", e.port("smtp")):
        one.ehlo()
        equal(one.esmtp_features["size"], "2000", "SIZE")
        check(greeting(new).startswith(b"* BYE"), "a third connection where two may be")
    e.run("down", "mail")
    equal(e.service()["pid"], None, "pid after `down mail`")
    e.up("mail")
    check(greeting(new).startswith(b"* OK"), "no greeting after `up mail`")


# Breakage: Ctrl-C reaching QEMU before its supervisor; an exit status other than 0.
@stopped
def foreground_stops_on_signals(e):
    for sig in (signal.SIGINT, signal.SIGTERM):
        p = e.popen("up", "--foreground", stderr=subprocess.PIPE, text=True, start_new_session=True)
        try:
            e.wait_ready()
            complaint(e.run("up", "--foreground", code=1), "already running")
            os.killpg(p.pid, sig)  # as a terminal does it: the whole foreground group
            _, err = p.communicate(timeout=30)
        finally:
            p.kill()
            p.wait()
        equal(p.returncode, 0, f"exit status after {sig.name}")
        check("event=stopped" in err and "event=kill" not in err, err)
        equal(e.service()["state"], "stopped", "state")


# Breakage: a signal to make alone that make dies of, or keeps from what it runs.
@stopped
def make_run_ends_as_what_it_runs(e):
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")} | {"ALLOD_HOME": e.home}
    for sig in (signal.SIGINT, signal.SIGTERM):
        p = subprocess.Popen(["make", "-C", ROOT, "run", f"TARGET={e.target}"], env=env, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
        try:
            text = ""
            while "Ctrl-C" not in text:
                line = p.stdout.readline()
                check(line, f"it ended: {text} {p.poll()}")
                text += line
            p.send_signal(sig)
            rest = p.communicate(timeout=60)[0]
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(p.pid, signal.SIGKILL)
            p.wait()
        equal(p.returncode, 0, f"exit status after {sig.name}: {rest}")
        equal(e.service()["state"], "stopped", "state")


# Breakage: settings that do not work when pasted (not quoted), a password printed again, a slow second start.
@stopped
def first_run_says_how_to_connect(e):
    def run():
        p = e.popen("run", e.owner, "--target", e.target, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            text = ""
            while "Ctrl-C" not in text:
                line = p.stdout.readline()
                check(line, f"it ended: {text} {p.poll()}")
                text += line
            yield text
            p.send_signal(signal.SIGINT)
            p.communicate(timeout=30)
            equal(p.returncode, 0, "exit status")
        finally:
            p.kill()
            p.wait()

    subprocess.run(["rm", "-rf", e.home], check=True)
    e.home = os.path.join(e.folder, "Alice's home")
    for text in run():
        password = re.search(r"^  password  (\S+)", text, re.M).group(1)
        send, fetch = re.findall(r"^  ((?:printf|curl).*?(?:-T -|\?ALL'))$", text, re.M | re.S)
        check(e.ca in text and "logs -f" in text, text)
        for command in (send, fetch):
            check(password in command, command)
            done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)
            equal(done.returncode, 0, command + done.stderr)
        check("SEARCH 1" in done.stdout, done.stdout)
        profile = re.search(r"^  Apple +(.* -o allod.mobileconfig), and", text, re.M).group(1)
        subprocess.run(["sh", "-c", profile], cwd=e.folder, timeout=60, check=True)
        check(os.path.getsize(os.path.join(e.folder, "allod.mobileconfig")) > 1000, "no profile")
    began = time.monotonic()
    for text in run():
        check(time.monotonic() - began < 20, "the second start took 20 s")
        check(password not in text and "app-password alice" in text, text)


# Breakage: the service outlives a killed supervisor and keeps disk and ports from the next.
def killed_supervisor_takes_the_service_along(e):
    pid = e.service()["pid"]
    os.kill(e.supervisor(), signal.SIGKILL)
    until("the service ends", lambda: not os.path.exists(f"/proc/{pid}"), 30)
    equal(e.service()["state"], "stopped", "state")
    e.up()
    equal(e.service()["state"], "ready", "state")


# Breakage: a verb that reads a running service's disk, or a stopped one's endpoint.
def history_is_told_running_or_stopped(e):
    told = []
    for running in (True, False):
        verify = e.json("verify", "mail")
        equal((verify["ok"], verify["mismatches"]), (True, []), "verify")
        check(verify["objects"] > 0, "verify saw no object")
        log = e.run("log", "mail", "--user", "estate", "--json").stdout
        told.append([json.loads(line) for line in log.splitlines()])
        if running:
            e.password("laptop")
            e.down()
    equal(told[1][1:], told[0], "the log when stopped, but for the new password")
    check("laptop" in told[1][0]["message"], str(told[1][0]))
    path = e.run("log", "mail/users/alice/passwords/laptop", "--user", "estate", "--json").stdout
    equal([json.loads(line)["commit"] for line in path.splitlines()], [told[1][0]["commit"]], "log of a path")
    limited = e.run("log", "mail", "--user", "estate", "-n", "1").stdout.splitlines()
    equal(len(limited), 1, "limit")
    show = e.run("show", "mail", told[1][0]["commit"][:10]).stdout
    check("added" in show and "users/alice/passwords/laptop" in show, show)


# Breakage: a pack with a wrong checksum, a tree out of order, a ref that names nothing.
def export_is_what_git_takes(e):
    repo = os.path.join(e.folder, "x.git")

    def git(*args):
        return subprocess.run(["git", "-C", repo, *args], capture_output=True, text=True, check=True).stdout

    e.run("export", "mail", "--git", repo)
    git("fsck", "--strict")
    ours = [json.loads(line) for line in e.run("log", "mail", "--user", "estate", "--json").stdout.splitlines()]
    equal(git("log", "--format=%H", "estate").split(), [c["commit"] for c in ours], "history")
    equal(git("show", "estate:estate"), "domain = example.org\n", "estate:estate")
    e.password("phone")
    e.run("export", "mail", "--git", repo)  # brought up to date
    git("fsck", "--strict")
    check("users/alice/passwords/phone" in git("ls-tree", "-r", "--name-only", "estate"), "not brought up to date")
    os.mkdir(repo + "2")
    open(repo + "2/precious", "w").close()
    e.run("export", "mail", "--git", repo + "2", code=1)
    equal(os.listdir(repo + "2"), ["precious"], "a foreign folder")


# Breakage: users added on the running service that a stopped one does not know, and the reverse.
def users_running_and_stopped(e):
    e.run("user", "add", "bob", "--name", "Bob B.")
    complaint_free = e.run("user", "add", "bob", code=1)
    check("allod: " in complaint_free.stderr, "no complaint")
    e.run("user", "add", "Not A User", code=1)
    e.down()
    e.run("user", "add", "carol")
    first = e.json("user", "app-password", "carol", "--client", "phone")
    equal((first["user"], first["client"]), ("carol", "phone"), "app password")
    check(len(first["password"]) >= 22, "a short password")
    e.up()
    names = [(u["user"], u["name"]) for u in e.json("user", "list")["users"]]
    equal(sorted(names), [("alice", "alice"), ("bob", "Bob B."), ("carol", "carol")], "users")
    second = e.json("user", "app-password", "carol", "--client", "phone")
    check(first["password"] != second["password"], "the same password twice")
    equal([p["client"] for p in e.json("user", "passwords", "carol")["passwords"]], ["phone"], "clients")
    e.run("user", "revoke", "carol", "phone")
    equal(e.json("user", "passwords", "carol")["passwords"], [], "clients")
    e.run("user", "revoke", "carol", "phone", code=1)


# Breakage: a sweep that takes what a branch needs; a setting that is not kept.
def keeps_and_sweeps(e):
    equal(e.json("keep", "mail"), {"user": "alice", "keep_days": 0, "keep_days_min": 0}, "all is kept")
    e.run("keep", "mail", "--days", "30", "--least", "7")
    equal(e.json("keep", "mail")["keep_days"], 30, "days")
    refused = e.run("keep", "mail", "--days", "many", code=1)
    check("days" in refused.stderr, refused.stderr)
    e.password()
    check(e.json("sweep", "mail")["objects"] >= 5, "a sweep that found nothing")
    check(e.json("verify", "mail")["ok"], "verify after a sweep")
    e.down()
    equal(e.json("keep", "mail")["keep_days_min"], 7, "least days, stopped")
    e.json("sweep", "mail")
    check(e.json("verify", "mail")["ok"], "verify after a sweep of a stopped service")


# Breakage: QEMU's queue of one; clients that come at once, or while it is busy, wait for seconds or are reset.
def crowd_is_queued(e):
    port, pid = e.port("imaps"), e.kill(signal.SIGSTOP)
    try:
        crowd = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(20)]
    finally:
        os.kill(pid, signal.SIGCONT)
    for c in crowd:
        c.close()
    with imaplib.IMAP4_SSL("localhost", port, ssl_context=e.tls()) as imap:
        imap.login("alice", e.password())
    equal(e.service()["restarts"], 0, "restarts")


# Breakage: doctor that finds nothing wrong with a missing image.
@stopped
def doctor_finds_and_says(e):
    good = e.json("doctor")
    check(good["ok"] and good["findings"], str(good))
    empty = os.path.join(e.folder, "empty")
    os.mkdir(empty)
    done = e.run("doctor", code=1, env={**os.environ, "ALLOD_IMAGES": empty})
    check("no image of mail" in done.stdout and "->" in done.stdout, done.stdout)
    complaint(e.run("up", code=1, env={**os.environ, "ALLOD_IMAGES": empty}), "no image of mail")


TESTS = [init_keeps_secrets, install_writes_a_unit, git_reads_allod_conf, second_init_is_refused,
         exit_codes_and_help, conf_errors_name_file_and_line, up_means_that_services_greet,
         certificate_is_renewed, control_wants_its_token, killed_service_is_back_in_two_seconds,
         logs_are_kept_and_followed, refused_configuration_is_not_restarted, crashing_image_is_reported,
         busy_port_is_named, down_is_orderly, restart_takes_up_what_changed, foreground_stops_on_signals,
         make_run_ends_as_what_it_runs, first_run_says_how_to_connect,
         killed_supervisor_takes_the_service_along, history_is_told_running_or_stopped,
         export_is_what_git_takes, users_running_and_stopped, keeps_and_sweeps, crowd_is_queued,
         doctor_finds_and_says]

if __name__ == "__main__":
    sys.exit(main(TESTS, targets=("unix", "virt")))
