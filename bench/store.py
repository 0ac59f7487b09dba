#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The store and sqlite (WAL, synchronous=FULL) committing the same rows to the same file system, by turns: 4 kB messages
into a mail folder, alone and a hundred to a sync, and flag changes. Prints the medians and their ratio; then what the
store's commits cost in bytes at several sizes, how long it takes to open, and the memory of open, clone and receive.

    bench/store.py [--rounds N] [--seconds N] [--large]     --large: up to a million messages (some minutes, 10 GB)
"""
import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = os.path.join(TOP, "build/unix-rel/bench/store")


def tell(*words, **env):
    done = subprocess.run([PROGRAM, *map(str, words)], stdout=subprocess.PIPE, text=True, check=True, env=dict(os.environ, **env))
    return {name: float(value) for name, value in (line.split() for line in done.stdout.splitlines())}


def say(text):
    print("bench: " + text, file=sys.stderr, flush=True)


def rates(disk, database, rounds, seconds):
    figures = {what: ([], []) for what in ("alone", "grouped", "flags")}
    for n in range(rounds):
        say(f"round {n + 1}/{rounds}")
        for what, (ours, theirs) in figures.items():
            for side in (0, 1) if n % 2 == 0 else (1, 0):
                if side == 0:
                    ours.append(tell(what, disk, seconds)["rate"])
                else:
                    theirs.append(tell("sqlite-" + what, database, seconds)["rate"])
    names = {"alone": "deliveries, a sync each", "grouped": "deliveries, 100 to a sync", "flags": "flag changes, a sync each"}
    print(f"{f'durable commits/s, median of {rounds} rounds':40} {'allod':>9} {'sqlite':>9}   ratio (above 1: allod is better)")
    for what, (ours, theirs) in figures.items():
        ratio = statistics.median(a / b for a, b in zip(ours, theirs))
        print(f"{names[what]:40} {statistics.median(ours):9.0f} {statistics.median(theirs):9.0f} {ratio:7.2f}", flush=True)


def costs(disk, seconds):
    """Bytes for each delivery and flag change, now."""
    row = []
    for what in ("alone", "flags", "grouped"):
        done = tell(what, disk, seconds, BENCH_NO_SYNC="1")  # many, whatever the disk does
        row += [done["grown"] / done["count"], done["written"] / done["count"]]
    return row


def opening(disk, times=5):
    got = [tell("open", disk) for _ in range(times)]
    return statistics.median(g["seconds"] for g in got) * 1000, got[-1]["memory_kb"]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=2)
    options.add_argument("--large", action="store_true")
    chosen = options.parse_args()
    sizes = [10_000, 100_000] + [1_000_000] * chosen.large
    folder = tempfile.mkdtemp(prefix="allod-bench-", dir=os.environ.get("BENCH_DIR"))
    disk, database = os.path.join(folder, "disk.img"), os.path.join(folder, "peer.db")
    table = []
    try:
        tell("format", disk, (12 if chosen.large else 3) << 30)
        there = 0
        for size in sizes:
            say(f"filling to {size} messages")
            tell("fill", disk, size - there)
            table.append((size, costs(disk, chosen.seconds), opening(disk)))
            there = size
            if size == 100_000:
                tell("sqlite-fill", database, size)
                print(f"allod: unix target; sqlite: WAL, synchronous=FULL; folder of {size} messages of 4096 bytes")
                rates(disk, database, chosen.rounds, chosen.seconds)
        print(f"\n{'bytes (kept / written to the disk) for each':44} open      memory of open")
        print(f"{'messages':>9} {'delivery':>15} {'flag change':>15} {'100 to a sync':>15}")
        for size, row, (took, memory) in table:
            cells = " ".join(f"{row[i]:7.0f}/{row[i + 1]:7.0f}" for i in (0, 2, 4))
            print(f"{size:9} {cells}   {took:6.2f} ms  {memory:.0f} kB")
        pack = os.path.join(folder, "all.pack")
        for what in ("clone", "receive"):
            if what == "receive":
                tell("format", disk + ".2", 3 << 30 if not chosen.large else 12 << 30)
            try:
                done = tell(what, disk if what == "clone" else disk + ".2", pack)
            except subprocess.CalledProcessError:
                print(f"{what}: not possible")
                continue
            print(f"{what}: {done['bytes'] / 1e6:.0f} MB in {done['seconds']:.1f} s, memory {done['memory_kb'] / 1024:.1f} MB")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
