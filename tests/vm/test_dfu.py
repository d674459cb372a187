# SPDX-License-Identifier: MIT
"""STM32s in DFU behind a real kernel: real udev rules, the sandboxed worker, control transfers that
take as long as an erase does."""
import random
import struct

import images
import names
from vm_story import Story, guest_place

FLASH_START = 0x08000000
SIZE = 40 * 1024
IMAGE = "mainboard.elf"

RULES = """
rules = (
  {{ name = "mainboard"; match = {{ mode = "dfu"; }};
    flash = {{ image = "{image}"; chip = "stm32f429"; declare = {{ chip = "stm32f429"; }};
              application_start = 0x08000000; expect = "1d50:614e"; }}; }}
);
"""


def program(seed):
    """What an STM32 would start from the beginning of its flash."""
    vectors = struct.pack("<16I", 0x20010000, *(FLASH_START + 0x101 + 4 * n for n in range(15)))
    return vectors + random.Random(f"program {seed}").randbytes(SIZE - len(vectors))


class Dfu(Story):
    def setUp(self):
        super().setUp()
        self.image = program("new")
        self.rig.write_firmware(IMAGE, images.elf(self.image, FLASH_START))
        self.rig.write_policy("dfu.conf", RULES.format(image=IMAGE))
        self.rig.start_service()

    def plug_mainboard(self, port=1, **options):
        """A board that holds something else all over."""
        self.bench.plug(port, kind="stm32", chip="f429", random=1, **options)
        return guest_place(port)

    def test_a_mainboard_is_flashed_verified_and_comes_back(self):
        end = self.end_of_job(self.plug_mainboard(speed=4))
        self.assertEqual(end[names.FIELD_OUTCOME], "flashed", end["MESSAGE"])
        self.assertIn("came up", end["MESSAGE"])
        self.assert_holds_the_image(1)
        self.assertEqual(self.bench.state(1)["option_writes"], 0)

    def test_unplugged_in_the_middle_and_plugged_again_it_ends_flashed(self):
        place = self.plug_mainboard(speed=1)
        self.bench.wait_until(1, "blocks=4")
        self.bench.unplug_for_all_to_see(1)
        end = self.end_of_job(place)
        self.assertEqual(end[names.FIELD_OUTCOME], "interrupted", end["MESSAGE"])
        since = self.journal.position()
        self.bench.replug(1)
        end = self.end_of_job(place, since)
        self.assertEqual(end[names.FIELD_OUTCOME], "flashed", end["MESSAGE"])
        self.assert_holds_the_image(1)
