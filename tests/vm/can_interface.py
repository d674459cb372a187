# SPDX-License-Identifier: MIT
"""A CAN interface of the guest as its kernel has it: by libsocketcan, as an administrator's tools, and
by raw sockets, as a program that talks on the bus."""
import contextlib
import ctypes
import errno
import pathlib
import select
import socket
import struct
import time

import guest

STATES = ("error-active", "error-warning", "error-passive", "bus-off", "stopped", "sleeping")
FRAME = struct.Struct("=IB3x8s")
ERROR_FRAME = 0x20000000
CAN_RAW_ERR_FILTER, ALL_CLASSES = 2, 0x1fffffff
NUMBER_BITS = 0x7ff
QUERY, ANSWER = 0x3f0, 0x3f1
LIMIT = 60

_library = None


def library():
    global _library
    if not _library:
        _library = ctypes.CDLL("libsocketcan.so.2", use_errno=True)
    return _library


class Statistics(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in
                ("bus_error", "error_warning", "error_passive", "bus_off", "arbitration_lost",
                 "restarts")]


class Timing(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in
                ("bitrate", "sample_point", "tq", "prop_seg", "phase_seg1", "phase_seg2", "sjw",
                 "brp")]


class Interface:
    def __init__(self, name="can0"):
        self.name = name
        self.path = pathlib.Path("/sys/class/net", name)

    # ---- what an administrator does

    def _do(self, function, *values):
        if getattr(library(), function)(self.name.encode(), *values) < 0:
            raise OSError(f"{function}({self.name}, {', '.join(map(str, values))}) failed")

    def bring_up(self, bitrate=None):
        if bitrate:
            self._do("can_set_bitrate", bitrate)
        self._do("can_do_start")

    def take_down(self):
        self._do("can_do_stop")

    # ---- what the kernel says

    def exists(self):
        return self.path.exists()

    def is_up(self):
        return bool(int((self.path / "flags").read_text(), 0) & 1)

    def state(self):
        value = ctypes.c_int()
        self._do("can_get_state", ctypes.byref(value))
        return STATES[value.value]

    def statistics(self):
        value = Statistics()
        self._do("can_get_device_stats", ctypes.byref(value))
        return value

    def bitrate(self):
        value = Timing()
        self._do("can_get_bittiming", ctypes.byref(value))
        return value.bitrate

    def queue_length(self):
        return int((self.path / "tx_queue_len").read_text())

    def wait_until(self, holds, limit=LIMIT):
        """The kernel makes no event of these; a look costs little."""
        end = time.monotonic() + limit
        while not holds(self):
            if time.monotonic() > end:
                raise TimeoutError(f"{self.name} is {self.state()}")
            time.sleep(0.05)

    @contextlib.contextmanager
    def socket(self, errors=False):
        """A raw socket: hears all."""
        with socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW) as raw:
            if errors:
                raw.setsockopt(socket.SOL_CAN_RAW, CAN_RAW_ERR_FILTER, ALL_CLASSES)
            raw.bind((self.name,))
            yield raw

    def send(self, number, data=b"", count=1, limit=LIMIT):
        """A full queue is not waited for by any call of the kernel's: one tries again."""
        end = time.monotonic() + limit
        with self.socket() as raw:
            while count:
                try:
                    raw.send(FRAME.pack(number, len(data), data))
                    count -= 1
                except OSError as error:
                    if error.errno != errno.ENOBUFS or time.monotonic() > end:
                        raise
                    time.sleep(0.01)

    def ask(self, number, data, answer_number, limit=LIMIT):
        """The payload of the first frame with this number that comes behind ours."""
        with self.socket() as raw:
            raw.send(FRAME.pack(number, len(data), data))
            return receive(raw, lambda got, _: got == answer_number, limit)[1]


def receive(raw, suits, limit=LIMIT):
    """The number (an error frame's with its classes) and the payload of the first that suits."""
    end = time.monotonic() + limit
    while select.select([raw], [], [], max(0, end - time.monotonic()))[0]:
        number, length, data = FRAME.unpack(raw.recv(FRAME.size))
        if suits(number, data[:length]):
            return number, data[:length]
    raise TimeoutError(f"no such frame in {limit} s")


@contextlib.contextmanager
def virtual(name="vcan0"):
    """A bus that is nothing but this kernel's."""
    guest.run("modprobe", "--all", "can", "can_raw", "vcan")
    guest.run("busybox", "ip", "link", "add", "dev", name, "type", "vcan")
    guest.run("busybox", "ip", "link", "set", "dev", name, "up")
    try:
        yield Interface(name)
    finally:
        guest.run("busybox", "ip", "link", "delete", "dev", name)
