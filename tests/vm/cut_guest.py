#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Inside a machine whose power is about to be cut, or has been (see cuts.py on the host).

The first time: a board is plugged in and flashed; each change to its chip is on the host before the
next may happen, and is said. The second time: the board is where it was, with what its chip held, and what the service
remembers must lead to a board that holds the image.
"""
import os
import pathlib
import sys

import guest
import images
import names
from vm_story import ALL_RP2040, ENDS, IMAGE, guest_place

CHIP = pathlib.Path("/host/chip.bin")
PLACE = guest_place(1)
POLICY = "limits = {{ attempts = 1000; returns = 1000; }};" + ALL_RP2040


def write(rig, image):
    """Does not come to an end: the power is cut at one of the chip's changes."""
    rig.write_firmware(IMAGE, images.uf2(image))
    os.sync()
    rig.start_service()
    rig.bench.listen(details=True)
    rig.bench.plug(1, random=0, mirror=CHIP)
    changes = 0
    while True:
        print(f"chip: {changes} changes", flush=True)
        while rig.bench.next_word(1).partition(" ")[0] not in ("erase", "program"):
            pass
        changes += 1


def recover(rig, image):
    """0 when all is as it should be."""
    was_touched = int(pathlib.Path("/host/cut-at").read_text()) > 0
    rig.bench.plug_for_all_to_see(1, image=CHIP, button=0)
    boots = rig.bench.state(1)["flash"] != "falls-back"
    print(f"# after the cut the board {'starts its application' if boots else 'falls back'}")
    rig.start_service()
    if boots:
        return verdict(rig, image, "nothing to do")
    told = rig.journal.wait(PLUGFLASH_PLACE=PLACE,
                            MESSAGE_ID=(names.MESSAGE_JOB_RESUMED, names.MESSAGE_BOARD_IGNORED))
    if told["MESSAGE_ID"] == names.MESSAGE_BOARD_IGNORED:
        # Before the first change there may be nothing to go on with; after it, there must be: the
        # intent was on the disk before the first sector was erased.
        if was_touched:
            print("# the board was left alone: its unfinished write is not known")
            return 1
        rig.bench.unplug_for_all_to_see(1)
        rig.bench.replug(1)
    end = rig.journal.wait(PLUGFLASH_PLACE=PLACE,
                           MESSAGE_ID=tuple(set(ENDS) - {names.MESSAGE_JOB_INTERRUPTED}))
    return verdict(rig, image, end["MESSAGE"])


def verdict(rig, image, how):
    is_right = rig.bench.flash(1)[:len(image)] == image
    print(f"# {how}: the chip holds {'the image' if is_right else 'something else'}")
    return 0 if is_right else 1


def main():
    image = pathlib.Path("/host/image.bin").read_bytes()
    is_after_cut = CHIP.exists()
    rig = guest.VirtualMachineRig()
    rig.keeps_state = is_after_cut
    rig.start()
    rig.write_policy("bench.conf", POLICY.format(image=IMAGE))
    status = recover(rig, image) if is_after_cut else write(rig, image)
    rig.stop()
    return status


if __name__ == "__main__":
    sys.exit(main())
