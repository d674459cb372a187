# SPDX-License-Identifier: MIT
"""What every story of the virtual machine starts from."""
import contextlib
import os
import unittest

import guest
import images
import names

# A run of everything takes a sample of what a release is tried with.
IS_FULL = os.environ.get("PLUGFLASH_CAMPAIGN") == "full"

IMAGE = "widget.uf2"

ALL_RP2040 = """
rules = (
  {{ name = "bench";
    match = {{ mode = "rp2040-boot"; }};
    flash = {{ image = "{image}"; expect = "none"; }}; }}
);
"""

ENDS = (names.MESSAGE_JOB_FLASHED, names.MESSAGE_JOB_IDENTICAL, names.MESSAGE_JOB_REFUSED,
        names.MESSAGE_JOB_FAILED, names.MESSAGE_JOB_INTERRUPTED, names.MESSAGE_JOB_ENTERED)


def figure(name, value, unit):
    """A measurement, for the reader and for whoever collects them."""
    print(f"# FIGURE {name} {value:.4g} {unit}", flush=True)


class Story(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.rig = guest.VirtualMachineRig()
        self.addCleanup(self.rig.stop)
        self.rig.start()
        self.bench = self.rig.bench
        self.journal = self.rig.journal

    # ---- the scene

    def given_a_service_that_flashes(self, image=None, policy=ALL_RP2040):
        """The service runs, and every RP2040 that is plugged in from now on is to be flashed."""
        self.image = image or images.good_bin(64 * 1024)
        self.rig.write_firmware(IMAGE, images.uf2(self.image, leave_out_blank=True))
        self.rig.write_policy("bench.conf", policy.format(image=IMAGE))
        self.rig.start_service()

    def plug(self, place=1, **options):
        """Plugs a board in; returns its place as udev and the journal call it."""
        self.bench.plug(place, **options)
        return guest_place(place)

    # ---- what is expected

    def end_of_job(self, place, since=0, limit=guest.LIMIT):
        return self.journal.wait(limit, since=since, MESSAGE_ID=ENDS, PLUGFLASH_PLACE=place)

    def assert_holds_the_image(self, place):
        self.assertEqual(self.bench.flash(place)[:len(self.image)], self.image)

    def would_start(self, place):
        """Whether the board would leave boot mode by itself at its next reset."""
        return self.bench.state(place)["flash"] != "falls-back"

    def assert_verified_or_in_boot_mode(self, place):
        """No board is ever left with an application in it that nobody has verified."""
        if self.would_start(place):
            self.assert_holds_the_image(place)


def guest_place(port):
    """udev's ID_PATH for a port of the virtual hub."""
    return f"platform-vhci_hcd.0-usb-0:{port}"


@contextlib.contextmanager
def closing(thing):
    try:
        yield thing
    finally:
        thing.close()
