# SPDX-License-Identifier: MIT
"""A service that has nothing to do does nothing, and keeps little memory."""
import pathlib
import re
import subprocess

import guest
from vm_story import IS_FULL, Story, figure

QUIET_SECONDS = 125 if IS_FULL else 20
MEBIBYTE = 1024 * 1024


class Idle(Story):
    def test_it_wakes_for_the_watchdog_only(self):
        """A sample is too short for the watchdog, so it is off: there may be no wake-up at all."""
        if not IS_FULL:
            self.rig.drop_in(guest.SERVICE, "[Service]\nWatchdogSec=0\n")
        self.given_a_service_that_flashes()
        pid = self.rig.main_pid()
        calls = system_calls(pid, QUIET_SECONDS)
        wakeups = sum(1 for call in calls if is_wait(call) and "<detached" not in call)
        figure("idle.wakeups", wakeups * 60 / QUIET_SECONDS, "a minute")
        self.assertLessEqual(wakeups, watchdog_wakeups(QUIET_SECONDS), "\n".join(calls))

    def test_it_keeps_less_than_two_mebibytes_to_itself(self):
        self.given_a_service_that_flashes()
        at_start = private_dirty(self.rig.main_pid())
        figure("idle.private_dirty.at_start", at_start / MEBIBYTE, "MiB")
        self.assertEqual(self.end_of_job(self.plug(1))["PLUGFLASH_OUTCOME"], "flashed")
        after_a_job = private_dirty(self.rig.main_pid())
        figure("idle.private_dirty.after_a_job", after_a_job / MEBIBYTE, "MiB")
        self.assertLess(at_start, 2 * MEBIBYTE)


def system_calls(pid, seconds):
    """What the process asked of the kernel meanwhile; the time is the measurement, not a wait."""
    traced = subprocess.run(["timeout", "--signal=INT", str(seconds), "strace", "-f", "-qq", "-p",
                             str(pid)], text=True, stderr=subprocess.PIPE, check=False)
    return traced.stderr.splitlines()


def is_wait(call):
    return call.startswith("epoll_wait") or "poll(" in call


def watchdog_wakeups(seconds):
    """sd-event tells the watchdog at latest after three quarters of its time, at earliest after
    half; one more for where the window happens to begin. Without one, none."""
    period = guest.run("systemctl", "show", "--value", "--property=WatchdogUSec", guest.SERVICE)
    each = in_seconds(period.strip())
    return 0 if each == float("inf") else 1 + int(seconds / (each / 2))


def in_seconds(words):
    """systemd's way to say a time: `1min 30s`; `infinity` when there is none."""
    units = {"h": 3600, "min": 60, "s": 1, "ms": 0.001}
    parts = re.findall(r"(\d+)(h|min|ms|s)\b", words)
    return sum(int(number) * units[unit] for number, unit in parts) or float("inf")


def private_dirty(pid):
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Private_Dirty:\s+(\d+) kB", rollup, re.MULTILINE).group(1)) * 1024
