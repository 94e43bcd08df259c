"""--deterministic: two runs are the same to the last instruction, however the host behaves."""

import base64
import fcntl
import hashlib
import pathlib
import re
import shutil
import struct
import subprocess
import termios
import time

import pytest

from hosts import children
from machine import TIMEOUT_S

pytestmark = pytest.mark.engine("soft", "the only one that can be deterministic")

PIPE_BYTES = 32768  # a pipe holds twice as much, but not to the last byte

# Entropy, clocks, sleep, a disk, and more output than the console's buffer holds.
SCRIPT = """
cat /proc/sys/kernel/random/uuid; head -c 64 /dev/hwrng | md5sum
date +%s; sleep 2; cat /proc/uptime
mkdir -p /mnt && mount -t ext4 /dev/vda /mnt && dd if=/dev/urandom of=/mnt/data bs=64k count=8 2>/dev/null
sync; md5sum /mnt/data; umount /mnt
seq 1 30000
cat /proc/interrupts
"""


def run(program, guest, disk, before_reading, *options):
    """One run. Returns (console, "N instructions, RAM sum")."""
    script = base64.b64encode(SCRIPT.encode()).decode()
    child = subprocess.Popen(
        [str(program), "boot", str(guest / "Image"), "--initramfs", str(guest / "initramfs"),
         "--disk", str(disk), "--accel", "soft", "--deterministic", "--stats", *options, "--append",
         f"quiet cryptomgr.notests ign.exec={script}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        before_reading(child)
        console, errors = child.communicate()
    finally:
        child.kill()
    assert child.returncode == 0, errors
    stats = re.search(rb"stats: \S+ s, (\d+ instructions, RAM [0-9a-f]{16})", errors)
    assert stats, errors
    return console, stats.group(1).decode()


def wait_until_it_stands_still(child):
    """Read nothing until the pipe and the console's buffer are full and the guest has to wait."""
    before, deadline = None, time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline and child.poll() is None:
        waiting = struct.unpack("i", fcntl.ioctl(child.stdout, termios.FIONREAD, b"0000"))[0]
        if waiting >= PIPE_BYTES:
            (vmm,) = children(child.pid)
            ticks = pathlib.Path(f"/proc/{vmm}/stat").read_text().split()[13:15]
            if ticks == before:
                return
            before = ticks
        time.sleep(0.5)
    pytest.fail("the guest never waited for its reader")


@pytest.mark.linux("/proc, which says that the machine stands still")
def test_two_runs_are_the_same(program, guest, ext4, tmp_path):
    """Translated, interpreted, with a code cache that is emptied all the time, and with a slow reader."""
    results = []
    for name, before_reading, options in (
            ("a", lambda child: None, []),
            ("b", wait_until_it_stands_still, ["--jit-cache", "1M"]),
            ("c", lambda child: None, ["--jit", "off"])):
        disk = tmp_path / name
        shutil.copyfile(ext4, disk)
        console, stats = run(program, guest, disk, before_reading, *options)
        assert b"\n30000\r\n" in console
        results.append((console, stats, hashlib.sha256(disk.read_bytes()).hexdigest()))
    assert results[0] == results[1] == results[2]


def test_more_than_one_vcpu_is_refused(program, guest):
    result = subprocess.run([str(program), "boot", str(guest / "Image"), "--accel", "soft", "--deterministic",
                             "--smp", "2"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert result.returncode == 1
    assert "deterministic execution is for one vCPU, not 2; use --smp 1" in result.stderr
