# SPDX-License-Identifier: MIT
"""Boards in Katapult behind a real kernel: its cdc-acm driver, real udev rules, the sandboxed worker
with a serial port."""
import struct

import images
import names
from vm_story import Story, guest_place

FLASH_START = 0x08000000
APPLICATION = FLASH_START + 0x2000
SIZE = 40 * 1024
IMAGE = "toolboard.elf"

RULES = """
rules = (
  {{ name = "toolboard"; match = {{ mode = "katapult"; }};
    flash = {{ image = "{image}"; declare = {{ chip = "stm32g0b1"; }}; expect = "1d50:614e"; }}; }}
);
"""


def program(address, size, seed):
    """What is started at this address, with bytes all over."""
    code = bytearray((at * 7 + at // 256 + seed) & 0xFF for at in range(size))
    struct.pack_into("<16I", code, 0, 0x20001000, *(address + 0x101 + 4 * n for n in range(15)))
    return bytes(code)


def katapult():
    code = bytearray(program(FLASH_START, 0x1000, 0))
    code[0xF8:0x100] = b"CanBoot!"
    return bytes(code)


class KatapultStory(Story):
    def plug_toolboard(self, port=1, **options):
        """A board that has a Katapult and nothing else."""
        path = f"/tmp/katapult-{port}.bin"
        with open(path, "wb") as file:
            file.write(katapult())
        self.bench.plug(port, kind="stm32", chip="g0b1", button=0, image=path, **options)
        return guest_place(port)


class Katapult(KatapultStory):
    def setUp(self):
        super().setUp()
        self.image = program(APPLICATION, SIZE, 1)
        self.rig.write_firmware(IMAGE, images.elf(self.image, APPLICATION))
        self.rig.write_policy("katapult.conf", RULES.format(image=IMAGE))
        self.rig.start_service()

    def test_a_toolboard_is_flashed_verified_and_comes_back(self):
        end = self.end_of_job(self.plug_toolboard(speed=4))
        self.assertEqual(end[names.FIELD_OUTCOME], "flashed", end["MESSAGE"])
        self.assertIn("came up", end["MESSAGE"])
        flash = self.bench.flash(1)
        self.assertTrue(flash[0x2000:0x2000 + SIZE] == self.image)
        self.assertTrue(flash.startswith(katapult()))
        self.assertEqual(self.bench.state(1)["wedges"], 0)

    def test_unplugged_in_the_middle_and_plugged_again_it_ends_flashed(self):
        place = self.plug_toolboard()
        self.bench.wait_until(1, "sent=40")
        self.bench.unplug_for_all_to_see(1)
        end = self.end_of_job(place)
        self.assertEqual(end[names.FIELD_OUTCOME], "interrupted", end["MESSAGE"])
        since = self.journal.position()
        self.bench.replug(1, button=False)
        end = self.end_of_job(place, since)
        self.assertEqual(end[names.FIELD_OUTCOME], "flashed", end["MESSAGE"])
