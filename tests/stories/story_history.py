# SPDX-License-Identifier: MIT
"""Looking back: what the face tells of jobs that have ended, also after the service came anew."""
import contextlib
import csv
import io
import sqlite3

import images
from rig import HISTORY, place_of
from story import Story

PAGE = 4096


class History(Story):
    def given_two_jobs(self):
        """One flashed, one refused; and then another service."""
        self.given_a_bench()
        self.rig.plug(1)
        self.assert_ends("flashed", 1)
        self.rig.write_firmware("widget.uf2", images.uf2(self.image, family=images.FAMILY_RP2350_ARM))
        self.rig.plug(2)
        self.assert_ends("refused", 2)
        self.rig.stop_mind()
        self.rig.start_mind()

    def history(self, *words):
        return self.rig.ask("history", *words)["jobs"]

    def test_jobs_outlive_the_service(self):
        self.given_two_jobs()
        second, first = self.history()
        self.assertEqual([first["job"], second["job"]], [1, 2])
        self.assertEqual((first["outcome"], first["verify"]), ("flashed", "readback"))
        self.assertEqual(first["place"], place_of(1))
        self.assertEqual(first["chip"], "rp2040")
        self.assertEqual(first["decision"], "write")
        self.assertRegex(first["image_sha256"], "^[0-9a-f]{64}$")
        for phase in ("probe", "compare", "write", "finish"):
            self.assertGreater(first[f"{phase}_usec"], 0, phase)
        self.assertEqual((second["outcome"], second["reason"]), ("refused", "wrong-chip"))

    def test_it_can_be_asked_for_some_of_them(self):
        self.given_two_jobs()
        self.assertEqual([job["job"] for job in self.history("--failed")], [2])
        self.assertEqual([job["job"] for job in self.history("--place", place_of(1))], [1])
        self.assertEqual([job["job"] for job in self.history("-n", "1")], [2])
        self.assertEqual(len(self.history("--since", "today")), 2)
        self.assertEqual(self.history("--board", "nobody"), [])

    def test_as_a_table_for_people_and_for_spreadsheets(self):
        self.given_two_jobs()
        table, status = self.rig.say("history")
        self.assertEqual(status, 0)
        self.assertRegex(table, r"1 +\d{4}-\d\d-\d\d .*flashed +readback")
        text, status = self.rig.say("history", "--csv")
        self.assertEqual(status, 0)
        rows = list(csv.DictReader(io.StringIO(text)))
        self.assertEqual([row["outcome"] for row in rows], ["refused", "flashed"])
        self.assertEqual(len(rows[0]), len(rows[1]))

    def test_one_job_with_all_that_is_known(self):
        self.given_two_jobs()
        said, status = self.rig.say("log", "1")
        self.assertEqual(status, 0)
        self.assertRegex(said, r"image +.*/widget.uf2")
        self.assertRegex(said, r"verified by +readback")
        self.assertIn("journalctl PLUGFLASH_JOB=1", said)
        said, status = self.rig.say("log", "99")
        self.assertEqual(status, 2, said)
        said, status = self.rig.say("log", "first")
        self.assertEqual(status, 2, said)

    def test_a_place_that_nothing_is_wrong_with_cannot_be_released(self):
        self.given_a_bench()
        said, status = self.rig.say("release", place_of(1))
        self.assertEqual(status, 1)
        self.assertIn("is in no quarantine", said)

    def test_newest_first(self):
        self.given_a_bench(more='expect = "none";')
        for _ in range(3):
            since = self.rig.said.position()
            self.rig.plug(1)
            self.rig.end_of_job(place_of(1), since)
            self.rig.unplug()
            self.bench.ask("await", 1, "absent")
        self.assertEqual([job["job"] for job in self.history("--all")], [3, 2, 1])

    # ---- a disk that goes bad while the service runs

    def given_a_large_history(self):
        """Larger than what sqlite keeps in memory: it is read again when it is used."""
        with contextlib.closing(sqlite3.connect(self.rig.state / HISTORY)) as database:
            database.executemany(
                "INSERT INTO jobs (job, place, rule, outcome, sentence, began_realtime_usec) "
                "VALUES (?, ?, 'bench', 'flashed', ?, ?)",
                ((job, place_of(job % 8), "so it went " * 20, job) for job in range(1, 5000)))
            database.commit()

    def damage_the_file(self):
        """All but its first page."""
        with (self.rig.state / HISTORY).open("r+b") as file:
            size = file.seek(0, 2)
            file.seek(PAGE)
            file.write(bytes([0xA5]) * (size - PAGE))

    def test_damage_that_shows_while_the_service_runs_is_set_aside(self):
        """Once, and with no restart; a board that is plugged after that is flashed and remembered."""
        self.given_a_bench(more='expect = "none";')
        self.rig.stop_mind()
        self.given_a_large_history()
        self.rig.start_mind()
        self.damage_the_file()
        since = self.rig.said.position()
        self.rig.plug(1)
        first = self.rig.end_of_job(place_of(1), since)
        if " flashed: " not in first:
            self.assertIn("could not be recorded first", first)
            self.assertEqual(self.state(1)["sectors_erased"], 0)
        self.rig.plug(2)
        self.assert_ends("flashed", 2, since)
        self.assert_holds_the_image(2)
        told = [line for line in self.rig.said.lines[since:] if "a new history was begun" in line]
        self.assertEqual(len(told), 1, told)
        self.assertIn((place_of(2), "flashed"),
                      [(job["place"], job["outcome"]) for job in self.history()])
        self.assertEqual(self.rig.stop_mind(), 0)
        self.rig.assert_sound_database()
