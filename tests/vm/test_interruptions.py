# SPDX-License-Identifier: MIT
"""Something is cut in the middle of writing: the cable, the hands, the mind. Whatever it was, the
board ends verified or in boot mode, and the next chance heals it."""
import os
import signal

import guest
import images
import names
from vm_story import ENDS, Story

# What the board was told before the worker hung is still done.
PAGES_OF_ONE_COMMAND = 16


class Interruptions(Story):
    SIZE = 256 * 1024

    def setUp(self):
        super().setUp()
        self.given_a_service_that_flashes(images.good_bin(self.SIZE))

    def plug_and_write_half(self, port=1):
        """A board at its real speed, and the moment when half of the image is in its flash."""
        place = self.plug(port)
        self.rig.wait_for(names.MESSAGE_JOB_WRITING, PLUGFLASH_PLACE=place)
        self.bench.wait_until(port, f"pages={self.SIZE // 256 // 2}")
        return place

    def test_unplugged_and_plugged_again_it_ends_flashed(self):
        place = self.plug_and_write_half()
        self.bench.unplug_for_all_to_see(1)
        end = self.end_of_job(place)
        self.assertEqual(end[names.FIELD_OUTCOME], "interrupted", end["MESSAGE"])
        self.assertFalse(self.would_start(1))
        since = self.journal.position()
        self.bench.replug(1)
        self.assertEqual(self.end_of_job(place, since)[names.FIELD_OUTCOME], "flashed")
        self.assert_holds_the_image(1)

    def test_the_worker_is_killed(self):
        """The board is still there, and another worker goes on with it."""
        place = self.plug_and_write_half()
        since = self.journal.position()
        self.assertNotEqual(self.rig.kill_workers(), [])
        end = self.end_of_job(place)
        self.assertEqual(end[names.FIELD_OUTCOME], "interrupted", end["MESSAGE"])
        self.journal.wait(since=since, MESSAGE_ID=names.MESSAGE_JOB_FLASHED, PLUGFLASH_PLACE=place)
        self.assert_holds_the_image(1)

    def test_the_worker_hangs(self):
        """It is given up; and when it wakes, on a board that it no longer has, it writes no more."""
        self.rig.stop_service()
        self.rig.hurry_service(5)
        self.rig.start_service()
        place = self.plug_and_write_half()
        worker, = self.rig.worker_pids()
        os.kill(worker, signal.SIGSTOP)
        end = self.end_of_job(place)
        self.assertEqual(end[names.FIELD_REASON], "worker-silent", end["MESSAGE"])
        written = self.bench.state(1)["pages_programmed"]
        with guest.ending(worker):
            os.kill(worker, signal.SIGCONT)
        self.assertLessEqual(self.bench.state(1)["pages_programmed"],
                             written + PAGES_OF_ONE_COMMAND)
        self.assertFalse(self.would_start(1))

    def test_the_mind_is_killed(self):
        """systemd brings it back, and it goes on with the board by itself."""
        place = self.plug_and_write_half()
        since = self.journal.position()
        self.rig.kill_service()
        lost = self.journal.wait(since=since, MESSAGE_ID=names.MESSAGE_JOB_INTERRUPTED)
        self.assertEqual(lost[names.FIELD_REASON], "service-lost", lost["MESSAGE"])
        self.journal.wait(since=since, MESSAGE_ID=names.MESSAGE_JOB_RESUMED)
        self.journal.wait(since=since, MESSAGE_ID=names.MESSAGE_JOB_FLASHED, PLUGFLASH_PLACE=place)
        self.assert_holds_the_image(1)

    def test_a_stop_of_the_service_leaves_no_half_verified_board(self):
        self.plug_and_write_half()
        self.rig.stop_service()
        self.assertEqual(self.rig.worker_pids(), [])
        self.assert_verified_or_in_boot_mode(1)
