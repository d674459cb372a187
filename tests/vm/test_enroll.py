# SPDX-License-Identifier: MIT
"""A board gets its name where policies are, from root alone; others are told what root would do."""
import guest
import people
from residents import SERIAL, ResidentStory


class Enroll(ResidentStory):
    def enroll(self, name, person=None):
        return people.say("plugflash", "enroll", name, as_person=person)

    def assert_fine(self, *words):
        said, status = people.say("plugflash", *words)
        self.assertEqual(status, 0, said)
        return said

    def test_root_enrols_a_board_and_others_are_told_what_root_would(self):
        people.given_person("member", "plugflash")
        people.given_person("stranger")
        self.rig.start_service()
        self.plug_klipper()
        said, status = self.enroll("toolhead", "stranger")
        self.assertEqual(status, 3, said)
        self.assertIn('only root and members of the group "plugflash"', said)
        said, status = self.enroll("toolhead", "member")
        self.assertEqual(status, 0, said)
        self.assertIn("Nothing was written. To enrol it: sudo plugflash enroll toolhead", said)
        self.assertEqual(list(guest.POLICIES.iterdir()), [])
        self.assertIn(SERIAL, self.assert_fine("enroll", "toolhead"))
        path = guest.POLICIES / "board-toolhead.conf"
        status = path.stat()
        self.assertEqual((status.st_uid, status.st_gid, status.st_mode & 0o7777), (0, 0, 0o644))
        self.assert_is_taken_and_known_by_its_name()

    def assert_is_taken_and_known_by_its_name(self):
        self.assertIn("Nothing is wrong.", self.assert_fine("check"))
        self.assertIn("1 named board", self.assert_fine("reload"))
        said, status = self.enroll("other")
        self.assertEqual(status, 1, said)
        self.assertIn('is enrolled already, as "toolhead"', said)
        self.assertEqual([path.name for path in guest.POLICIES.iterdir()], ["board-toolhead.conf"])
        self.assertRegex(self.assert_fine("boards"), rf"toolhead +stm32g0b1 +{SERIAL}")
