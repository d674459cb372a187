# SPDX-License-Identifier: MIT
"""Boards in Katapult on a serial port of their own: looked at, kept, written, started."""
import fcntl
import json
import os
import signal
import subprocess
import zlib

from dfu_boards import DfuStory, built, newer, over
from klippy import Klippy
from rig import BUILD, EMULATED, LIMIT, place_of

G0_USB = "klipper-stm32g0b1-usb-8k"
G0_OLD = "klipper-stm32g0b1-usb-8k-old"
G0_OLD_0 = "klipper-stm32g0b1-usb-0-old"
G0_CAN = "klipper-stm32g0b1-can-8k"
G0_KATAPULT = "katapult-stm32g0b1-can"
SERIAL = "37002C000551323532363237"
TESTBED = os.environ.get("UMOCKDEV_DIR", "")
WHOLE = 'expect = "1d50:614e";'


def rule(image, more="", match='mode = "katapult";'):
    return f'{{ name = "toolboard"; match = {{ {match} }}; flash = {{ image = "{image}.bin"; {more} }}; }}'


def packed_dictionary(image):
    """As it lies in a firmware."""
    at = image.index(b"\x78\xda")
    while True:
        try:
            stream = zlib.decompressobj()
            if stream.decompress(image[at:]).startswith(b"{") and stream.eof:
                return image[at:len(image) - len(stream.unused_data)]
        except zlib.error:
            pass
        at = image.index(b"\x78\xda", at + 1)


class KatapultStory(DfuStory):
    def plug_toolboard(self, application=None, place=1, **options):
        """It starts its application, if it has one, and stays in Katapult if not."""
        pieces = [(0, built(G0_KATAPULT))] + ([(0x2000, application)] if application else [])
        return self.plug_board(place, flash=over(*pieces),
                               **{"chip": "g0b1", "uid": SERIAL, "button": 0, **options})

    def node(self, place=1):
        device = self.bench.ask("await", place, "present", limit=10000)["syspath"]
        name, = os.listdir(f"{TESTBED}{device}/{os.path.basename(device)}:1.0/tty")
        return f"/dev/{name}"

    def press_reset_twice(self, place=1):
        """As quickly as a person does it, and no quicker: less than 10 ms are one press."""
        self.bench.ask("await", place, "mode=application", limit=10000)
        self.bench.ask("reset", place)
        with self.assertRaises(RuntimeError):
            self.bench.ask("await", place, "mode=application", limit=50)
        self.bench.ask("reset", place)
        self.bench.ask("await", place, "mode=katapult", limit=10000)

    def backups(self):
        return sorted((self.rig.state / "backups").glob("*.bin"))


class Writing(KatapultStory):
    def test_a_blank_board_is_flashed_and_comes_back_as_klipper(self):
        image = self.given_firmware(G0_USB)
        self.given_a_policy(rule(G0_USB, WHOLE))
        self.plug_toolboard()
        self.assertIn("came up", self.assert_ends("flashed"))
        self.assert_holds(image, 0x2000)
        self.assert_holds(built(G0_KATAPULT))
        job = self.job()
        self.assertEqual((job["mode"], job["chip"], job["verify"], job["application"]),
                         ("katapult", "stm32g0b1", "readback", "1d50:614e"))
        self.assertEqual(self.backups(), [])

    def test_what_was_on_it_is_kept_before_it_is_overwritten(self):
        self.given_firmware(G0_USB, newer(built(G0_USB)))
        self.given_a_policy(rule(G0_USB, WHOLE))
        self.plug_toolboard(built(G0_USB))
        self.press_reset_twice()
        self.assert_ends("flashed")
        kept, = self.backups()
        self.assertEqual(kept.read_bytes().rstrip(b"\xff"), built(G0_USB).rstrip(b"\xff"))
        self.assertRegex(kept.name, rf"^{SERIAL}_\d{{8}}T\d{{6}}Z_0x08002000_[0-9a-f]{{16}}\.bin$")
        self.rig.said.wait("keeps what the board held before")

    def test_the_same_image_is_not_written_again(self):
        self.given_firmware(G0_USB)
        self.given_a_policy(rule(G0_USB, WHOLE))
        before = self.plug_toolboard(built(G0_USB))
        self.press_reset_twice()
        self.assertIn("came up", self.assert_ends("identical"))
        self.assert_untouched(before)

    def test_an_image_for_another_offset_is_refused_and_the_board_stays(self):
        self.given_firmware("klipper-stm32g0b1-usb-0")
        self.given_a_policy(rule("klipper-stm32g0b1-usb-0"))
        before = self.plug_toolboard()
        self.assertIn("0x08002000", self.assert_ends("refused"))
        self.assertEqual(self.job()["reason"], "overlaps-bootloader")
        self.assert_untouched(before)


def enter(image, more="", match='vid_pid = "1d50:614e";'):
    """Whatever boot loader comes up gets the image, too."""
    return ", ".join((
        f'{{ name = "running"; match = {{ {match} }};'
        f'  flash = {{ image = "{image}.bin"; enter_bootloader = true; {more} }}; }}',
        rule(image, WHOLE)))


class Entering(KatapultStory):
    """A board that runs Klipper is flashed without a button."""

    def ends(self, count, place=1):
        """So many jobs, one after the other on this place."""
        lines, since = [], 0
        for _ in range(count):
            lines.append(self.rig.end_of_job(place_of(place), since))
            since = self.rig.said.lines.index(lines[-1], since) + 1
        return lines

    def test_an_old_klipper_makes_way_and_comes_back_new(self):
        image = self.given_firmware(G0_USB)
        self.given_a_policy(enter(G0_USB))
        self.plug_toolboard(built(G0_OLD))
        entered, flashed, running = self.ends(3)
        self.assertIn("job 1 entered", entered)
        self.assertIn("job 2 flashed", flashed)
        self.assertIn("job 3 identical", running)
        self.assertIn("it runs v0.13", running)
        self.assert_holds(image, 0x2000)
        self.assertEqual([job["verify"] for job in self.rig.jobs(place_of(1))],
                         ["none", "readback", "running"])
        self.assertEqual(len(self.backups()), 1)

    def test_what_runs_already_is_left_alone(self):
        self.given_firmware(G0_USB)
        self.given_a_policy(enter(G0_USB))
        before = self.plug_toolboard(built(G0_USB))
        self.assertIn("it runs v0.13", self.assert_ends("identical"))
        self.assertEqual(self.rig.ask("history")["jobs"][0]["verify"], "running")
        self.assertEqual(self.state()["touches"], 0)
        self.assert_untouched(before)

    def test_a_rule_that_does_not_say_so_does_not_mean_it(self):
        self.given_firmware(G0_USB)
        self.given_a_policy(rule(G0_USB, match=""))
        before = self.plug_toolboard(built(G0_OLD))
        self.bench.ask("await", 1, "mode=application", limit=10000)
        self.bench.ask("await", 1, "present", limit=10000)
        self.assertIn("enter_bootloader", self.rig.say("explain", place_of(1))[0])
        said, status = self.rig.say("flash", place_of(1))
        self.assertEqual(status, 1, said)
        self.assertIn("no rule covers it", said)
        self.assertEqual(self.state()["touches"], 0)
        self.assert_untouched(before)

    def test_one_that_would_come_up_in_dfu_is_refused(self):
        self.given_firmware("klipper-stm32g0b1-usb-0")
        self.given_a_policy(enter("klipper-stm32g0b1-usb-0"))
        before = self.plug_board(flash=built(G0_OLD_0), chip="g0b1", uid=SERIAL, button=0)
        self.assertIn("heater", self.assert_ends("refused"))
        self.assertEqual(self.job()["reason"], "loader-unsafe")
        self.assertEqual(self.state()["touches"], 0)
        self.assert_untouched(before)

    def test_a_port_that_klippers_host_holds_is_left_alone(self):
        self.given_firmware(G0_USB)
        before = self.plug_toolboard(built(G0_OLD))
        self.bench.ask("await", 1, "mode=application", limit=10000)
        with open(TESTBED + self.node(), "rb+", buffering=0) as port:
            fcntl.flock(port, fcntl.LOCK_EX)  # as pyserial does it
            self.given_a_policy(enter(G0_USB, "present = true;"))
            self.assertIn("Klipper's host holds", self.assert_ends("failed"))
        self.assertEqual(self.job()["reason"], "board-busy")
        self.assertEqual(self.state()["touches"], 0)
        self.assert_untouched(before)

    def test_not_into_a_print_of_any_printer_it_might_be_a_part_of(self):
        klippy = Klippy(self.rig.root / "klippy" / "klippy.sock", print_state="printing")
        self.addCleanup(klippy.stop)
        self.given_firmware(G0_USB)
        self.rig.write_policy(f'printers = ({{ name = "voron"; socket = "{klippy.path}"; }});'
                              f"rules = ({enter(G0_USB)});")
        self.rig.start()
        before = self.plug_toolboard(built(G0_OLD))
        self.assertIn("prints", self.assert_ends("refused"))
        self.assertEqual(self.job()["reason"], "printing")
        self.assertEqual(self.state()["touches"], 0)
        self.assert_untouched(before)

    def test_one_that_runs_something_else_after_a_good_write_is_not_called_again(self):
        image = self.given_firmware(G0_USB)
        self.given_a_policy(enter(G0_USB))
        liar = self.rig.root / "liar"
        liar.write_bytes(packed_dictionary(built(G0_OLD)))
        self.plug_toolboard(built(G0_OLD), dictionary=liar)
        lines = self.ends(3)
        self.assertIn("flashed", lines[1])
        self.assertIn("not called again", lines[2])
        self.assertEqual(self.state()["touches"], 1)
        self.assert_holds(image, 0x2000)

    def test_one_that_is_refused_in_its_boot_loader_runs_again_and_is_not_called_twice(self):
        self.given_firmware(G0_USB)
        self.given_a_policy(enter(G0_USB))
        before = self.plug_toolboard(built(G0_OLD), katapult_mcu="stm32f072xb")
        lines = self.ends(3)
        self.assertIn("entered", lines[0])
        self.assertIn("told to leave its boot mode and start", lines[1])
        self.assertIn("not called again", lines[2])
        self.assertEqual((self.state()["touches"], self.state()["mode"]), (1, "application"))
        self.assert_untouched(before)

    def test_a_service_that_died_meanwhile_goes_on_with_it(self):
        image = self.given_firmware(G0_USB)
        self.given_a_policy(enter(G0_USB))
        self.plug_toolboard(built(G0_OLD))
        self.rig.said.wait("has the application enter")
        self.rig.stop_mind(signal.SIGKILL)
        self.bench.ask("await", 1, "mode=katapult", limit=10000)
        self.bench.ask("await", 1, "present", limit=10000)
        since = self.rig.said.position()
        self.rig.start_mind()
        self.assertIn("flashed", self.rig.end_of_job(place_of(1), since))
        self.assert_holds(image, 0x2000)

    def test_one_that_is_always_written_ends_as_what_it_runs(self):
        self.given_firmware(G0_USB)
        self.given_a_policy(enter(G0_USB, "force = true;").replace("expect =", "force = true; expect ="))
        self.plug_toolboard(built(G0_USB))
        entered, flashed, running = self.ends(3)
        self.assertIn("entered", entered)
        self.assertIn("flashed", flashed)
        self.assertIn("identical: it runs v0.13", running)
        self.assertEqual(self.state()["touches"], 1)

    def test_what_a_write_of_ours_left_half_done_is_not_started(self):
        """The worker is lost in the last unit, which begins with the vectors; then the image fits no more."""
        image = self.given_firmware(G0_USB)
        self.given_a_policy(enter(G0_USB, "force = true;").replace("expect =", "force = true; expect ="))
        self.plug_toolboard(built(G0_OLD), speed=1)
        self.bench.ask("await", 1, f"sent={len(image) // 64 - 24}", limit=30000)
        self.rig.kill_workers()
        self.given_firmware(G0_USB, built(G0_OLD_0))
        refused = self.ends(3)[2]
        self.assertIn("refused", refused)
        self.assertNotEqual(self.bench.flash(1)[0x2000:0x2004], bytes(4), "killed too early")
        self.assertNotIn("told to leave", refused)
        self.assertEqual((self.state()["mode"], self.state()["completes"]), ("katapult", 0))

    def test_one_that_is_another_board_in_its_boot_loader_runs_again(self):
        """Foreseen was that Katapult shows the same serial."""
        self.given_firmware(G0_USB)
        self.given_a_policy(rule(G0_USB, "enter_bootloader = true;", match='board = "toolhead";'),
                            f'{{ name = "toolhead"; serial = "{SERIAL}"; }}')
        before = self.plug_toolboard(built(G0_OLD), katapult_serial="38002C000551323532363237")
        lines = self.ends(3)
        self.assertIn("entered", lines[0])
        self.assertIn("told to leave its boot mode and start", lines[1])
        self.assertIn("not called again", lines[2])
        self.assert_untouched(before)

    def test_what_cannot_be_kept_is_not_overwritten_and_runs_again(self):
        self.given_firmware(G0_USB)
        self.given_a_policy(enter(G0_USB))
        (self.rig.state / "backups").write_bytes(b"no directory")
        before = self.plug_toolboard(built(G0_OLD))
        refused = self.ends(2)[1]
        self.assertIn("could not be kept", refused)
        self.assertIn("told to leave its boot mode and start", refused)
        self.bench.ask("await", 1, "mode=application", limit=10000)
        self.assert_untouched(before)

    def test_a_boot_loader_that_no_rule_covers_is_not_asked_for(self):
        self.given_firmware(G0_USB)
        self.given_a_policy(rule(G0_USB, "enter_bootloader = true;", match='mode = "klipper";'))
        before = self.plug_toolboard(built(G0_OLD))
        self.assertIn("no rule would flash what comes up", self.assert_ends("refused"))
        self.assertEqual(self.state()["touches"], 0)
        self.assert_untouched(before)


LINE = "ttyAMA0"
F446 = "klipper-stm32f446-uart-32k"
F446_OLD = "klipper-stm32f446-uart-32k-old"
F446_KATAPULT = "katapult-stm32f446-usb"  # which wire it talks on is the board's matter


class OnALine(KatapultStory):
    """A board on a UART is there whether it is on or not: a person asks for it by its name."""

    def given_a_line(self, more=""):
        self.given_a_policy(
            f'{{ name = "mainboard"; match = {{ board = "mainboard"; }};'
            f'  flash = {{ image = "{F446}.bin"; {more} }}; }}',
            f'{{ name = "mainboard"; chip = "stm32f446"; tty = "/dev/{LINE}"; baud = 250000; }}')

    def plug_line(self, application=None, **options):
        pieces = [(0, built(F446_KATAPULT))] + ([(0x8000, application)] if application else [])
        return self.plug_board(LINE, flash=over(*pieces),
                               **{"chip": "f446", "button": 0, "baud": 250000, **options})

    def test_a_board_in_katapult_is_flashed_and_starts(self):
        image = self.given_firmware(F446)
        self.given_a_line()
        self.plug_line()
        said, status = self.rig.say("flash", "mainboard")
        self.assertEqual(status, 0, said)
        self.assertIn("flashed", said)
        self.assert_holds(image, 0x8000, LINE)
        self.bench.ask("await", LINE, "mode=application", limit=10000)

    def test_one_that_runs_klipper_is_asked_for_its_boot_loader(self):
        image = self.given_firmware(F446)
        self.given_a_line("enter_bootloader = true;")
        self.plug_line(built(F446_OLD))
        self.bench.ask("await", LINE, "mode=application", limit=10000)
        said, status = self.rig.say("flash", "mainboard")
        self.assertEqual(status, 0, said)
        self.assertIn("entered", said)
        self.assert_holds(image, 0x8000, LINE)
        state = self.state(LINE)
        self.assertEqual((state["magics"], state["wedges"]), (1, 0))

    def test_one_that_does_not_know_the_words_is_asked_once(self):
        self.given_firmware(F446)
        self.given_a_line("enter_bootloader = true;")
        before = self.plug_line(built(F446_OLD), wordless=1)
        self.bench.ask("await", LINE, "mode=application", limit=10000)
        said, status = self.rig.say("flash", "mainboard")
        self.assertEqual(status, 1, said)
        self.assertIn("still runs", said)
        self.assertEqual(said.count("entered"), 1)
        self.assert_untouched(before, LINE)

    def test_one_that_is_refused_in_its_boot_loader_runs_again(self):
        self.given_firmware(F446)
        self.given_a_line("enter_bootloader = true;")
        before = self.plug_line(built(F446_OLD), katapult_mcu="stm32f072xb")
        self.bench.ask("await", LINE, "mode=application", limit=10000)
        said, status = self.rig.say("flash", "mainboard")
        self.assertEqual(status, 1, said)
        self.assertIn("told to leave its boot mode and start", said)
        self.bench.ask("await", LINE, "mode=application", limit=10000)
        self.assert_untouched(before, LINE)

    def test_nobody_at_the_end_of_the_line_is_said(self):
        self.given_firmware(F446)
        self.given_a_line()
        self.plug_line(built(F446_OLD))
        self.bench.ask("unplug", LINE)
        said, status = self.rig.say("flash", "mainboard")
        self.assertEqual(status, 1, said)
        self.assertIn("nobody answers", said)


class Identifying(KatapultStory):
    """What runs is told without the service, and without disturbing anybody."""

    def identify(self, node, *words):
        done = subprocess.run([BUILD / "plugflash", "identify", node, *words], timeout=LIMIT,
                              env=EMULATED, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.stdout.decode(), done.returncode

    def dictionary_of(self, image):
        return zlib.decompress(packed_dictionary(image))

    def test_a_klipper_on_a_port_of_its_own(self):
        self.plug_toolboard(built(G0_USB))
        self.bench.ask("await", 1, "mode=application", limit=10000)
        path = self.rig.root / "klipper.dict"
        said, status = self.identify(self.node(), "--dictionary", path)
        self.assertEqual(status, 0, said)
        self.assertIn("v0.13", said)
        self.assertIn("katapult", said)
        self.assertEqual(path.read_bytes(), self.dictionary_of(built(G0_USB)))
        self.assertEqual(self.state()["touches"], 0)

    def test_a_klipper_that_is_a_process_of_this_computer(self):
        """As its Linux process: a pty, and a link to that."""
        path = self.rig.root / "klipper.dict"
        pieces = ((0, built(F446_KATAPULT)), (0x8000, built(F446)))
        self.plug_board(LINE, flash=over(*pieces), chip="f446", button=0, baud=250000)
        self.bench.ask("await", LINE, "mode=application", limit=10000)
        link = self.rig.root / "klipper_host_mcu"
        link.symlink_to(os.path.realpath(f"{TESTBED}/dev/{LINE}"))
        done = subprocess.run([BUILD / "plugflash", "identify", link, "--json", "--dictionary", path],
                              timeout=LIMIT, check=True, stdout=subprocess.PIPE)
        self.assertEqual(path.read_bytes(), self.dictionary_of(built(F446)))
        told = json.loads(done.stdout)
        self.assertEqual((told["klipper"], told["mcu"], told["transport"]), (True, "stm32f446xx", "uart"))
        self.assertEqual(self.state(LINE)["wedges"], 0)
