#!/usr/bin/env python3
"""Boot without a terminal: type a few commands into the guest's shell, show the answers, power off.

Usage: demo.py PROGRAM [ARGUMENTS]: a machine with its console on standard input and output.
"""

import os
import re
import select
import subprocess
import sys
import time

PROMPT = re.compile(rb"root@ignition:\S*# (\x1b\[6n)?$")  # busybox asks where the cursor is
COMMANDS = ["uname -a; nproc; head -1 /proc/meminfo; ls /"]
LIMIT_S = 600  # for all of it: the guest hangs


class Failure(Exception):
    pass


class Console:
    def __init__(self, args):
        self.child = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.line = b""  # the last, unfinished line
        self.deadline = time.monotonic() + LIMIT_S

    def read(self):
        """Show what the guest says next; False at its end."""
        out = self.child.stdout.fileno()
        left = self.deadline - time.monotonic()
        if left <= 0 or not select.select([out], [], [], left)[0]:
            raise Failure(f"the guest was not through in {LIMIT_S} s")
        data = os.read(out, 65536)
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        self.line = (self.line + data).rpartition(b"\n")[2]
        return bool(data)

    def wait_for_prompt(self):
        while not PROMPT.search(self.line):
            if not self.read():
                raise Failure("the guest ended before its shell asked for a command")

    def type(self, command):
        self.line = b""
        self.child.stdin.write(command.encode() + b"\n")
        self.child.stdin.flush()


def demo(args):
    console = Console(args)
    try:
        for command in COMMANDS:
            console.wait_for_prompt()
            console.type(command)
        console.wait_for_prompt()
        console.type("poweroff -f")
        while console.read():
            pass
        return console.child.wait(60)
    finally:
        if console.child.poll() is None:
            console.child.kill()
            console.child.wait()


def main():
    start = time.monotonic()
    try:
        status = demo(sys.argv[1:])
    except (Failure, OSError, subprocess.TimeoutExpired) as failure:
        print(f"\ndemo: {failure}", file=sys.stderr)
        return 1
    if status:
        print(f"\ndemo: {sys.argv[1]} ended with status {status}", file=sys.stderr)
        return 1
    print(f"\ndemo: booted, answered and powered off in {time.monotonic() - start:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
