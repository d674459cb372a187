# SPDX-License-Identifier: MIT
"""kill -9 of the worker, of the mind, or of both, spread evenly over all commands, sectors and pages of
a job: the board ends verified or in its boot mode, the mind comes up again, and the next plug heals.

PLUGFLASH_KILLS says how many (6; check-all wants 30); PLUGFLASH_CAMPAIGN=full means 200.
"""
import collections
import os
import re
import signal

import images
from rig import place_of
from story import Story

IS_FULL = os.environ.get("PLUGFLASH_CAMPAIGN") == "full"
KILLS = 200 if IS_FULL else int(os.environ.get("PLUGFLASH_KILLS", 6))
VICTIMS = ("worker", "mind", "both")

COUNTERS = {"commands": "commands", "sectors": "sectors_erased", "pages": "pages_programmed"}

# The same board is killed and comes back so often that any sane budget would be spent.
POLICY = """
limits = { attempts = 100000; returns = 100000; };
rules = ({ name = "bench"; match = { mode = "rp2040-boot"; };
           flash = { image = "widget.uf2"; expect = "none"; }; });
"""
# A chip slow enough that a kill can still find the command that it is meant for.
SPEED = 4


class Kills(Story):
    limit = 60 + 10 * KILLS

    def setUp(self):
        super().setUp()
        self.rig.write_firmware("widget.uf2", images.uf2(self.image))
        self.rig.write_policy(POLICY)
        self.rig.start()
        self.tally = collections.Counter()
        self.named = set()

    def test_whoever_is_killed_and_whenever(self):
        moments = self.moments_of_a_job()
        for number in range(KILLS):
            victim = VICTIMS[number % len(VICTIMS)]
            moment = moments[number * len(moments) // KILLS]
            try:
                self.kill_in_a_job(victim, moment)
            except Exception as error:
                raise AssertionError(f"kill {number} of {victim} at {moment}: {error}") from error
        self.assert_no_job_is_lost()
        self.rig.stop_mind()
        self.rig.assert_sound_database()
        print(f"# FIGURE kills {KILLS} over {len(moments)} moments: {dict(self.tally)}")

    def remember_who_was_named(self):
        for line in self.rig.said.lines:
            if match := re.search(r"job (\d+) looks at the board", line):
                self.named.add(int(match[1]))

    def assert_no_job_is_lost(self):
        """Whatever job was ever spoken of is in the history, and says how it ended."""
        self.remember_who_was_named()
        kept = {job["job"]: job for job in self.rig.ask("history", "--all")["jobs"]}
        self.assertGreaterEqual(len(self.named), KILLS)
        self.assertEqual(self.named - kept.keys(), set())
        self.assertEqual([job for job in kept.values() if not job.get("outcome")], [])

    def moments_of_a_job(self):
        """What the bench can be asked to wait for, in a job that nothing happens to."""
        self.rig.plug(speed=SPEED)
        self.come_to_rest()
        self.assert_holds_the_image()
        counted = self.state()
        self.take_away()
        return [f"{word}={number}" for word, counter in COUNTERS.items()
                for number in range(1, counted[counter] + 1)]

    def kill_in_a_job(self, victim, moment):
        self.rig.plug(speed=SPEED)
        self.bench.ask("await", 1, moment, limit=30000)
        self.kill(victim)
        self.come_to_rest()
        self.assert_verified_or_in_boot_mode()
        self.tally[f"{victim} {self.state()['flash']}"] += 1
        if self.state()["flash"] == "falls-back" or self.state()["mode"] == "boot":
            self.plug_again()
        self.assert_holds_the_image()
        self.take_away()

    def kill(self, victim):
        if victim != "worker":
            self.rig.stop_mind(signal.SIGKILL)
            self.remember_who_was_named()
            self.rig.assert_sound_database()
        if victim != "mind":
            self.rig.kill_workers()
        if victim != "worker":
            self.rig.start_mind()

    def come_to_rest(self):
        """Returns when no job is left, nor one that follows from another's end."""
        self.bench.ask("await", 1, "requested")
        while jobs := [job for job in self.rig.jobs(place_of(1)) if job["state"] != "done"]:
            self.rig.said.wait(rf"job {jobs[0]['job']} (flashed|identical|failed|interrupted)")

    def plug_again(self):
        self.rig.unplug()
        self.bench.ask("await", 1, "absent")
        since = self.rig.said.position()
        self.rig.replug()
        self.assertRegex(self.rig.end_of_job(place_of(1), since), "flashed|identical")

    def take_away(self):
        self.rig.unplug()
        self.bench.ask("await", 1, "absent")
