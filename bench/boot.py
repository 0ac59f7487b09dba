#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The mail appliance and a Linux guest doing the same job, booted by turns under the same accelerator of QEMU, one CPU:
seconds from exec of QEMU to the first serial byte, to SMTP's and to IMAP's greeting through the user network, bytes
of the image, memory of QEMU, and the least -m with which the guest still greets, takes a message and shows it by IMAP.

    bench/boot.py [--rounds N]         N: boots of each guest, of which the median counts (5)
"""
import argparse
import json
import os
import selectors
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest  # noqa: E402
import peers  # noqa: E402
import wire  # noqa: E402

PATIENCE = 30  # seconds for a boot, and for a message to be seen
BUILD = os.path.join(peers.TOP, "build")


class Machine:
    """A guest: its QEMU command line without -m and the disk, and what its clients need."""

    def __init__(self, name, argv, disk, memory, image_bytes, ports, login, configuration):
        self.name, self.argv, self.disk, self.memory = name, argv, disk, memory
        self.image_bytes, self.ports, self.login, self.configuration = image_bytes, ports, login, configuration


def greeting(port, want, start, stop):
    """Seconds from `start` until somebody answers `want` on the port; None when `stop` is set before. Opens
    connections ever more slowly (each 1/25 of the time so far): a guest that is slow to boot is not flooded."""
    tries, due = selectors.DefaultSelector(), start
    try:
        while not stop.is_set() and time.monotonic() - start < PATIENCE:
            now = time.monotonic()
            if now >= due:
                conn = socket.socket()
                conn.setblocking(False)
                conn.connect_ex(("127.0.0.1", port))
                tries.register(conn, selectors.EVENT_READ)
                due = now + max(0.01, (now - start) / 25)
            for key, _ in tries.select(max(0, due - now)):
                try:
                    got = key.fileobj.recv(512)
                except OSError:
                    got = b""
                if got.startswith(want):
                    return time.monotonic() - start
                tries.unregister(key.fileobj)
                key.fileobj.close()
        return None
    finally:
        for key in list(tries.get_map().values()):
            key.fileobj.close()
        tries.close()


def job(machine, stop):
    """One message in by SMTP and seen by IMAP; true when that worked."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    user, password = machine.login
    mail = wire.Mail("127.0.0.1", machine.ports["smtp"], b"EHLO bench.example")
    mail.deliver(b"alice@example.org", b"Subject: bench\r\n\r\none message\r\n", pipelined=False)
    mail.close()
    end = time.monotonic() + PATIENCE
    while not stop.is_set() and time.monotonic() < end:
        imap = wire.Imap("127.0.0.1", machine.ports["imaps"], context, user, password)
        answer = imap.answer(b"STATUS INBOX (MESSAGES)")
        imap.close()
        if b"MESSAGES 1)" in answer:
            return True
        time.sleep(0.2)
    return False


def boot(machine, memory, work=False):
    """{first, smtp, imap: seconds or None, rss: MB, job: bool} of one boot."""
    with tempfile.TemporaryDirectory(prefix="allod-bench-") as folder:
        argv = list(machine.argv)
        if machine.disk:
            subprocess.run(["cp", "--sparse=always", machine.disk, folder + "/disk"], check=True)
            argv = [a.replace("@DISK@", folder + "/disk") for a in argv]
        stop, said, figures = threading.Event(), bytearray(), {"first": None, "job": False}
        start = time.monotonic()
        qemu = subprocess.Popen([*argv, "-m", str(memory)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL)

        def serial():
            while data := qemu.stdout.read1(65536):
                figures["first"] = figures["first"] or time.monotonic() - start
                said.extend(data)
            stop.set()  # the guest is gone

        def ask(name, want):
            figures[name] = greeting(machine.ports[name], want, start, stop)

        crew = [threading.Thread(target=serial)] + [threading.Thread(target=ask, args=(n, w)) for n, w in (
            ("smtp", b"220"), ("imap", b"* OK"))]
        try:
            for each in crew:
                each.start()
            for each in crew[1:]:
                each.join()
            if work and figures["smtp"] and figures["imap"]:
                try:
                    figures["job"] = job(machine, stop)
                except (OSError, RuntimeError, EOFError):
                    pass
            if stop.is_set():  # QEMU ended: a panic, or a port was taken
                if not work:
                    say(f"{machine.name} ended: " + bytes(said[:1500]).decode(errors="replace"))
                return {"first": None, "job": False, "smtp": None, "imap": None}
            with open(f"/proc/{qemu.pid}/status") as status:
                figures["rss"] = next((int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM")), None)
        finally:
            qemu.kill()
            qemu.wait()
            crew[0].join()
        return figures


def least_memory(machine, floor, step):
    """The least multiple of `step` MB with which the job is done, by halving; None when it fails with all."""
    good, bad = machine.memory, floor
    if not boot(machine, good, work=True)["job"]:
        return None
    while good - bad > step:
        middle = (good + bad) // 2 // step * step
        works = boot(machine, middle, work=True)["job"]
        say(f"{machine.name} with {middle} MB: {'works' if works else 'fails'}")
        good, bad = (middle, bad) if works else (good, middle)
    return good


def say(text):
    print("bench: " + text, file=sys.stderr, flush=True)


def allod_machine(folder):
    """What `allod up` runs, taken from the process it starts; started once, so that the disk is in use."""
    env = dict(os.environ, ALLOD_HOME=folder + "/estate")

    def run(*words):
        return subprocess.run([BUILD + "/allod", *words], env=env, check=True, capture_output=True, text=True).stdout

    run("init", "alice@example.org", "--services", "mail", "--target", "virt", "--listen", peers.listen())
    run("up")
    try:
        password = json.loads(run("user", "app-password", "alice", "--client", "bench", "--json"))["password"]
        service = json.loads(run("status", "--json"))["services"][0]
        with open(f"/proc/{service['pid']}/cmdline", "rb") as f:
            words = f.read().decode().split("\0")[:-1]
    finally:
        run("down")
    disk = env["ALLOD_HOME"] + "/disks/mail.img"
    argv, memory, i = [], None, 0
    while i < len(words):
        if words[i] == "-m":
            memory = int(words[i + 1])
        if words[i] in ("-m", "-chardev", "-mon"):  # the supervisor's own channel
            i += 2
            continue
        if words[i] != "-S":  # the supervisor lets it go when it has taken note of it
            argv.append(words[i].replace(disk, "@DISK@"))
        i += 1
    image = BUILD + "/virt-rel/mail.img"
    ports = {k: int(v.rsplit(":", 1)[1]) for k, v in service["endpoints"].items()}
    return Machine("allod", argv, disk, memory, os.path.getsize(image), ports, ("alice", password),
                   f"the mail appliance as `allod up` starts it, on microvm, {memory} MB")


def linux_machine(folder, accel, cpu, memory=256):
    """On q35: on microvm, where ours runs, this kernel at times hangs calibrating its timer under emulation."""
    built = guest.build(folder)
    ports = dict(zip(("smtp", "imap", "imaps"), peers.free_ports(3)))
    forward = "".join(f",hostfwd=tcp:127.0.0.1:{ports[n]}-:{inner}" for n, inner in (("smtp", 25), ("imap", 143), ("imaps", 993)))
    argv = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot", "-M", "q35", "-accel", accel, "-cpu", cpu,
            "-smp", "1", "-display", "none", "-serial", "stdio", "-kernel", built.kernel, "-initrd", built.initrd,
            "-append", "console=ttyS0 quiet panic=-1 reboot=t", "-netdev", "user,id=n0,ipv6=off" + forward,
            "-device", "virtio-net-pci,netdev=n0", "-drive", "if=none,id=d0,format=raw,file=@DISK@",
            "-device", "virtio-blk-pci,drive=d0"]
    return Machine("linux", argv, built.disk, memory, os.path.getsize(built.kernel) + os.path.getsize(built.initrd), ports,
                   ("alice", "bench"), f"{built.configuration}; on q35, {memory} MB")


def median(runs, key):
    seen = [r[key] for r in runs if r.get(key) is not None]
    return statistics.median(seen) if len(seen) > len(runs) // 2 else None


def row(name, ours, theirs, unit, digits=2):
    if ours is None or theirs is None:
        print(f"{name:28} " + " ".join(f"{'fails' if v is None else f'{v:.{digits}f}':>12}" for v in (ours, theirs)), unit)
    else:
        print(f"{name:28} {ours:12.{digits}f} {theirs:12.{digits}f} {unit:4} {theirs / ours:8.1f}")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    rounds = options.parse_args().rounds
    folder = tempfile.mkdtemp(prefix="allod-bench-")
    try:
        say("making the appliance's estate and the Linux guest")
        os.makedirs(folder + "/linux")
        ours = allod_machine(folder)
        accel, cpu = (ours.argv[ours.argv.index(o) + 1] for o in ("-accel", "-cpu"))
        machines = (ours, linux_machine(folder + "/linux", accel, cpu))
        for machine in machines:
            print(f"{machine.name}: {machine.configuration}", flush=True)
        runs = {m.name: [] for m in machines}
        for n in range(rounds):
            for m in machines:
                runs[m.name].append(boot(m, m.memory))
                say(f"boot {n + 1}/{rounds} of {m.name}: " + ", ".join(
                    f"{k} {v:.2f}" for k, v in runs[m.name][-1].items() if v))
        least = [least_memory(machines[0], 2, 1), least_memory(machines[1], 32, 8)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    ours, theirs = (runs[m.name] for m in machines)
    print(f"{f'median of {rounds} boots, {accel}':28} {'allod':>12} {'linux':>12}      ratio (above 1: allod is better)")
    for name, key in (("first serial byte", "first"), ("SMTP greeting", "smtp"), ("IMAP greeting", "imap")):
        row(name, median(ours, key), median(theirs, key), "s", 3)
    row("QEMU's memory, greeting", median(ours, "rss"), median(theirs, "rss"), "MB", 0)
    row("image (kernel and initrd)", *(m.image_bytes / 1e6 for m in machines), "MB")
    row("least -m that does the job", *least, "MB", 0)


if __name__ == "__main__":
    main()
