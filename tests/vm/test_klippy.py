# SPDX-License-Identifier: MIT
"""Not into a print, on a machine like a printer's: Klipper's host is a service of a user whose home
nobody sees into, and the drop-ins of units/dropins are installed as their owner would do it."""
import os
import pathlib
import shutil

import guest
import images
import names
import people
from vm_story import Story, guest_place

USER = "pi"
COMMS = pathlib.Path("/home", USER, "printer_data/comms")
FAKE = pathlib.Path(__file__).with_name("fake_klippy.py")
UNITS = pathlib.Path("/etc/systemd/system")
KLIPPER, PRINT = UNITS / "klipper.service", pathlib.Path("/run/print-of-the-story")
DROP_INS = pathlib.Path(names.DROPINS_DIRECTORY)
OF_KLIPPER, OF_OURS = "klipper.service.d/plugflash.conf", "plugflashd.service.d/klippy.conf"

SERVICE = f"""
[Service]
Type=notify
User={USER}
Environment=PYTHONPATH={os.environ.get("PYTHONPATH", "")} PYTHONDONTWRITEBYTECODE=1
EnvironmentFile={PRINT}
ExecStart=/usr/bin/python3 {FAKE} {COMMS}/klippy.sock $STATE
"""
ID = "504450610847861C"
POLICY = f"""
printers = ({{ name = "voron"; socket = "/run/klippy/voron/klippy.sock"; }});
boards = ({{ name = "eddy"; chip = "rp2040"; serial = "{ID}"; printer = "voron"; }});
rules = ({{ name = "eddy"; match = {{ board = "eddy"; }};
          flash = {{ image = "eddy.uf2"; expect = "none"; }}; }});
"""


class Klippy(Story):
    def setUp(self):
        super().setUp()
        people.given_person(USER)
        guest.run("runuser", "-u", USER, "--", "mkdir", "-p", COMMS)
        KLIPPER.write_text(SERVICE)
        self.addCleanup(self.tidy)
        self.image = images.good_bin(16 * 1024)
        self.rig.write_firmware("eddy.uf2", images.uf2(self.image))
        self.rig.write_policy("printer.conf", POLICY)

    @staticmethod
    def tidy():
        guest.run("systemctl", "stop", guest.SERVICE, KLIPPER.name)
        for name in (OF_KLIPPER, OF_OURS):
            (UNITS / name).unlink(missing_ok=True)
        KLIPPER.unlink()
        guest.run("systemctl", "daemon-reload")

    @staticmethod
    def install(*drop_ins):
        for name in drop_ins:
            (UNITS / name).parent.mkdir(exist_ok=True)
            shutil.copy(DROP_INS / name, UNITS / name)
        guest.run("systemctl", "daemon-reload")

    @staticmethod
    def restart_klipper(state):
        """Its socket is made anew."""
        PRINT.write_text(f"STATE={state}\n")
        guest.run("systemctl", "restart", KLIPPER.name)

    def restart_service(self):
        self.rig.stop_service()
        self.rig.start_service()

    def outcome(self):
        """Of the board, plugged in anew."""
        since = self.journal.position()
        self.bench.plug(1, id=ID, speed=4)
        end = self.end_of_job(guest_place(1), since)
        erased = self.bench.state(1)["sectors_erased"]
        self.bench.unplug_for_all_to_see(1)
        return end[names.FIELD_OUTCOME], end.get(names.FIELD_REASON), erased > 0, end["MESSAGE"]

    def assert_refused(self, reason, words):
        outcome, code, is_erased, sentence = self.outcome()
        self.assertEqual((outcome, code, is_erased), ("refused", reason, False), sentence)
        self.assertIn(words, sentence)

    def test_refused_while_it_prints_and_flashed_by_the_word_of_the_klipper_that_follows(self):
        self.install(OF_KLIPPER, OF_OURS)
        self.restart_klipper("printing")
        self.rig.start_service()
        self.assert_only_the_directory_is_seen()
        self.assert_refused("printing", 'printer "voron" prints "benchy.gcode"')
        self.restart_klipper("standby")
        outcome, _, is_erased, sentence = self.outcome()
        self.assertEqual((outcome, is_erased), ("flashed", True), sentence)

    def assert_only_the_directory_is_seen(self):
        shown = guest.run("systemctl", "show", "--property=ProtectHome,PrivateUsers", guest.SERVICE)
        self.assertEqual(sorted(shown.split()), ["PrivateUsers=yes", "ProtectHome=yes"])
        root = pathlib.Path(f"/proc/{self.rig.main_pid()}/root")
        self.assertTrue((root / "run/klippy/voron/klippy.sock").is_socket())
        self.assertEqual(list((root / "home").iterdir()), [])

    def test_without_either_drop_in_it_may_be_printing(self):
        self.restart_klipper("standby")
        self.rig.start_service()
        self.assert_refused("print-unknown", "klippy.sock is not there")
        self.install(OF_OURS)
        self.restart_service()
        self.assert_refused("print-unknown", "lets nobody in")
