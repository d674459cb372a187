# SPDX-License-Identifier: MIT
"""Nodes of a CAN bus behind a real kernel: real raw sockets, on vcan, out of the sandbox of the
workers for CAN, which have no device and no other network."""
import contextlib
import json
import pathlib
import socket
import struct

import guest
import images
import names
import people
from residents import SERIAL, ResidentStory, built

BUS = "vcan0"
PLACE = f"{BUS}:toolhead"
NODE = {"kind": "stm32", "chip": "g0b1", "uid": SERIAL, "can": 1, "button": 0, "speed": 8}
NEW, OLD = "klipper-stm32g0b1-can-8k", "klipper-stm32g0b1-can-8k-old"

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
    with contextlib.suppress(BlockingIOError):
        while True:
            seen.append(struct.unpack("=I", can.recv(16)[:4])[0])
    return seen


class Can(ResidentStory):
    def setUp(self):
        super().setUp()
        guest.run("modprobe", "--all", "vcan", "can_raw")
        guest.run("busybox", "ip", "link", "add", BUS, "type", "vcan")
        guest.run("busybox", "ip", "link", "set", BUS, "up")
        self.addCleanup(guest.run, "busybox", "ip", "link", "del", BUS)

    def plug_node(self, version=OLD):
        """A toolboard that runs Klipper behind its Katapult."""
        path = pathlib.Path("/tmp/node.bin")
        path.write_bytes(images.over((0, built("katapult-stm32g0b1-can")), (0x2000, built(version))))
        self.bench.plug(PLACE, image=path, **NODE)
        self.bench.wait_until(PLACE, "mode=application")
        return self.bench.state(PLACE)["uuid"]

    def given_a_toolhead(self):
        uuid = self.plug_node()
        self.rig.write_firmware("klipper.bin", built(NEW))
        self.rig.write_policy("can.conf", POLICY.format(uuid=uuid, bus=BUS))
        self.rig.start_service()
        return f"{BUS}-{uuid}"

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
        place = self.given_a_toolhead()
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
