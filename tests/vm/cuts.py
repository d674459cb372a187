#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Cuts the power of the whole machine in the middle of a job, boots it again, and sees whether what it
remembers and what the board holds fit together: cuts.py --cache DIR --share DIR COUNT.

A killed emulator has handed all that the guest wrote to the host, which no power cut would do. So the
disk's log is replayed on what it held before: everything up to the guest's last flush, and of what
came later each write or not, as the dice say (a disk may keep any of them, in any order). That proves
that nothing is relied on which was not flushed. It does not prove anything about disks that lie about
flushing, nor about writes that are torn inside a sector.

The board's chip lives in a file on the host's share, where each change to it is before the next one may
happen. The guest says them, perhaps a few too late: that is where the cuts are, evenly spread. One line of TAP a cut.
"""
import argparse
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "stories"))
import images  # noqa: E402

SIZE = 48 * 1024
# Each sector is erased, and each page programmed.
CHANGES = SIZE // images.SECTOR + SIZE // images.PAGE
DISK_BYTES = 32 << 20
SECTOR = 512
FLUSH, DISCARD = 1, 4
ENTRY = struct.Struct("<4Q")


class Cuts:
    def __init__(self, options):
        self.options = options
        self.share = pathlib.Path(options.share)
        self.disk = self.share / "state.disk"
        self.image = images.good_bin(SIZE)
        (self.share / "image.bin").write_bytes(self.image)

    def run(self):
        count = self.options.count
        passed = 0
        for number in range(count):
            began = time.monotonic()
            at = self.moment(random.Random(number), number / count, (number + 1) / count)
            good = self.cut(number, at)
            passed += good
            print(f"{'ok' if good else 'not ok'} - power cut {number}, after {at} of {CHANGES} changes "
                  f"of the chip ({time.monotonic() - began:.1f} s)", flush=True)
        print(f"{passed} passed, {count - passed} failed")
        return 0 if 0 < passed == count else 1

    @staticmethod
    def moment(dice, begin, end):
        """A change of the chip in this part of the job."""
        return int(dice.uniform(begin, end) * CHANGES)

    def cut(self, number, at):
        self.make_disk()
        (self.share / "chip.bin").unlink(missing_ok=True)
        (self.share / "cut-at").write_text(str(at))
        before = self.share / "state.before"
        shutil.copyfile(self.disk, before)
        if self.boot("--cut-at", f"chip: {at} changes") != 0:
            return False
        shutil.copyfile(before, self.disk)
        kept, lost = replay(self.disk, f"{self.disk}.log", random.Random(number))
        print(f"# cut {number}: {kept} writes were on the disk, {lost} were lost", flush=True)
        return self.boot() == 0

    def make_disk(self):
        with self.disk.open("wb") as disk:
            disk.truncate(DISK_BYTES)
        subprocess.run(["mkfs.ext4", "-q", self.disk], check=True)

    def boot(self, *more):
        """Its exit status. What it says is shown in full if that is bad."""
        (self.share / "out/status").unlink(missing_ok=True)
        machine = subprocess.run(
            [sys.executable, HERE / "machine.py", "--cache", self.options.cache, "--share", self.share,
             "--limit", "600", "--silence", "300", "--disk", self.disk, *more],
            stdout=subprocess.PIPE, text=True, errors="replace", check=False)
        for line in machine.stdout.splitlines():
            if machine.returncode != 0 or line.startswith("#"):
                print(line if line.startswith("#") else f"# {line}", flush=True)
        return machine.returncode


def entries(log):
    """(first sector, flags, data) of all that was done to the disk, in order."""
    at = SECTOR
    while len(head := log[at:at + ENTRY.size]) == ENTRY.size:
        sector, sectors, flags, _ = ENTRY.unpack(head)
        at += SECTOR
        length = sectors * SECTOR
        if flags & DISCARD:
            continue  # says that the content does not matter any more
        data = log[at:at + length]
        if not (sectors or flags) or len(data) < length:
            return
        yield sector, flags, data
        at += length


def replay(disk, log_path, dice):
    """How many writes the disk kept, and how many it lost."""
    done = list(entries(pathlib.Path(log_path).read_bytes()))
    flushed = max((number for number, (_, flags, _) in enumerate(done) if flags & FLUSH), default=0)
    kept = [write for number, write in enumerate(done)
            if write[2] and (number < flushed or dice.random() < 0.5)]
    with open(disk, "r+b") as content:
        for sector, _, data in kept:
            content.seek(sector * SECTOR)
            content.write(data)
    return len(kept), sum(1 for write in done if write[2]) - len(kept)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", required=True)
    parser.add_argument("--share", required=True)
    parser.add_argument("count", type=int)
    return Cuts(parser.parse_args()).run()


if __name__ == "__main__":
    sys.exit(main())
