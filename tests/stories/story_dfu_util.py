# SPDX-License-Identifier: MIT
"""Debian's dfu-util on the emulated DFU boards: they serve a host that they were not made for.

What counts is what the flash holds afterwards: dfu-util's exit status says nothing either way.
"""
import concurrent.futures
import random
import struct
import unittest

from dfu_boards import dfu_util
from rig import Rig

STACK_TOP = 0x20001000  # in the memory of every STM32
ROM = "0483:df11"

AT_ONCE = 4

# Chip, flash, where a program may start behind a first-stage loader.
DFUSE_BOARDS = (
    ("f429", "1M", 0x08008000),
    ("f429", "2M", 0x08008000),
    ("f446", "512K", 0x08008000),
    ("f407", "1M", 0x08008000),
    ("f072", "128K", 0x08002000),
    ("g0b1", "128K", 0x08002000),
    ("g0b1", "256K", 0x08002000),
    ("g0b1", "512K", 0x08002000),
    ("h723", "1M", 0x08020000),
    ("h743", "2M", 0x08020000),
)

# Chip, its id, the alternate setting that writes flash, where that begins, where the memory is.
PLAIN_BOARDS = (
    ("smoothie", "1d50:6015", 0, 0x00004000, 0x10001000),
    ("maple", "1eaf:0003", 2, 0x08002000, STACK_TOP),
)


def program(address, seed, size=24 * 1024 + 40, stack=STACK_TOP):
    """Would start at this address; its end is no whole number of anything."""
    vectors = struct.pack("<16I", stack, *(address + 0x101 + 4 * n for n in range(15)))
    return vectors + random.Random(f"program {seed}").randbytes(size - len(vectors))


class DfuUtil(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.rig = Rig()
        self.addCleanup(self.rig.stop)
        self.bench = self.rig.bench

    # ---- the scene

    def plug(self, place=1, **options):
        """A board whose flash is full of noise: what is not erased cannot be written."""
        self.rig.plug(place, kind="stm32", random=1, **{"speed": 32, **options})
        self.bench.ask("await", place, "present")
        return self.bench.flash(place)

    def file(self, content):
        path = self.rig.root / f"{random.randbytes(4).hex()}.bin"
        path.write_bytes(content)
        return path

    # ---- what happens

    def flash(self, place, address, image, number=0):
        return dfu_util("-R", "-p", f"1-{place}", "-a", 0, "-s", f"{address:#x}:leave",
                             "-D", self.file(image), number=number)

    # ---- what is expected

    def assert_holds(self, place, offset, image, before, said):
        """The image, and in front of it what was there before."""
        after = self.bench.flash(place)
        self.assertTrue(after[offset:offset + len(image)] == image, f"other bytes in flash:\n{said}")
        self.assertTrue(after[:offset] == before[:offset], f"changed in front of the image:\n{said}")

    def assert_runs(self, place=1):
        self.bench.ask("await", place, "mode=application")
        self.bench.ask("await", place, "present")


class Flashing(DfuUtil):
    def test_every_board_with_a_rom_of_st(self):
        boards = dict(enumerate(DFUSE_BOARDS, 1))
        before = {place: self.plug(place, chip=chip, flash=flash)
                  for place, (chip, flash, _) in boards.items()}
        images = {place: program(address, place) for place, (_, _, address) in boards.items()}
        said = {}

        def work(number):
            for place in list(boards)[number::AT_ONCE]:
                said[place], _ = self.flash(place, boards[place][2], images[place], number)

        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(work, range(AT_ONCE)))
        for place, (chip, flash, address) in boards.items():
            with self.subTest(chip=chip, flash=flash):
                self.assert_holds(place, address - 0x08000000, images[place], before[place], said[place])
                self.assert_runs(place)

    def test_boards_with_a_plain_dfu_loader(self):
        for seed, (chip, usb_id, alternate, address, stack) in enumerate(PLAIN_BOARDS):
            with self.subTest(chip=chip):
                before = self.plug(chip=chip)
                image = program(address, seed, stack=stack)
                said, _ = dfu_util("-R", "-d", usb_id, "-a", alternate, "-D", self.file(image))
                self.assert_holds(1, address & 0x7FFFFFF, image, before, said)
                self.assert_runs()
            self.rig.unplug()

    def test_a_program_that_flash_begins_with(self):
        before = self.plug(chip="g0b1", flash="128K")
        image = program(0x08000000, seed=1)
        said, _ = self.flash(1, 0x08000000, image)
        self.assert_holds(1, 0, image, before, said)
        self.assert_runs()

    def test_a_board_that_is_busy_for_long_keeps_no_other_waiting(self):
        """Nor do several programs at once get in each other's way."""
        boards = {1: ("f429", 0x08008000, 1), 2: ("g0b1", 0x08002000, 32),
                  "15.1": ("h743", 0x08020000, 2), "15.4": ("f072", 0x08002000, 32)}
        before = {place: self.plug(place, chip=chip, speed=speed)
                  for place, (chip, _, speed) in boards.items()}
        images = {place: program(address, place) for place, (_, address, _) in boards.items()}
        with concurrent.futures.ThreadPoolExecutor(len(boards)) as pool:
            said = {place: pool.submit(self.flash, place, address, images[place], number)
                    for number, (place, (_, address, _)) in enumerate(boards.items())}
            said[2].result()
            self.assertFalse(said[1].done(), "the fast board has waited for the slow one")
        for place, (_, address, _) in boards.items():
            self.assert_holds(place, address - 0x08000000, images[place], before[place],
                              said[place].result()[0])
            self.assert_runs(place)


class Looking(DfuUtil):
    def test_a_listing_shows_every_alternate_setting_as_the_rom_names_it(self):
        self.plug(1, chip="f446")
        self.plug("15.3", chip="g0b1", flash="512K")
        said, _ = dfu_util("--list")
        for path, alternate, name in (
                ("1-1", 0, "@Internal Flash  /0x08000000/04*016Kg,01*064Kg,03*128Kg"),
                ("1-1", 1, "@Option Bytes  /0x1FFFC000/01*016 e"),
                ("1-1", 2, "@OTP Memory /0x1FFF7800/01*512 e,01*016 e"),
                ("1-1", 3, "@Device Feature/0xFFFF0000/01*004 e"),
                ("1-15.3", 0, "@Internal Flash   /0x08000000/256*02Kg"),
                ("1-15.3", 2, "@Internal Flash   /0x08000000/256*02Kg")):
            self.assertIn(f'path="{path}", alt={alternate}, name="{name}"', said)

    def test_one_of_several_boards_has_to_be_named(self):
        before = {place: self.plug(place, chip="f446", boot_serial=f"BOARD{place}")
                  for place in (1, 2)}
        image = program(0x08008000, seed=1)
        said, status = dfu_util("-d", ROM, "-a", 0, "-s", "0x08008000", "-D", self.file(image))
        self.assertIn("More than one DFU capable USB device found", said)
        self.assertNotEqual(status, 0)
        self.assertEqual([self.bench.flash(place) for place in (1, 2)], [before[1], before[2]])
        said, _ = dfu_util("-S", "BOARD2", "-a", 0, "-s", "0x08008000", "-D", self.file(image))
        self.assert_holds(2, 0x8000, image, before[2], said)
        self.assertEqual(self.bench.flash(1), before[1])

    def test_what_is_read_is_what_the_flash_holds(self):
        before = self.plug(chip="f072")
        path = self.rig.root / "read.bin"
        dfu_util("-a", 0, "-s", f"0x08000000:{len(before)}", "-U", path)
        self.assertEqual(path.read_bytes(), before)

    def test_a_board_that_somebody_holds_is_refused_to_others(self):
        before = self.plug(chip="f429", speed=4)
        image = program(0x08008000, seed=1)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            holder = pool.submit(self.flash, 1, 0x08008000, image)
            self.bench.ask("await", 1, "sectors=1")
            said, status = self.flash(1, 0x08008000, program(0x08008000, seed=2), number=1)
            self.assertIn("Cannot claim interface", said)
            self.assertNotEqual(status, 0)
        self.assert_holds(1, 0x8000, image, before, holder.result()[0])
