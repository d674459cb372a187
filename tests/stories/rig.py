# SPDX-License-Identifier: MIT
"""The real programs on emulated boards, without root and without installation.

`plugflashd` runs on a private bus, `systemd-socket-activate` starts a worker for each job as
systemd would, and the boards are those of bench-umockdev. Waiting means reading a pipe or a socket
with a limit; nothing sleeps.
"""
import contextlib
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time

BUILD = pathlib.Path(os.environ["PLUGFLASH_BUILD"])
SCRATCH = pathlib.Path(os.environ["PLUGFLASH_SCRATCH"])
MEMORY = pathlib.Path(os.environ["PLUGFLASH_MEMORY"])
LIMIT = 60
HISTORY = "history.db"
RELOADED = "are in force|policies not taken"

# The world of the programs under test: the emulated devices are put before libc.
EMULATED = dict(os.environ, LD_PRELOAD=os.environ["PLUGFLASH_PRELOAD"])
DIES_WITH_US = ["setpriv", "--pdeathsig", "KILL"]

# What the mind is run by, such as valgrind and its options; "" for nothing.
UNDER = shlex.split(os.environ.get("PLUGFLASH_MIND_UNDER", ""))


def with_fast_clock(speed):
    """The environment of a program whose monotonic clock runs this many times as fast."""
    if speed == 1:
        return EMULATED
    preload = f"{BUILD / 'tests/fast_clock.so'}:{EMULATED['LD_PRELOAD']}"
    return dict(EMULATED, LD_PRELOAD=preload, FAST_CLOCK=str(speed))


def place_of(port):
    """udev's ID_PATH for a port of the emulated hub."""
    return f"pci-0000:00:14.0-usb-0:{port}"


class Bench:
    """A client of bench-umockdev: one command a line, one JSON object a line back."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(str(SCRATCH / "bench"))
        self._socket.settimeout(LIMIT)
        self._lines = self._socket.makefile("r", encoding="utf-8")

    def ask(self, *words, **options):
        line = " ".join([*map(str, words), *(f"{key}={value}" for key, value in options.items())])
        self._socket.sendall(line.encode() + b"\n")
        answer = json.loads(self._lines.readline() or '{"ok": false, "error": "gone"}')
        if not answer.get("ok"):
            raise RuntimeError(f"{line}: {answer['error']}")
        return answer

    def flash(self, place):
        path = SCRATCH / f"dump-{place}"
        self.ask("dump", place, path)
        content = path.read_bytes()
        path.unlink()
        return content

    def hear(self, text):
        """After asking for "events": returns when the bench tells of one with this text."""
        for line in self._lines:
            if text in line:
                return
        raise RuntimeError(f"the bench is gone, and nothing was heard of {text}")

    def next_event(self):
        """After asking for "events"."""
        return json.loads(self._lines.readline())

    def set_limit(self, seconds):
        self._socket.settimeout(seconds)

    def close(self):
        self._lines.close()
        self._socket.close()


class Lines:
    """What a program says, line by line as it comes."""

    def __init__(self, stream):
        self.lines = []
        self._ended = False
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream):
        for raw in stream:
            with self._news:
                self.lines.append(raw.decode("utf-8", "backslashreplace").rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def wait(self, pattern, since=0, limit=LIMIT):
        """The first line from number `since` on that the pattern is found in."""
        end = time.monotonic() + limit
        with self._news:
            seen = since
            while True:
                for line in self.lines[seen:]:
                    if re.search(pattern, line):
                        return line
                seen = len(self.lines)
                if self._ended or not self._news.wait(max(0, end - time.monotonic())):
                    raise TimeoutError(f"no line like {pattern!r}")

    def position(self):
        with self._news:
            return len(self.lines)

    def all(self, limit=LIMIT):
        """Everything, once the program has ended."""
        self._thread.join(limit)
        return self.lines


class Rig:
    """A fresh scene: no board, no policy, no firmware; start() begins the service."""

    def __init__(self):
        self.root = pathlib.Path(subprocess.check_output(
            ["mktemp", "-d", str(SCRATCH / "rig-XXXXXX")], text=True).strip())
        self.policies = self.root / "policy.d"
        self.state = pathlib.Path(tempfile.mkdtemp(prefix="state-", dir=MEMORY))
        self.firmware = self.state / "firmware"
        self.policies.mkdir()
        self.firmware.mkdir(parents=True)
        self.bench = Bench()
        self._workers = self._mind = None
        self.said = self.workers_said = None
        self.places = []

    # ---- the scene

    def write_policy(self, text, name="story.conf"):
        path = self.policies / name
        path.write_text(text)
        path.chmod(0o644)

    def write_firmware(self, name, content):
        (self.firmware / name).write_bytes(content)

    def plug(self, place=1, **options):
        """Plugs a board in with its button held; the place as udev calls it. Its flash chip is
        faster than a real one; slow=True for a story that has to act before the writing is over."""
        self.places.append(place)
        if options.pop("slow", False):
            options = {"speed": 1, "slowness": 4, **options}
        self.bench.ask("plug", place, **{"speed": 8, "application_msec": 50, **options})
        return place_of(place)

    def replug(self, place=1, button=1):
        self.bench.ask("replug", place, button=button)

    def unplug(self, place=1):
        self.bench.ask("unplug", place)

    def start(self, **options):
        self.start_workers()
        self.start_mind(**options)

    def start_workers(self):
        """systemd-socket-activate gives its children nothing but what it is told to."""
        door = self.root / "worker"
        passed = [word for name in ("LD_PRELOAD", "UMOCKDEV_DIR", "PATH", "ASAN_OPTIONS")
                  if name in EMULATED for word in ("-E", f"{name}={EMULATED[name]}")]
        self._workers = subprocess.Popen(
            [*DIES_WITH_US, "systemd-socket-activate", "--accept", "--seqpacket", "-l", door, *passed,
             BUILD / "plugflash-worker"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True)
        self.workers_said = Lines(self._workers.stdout)
        self.workers_said.wait("Listening on")

    def start_mind(self, clock_speed=1, largest_file=None):
        """Returns when the service says READY=1, as systemd would hear it. With a fast clock its
        patience is over sooner: for who is silent on purpose only, since all others work no faster.
        A write that would make a file larger than `largest_file` bytes fails, as on a full disk."""
        full = [] if largest_file is None else ["prlimit", f"--fsize={largest_file}", "env",
                                                "--ignore-signal=XFSZ"]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            path = self.root / "notify"
            path.unlink(missing_ok=True)
            notify.bind(str(path))
            notify.settimeout(LIMIT)
            self._mind = subprocess.Popen(
                [*DIES_WITH_US, *full, *UNDER, BUILD / "plugflashd", f"--policy-dir={self.policies}",
                 f"--worker={self.root / 'worker'}", f"--can-worker={self.root / 'worker'}"],
                env=dict(with_fast_clock(clock_speed), STATE_DIRECTORY=str(self.state),
                         NOTIFY_SOCKET=str(path)),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.said = Lines(self._mind.stdout)
            while b"READY=1" not in notify.recv(4096):
                pass
        # What it said before READY=1 may still lie in the pipe, and must not answer a later reload.
        self.said.wait(RELOADED)

    def stop_mind(self, how=signal.SIGTERM):
        self._mind.send_signal(how)
        status = self._mind.wait(LIMIT)
        self._mind = None
        return status

    def reload(self):
        since = self.said.position()
        self._mind.send_signal(signal.SIGHUP)
        return self.said.wait(RELOADED, since)

    def worker_pids(self):
        children = pathlib.Path(f"/proc/{self._workers.pid}/task/{self._workers.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def kill_workers(self):
        """What a kernel sees by itself the bench is told: their boards are free again."""
        for pid in self.worker_pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for place in dict.fromkeys(self.places):
            self.bench.ask("orphan", place)

    def stop(self):
        for place in dict.fromkeys(self.places):
            try:
                self.bench.ask("unplug", place)
                self.bench.ask("await", place, "absent")
            except RuntimeError:
                pass  # has left by itself
        try:
            if self._mind and UNDER:
                self._stop_observed_mind()
            elif self._mind:
                self.stop_mind(signal.SIGKILL)
        finally:
            if self._workers:
                os.killpg(self._workers.pid, signal.SIGKILL)
                self._workers.wait(LIMIT)
            self.bench.close()
            shutil.rmtree(self.state)

    def _stop_observed_mind(self):
        """It must end by itself: only then does whoever watches it say what he has found."""
        status = self.stop_mind()
        if status != 0:
            raise AssertionError("\n".join([f"the mind ended with {status}", *self.said.all()]))

    # ---- what can be seen

    def log(self):
        """For the reader of a failure."""
        said = self.said.lines[-40:] if self.said else []
        return said + (self.workers_said.lines[-10:] if self.workers_said else [])

    def end_of_job(self, place, since=0, limit=LIMIT):
        """The line that tells how a job on this place ended."""
        return self.said.wait(
            rf"{re.escape(place)}: job \d+ (flashed|identical|refused|failed|interrupted|entered)",
            since, limit)

    def ask(self, *words, check=True):
        """What the face says, as a value."""
        done = subprocess.run([BUILD / "plugflash", *words, "--json"], text=True, timeout=LIMIT,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        if check and done.returncode not in (0, 1):
            raise RuntimeError(f"plugflash {words}: {done.returncode}: {done.stderr}")
        return json.loads(done.stdout)

    def say(self, *words):
        """What the face says to a person, and its exit status."""
        done = subprocess.run([BUILD / "plugflash", *words], timeout=LIMIT, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.stdout.decode("utf-8", "surrogateescape"), done.returncode

    def jobs(self, place):
        return [job for job in self.ask("jobs")["jobs"] if job["place"] == place]

    def read_database(self, sql):
        """The rows of what a mind that has ended leaves behind: of a copy, so that the next one finds
        what the last one left."""
        with tempfile.TemporaryDirectory(dir=self.root) as aside:
            for path in self.state.glob(f"{HISTORY}*"):
                shutil.copy(path, aside)
            with contextlib.closing(sqlite3.connect(f"{aside}/{HISTORY}")) as database:
                return database.execute(sql).fetchall()

    def assert_sound_database(self):
        (verdict,), = self.read_database("PRAGMA integrity_check")
        if verdict != "ok":
            raise AssertionError(f"the history is not sound: {verdict}")

    def explain(self, *words):
        explanation, = self.ask("explain", *words)["explanations"]
        return explanation
