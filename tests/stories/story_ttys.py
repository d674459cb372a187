# SPDX-License-Identifier: MIT
"""The ttys of the testbed, as any program finds them: Katapult and Klipper behind a node that comes
and goes with its board, and behind one that stays."""
import fcntl
import os
import select
import struct
import subprocess
import sys
import termios
import time
import tty
import unittest

from rig import EMULATED, LIMIT, Rig

CONNECT, SEND_BLOCK, END_OF_FILE, REQUEST_BLOCK, COMPLETE = range(0x11, 0x16)
ACK = 0xA0
TCGETS2, TCSETS2, CBAUD, BOTHER = 0x802C542A, 0x402C542B, 0o10017, 0o10000
# The story itself is outside of the testbed.
TESTBED = os.environ.get("UMOCKDEV_DIR", "")
IDENTIFY = bytes.fromhex("08100100285e9f7e")
BASE, APPLICATION = 0x08000000, 0x08008000
STACK_TOP = 0x20001000


def program(address, size=0x1000):
    code = bytearray((at * 7 + at // 256) & 0xFF for at in range(size))
    struct.pack_into("<II", code, 0, STACK_TOP, address + 0x101)
    return code


def katapult():
    code = program(BASE)
    code[0xF8:0x100] = b"CanBoot!"
    return bytes(code)


def with_application():
    return katapult().ljust(APPLICATION - BASE, b"\xff") + program(APPLICATION)


def crc(content):
    value = 0xFFFF
    for byte in content:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x8408 if value & 1 else 0)
    return value


def frame(code, payload=b""):
    body = bytes([code, len(payload) // 4]) + payload
    return b"\x01\x88" + body + struct.pack("<H", crc(body)) + b"\x99\x03"


class Tty:
    def __init__(self, node):
        self.fd = os.open(node, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self.fd)

    def close(self):
        os.close(self.fd)

    def read(self, count, limit=LIMIT):
        """So many bytes, or those that came until the tty left, or the limit."""
        got = b""
        end = time.monotonic() + limit
        while len(got) < count and select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
            try:
                part = os.read(self.fd, count - len(got))
            except OSError:
                part = b""
            if not part:
                break
            got += part
        return got

    def ask(self, code, payload=b""):
        """The code of the answer, and its payload."""
        os.write(self.fd, frame(code, payload))
        head = self.read(4)
        body = self.read(4 * head[3] + 4)
        return head[2], body[:-4]

    def set_rate(self, rate):
        state = bytearray(44)
        fcntl.ioctl(self.fd, TCGETS2, state)
        flags, = struct.unpack_from("<I", state, 8)
        struct.pack_into("<I", state, 8, flags & ~CBAUD | BOTHER)
        struct.pack_into("<II", state, 36, rate, rate)
        fcntl.ioctl(self.fd, TCSETS2, bytes(state))


# As a program inside does it: opened, DTR is up; 1200 baud, DTR down.
TOUCH = """
import fcntl, os, struct, sys, termios
TIOCMGET, TIOCMBIC, DTR = 0x5415, 0x5417, 2
port = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
assert struct.unpack("i", fcntl.ioctl(port, TIOCMGET, bytes(4)))[0] & DTR
state = termios.tcgetattr(port)
state[4] = state[5] = termios.B1200
termios.tcsetattr(port, termios.TCSANOW, state)
fcntl.ioctl(port, TIOCMBIC, struct.pack("i", DTR))
"""


class Ttys(unittest.TestCase):
    def setUp(self):
        self.rig = Rig()
        self.addCleanup(self.rig.stop)
        self.bench = self.rig.bench

    def plug(self, place, content, **options):
        image = self.rig.root / f"image-{place}"
        image.write_bytes(content)
        self.rig.plug(place, kind="stm32", button=0, image=f"{image}@{BASE:#x}", **options)

    def node_of(self, place, mode):
        self.bench.ask("await", place, f"mode={mode}", limit=10000)
        device = self.bench.ask("await", place, "present", limit=10000)["syspath"]
        node, = os.listdir(f"{TESTBED}{device}/{os.path.basename(device)}:1.0/tty")
        return f"/dev/{node}"

    def open(self, node):
        opened = Tty(TESTBED + node)
        self.addCleanup(opened.close)
        return opened

    def assert_takes_an_application(self, port):
        content = program(APPLICATION)
        for at in range(0, len(content), 64):
            where = struct.pack("<I", APPLICATION + at)
            self.assertEqual(port.ask(SEND_BLOCK, where + content[at:at + 64])[0], ACK)
        self.assertEqual(port.ask(END_OF_FILE)[0], ACK)
        for at in range(0, len(content), 64):
            where = struct.pack("<I", APPLICATION + at)
            code, payload = port.ask(REQUEST_BLOCK, where)
            self.assertEqual((code, payload[8:]), (ACK, content[at:at + 64]))
        self.assertEqual(port.ask(COMPLETE)[0], ACK)

    def test_a_katapult_takes_an_application_and_starts_it(self):
        self.plug(1, katapult(), chip="f446")
        port = self.open(self.node_of(1, "katapult"))
        self.assertEqual(port.ask(CONNECT)[0], ACK)
        self.assert_takes_an_application(port)
        self.assertEqual(port.read(1), b"")
        port = self.open(self.node_of(1, "application"))
        os.write(port.fd, IDENTIFY)
        self.assertEqual(port.read(8 + 5)[-5:], bytes.fromhex("05118f087e"))
        self.assertEqual(self.bench.ask("state", 1)["unverified_completes"], 0)

    def test_klipper_is_touched_and_its_tty_leaves(self):
        self.plug(1, with_application(), chip="f446")
        node = self.node_of(1, "application")
        port = self.open(node)
        subprocess.run([sys.executable, "-c", TOUCH, node], env=EMULATED, check=True)
        self.assertEqual(port.read(1), b"")
        other = self.node_of(1, "katapult")
        self.assertEqual(self.open(other).ask(CONNECT)[0], ACK)
        self.assertEqual(self.bench.ask("state", 1)["touches"], 1)

    def test_a_first_answer_is_held_back(self):
        self.plug("2.1", katapult(), chip="g0b1")
        port = self.open(self.node_of("2.1", "katapult"))
        os.write(port.fd, frame(CONNECT))
        self.assertEqual(port.read(1, limit=0.3), b"")
        os.write(port.fd, frame(CONNECT))
        first, second = port.read(60), port.read(60)
        self.assertEqual(first, second)
        self.assertEqual(first[-2:], b"\x99\x03")

    def test_a_board_behind_a_uart(self):
        self.plug("ttyAMA0", katapult(), chip="f446", baud=250000)
        node = self.bench.ask("await", "ttyAMA0", "present", limit=10000)["node"]
        self.bench.ask("await", "ttyAMA0", "mode=katapult", limit=10000)
        port = self.open(node)
        port.set_rate(250000)
        self.assertEqual(port.ask(CONNECT)[0], ACK)
        self.assert_takes_an_application(port)
        self.bench.ask("await", "ttyAMA0", "mode=application", limit=10000)
        os.write(port.fd, IDENTIFY)
        self.assertEqual(port.read(8 + 5)[-5:], bytes.fromhex("05118f087e"))
