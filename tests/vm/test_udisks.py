# SPDX-License-Identifier: MIT
"""udisks2 is installed and running, and keeps its hands off a board's volume because of our rules;
without them it does not (or this story would prove nothing)."""
import json
import pathlib
import re
import subprocess

import guest
from vm_story import Story

RULES = pathlib.Path("/usr/lib/udev/rules.d/59-plugflash.rules")
MASK = pathlib.Path("/etc/udev/rules.d", RULES.name)
UDISKS_MASK = pathlib.Path("/etc/systemd/system/udisks2.service")


class Udisks(Story):
    def setUp(self):
        super().setUp()
        UDISKS_MASK.unlink()
        self.addCleanup(self.put_udisks_away)
        guest.run("systemctl", "daemon-reload")
        guest.run("systemctl", "start", "udisks2.service")

    @staticmethod
    def put_udisks_away():
        guest.run("systemctl", "stop", "udisks2.service")
        UDISKS_MASK.symlink_to("/dev/null")
        guest.run("systemctl", "daemon-reload")

    def volumes_of_a_plugged_board(self):
        """What udisks shows of the disk and the partition of a board, once it has seen them."""
        watcher = subprocess.Popen(["udisksctl", "monitor"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(watcher.stdout.close)
        self.addCleanup(watcher.wait)
        self.addCleanup(watcher.kill)
        self.assertIn("Monitoring", watcher.stdout.readline())
        self.bench.plug(1)
        while not re.search(r"Added .*/block_devices/sd[a-z]1$", watcher.stdout.readline()):
            pass
        return {name: block for name, block in udisks_blocks().items() if name.startswith("sd")}

    def test_our_rules_keep_udisks_off_the_volume(self):
        volumes = self.volumes_of_a_plugged_board()
        self.assertEqual(len(volumes), 2, volumes)
        for name, block in volumes.items():
            with self.subTest(name):
                self.assertTrue(block["HintIgnore"])
                self.assertFalse(block["HintAuto"])
                self.assertEqual(block["IdLabel"], "")
        self.assertNotIn("/dev/sd", pathlib.Path("/proc/mounts").read_text())

    def test_without_our_rules_udisks_offers_it(self):
        MASK.symlink_to("/dev/null")
        self.addCleanup(guest.run, "udevadm", "control", "--reload")
        self.addCleanup(MASK.unlink)
        guest.run("udevadm", "control", "--reload")
        volumes = self.volumes_of_a_plugged_board()
        self.assertTrue(any(block["IdLabel"] == "RPI-RP2" and not block["HintIgnore"]
                            for block in volumes.values()), volumes)


def udisks_blocks():
    """Name of the device → properties of its block object, as udisks tells them on the bus."""
    answer = json.loads(guest.run(
        "busctl", "--json=short", "call", "org.freedesktop.UDisks2", "/org/freedesktop/UDisks2",
        "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"))
    blocks = {}
    for path, interfaces in answer["data"][0].items():
        block = interfaces.get("org.freedesktop.UDisks2.Block")
        if block:
            blocks[path.rsplit("/", 1)[1]] = {name: value["data"] for name, value in block.items()}
    return blocks
