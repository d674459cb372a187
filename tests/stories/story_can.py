# SPDX-License-Identifier: MIT
"""Boards on CAN buses on a computer that has none: what is said instead, and who is asked before. What
needs a bus happens in the virtual machine (tests/vm/test_can.py)."""
import images
from klippy import Klippy
from story import Story

UUID = "154aab036e6a"
PLACE = f"plugcan7-{UUID}"
POLICY = """
{printers}
boards = ({{ name = "toolhead"; can_uuid = "{uuid}"; {bus} }});
rules = ({{ name = "toolhead"; match = {{ board = "toolhead"; }};
          flash = {{ image = "klipper.bin"; enter_bootloader = true; {more} }}; }});
"""


class Can(Story):
    def given_a_toolhead(self, bus='bus = "plugcan7";', printers="", more=""):
        self.rig.write_firmware("klipper.bin", images.good_bin(4096))
        self.rig.write_policy(POLICY.format(uuid=UUID, bus=bus, printers=printers, more=more))
        self.rig.start()

    def given_a_printer(self, print_state):
        klippy = Klippy(self.rig.root / "klippy" / "klippy.sock", print_state=print_state)
        self.addCleanup(klippy.stop)
        return f'printers = ({{ name = "voron"; socket = "{klippy.path}"; }});'

    def test_an_interface_that_is_not_there_is_named(self):
        self.given_a_toolhead()
        said, status = self.rig.say("flash", "toolhead")
        self.assertEqual(status, 1, said)
        line = self.rig.end_of_job(PLACE)
        self.assertIn("plugcan7", line)
        job, = self.rig.jobs(PLACE)
        self.assertEqual(job["outcome"], "failed", job)

    def test_a_board_whose_bus_nobody_knows_is_asked_for_it(self):
        self.given_a_toolhead(bus="")
        said, status = self.rig.say("flash", "toolhead")
        self.assertNotEqual(status, 0)
        self.assertIn('bus = "can0"', said)

    def test_while_it_prints_no_worker_is_started(self):
        self.given_a_toolhead(printers=self.given_a_printer("printing"))
        said, _ = self.rig.say("flash", "toolhead")
        line = self.rig.end_of_job(PLACE)
        self.assertIn("refused", line)
        self.assertIn("nothing was said on the bus", line)
        self.assertIn('prints "benchy.gcode"', said)
        job, = self.rig.jobs(PLACE)
        self.assertEqual((job["outcome"], job["reason"]), ("refused", "printing"))
        self.assertFalse([line for line in self.rig.said.lines if "looks at the board" in line])

    def test_a_new_image_begins_a_job_and_what_failed_waits_for_the_next(self):
        self.given_a_toolhead(more="on_update = true;")
        self.rig.write_firmware("klipper.bin", images.good_bin(4096, seed=2))
        self.rig.end_of_job(PLACE)
        since = self.rig.said.position()
        self.rig.write_firmware("klipper.bin", images.good_bin(4096, seed=3))
        self.rig.end_of_job(PLACE, since)
        self.assertEqual(len(self.rig.jobs(PLACE)), 2)
