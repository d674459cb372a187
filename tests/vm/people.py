# SPDX-License-Identifier: MIT
"""Other people of the virtual machine than root."""
import contextlib
import pathlib
import pwd
import subprocess

import guest

# Holds a port as Klipper's host does (pyserial, exclusive=True), until its input ends.
HOLD = """
import fcntl, sys
port = open(sys.argv[1], "rb+", buffering=0)
fcntl.flock(port, fcntl.LOCK_EX | fcntl.LOCK_NB)
print("held", flush=True)
sys.stdin.read()
"""


def given_person(name, *groups):
    """Has a home that nobody else sees into."""
    with contextlib.suppress(KeyError):
        pwd.getpwnam(name)
        return
    guest.run("useradd", "--create-home", "--user-group", "--groups", ",".join(groups), name)
    pathlib.Path("/home", name).chmod(0o700)


def say(*command, as_person=None):
    """What a command says, and its status."""
    before = ("runuser", "-u", as_person, "--") if as_person else ()
    done = subprocess.run([*before, *command], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, timeout=guest.LIMIT, cwd="/")
    return done.stdout, done.returncode


@contextlib.contextmanager
def holding(node, name):
    """A port that somebody's program has open; its process."""
    program = subprocess.Popen(["runuser", "-u", name, "--", "python3", "-c", HOLD, node], text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/")
    try:
        if program.stdout.readline() != "held\n":
            raise RuntimeError(f"{name} cannot hold {node}")
        yield
    finally:
        program.communicate(timeout=guest.LIMIT)
