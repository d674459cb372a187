#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Boots the virtual machine once, passes on what it says, and tells how it ended.

The emulator is forced to TCG: a /dev/kvm that opens may still hang a stock kernel. The machine has
two serial lines: the kernel's console, kept in a file, and the stories' output, streamed here.

Exit status: what the guest left in SHARE/out/status; 124 when a limit was reached; 125 when the
machine went down without a word (a panic, say). In the last two cases the console's tail is shown.
With --cut-at, 0 when the machine said that line; it got no chance to say or store any more.
"""
import argparse
import os
import selectors
import signal
import subprocess
import sys
import time

TAIL_LINES = 40
CUT = "its power was cut"


def qemu_command(options):
    return [
        "qemu-system-x86_64", "-M", "pc", "-accel", "tcg,thread=multi,tb-size=1024", "-cpu", "max",
        "-smp", "2", "-m", "1536", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-kernel", f"{options.cache}/vmlinux", "-initrd", f"{options.cache}/initramfs",
        "-append", "console=ttyS0 loglevel=5 panic=-1 mitigations=off random.trust_cpu=on "
                   f"systemd.show_status=no {options.append}",
        "-drive", f"if=none,id=root,file={options.cache}/root.erofs,format=raw,readonly=on",
        "-device", "virtio-blk-pci,drive=root",
        "-device", "virtio-rng-pci",
        "-fsdev", f"local,id=host,path={options.share},security_model=none,multidevs=remap",
        "-device", "virtio-9p-pci,fsdev=host,mount_tag=host",
        "-serial", f"file:{console_path(options)}",
        "-serial", "stdio",
        *(disk_arguments(options.disk) if options.disk else []),
    ]


def disk_arguments(path):
    """A second disk; beside it, in PATH.log, all that is written to it and every flush."""
    log = f"{path}.log"
    with open(log, "wb"):
        pass
    return [
        "-blockdev", f"driver=file,node-name=state-file,filename={path}",
        "-blockdev", f"driver=file,node-name=state-log,filename={log}",
        "-blockdev", "driver=blklogwrites,node-name=state,file=state-file,log=state-log",
        "-device", "virtio-blk-pci,drive=state",
    ]


def console_path(options):
    return os.path.join(options.share, "out", "console.txt")


def stream(machine, total_limit, silence_limit, cut_at=None):
    """Copies the machine's words to ours until it ends, or says what its power is to be cut at.
    Returns why it had to be stopped, or None."""
    last_line = b""
    selector = selectors.DefaultSelector()
    selector.register(machine.stdout, selectors.EVENT_READ)
    end = time.monotonic() + total_limit
    while True:
        now = time.monotonic()
        if now >= end:
            return f"still running after {total_limit} s"
        if not selector.select(min(silence_limit, end - now)):
            return f"silent for {silence_limit} s" if time.monotonic() < end else None
        words = os.read(machine.stdout.fileno(), 65536)
        if not words:
            return None
        sys.stdout.buffer.write(words)
        sys.stdout.buffer.flush()
        *lines, last_line = (last_line + words).split(b"\n")
        if cut_at and cut_at in (line.strip().decode("utf-8", "replace") for line in lines):
            return CUT


def run_streamed(options):
    machine = subprocess.Popen(qemu_command(options), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE)
    try:
        complaint = stream(machine, options.limit, options.silence, options.cut_at)
    finally:
        machine.kill()
        machine.wait()
    return complaint


def run_interactively(options):
    subprocess.run(qemu_command(options), check=False)


def guest_status(options):
    try:
        with open(os.path.join(options.share, "out", "status"), encoding="ascii") as status:
            return int(status.read())
    except (OSError, ValueError):
        return None


def show_console_tail(options):
    try:
        with open(console_path(options), encoding="utf-8", errors="replace") as console:
            lines = console.read().splitlines()
    except OSError as error:
        lines = [str(error)]
    print(f"--- the last {TAIL_LINES} lines of the machine's console", file=sys.stderr)
    print("\n".join(lines[-TAIL_LINES:]), file=sys.stderr)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", required=True)
    parser.add_argument("--share", required=True)
    parser.add_argument("--append", default="", help="more words for the kernel command line")
    parser.add_argument("--limit", type=float, default=5400, help="seconds for everything")
    parser.add_argument("--silence", type=float, default=900, help="seconds without a word")
    parser.add_argument("--disk", help="a second disk, /dev/vdb")
    parser.add_argument("--cut-at", metavar="LINE", help="kill the machine when it says this")
    parser.add_argument("--interactive", action="store_true")
    return parser.parse_args()


def main():
    options = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # takes the emulator along
    complaint = run_interactively(options) if options.interactive else run_streamed(options)
    if complaint == CUT:
        return 0
    status = guest_status(options)
    if complaint:
        print(f"the machine was stopped: {complaint}", file=sys.stderr)
        status = 124
    elif status is None:
        print("the machine went down without leaving a result", file=sys.stderr)
        status = 125
    if status in (124, 125):
        show_console_tail(options)
    return status


if __name__ == "__main__":
    sys.exit(main())
