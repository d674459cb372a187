# SPDX-License-Identifier: MIT
"""Klipper's host as a service of the virtual machine: fake_klippy.py SOCKET STATE, where STATE is what
it says of its print. Tells systemd when it listens, which the real one does not."""
import os
import pathlib
import signal
import socket
import sys

from klippy import Klippy


def tell_ready():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.connect(os.environ["NOTIFY_SOCKET"])
        notify.send(b"READY=1")


def main():
    klippy = Klippy(pathlib.Path(sys.argv[1]), print_state=sys.argv[2])
    tell_ready()
    signal.sigwait([signal.SIGTERM])
    klippy.stop()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # in all its threads
    main()
