# SPDX-License-Identifier: MIT
"""Which board it is: two RP2040s told apart by their flash chips, an RP2350 by itself, and one chip's
firmware on the other."""
import signal

import images
from rig import place_of
from story import SIZE, Story

EDDY, OTHER = "504450610847861C", "E6614103E7452B2F"
ONE_BOARD = """
boards = ({{ name = "eddy"; chip = "{chip}"; serial = "{serial}"; }});
rules = (
  {{ name = "eddy"; match = {{ board = "eddy"; }}; flash = {{ image = "eddy.uf2"; }}; }},
  {{ name = "rest"; match = {{ }}; ignore = true; }}
);
"""
EVERY_PICO_2 = """
rules = ({ name = "pico2"; match = { mode = "rp2350-boot"; };
           flash = { image = "pico2.uf2"; expect = "2e8a:0009"; }; });
"""


class OneOfMany(Story):
    def given_a_rule_for_one_board(self, chip="rp2040", content=None):
        self.rig.write_firmware("eddy.uf2", content or images.uf2(self.image))
        self.rig.write_policy(ONE_BOARD.format(chip=chip, serial=EDDY))
        self.rig.start()

    def test_two_boards_that_look_alike_and_one_of_them_is_meant(self):
        self.given_a_rule_for_one_board()
        self.rig.plug(1, id=OTHER)
        self.rig.plug(2, id=EDDY)
        self.assert_ends("flashed", place=2)
        self.assert_holds_the_image(2)
        self.rig.end_of_job(place_of(1))
        self.assertEqual(self.state(1)["sectors_erased"], 0)
        self.assertEqual(self.state(1)["mode"], "boot")

    def test_the_id_is_the_serial_of_the_application(self):
        self.given_a_rule_for_one_board()
        self.rig.plug(1, id=EDDY)
        self.assert_ends("flashed")
        job, = self.rig.jobs(place_of(1))
        self.assertEqual(job["board"], "eddy")
        shown, = [device for device in self.rig.ask("list", "--all")["devices"]
                  if device["place"] == place_of(1)]
        self.assertEqual(shown["serial"], EDDY)

    def test_a_board_that_shows_no_id_is_refused(self):
        self.given_a_rule_for_one_board()
        self.rig.plug(1, id="none")
        end = self.assert_ends("refused")
        self.assertIn("match it by path instead", end)
        self.assertEqual(self.state()["sectors_erased"], 0)

    def test_an_rp2350_shows_who_it_is(self):
        self.given_a_rule_for_one_board("rp2350", images.rp2350_uf2())
        self.rig.plug(1, chip="rp2350", id=OTHER)
        self.rig.plug(2, chip="rp2350", id=EDDY)
        self.assert_ends("flashed", place=2)
        self.assertEqual(self.rig.explain(place_of(1))["verdict"], "ignore")
        self.assertEqual(self.state(1)["commands"], 0)

    def test_another_board_at_the_place_of_an_unfinished_one_is_not_gone_on_with(self):
        self.given_a_bench()
        self.rig.plug(1, slow=True, id=EDDY)
        self.in_the_middle_of_writing()
        self.rig.stop_mind(signal.SIGKILL)
        self.rig.unplug()
        self.bench.ask("await", 1, "absent")
        self.rig.plug(1, id=OTHER)
        self.bench.ask("await", 1, "present")
        self.rig.start_mind()
        end = self.assert_ends("refused", since=self.position_of("job 2 goes on"))
        self.assertIn("was there before plugflashd looked", end)
        self.assertEqual(self.state()["sectors_erased"], 0)


class SecondGeneration(Story):
    def given_a_bench_for_rp2350(self, content):
        self.rig.write_firmware("pico2.uf2", content)
        self.rig.write_policy(EVERY_PICO_2)
        self.rig.start()

    def test_a_pico_2_is_flashed(self):
        image = images.rp2350_bin()
        self.given_a_bench_for_rp2350(images.uf2(image, images.FAMILY_RP2350_ARM))
        self.rig.plug(1, chip="rp2350", id=EDDY)
        self.assert_ends("flashed")
        self.assertEqual(self.bench.flash(1)[:len(image)], image)

    def test_klipper_names_the_wrong_family_and_means_the_right_chip(self):
        self.given_a_bench_for_rp2350(images.uf2(images.rp2350_bin()))
        self.rig.plug(1, chip="rp2350", id=EDDY)
        self.assert_ends("flashed")

    def test_firmware_for_an_rp2040_is_refused(self):
        self.given_a_bench_for_rp2350(images.uf2(self.image))
        self.rig.plug(1, chip="rp2350", id=EDDY)
        self.assertIn("RP2040", self.assert_ends("refused"))
        self.assertEqual(self.state()["sectors_erased"], 0)

    def test_a_board_with_partitions_is_left_to_picotool(self):
        self.given_a_bench_for_rp2350(images.rp2350_uf2())
        self.rig.plug(1, chip="rp2350", id=EDDY, partitions=1)
        self.assertIn("partition table", self.assert_ends("refused"))
        self.assertEqual(self.state()["sectors_erased"], 0)

    def test_a_cable_pulled_in_mid_write_is_healed_by_a_replug(self):
        self.given_a_bench_for_rp2350(images.rp2350_uf2(SIZE))
        self.rig.plug(1, chip="rp2350", id=EDDY, slow=True)
        self.in_the_middle_of_writing()
        self.rig.unplug()
        self.assert_ends("interrupted")
        self.assertEqual(self.state()["flash"], "falls-back")
        self.bench.ask("await", 1, "absent")
        since = self.rig.said.position()
        self.rig.replug()
        self.assert_ends("flashed", since=since)
