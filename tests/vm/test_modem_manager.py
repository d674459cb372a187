# SPDX-License-Identifier: MIT
"""ModemManager is installed and running, and says nothing to a Katapult because of our rules; without
them it does (or this story would prove nothing). It runs with the filter that it had before 1.12 and
that owners of modems still choose: of itself it would leave a port without a network beside it alone."""
import pathlib
import re

import guest
from test_katapult import KatapultStory

RULES = pathlib.Path("/usr/lib/udev/rules.d/59-plugflash.rules")
MASK = pathlib.Path("/etc/udev/rules.d", RULES.name)
MODEM_MANAGER_MASK = pathlib.Path("/etc/systemd/system/ModemManager.service")
DEBUG = "[Service]\nExecStart=\nExecStart=/usr/sbin/ModemManager --debug --filter-policy=LEGACY\n"
# It waits some seconds for more ports of a device, and for answers that do not come.
LIMIT = 240


class ModemManager(KatapultStory):
    def setUp(self):
        super().setUp()
        MODEM_MANAGER_MASK.unlink()
        self.addCleanup(self.put_it_away)
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
        self.hear("ttyACM.*(filtered|ignored)|(filtered|ignored).*ttyACM")
        state = self.bench.state(1)
        self.assertEqual((state["frames"], state["nacks"]), (0, 0), state)

    def test_without_our_rules_it_talks_to_the_boot_loader(self):
        MASK.symlink_to("/dev/null")
        self.addCleanup(guest.run, "udevadm", "control", "--reload")
        self.addCleanup(MASK.unlink)
        guest.run("udevadm", "control", "--reload")
        self.plug_toolboard()
        self.bench.wait_until(1, "nacks=1", limit=LIMIT)
