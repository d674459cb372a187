# SPDX-License-Identifier: MIT
"""Boards in Katapult on a serial port of their own: looked at, kept, written, started."""
from dfu_boards import DfuStory, built, newer, over

G0_USB = "klipper-stm32g0b1-usb-8k"
G0_CAN = "klipper-stm32g0b1-can-8k"
G0_KATAPULT = "katapult-stm32g0b1-can"
SERIAL = "37002C000551323532363237"
WHOLE = 'expect = "1d50:614e";'


def rule(image, more="", match='mode = "katapult";'):
    return f'{{ name = "toolboard"; match = {{ {match} }}; flash = {{ image = "{image}.bin"; {more} }}; }}'


class KatapultStory(DfuStory):
    def plug_toolboard(self, application=None, place=1, **options):
        """It starts its application, if it has one, and stays in Katapult if not."""
        pieces = [(0, built(G0_KATAPULT))] + ([(0x2000, application)] if application else [])
        return self.plug_board(place, flash=over(*pieces),
                               **{"chip": "g0b1", "uid": SERIAL, "button": 0, **options})

    def press_reset_twice(self, place=1):
        """As quickly as a person does it, and no quicker: less than 10 ms are one press."""
        self.bench.ask("await", place, "mode=application", limit=10000)
        self.bench.ask("reset", place)
        with self.assertRaises(RuntimeError):
            self.bench.ask("await", place, "mode=application", limit=50)
        self.bench.ask("reset", place)
        self.bench.ask("await", place, "mode=katapult", limit=10000)

    def backups(self):
        return sorted((self.rig.state / "backups").glob("*.bin"))


class Writing(KatapultStory):
    def test_a_blank_board_is_flashed_and_comes_back_as_klipper(self):
        image = self.given_firmware(G0_USB)
        self.given_a_policy(rule(G0_USB, WHOLE))
        self.plug_toolboard()
        self.assertIn("came up", self.assert_ends("flashed"))
        self.assert_holds(image, 0x2000)
        self.assert_holds(built(G0_KATAPULT))
        job = self.job()
        self.assertEqual((job["mode"], job["chip"], job["verify"], job["application"]),
                         ("katapult", "stm32g0b1", "readback", "1d50:614e"))
        self.assertEqual(self.backups(), [])

    def test_what_was_on_it_is_kept_before_it_is_overwritten(self):
        self.given_firmware(G0_USB, newer(built(G0_USB)))
        self.given_a_policy(rule(G0_USB, WHOLE))
        self.plug_toolboard(built(G0_USB))
        self.press_reset_twice()
        self.assert_ends("flashed")
        kept, = self.backups()
        self.assertEqual(kept.read_bytes().rstrip(b"\xff"), built(G0_USB).rstrip(b"\xff"))
        self.assertRegex(kept.name, rf"^{SERIAL}_\d{{8}}T\d{{6}}Z_0x08002000_[0-9a-f]{{8}}\.bin$")
        self.rig.said.wait("keeps what the board held before")

    def test_the_same_image_is_not_written_again(self):
        self.given_firmware(G0_USB)
        self.given_a_policy(rule(G0_USB, WHOLE))
        before = self.plug_toolboard(built(G0_USB))
        self.press_reset_twice()
        self.assertIn("came up", self.assert_ends("identical"))
        self.assert_untouched(before)

    def test_an_image_for_another_offset_is_refused_and_the_board_stays(self):
        self.given_firmware("klipper-stm32g0b1-usb-0")
        self.given_a_policy(rule("klipper-stm32g0b1-usb-0"))
        before = self.plug_toolboard()
        self.assertIn("0x08002000", self.assert_ends("refused"))
        self.assertEqual(self.job()["reason"], "overlaps-bootloader")
        self.assert_untouched(before)

