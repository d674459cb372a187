# SPDX-License-Identifier: MIT
"""A toolboard that is heard of no more on its CAN bus, on its USB cable: known by its uuid, in whatever
it comes up as, and told to go back."""
from dfu_boards import built, over
from rig import place_of
from story_katapult import G0_CAN, G0_KATAPULT, G0_OLD, KatapultStory

SERIAL, UUID = "3D0052001450425539383920", "154aab036e6a"
OTHER = "0123456789ABCDEF01234567"

BOARD = f'{{ name = "toolhead"; chip = "stm32g0b1"; can_uuid = "{UUID}"; application_start = 0x08002000; }}'
RULE = (f'{{ name = "toolhead"; match = {{ board = "toolhead"; }};'
        f'  flash = {{ image = "{G0_CAN}.bin"; enter_bootloader = true;'
        '            expect = { transport = "can"; can_bitrate = 1000000; can_pins = "PB0,PB1"; }; }; }')


class Rescue(KatapultStory):
    def setUp(self):
        super().setUp()
        self.image = self.given_firmware(G0_CAN)
        self.given_a_policy(RULE, BOARD)

    def assert_told_to_go_back(self, line):
        self.assertIn("put its CAN cable back", line)
        self.assertIn(f"canbus_uuid {UUID}", line)

    def test_in_katapult_it_is_flashed_and_told_where_it_is_heard_of_next(self):
        self.plug_toolboard(uid=SERIAL, silent=1)
        self.assert_told_to_go_back(self.assert_ends("flashed"))
        self.assert_holds(self.image, 0x2000)
        self.assertEqual(self.job()["board"], "toolhead")
        toolhead, = self.rig.ask("boards")["boards"]
        self.assertIn(UUID, [tie["value"] for tie in toolhead["ties"]])

    def test_with_a_klipper_that_talks_usb_it_makes_way_first(self):
        self.plug_toolboard(built(G0_OLD), uid=SERIAL)
        self.assertIn("entered", self.assert_ends("entered"))
        since = self.position_of("job 1 entered")
        self.assert_told_to_go_back(self.assert_ends("flashed", since=since))
        self.assert_holds(self.image, 0x2000)

    def test_in_dfu_it_is_known_once_it_has_been_met(self):
        """Its serial in DFU is made of the id that Katapult showed at the same place."""
        self.plug_toolboard(uid=SERIAL, silent=1)
        self.assert_ends("flashed")
        self.bench.ask("unplug", 1)
        since = self.position_of("job 1 flashed")
        self.bench.ask("replug", 1, button=1)
        self.assertIn("held this image already", self.assert_ends("identical", since=since))
        self.assertEqual((self.job()["mode"], self.job()["board"]), ("dfu", "toolhead"))

    def test_in_dfu_a_board_that_was_never_met_is_not_guessed_at(self):
        before = self.plug_board(flash=over((0, built(G0_KATAPULT))), chip="g0b1", uid=SERIAL)
        self.assert_ends("refused")
        self.assertEqual(self.job()["reason"], "identity-unknown")
        self.assert_untouched(before)

    def test_another_toolboard_is_not_it(self):
        before = self.plug_toolboard(uid=OTHER)
        self.rig.said.wait(f"{place_of(1)}: board in Katapult .*no rule covers it")
        self.assert_untouched(before)
