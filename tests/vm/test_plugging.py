# SPDX-License-Identifier: MIT
"""A board is plugged in: it is named, judged, flashed, and the journal tells it."""
import pathlib

import guest
import images
import names
from vm_story import ENDS, Story, guest_place


class FreshInstallation(Story):
    def test_a_board_is_named_with_the_example_that_covers_it_and_not_written(self):
        self.rig.start_service()
        place = self.plug(1, image=self.given_an_old_application())
        seen = self.rig.wait_for(names.MESSAGE_BOARD_UNCOVERED, PLUGFLASH_PLACE=place)
        self.assertEqual(seen[names.FIELD_MODE], "rp2040-boot")
        example = pathlib.Path(names.EXAMPLES_DIRECTORY, seen[names.FIELD_EXAMPLE])
        self.assertTrue(example.is_file(), example)
        self.assertIn("RP2040", seen["MESSAGE"])
        self.assertEqual(self.bench.flash(1)[:len(self.old)], self.old)
        self.assertEqual(self.journal.matching(MESSAGE_ID=names.MESSAGE_JOB_STARTED), [])

    def test_the_example_policies_are_ones_that_the_service_accepts(self):
        self.rig.start_service()
        for example in pathlib.Path(names.EXAMPLES_DIRECTORY).glob("*.conf"):
            with self.subTest(example.name):
                since = self.journal.position()
                self.rig.write_policy("example.conf", example.read_text())
                self.rig.reload_policies()
                said = self.journal.wait(since=since, MESSAGE_ID=(names.MESSAGE_POLICY_LOADED,
                                         names.MESSAGE_POLICY_INVALID))
                self.assertEqual(said["MESSAGE_ID"], names.MESSAGE_POLICY_LOADED, said["MESSAGE"])

    def given_an_old_application(self):
        self.old = images.good_bin(16 * 1024, seed=99)
        path = pathlib.Path("/tmp/old.bin")
        path.write_bytes(self.old)
        return path


ONE_BOARD = """
boards = ({{ name = "mine"; serial = "504450610847861C"; }});
rules = ({{ name = "mine"; match = {{ board = "mine"; }}; flash = {{ image = "{image}"; }}; }},
         {{ name = "rest"; match = {{ }}; ignore = true; }});
"""


class Identity(Story):
    def assert_flashed_by_name(self, image, **options):
        self.given_a_service_that_flashes(image, ONE_BOARD)
        self.plug(2, id="E6614103E7452B2F", **options)
        end = self.end_of_job(self.plug(1, id="504450610847861C", **options))
        self.assertEqual(end[names.FIELD_OUTCOME], "flashed", end["MESSAGE"])
        self.assertEqual(end[names.FIELD_BOARD], "mine")
        self.assert_holds_the_image(1)
        self.assertEqual(self.bench.state(2)["sectors_erased"], 0)

    def test_an_rp2040_is_known_by_its_flash_chip(self):
        self.assert_flashed_by_name(images.good_bin(32 * 1024))

    def test_an_rp2350_is_known_by_itself(self):
        self.assert_flashed_by_name(images.rp2350_bin(32 * 1024), chip="rp2350")


class Plugging(Story):
    def test_a_plugged_board_is_flashed_and_the_journal_tells_it_by_field(self):
        self.given_a_service_that_flashes()
        place = self.plug(1)
        end = self.end_of_job(place)
        self.assertEqual(end[names.FIELD_OUTCOME], "flashed", end["MESSAGE"])
        self.assert_holds_the_image(1)
        self.assert_told_by_field(place, self.rig.job_story(end[names.FIELD_JOB]))

    def assert_told_by_field(self, place, story):
        ids = [entry.get("MESSAGE_ID") for entry in story]
        self.assertEqual(ids, [names.MESSAGE_JOB_STARTED, names.MESSAGE_JOB_WRITING,
                               names.MESSAGE_JOB_FLASHED], [entry["MESSAGE"] for entry in story])
        self.assertEqual({entry[names.FIELD_PLACE] for entry in story}, {place})
        writing, flashed = story[1:]
        self.assertEqual(writing[names.FIELD_RULE], "bench")
        self.assertTrue(writing[names.FIELD_IMAGE].endswith("widget.uf2"))
        self.assertRegex(flashed[names.FIELD_IMAGE_SHA256], "^[0-9a-f]{64}$")
        self.assertIn(flashed[names.FIELD_VERIFY], ("readback", "running"))
        self.assertGreater(int(flashed[names.FIELD_DURATION_USEC]), 0)

    def test_every_message_id_is_explained_in_the_catalog(self):
        for name, message_id in vars(names).items():
            if name.startswith("MESSAGE_"):
                with self.subTest(name):
                    shown = guest.run("journalctl", "--dump-catalog", message_id)
                    self.assertIn("Subject:", shown)

    def test_boards_present_at_start_are_reported_only(self):
        self.bench.plug_for_all_to_see(1)
        place = guest_place(1)
        self.given_a_service_that_flashes()
        said = self.rig.wait_for(names.MESSAGE_BOARD_IGNORED, PLUGFLASH_PLACE=place)
        self.assertIn("RP2040", said["MESSAGE"])
        other = self.plug(2)
        self.end_of_job(other)
        self.assertEqual(self.journal.matching(MESSAGE_ID=names.MESSAGE_JOB_STARTED,
                                               PLUGFLASH_PLACE=place), [])
        self.assertEqual(set(self.bench.flash(1)), {0xFF})

    def test_a_quick_replug_is_one_departure_and_one_arrival(self):
        """udev's words about the old arrival come when the new one is there already."""
        self.given_a_service_that_flashes()
        kernel = guest.Monitor("kernel", "usb")
        self.addCleanup(kernel.close)
        place = self.plug(1)
        self.end_of_job(place)
        self.bench.unplug(1)
        # A board that is back before the kernel has let the old one go is the old one for it, if
        # usb-storage happens to reset the port at that moment: then nobody hears of anything.
        kernel.wait(ACTION="remove", DEVTYPE="usb_device")
        self.bench.replug(1)
        self.journal.wait(count=2, PLUGFLASH_PLACE=place, MESSAGE_ID=ENDS)
        told = [entry["MESSAGE_ID"] for entry in self.journal.matching(PLUGFLASH_PLACE=place)]
        self.assertEqual(told.count(names.MESSAGE_JOB_INTERRUPTED), 0, self.journal.excerpt(12))
        self.assertEqual(told.count(names.MESSAGE_JOB_IDENTICAL), 1)

    def test_a_board_that_already_holds_the_image_is_not_written(self):
        self.given_a_service_that_flashes()
        same = pathlib.Path("/tmp/same.bin")
        same.write_bytes(self.image)
        end = self.end_of_job(self.plug(1, image=same))
        self.assertEqual(end[names.FIELD_OUTCOME], "identical")

    def test_fifteen_ports_are_fifteen_places(self):
        """What the other stories build on: a port of the bench is one ID_PATH."""
        with_place = guest.Monitor("udev", "usb")
        self.addCleanup(with_place.close)
        for port in (1, 15):
            self.bench.plug(port)
            event = with_place.wait(ACTION="add", DEVTYPE="usb_device", ID_VENDOR_ID="2e8a")
            self.assertEqual(event["ID_PATH"], guest_place(port))
            self.assertEqual(event[names.UDEV_PROPERTY], "rp2040-boot")


class Refusals(Story):
    def test_an_image_that_does_not_fit_is_never_written(self):
        self.given_a_service_that_flashes()
        for port, (fault, make) in enumerate(images.WRONG.items(), start=1):
            with self.subTest(fault):
                self.rig.write_firmware("widget.uf2", make())
                end = self.end_of_job(self.plug(port))
                self.assertEqual(end[names.FIELD_OUTCOME], "refused", end["MESSAGE"])
                self.assertEqual(set(self.bench.flash(port)), {0xFF})
