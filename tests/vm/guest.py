# SPDX-License-Identifier: MIT
"""The rig of the virtual machine: the installed service under real systemd, udev and journald, and
boards behind vhci_hcd. What a story needs in order to set the scene, and to see what happened.

Nothing here sleeps: waiting means following the journal, a pipe or a socket, with a limit.
"""
import contextlib
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import threading
import time

import names

SERVICE = "plugflashd.service"
SOCKET = "plugflash-worker.socket"
CAN_SOCKET = "plugflash-worker-can.socket"
POLICIES = pathlib.Path(names.POLICY_DIRECTORY_ADMIN)
STATE = pathlib.Path(names.STATE_DIRECTORY)
FIRMWARE = STATE / names.FIRMWARE_SUBDIRECTORY
BENCH_SOCKET = "/run/plugflash-bench"

# Emulation is slow and the host is shared: limits are there to end a hang, not to measure.
LIMIT = 120


def run(*command, check=True, **options):
    """A command's output as text; its words are in the exception when it fails."""
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False, **options)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} gave {done.returncode}: {done.stdout.strip()}")
    return done.stdout


@contextlib.contextmanager
def ending(pid, limit=LIMIT):
    """A process that ends because of what is done inside; returns when it has."""
    process = os.pidfd_open(pid)
    try:
        yield
        if not select.select([process], [], [], limit)[0]:
            raise TimeoutError(f"process {pid} did not end in {limit} s")
    finally:
        os.close(process)


class Journal:
    """Everything that was logged since a moment, kept up to date by `journalctl --follow`."""

    def __init__(self):
        self.entries = []
        self._news = threading.Condition()
        self._follower = subprocess.Popen(
            ["journalctl", "--follow", "--output=json", "--all", "--quiet", *self._from_here()],
            stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @staticmethod
    def _from_here():
        shown = run("journalctl", "--lines=1", "--show-cursor", "--output=cat", "--quiet")
        cursor = re.search(r"^-- cursor: (.*)$", shown, re.MULTILINE)
        return [f"--after-cursor={cursor.group(1)}"] if cursor else ["--lines=all"]

    def _read(self):
        for line in self._follower.stdout:
            try:
                entry = json.loads(line)
            except ValueError:
                return  # cut short: the journal is no longer followed
            with self._news:
                self.entries.append(entry)
                self._news.notify_all()

    def close(self):
        self._follower.kill()
        self._follower.wait()
        self._thread.join()
        self._follower.stdout.close()

    def matching(self, **fields):
        """The entries that carry all these fields; a value may be a tuple of allowed ones,
        or a function that judges."""
        with self._news:
            return [entry for entry in self.entries if _carries(entry, fields)]

    def wait(self, limit=LIMIT, count=1, since=0, **fields):
        """The `count`th matching entry, of those after the first `since` ones of the journal."""
        end = time.monotonic() + limit
        with self._news:
            while True:
                found = [entry for entry in self.entries[since:] if _carries(entry, fields)]
                if len(found) >= count:
                    return found[count - 1]
                if not self._news.wait(max(0, end - time.monotonic())):
                    raise TimeoutError(f"{len(found)} of {count} in {limit} s: {readable(fields)}")

    def position(self):
        """To be given as `since`: what is already there does not count."""
        with self._news:
            return len(self.entries)

    def excerpt(self, last=60):
        """What plugflash and the kernel's USB side said, for the reader of a failure."""
        with self._news:
            lines = [f"{float(entry.get('__MONOTONIC_TIMESTAMP', 0)) / 1e6:10.3f} "
                     f"{entry.get('SYSLOG_IDENTIFIER', entry.get('_COMM'))}: {entry.get('MESSAGE')}"
                     for entry in self.entries]
        return "\n".join(lines[-last:])


def _carries(entry, fields):
    return all(_suits(entry.get(name), wanted) for name, wanted in fields.items())


def _suits(value, wanted):
    if callable(wanted):
        return value is not None and wanted(value)
    return value in wanted if isinstance(wanted, (set, tuple)) else value == wanted


def readable(fields):
    """What was waited for, with the names of message ids."""
    known = {value: name for name, value in vars(names).items() if name.startswith("MESSAGE_")}

    def word(wanted):
        if isinstance(wanted, (set, tuple)):
            return " or ".join(word(one) for one in wanted)
        return known.get(wanted, str(wanted))

    return ", ".join(f"{name}={word(wanted)}" for name, wanted in fields.items())


class BenchError(Exception):
    """The bench did not do what it was asked for."""


class Bench:
    """A client of bench-vhci: one command a line, one JSON object a line back. A place is a port of
    the virtual hub, 1 to 15."""

    def __init__(self, program="bench-vhci", path=BENCH_SOCKET):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        run("modprobe", "--all", "vhci_hcd", "cdc_acm", "usb_storage")
        self._process = subprocess.Popen([program, path], stdin=subprocess.DEVNULL)
        self._line = self._connect(path)
        self._told = None
        self._path = path

    def _connect(self, path):
        """The program has no way to say that it listens, except by listening."""
        end = time.monotonic() + LIMIT
        while True:
            if self._process.poll() is not None:
                raise BenchError(f"bench-vhci ended with {self._process.returncode}")
            try:
                return Line(path)
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def ask(self, *words, **options):
        command = " ".join([*map(str, words), *(f"{key}={value}" for key, value in options.items())])
        self._line.send(command)
        answer = self._line.receive()
        if not answer.get("ok"):
            raise BenchError(f"{command}: {answer.get('error')}")
        return answer

    # ---- cables

    def plug(self, place, **options):
        """A new board, its button held; its flash is blank unless `image` says otherwise."""
        return self.ask("plug", place, **options)

    def plug_for_all_to_see(self, place, **options):
        """Returns when the kernel has enumerated the board and udev has done with it."""
        self.plug(place, **options)
        self.wait_until(place, "present")
        run("udevadm", "settle")

    def unplug(self, place):
        return self.ask("unplug", place)

    def unplug_for_all_to_see(self, *places):
        """Returns when the boards have left the kernel and udev has done with it. Interfaces leave
        before their device does; a port that is used again in between confuses the kernel."""
        removed = set()
        with contextlib.closing(Monitor("udev", "usb")) as monitor:
            for place in places:
                self.unplug(place)
            for place in places:
                while (device := self._device_at(place)) and device not in removed:
                    event = monitor.wait(ACTION="remove", DEVTYPE="usb_device")
                    removed.add((event["DEVPATH"], int(event["DEVNUM"])))
        run("udevadm", "settle")

    def _device_at(self, place):
        """Its path and number; None when there is none."""
        state = self.state(place)
        return (state["syspath"].removeprefix("/sys"), state["device"]) if state["device"] else None

    def replug(self, place, button=True):
        """The same board again, with what is in its flash."""
        return self.ask("replug", place, button=int(button))

    def fault(self, place, kind, **when):
        return self.ask("fault", place, kind, **when)

    def heal(self, place):
        return self.ask("heal", place)

    # ---- what happens

    def state(self, place):
        return self.ask("state", place)

    def wait_until(self, place, condition, limit=LIMIT):
        """Such as "pages=30": that many were programmed."""
        return self.ask("await", place, condition, limit=int(limit * 1000))

    def flash(self, place):
        """The bytes in the board's flash chip."""
        path = pathlib.Path(f"/tmp/flash-{place}")
        self.ask("dump", place, path)
        content = path.read_bytes()
        path.unlink()
        return content

    def listen(self, details=False):
        """From now on what happens is told to next_event()."""
        self._told = Line(self._path)
        self._told.send("events all" if details else "events")
        self._told.receive()

    def next_word(self, place):
        """What happens next on this place."""
        while True:
            event = self._told.receive()
            if event.get("place") == str(place):
                return event["event"]

    def next_event(self, place, text):
        """Its moment in seconds of CLOCK_MONOTONIC."""
        while True:
            event = self._told.receive()
            if event.get("place") == str(place) and event.get("event") == text:
                return event["at_nsec"] / 1e9

    def close(self):
        for line in filter(None, (self._line, self._told)):
            line.close()
        self._process.terminate()
        try:
            self._process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Line:
    """One connection to the bench."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(path)
        except OSError:
            self._socket.close()
            raise
        self._socket.settimeout(LIMIT + 10)
        self._lines = self._socket.makefile("r", encoding="utf-8")

    def send(self, text):
        self._socket.sendall(text.encode() + b"\n")

    def receive(self):
        line = self._lines.readline()
        if not line:
            raise BenchError("the bench is gone")
        return json.loads(line)

    def close(self):
        self._lines.close()
        self._socket.close()


class VirtualMachineRig:
    """start() makes a fresh scene: no boards, no policies, no history, and the service is off."""

    def __init__(self):
        self.bench = None
        self.journal = None
        self.keeps_state = False

    def start(self):
        self.stop_service()
        if not self.keeps_state:
            self._forget()
        self.journal = Journal()
        self.bench = Bench()

    def stop(self):
        if self.bench:
            self.bench.close()
        self.stop_service()
        self.remove_drop_ins()
        if self.journal:
            self.journal.close()
        run("udevadm", "settle", check=False)

    # ---- the scene

    @staticmethod
    def _forget():
        POLICIES.mkdir(parents=True, exist_ok=True)
        for policy in POLICIES.iterdir():
            policy.unlink()
        for path in STATE.iterdir():
            if path != FIRMWARE:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for image in FIRMWARE.iterdir():
            image.unlink()

    @staticmethod
    def write_policy(name, text):
        (POLICIES / name).write_text(text)

    @staticmethod
    def write_firmware(name, content):
        (FIRMWARE / name).write_bytes(content)

    def start_service(self):
        """Returns when the service says that it is ready."""
        run("systemctl", "reset-failed", SERVICE, check=False)
        run("systemctl", "start", SERVICE)

    @staticmethod
    def stop_service():
        run("systemctl", "stop", SERVICE, SOCKET, CAN_SOCKET, check=False)

    @staticmethod
    def reload_policies():
        run("systemctl", "reload", SERVICE)

    @staticmethod
    def drop_in(unit, text):
        """More settings for a unit, until the end of the story."""
        directory = pathlib.Path(f"/run/systemd/system/{unit}.d")
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "story.conf").write_text(text)
        run("systemctl", "daemon-reload")

    def hurry_service(self, speed):
        """Its monotonic clock runs this many times as fast: for who would wait out a long silence.
        The library goes where the sandbox lets programs be loaded from."""
        library = "/usr/lib/fast_clock.so"
        shutil.copy(shutil.which("fast_clock.so", mode=os.R_OK), library)
        self.drop_in(SERVICE, "[Service]\n"
                     f"Environment=LD_PRELOAD={library} FAST_CLOCK={speed}\n")

    @staticmethod
    def remove_drop_ins():
        found = list(pathlib.Path("/run/systemd/system").glob("plugflash*.d/story.conf"))
        for path in found:
            path.unlink()
        if found:
            run("systemctl", "daemon-reload")

    # ---- what can be seen

    def wait_for(self, message_id, limit=LIMIT, **fields):
        return self.journal.wait(limit, MESSAGE_ID=message_id, **fields)

    def job_story(self, job):
        """All that the journal holds under a job's number, as a person would ask for it. (The
        stories forget the history, so numbers are used again, by another run of the service.)"""
        invocation = run("systemctl", "show", "--value", "--property=InvocationID", SERVICE).strip()
        lines = run("journalctl", "--output=json", "--all", "--quiet", f"{names.FIELD_JOB}={job}",
                    f"_SYSTEMD_INVOCATION_ID={invocation}")
        return [json.loads(line) for line in lines.splitlines()]

    @staticmethod
    def list_boards():
        return json.loads(run("plugflash", "list", "--json"))

    @staticmethod
    def list_jobs():
        return json.loads(run("plugflash", "jobs", "--json"))

    @staticmethod
    def main_pid():
        return int(run("systemctl", "show", "--value", "--property=MainPID", SERVICE))

    @staticmethod
    def worker_pids():
        """From the control groups, so that it is true the moment systemd has forked."""
        groups = pathlib.Path("/sys/fs/cgroup/system.slice").rglob("plugflash-worker@*/cgroup.procs")
        return [int(pid) for group in groups for pid in _lines_if_there(group)]

    def kill_service(self):
        os.kill(self.main_pid(), signal.SIGKILL)

    def kill_workers(self):
        pids = self.worker_pids()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return pids


def _lines_if_there(path):
    try:
        return path.read_text().split()
    except OSError:
        return []


class Event(dict):
    """A uevent's properties, and the moment it came: seconds of CLOCK_MONOTONIC."""

    seconds = 0.0


class Monitor:
    """`udevadm monitor`: the uevents as they come."""

    def __init__(self, source="udev", *subsystems):
        self._process = subprocess.Popen(
            ["udevadm", "monitor", f"--{source}", "--property",
             *(f"--subsystem-match={name}" for name in subsystems)],
            stdout=subprocess.PIPE, text=True, bufsize=1)
        self._text = ""
        self._read_until("\n\n")  # what it says about itself

    def _read_until(self, mark, limit=LIMIT):
        end = time.monotonic() + limit
        while mark not in self._text:
            ready, _, _ = select.select([self._process.stdout], [], [], end - time.monotonic())
            if not ready:
                raise TimeoutError("no event in time")
            self._text += os.read(self._process.stdout.fileno(), 65536).decode()
        block, self._text = self._text.split(mark, 1)
        return block

    def next(self, limit=LIMIT):
        head, *lines = self._read_until("\n\n", limit).strip().splitlines()
        event = Event(line.split("=", 1) for line in lines if "=" in line)
        event.seconds = float(re.search(r"\[([0-9.]+)\]", head)[1])
        return event

    def wait(self, limit=LIMIT, **properties):
        while True:
            event = self.next(limit)
            if _carries(event, properties):
                return event

    def close(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
