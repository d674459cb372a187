# SPDX-License-Identifier: MIT
"""ModemManager is installed and running, and says nothing to a Katapult because of our rules; without
them it does (or this story would prove nothing). Since 1.12 it leaves a device with one ttyACM alone by
itself; here a rule of the machine has it try every port, as it did before."""
import pathlib
import re

import guest
from test_katapult import KatapultStory

RULES = pathlib.Path("/usr/lib/udev/rules.d/59-plugflash.rules")
MASK = pathlib.Path("/etc/udev/rules.d", RULES.name)
MODEM_MANAGER_MASK = pathlib.Path("/etc/systemd/system/ModemManager.service")
DEBUG = "[Service]\nExecStart=\nExecStart=/usr/sbin/ModemManager --debug\n"
TRY_ALL = pathlib.Path("/etc/udev/rules.d/50-story-modems.rules")
TRIED = 'SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ENV{ID_MM_DEVICE_PROCESS}="1"\n'
# It waits some seconds for more ports of a device, and for answers that do not come.
LIMIT = 240


class ModemManager(KatapultStory):
    def setUp(self):
        super().setUp()
        MODEM_MANAGER_MASK.unlink()
        self.addCleanup(self.put_it_away)
        TRY_ALL.write_text(TRIED)
        self.addCleanup(TRY_ALL.unlink)
        guest.run("udevadm", "control", "--reload")
        self.rig.drop_in("ModemManager.service", DEBUG)
        guest.run("systemctl", "start", "ModemManager.service")

    @staticmethod
    def put_it_away():
        guest.run("systemctl", "stop", "ModemManager.service")
        MODEM_MANAGER_MASK.symlink_to("/dev/null")
        guest.run("systemctl", "daemon-reload")

    def hear(self, pattern):
        """What it says in the journal, as one of its many words."""
        return self.journal.wait(LIMIT, SYSLOG_IDENTIFIER="ModemManager",
                                 MESSAGE=lambda text: re.search(pattern, text))["MESSAGE"]

    def test_our_rules_keep_it_off_the_port(self):
        self.plug_toolboard()
        self.hear("ttyACM.*filtered.*(block|ignore|forbidden)")
        state = self.bench.state(1)
        self.assertEqual((state["frames"], state["nacks"]), (0, 0), state)

    def test_without_our_rules_it_talks_to_the_boot_loader(self):
        MASK.symlink_to("/dev/null")
        self.addCleanup(guest.run, "udevadm", "control", "--reload")
        self.addCleanup(MASK.unlink)
        guest.run("udevadm", "control", "--reload")
        self.plug_toolboard()
        self.bench.wait_until(1, "nacks=1", limit=LIMIT)
