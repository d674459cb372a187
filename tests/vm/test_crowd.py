# SPDX-License-Identifier: MIT
"""Many boards at once, and a flood of events."""
import contextlib
import os
import pathlib
import signal
import subprocess

import guest
import images
import names
from vm_story import ALL_RP2040, Story, closing, figure, guest_place

MANY = 14

ALL_AT_ONCE = """
limits = {{ jobs = 16; }};
"""


def moment(entry):
    return int(entry["__MONOTONIC_TIMESTAMP"]) / 1e6


class Crowd(Story):
    """Boards spend their time with erasing, this rig spends it with moving pages through emulated
    processors: the image is one that is mostly erased."""

    SECTORS = 400

    def time_to_flash(self, ports):
        """Seconds from the last board's arrival to the last outcome."""
        since = self.journal.position()
        for port in ports:
            self.bench.plug(port)
        seen = [self.journal.wait(since=since, MESSAGE_ID=names.MESSAGE_BOARD_SEEN,
                                  PLUGFLASH_PLACE=guest_place(port)) for port in ports]
        ends = [self.end_of_job(guest_place(port), since, limit=600) for port in ports]
        for port, end in zip(ports, ends):
            self.assertEqual(end[names.FIELD_OUTCOME], "flashed", end["MESSAGE"])
            self.assert_holds_the_image(port)
            self.bench.unplug(port)
        return max(map(moment, ends)) - max(map(moment, seen))

    def test_fourteen_boards_take_little_longer_than_one(self):
        self.given_a_service_that_flashes(images.scattered_bin(self.SECTORS), ALL_RP2040 + ALL_AT_ONCE)
        one = self.time_to_flash([1])
        all_of_them = self.time_to_flash(range(1, MANY + 1))
        figure("crowd.one", one, "s")
        figure("crowd.fourteen", all_of_them, "s")
        figure("crowd.ratio", all_of_them / one, "")
        # The bar is 1.5, for a reader to judge: a machine that steals time would make it a lottery.
        # What must hold on any machine is that they do not wait for each other.
        self.assertLess(all_of_them, MANY / 4 * one)


class Flood(Story):
    """plugflashd stands still (or is slow) while so many events come that the kernel drops some."""

    def setUp(self):
        super().setUp()
        self.rig.drop_in(guest.SERVICE, "[Service]\nWatchdogSec=0\n")
        self.rig.start_service()
        for port in (1, 2):
            self.bench.plug_for_all_to_see(port)
        self.journal.wait(count=2, MESSAGE_ID=names.MESSAGE_BOARD_SEEN)
        self.mind = self.rig.main_pid()

    def test_after_lost_events_the_list_is_what_sysfs_says(self):
        os.kill(self.mind, signal.SIGSTOP)
        sent = flood_until_events_are_lost(self.mind)
        self.bench.unplug(1)
        self.bench.plug_for_all_to_see(3)
        os.kill(self.mind, signal.SIGCONT)
        figure("flood.events", sent, "uevents")
        self.assert_the_list_becomes_true(arrived=(3,), left=(1,))

    def test_events_that_are_lost_while_it_catches_up_are_made_good_too(self):
        """The kernel says once that it drops events, and goes on dropping until the queue has been
        read empty: a look around before that is too early."""
        os.kill(self.mind, signal.SIGSTOP)
        flood_until_events_are_lost(self.mind)
        with slow_to_read(self.mind), closing(guest.Monitor("udev", "usb")) as monitor:
            os.kill(self.mind, signal.SIGCONT)
            self.rig.wait_for(names.MESSAGE_EVENTS_LOST)
            self.bench.plug(3)
            self.bench.unplug(1)
            monitor.wait(ACTION="add", DEVTYPE="usb_device", ID_PATH=guest_place(3))
            monitor.wait(ACTION="remove", DEVTYPE="usb_device", ID_PATH=guest_place(1))
        self.assert_the_list_becomes_true(arrived=(3,), left=(1,))

    def assert_the_list_becomes_true(self, arrived, left):
        self.rig.wait_for(names.MESSAGE_EVENTS_LOST)
        for port in arrived:
            self.rig.wait_for(names.MESSAGE_BOARD_SEEN, PLUGFLASH_PLACE=guest_place(port))
        for port in left:
            self.rig.wait_for(names.MESSAGE_BOARD_LEFT, PLUGFLASH_PLACE=guest_place(port))
        listed = sorted(board["place"] for board in self.rig.list_boards()["boards"])
        self.assertEqual(listed, boards_in_sysfs())


@contextlib.contextmanager
def slow_to_read(pid):
    """A busy machine: each event takes this process a twentieth of a second to receive."""
    brake = subprocess.Popen(["strace", f"--attach={pid}", "--quiet=all", "--output=/dev/null",
                              "--trace=recvmsg", "--inject=recvmsg:delay_enter=50000"])
    try:
        yield
    finally:
        brake.terminate()
        brake.wait()


def flood(count):
    """Synthetic events, as `udevadm trigger` makes them."""
    files = [path / "uevent" for path in pathlib.Path("/sys/bus/usb/devices").glob("usb*")]
    for number in range(count):
        files[number % len(files)].write_text("change")


def flood_until_events_are_lost(pid, most=100_000):
    """How many events it took until the kernel dropped some of those meant for this process."""
    for sent in range(0, most, 500):
        flood(500)
        guest.run("udevadm", "settle", "--timeout=300")
        if dropped_events(pid):
            return sent + 500
    raise AssertionError(f"no event was lost among {most}")


def dropped_events(pid):
    """How many uevents the kernel dropped for want of room in the process's netlink sockets."""
    rows = pathlib.Path("/proc/net/netlink").read_text().splitlines()[1:]
    return sum(int(row.split()[8]) for row in rows if row.split()[1:3] == ["15", str(pid)])


def boards_in_sysfs():
    """The places of the boards that are attached at this moment."""
    devices = [path for path in pathlib.Path("/sys/bus/usb/devices").iterdir()
               if (path / "idVendor").exists()]
    shown = [udev_properties(device) for device in devices]
    return sorted(one["ID_PATH"] for one in shown if names.UDEV_PROPERTY in one)


def udev_properties(device):
    lines = guest.run("udevadm", "info", "--query=property", f"--path={device}").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)
