# SPDX-License-Identifier: MIT
"""Seeded accidents: whatever happens and whenever, a board ends verified or in its boot mode."""
import random

import images
from rig import place_of
from story import Story

PLACES = range(1, 9)
ROUNDS = 5
SPEED = 8


class Campaign(Story):
    """Eight boards at once, several rounds; in each, every board has its own accident. A ninth
    board on a place that no rule covers must come out of it all untouched."""

    def setUp(self):
        super().setUp()
        self.rig.write_firmware("widget.uf2", images.uf2(self.image))
        self.rig.write_policy("""
            limits = { jobs = 16; };
            rules = ({ name = "bench"; match = { path = "*-usb-0:[1-8]"; };
                       flash = { image = "widget.uf2"; expect = "none"; }; });""")
        self.rig.start()
        self.bystander = self.given_an_old_board(9)

    def campaign(self, accident):
        for number in range(ROUNDS):
            since = self.rig.said.position()
            for place in PLACES:
                self.rig.plug(place, speed=SPEED, seed=number * 16 + place)
                accident(place, random.Random(f"{self.id()} {number} {place}"))
            for place in PLACES:
                self.rig.end_of_job(place_of(place), since)
                self.assert_verified_or_in_boot_mode(place)
            self.plug_all_again()
        self.assertEqual(self.bench.flash(9), self.bystander)

    def plug_all_again(self):
        since = self.rig.said.position()
        for place in PLACES:
            self.bench.ask("heal", place)
            self.rig.unplug(place)
            self.bench.ask("await", place, "absent")
            self.rig.replug(place)
        for place in PLACES:
            line = self.rig.end_of_job(place_of(place), since)
            self.assertRegex(line, "flashed|identical")
            self.assert_holds_the_image(place)
            self.rig.unplug(place)
            self.bench.ask("await", place, "absent")

    def test_cables_pulled_at_any_byte(self):
        def pull(place, chance):
            self.bench.ask("fault", place, "unplug", at="byte", n=chance.randrange(1, 60_000))
        self.campaign(pull)

    def test_bytes_that_do_not_stick(self):
        def wear_out(place, chance):
            kind = chance.choice(["flip-bit", "stuck-bit", "lost-erase", "lost-program"])
            self.bench.ask("fault", place, kind, at="page" if "bit" in kind else "once",
                           n=chance.randrange(1, 90), address=chance.randrange(0, len(self.image)),
                           byte=chance.randrange(256), bit=chance.randrange(8))
        self.campaign(wear_out)
