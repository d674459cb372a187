# SPDX-License-Identifier: MIT
"""One board followed through all its modes: what is remembered of it, and how it gets its name."""
import os
import unittest

import images
from dfu_boards import OCTOPUS_SERIAL, DfuStory, built
from rig import HISTORY, place_of
from story import Story

EDDY, OTHER = "504450610847861C", "E6614103E7452B2F"
USB_0 = "klipper-stm32f429-usb-0"
ONE_BOARD = f"""
boards = ({{ name = "eddy"; chip = "rp2040"; serial = "{EDDY}"; }},
          {{ name = "toolhead"; can_uuid = "154aab036e6a"; }});
rules = ({{ name = "eddy"; match = {{ board = "eddy"; }}; flash = {{ image = "widget.uf2"; }}; }});
"""


def ties(board, kind):
    return [tie["value"] for tie in board["ties"] if tie["kind"] == kind]


def learnt(board, kind):
    return [tie["learnt"] for tie in board["ties"] if tie["kind"] == kind]


class Swapped(Story):
    def test_two_boards_that_change_places_get_each_its_own_image(self):
        """In their boot mode both show the same serial: their flash chips tell them apart."""
        images_of = {EDDY: images.good_bin(24 * 1024, seed=7), OTHER: images.good_bin(24 * 1024, seed=8)}
        self.rig.write_firmware("eddy.uf2", images.uf2(images_of[EDDY]))
        self.rig.write_firmware("other.uf2", images.uf2(images_of[OTHER]))
        self.rig.write_policy(f"""
boards = ({{ name = "eddy"; serial = "{EDDY}"; }}, {{ name = "other"; serial = "{OTHER}"; }});
rules = ({{ name = "eddy"; match = {{ board = "eddy"; }}; flash = {{ image = "eddy.uf2"; }}; }},
         {{ name = "other"; match = {{ board = "other"; }}; flash = {{ image = "other.uf2"; }}; }});
""")
        self.rig.start()
        seen = {"1": 0, "2": 0}
        for places in (("1", "2"), ("2", "1")):
            for place, board in zip(places, images_of):
                self.rig.plug(place, id=board)
            for place, board in zip(places, images_of):
                line = self.assert_ends("flashed", place, seen[place])
                seen[place] = self.rig.said.lines.index(line, seen[place]) + 1
                self.assertEqual(self.bench.flash(place)[:24 * 1024], images_of[board])
            for place in places:
                self.rig.unplug(place)


class Boards(Story):
    def given_a_named_board(self):
        self.rig.write_firmware("widget.uf2", images.uf2(self.image))
        self.rig.write_policy(ONE_BOARD)
        self.rig.start()

    def boards(self):
        return self.rig.ask("boards")["boards"]

    def test_before_anything_was_met_nothing_is_known(self):
        self.rig.start()
        self.assertEqual(self.boards(), [])
        said, status = self.rig.say("boards")
        self.assertEqual(status, 0)
        self.assertIn("No board is known yet", said)

    def test_a_board_that_was_flashed_is_known_by_all_its_names(self):
        self.given_a_named_board()
        self.rig.plug(1, id=EDDY)
        self.assert_ends("flashed")
        eddy, toolhead = self.boards()
        self.assertEqual((eddy["id"], eddy["names"], eddy["chip"]), (EDDY, ["eddy"], "rp2040"))
        self.assertEqual(ties(eddy, "flash-id"), [EDDY])
        self.assertEqual(learnt(eddy, "flash-id"), ["shown"])
        self.assertEqual(ties(eddy, "runtime-serial"), [EDDY])
        self.assertRegex(ties(eddy, "image")[0], "^[0-9a-f]{64}$")
        self.assertEqual(eddy["place"], place_of(1))
        self.assertEqual((toolhead["names"], toolhead["id"]), (["toolhead"], "154aab036e6a"))
        said, status = self.rig.say("boards")
        self.assertEqual(status, 0)
        self.assertRegex(said, rf"eddy +rp2040 +{EDDY}")
        self.assertRegex(said, rf"flash id +{EDDY} +\(the board itself shows it\)")
        self.assertIn("was never met", said)

    def test_its_places_are_a_history_that_outlives_the_service(self):
        self.given_a_named_board()
        self.rig.plug(1, id=EDDY)
        self.assert_ends("flashed")
        self.rig.unplug()
        self.bench.ask("await", 1, "absent")
        self.rig.plug(2, id=EDDY)
        self.assert_ends("flashed", place=2)
        self.rig.stop_mind()
        self.rig.start_mind()
        eddy = self.boards()[0]
        self.assertEqual(ties(eddy, "place"), [place_of(2), place_of(1)])
        self.assertEqual(eddy["place"], place_of(2))

    def test_without_a_history_there_is_no_book(self):
        self.rig.start_workers()
        (self.rig.state / HISTORY).mkdir()
        self.rig.start_mind()
        said, status = self.rig.say("boards")
        self.assertEqual(status, 3, said)
        self.assertIn("history cannot be read", said)


class Enrolling(DfuStory):
    def enroll(self, *words):
        return self.rig.say("enroll", *words)

    def given_klipper(self, place=1, serial=OCTOPUS_SERIAL):
        """A board that runs its Klipper over USB."""
        self.plug_board(place, chip="f429", flash=built(USB_0), uid=serial, button=0)
        self.bench.ask("await", place, "present")

    def test_a_running_board_gets_its_entry_and_is_known_by_it(self):
        self.rig.start()
        self.given_klipper()
        path = self.rig.policies / "board-octopus.conf"
        said, status = self.enroll("octopus", "--output", str(path))
        self.assertEqual(status, 0, said)
        self.assertIn(f'serial = "{OCTOPUS_SERIAL}"', said)
        self.assertIn("plugflash reload", said)
        entry = path.read_text()
        self.assertIn('name = "octopus"; chip = "stm32f429"', entry)
        self.assertRegex(entry, 'can_uuid = "[0-9a-f]{12}"')
        self.assertIn("0 rules and 1 boards", self.rig.reload())
        board, = self.rig.ask("boards")["boards"]
        self.assertEqual((board["id"], board["names"]), (OCTOPUS_SERIAL, ["octopus"]))

    def test_neither_a_name_nor_a_board_is_enrolled_twice(self):
        self.rig.start()
        self.given_klipper()
        path = self.rig.policies / "board-octopus.conf"
        self.assertEqual(self.enroll("octopus", "--output", str(path))[1], 0)
        elsewhere = self.rig.root / "elsewhere.conf"
        said, status = self.enroll("manta", "--output", str(elsewhere))
        self.assertEqual(status, 1)
        self.assertRegex(said, 'board-octopus.conf:.*is enrolled already, as "octopus"')
        said, status = self.enroll("octopus", "--output", str(elsewhere))
        self.assertEqual(status, 1)
        self.assertIn("the file exists already", said)
        self.assertFalse(elsewhere.exists())
        path.rename(self.rig.policies / "mine.conf")
        other = "2B0007000C50425539393020"
        self.rig.unplug()
        self.bench.ask("await", 1, "absent")
        self.given_klipper(2, serial=other)
        said, status = self.enroll("octopus", "--output", str(elsewhere))
        self.assertEqual(status, 1)
        self.assertRegex(said, 'board "octopus" exists already')

    def test_a_file_that_is_there_stays(self):
        self.rig.start()
        self.given_klipper()
        path = self.rig.root / "taken.conf"
        path.write_text("mine")
        said, status = self.enroll("octopus", "--output", str(path))
        self.assertEqual(status, 1, said)
        self.assertIn("left as it is", said)
        self.assertEqual(path.read_text(), "mine")
        self.assertEqual(sorted(file.name for file in path.parent.glob(".taken*")), [])
        said, status = self.enroll("octopus", "--output", str(self.rig.root / "no" / "where.conf"))
        self.assertEqual(status, 2, said)

    def test_of_several_boards_one_is_named_by_its_port(self):
        self.rig.start()
        said, status = self.enroll("octopus")
        self.assertEqual(status, 2)
        self.assertIn("No board is plugged in", said)
        self.given_klipper(1)
        self.given_klipper(2, serial="2B0007000C50425539393020")
        path = self.rig.root / "entry.conf"
        said, status = self.enroll("octopus", "--output", str(path))
        self.assertEqual(status, 1, said)
        self.assertIn("--port", said)
        answer = self.rig.ask("enroll", "octopus", "--port", place_of(2), "--output", str(path))
        self.assertEqual((answer["id"], answer["learnt"]), ("2B0007000C50425539393020", "shown"))
        self.assertEqual(answer["written"], str(path))
        self.assertEqual(answer["entry"], path.read_text())

    def test_what_shows_no_id_is_refused_with_the_way_out(self):
        self.rig.start()
        path = self.rig.root / "entry.conf"
        self.plug_board(1, chip="f429")
        self.rig.said.wait("no rule covers it")
        said, status = self.enroll("octopus", "--output", str(path))
        self.assertEqual(status, 1)
        self.assertRegex(said, "in DFU a board shows no id of its own.*start its application")
        self.rig.plug(2, id=EDDY)
        self.rig.said.wait(rf"{place_of(2)}.*no rule covers it")
        said, status = self.enroll("eddy", "--port", place_of(2), "--output", str(path))
        self.assertEqual(status, 1)
        self.assertIn("only when it is looked at", said)
        self.assertFalse(path.exists())
        for name in ("", "../eddy", "-eddy", "an eddy", "x" * 49):
            said, status = self.enroll("--output", str(path), "--", name)
            self.assertEqual(status, 2, (name, said))

    def test_a_board_in_boot_mode_that_was_looked_at_can_be_enrolled(self):
        self.rig.write_policy('rules = ({ name = "look"; match = { mode = "rp2040-boot"; };'
                              ' flash = { image = "nothing.uf2"; }; });')
        self.rig.start()
        self.rig.plug(1, id=OTHER)
        self.assert_ends("refused")
        path = self.rig.root / "entry.conf"
        said, status = self.enroll("eddy", "--output", str(path))
        self.assertEqual(status, 0, said)
        self.assertIn(f'chip = "rp2040"; serial = "{OTHER}"', path.read_text())

    @unittest.skipIf(os.geteuid() == 0, "root's entry goes where this machine's policies are")
    def test_who_is_not_root_is_told_how_to_enrol_it(self):
        self.rig.start()
        self.given_klipper()
        said, status = self.enroll("octopus")
        self.assertEqual(status, 0)
        self.assertIn("Nothing was written. To enrol it: sudo plugflash enroll octopus", said)
