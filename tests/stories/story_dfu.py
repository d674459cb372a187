# SPDX-License-Identifier: MIT
"""STM32s in DFU: which chip it is, what may be written, and what becomes of the board."""
from dfu_boards import OCTOPUS_SERIAL, DfuStory, built, newer, over
from rig import place_of

USB_0 = "klipper-stm32f429-usb-0"
USB_32K = "klipper-stm32f429-usb-32k"
G0_USB = "klipper-stm32g0b1-usb-8k"
G0_CAN = "klipper-stm32g0b1-can-8k"
G0_KATAPULT = "katapult-stm32g0b1-can"


def rule(image, more="", match='mode = "dfu";'):
    return f'{{ name = "dfu"; match = {{ {match} }}; flash = {{ image = "{image}.bin"; {more} }}; }}'


class Writing(DfuStory):
    def test_a_board_with_an_old_klipper_is_flashed_and_comes_back(self):
        image = self.given_firmware(USB_0, newer(built(USB_0)))
        self.given_a_policy(rule(USB_0, 'expect = "1d50:614e";'))
        self.plug_board(chip="f429", flash=built(USB_0))
        self.assertIn("came up", self.assert_ends("flashed"))
        self.assert_holds(image)
        job = self.job()
        self.assertEqual((job["outcome"], job["verify"], job["chip"], job["application"]),
                         ("flashed", "readback", "stm32f429", "1d50:614e"))
        self.assertEqual(self.state()["mode"], "application")

    def test_a_board_that_holds_the_image_is_started_and_not_written(self):
        self.given_firmware(USB_0)
        self.given_a_policy(rule(USB_0))
        before = self.plug_board(chip="f429", flash=built(USB_0))
        self.assert_ends("identical")
        self.assert_untouched(before)

    def test_katapult_stays_and_its_application_is_replaced(self):
        image = self.given_firmware(G0_USB, newer(built(G0_USB)))
        self.given_a_policy(rule(G0_USB))
        katapult = built(G0_KATAPULT)
        self.plug_board(chip="g0b1", flash=over((0, katapult), (0x2000, built(G0_USB))))
        self.assert_ends("flashed")
        self.assert_holds(image, 0x2000)
        self.assert_holds(katapult)

    def test_a_toolboard_that_talks_can_goes_silent_and_that_is_enough_for_its_rule(self):
        image = self.given_firmware(G0_CAN)
        self.given_a_policy(rule(G0_CAN, 'expect = { usb = "none"; transport = "can"; };'))
        self.plug_board(chip="g0b1", flash=over((0, built(G0_KATAPULT))), silent=1)
        self.assert_ends("flashed")
        self.assert_holds(image, 0x2000)
        self.assertFalse(self.job()["application"] if "application" in self.job() else "")

    def test_a_board_that_does_not_come_back_is_a_failure(self):
        self.given_firmware(USB_0, newer(built(USB_0)))
        self.rig.write_policy(f"rules = ({rule(USB_0)});")
        self.rig.start_workers()
        self.rig.start_mind(clock_speed=4)
        self.plug_board(chip="f429", flash=built(USB_0), crashes=1)
        line = self.assert_ends("failed")
        self.assertIn("no application", line)

    def test_what_will_be_done_is_told_before_it_is_done(self):
        self.given_firmware(USB_0, newer(built(USB_0)))
        self.given_a_policy(rule(USB_0))
        self.plug_board(chip="f429", flash=built(USB_0))
        self.assert_ends("flashed")
        self.rig.said.wait("0x08000000.*erased and written")

    def test_eight_boards_with_one_serial_and_two_kinds_of_chip(self):
        octopus = self.given_firmware(USB_0, newer(built(USB_0)))
        toolboard = self.given_firmware(G0_USB, newer(built(G0_USB)))
        self.given_a_policy(", ".join((
            '{ name = "toolboards"; match = { mode = "dfu"; chip = "stm32g0b1"; };'
            f'  flash = {{ image = "{G0_USB}.bin"; }}; }}',
            f'{{ name = "octopuses"; match = {{ mode = "dfu"; }}; flash = {{ image = "{USB_0}.bin"; }}; }}')))
        kinds = {place: ("g0b1" if place % 2 else "f429") for place in range(1, 9)}
        flashes = {"f429": built(USB_0), "g0b1": over((0, built(G0_KATAPULT)), (0x2000, built(G0_USB)))}
        for place, chip in kinds.items():
            self.plug_board(place, chip=chip, flash=flashes[chip], boot_serial="206A347F5346")
        for place, chip in kinds.items():
            self.assert_ends("flashed", place)
            if chip == "g0b1":
                self.assert_holds(toolboard, 0x2000, place)
            else:
                self.assert_holds(octopus, 0, place)


class WhichChip(DfuStory):
    def test_a_blank_chip_of_a_family_is_refused_with_the_candidates_named(self):
        self.given_firmware(USB_0)
        self.given_a_policy(rule(USB_0))
        before = self.plug_board(chip="f429")
        line = self.assert_ends("refused")
        self.assertIn("stm32f427", line)
        self.assertIn("stm32f429", line)
        self.assertEqual(self.job()["reason"], "chip-ambiguous")
        self.assert_untouched(before)

    def test_the_policy_may_state_the_chip(self):
        image = self.given_firmware(USB_0)
        self.given_a_policy(rule(USB_0, 'chip = "stm32f429";'))
        self.plug_board(chip="f429")
        self.assert_ends("flashed")
        self.assert_holds(image)

    def test_a_statement_that_the_looks_of_the_chip_exclude_is_refused(self):
        self.given_firmware(USB_0)
        self.given_a_policy(rule(USB_0, 'chip = "stm32f429";'))
        before = self.plug_board(chip="f446")
        line = self.assert_ends("refused")
        self.assertEqual(self.job()["reason"], "identity-contradicted")
        self.assertIn("stm32f446", line)
        self.assert_untouched(before)

    def test_a_statement_that_the_firmware_in_flash_contradicts_is_refused(self):
        self.given_firmware(USB_0)
        self.given_a_policy(rule(USB_0, 'chip = "stm32f427";'))
        before = self.plug_board(chip="f429", flash=built(USB_0))
        self.assert_ends("refused")
        self.assertEqual(self.job()["reason"], "identity-contradicted")
        self.assert_untouched(before)

    def test_an_image_for_another_chip_is_refused(self):
        self.given_firmware(G0_USB)
        self.given_a_policy(rule(G0_USB))
        before = self.plug_board(chip="f429", flash=built(USB_0))
        self.assert_ends("refused")
        self.assertEqual(self.job()["reason"], "wrong-chip")
        self.assert_untouched(before)

    def test_a_board_that_was_seen_as_its_application_a_moment_ago_is_known(self):
        """Its flash is not asked: the old firmware's dictionary is damaged."""
        old = bytearray(built(USB_0))
        old[0x400:0x8000] = bytes(0x7c00)
        image = self.given_firmware(USB_0)
        self.given_a_policy(rule(USB_0, match='board = "octopus";'),
                            f'{{ name = "octopus"; chip = "stm32f429"; serial = "{OCTOPUS_SERIAL}"; application_start = 0x08000000; }}')
        self.plug_board(chip="f429", flash=bytes(old), uid=OCTOPUS_SERIAL, button=0)
        self.bench.ask("await", 1, "present")
        self.bench.ask("fault", 1, "reset", button=1)
        self.assert_ends("flashed")
        self.assert_holds(image)
        self.assertEqual(self.job()["board"], "octopus")


class Refusals(DfuStory):
    def test_an_image_for_behind_a_loader_that_is_not_there(self):
        self.given_firmware(G0_USB)
        self.given_a_policy(rule(G0_USB))
        before = self.plug_board(chip="g0b1")
        self.assert_ends("refused")
        self.assertEqual(self.job()["reason"], "wrong-address")
        self.assert_untouched(before)

    def test_katapult_is_not_overwritten_unless_the_rule_says_so(self):
        name = "klipper-stm32g0b1-usb-0"
        image = self.given_firmware(name)
        self.given_a_policy(rule(name))
        before = self.plug_board(chip="g0b1", flash=over((0, built(G0_KATAPULT))))
        self.assert_ends("refused")
        self.assertEqual(self.job()["reason"], "overlaps-bootloader")
        self.assert_untouched(before)
        self.rig.unplug()
        self.rig.write_policy(f"rules = ({rule(name, 'overwrite_bootloader = true;')});")
        self.rig.reload()
        since = self.rig.said.position()
        self.rig.replug()
        self.assert_ends("flashed", since=since)
        self.assert_holds(image)

    def test_a_read_protected_chip_is_left_alone(self):
        self.given_firmware(USB_0)
        self.given_a_policy(rule(USB_0, 'chip = "stm32f429";'))
        before = self.plug_board(chip="f429", flash=built(USB_0), readout_protected=1)
        self.assert_ends("refused")
        self.assertEqual(self.job()["reason"], "read-protected")
        self.assert_untouched(before)
        self.assertEqual(self.state()["read_unprotects"], 0)

    def test_a_protected_sector_is_found_and_nothing_is_started(self):
        self.given_firmware(USB_0, newer(built(USB_0)))
        self.given_a_policy(rule(USB_0))
        self.plug_board(chip="f429", flash=built(USB_0), write_protected="0x08000000+16K")
        self.assert_ends("failed")
        self.assertEqual(self.job()["reason"], "write-protected")
        self.assertEqual(self.state()["leaves"], 0)

    def test_a_refused_board_that_may_heat_says_so_or_leaves(self):
        self.given_firmware(USB_0)
        self.given_a_policy(rule(USB_0))
        self.plug_board(chip="g0b1", flash=built("klipper-stm32g0b1-usb-0"))
        self.assertIn("heater", self.assert_ends("refused"))
        self.assertEqual(self.state()["mode"], "dfu")
        self.rig.unplug()
        self.rig.write_policy(f"rules = ({rule(USB_0, 'leave_on_refusal = true;')});")
        self.rig.reload()
        since = self.rig.said.position()
        self.rig.replug()
        self.assert_ends("refused", since=since)
        self.bench.ask("await", 1, "mode=application")


class Breaks(DfuStory):
    def test_a_board_that_lost_what_it_was_known_by_is_gone_on_with(self):
        """An F446 looks like half a dozen chips; once its old firmware is erased only our own record
        says which one it is."""
        name = "klipper-stm32f446-bridge-32k"
        image = self.given_firmware(name)
        self.given_a_policy(rule(name, 'application_start = 0x08008000; expect = "any";'))
        katapult = built("katapult-stm32f446-usb")
        self.plug_board(chip="f446", flash=over((0, katapult), (0x8000, newer(image))), speed=4)
        self.bench.ask("await", 1, "blocks=1")
        self.rig.unplug()
        self.assert_ends("interrupted")
        since = self.rig.said.position()
        self.rig.replug()
        self.assert_ends("flashed", since=since)
        self.assert_holds(image, 0x8000)
        self.assert_holds(katapult)

    def test_a_bus_reset_in_the_middle_is_gone_on_with(self):
        image = self.given_firmware(USB_0, newer(built(USB_0)))
        self.given_a_policy(rule(USB_0))
        self.plug_board(chip="f429", flash=built(USB_0), speed=4)
        self.bench.ask("fault", 1, "reenumerate", at="dnload", n=12)
        self.assert_ends("interrupted")
        self.assert_ends("flashed", since=self.position_of("interrupted"))
        self.assert_holds(image)
