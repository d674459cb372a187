# SPDX-License-Identifier: MIT
"""The wall clock jumps by years, as it does on a board without a battery: nothing that plugflash does
hangs on it."""
import time

import images
import names
from vm_story import ALL_RP2040, IMAGE, Story

ONE_IN_AN_HOUR = ALL_RP2040.replace('expect =', 'limit = 1; within = "1h"; expect =')

YEAR = 365 * 24 * 3600
AHEAD, BACK = 5 * YEAR, -10 * YEAR
SANE_USEC = 3600 * 1_000_000


class Clock(Story):
    SIZE = 128 * 1024

    def setUp(self):
        super().setUp()
        self.addCleanup(self.jump, 0, time.time() - time.monotonic())
        self.given_a_service_that_flashes(images.good_bin(self.SIZE))

    @staticmethod
    def jump(seconds, since_boot=None):
        """By so much; or to where the clock was before the story."""
        now = time.time() if since_boot is None else since_boot + time.monotonic()
        time.clock_settime(time.CLOCK_REALTIME, now + seconds)

    def assert_flashed_in_sane_time(self, place, since=0):
        end = self.end_of_job(place, since)
        self.assertEqual(end[names.FIELD_OUTCOME], "flashed", end["MESSAGE"])
        self.assertIn(int(end[names.FIELD_DURATION_USEC]), range(1, SANE_USEC), end)
        self.assert_holds_the_image(1)
        return int(end[names.FIELD_JOB])

    def test_ahead_and_back_in_the_middle_of_a_job(self):
        place = self.plug(1)
        pages = self.SIZE // images.PAGE
        self.bench.wait_until(1, f"pages={pages // 4}")
        self.jump(AHEAD)
        self.bench.wait_until(1, f"pages={pages // 2}")
        self.jump(BACK)
        self.assert_flashed_in_sane_time(place)

    def test_ahead_and_back_between_jobs(self):
        """Jobs stay in the order of their numbers, whatever the time that they are told with."""
        jobs = []
        for seconds in (0, AHEAD, BACK, 0):
            self.jump(seconds)
            since = self.journal.position()
            jobs.append(self.assert_flashed_in_sane_time(self.plug(1), since))
            self.bench.unplug_for_all_to_see(1)
        self.assertEqual(jobs, sorted(set(jobs)))
        self.assert_listed_in_order(jobs)

    def test_a_service_that_starts_years_before_its_last_job(self):
        first = self.assert_flashed_in_sane_time(self.plug(1))
        self.bench.unplug_for_all_to_see(1)
        self.rig.stop_service()
        self.jump(BACK)
        since = self.journal.position()
        self.rig.start_service()
        second = self.assert_flashed_in_sane_time(self.plug(1), since)
        self.assertGreater(second, first)

    def test_a_limit_that_was_spent_in_the_future_is_not_spent(self):
        """Nor is it spent by what was written before the clock jumped; but what was written within
        the last hour counts again as soon as the clock says so."""
        self.rig.write_policy("bench.conf", ONE_IN_AN_HOUR.format(image=IMAGE))
        self.rig.reload_policies()
        outcomes = []
        for seconds in (AHEAD, 0, -AHEAD, 0, AHEAD):
            self.jump(seconds)
            since = self.journal.position()
            end = self.end_of_job(self.plug(1), since)
            outcomes.append(end.get(names.FIELD_REASON, end[names.FIELD_OUTCOME]))
            self.bench.unplug_for_all_to_see(1)
        self.assertEqual(outcomes, ["flashed", "limit", "flashed", "limit", "limit"])

    def assert_listed_in_order(self, jobs):
        listed = [job["job"] for job in self.rig.list_jobs()["jobs"]]
        self.assertIn(listed, (jobs, jobs[::-1]))
