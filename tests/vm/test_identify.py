# SPDX-License-Identifier: MIT
"""What runs on a board is told to whoever may open its port, without the service, and never while
another program has it."""
import people
from residents import ResidentStory


class Identify(ResidentStory):
    def setUp(self):
        super().setUp()
        people.given_person("pi", "dialout")
        people.given_person("stranger")
        self.plug_klipper(version="new")

    def identify(self, person=None):
        return people.say("plugflash", "identify", self.node(), as_person=person)

    def test_root_and_dialout_are_told_and_strangers_are_told_why_not(self):
        for person in (None, "pi"):
            said, status = self.identify(person)
            self.assertEqual(status, 0, said)
            self.assertRegex(said, r"version +v0\.13")
            self.assertRegex(said, r"boot loader +katapult")
        said, status = self.identify("stranger")
        self.assertNotEqual(status, 0, said)
        self.assertIn("dialout", said)
        self.assertEqual(self.bench.state(1)["touches"], 0)

    def test_a_port_that_is_held_is_not_asked(self):
        with people.holding(self.node(), "pi"):
            before = self.bench.state(1)["identifies"]
            said, status = self.identify()
            self.assertEqual(status, 1, said)
            self.assertRegex(said, r"is open in python3 \(\d+\)")
            people.given_person("guest", "dialout")
            said, status = self.identify("guest")
            self.assertEqual(status, 1, said)
            self.assertIn("another program does", said)
            self.assertEqual(self.bench.state(1)["identifies"], before)
