# SPDX-License-Identifier: MIT
"""CAN buses behind an adapter that the kernel's gs_usb drives: a toolboard is flashed over it, and
what is wrong with a bus is named by what a real driver tells of it."""
import json
import pathlib

import guest
import images
import names
from can_interface import ERROR_FRAME, QUERY, Interface, receive
from residents import SERIAL, ResidentStory, built

BUS, PORT = "can0", 1
PLACE = f"{PORT}:toolhead"
RATE = 1_000_000
NODE = {"kind": "stm32", "chip": "g0b1", "uid": SERIAL, "can": 1, "button": 0, "speed": 8}
NEW, OLD = "klipper-stm32g0b1-can-8k", "klipper-stm32g0b1-can-8k-old"
UUID = "e9f300585a23"  # of SERIAL
BRIDGE = {"options": {"kind": "stm32", "chip": "g0b1", "uid": SERIAL, "bridge": 1},
          "katapult": "katapult-stm32g0b1-can", "offset": 0x2000, "old": OLD, "new": NEW}
# linux/can/error.h
ACKNOWLEDGE, PROTOCOL, BUS_OFF = 0x20, 0x08, 0x40

SETUP = f"""
buses = ({{ interface = "{BUS}"; setup = true; bitrate = {RATE}; restart_ms = 100;
           txqueuelen = 128; }});
"""
POLICY = """
boards = ({{ name = "toolhead"; chip = "stm32g0b1"; can_uuid = "{uuid}"; bus = "can0"; }});
rules = ({{ name = "toolhead"; match = {{ board = "toolhead"; }};
          flash = {{ image = "klipper.bin"; enter_bootloader = true; }}; }});
"""


class AdapterStory(ResidentStory):
    def plug_adapter(self, **options):
        """Returns when udev has done with its interface, which is down."""
        guest.run("modprobe", "--all", "can", "can_raw", "gs_usb")
        self.bench.plug_for_all_to_see(PORT, kind="candlelight", **options)
        return Interface(BUS)

    def set_others(self, bitrate):
        """At which rate those speak who are on the wire; 0: the cable is open."""
        self.bench.fault(PORT, "others", bitrate=bitrate)

    def plug_toolhead(self):
        """It runs Klipper behind its Katapult, on the adapter's bus; the policy knows it."""
        path = pathlib.Path("/tmp/node.bin")
        path.write_bytes(images.over((0, built("katapult-stm32g0b1-can")), (0x2000, built(OLD))))
        self.bench.plug(PLACE, image=path, **NODE)
        self.bench.wait_until(PLACE, "mode=application")
        uuid = self.bench.state(PLACE)["uuid"]
        self.rig.write_firmware("klipper.bin", built(NEW))
        self.rig.write_policy("can.conf", POLICY.format(uuid=uuid))
        return f"{BUS}-{uuid}"

    @staticmethod
    def look():
        """What plugflash says of the bus."""
        return json.loads(guest.run("plugflash", "can", BUS, "--json", check=False))["buses"][0]

    def assert_named(self, health, seen):
        self.assertEqual(seen["health"], health, seen)


class Kernel(AdapterStory):
    """What the kernel makes of the emulated adapter: that everything else rests on."""

    def test_a_bus_in_order_alone_and_at_another_rate(self):
        can = self.plug_adapter(others=RATE)
        self.assertFalse(can.is_up())
        can.bring_up(RATE)
        self.assertEqual((can.is_up(), can.bitrate(), can.state()), (True, RATE, "error-active"))
        self.assertEqual(self.bench.state(PORT)["bitrate"], RATE)
        can.send(QUERY, b"\0")
        self.bench.wait_until(PORT, "sent=1")
        self.assertEqual(self.bench.state(PORT)["send_errors"], 0)
        self.assert_nobody_acknowledges(can)
        self.assert_the_others_come_back(can)
        self.assert_bus_off_at_another_rate(can)

    def assert_nobody_acknowledges(self, can):
        self.set_others(0)
        with can.socket(errors=True) as raw:
            can.send(QUERY, b"\0")
            _, data = receive(raw, lambda number, data: number & ERROR_FRAME and
                              number & ACKNOWLEDGE and data[6] == 128)
        self.assertEqual(data[7], 0)
        can.wait_until(lambda its: its.state() == "error-passive")
        self.assertEqual(can.statistics().bus_off, 0)

    def assert_the_others_come_back(self, can):
        self.set_others(RATE)
        can.send(QUERY, b"\0", count=64)
        can.wait_until(lambda its: its.state() == "error-active")

    def assert_bus_off_at_another_rate(self, can):
        self.set_others(RATE // 2)
        with can.socket(errors=True) as raw:
            can.send(QUERY, b"\0")
            receive(raw, lambda number, _: number & ERROR_FRAME and number & PROTOCOL)
            receive(raw, lambda number, _: number & ERROR_FRAME and number & BUS_OFF)
        can.wait_until(lambda its: its.statistics().bus_off > 0)


class Toolhead(AdapterStory):
    """The interface comes up by the unit that udev starts, as the policies want it."""

    def test_it_is_flashed_over_the_adapter_and_says_what_it_runs(self):
        self.rig.write_policy("buses.conf", SETUP)
        can = self.plug_adapter()
        can.wait_until(Interface.is_up)
        self.assertEqual((can.bitrate(), can.queue_length()), (RATE, 128))
        place = self.plug_toolhead()
        self.rig.start_service()
        guest.run("plugflash", "flash", "toolhead", check=False)
        ends = self.ends(place, 4)
        told = [end["MESSAGE"] for end in ends]
        self.assertEqual([end[names.FIELD_OUTCOME] for end in ends],
                         ["refused", "entered", "flashed", "identical"], told)
        self.assertEqual(ends[2][names.FIELD_VERIFY], "readback", told)
        image = built(NEW)
        self.assertTrue(self.bench.flash(PLACE)[0x2000:][:len(image)] == image)
        self.assertEqual(self.bench.state(PLACE)["wedges"], 0)
        self.assertEqual(self.bench.state(PORT)["frames_lost"], 0)


class Health(AdapterStory):
    """One adapter, one toolhead, and all that can be wrong with the wire between them."""

    def test_what_is_wrong_with_a_bus_is_named(self):
        can = self.plug_adapter()
        self.plug_toolhead()
        self.rig.start_service()
        self.assert_named("down", self.look())
        can.bring_up(RATE)
        seen = self.look()
        self.assert_named("well", seen)
        self.assertEqual((seen["driver"], seen["bitrate"], seen["controller"], seen["bridge"]),
                         ("gs_usb", RATE, "error-active", False), seen)
        self.assertEqual([node["kind"] for node in seen["nodes"]], ["klipper"], seen)
        self.set_others(0)
        seen = self.look()
        self.assert_named("unacknowledged", seen)
        self.assertEqual(seen["controller"], "error-passive", seen)
        self.set_others(RATE // 2)
        seen = self.look()
        self.assert_named("wrong-bitrate", seen)
        self.assertGreater(seen["times_bus_off"], 0, seen)
        self.assert_named_when_it_stays_off()

    def assert_named_when_it_stays_off(self):
        """An adapter whose controller does not come back by itself."""
        self.bench.unplug_for_all_to_see(PORT)
        can = self.plug_adapter(stays_off=1, others=RATE // 2)
        can.bring_up(RATE)
        can.send(QUERY, b"\0")
        can.wait_until(lambda its: its.state() == "bus-off")
        self.assert_named("bus-off", self.look())


class Bridge(AdapterStory):
    """A board that is the adapter itself: asked over its own bus, written over USB."""

    def test_it_is_flashed_and_followed_through_its_reset(self):
        self.rig.write_policy("buses.conf", SETUP)
        self.rig.write_policy("can.conf", POLICY.format(uuid=UUID))
        self.rig.write_firmware("klipper.bin", built(NEW))
        guest.run("modprobe", "--all", "can", "can_raw", "gs_usb")
        place = self.plug_klipper(BRIDGE)
        Interface(BUS).wait_until(Interface.is_up)
        self.rig.start_service()
        guest.run("plugflash", "flash", "toolhead", check=False)
        ends = self.ends(place, 2)
        told = [end["MESSAGE"] for end in ends]
        self.assertEqual([end[names.FIELD_OUTCOME] for end in ends], ["entered", "flashed"], told)
        self.assertIn("came up", told[1])
        image = built(NEW)
        self.assertTrue(self.bench.flash(PORT)[0x2000:][:len(image)] == image)
        self.assertEqual(self.bench.state(PORT)["wedges"], 0)
