# SPDX-License-Identifier: MIT
"""Hold BOOT, plug, done: what a person at the bench sees, and what the journal tells."""
import signal

import images
from rig import Bench, place_of
from story import BENCH, SIZE, Story


class Plugging(Story):
    def test_a_plugged_board_is_flashed_verified_and_comes_back_as_its_application(self):
        self.given_a_bench('expect = "2e8a:000a";')
        place = self.rig.plug()
        self.assertIn("came up", self.assert_ends("flashed"))
        self.assert_holds_the_image()
        self.assertEqual(self.state()["mode"], "application")
        job, = self.rig.jobs(place)
        self.assertEqual((job["outcome"], job["verify"], job["rule"], job["application"]),
                         ("flashed", "readback", "bench", "2e8a:000a"))
        self.assertEqual(job["units_erased"], len(self.image) // 4096)

    def test_a_board_that_holds_the_image_is_started_and_not_written(self):
        self.given_a_bench()
        self.rig.plug()
        self.assert_ends("flashed")
        self.rig.unplug()
        self.bench.ask("reset-counters", 1)
        since = self.rig.said.position()
        self.rig.replug()
        self.assert_ends("identical", since=since)
        state = self.state()
        self.assertEqual((state["sectors_erased"], state["pages_programmed"]), (0, 0))
        self.assertEqual(state["mode"], "application")

    def test_force_rewrites_what_is_there_already(self):
        self.given_a_bench("force = true;")
        self.rig.plug()
        self.assert_ends("flashed")
        self.rig.unplug()
        since = self.rig.said.position()
        self.rig.replug()
        self.assert_ends("flashed", since=since)

    def test_bytes_outside_the_image_are_kept(self):
        self.given_a_bench()
        before = self.given_an_old_board(random=1)
        self.assert_ends("flashed")
        self.assertEqual(self.bench.flash(1)[len(self.image):], before[len(self.image):])

    def test_many_boards_at_once_are_all_flashed(self):
        self.given_a_bench('expect = "none";')
        for place in range(1, 6):
            self.rig.plug(place)
        for place in range(1, 6):
            self.assert_ends("flashed", place)
            self.assert_holds_the_image(place)

    def test_a_raw_image_is_written_as_well(self):
        self.rig.write_firmware("widget.bin", self.image)
        self.rig.write_policy(BENCH.format(more="").replace("widget.uf2", "widget.*"))
        self.rig.start()
        self.rig.plug()
        self.assert_ends("flashed")
        self.assert_holds_the_image()


class LeavingAlone(Story):
    def assert_untouched(self, before, place=1):
        self.assertEqual(self.bench.flash(place), before)
        self.assertEqual(self.state(place)["sectors_erased"], 0)

    def test_without_a_policy_a_board_is_named_with_the_example_that_covers_it(self):
        self.rig.start()
        before = self.given_an_old_board()
        line = self.rig.said.wait("no rule covers it")
        self.assertIn("RP2040 in boot mode (2e8a:0003)", line)
        self.assertIn("bench-hold-boot-and-plug.conf", line)
        self.assertEqual(self.rig.ask("jobs")["jobs"], [])
        self.assert_untouched(before)

    def test_a_board_that_was_there_before_is_only_reported(self):
        before = self.given_an_old_board()
        self.bench.ask("await", 1, "present")
        self.given_a_bench()
        self.rig.said.wait("was there before plugflashd looked")
        self.assertEqual(self.rig.ask("jobs")["jobs"], [])
        self.assert_untouched(before)

    def test_a_board_that_was_there_is_flashed_if_the_rule_says_so(self):
        self.given_an_old_board()
        self.bench.ask("await", 1, "present")
        self.given_a_bench("present = true;")
        self.assert_ends("flashed")

    def test_a_rule_can_ignore(self):
        self.rig.write_policy('rules = ({ name = "mine"; match = { }; ignore = true; });')
        self.rig.start()
        before = self.given_an_old_board()
        self.rig.said.wait('rule "mine" says to ignore it')
        self.assert_untouched(before)

    def test_another_place_is_not_touched(self):
        self.rig.write_firmware("widget.uf2", images.uf2(self.image))
        self.rig.write_policy(BENCH.format(more="").replace(
            "rp2040-boot", f'rp2040-boot"; path = "{place_of(1)}'))
        self.rig.start()
        before = self.given_an_old_board(2)
        self.rig.plug(1)
        self.assert_ends("flashed", 1)
        self.assert_untouched(before, 2)

    def test_each_wrong_image_is_refused_with_a_reason_and_nothing_is_erased(self):
        self.rig.write_policy(BENCH.format(more=""))
        self.rig.start()
        for name, make in images.WRONG.items():
            with self.subTest(name):
                since = self.rig.said.position()
                self.rig.write_firmware("widget.uf2", make())
                before = self.given_an_old_board()
                line = self.assert_ends("refused", since=since)
                self.assert_untouched(before)
                explained = self.rig.explain(place_of(1))
                self.assertTrue(explained["reasons"], explained)
                self.assertIn(explained["reasons"][0]["sentence"], line)
                self.rig.unplug()

    def test_a_missing_or_ambiguous_image_is_refused_by_name(self):
        self.rig.write_policy(BENCH.format(more="").replace("widget.uf2", "widget-*.uf2"))
        self.rig.start()
        self.rig.plug()
        self.assertIn("no such firmware file", self.assert_ends("refused"))
        self.rig.unplug()
        for version in "1", "2":
            image = images.good_bin(SIZE, seed=int(version))
            self.rig.write_firmware(f"widget-{version}.uf2", images.uf2(image))
        since = self.rig.said.position()
        self.rig.replug()
        line = self.assert_ends("refused", since=since)
        self.assertRegex(line, r"widget-1\.uf2 \(no version\) and \S+widget-2\.uf2 \(no version\) both")

    def test_a_board_known_by_a_serial_that_boot_mode_does_not_show_is_refused(self):
        self.rig.write_firmware("widget.uf2", images.uf2(self.image))
        self.rig.write_policy("""
            boards = ({ name = "eddy"; chip = "rp2040"; serial = "504450610847861C"; });
            rules = ({ name = "eddy"; match = { board = "eddy"; };
                       flash = { image = "widget.uf2"; }; });""")
        self.rig.start()
        before = self.given_an_old_board()
        self.assertIn("match it by path instead", self.assert_ends("refused"))
        self.assert_untouched(before)


class TheApplication(Story):
    def test_the_wrong_application_is_a_failure_that_says_so(self):
        self.given_a_bench('expect = "1d50:614e";')
        self.rig.plug()
        line = self.assert_ends("failed")
        self.assertIn("2e8a:000a came up where the rule expects 1d50:614e", line)

    def test_a_silent_application_is_fine_if_the_rule_expects_none(self):
        self.given_a_bench('expect = "none";')
        self.rig.plug()
        self.assert_ends("flashed")

    def test_a_board_that_falls_back_into_boot_mode_is_not_flashed_again_and_again(self):
        self.given_a_bench()
        blank = self.rig.root / "blank.bin"
        blank.write_bytes(b"\xff" * 4096)
        listener = Bench()
        self.addCleanup(listener.close)
        listener.ask("events", "all")
        self.rig.plug()
        listener.hear("command 0x02")  # REBOOT: everything is written and verified by now
        self.bench.ask("load", 1, blank)
        self.assertIn("came back in its boot mode", self.assert_ends("failed"))
        self.assertEqual(len(self.rig.jobs(place_of(1))), 1)


class Interruptions(Story):
    def test_a_cable_pulled_in_mid_write_and_plugged_again(self):
        self.given_a_bench()
        self.rig.plug(slow=True)
        self.in_the_middle_of_writing()
        self.rig.unplug()
        self.assertIn("Plug it in again", self.assert_ends("interrupted"))
        self.assertEqual(self.state()["flash"], "falls-back")
        since = self.rig.said.position()
        self.rig.replug(button=0)
        self.assert_ends("flashed", since=since)
        self.assert_holds_the_image()

    def test_the_service_told_to_end_finishes_what_it_writes(self):
        self.given_a_bench()
        self.rig.plug(slow=True)
        self.in_the_middle_of_writing()
        self.assertEqual(self.rig.stop_mind(signal.SIGTERM), 0)
        self.assert_ends("flashed")
        self.assert_holds_the_image()

    def test_no_worker_is_a_failure_that_says_what_to_start(self):
        self.rig.write_firmware("widget.uf2", images.uf2(self.image))
        self.rig.write_policy(BENCH.format(more=""))
        self.rig.start_mind()
        self.rig.plug()
        self.assertIn("plugflash-worker.socket", self.assert_ends("failed"))


class Policies(Story):
    def test_an_invalid_policy_keeps_the_last_good_one(self):
        self.given_a_bench()
        self.rig.write_policy("rules = (\n{ nmae = 1; });", "zz.conf")
        self.assertIn("the last good ones stay", self.rig.reload())
        self.rig.said.wait(r"zz.conf:2: .*nmae")
        self.assertIn("nmae", self.rig.ask("status")["service"]["policy_problem"])
        self.rig.plug()
        self.assert_ends("flashed")

    def test_a_changed_file_does_not_arm_itself(self):
        self.rig.write_firmware("widget.uf2", images.uf2(self.image))
        self.rig.start()
        self.rig.write_policy(BENCH.format(more=""))
        self.rig.plug(1)
        self.rig.said.wait("no rule covers it")
        self.rig.unplug(1)
        self.assertIn("1 rules", self.rig.reload())
        self.rig.plug(2)
        self.assert_ends("flashed", 2)

    def test_explain_tells_what_would_happen_to_a_board_that_is_not_there(self):
        self.given_a_bench()
        explained = self.rig.explain("--like", "2e8a:0003@somewhere")
        self.assertEqual((explained["verdict"], explained["rule"]), ("flash", "bench"))
        explained = self.rig.explain("--like", "1234:5678@somewhere")
        self.assertEqual(explained["verdict"], "no-rule")


class ForeignText(Story):
    EVIL = "%1b]0;owned%07%1b[31mred%e2%80%aeright"

    def test_escape_sequences_from_a_board_reach_no_terminal_raw(self):
        self.given_a_bench()
        self.rig.plug(1, product=self.EVIL, manufacturer=self.EVIL, serial=self.EVIL)
        line = self.assert_ends("flashed")
        shown, _ = self.rig.say("list", "--all")
        jobs, _ = self.rig.say("jobs")
        for text in (line, shown, jobs, "\n".join(self.rig.said.lines)):
            self.assertNotIn("\x1b", text)
            self.assertNotIn("\x07", text)
            self.assertNotIn("\u202e", text)
        self.assertIn(r"\x1b[31mred", shown)
