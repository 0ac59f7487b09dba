# SPDX-License-Identifier: ISC
"""Kills and power cuts in the middle of mail, and what must be there afterwards."""
import contextlib
import datetime
import json
import os
import random
import re
import signal
import subprocess
import threading
import time
import urllib.request

import blklog
import mailmodel
from harness import PATIENCE, ROOT, Failed, SmallEstate, free_ports, until

def ports(estate):
    return {name: estate.port(name) for name in ("smtp", "submission", "imaps", "control")}


def inspect(port, password, context, journal, upto):
    conn = mailmodel.connect_imap(port, "alice", password, context)
    try:
        return mailmodel.check(conn, journal, upto)
    finally:
        conn.logout()


def demand(problems, seed, where):
    if problems:
        raise Failed(f"seed {seed}, {where}: " + "; ".join(problems[:10]))


def work(estate, port, verb):
    """What a verify or sweep, asked of the machine at that port, says at its end."""
    with open(os.path.join(estate.home, "keys/control.token"), encoding="ascii") as f:
        ask = urllib.request.Request(f"https://localhost:{port}/v1/{verb}", method="POST",
                                     headers={"Authorization": "Bearer " + f.read().strip()})
    with urllib.request.urlopen(ask, timeout=300, context=estate.tls()) as answer:
        return json.loads(answer.read().splitlines()[-1])


def sound(estate, port, seed, where):
    verdict = work(estate, port, "verify")
    if not verdict.get("ok"):
        raise Failed(f"seed {seed}, {where}: verify finds {verdict}")


class Sweeper(threading.Thread):
    """Sweeps again and again while others work: `spans` says from which position to which those went
    that freed something, `told` what each said."""

    def __init__(self, sweep, position):
        super().__init__(daemon=True)
        self.sweep, self.position = sweep, position
        self.spans, self.told, self.halt = [], [], threading.Event()

    def run(self):
        while not self.halt.is_set():
            begin = self.position()
            try:
                self.told.append(self.sweep())
                if self.told[-1].get("freed_bytes"):
                    self.spans.append((begin, self.position()))
            except (OSError, ValueError):  # the machine was killed under us
                pass
            self.halt.wait(0.2)

    def stop(self):
        self.halt.set()
        self.join(PATIENCE)

    def freed(self, seed):
        """Bytes freed; a sweep that failed, or none that freed anything, has tested nothing."""
        bad = [t for t in self.told if not t.get("ok")]
        if bad or not self.spans:
            raise Failed(f"seed {seed}: of {len(self.told)} sweeps {bad[:3]} failed, or none freed anything")
        return sum(t["freed_bytes"] for t in self.told)


class SweptEstate(SmallEstate):
    """Small enough for sweeps to find units to empty, with room for a run's mail."""
    size = "32M"


def old_mail(estate, messages, seed):
    """A journal of mail that came and went on a stopped estate: garbage once the history of a day is enough."""
    estate.run("keep", "mail", "--days", "1")
    journal = mailmodel.Journal(position=lambda: 1)  # before whatever is recorded
    with on_host(estate.disk()) as where:
        load = mailmodel.Workload(journal, where, "alice", estate.password(), estate.tls(), seed=seed)
        load.start()
        until("that much mail", lambda: len(journal.messages) >= messages)
        load.stop()
    demand(load.faults, seed, "the mail before")
    return journal


def kills(estate, count, seed=None, sweeping=False):
    """SIGKILL at random moments while clients deliver, append, flag and expunge; after each, everything holds."""
    seed = seed or random.getrandbits(32)
    rng = random.Random(seed)
    journal, password, context = mailmodel.Journal(), estate.password(), estate.tls()
    where = ports(estate)
    for n in range(count):
        restarts = estate.service()["restarts"]
        load = mailmodel.Workload(journal, where, "alice", password, context, seed=rng.random())
        load.serial = n * 100000
        load.start()
        sweeper = Sweeper(lambda: work(estate, where["control"], "sweep"), lambda: 0)
        if sweeping:
            sweeper.start()
        time.sleep(rng.uniform(0.5, 4))
        estate.kill(signal.SIGKILL)
        load.halt.set()
        sweeper.halt.set()
        estate.wait_ready(restarts=restarts + 1)
        load.stop()
        demand(load.faults, seed, f"kill {n}")
        demand(inspect(where["imaps"], password, context, journal, journal.position()), seed, f"kill {n}")
    verdict = estate.json("verify", "mail")
    if not verdict["ok"]:
        raise Failed(f"seed {seed}: verify finds {verdict}")
    acknowledged = sum(1 for m in journal.messages.values() if m.ack)
    print(f"# {count} kills, {acknowledged} messages acknowledged, seed {seed}", flush=True)
    if not acknowledged:
        raise Failed("nothing was acknowledged: the test tested nothing")


class Recorded:
    """The appliance under QEMU with every write and flush of its disk in a log."""

    def __init__(self, estate, folder, days=0):
        """`days`: how far ahead of ours its clock is."""
        clock = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days)).strftime("%Y-%m-%dT%H:%M:%S")
        self.base = os.path.join(folder, "base.img")
        blklog.copy_sparse(estate.disk(), self.base)
        self.disk, self.log = os.path.join(folder, "disk.img"), os.path.join(folder, "writes.log")
        blklog.copy_sparse(self.base, self.disk)
        open(self.log, "wb").close()
        self.ports = dict(zip(("smtp", "submission", "imaps", "control"), free_ports(4)))
        forwards = "".join(f",hostfwd=tcp:127.0.0.1:{self.ports[n]}-:{g}"
                           for n, g in (("smtp", 25), ("submission", 587), ("imaps", 993), ("control", 8443)))
        self.console = open(os.path.join(folder, "console"), "wb")
        self.qemu = subprocess.Popen([
            "qemu-system-x86_64", "-M", "microvm,rtc=on", "-accel", "tcg", "-m", "64", "-nodefaults", "-no-user-config",
            "-display", "none", "-no-reboot", "-serial", "stdio", "-rtc", "base=" + clock, "-global", "virtio-mmio.force-legacy=false",
            "-kernel", os.path.join(ROOT, "build/virt-rel/mail.img"), "-append", "ip=10.0.2.15/24 gw=10.0.2.2 dns=10.0.2.3",
            "-device", "isa-debug-exit,iobase=0x501,iosize=4", "-device", "virtio-rng-device",
            "-netdev", "user,id=n0" + forwards, "-device", "virtio-net-device,netdev=n0",
            "-blockdev", f"driver=file,node-name=f0,filename={self.disk},cache.direct=off",
            "-blockdev", f"driver=file,node-name=l0,filename={self.log}",
            "-blockdev", "driver=blklogwrites,node-name=d0,file=f0,log=l0",
            "-device", "virtio-blk-device,drive=d0"],
            stdin=subprocess.DEVNULL, stdout=self.console, stderr=self.console)

    def position(self):
        return os.path.getsize(self.log)

    def ready(self):
        if self.qemu.poll() is not None:
            raise Failed(f"QEMU ended: {open(self.console.name, errors='replace').read()[-2000:]}")
        import socket
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.ports["smtp"]), 1) as s:
            s.settimeout(1)
            return s.recv(3) == b"220"
        return False

    def kill(self):
        self.qemu.kill()
        self.qemu.wait()
        self.console.close()


class Taken(Exception):
    """Somebody else got a port that was free a moment ago."""


@contextlib.contextmanager
def started(disk, binary):
    guest = {"imaps": 993, "smtp": 25, "submission": 587, "submissions": 465, "imap": 143, "control": 8443, "git": 443}
    where = dict(zip(guest, free_ports(len(guest))))
    log = open(disk + ".console", "w+b")
    process = subprocess.Popen([os.path.join(ROOT, binary), "disk0=" + disk] +
                               [f"listen.{guest[n]}=127.0.0.1:{where[n]}" for n in guest],
                               stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def ready():
        ended = process.poll()
        log.seek(0)
        words = log.read().decode(errors="replace")
        if ended is not None and "Address already in use" in words:
            raise Taken
        if ended is not None:
            raise Failed(f"the service ended with {ended} on {disk}: {words[-1500:]}")
        return re.search(r"event=ready", words)

    try:
        until("the service is ready", ready)
        yield where
    finally:
        process.kill()
        process.wait()
        log.close()
        os.unlink(log.name)


@contextlib.contextmanager
def on_host(disk, binary="build/unix-rel/mail"):
    """The unix build over that disk: reads the same bytes, and starts at once."""
    with contextlib.ExitStack() as held:
        for _ in range(5):
            with contextlib.suppress(Taken):
                where = held.enter_context(started(disk, binary))
                break
        else:
            raise Failed("no port stays free")
        yield where


def cuts(estate, count, seconds, seed=None, binary="build/unix-rel/mail", sweeping=False):
    """A power cut at acknowledgements and at random points of a recorded run: only flushed writes are sure.

    `sweeping`: while sweeps run, too, and half of the cuts are at their flushes: right behind one, or
    right before it ends. The estate must be stopped."""
    seed = seed or random.getrandbits(32)
    rng = random.Random(seed)
    password, context = estate.password(), estate.tls()
    journal = old_mail(estate, 500, seed) if sweeping else mailmodel.Journal()
    machine = Recorded(estate, estate.folder, days=3 if sweeping else 0)
    journal.position = machine.position
    sweeper = Sweeper(lambda: work(estate, machine.ports["control"], "sweep"), machine.position)
    try:
        until("the machine answers", machine.ready)
        load = mailmodel.Workload(journal, machine.ports, "alice", password, context, seed=rng.random())
        load.serial = len(journal.messages)
        load.start()
        if sweeping:
            sweeper.start()
        time.sleep(seconds)
        if sweeping:
            sweeper.stop()
        load.stop()
        demand(load.faults, seed, "the run itself")
        end = machine.position()
    finally:
        machine.kill()
    freed = sweeper.freed(seed) if sweeping else 0
    acks = [m.ack for m in journal.messages.values()]
    acks += [c[1] for m in journal.messages.values() for c in m.changes]
    acks = [a for a in acks if a and a > 1]
    if len(acks) < 10:
        raise Failed(f"only {len(acks)} acknowledgements: the test tested nothing")
    log = blklog.BlkLog(machine.log)
    points = rng.sample(acks, min(count // 2, len(acks)))
    if sweeping:
        flushes = [e.end for e in log.entries(end) if e.flags & blklog.FLUSH and
                   any(begin < e.end <= to for begin, to in sweeper.spans)]
        points += [p - rng.randrange(2) for p in rng.sample(flushes, min(count - len(points), len(flushes)))]
    points += [rng.randrange(min(acks), end) for _ in range(count - len(points))]
    cutter = blklog.Cutter(machine.base, log, estate.folder)
    for n, point in enumerate(sorted(points)):
        image, at = cutter.cut(point, rng, "cut.img"), f"cut {n} at {point} of {end}"
        with on_host(image, binary) as where:
            demand(inspect(where["imaps"], password, context, journal, point), seed, at)
            sound(estate, where["control"], seed, at)
            if sweeping and n % 4 == 0:  # what a cut left half done is no trouble for the next
                work(estate, where["control"], "sweep")
                sound(estate, where["control"], seed, at + ", swept")
                demand(inspect(where["imaps"], password, context, journal, point), seed, at + ", swept")
        os.unlink(image)
    print(f"# {count} cuts, {len(acks)} acknowledgements, {end} bytes of log, {len(sweeper.told)} sweeps freed {freed}, "
          f"seed {seed}", flush=True)
