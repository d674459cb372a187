# SPDX-License-Identifier: MIT
"""The package on a system that runs: what was installed runs and is in order, an upgrade waits for
what is being written, and what is removed leaves what people own."""
import os
import pathlib
import shutil
import subprocess

import guest
import images
import names
from vm_story import ALL_RP2040, ENDS, IMAGE, Story, figure

PACKAGE = pathlib.Path("/host/plugflash.deb")
PROGRAM = pathlib.Path("/usr/libexec/plugflash/plugflashd")
POSTINST = "/var/lib/dpkg/info/plugflash.postinst"
NEWER = "9999"
# systemd's word for a unit that is up (SD_MESSAGE_UNIT_STARTED).
UNIT_STARTED = "39f53479d3a045ac8e11786248231fbf"


def dpkg(*words):
    return guest.run("dpkg", *words, env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"))


def installed_version():
    """What is there in full: "" after a removal."""
    return guest.run("dpkg-query", "--show", "--showformat=${db:Status-Abbrev}${Version}", "plugflash",
                     check=False).partition("ii ")[2]


class Package(Story):
    # Writing this takes longer than an upgrade does.
    SIZE, CHIP = 4 << 20, 8 << 20
    LARGE_CHIPS = ALL_RP2040.replace("expect =", f"flash_size = {CHIP}; expect =")

    def setUp(self):
        super().setUp()
        self.version = installed_version()
        self.addCleanup(self.restore)

    # ---- the scene

    @staticmethod
    def install():
        dpkg("--force-downgrade", "--install", str(PACKAGE))

    def restore(self):
        if installed_version() != self.version:
            self.install()

    def make_newer(self):
        """The same programs under a higher version."""
        root, package = pathlib.Path("/tmp/newer"), "/tmp/newer.deb"
        dpkg_deb = ("dpkg-deb", "--root-owner-group", "-Znone")
        guest.run("dpkg-deb", "--raw-extract", str(PACKAGE), str(root))
        self.addCleanup(shutil.rmtree, root)
        control = root / "DEBIAN/control"
        lines = [f"Version: {NEWER}" if line.startswith("Version: ") else line
                 for line in control.read_text().splitlines()]
        control.write_text("\n".join(lines) + "\n")
        guest.run(*dpkg_deb, "--build", str(root), package)
        self.addCleanup(os.unlink, package)
        return package

    # ---- what can be seen

    @staticmethod
    def run_of_the_service():
        """Which of its runs this is: another one after each restart."""
        return guest.run("systemctl", "show", "--value", "--property=MainPID,InvocationID",
                         guest.SERVICE).split()

    def runs_what_is_installed(self):
        running = os.stat(f"/proc/{self.rig.main_pid()}/exe")
        return (running.st_dev, running.st_ino) == (PROGRAM.stat().st_dev, PROGRAM.stat().st_ino)

    def assert_runs_in_order(self):
        """It runs by itself: what is asked over the bus would start it."""
        self.assertNotEqual(self.rig.main_pid(), 0)
        checked = subprocess.run(["plugflash", "check"], text=True, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, check=False)
        self.assertEqual(checked.returncode, 0, checked.stdout)
        self.assertIn("Nothing is wrong.", checked.stdout)
        self.assertNotRegex(checked.stdout, "(?m)^(problem|warning)")

    def assert_flashed_by(self, pid, place, since=0):
        end = self.end_of_job(place, since)
        self.assertEqual(end[names.FIELD_OUTCOME], "flashed", end["MESSAGE"])
        self.assertEqual(end[names.FIELD_VERIFY], "readback", end["MESSAGE"])
        self.assertEqual(end["_PID"], pid, end["MESSAGE"])

    # ---- the stories

    def test_removed_and_installed_again_it_runs_and_is_in_order(self):
        self.given_a_service_that_flashes()
        dpkg("--remove", "plugflash")
        self.assertEqual(self.rig.main_pid(), 0)
        self.assertFalse(PROGRAM.exists())
        for kept in (guest.FIRMWARE / IMAGE, guest.STATE / names.HISTORY_FILE,
                     guest.POLICIES / "bench.conf"):
            self.assertTrue(kept.exists(), kept)
        self.install()
        self.assert_runs_in_order()
        self.assert_flashed_by(str(self.rig.main_pid()), self.plug(1))
        self.assert_holds_the_image(1)

    def test_a_purge_keeps_what_people_put_there(self):
        self.given_a_service_that_flashes()
        dpkg("--purge", "plugflash")
        self.assertFalse((guest.STATE / names.HISTORY_FILE).exists())
        self.assertTrue((guest.FIRMWARE / IMAGE).exists())
        self.assertTrue((guest.POLICIES / "bench.conf").exists())
        self.install()
        self.assert_runs_in_order()

    def test_an_upgrade_waits_for_what_is_being_written(self):
        """The old service ends its job; what comes meanwhile is the new one's, and told."""
        package = self.make_newer()
        self.given_a_service_that_flashes(images.good_bin(self.SIZE), self.LARGE_CHIPS)
        before = self.run_of_the_service()
        place = self.plug(1, flash=self.CHIP)
        self.bench.wait_until(1, "pages=16")
        since = self.journal.position()
        dpkg("--install", package)
        guest.run(POSTINST, "configure", NEWER)  # as once more: the service is on its way out already
        written = self.bench.state(1)["pages_programmed"] * images.PAGE
        figure("still to be written after an upgrade", 100 - written * 100 / self.SIZE, "%")
        late = self.plug(2)
        self.assertEqual(self.run_of_the_service(), before)
        self.assertEqual(self.journal.matching(MESSAGE_ID=ENDS), [], "the write was over too soon")
        self.assertFalse(self.runs_what_is_installed())
        self.assert_flashed_by(before[0], place)
        self.assert_holds_the_image(1)
        self.journal.wait(since=since, MESSAGE_ID=UNIT_STARTED, UNIT=guest.SERVICE)
        self.assert_taken_over(before, late)

    def assert_taken_over(self, before, late):
        after = self.run_of_the_service()
        self.assertNotEqual(after[0], before[0])
        self.assertNotEqual(after[1], before[1])
        self.assertTrue(self.runs_what_is_installed())
        self.assertEqual(installed_version(), NEWER)
        self.assert_runs_in_order()
        left = self.rig.wait_for(names.MESSAGE_BOARD_IGNORED, PLUGFLASH_PLACE=late)
        self.assertEqual(left[names.FIELD_REASON], "present-at-start", left["MESSAGE"])
        self.assertEqual(self.bench.state(2)["sectors_erased"], 0)
        self.bench.unplug_for_all_to_see(2)
        self.rig.write_firmware(IMAGE, images.good_uf2())
        self.assert_flashed_by(after[0], self.plug(3))
