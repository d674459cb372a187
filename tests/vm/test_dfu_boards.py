# SPDX-License-Identifier: MIT
"""The emulated DFU boards in front of a real kernel, which enumerates them, resets their ports and
binds its drivers to their applications. Debian's dfu-util writes them; see story_dfu_util.py."""
import pathlib
import random
import struct
import subprocess

import guest
from vm_story import Story

# Chip, what dfu-util has to be told, where the program lies in flash.
BOARDS = (
    ("f446", ("-a", "0", "-s", "0x08008000:leave"), 0x8000),
    ("g0b1", ("-a", "0", "-s", "0x08002000:leave"), 0x2000),
    ("h743", ("-a", "0", "-s", "0x08020000:leave"), 0x20000),
    ("maple", ("-a", "2"), 0x2000),
)


def program(offset):
    head = struct.pack("<2I", 0x20001000, 0x08000000 + offset + 0x101)
    return head + random.Random(offset).randbytes(16 * 1024)


class DfuBoards(Story):
    def test_they_are_flashed_and_come_back_with_a_serial_port(self):
        for place, (chip, words, offset) in enumerate(BOARDS, 1):
            with self.subTest(chip=chip):
                self.bench.plug_for_all_to_see(place, kind="stm32", chip=chip, speed=8, random=1,
                                               application_msec=50)
                image = program(offset)
                said = self.dfu_util(place, words, image)
                self.assertTrue(self.bench.flash(place)[offset:offset + len(image)] == image, said)
                self.assert_has_a_serial_port(place)
                self.bench.unplug_for_all_to_see(place)

    def dfu_util(self, place, words, image):
        path = pathlib.Path("/tmp/firmware.bin")
        path.write_bytes(image)
        name = pathlib.Path(self.bench.state(place)["syspath"]).name
        done = subprocess.run(["dfu-util", "-R", "-p", name, *words, "-D", path], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.stdout.decode(errors="replace").replace("\r", "\n")

    def assert_has_a_serial_port(self, place):
        self.bench.wait_until(place, "mode=application")
        self.bench.wait_until(place, "present")
        guest.run("udevadm", "settle")
        syspath = pathlib.Path(self.bench.state(place)["syspath"])
        self.assertEqual((syspath / "idVendor").read_text().strip(), "1d50")
        self.assertTrue(list(syspath.glob("*:1.0/tty/ttyACM*")), "no driver is bound to it")
