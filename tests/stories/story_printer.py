# SPDX-License-Identifier: MIT
"""Not into a print: boards that are parts of a printer, and what its Klipper says of it."""
import images
from klippy import Klippy
from rig import place_of
from story import Story

EDDY = "504450610847861C"
POLICY = """
printers = ({{ name = "voron"; socket = "{socket}"; }});
boards = ({{ name = "eddy"; chip = "rp2040"; serial = "{serial}"; {tie} }});
rules = (
  {{ name = "eddy"; match = {{ board = "eddy"; }}; flash = {{ image = "eddy.uf2"; }}; }}
);
"""


class Printer(Story):
    def setUp(self):
        super().setUp()
        self.socket = self.rig.root / "klippy" / "klippy.sock"

    def given_klippy(self, **options):
        klippy = Klippy(self.socket, **options)
        self.addCleanup(klippy.stop)
        return klippy

    def given_a_board_of_the_printer(self, tie='printer = "voron";'):
        self.rig.write_firmware("eddy.uf2", images.uf2(self.image))
        self.rig.write_policy(POLICY.format(socket=self.socket, serial=EDDY, tie=tie))
        self.rig.start()

    def assert_refused(self, reason, words, since=0):
        line = self.assert_ends("refused", since=since)
        self.assertIn(words, line)
        self.assertIn("plug the board again", line)
        self.assertEqual(self.rig.jobs(place_of(1))[-1]["reason"], reason)
        self.assertEqual(self.state()["sectors_erased"], 0)
        self.assertEqual(self.state()["mode"], "boot")

    def test_a_board_is_refused_while_its_printer_prints_and_written_when_it_is_idle(self):
        klippy = self.given_klippy(print_state="printing")
        self.given_a_board_of_the_printer()
        self.rig.plug(1, id=EDDY)
        self.assert_refused("printing", 'printer "voron" prints "benchy.gcode": wait until it has ended')
        self.assertEqual(klippy.await_question(), ["info", "objects/query"])
        klippy.print_state = "complete"
        self.rig.unplug()
        since = self.rig.said.position()
        self.rig.replug()
        self.assert_ends("flashed", since=since)
        self.rig.said.wait('has asked: printer "voron" is idle')
        self.assert_holds_the_image()
        klippy.await_question()
        self.assertTrue(klippy.asked.empty())  # once for each job

    def test_a_pause_is_a_print(self):
        self.given_klippy(print_state="paused")
        self.given_a_board_of_the_printer()
        self.rig.plug(1, id=EDDY)
        self.assert_refused("printing", 'has paused in "benchy.gcode"')

    def test_a_klipper_that_is_not_running_prints_nothing(self):
        self.given_klippy(print_state="printing").stop()
        self.given_a_board_of_the_printer()
        self.rig.plug(1, id=EDDY)
        self.assert_ends("flashed")
        self.rig.said.wait('Klipper of printer "voron" is not running')

    def test_a_klipper_that_cannot_be_seen_may_be_printing(self):
        self.given_a_board_of_the_printer()
        self.rig.plug(1, id=EDDY)
        self.assert_refused("print-unknown", "klippy.sock is not there")

    def test_a_klipper_that_says_nothing_may_be_printing(self):
        self.given_klippy(silent=True)
        self.given_a_board_of_the_printer()
        self.rig.plug(1, id=EDDY)
        self.assert_refused("print-unknown", "gives no answer")

    def test_a_board_that_leaves_while_its_printer_is_asked_is_let_go(self):
        klippy = self.given_klippy(silent=True)
        self.given_a_board_of_the_printer()
        self.rig.plug(1, id=EDDY)
        klippy.await_question()
        self.rig.unplug()
        self.assertIn("left while its printer was asked", self.assert_ends("interrupted"))
        klippy.is_silent = False
        since = self.rig.said.position()
        self.rig.replug()
        self.assert_ends("flashed", since=since)

    def test_a_service_that_is_told_to_end_does_not_wait_for_an_answer(self):
        klippy = self.given_klippy(silent=True)
        self.given_a_board_of_the_printer()
        self.rig.plug(1, id=EDDY)
        klippy.await_question()
        self.assertEqual(self.rig.stop_mind(), 0)
        self.assertIn("nothing was written", self.assert_ends("interrupted"))

    def test_policies_may_change_while_the_printer_is_asked(self):
        klippy = self.given_klippy(silent=True)
        self.given_a_board_of_the_printer()
        self.rig.plug(1, id=EDDY)
        klippy.await_question()
        self.rig.write_policy('rules = ({ name = "rest"; match = { }; ignore = true; });')
        self.rig.reload()
        self.assertIn('rule "rest" says to ignore it', self.assert_ends("refused"))

    def test_nobody_is_asked_for_a_board_that_is_part_of_no_printer(self):
        klippy = self.given_klippy(print_state="printing")
        self.given_a_board_of_the_printer(tie="")
        self.rig.plug(1, id=EDDY)
        self.assert_ends("flashed")
        self.assertTrue(klippy.asked.empty())
        self.assertNotIn("printer", self.rig.explain(place_of(1)))

    def test_explain_says_who_will_be_asked(self):
        self.given_klippy(print_state="printing")
        self.given_a_board_of_the_printer()
        self.rig.plug(1, id=EDDY)
        self.assert_ends("refused")
        explained = self.rig.explain(place_of(1))
        self.assertEqual((explained["printer"], explained["verdict"]), ("voron", "flash"))
        shown, _ = self.rig.say("explain", place_of(1))
        self.assertIn('"voron" is asked first: only when it does not print', shown)
