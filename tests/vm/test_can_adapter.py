# SPDX-License-Identifier: MIT
"""CAN buses behind a real kernel: adapters that its gs_usb drives, and what becomes of a bus."""
import guest
from can_interface import ERROR_FRAME, QUERY, Interface, receive
from vm_story import Story

RATE = 1_000_000
# linux/can/error.h
ACKNOWLEDGE, PROTOCOL, BUS_OFF = 0x20, 0x08, 0x40


class CanStory(Story):
    def plug_adapter(self, **options):
        """Returns when udev has done with its interface, which is down."""
        guest.run("modprobe", "--all", "can", "can_raw", "gs_usb")
        self.bench.plug_for_all_to_see(1, kind="candlelight", **options)
        return Interface("can0")

    def set_others(self, bitrate):
        """Who else is on the wire, acknowledges, and at which rate; 0: nobody is."""
        self.bench.fault(1, "others", bitrate=bitrate)


class Adapter(CanStory):
    """What the kernel makes of the emulated adapter: that everything else rests on."""

    def test_a_bus_in_order_alone_and_at_another_rate(self):
        can = self.plug_adapter(others=RATE)
        self.assertFalse(can.is_up())
        can.bring_up(RATE)
        self.assertEqual((can.is_up(), can.bitrate(), can.state()), (True, RATE, "error-active"))
        self.assertEqual(self.bench.state(1)["bitrate"], RATE)
        can.send(QUERY, b"\0")
        self.bench.wait_until(1, "sent=1")
        self.assertEqual(self.bench.state(1)["send_errors"], 0)
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
