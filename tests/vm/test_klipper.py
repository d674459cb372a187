# SPDX-License-Identifier: MIT
"""Boards that run Klipper, flashed without a button: asked through the real cdc-acm, which turns a
rate of 1200 and a DTR that falls into the touch, from a sandbox that has a serial port and no more."""
import pathlib

import guest
import names
import people
from residents import G0, RP2040, ResidentStory, built

RULES = """
rules = (
  {{ name = "running"; match = {{ vid_pid = "1d50:614e"; }};
    flash = {{ image = "klipper.bin"; {more} }}; }},
  {{ name = "loader"; match = {{ mode = "katapult"; }};
    flash = {{ image = "klipper.bin"; expect = "1d50:614e"; }}; }}
);
"""
ENTER = "enter_bootloader = true;"

LATE = pathlib.Path("/run/udev/rules.d/40-story-late.rules")
LATE_PORTS = 'SUBSYSTEM=="tty", KERNEL=="ttyACM*", PROGRAM="/bin/sleep 2"\n'


class Klipper(ResidentStory):
    def given_rules(self, more, kind=G0):
        self.rig.write_firmware("klipper.bin", built(kind["new"]))
        self.rig.write_policy("klipper.conf", RULES.format(more=more))
        self.rig.start_service()

    def assert_makes_way_and_comes_back_new(self, kind):
        self.given_rules(ENTER, kind)
        place = self.plug_klipper(kind)
        ends = self.ends(place, 3)
        told = [end["MESSAGE"] for end in ends]
        self.assertEqual([end[names.FIELD_OUTCOME] for end in ends],
                         ["entered", "flashed", "identical"], told)
        self.assertEqual(ends[1][names.FIELD_VERIFY], "readback", told)
        self.assertEqual(ends[2][names.FIELD_VERIFY], "running", told)
        self.assertIn("it runs v0.13", told[2])
        image = built(kind["new"])
        self.assertTrue(self.bench.flash(1)[kind["offset"]:][:len(image)] == image)
        state = self.bench.state(1)
        self.assertEqual((state["touches"], state["wedges"]), (1, 0), state)

    def test_an_old_stm32_makes_way_and_comes_back_new(self):
        self.assert_makes_way_and_comes_back_new(G0)

    def test_an_old_rp2040_makes_way_and_comes_back_new(self):
        self.assert_makes_way_and_comes_back_new(RP2040)

    def test_without_the_word_in_the_rule_it_is_left_alone(self):
        self.given_rules("")
        place = self.plug_klipper()
        explained, _ = people.say("plugflash", "explain", place)
        self.assertIn("enter_bootloader", explained)
        self.assertEqual(self.rig.list_jobs(), {"jobs": []})
        self.assertEqual(self.bench.state(1)["touches"], 0)

    def test_a_port_that_udev_is_late_with_is_waited_for(self):
        """Until then it is root's alone."""
        LATE.parent.mkdir(parents=True, exist_ok=True)
        LATE.write_text(LATE_PORTS)
        self.addCleanup(guest.run, "udevadm", "control", "--reload")
        self.addCleanup(LATE.unlink)
        guest.run("udevadm", "control", "--reload")
        self.given_rules(ENTER)
        end = self.end_of_job(self.plug_klipper(version="new"))
        self.assertEqual(end[names.FIELD_OUTCOME], "identical", end["MESSAGE"])
        self.assertIn("it runs v0.13", end["MESSAGE"])

    def test_a_port_that_klippers_host_holds_is_left_alone(self):
        people.given_person("pi", "dialout")
        place = self.plug_klipper()
        with people.holding(self.node(), "pi"):
            self.given_rules(ENTER + " present = true;")
            end = self.end_of_job(place)
        self.assertEqual(end[names.FIELD_REASON], "board-busy", end["MESSAGE"])
        self.assertIn("Klipper's host holds", end["MESSAGE"])
        self.assertEqual(self.bench.state(1)["touches"], 0)
