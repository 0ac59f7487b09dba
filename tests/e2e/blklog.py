# SPDX-License-Identifier: ISC
"""Replays what QEMU's blklogwrites driver recorded of a disk (the dm-log-writes format).

    log = BlkLog(path)
    for entry in log.entries(upto=bytes): ...        whole entries before that length of the log
    cut(base, out, log, upto, random)                the disk as a power cut at that moment may leave it
"""
import os
import shutil
import struct
import subprocess

MAGIC = 0x6A736677736872
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8


class Entry:
    __slots__ = ("sector", "count", "flags", "data_at", "end")

    def __init__(self, sector, count, flags, data_at, end):
        self.sector, self.count, self.flags, self.data_at, self.end = sector, count, flags, data_at, end


class BlkLog:
    def __init__(self, path):
        self.file = open(path, "rb")
        magic, version, _entries, self.sector_bytes = struct.unpack("<QQQI", self.file.read(28))
        if magic != MAGIC or version != 1:
            raise ValueError(f"{path}: not a blklogwrites log")

    def entries(self, upto):
        at = self.sector_bytes
        while at + self.sector_bytes <= upto:
            self.file.seek(at)
            sector, count, flags, _extra = struct.unpack("<QQQQ", self.file.read(32))
            data = 0 if flags & DISCARD else count * self.sector_bytes
            end = at + self.sector_bytes + data
            if end > upto or (sector == count == flags == 0):
                return
            yield Entry(sector, count, flags, at + self.sector_bytes, end)
            at = end

    def data(self, entry):
        self.file.seek(entry.data_at)
        return self.file.read(entry.count * self.sector_bytes)


def copy_sparse(source, target):
    subprocess.run(["cp", "--sparse=always", source, target], check=True)


class Cutter:
    """Walks the log forwards, keeping an image of what is surely on the disk."""

    def __init__(self, base, log, scratch):
        self.log, self.scratch = log, scratch
        self.sure = os.path.join(scratch, "sure.img")
        copy_sparse(base, self.sure)
        self.done = log.sector_bytes
        self.pending = []

    def advance(self, upto):
        """Everything before the last flush that ended at or before `upto` becomes sure."""
        for entry in self.log.entries(upto):
            if entry.end <= self.done:
                continue
            self.done = entry.end
            if entry.count:
                self.pending.append(entry)
            if entry.flags & FLUSH:
                with open(self.sure, "r+b") as disk:
                    for each in self.pending:
                        self.write(disk, each, self.log.data(each))
                self.pending = []

    def write(self, disk, entry, data):
        disk.seek(entry.sector * self.log.sector_bytes)
        disk.write(data)

    def cut(self, upto, rng, name):
        """An image of a power cut there: unflushed writes kept, dropped, torn at a sector, reordered, by chance."""
        self.advance(upto)
        image = os.path.join(self.scratch, name)
        copy_sparse(self.sure, image)
        loose = list(self.pending)
        rng.shuffle(loose)
        keep = rng.random()
        with open(image, "r+b") as disk:
            for entry in loose:
                if rng.random() > keep:
                    continue
                data = self.log.data(entry)
                if rng.random() < 0.3:  # torn: only some sectors arrived
                    size = self.log.sector_bytes
                    for i in range(entry.count):
                        if rng.random() < 0.5:
                            disk.seek((entry.sector + i) * size)
                            disk.write(data[i * size:(i + 1) * size])
                else:
                    self.write(disk, entry, data)
        return image


def remove(path):
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.exists(path):
        os.unlink(path)
