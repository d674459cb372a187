# SPDX-License-Identifier: MIT
"""The state directory lies on a disk of its own that fills up, or breaks: a board is either not
written, and told why, or written and verified, and that it was to be written was stored before."""
import contextlib
import os
import pathlib
import sqlite3

import guest
import images
import names
from vm_story import ALL_RP2040, Story

SIZE = 16 * 1024
DISK = pathlib.Path("/tmp/state.disk")
DISK_BYTES = 1 << 20
FILLER = guest.STATE / "filler"
# KiB that are left when a board is plugged in.
ROOM = (0, 1, 4, 16, 40, 64, 128)
POLICY = "limits = {{ attempts = 1000; returns = 1000; }};" + ALL_RP2040


class StateDisk(Story):
    def setUp(self):
        super().setUp()
        guest.run("modprobe", "--all", "loop", "ext4")
        with DISK.open("wb") as disk:
            disk.truncate(DISK_BYTES)
        self.addCleanup(DISK.unlink)
        guest.run("mkfs.ext4", "-q", "-b", "1024", "-m", "0", "-O", "^has_journal", str(DISK))
        self.mount()
        self.addCleanup(self.unmount)
        self.given_a_service_that_flashes(images.good_bin(SIZE), POLICY)
        self.flashed = []

    @staticmethod
    def mount():
        guest.run("mount", "-o", "loop", str(DISK), str(guest.STATE))
        guest.run("systemd-tmpfiles", "--create")

    def unmount(self):
        self.rig.stop_service()
        guest.run("umount", str(guest.STATE))

    @staticmethod
    def leave_room(kibibytes):
        """Nothing else is written meanwhile: the service is idle."""
        FILLER.unlink(missing_ok=True)
        free = os.statvfs(guest.STATE).f_bavail
        with FILLER.open("wb", buffering=0) as filler:
            for _ in range(max(0, free - kibibytes)):
                try:
                    filler.write(bytes(1024))
                except OSError:
                    break  # the filler's own map of blocks took the last ones

    def outcome_of_a_plug(self, said):
        """Flashed and verified, or untouched."""
        since = self.journal.position()
        end = self.end_of_job(self.plug(1), since)
        said = f"{said}: {end['MESSAGE']}"
        if end[names.FIELD_OUTCOME] == "flashed":
            self.assert_holds_the_image(1)
            self.flashed.append((int(end[names.FIELD_JOB]), "write", "flashed"))
        else:
            self.assertEqual(end[names.FIELD_OUTCOME], "refused", said)
            self.assertEqual(end[names.FIELD_REASON], "not-recorded", said)
            self.assertEqual(self.bench.state(1)["sectors_erased"], 0, said)
        self.bench.unplug_for_all_to_see(1)
        return end[names.FIELD_OUTCOME]

    def assert_all_that_was_written_is_recorded(self):
        """By now: an end that could not be stored at once had another chance with the last one's."""
        self.rig.stop_service()
        with contextlib.closing(sqlite3.connect(guest.STATE / names.HISTORY_FILE)) as database:
            recorded = database.execute("SELECT job, decision, outcome FROM jobs "
                                        "WHERE decision = 'write' ORDER BY job").fetchall()
            intents = database.execute("SELECT * FROM intents").fetchall()
        self.assertEqual(recorded, self.flashed)
        self.assertEqual(intents, [])

    def test_it_fills_up_kibibyte_by_kibibyte(self):
        for room in ROOM:
            self.leave_room(room)
            self.outcome_of_a_plug(f"{room} KiB left")
        FILLER.unlink()
        self.assertEqual(self.outcome_of_a_plug("room again"), "flashed")
        self.assert_all_that_was_written_is_recorded()

    def test_it_breaks_and_is_mended(self):
        """As after an error of the disk: nothing can be written any more, by nobody."""
        os.sync()  # the firmware, at least, was stored before
        guest.run("mount", "-o", "remount,abort", str(guest.STATE))
        self.outcome_of_a_plug("read-only")
        self.unmount()
        guest.run("fsck.ext4", "-p", "-f", str(DISK), check=False)
        self.mount()
        self.rig.start_service()
        self.assertEqual(self.outcome_of_a_plug("mended"), "flashed")
        self.assert_all_that_was_written_is_recorded()
