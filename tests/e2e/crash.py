# SPDX-License-Identifier: ISC
"""Kills and power cuts in the middle of mail, and what must be there afterwards."""
import contextlib
import os
import random
import re
import signal
import subprocess
import time

import blklog
import mailmodel
from harness import ROOT, Failed, free_ports, until

CLIENT = {"user": "alice"}


def ports(estate):
    return {name: estate.port(name) for name in ("smtp", "submission", "imaps")}


def inspect(port, password, context, journal, upto):
    conn = mailmodel.connect_imap(port, "alice", password, context)
    try:
        return mailmodel.check(conn, journal, upto)
    finally:
        conn.logout()


def demand(problems, seed, where):
    if problems:
        raise Failed(f"seed {seed}, {where}: " + "; ".join(problems[:10]))


def kills(estate, count, seed=None):
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
        time.sleep(rng.uniform(0.5, 4))
        estate.kill(signal.SIGKILL)
        load.halt.set()
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

    def __init__(self, estate, folder):
        self.base = os.path.join(folder, "base.img")
        blklog.copy_sparse(estate.disk(), self.base)
        self.disk, self.log = os.path.join(folder, "disk.img"), os.path.join(folder, "writes.log")
        blklog.copy_sparse(self.base, self.disk)
        open(self.log, "wb").close()
        self.ports = dict(zip(("smtp", "submission", "imaps"), free_ports(3)))
        forwards = "".join(f",hostfwd=tcp:127.0.0.1:{self.ports[n]}-:{g}"
                           for n, g in (("smtp", 25), ("submission", 587), ("imaps", 993)))
        self.console = open(os.path.join(folder, "console"), "wb")
        self.qemu = subprocess.Popen([
            "qemu-system-x86_64", "-M", "microvm,rtc=on", "-accel", "tcg", "-m", "64", "-nodefaults", "-no-user-config",
            "-display", "none", "-no-reboot", "-serial", "stdio", "-global", "virtio-mmio.force-legacy=false",
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


@contextlib.contextmanager
def on_host(disk, binary="build/unix-rel/mail"):
    """The unix build over that disk: reads the same bytes, and starts at once."""
    guest = {"imaps": 993, "smtp": 25, "submission": 587, "submissions": 465, "imap": 143, "control": 8443, "git": 443}
    where = dict(zip(guest, free_ports(len(guest))))
    log = open(disk + ".console", "w+b")
    process = subprocess.Popen([os.path.join(ROOT, binary), "disk0=" + disk] +
                               [f"listen.{guest[n]}=127.0.0.1:{where[n]}" for n in guest],
                               stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def started():
        log.seek(0)
        words = log.read().decode(errors="replace")
        if process.poll() is not None:
            raise Failed(f"the service ended with {process.returncode} on {disk}: {words[-1500:]}")
        return re.search(r"event=ready", words)

    try:
        until("the service is ready", started)
        yield where
    finally:
        process.kill()
        process.wait()
        log.close()
        os.unlink(log.name)


def cuts(estate, count, seconds, seed=None, binary="build/unix-rel/mail"):
    """A power cut at acknowledgements and at random points of a recorded run: only flushed writes are sure.

    The estate must be stopped; its disk is copied and not touched."""
    seed = seed or random.getrandbits(32)
    rng = random.Random(seed)
    password, context = estate.password(), estate.tls()
    machine = Recorded(estate, estate.folder)
    try:
        until("the machine answers", machine.ready)
        journal = mailmodel.Journal(position=machine.position)
        load = mailmodel.Workload(journal, machine.ports, "alice", password, context, seed=rng.random())
        load.start()
        time.sleep(seconds)
        load.stop()
        demand(load.faults, seed, "the run itself")
        end = machine.position()
    finally:
        machine.kill()
    acks = [m.ack for m in journal.messages.values() if m.ack]
    acks += [c[1] for m in journal.messages.values() for c in m.changes if c[1]]
    if len(acks) < 10:
        raise Failed(f"only {len(acks)} acknowledgements: the test tested nothing")
    points = sorted(rng.sample(acks, min(count // 2, len(acks))) + [rng.randrange(min(acks), end) for _ in range(count - count // 2)])
    cutter = blklog.Cutter(machine.base, blklog.BlkLog(machine.log), estate.folder)
    for n, point in enumerate(points):
        image = cutter.cut(point, rng, "cut.img")
        with on_host(image, binary) as where:
            demand(inspect(where["imaps"], password, context, journal, point), seed, f"cut {n} at {point} of {end}")
        os.unlink(image)
    print(f"# {count} cuts, {len(acks)} acknowledgements, {end} bytes of log, seed {seed}", flush=True)
