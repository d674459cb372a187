# SPDX-License-Identifier: MIT
"""A full disk: whatever could still be stored, a board is either not written, and told why, or written
and verified, and that it was to be written was stored before."""
import images
from rig import Rig, place_of
from story import BENCH, Story

# The image crosses in memory that counts as a file: it must be smaller than what the disk refuses.
SIZE = 4096
# From "no file can be made" to "all fits", and a byte beside each page of a database.
SIZES = [0, 1, 100, 4095, *(4096 * pages + odd for pages in range(2, 48, 3) for odd in (0, 1)), 1 << 20]


class FullDisk(Story):
    def setUp(self):
        super().setUp()
        self.image = images.good_bin(SIZE)

    def fresh_rig(self):
        self.doCleanups()
        self.rig = Rig()
        self.addCleanup(self.rig.stop)
        self.bench = self.rig.bench
        self.rig.write_firmware("widget.uf2", images.uf2(self.image))
        self.rig.write_policy(BENCH.format(more='expect = "none";'))

    def test_no_file_may_grow_beyond_any_size(self):
        words = [self.flash_with_room_for(size) for size in SIZES]
        self.assertNotEqual(words[0], "flashed")
        self.assertEqual(words[-1], "flashed")
        print(f"# FIGURE full disk: {words.count('flashed')} of {len(words)} sizes were enough")

    def flash_with_room_for(self, size):
        self.fresh_rig()
        self.rig.start(largest_file=size)
        self.rig.plug()
        line = self.rig.end_of_job(place_of(1))
        job, = self.rig.jobs(place_of(1))
        said = f"with room for {size} bytes: {line}"
        is_touched = self.state()["sectors_erased"] > 0
        if job["outcome"] == "flashed":
            self.assertEqual(self.bench.flash(1)[:SIZE], self.image, said)
        else:
            self.assertEqual((job["outcome"], job["reason"]), ("refused", "not-recorded"), said)
            self.assertIn("could not be recorded first", line)
            self.assertFalse(is_touched, said)
        self.assertEqual(self.rig.stop_mind(), 0, said)
        self.rig.assert_sound_database()
        if is_touched:
            self.assert_intent_was_stored(job, said)
        return job["outcome"]

    def assert_intent_was_stored(self, job, said):
        """Stored with the job's decision. It is gone with the job's good end, and with nothing else."""
        rows = self.rig.read_database(
            "SELECT decision, outcome, jobs.image_sha256 = intents.image_sha256 FROM jobs "
            f"LEFT JOIN intents USING (job, place) WHERE job = {job['job']}")
        self.assertIn(rows, ([("write", "flashed", None)], [("write", None, 1)]), said)
