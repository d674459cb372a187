# SPDX-License-Identifier: MIT
"""What every story starts from."""
import unittest

import images
from rig import Rig, place_of

SIZE = 24 * 1024

BENCH = """
rules = (
  {{ name = "bench"; match = {{ mode = "rp2040-boot"; }};
    flash = {{ image = "widget.uf2"; {more} }}; }}
);
"""


class Story(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.rig = Rig()
        self.addCleanup(self.rig.stop)
        self.bench = self.rig.bench
        self.image = images.good_bin(SIZE, seed=1)

    # ---- the scene

    def given_a_bench(self, more="", content=None):
        """A service that flashes every RP2040 from now on."""
        self.rig.write_firmware("widget.uf2", content or images.uf2(self.image))
        self.rig.write_policy(BENCH.format(more=more))
        self.rig.start()

    def given_an_old_board(self, place=1, **options):
        """A board that holds another application; returns what is in its flash."""
        old = images.good_bin(SIZE, seed=99)
        path = self.rig.root / f"old-{place}.bin"
        path.write_bytes(old)
        self.rig.plug(place, image=path, **options)
        return self.bench.flash(place)

    # ---- what happens

    def in_the_middle_of_writing(self, place=1):
        """Some pages are there, most are not."""
        self.bench.ask("await", place, "pages=30", limit=20000)

    def state(self, place=1):
        return self.bench.ask("state", place)

    def position_of(self, words):
        """Behind the first line with these words."""
        self.rig.said.wait(words)
        return next(i for i, line in enumerate(self.rig.said.lines) if words in line) + 1

    # ---- what is expected

    def assert_ends(self, outcome, place=1, since=0):
        line = self.rig.end_of_job(place_of(place), since)
        self.assertRegex(line, rf"job \d+ {outcome}")
        return line

    def assert_holds_the_image(self, place=1):
        self.assertEqual(self.bench.flash(place)[:len(self.image)], self.image)

    def assert_verified_or_in_boot_mode(self, place=1):
        """Never an application in the flash that nobody has verified."""
        if self.state(place)["flash"] != "falls-back":
            self.assert_holds_the_image(place)
