# SPDX-License-Identifier: MIT
"""Boards with a Katapult that run the Klippers which tests/images builds."""
import pathlib

import guest
import images
from vm_story import ENDS, Story, guest_place

IMAGES = pathlib.Path(__file__).resolve().parents[2] / "images"

SERIAL = "37002C000551323532363237"

# What is plugged in, what it holds in front and where the rest goes, the rest in two versions.
G0 = {"options": {"kind": "stm32", "chip": "g0b1", "uid": SERIAL},
      "katapult": "katapult-stm32g0b1-can", "offset": 0x2000,
      "old": "klipper-stm32g0b1-usb-8k-old", "new": "klipper-stm32g0b1-usb-8k"}
RP2040 = {"options": {"klipper": 1, "touch": "klipper"},
          "katapult": "katapult-rp2040-usb", "offset": 0x4000,
          "old": "klipper-rp2040-usb-16k-old", "new": "klipper-rp2040-usb-16k"}


def built(name):
    return (IMAGES / f"{name}.bin").read_bytes()


class ResidentStory(Story):
    def plug_klipper(self, kind=None, version="old", port=1):
        """Returns when it runs and udev has done with it."""
        kind = kind or G0
        path = pathlib.Path(f"/tmp/resident-{port}.bin")
        path.write_bytes(images.over((0, built(kind["katapult"])), (kind["offset"], built(kind[version]))))
        self.bench.plug(port, image=path, button=0, speed=8, **kind["options"])
        self.bench.wait_until(port, "mode=application")
        self.bench.wait_until(port, "present")
        guest.run("udevadm", "settle")
        return guest_place(port)

    def node(self, port=1):
        syspath = pathlib.Path(self.bench.state(port)["syspath"])
        return f"/dev/{next(syspath.glob('*:1.0/tty/*')).name}"

    def ends(self, place, count):
        """So many jobs, one after the other on this place."""
        return [self.journal.wait(count=nth, MESSAGE_ID=ENDS, PLUGFLASH_PLACE=place)
                for nth in range(1, count + 1)]
