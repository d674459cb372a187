# SPDX-License-Identifier: MIT
"""Boards that run a program made with the Pico SDK: asked for BOOTSEL where a rule says so, once, and
left alone where none does."""
import images
from rig import place_of
from story import SIZE, Story

EDDY, OTHER = "504450610847861C", "E6614103E7452B2F"
HERE = f'path = "{place_of(1)}";'


class Asking(Story):
    def given_a_rule(self, match=HERE, more="enter_bootloader = true;", content=None, boards=""):
        self.rig.write_firmware("widget.uf2", content or images.uf2(self.image))
        self.rig.write_policy(f"""
            {boards}
            rules = ({{ name = "sdk"; match = {{ {match} }};
                        flash = {{ image = "widget.uf2"; {more} }}; }});""")
        self.rig.start()

    def plug_running(self, place=1, content=None, **options):
        """Plugged in without its button, it starts what it has; returns what is in its flash."""
        path = self.rig.root / f"running-{place}.bin"
        path.write_bytes(content or images.good_bin(SIZE, seed=99))
        self.rig.plug(place, image=path, button=0, **options)
        self.bench.ask("await", place, "present", limit=10000)
        return self.bench.flash(place)

    def ends(self, *outcomes):
        """One job after the other on this place, and none behind the last one."""
        since = 0
        for outcome in outcomes:
            line = self.assert_ends(outcome, since=since)
            since = self.rig.said.lines.index(line, since) + 1
        self.assertEqual([job["outcome"] for job in self.rig.jobs(place_of(1))], list(outcomes))
        return line

    def assert_runs_untouched(self, before, place=1):
        self.assertEqual(self.bench.flash(place), before)
        state = self.state(place)
        self.assertEqual((state["mode"], state["commands"], state["sectors_erased"]),
                         ("application", 0, 0))


class WithoutAButton(Asking):
    def test_a_program_makes_way_is_replaced_and_not_asked_again(self):
        self.given_a_rule()
        self.plug_running(touch="none")  # by the interface: its serial port does not listen
        self.assertIn("came up", self.ends("entered", "flashed"))
        self.assert_holds_the_image()
        self.assertEqual(self.state()["mode"], "application")
        entered, flashed = self.rig.jobs(place_of(1))
        self.assertEqual((entered["mode"], entered["chip"], entered["verify"]),
                         ("pico-sdk", "rp2040", "none"))
        self.assertEqual((flashed["mode"], flashed["verify"], flashed["application"]),
                         ("rp2040-boot", "readback", "2e8a:000a"))

    def test_on_an_rp2350_as_well(self):
        self.image = images.rp2350_bin(SIZE, seed=1)
        self.given_a_rule(content=images.rp2350_uf2(SIZE, seed=1))
        self.plug_running(content=images.rp2350_bin(SIZE, seed=99), chip="rp2350")
        self.ends("entered", "flashed")
        self.assert_holds_the_image()
        self.assertEqual(self.rig.jobs(place_of(1))[0]["chip"], "rp2350")

    def test_one_that_holds_the_image_is_asked_too_and_not_written(self):
        """Nothing that runs says so."""
        self.given_a_rule()
        self.plug_running(content=self.image)
        self.ends("entered", "identical")
        self.assertEqual(self.state()["sectors_erased"], 0)

    def test_a_program_with_a_serial_of_its_makers_is_asked_once_too(self):
        self.given_a_rule()
        self.plug_running(serial="ACME-7")
        self.ends("entered", "flashed")

    def assert_known_again_where_nobody_waits_for_it(self, **options):
        self.given_a_rule(more='enter_bootloader = true; expect = "none";')
        self.plug_running(**options)
        self.assertIn("is not asked for its boot loader again", self.ends("entered", "flashed", "refused"))
        self.assertEqual(self.state()["mode"], "application")

    def test_where_nobody_waits_for_it_it_is_known_again(self):
        self.assert_known_again_where_nobody_waits_for_it()

    def test_and_so_is_one_with_a_serial_of_its_makers(self):
        self.assert_known_again_where_nobody_waits_for_it(serial="ACME-7")

    def test_one_board_is_meant_by_its_serial_before_and_after(self):
        self.given_a_rule('board = "eddy";',
                          boards=f'boards = ({{ name = "eddy"; chip = "rp2040"; serial = "{EDDY}"; }});')
        before = self.plug_running(2, id=OTHER)
        self.plug_running(1, id=EDDY)
        self.ends("entered", "flashed")
        self.assert_holds_the_image()
        self.assertEqual([job["board"] for job in self.rig.jobs(place_of(1))], ["eddy", "eddy"])
        self.assertEqual(self.rig.jobs(place_of(2)), [])
        self.assert_runs_untouched(before, 2)


class LeavingAlone(Asking):
    def test_a_rule_that_does_not_say_so_does_not_mean_it(self):
        self.given_a_rule(more="")
        before = self.plug_running()
        self.assertIn("enter_bootloader", self.rig.say("explain", place_of(1))[0])
        self.assertEqual(self.rig.jobs(place_of(1)), [])
        self.assert_runs_untouched(before)

    def test_one_that_was_there_before_is_not_asked(self):
        before = self.plug_running()
        self.given_a_rule()
        self.assertEqual(self.rig.explain(place_of(1))["verdict"], "report")
        self.assertEqual(self.rig.jobs(place_of(1)), [])
        self.assert_runs_untouched(before)

    def test_one_that_nobody_would_write_in_its_boot_mode_is_not_brought_there(self):
        self.given_a_rule('vid_pid = "2e8a:000a";')
        before = self.plug_running()
        self.assertIn("rp2040-boot", self.ends("refused"))
        self.assert_runs_untouched(before)

    def test_nor_is_one_whose_serial_does_not_show_there(self):
        self.given_a_rule('board = "acme";', boards='boards = ({ name = "acme"; serial = "ACME-7"; });')
        before = self.plug_running(serial="ACME-7")
        self.ends("refused")
        self.assert_runs_untouched(before)

    def test_one_whose_id_promises_another_chip_runs_again_what_it_ran(self):
        self.given_a_rule()
        before = self.plug_running(content=images.rp2350_bin(SIZE, seed=99), chip="rp2350",
                                   application_product=0x000a)
        self.rig.said.wait("is not called again")
        self.ends("entered", "refused", "refused")
        self.assertEqual(self.bench.flash(1), before)
        self.assertEqual(self.state()["mode"], "application")

    def test_an_image_that_its_rom_would_not_take_is_refused_before_it_is_asked(self):
        self.given_a_rule(content=images.rp2350_uf2(SIZE, seed=1))
        before = self.plug_running()
        self.assertIn("RP2350", self.ends("refused"))
        self.assertEqual(self.rig.jobs(place_of(1))[0]["reason"], "wrong-chip")
        self.assert_runs_untouched(before)
