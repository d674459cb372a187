# SPDX-License-Identifier: MIT
"""Run inside a service's sandbox: tries what the service must not be able to do, and says how it
went in one line on standard error (the priority in front lets it pass LogLevelMax=)."""
import errno
import json
import os
import socket
import stat
import sys


def attempt(deed):
    try:
        deed()
        return "ok"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))


def nodes():
    for directory, _, files in os.walk("/dev"):
        for file in files:
            path = os.path.join(directory, file)
            try:
                mode = os.stat(path, follow_symlinks=False).st_mode
            except FileNotFoundError:
                continue  # a board has just left
            if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
                yield path


# What PrivateDevices= gives to everybody; no hardware behind it.
HARMLESS = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty",
            "/dev/ptmx", "/dev/pts/ptmx"}


def opened():
    found = []
    for path in set(nodes()) - HARMLESS:
        for flags in (os.O_RDONLY, os.O_RDWR):
            if attempt(lambda: os.close(os.open(path, flags | os.O_NONBLOCK))) == "ok":
                found.append(path)
                break
    return sorted(found)


def write(path):
    return attempt(lambda: open(path, "w").close())


def read(path):
    return attempt(lambda: os.listdir(path))


def connect(path, kind=socket.SOCK_STREAM):
    return attempt(lambda: socket.socket(socket.AF_UNIX, kind).connect(path))


def make_usb_node():
    os.mknod("/var/lib/plugflash/node", 0o600 | stat.S_IFCHR, os.makedev(189, 0))


def main():
    found = {
        "usb nodes": [path for path in nodes() if path.startswith("/dev/bus/usb/")],
        "devices opened": opened(),
        "make a USB node": attempt(make_usb_node),
        "write the state directory": write("/var/lib/plugflash/probe"),
        "write the firmware": write("/var/lib/plugflash/firmware/probe"),
        "read the state directory": read("/var/lib/plugflash"),
        "read the policies": read("/etc/plugflash/policy.d"),
        "read a home": attempt(lambda: open("/home/somebody/secret").close()),
        "read root's home": read("/root"),
        "write /tmp": write("/tmp/probe"),
        "call the bus": connect("/run/dbus/system_bus_socket"),
        "ask for a worker": connect("/run/plugflash/worker", socket.SOCK_SEQPACKET),
        "open a socket": attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
    }
    print("<5>PROBE " + json.dumps(found), file=sys.stderr)


main()
