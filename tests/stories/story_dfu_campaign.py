# SPDX-License-Identifier: MIT
"""Cables of boards in DFU are pulled at points spread over a whole job: every board ends flashed and
verified after it was plugged again, and no other is touched."""
import os

from dfu_boards import DfuStory, built, newer, over
from rig import place_of

PLACES = range(1, 9)
BYSTANDER = 9
ROUNDS = 25 if os.environ.get("PLUGFLASH_CAMPAIGN") == "full" else 2
# Of DNLOAD and UPLOAD in a job: looked at, compared, written, read back.
BYTES_OF_A_JOB = 75_000

MAINBOARD, TOOLBOARD = "klipper-stm32f429-usb-0", "klipper-stm32g0b1-usb-8k"


class Campaign(DfuStory):
    limit = 60 * ROUNDS

    def setUp(self):
        super().setUp()
        self.images = {"f429": (0, newer(built(MAINBOARD))), "g0b1": (0x2000, newer(built(TOOLBOARD)))}
        self.given_firmware(MAINBOARD, self.images["f429"][1])
        self.given_firmware(TOOLBOARD, self.images["g0b1"][1])
        self.rig.write_policy(f"""
            limits = {{ jobs = 16; returns = 1000; }};
            rules = ({{ name = "toolboards"; match = {{ chip = "stm32g0b1"; path = "*-usb-0:[1-8]"; }};
                       flash = {{ image = "{TOOLBOARD}.bin"; expect = "none"; }}; }},
                     {{ name = "mainboards"; match = {{ mode = "dfu"; path = "*-usb-0:[1-8]"; }};
                       flash = {{ image = "{MAINBOARD}.bin"; expect = "none"; }}; }});""")
        self.rig.start()

    def plug_old_board(self, place, chip):
        old = {"f429": built(MAINBOARD), "g0b1": over((0, built("katapult-stm32g0b1-can")), (0x2000, built(TOOLBOARD)))}
        return self.plug_board(place, chip=chip, flash=old[chip], speed=32, seed=place)

    @staticmethod
    def chip_at(place):
        return "g0b1" if place % 2 else "f429"

    def test_cables_pulled_at_points_spread_over_a_job(self):
        bystander = self.plug_old_board(BYSTANDER, "f429")
        points = ROUNDS * len(PLACES)
        for number in range(ROUNDS):
            since = self.rig.said.position()
            for place in PLACES:
                self.plug_old_board(place, self.chip_at(place))
                point = (number * len(PLACES) + place - 1) * BYTES_OF_A_JOB // points
                self.bench.ask("fault", place, "unplug", at="byte", n=point + 1)
            for place in PLACES:
                self.rig.end_of_job(place_of(place), since)
            self.plug_all_again(number)
        self.assertTrue(self.bench.flash(BYSTANDER) == bystander, "another board was touched")

    def attempts(self, place):
        return [job for job in self.rig.ask("history", "-n", "1000")["jobs"] if job["place"] == place_of(place)]

    def plug_all_again(self, number):
        since = self.rig.said.position()
        for place in PLACES:
            self.bench.ask("heal", place)
            self.rig.unplug(place)
            self.bench.ask("await", place, "absent")
            self.rig.replug(place)
        for place in PLACES:
            offset, image = self.images[self.chip_at(place)]
            with self.subTest(round=number, place=place):
                self.assertRegex(self.rig.end_of_job(place_of(place), since), "flashed|identical")
                # The one that was broken off, and this one.
                self.assertLessEqual(len(self.attempts(place)) - number * 2, 2)
                self.assert_holds(image, offset, place)
        for place in PLACES:
            self.rig.unplug(place)
            self.bench.ask("await", place, "absent")
