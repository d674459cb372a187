# SPDX-License-Identifier: MIT
"""The sandboxes hold: a probe is started as a part of each service, with exactly its settings, and
reports what it can reach."""
import json
import pathlib
import shutil

import guest
import names
from vm_story import Story

# Beside the programs, because the services may execute nothing that lies elsewhere.
PYTHON = pathlib.Path("/usr/libexec/plugflash/python3")
PROBE = pathlib.Path("/usr/libexec/plugflash/probe.py")

DROP_IN = f"""
[Service]
ExecStartPost={PYTHON} -I -S {PROBE}
"""


class Sandbox(Story):
    def setUp(self):
        super().setUp()
        shutil.copy("/usr/bin/python3", PYTHON)
        shutil.copy(pathlib.Path(__file__).with_name("probe.py"), PROBE)
        self.addCleanup(PYTHON.unlink)
        self.addCleanup(PROBE.unlink)
        pathlib.Path("/home/somebody").mkdir(exist_ok=True)
        pathlib.Path("/home/somebody/secret").write_text("nobody's business")

    def findings(self):
        """What the probe reported: a path or a deed, and how it went."""
        entry = self.journal.wait(MESSAGE=lambda text: text.startswith("PROBE "))
        return json.loads(entry["MESSAGE"].removeprefix("PROBE "))

    def test_the_mind_can_open_no_device(self):
        self.bench.plug_for_all_to_see(1)
        self.rig.drop_in(guest.SERVICE, DROP_IN)
        self.rig.start_service()
        found = self.findings()
        self.assertEqual(found["usb nodes"], [])
        self.assertEqual(found["devices opened"], [])
        self.assertNotEqual(found["make a USB node"], "ok")
        self.assertEqual(found["write the state directory"], "ok")
        self.assertNotEqual(found["write the firmware"], "ok")
        self.assert_sees_no_home(found)

    def test_the_hands_have_usb_with_its_serial_ports_and_nothing_else(self):
        self.rig.drop_in("plugflash-worker@.service", DROP_IN)
        self.given_a_service_that_flashes()
        self.plug(1)
        found = self.findings()
        self.assertNotEqual(found["usb nodes"], [])
        self.assertTrue(all(path.startswith(("/dev/bus/usb/", "/dev/ttyACM"))
                            for path in found["devices opened"]),
                        found["devices opened"])
        for deed in ("write the state directory", "read the state directory", "read the policies",
                     "write the firmware", "call the bus", "ask for a worker", "open a socket",
                     "write /tmp"):
            self.assertNotEqual(found[deed], "ok", deed)
        self.assert_sees_no_home(found)

    def assert_sees_no_home(self, found):
        self.assertNotEqual(found["read a home"], "ok")
        self.assertNotEqual(found["read root's home"], "ok")

    def test_the_running_mind_has_no_usb_bus(self):
        """The same, seen from outside: /dev as the running process has it."""
        self.rig.start_service()
        devices = pathlib.Path(f"/proc/{self.rig.main_pid()}/root/dev")
        self.assertIn("null", [node.name for node in devices.iterdir()])
        self.assertFalse((devices / "bus").exists())

    def test_only_the_hands_group_may_open_a_board(self):
        self.bench.plug_for_all_to_see(1)
        board = [device.parent for device in pathlib.Path("/sys/bus/usb/devices").glob("*/idVendor")
                 if device.read_text().strip() == "2e8a"]
        node = pathlib.Path("/dev", _property(board[0] / "uevent", "DEVNAME"))
        self.assertEqual(node.group(), names.USB_GROUP)
        self.assertEqual(node.stat().st_mode & 0o777, 0o660)


def _property(uevent, name):
    return dict(line.split("=", 1) for line in uevent.read_text().splitlines())[name]
