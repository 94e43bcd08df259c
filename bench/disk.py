"""Disk rates of a guest, for bench.py: ours and QEMU's on the same image, kernel and initramfs.

bench/guest/diskrate.c reads and writes the drive past the guest's page cache, a fixed number of
operations a row, from a line that the host sends to a mark on the console. So a host that is late to look
makes a rate smaller, never larger. Both programs use the
host's page cache (QEMU: cache=writeback), which holds the image: what is measured is the way from
the guest to the host's file and back.
"""

import os
import pathlib
import pty
import select
import signal
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "guest"))
import cpio  # noqa: E402

IMAGE_MIB = 256
MIB = 1 << 20
PROMPT = b"root@ignition:~# "
LIMIT_S = 300

# name: (operations, bytes of each), as diskrate.c has them
ROWS = {
    "seq-read": (1024, MIB), "seq-write": (1024, MIB), "seq-read-8": (1024, MIB),
    "rand-read": (3000, 4096), "rand-write": (3000, 4096),
    "rand-read-8": (6000, 4096), "rand-write-8": (6000, 4096),
}
LABELS = {
    "seq-read": "read 1 MiB", "seq-write": "write 1 MiB", "seq-read-8": "read 1 MiB, 8 threads",
    "rand-read": "read 4 KiB random", "rand-write": "write 4 KiB random",
    "rand-read-8": "read 4 KiB, 8 threads", "rand-write-8": "write 4 KiB, 8 threads",
}


def prepare(folder, guest, program):
    """An initramfs with the program in it, and an image without holes. Returns both paths."""
    archive = cpio.Archive(mtime=0)
    archive.file("bench/diskrate", program.read_bytes(), 0o755)
    data = (guest / "initramfs").read_bytes()
    initramfs, image = folder / "initramfs", folder / "disk.img"
    initramfs.write_bytes(data + bytes(-len(data) % 4) + archive.bytes())
    with open(image, "wb") as out:
        for _ in range(IMAGE_MIB):
            out.write(os.urandom(MIB))
        os.fsync(out.fileno())  # the host is not to be busy with it while the first machine runs
    return initramfs, image


class Console:
    """A program on a pseudo-terminal."""

    def __init__(self, args):
        self.master, slave = pty.openpty()
        self.child = subprocess.Popen(args, stdin=slave, stdout=slave, stderr=slave, close_fds=True,
                                      start_new_session=True)
        os.close(slave)
        self.seen = b""

    def until(self, mark):
        """Wait for the mark; when it was seen, by the host's clock."""
        limit = time.monotonic() + LIMIT_S
        while mark not in self.seen:
            left = limit - time.monotonic()
            data = b""
            if left > 0 and select.select([self.master], [], [], left)[0]:
                try:
                    data = os.read(self.master, 65536)
                except OSError:
                    pass
            if not data:
                raise SystemExit(f"no {mark!r}; the console ends:\n{self.seen[-2000:].decode(errors='replace')}")
            self.seen += data
        self.seen = self.seen[self.seen.index(mark) + len(mark):]
        return time.monotonic()

    def send(self, text):
        os.write(self.master, text)

    def close(self):
        """The guest powers off, so that the image is free for the next."""
        try:
            self.send(b"poweroff -f\r")
            self.child.wait(LIMIT_S)
        finally:
            if self.child.poll() is None:
                os.killpg(self.child.pid, signal.SIGKILL)
                self.child.wait()
            os.close(self.master)


def rates(args, rows):
    """Boot, and run every row once. Operations a second, by row."""
    console = Console(args)
    try:
        console.until(PROMPT)
        figures = {}
        for row in rows:
            console.send(f"/bench/diskrate /dev/vda {row}\r".encode())
            console.until(f"<begin {row}>".encode())
            start = time.monotonic()
            console.send(b"\r")
            figures[row] = ROWS[row][0] / (console.until(f"<end {row}>".encode()) - start)
            console.until(PROMPT)
        return figures
    finally:
        console.close()


def commands(program, guest, initramfs, image):
    """The three machines."""
    mine = [str(program), "boot", str(guest / "Image"), "--initramfs", str(initramfs), "--mem", "512M",
            "--accel", "soft", "--append", "quiet cryptomgr.notests", "--disk"]
    peer = ["qemu-system-aarch64", "-M", "virt,gic-version=3", "-global", "virtio-mmio.force-legacy=false",
            "-cpu", "cortex-a76", "-m", "512", "-nographic", "-nodefaults", "-serial", "stdio",
            "-kernel", str(guest / "Image"), "-initrd", str(initramfs),
            "-append", "console=ttyAMA0 quiet cryptomgr.notests",
            "-drive", f"if=none,id=d0,format=raw,cache=writeback,file={image}",
            "-device", "virtio-blk-device,drive=d0"]
    return {"raw": mine + [str(image)], "overlay": mine + [f"{image},overlay"], "qemu": peer}


def show(row, rate):
    size = ROWS[row][1]
    return f"{rate * size / MIB:.0f} MiB/s" if size == MIB else f"{rate:.0f} /s"


def bench(program, guest, diskrate, folder, runs, rows=tuple(ROWS), kinds=("raw", "qemu", "overlay")):
    """Yields (label, figure of each kind, rate of each kind); runs alternate, medians count."""
    initramfs, image = prepare(folder, guest, diskrate)
    machines = commands(program, guest, initramfs, image)
    seen = []
    for number in range(runs):  # another one is the first each time
        order = [kinds[(number + i) % len(kinds)] for i in range(len(kinds))]
        seen.append({kind: rates(machines[kind], rows) for kind in order})
    for row in rows:
        medians = {kind: statistics.median(run[kind][row] for run in seen) for kind in kinds}
        yield LABELS[row], {kind: show(row, rate) for kind, rate in medians.items()}, medians
