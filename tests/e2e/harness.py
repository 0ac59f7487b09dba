# SPDX-License-Identifier: ISC
"""Estates for end-to-end tests: made, started, asked and thrown away through build/allod alone.

    with Estate("virt") as e:                  init and up; both are undone at the end
        imap = imaplib.IMAP4_SSL("localhost", e.port("imaps"), ssl_context=e.tls())
        imap.login("alice", e.password())
        e.kill()                               SIGKILL for QEMU or the service
        e.wait_ready(restarts=1)

    def delivers(e): ...                       a test; its comment names the breakage it catches
    sys.exit(main([delivers], targets=("unix", "virt")))

$ALLOD names another binary, $ALLOD_IMAGES other images.
"""
import atexit
import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import traceback
from urllib.parse import urlsplit

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ALLOD = os.environ.get("ALLOD", os.path.join(ROOT, "build/allod"))
PORTS = ("smtp", "submission", "submissions", "imap", "imaps", "control", "git")
SERVICE_PORTS = {"mail": PORTS, "calendar": ("https", "control"), "contacts": ("https", "control")}
PATIENCE = 60  # seconds; emulation on a busy machine is slow


class Failed(AssertionError):
    pass


def free_ports(n):
    """n ports nobody listens on now, held together so that they differ."""
    with contextlib.ExitStack() as held:
        socks = [held.enter_context(socket.socket()) for _ in range(n)]
        for s in socks:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in socks]


def until(what, condition, patience=PATIENCE):
    """The first true value of condition(); Failed, naming `what`, when there is none in time."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {patience} s")
        time.sleep(0.02)


class Estate:
    def __init__(self, target="virt", owner="alice@example.org", start=True, services=("mail",)):
        self.target, self.owner, self.start, self.services = target, owner, start, services
        self.user, self.domain = owner.split("@")
        self.folder = tempfile.mkdtemp(prefix="allod-e2e-")
        self.home = os.path.join(self.folder, "home")
        atexit.register(self.remove)
        self._password = self.code = None

    def __enter__(self):
        try:
            self.init()
            if self.start:
                self.up()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            self.show_logs()
        self.remove()

    # ---- the command ----
    def run(self, *args, code=0, **kw):
        """Runs `allod ARGS` and returns its CompletedProcess; Failed for another exit code (None: any)."""
        done = subprocess.run([ALLOD, "--home", self.home, *args], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=300, check=False, **kw)
        if code is not None and done.returncode != code:
            raise Failed(f"allod {' '.join(args)}: exit {done.returncode}, not {code}\n{done.stdout}{done.stderr}")
        return done

    def json(self, *args, code=0):
        return json.loads(self.run(*args, "--json", code=code).stdout)

    def popen(self, *args, **kw):
        return subprocess.Popen([ALLOD, "--home", self.home, *args], stdin=subprocess.DEVNULL, **kw)

    def init(self, *args):
        names = [f"{s}.{n}" for s in self.services for n in SERVICE_PORTS[s]]
        listen = ",".join(f"{n}=127.0.0.1:{p}" for n, p in zip(names, free_ports(len(names))))
        self.code = self.json("init", self.owner, "--target", self.target, "--services", ",".join(self.services),
                              "--listen", listen, *args)["recovery_code"]

    def up(self, *args, code=0):
        return self.run("up", *args, code=code)

    def down(self, *args, code=0):
        return self.run("down", *args, code=code)

    # ---- what it is ----
    def service(self, name=None):
        """As in status; the first of the estate's when none is named."""
        return next(s for s in self.json("status")["services"] if s["name"] == (name or self.services[0]))

    def url(self, endpoint, service=None):
        return urlsplit(self.service(service)["endpoints"][endpoint])

    def port(self, endpoint, service=None):
        return self.url(endpoint, service).port

    @property
    def ca(self):
        return self.json("status")["ca_file"]

    def tls(self):
        return ssl.create_default_context(cafile=self.ca)

    def password(self, client=None):
        """An app password: the same one at every call, or one for this client."""
        if client:
            return self.json("user", "app-password", self.user, "--client", client)["password"]
        if not self._password:
            self._password = self.password("harness")
        return self._password

    def disk(self):
        return os.path.join(self.home, "disks", self.services[0] + ".img")

    def supervisor(self):
        """The supervisor's pid: that of the service's parent."""
        with open(f"/proc/{self.service()['pid']}/stat") as f:
            return int(f.read().rsplit(")", 1)[1].split()[1])

    # ---- violence ----
    def kill(self, sig=signal.SIGKILL):
        """Ends QEMU or the service; its pid."""
        pid = self.service()["pid"]
        os.kill(pid, sig)
        return pid

    def wait_state(self, state, patience=PATIENCE):
        return until(f"the service is {state}", lambda: (s := self.service())["state"] == state and s, patience)

    def wait_ready(self, restarts=0, patience=PATIENCE):
        def ready():
            s = self.service()
            return s if s["state"] == "ready" and s["restarts"] >= restarts else None
        return until(f"the service is ready after {restarts} restarts", ready, patience)

    def show_logs(self):
        for name in ("supervisor", "mail"):
            with contextlib.suppress(OSError):
                with open(os.path.join(self.home, "logs", name + ".log"), errors="replace") as f:
                    for line in f.readlines()[-25:]:
                        print(f"# {name}: {line.rstrip()}")

    def remove(self):
        if os.path.isdir(self.folder):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.run("down", code=None)
            shutil.rmtree(self.folder, ignore_errors=True)


class SmallEstate(Estate):
    """Its disk is small: what a sweep frees, and where room ends, is near."""

    size = "24M"

    def init(self, *args):
        super().init("--disk-size", self.size, *args)


@contextlib.contextmanager
def lent(estate):
    """An estate that outlives the test."""
    try:
        yield estate
    except Exception:
        estate.show_logs()
        raise


def main(tests, targets=("virt",), shared=False, services=("mail",)):
    """Runs test(estate) for every target, each on an estate of its own, or one for all when `shared`; words on
    the command line choose among tests and targets. A test with the attribute `start` False gets a stopped
    estate. TAP; exit status."""
    words = sys.argv[1:]
    targets = [t for t in targets if t in words] or list(targets)
    chosen = [t for t in tests if t.__name__ in words] or list(tests)
    failed = 0
    for target in targets:
        common = Estate(target, services=services).__enter__() if shared else None
        for test in chosen:
            name = f"{test.__name__} ({target})"
            began = time.monotonic()
            try:
                with lent(common) if common else Estate(
                        target, start=getattr(test, "start", True), services=services) as e:
                    test(e)
                print(f"ok {name} # {time.monotonic() - began:.1f} s", flush=True)
            except Exception:
                failed += 1
                for line in traceback.format_exc().splitlines():
                    print("# " + line)
                print(f"not ok {name}", flush=True)
        if common:
            common.remove()
    return 1 if failed else 0


def stopped(test):
    """Decorator: the test gets an estate that is not running."""
    test.start = False
    return test
