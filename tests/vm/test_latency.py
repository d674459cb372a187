# SPDX-License-Identifier: MIT
"""From the uevent to the first USB request nobody waits for time to pass."""
import re
import statistics
import subprocess

import guest
import images
import names
from vm_story import Story, closing, figure

PLUGS = 12

# strace -f -ttt: "1234  1700000000.123456 name(arguments) = result"
LINE = re.compile(r"^(\d+) +(\d+\.\d+) (\w+)\((.*)$")
SLEEPS = {"nanosleep", "clock_nanosleep", "pause"}
USB_REQUEST = re.compile(r"USBDEVFS_(SUBMITURB|CONTROL|BULK)")


class Latency(Story):
    def test_nobody_sleeps_between_uevent_and_first_request(self):
        self.given_a_service_that_flashes()
        with closing(Strace("/tmp/strace", 1, self.rig.main_pid())) as trace:
            self.end_of_job(self.plug(1))
        calls = between_uevent_and_request(trace.calls(), self.rig.main_pid())
        timers = {(pid, number_of(rest)) for pid, _, name, rest in calls
                  if name == "timerfd_settime"}
        figure("latency.deadlines_armed", len(timers), "")
        waited = [f"{name}({rest}" for pid, _, name, rest in calls if waits_for_time(name, rest)
                  or name == "read" and (pid, number_of(rest)) in timers]
        self.assertEqual(waited, [])

    def test_time_from_uevent_to_first_request(self):
        self.given_a_service_that_flashes(images.good_bin(4096))
        self.bench.listen()
        spans = [self.time_one_plug() for _ in range(PLUGS)]
        figure("latency.uevent_to_first_request.median", statistics.median(spans) * 1000, "ms")
        figure("latency.uevent_to_first_request.worst", max(spans) * 1000, "ms")

    def time_one_plug(self):
        since = self.journal.position()
        with closing(guest.Monitor("udev", "usb")) as monitor:
            place = self.plug(1)
            event = monitor.wait(ACTION="add", DEVTYPE="usb_device", ID_PATH=place)
            first = self.bench.next_event(1, "first-usb-request")
            self.end_of_job(place, since)
        self.bench.unplug(1)
        self.journal.wait(since=since, MESSAGE_ID=names.MESSAGE_BOARD_LEFT, PLUGFLASH_PLACE=place)
        return first - event.seconds


def waits_for_time(name, rest):
    """A call that sleeps, or that waited in vain until its time was over. To arm a timer that is to
    end a silence some day is no waiting; to read one is: it has gone off."""
    if name in SLEEPS:
        return True
    return bool("poll" in name and re.search(r", [1-9]\d*\)\s+= 0\b", rest))


def number_of(rest):
    """The first argument: a file descriptor."""
    return re.match(r"\d*", rest)[0]


def between_uevent_and_request(calls, mind):
    """The calls of mind and hands, from the uevent that led to a job to its first USB request."""
    asked = next(at for at, (pid, _, name, rest) in enumerate(calls)
                 if pid == mind and name == "connect" and names.WORKER_SOCKET in rest)
    told = max(at for at, (pid, _, name, rest) in enumerate(calls[:asked])
               if pid == mind and name == "recvmsg" and "AF_NETLINK" in rest)
    done = next(at for at in range(asked, len(calls)) if USB_REQUEST.search(calls[at][3]))
    return [call for call in calls[told:done + 1] if call[0] in (mind, calls[done][0])]


class Strace:
    """strace on these processes and on all that they start, until it is closed."""

    def __init__(self, path, *pids):
        self._path = path
        self._process = subprocess.Popen(
            ["strace", "-f", "-ttt", "-s", "4096", "-o", path,
             *(f"--attach={pid}" for pid in pids)],
            stderr=subprocess.PIPE, text=True)
        for _ in pids:
            self._process.stderr.readline()  # "Process … attached"

    def close(self):
        self._process.terminate()
        self._process.wait()
        self._process.stderr.close()

    def calls(self):
        """(pid, seconds, name, rest of the line) of every call, in order."""
        with open(self._path, encoding="utf-8", errors="replace") as lines:
            found = [LINE.match(line) for line in lines]
        return [(int(match[1]), float(match[2]), match[3], match[4]) for match in found if match]
