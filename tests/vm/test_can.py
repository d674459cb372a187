# SPDX-License-Identifier: MIT
"""Nodes of a CAN bus behind a real kernel: real raw sockets, on vcan, out of the sandbox of the
workers for CAN, which have no device and no other network."""
import contextlib
import errno
import json
import pathlib
import socket
import struct

import guest
import images
import names
import people
from klippy import Klippy
from residents import SERIAL, ResidentStory, built

BUS = "vcan0"
PLACE = f"{BUS}:toolhead"
NODE = {"kind": "stm32", "chip": "g0b1", "uid": SERIAL, "can": 1, "button": 0, "speed": 8}
NEW, OLD = "klipper-stm32g0b1-can-8k", "klipper-stm32g0b1-can-8k-old"

PRINTER = pathlib.Path("/run/klippy-of-the-story/klippy.sock")
POLICY = """
boards = ({{ name = "toolhead"; chip = "stm32g0b1"; can_uuid = "{uuid}"; bus = "{bus}"; }});
rules = ({{ name = "toolhead"; match = {{ board = "toolhead"; }};
          flash = {{ image = "klipper.bin"; enter_bootloader = true; }}; }});
"""


@contextlib.contextmanager
def listening(*numbers):
    """A program that listens to these numbers, as Klipper's host does to those of its nodes; none:
    to all, as candump does."""
    with socket.socket(socket.PF_CAN, socket.SOCK_RAW, socket.CAN_RAW) as can:
        if numbers:
            filters = b"".join(struct.pack("=II", number, 0x7FF) for number in numbers)
            can.setsockopt(socket.SOL_CAN_RAW, socket.CAN_RAW_FILTER, filters)
        can.bind((BUS,))
        can.setblocking(False)
        yield can


def frames_of(can):
    """The numbers of those that have come."""
    seen = []
    while True:
        try:
            seen.append(struct.unpack("=I", can.recv(16)[:4])[0])
        except BlockingIOError:
            return seen
        except OSError as error:  # once, when the interface has been down meanwhile
            if error.errno != errno.ENETDOWN:
                raise


class Can(ResidentStory):
    def setUp(self):
        super().setUp()
        guest.run("modprobe", "--all", "vcan", "can_raw")
        guest.run("busybox", "ip", "link", "add", BUS, "type", "vcan")
        guest.run("busybox", "ip", "link", "set", BUS, "up")
        self.addCleanup(guest.run, "busybox", "ip", "link", "del", BUS)

    def plug_node(self, version=OLD, place=PLACE, **options):
        """A toolboard that runs Klipper behind its Katapult."""
        path = pathlib.Path("/tmp/node.bin")
        path.write_bytes(images.over((0, built("katapult-stm32g0b1-can")), (0x2000, built(version))))
        self.bench.plug(place, image=path, **{**NODE, **options})
        self.bench.wait_until(place, "mode=application")
        return self.bench.state(place)["uuid"]

    def given_a_toolhead(self):
        uuid = self.plug_node()
        self.rig.write_firmware("klipper.bin", built(NEW))
        self.rig.write_policy("can.conf", POLICY.format(uuid=uuid, bus=BUS))
        self.rig.start_service()
        return f"{BUS}-{uuid}"

    def given_a_quiet_toolhead(self):
        """The look that the service takes at its start is over: nothing of it comes into the story."""
        place = self.given_a_toolhead()
        self.journal.wait(MESSAGE_ID=names.MESSAGE_BUS_LOOKED_AT)
        return place

    def test_a_toolhead_is_flashed_by_its_name_and_says_what_it_runs(self):
        place = self.given_a_toolhead()
        guest.run("plugflash", "flash", "toolhead", check=False)
        ends = self.ends(place, 4)
        told = [end["MESSAGE"] for end in ends]
        self.assertEqual([end[names.FIELD_OUTCOME] for end in ends],
                         ["refused", "entered", "flashed", "identical"], told)
        self.assertEqual(ends[2][names.FIELD_VERIFY], "readback", told)
        self.assertEqual(ends[3][names.FIELD_VERIFY], "running", told)
        image = built(NEW)
        self.assertTrue(self.bench.flash(PLACE)[0x2000:][:len(image)] == image)
        self.assertEqual(self.bench.state(PLACE)["wedges"], 0)

    def test_where_klippers_host_talks_not_a_frame_is_sent(self):
        place = self.given_a_quiet_toolhead()
        with listening(0x109), listening() as all_of_them:
            guest.run("plugflash", "flash", "toolhead", check=False)
            end = self.end_of_job(place)
            self.assertEqual(frames_of(all_of_them), [])
        self.assertEqual(end[names.FIELD_REASON], "board-busy", end["MESSAGE"])
        self.assertIn("systemctl stop klipper", end["MESSAGE"])
        self.assertEqual(self.bench.state(PLACE)["mode"], "application")

    def test_an_interface_that_is_down_and_a_node_that_is_off_are_named(self):
        place = self.given_a_toolhead()
        guest.run("busybox", "ip", "link", "set", BUS, "down")
        guest.run("plugflash", "flash", "toolhead", check=False)
        end = self.end_of_job(place)
        self.assertEqual(end[names.FIELD_REASON], "bus-down", end["MESSAGE"])
        guest.run("busybox", "ip", "link", "set", BUS, "up")
        self.bench.unplug(PLACE)
        since = self.journal.position()
        guest.run("plugflash", "flash", "toolhead", check=False)
        end = self.end_of_job(place, since)
        self.assertEqual(end[names.FIELD_REASON], "board-silent", end["MESSAGE"])
        self.assertIn("does not answer", end["MESSAGE"])

    def test_a_look_at_the_bus_names_its_nodes_and_says_what_they_run(self):
        self.given_a_toolhead()
        seen = json.loads(guest.run("plugflash", "can", BUS, "--json"))["buses"][0]
        node, = seen["nodes"]
        self.assertEqual((seen["health"], seen["asked"]), ("well", True), seen)
        self.assertEqual((node["board"], node["kind"]), ("toolhead", "klipper"), node)
        self.assertTrue(node["version"].startswith("v0.1"), node)
        with listening(0x109):
            seen = json.loads(guest.run("plugflash", "can", BUS, "--json"))["buses"][0]
        self.assertEqual(seen["health"], "in-use", seen)
        guest.run("busybox", "ip", "link", "set", BUS, "down")
        said, status = people.say("plugflash", "can")
        self.assertEqual(status, 1, said)
        self.assertIn("bring it up", said)

    def test_several_nodes_of_a_bus_are_flashed_side_by_side(self):
        uids = {"toolhead": SERIAL, "hotend": SERIAL[:-2] + "38", "bed": SERIAL[:-2] + "39"}
        uuids = {name: self.plug_node(place=f"{BUS}:{name}", uid=uid) for name, uid in uids.items()}
        boards = ", ".join(f'{{ name = "{name}"; can_uuid = "{uuid}"; bus = "{BUS}"; }}'
                           for name, uuid in uuids.items())
        rules = ", ".join(f'{{ name = "{name}"; match = {{ board = "{name}"; }}; flash = {{'
                          f' image = "klipper.bin"; on_update = true; enter_bootloader = true; }}; }}'
                          for name in uids)
        self.rig.write_policy("can.conf", f"boards = ({boards}); rules = ({rules});")
        self.rig.start_service()
        self.rig.write_firmware("klipper.bin", built(NEW))
        image = built(NEW)
        for name, uuid in uuids.items():
            ends = self.ends(f"{BUS}-{uuid}", 4)
            self.assertEqual([end[names.FIELD_OUTCOME] for end in ends],
                             ["refused", "entered", "flashed", "identical"], [end["MESSAGE"] for end in ends])
            self.assertTrue(self.bench.flash(f"{BUS}:{name}")[0x2000:][:len(image)] == image)
            self.assertEqual(self.bench.state(f"{BUS}:{name}")["wedges"], 0)

    # ---- what begins a job beside a person

    def test_a_node_that_is_stuck_in_katapult_is_rescued_when_its_bus_comes_up(self):
        path = pathlib.Path("/tmp/node.bin")
        path.write_bytes(built("katapult-stm32g0b1-can"))
        self.bench.plug(PLACE, image=path, **NODE)
        self.bench.wait_until(PLACE, "mode=katapult")
        place = f"{BUS}-{self.bench.state(PLACE)['uuid']}"
        guest.run("busybox", "ip", "link", "set", BUS, "down")
        self.rig.write_firmware("klipper.bin", built(NEW))
        self.rig.write_policy("can.conf", POLICY.format(uuid=place.removeprefix(f"{BUS}-"), bus=BUS))
        self.rig.start_service()
        guest.run("busybox", "ip", "link", "set", BUS, "up")
        flashed, runs = self.ends(place, 2)
        self.assertEqual(flashed[names.FIELD_OUTCOME], "flashed", flashed["MESSAGE"])
        self.assertEqual(runs[names.FIELD_VERIFY], "running", runs["MESSAGE"])
        self.bench.wait_until(PLACE, "mode=application")

    def test_a_new_image_reaches_the_toolhead_by_itself(self):
        uuid = self.plug_node()
        place = f"{BUS}-{uuid}"
        policy = POLICY.format(uuid=uuid, bus=BUS)
        self.rig.write_policy("can.conf", policy.replace("enter_boot", "on_update = true; enter_boot"))
        self.rig.write_firmware("klipper.bin", built(OLD))
        self.rig.start_service()
        self.rig.write_firmware("klipper.bin", built(NEW))
        ends = self.ends(place, 4)
        told = [end["MESSAGE"] for end in ends]
        self.assertEqual([end[names.FIELD_OUTCOME] for end in ends],
                         ["refused", "entered", "flashed", "identical"], told)
        image = built(NEW)
        self.assertTrue(self.bench.flash(PLACE)[0x2000:][:len(image)] == image)

    # ---- a print

    def test_while_a_printer_prints_nobody_says_a_word_on_its_bus(self):
        place = self.given_a_quiet_toolhead()
        klippy = Klippy(PRINTER, print_state="printing")
        self.addCleanup(klippy.stop)
        PRINTER.chmod(0o666)
        self.rig.write_policy("printer.conf", f'printers = ({{ name = "voron"; socket = "{PRINTER}"; }});')
        guest.run("systemctl", "reload", guest.SERVICE)
        with listening() as all_of_them:
            guest.run("plugflash", "flash", "toolhead", check=False)
            end = self.end_of_job(place)
            said, _ = people.say("plugflash", "can", BUS)
            guest.run("busybox", "ip", "link", "set", BUS, "down")
            guest.run("busybox", "ip", "link", "set", BUS, "up")
            left_alone = self.journal.wait(MESSAGE_ID=names.MESSAGE_BUS_LEFT_ALONE)
            self.assertEqual(frames_of(all_of_them), [])
        self.assertEqual(end[names.FIELD_REASON], "printing", end["MESSAGE"])
        self.assertIn('prints "benchy.gcode"', said)
        self.assertIn('prints "benchy.gcode"', left_alone["MESSAGE"])
