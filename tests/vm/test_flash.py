# SPDX-License-Identifier: MIT
"""A board that is there is flashed because somebody asks for it."""
import images
import people
from vm_story import Story, guest_place


class Flash(Story):
    def setUp(self):
        super().setUp()
        people.given_person("member", "plugflash")
        people.given_person("stranger")

    def flash(self, place, person):
        return people.say("plugflash", "flash", place, as_person=person)

    def test_a_member_may_have_it_flashed_and_a_stranger_not(self):
        place = guest_place(1)
        self.bench.plug_for_all_to_see(1, speed=4)
        self.given_a_service_that_flashes(images.good_bin(16 * 1024))
        said, status = self.flash(place, "stranger")
        self.assertEqual(status, 3, said)
        self.assertIn("only root and members", said)
        self.assertEqual(self.bench.state(1)["sectors_erased"], 0)
        said, status = self.flash(place, "member")
        self.assertEqual(status, 0, said)
        self.assertIn("flashed", said)
        self.assert_holds_the_image(1)
        said, status = self.flash(guest_place(2), "member")
        self.assertEqual(status, 2, said)
        self.assertIn("Nothing is plugged in", said)
