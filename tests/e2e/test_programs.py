"""C programs that check the CPU from inside the guest: tests/guest/programs.

One machine is booted a number of CPUs and runs one program after the other; each program is a test. On the
software CPU they are translated; for one number of CPUs they run interpreted, too, and with LONG=1 those for one
CPU in lockstep.
"""

import functools
import os
import pathlib
import platform
import shutil
import subprocess
import sys

import pytest

from conftest import BUILD, ROOT, must_exist
from hosts import ENGINE, MAC
from machine import Machine

sys.path.insert(0, str(ROOT / "guest"))
import cpio  # noqa: E402

pytestmark = pytest.mark.linux("a compiler of static programs for arm64 Linux")

FOLDER = BUILD / "tests" / "guest" / "programs"
LONG = os.environ.get("LONG", "") not in ("", "0")
SCALE = 20 if LONG else 1  # multiplies what the programs repeat

# On how many CPUs each runs.
PROGRAMS = {
    "integer": [1],
    "floating": [1],
    "neon": [1],
    "crypto": [1],
    "signals": [1, 4],
    "ptrace_debug": [1, 4],
    "atomics_lse": [1, 4],
    "atomics_llsc": [1, 4],
    "threads": [1, 4],
    "selfmod": [1, 4],
    "forks": [1, 4],
    "memory": [1, 4],
    "timers": [1, 4],
    "litmus": [2, 4],
    "stack": [2, 8],
    "progress": [8],
}

# These say the same on every correct CPU: qemu-user, or the host itself, says what.
SAME = ("integer", "floating", "neon", "crypto")

# These show most when the vCPUs run on different cores, which a busy host may not do by itself.
SPREAD = ("litmus", "stack")



def cases():
    """(value of --jit, CPUs, program), those of one machine together."""
    every = {("auto", cpus, name) for name, numbers in PROGRAMS.items() for cpus in numbers}
    if ENGINE == "soft":
        every |= {("off", numbers[0], name) for name, numbers in PROGRAMS.items()}
        if LONG and platform.machine() == "x86_64":
            every |= {("lockstep", 1, name) for name, numbers in PROGRAMS.items() if 1 in numbers}
    return sorted(every)


def scale(jit):
    """Lockstep is long enough as it is."""
    return 1 if jit == "lockstep" else SCALE


class Guests:
    """tiny with the programs in /programs, one machine at a time; one that failed is not used again."""

    def __init__(self, args, folder):
        self.args, self.folder = args, folder
        self.machine, self.kind = None, None

    def run(self, jit, cpus, command, spread=False):
        if self.kind != (jit, cpus):
            self.close()
        try:
            if not self.machine:
                self.kind = (jit, cpus)
                self.machine = Machine(self.args + ["--smp", str(cpus), "--jit", jit],
                                       log=self.folder / f"console-{jit}-{cpus}.log")
                self.machine.shell()
                self.machine.child.timeout *= SCALE
            if spread:
                self.spread()
            return self.machine.run(command)
        except BaseException:
            self.close()
            raise

    def spread(self):
        """Bind the vCPUs' threads to the host's cores in turn, where the host lets us."""
        if MAC:
            return
        cores = sorted(os.sched_getaffinity(0))
        for task in pathlib.Path(f"/proc/{self.machine.vmm_pid()}/task").iterdir():
            name = (task / "comm").read_text().strip()
            if name.startswith("vcpu"):
                os.sched_setaffinity(int(task.name), {cores[int(name[4:]) % len(cores)]})

    def close(self):
        if self.machine:
            self.machine.close()
            self.machine = None


@pytest.fixture(scope="module")
def initramfs(guest, tmp_path_factory):
    """The recipe's, with an archive of the programs behind it: the kernel unpacks both."""
    archive = cpio.Archive(mtime=0)
    for name in PROGRAMS:
        file = must_exist(FOLDER / name, "install what tools/deps.sh test names, then build: make")
        archive.file(f"programs/{name}", file.read_bytes(), 0o755)
    data = (guest / "initramfs").read_bytes()
    path = tmp_path_factory.mktemp("programs") / "initramfs"
    path.write_bytes(data + bytes(-len(data) % 4) + archive.bytes())
    return path


@pytest.fixture(scope="module")
def guests(program, guest, engine, initramfs):
    args = [program, "boot", guest / "Image", "--initramfs", initramfs, "--accel", engine,
            "--mem", "512M", "--append", "quiet cryptomgr.notests"]
    all_guests = Guests([str(a) for a in args], initramfs.parent)
    yield all_guests
    all_guests.close()


def run_elsewhere(program, *args):
    """What a guest program prints on another CPU."""
    command = [str(program), *args]
    if platform.machine() != "aarch64":
        emulator = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
        assert emulator, "qemu-aarch64-static is missing; install what tools/deps.sh test names"
        command.insert(0, emulator)
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@functools.cache
def elsewhere(name, times):
    return run_elsewhere(FOLDER / name, str(times))


@pytest.mark.parametrize("jit, cpus, name", cases())
def test_program(guests, jit, cpus, name):
    status, output = guests.run(jit, cpus, f"/programs/{name} {scale(jit)}", spread=name in SPREAD)
    assert status == 0, output
    assert "ok " in output and "FAILED" not in output, output
    if name in SAME:
        assert output.splitlines() == elsewhere(name, scale(jit)).splitlines()


def test_every_program_that_was_built_is_run():
    built = {f.name for f in must_exist(FOLDER, "build first: make").iterdir() if f.is_file()}
    assert built == set(PROGRAMS)
