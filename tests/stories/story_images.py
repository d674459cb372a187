# SPDX-License-Identifier: MIT
"""Firmware as it is found on a bench: in every format, of several versions, and for other boards."""
import gzip
import importlib.machinery
import importlib.util
import json
import subprocess
import unittest

import images
from rig import BUILD, LIMIT, place_of
from story import BENCH, SIZE, Story

BUILT = BUILD / "images"
AUTO = BENCH.replace("widget.uf2", "auto")

def built(name):
    if not (BUILT / "manifest.json").exists():
        raise unittest.SkipTest(f"no {BUILT}: run make test-images")
    return (BUILT / name).read_bytes()


def matrix():
    """What every image of `make test-images` is to be refused for, by kind of board."""
    built("manifest.json")
    loader = importlib.machinery.SourceFileLoader("matrix", "tests/images/matrix")
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("matrix", loader))
    loader.exec_module(module)
    return module


class Formats(Story):
    """An RP2040 build is what it is, whatever it is wrapped in."""

    def given_one_file(self, name, content):
        self.rig.write_firmware(name, content)
        self.rig.write_policy(BENCH.format(more="").replace("widget.uf2", name))
        self.rig.start()

    def assert_is_flashed(self, name, content):
        self.given_one_file(name, content)
        place = self.rig.plug()
        self.assert_ends("flashed")
        self.assert_holds_the_image()
        job, = self.rig.jobs(place)
        self.assertEqual((job["verify"], job["image"]), ("readback", str(self.rig.firmware / name)))

    def test_a_raw_image_is_flashed(self):
        self.assert_is_flashed("widget.bin", self.image)

    def test_an_elf_is_flashed(self):
        self.assert_is_flashed("widget.elf", images.elf(self.image))

    def test_an_intel_hex_is_flashed(self):
        self.assert_is_flashed("widget.hex", images.intel_hex(self.image))

    def test_a_packed_intel_hex_is_flashed(self):
        self.assert_is_flashed("widget.hex.gz", gzip.compress(images.intel_hex(self.image)))

    def test_the_name_does_not_decide(self):
        self.assert_is_flashed("widget.uf2", images.elf(self.image))

    def test_another_format_of_what_is_there_writes_nothing(self):
        self.given_one_file("widget.bin", self.image)
        self.rig.plug()
        self.assert_ends("flashed")
        self.rig.unplug()
        self.rig.write_firmware("widget.bin", images.elf(self.image))
        self.bench.ask("reset-counters", 1)
        since = self.rig.said.position()
        self.rig.replug()
        self.assert_ends("identical", since=since)
        self.assertEqual(self.state()["pages_programmed"], 0)

    def test_what_real_compilers_built_is_flashed(self):
        for name in ("klipper-rp2040-usb.uf2", "klipper-rp2040-usb.elf", "klipper-rp2040-usb.hex"):
            built(name)
        self.rig.write_policy(AUTO.format(more='expect = "none";'))
        for name in ("klipper-rp2040-usb.uf2", "klipper-rp2040-usb.elf", "klipper-rp2040-usb.hex"):
            self.rig.write_firmware(name, built(name))
        self.rig.start()
        self.rig.plug()
        self.assert_ends("flashed")


class Auto(Story):
    def given_versions(self, **versions):
        """File name → version, each with another body."""
        self.images = {}
        for seed, (name, version) in enumerate(versions.items(), 1):
            self.images[name] = images.versioned_bin(version, SIZE, seed)
            self.rig.write_firmware(f"{name}.bin", self.images[name])
        self.rig.write_policy(AUTO.format(more=""))
        self.rig.start()

    def test_the_newer_of_two_is_flashed(self):
        self.given_versions(a="1.9", b="1.10")
        place = self.rig.plug()
        self.assert_ends("flashed")
        self.assertEqual(self.bench.flash(1)[:SIZE], self.images["b"])
        self.assertTrue(self.rig.jobs(place)[0]["image"].endswith("/b.bin"))

    def test_what_comes_later_counts_from_then_on(self):
        self.given_versions(a="1.0")
        self.rig.plug()
        self.assert_ends("flashed")
        self.rig.unplug()
        newer = images.versioned_bin("1.1", SIZE, 7)
        self.rig.write_firmware("newer.bin", newer)
        since = self.rig.said.position()
        self.rig.replug()
        self.assert_ends("flashed", since=since)
        self.assertEqual(self.bench.flash(1)[:SIZE], newer)

    def test_firmware_for_other_chips_does_not_matter(self):
        self.given_versions(a="1.0")
        self.rig.write_firmware("rp2350.uf2", images.rp2350_uf2())
        self.rig.write_firmware("page.html", b"<!DOCTYPE html>" + bytes(2000))
        self.rig.plug()
        self.assert_ends("flashed")
        self.assertEqual(self.bench.flash(1)[:SIZE], self.images["a"])

    def test_a_tie_is_refused_and_nothing_is_erased(self):
        self.given_versions(a="1.0", b="1.0")
        before = self.given_an_old_board()
        line = self.assert_ends("refused")
        self.assertIn("a.bin (1.0) and ", line)
        self.assertEqual(self.bench.flash(1), before)
        self.assertEqual(self.state()["sectors_erased"], 0)

    def test_a_file_that_is_still_copied_is_not_read(self):
        self.given_versions(a="1.0")
        self.rig.write_policy(BENCH.format(more="").replace("widget.uf2", "copy.bin"))
        self.rig.reload()
        whole = images.versioned_bin("2.0", SIZE, 9)
        before = self.given_a_board_refused_while_copying(whole)
        self.assertEqual(self.bench.flash(1), before)
        since = self.rig.said.position()
        self.rig.unplug()
        self.rig.replug()
        self.assert_ends("flashed", since=since)
        self.assertEqual(self.bench.flash(1)[:SIZE], whole)

    def given_a_board_refused_while_copying(self, whole):
        with open(self.rig.firmware / "copy.bin", "wb", buffering=0) as file:
            file.write(whole[:SIZE // 2])
            before = self.given_an_old_board()
            self.assertIn("still writing it", self.assert_ends("refused"))
            self.assertEqual(self.state()["sectors_erased"], 0)
            file.write(whole[SIZE // 2:])
        return before


class Wrong(Story):
    """No image of the matrix that does not fit a board writes a byte to it."""

    def given_an_old_board_of(self, chip, old):
        path = self.rig.root / "old.bin"
        path.write_bytes(old)
        self.rig.plug(1, chip=chip, image=path)
        return self.bench.flash(1)

    def assert_each_wrong_build_is_refused(self, board, chip, old):
        rules = matrix()
        manifest = json.loads(built("manifest.json"))["images"]
        wrong = {image["file"]: codes for image in manifest
                 if (codes := rules.verdict(image, rules.BOARDS[board]))}
        self.assertGreater(len(wrong), len(manifest) * 3 // 4)
        self.rig.write_policy(BENCH.format(more="").replace("rp2040-boot", f"{chip}-boot"))
        self.rig.start()
        for name, codes in wrong.items():
            with self.subTest(name):
                since = self.rig.said.position()
                self.rig.write_firmware("widget.uf2", built(name))
                before = self.given_an_old_board_of(chip, old)
                self.assert_ends("refused", since=since)
                self.assertEqual(self.bench.flash(1), before)
                state = self.state()
                self.assertEqual((state["sectors_erased"], state["pages_programmed"]), (0, 0))
                explained = self.rig.explain(place_of(1))
                self.assertEqual({reason["code"] for reason in explained["reasons"]}, codes)
                self.rig.unplug()

    def test_an_rp2040_gets_no_byte_of_what_does_not_fit(self):
        self.assert_each_wrong_build_is_refused(
            "an RP2040 in boot mode", "rp2040", images.good_bin(SIZE, seed=99))

    def test_an_rp2350_gets_no_byte_of_what_does_not_fit(self):
        self.assert_each_wrong_build_is_refused(
            "an RP2350 in boot mode", "rp2350", images.rp2350_bin(SIZE, seed=99))


class Asking(Story):
    def given_three_files(self):
        self.rig.write_firmware("new.bin", images.versioned_bin("1.10", SIZE, 1))
        self.rig.write_firmware("pico2.uf2", images.rp2350_uf2())
        self.rig.write_firmware("torn.uf2", images.truncated_uf2())
        self.rig.write_policy(AUTO.format(more=""))
        self.rig.start()

    def test_the_service_lists_its_firmware(self):
        self.given_three_files()
        files = {file["path"].rsplit("/", 1)[1]: file for file in self.rig.ask("firmware")}
        self.assertEqual(list(files), ["new.bin", "pico2.uf2", "torn.uf2"])
        new, other, torn = files.values()
        self.assertEqual((new["chip"], new["version"], new["bytes"], new["usable"]),
                         ("rp2040", "1.10", SIZE, True))
        self.assertEqual((other["chip"], other["format"]), ("rp2350", "uf2"))
        self.assertEqual((torn["usable"], torn["reason"]), (False, "image-truncated"))
        shown, status = self.rig.say("firmware")
        self.assertEqual(status, 0)
        self.assertRegex(shown, r"new\.bin +rp2040 +program +1\.10")
        self.assertRegex(shown, r"torn\.uf2 +image-truncated")

    def test_an_empty_store_is_said_to_be_one(self):
        self.rig.start()
        self.assertEqual(self.rig.ask("firmware"), [])
        self.assertIn("No firmware is there", self.rig.say("firmware")[0])

    def test_a_file_is_inspected_for_a_board_that_is_plugged_in(self):
        self.given_three_files()
        self.rig.plug(1)
        self.assert_ends("flashed")
        self.rig.unplug(1)
        self.rig.write_policy('rules = ({ name = "mine"; match = { }; ignore = true; });')
        self.rig.reload()
        self.rig.plug(2, chip="rp2350")
        self.rig.said.wait('rule "mine" says to ignore it')
        self.assertEqual(self.verdict(2, "pico2.uf2"), [])
        self.assertEqual(self.verdict(2, "new.bin"), ["wrong-chip"])

    def test_a_board_with_partitions_is_known_to_inspect(self):
        self.rig.write_firmware("pico2.uf2", images.rp2350_uf2())
        self.rig.write_policy(AUTO.format(more="").replace("rp2040", "rp2350"))
        self.rig.start()
        self.rig.plug(1, chip="rp2350", partitions=1)
        self.assertIn("partition table", self.assert_ends("refused"))
        self.assertEqual(self.verdict(1, "pico2.uf2"), ["partitioned"])

    def test_nothing_is_plugged_in_there(self):
        self.given_three_files()
        shown, status = self.rig.say("inspect", str(self.rig.firmware / "new.bin"), "--for", "nowhere")
        self.assertEqual(status, 2)
        self.assertIn("Nothing is plugged in at nowhere", shown)

    def test_several_files_are_one_object_a_line(self):
        self.given_three_files()
        paths = [self.rig.firmware / name for name in ("new.bin", "pico2.uf2", "torn.uf2")]
        done = subprocess.run([BUILD / "plugflash", "inspect", *paths, "--json"], timeout=LIMIT,
                              stdout=subprocess.PIPE, check=False)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([answer["fits"] for answer in answers], [True, True, False])
        self.assertEqual(done.returncode, 1)

    def verdict(self, place, name):
        answer = self.rig.ask("inspect", str(self.rig.firmware / name), "--for", place_of(place))
        return [reason["code"] for reason in answer["reasons"]]
