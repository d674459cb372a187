# SPDX-License-Identifier: MIT
"""What the stories of boards in DFU start from: firmware as it is built, and boards that hold some of it."""
import subprocess

from images import over
from rig import BUILD, EMULATED, LIMIT, place_of
from story import Story

IMAGES = BUILD / "images"
FLASH_START = 0x08000000

OCTOPUS_SERIAL = "3B0025000C51383438313433"


def built(name):
    return (IMAGES / f"{name}.bin").read_bytes()


def newer(image):
    """Another build of the same, as far as a comparison goes: what follows the vectors and the code
    before the dictionary differs in every block."""
    changed = bytearray(image)
    for at in range(0x400, 0x4000, 64):
        changed[at] ^= 0x01
    return bytes(changed)


def dfu_util(*words, number=0, limit=LIMIT):
    """What it says, and its status. Programs that run at once have to be numbered: umockdev names the
    socket on which a program hears of devices after its file descriptor alone, and those of two
    programs would be one. So many descriptors more are open in this one."""
    more = " ".join(f"{descriptor}<&0" for descriptor in range(3, 3 + number))
    done = subprocess.run(["sh", "-c", f'exec {more}; exec "$@"', "sh", "dfu-util", *map(str, words)],
                          env=EMULATED, timeout=limit, check=False, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout.decode(errors="replace").replace("\r", "\n"), done.returncode


class DfuStory(Story):
    def given_a_policy(self, rules, boards=""):
        self.rig.write_policy(f"boards = ({boards}); rules = ({rules});")
        self.rig.start()

    def given_firmware(self, name, content=None):
        """A file in the firmware directory; returns its bytes."""
        content = built(name) if content is None else content
        self.rig.write_firmware(f"{name}.bin", content)
        return content

    def plug_board(self, place=1, flash=None, **options):
        """An STM32 with this in its flash; returns all that is in there."""
        if flash is not None:
            path = self.rig.root / f"flash-{place}.bin"
            path.write_bytes(flash)
            options["image"] = f"{path}"
        self.rig.plug(place, kind="stm32", **{"speed": 16, **options})
        return self.bench.flash(place)

    def assert_holds(self, image, offset=0, place=1):
        self.assertTrue(self.bench.flash(place)[offset:offset + len(image)] == image,
                        "the flash holds other bytes than the image")

    def assert_untouched(self, before, place=1):
        self.assertTrue(self.bench.flash(place) == before, "the flash has changed")
        state = self.state(place)
        self.assertEqual((state["sectors_erased"], state["blocks_programmed"]), (0, 0))

    def job(self, place=1):
        return self.rig.jobs(place_of(place))[-1]
