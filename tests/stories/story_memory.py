# SPDX-License-Identifier: MIT
"""What the service remembers: what it was about to write, how often it has tried, and what it may
not do because it could not write it down first."""
import contextlib
import signal
import sqlite3

import images
from rig import place_of
from story import BENCH, Story

LIMITED = "limits = {{ {limits} }};\n" + BENCH


class Resuming(Story):
    def given_a_kill_in_mid_write(self):
        self.given_a_bench()
        self.rig.plug(slow=True)
        self.in_the_middle_of_writing()
        self.rig.stop_mind(signal.SIGKILL)
        self.rig.assert_sound_database()

    def test_the_board_is_there_when_the_service_comes_back(self):
        self.given_a_kill_in_mid_write()
        self.rig.start_mind()
        self.rig.said.wait("job 1 interrupted: the service or the power went away")
        self.rig.said.wait("job 2 goes on with what job 1 has not finished")
        self.assert_ends("flashed", since=self.position_of("job 2 goes on"))
        self.assert_holds_the_image()

    def test_the_rule_names_another_image_by_now(self):
        self.given_a_kill_in_mid_write()
        other = images.good_bin(24 * 1024, seed=7)
        self.rig.write_firmware("widget.uf2", images.uf2(other))
        self.rig.start_mind()
        end = self.assert_ends("refused", since=self.position_of("job 2 goes on"))
        self.assertIn("was there before plugflashd looked", end)
        self.assertEqual(self.state()["flash"], "falls-back")

    def test_a_board_with_other_evidence_is_only_reported(self):
        """As if another board had been put there while the service was away."""
        self.given_a_kill_in_mid_write()
        with contextlib.closing(sqlite3.connect(self.rig.state / "history.db")) as database:
            database.execute("UPDATE intents SET rom_revision = 1")
            database.commit()
        self.rig.start_mind()
        end = self.assert_ends("refused", since=self.position_of("job 2 goes on"))
        self.assertIn("was there before plugflashd looked", end)

    def test_what_was_proved_is_not_resumed(self):
        self.given_a_bench()
        self.rig.plug()
        self.assert_ends("flashed")
        self.rig.stop_mind(signal.SIGKILL)
        self.rig.unplug()
        self.bench.ask("await", 1, "absent")
        self.rig.replug()
        self.bench.ask("await", 1, "present")
        self.rig.start_mind()
        self.rig.said.wait("was there before plugflashd looked")
        self.assertEqual(self.rig.jobs(place_of(1)), [])

    def test_a_worker_that_dies_is_followed_by_another(self):
        self.given_a_bench()
        self.rig.plug(slow=True)
        self.in_the_middle_of_writing()
        self.rig.kill_workers()
        self.assertIn("ended without an outcome", self.assert_ends("interrupted"))
        self.assert_ends("flashed", since=self.position_of("job 1 interrupted"))
        self.assert_holds_the_image()


class Budgets(Story):
    def given_a_limited_bench(self, limits, more=""):
        self.rig.write_firmware("widget.uf2", images.uf2(self.image))
        self.rig.write_policy(LIMITED.format(limits=limits, more=more))
        self.rig.start()

    def test_writes_that_fail_in_a_row_close_the_place(self):
        self.given_a_limited_bench("attempts = 2;")
        self.rig.plug(slow=True)
        since = 0
        for _ in range(2):
            self.bench.ask("reset-counters", 1)
            self.bench.ask("await", 1, "sectors=1", limit=20000)
            self.rig.unplug()
            self.assert_ends("interrupted", since=since)
            self.bench.ask("await", 1, "absent")
            since = self.rig.said.position()
            self.rig.replug()
        self.rig.said.wait("in quarantine: 2 writes in a row")
        self.rig.said.wait("the place is in quarantine")
        self.assertEqual(self.rig.explain(place_of(1))["verdict"], "quarantine")

        said, status = self.rig.say("release", place_of(1))
        self.assertEqual(status, 0, said)
        self.rig.unplug()
        self.bench.ask("await", 1, "absent")
        since = self.rig.said.position()
        self.rig.replug()
        self.assert_ends("flashed", since=since)

    def test_a_quarantine_outlives_the_service(self):
        self.given_a_limited_bench("attempts = 1;")
        self.rig.plug(slow=True)
        self.in_the_middle_of_writing()
        self.rig.stop_mind(signal.SIGKILL)
        self.rig.start_mind()
        self.rig.said.wait("the place is in quarantine: 1 writes in a row")
        self.rig.stop_mind()
        self.rig.start_mind()
        self.rig.said.wait("the place is in quarantine")
        self.assertEqual(self.rig.explain(place_of(1))["verdict"], "quarantine")
        self.assertEqual(self.state()["flash"], "falls-back")

    def test_a_rule_writes_no_more_boards_than_it_may(self):
        self.given_a_limited_bench("jobs = 8;", more='limit = 1; within = "1h";')
        self.rig.plug(1)
        self.assert_ends("flashed", 1)
        self.rig.plug(2)
        self.assertIn("has written its 1 boards", self.assert_ends("refused", 2))
        self.rig.stop_mind()
        self.rig.start_mind()
        self.rig.plug(3)
        self.assertIn("has written its 1 boards", self.assert_ends("refused", 3))


class NoHistory(Story):
    def test_nothing_is_written_that_cannot_be_recorded(self):
        (self.rig.state / "history.db").mkdir()
        self.given_a_bench()
        before = self.given_an_old_board()
        self.assertIn("could not be recorded first", self.assert_ends("refused"))
        self.assertEqual(self.bench.flash(1), before)
        (self.rig.state / "history.db").rmdir()
        self.rig.unplug()
        self.bench.ask("await", 1, "absent")
        since = self.rig.said.position()
        self.rig.replug()
        self.assert_ends("flashed", since=since)
        self.assert_holds_the_image()

    def test_a_damaged_history_is_set_aside(self):
        (self.rig.state / "history.db").write_bytes(b"no database\n" * 1000)
        self.given_a_bench()
        self.rig.said.wait(r"history.db was damaged; it is now .*history.db.damaged-")
        self.rig.plug()
        self.assert_ends("flashed")
        self.assertEqual(len(list(self.rig.state.glob("history.db.damaged-*"))), 1)
