# SPDX-License-Identifier: ISC
"""Servers to measure: ours as a Linux process, and Dovecot unpacked privately (never installed, no daemon left).

    with allod_unix() as server: server.imap(), server.mail()
"""
import contextlib
import getpass
import glob
import grp
import json
import os
import pwd
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

import wire

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "allod", "peers")


def unpacked(*packages, libraries=True):
    """A folder with these Debian packages and the shared libraries they need, unpacked."""
    folder = os.path.join(CACHE, "-".join(packages))
    if os.path.exists(folder + ".ok"):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    debs = folder + ".debs"
    os.makedirs(debs, exist_ok=True)
    print(f"bench: fetching {' '.join(packages)}", file=sys.stderr, flush=True)
    listing = subprocess.run(["apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts",
                              "--no-breaks", "--no-replaces", "--no-enhances", *packages],
                             capture_output=True, text=True, check=True).stdout
    wanted = {line for line in listing.splitlines() if line and line[0].isalnum() and ":" not in line}
    wanted = [w for w in sorted(wanted) if w in packages or libraries and w.startswith("lib") and w not in ("libc6", "libpam-runtime")]
    subprocess.run(["apt-get", "download", *wanted], cwd=debs, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    for deb in glob.glob(debs + "/*.deb"):
        subprocess.run(["dpkg", "-x", deb, folder], check=True)
    if libraries and os.path.isdir(folder + "/lib"):  # /lib is /usr/lib on the machine
        subprocess.run(["cp", "-a", folder + "/lib/.", folder + "/usr/lib/"], check=True)
    shutil.rmtree(debs)
    open(folder + ".ok", "w").close()
    return folder


def free_ports(n):
    """n ports nobody listens on now, held together so that they differ."""
    with contextlib.ExitStack() as held:
        socks = [held.enter_context(socket.socket()) for _ in range(n)]
        for s in socks:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in socks]


def listen():
    """Ports of its own for an estate: another may run on this machine."""
    names = ("smtp", "submission", "submissions", "imap", "imaps", "control", "git")
    return ",".join(f"{n}=127.0.0.1:{p}" for n, p in zip(names, free_ports(len(names))))


def wait_for(port, seconds=30):
    end = time.monotonic() + seconds
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > end:
                raise RuntimeError(f"nothing listens on port {port}")
            time.sleep(0.05)


def certificate(cert, key):
    """Writes a self-signed certificate for localhost and its key."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key,
                    "-out", cert], check=True, capture_output=True)
    os.chmod(key, 0o600)


class Server:
    git = ca = None  # ours: the base URL of its repositories, and whom to trust

    def __init__(self, name, configuration, imaps, mail, hello, rcpt, context, user, password):
        self.name, self.configuration = name, configuration
        self.ports, self.hello, self.rcpt = (imaps, mail), hello, rcpt
        self.context, self.user, self.password = context, user, password

    def imap(self):
        return wire.Imap("localhost", self.ports[0], self.context, self.user, self.password)

    def mail(self):
        return wire.Mail("localhost", self.ports[1], self.hello)


@contextlib.contextmanager
def allod_unix():
    allod = os.path.join(TOP, "build", "allod")
    home = tempfile.mkdtemp(prefix="allod-bench-")
    env = dict(os.environ, ALLOD_HOME=home + "/estate")

    def run(*words):
        return subprocess.run([allod, *words], env=env, check=True, capture_output=True, text=True).stdout

    try:
        run("init", "alice@example.org", "--services", "mail", "--target", "unix", "--listen", listen())
        secret = json.loads(run("user", "app-password", "alice", "--client", "bench", "--json"))["password"]
        run("up")
        status = json.loads(run("status", "--json"))
        ends = status["services"][0]["endpoints"]
        context = ssl.create_default_context(cafile=status["ca_file"])
        port = {k: int(v.rsplit(":", 1)[1]) for k, v in ends.items()}
        try:
            server = Server("allod", "unix target, TLS 1.3 for IMAP, SMTP in the clear on port smtp, commit flushed before each answer",
                            port["imaps"], port["smtp"], b"EHLO bench.example", b"alice@example.org", context, "alice", secret)
            server.git, server.ca = ends["git"].rstrip("/"), status["ca_file"]
            yield server
        finally:
            run("down")
    finally:
        shutil.rmtree(home, ignore_errors=True)


DOVECOT = """
base_dir = {run}/base
state_dir = {run}/base
log_path = /dev/stderr
protocols = imap lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{run}/cert.pem
ssl_key = <{run}/key.pem
ssl_min_protocol = TLSv1.2
default_internal_user = {me}
default_internal_group = {group}
default_login_user = {me}
mail_location = sdbox:{run}/mail
mail_fsync = always
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = 0
first_valid_gid = 0
auth_mechanisms = plain login
disable_plaintext_auth = no
passdb {{
  driver = static
  args = password=bench
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={run}/home
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
"""


@contextlib.contextmanager
def dovecot():
    root = unpacked("dovecot-core", "dovecot-imapd", "dovecot-lmtpd")
    version = re.search(r"Version: \d*:?([0-9.]+)", subprocess.run(
        ["apt-cache", "show", "dovecot-core"], capture_output=True, text=True, check=True).stdout).group(1)
    run = tempfile.mkdtemp(prefix="dovecot-bench-")
    os.makedirs(run + "/home")
    certificate(run + "/cert.pem", run + "/key.pem")
    imaps, lmtp = free_ports(2)
    root_now = os.geteuid() == 0  # some of its processes refuse to be root
    me = "nobody" if root_now else getpass.getuser()
    for folder in (run, run + "/home"):
        os.chmod(folder, 0o755)
        shutil.chown(folder, me)
    group = grp.getgrgid(pwd.getpwnam(me).pw_gid).gr_name
    with open(run + "/dovecot.conf", "w") as conf:
        conf.write(DOVECOT.format(run=run, me=me, group=group,
                                  uid=pwd.getpwnam(me).pw_uid, gid=pwd.getpwnam(me).pw_gid,
                                  imaps=imaps, lmtp=lmtp))
    # Its paths are compiled in: it sees them laid over /usr in a mount namespace of its own.
    back = "" if root_now else f"unshare --user --map-user={os.getuid()} --map-group={os.getgid()} "
    inside = f'mount -t overlay overlay -o "lowerdir={root}/usr:/usr" /usr && exec {back}dovecot -F -c {run}/dovecot.conf'
    isolate = ["unshare", "--mount"] if root_now else ["unshare", "--mount", "--map-root-user"]
    daemon = subprocess.Popen([*isolate, "sh", "-c", inside], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(imaps)
        context = ssl.create_default_context(cafile=run + "/cert.pem")
        yield Server("dovecot", f"{version}, sdbox, mail_fsync=always, TLS for IMAP, LMTP in the clear",
                     imaps, lmtp, b"LHLO bench.example", b"alice@example.org", context, "alice@example.org", "bench")
    finally:
        daemon.send_signal(signal.SIGTERM)
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()
        shutil.rmtree(run, ignore_errors=True)
