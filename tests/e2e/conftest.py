"""What the end-to-end tests share: where things are, and a machine on a pseudo-terminal."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

from hosts import ACCEL, ENGINE, JIT, LAB, MAC, MARKERS, tool, why_not, with_words
from machine import Machine

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "guest"))
import cpio  # noqa: E402

BUILD = pathlib.Path(os.environ.get("IGNITION_BUILD", ROOT / "build" / ("clang" if MAC else "gcc")))


def pytest_configure(config):
    for line in MARKERS:
        config.addinivalue_line("markers", line)
    # What a shell has its jobs in the background ignore, and nohup, the programs under test would ignore, too.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTSTP):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def pytest_runtest_setup(item):
    why = why_not(item)
    if why:
        pytest.skip(why)


def must_exist(path, how):
    if not path.exists():
        pytest.fail(f"{path} is missing; {how}", pytrace=False)
    return path


@pytest.fixture(scope="session")
def program():
    return must_exist(BUILD / "ignition", "build first: make")


@pytest.fixture(scope="session")
def guest():
    """The files of recipe tiny."""
    folder = ROOT / "build" / "guest" / "tiny"
    must_exist(folder / "Image", "make guest RECIPE=tiny")
    must_exist(folder / "initramfs", "make guest RECIPE=tiny")
    return folder


@pytest.fixture(scope="session")
def debian():
    """The files of recipe debian."""
    folder = ROOT / "build" / "guest" / "debian"
    for name in ("Image", "initramfs", "rootfs.ext4"):
        must_exist(folder / name, "make guest RECIPE=debian")
    return folder


@pytest.fixture(scope="session")
def engine():
    """What runs the guests: IGNITION_ACCEL, or soft. A test that is of one engine says so: see hosts.py."""
    return ENGINE


@pytest.fixture(scope="session")
def accel():
    """The engine as options of `ignition boot`, with IGNITION_JIT if that is set."""
    return ACCEL


def skip_if_not_in_mode(options):
    """What IGNITION_JIT cannot run with these options."""
    if JIT == "lockstep" and "--smp" in options and int(options[options.index("--smp") + 1]) > 1:
        pytest.skip("lockstep is for one vCPU")


@pytest.fixture
def start(request):
    """start(*options) boots tiny; every machine is gone when the test ends."""
    return request.getfixturevalue("start_in_lab" if LAB else "start_here")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A test that failed in the lab shows what the lab's kernel said last: of a program that died, its registers."""
    report = yield
    if report.failed and call.when == "call" and "lab" in getattr(item, "funcargs", ()):
        _, said, _ = item.funcargs["lab"].run("sh", "-c", "dmesg | tail -n 40")
        report.sections.append(("the lab's kernel", said.decode(errors="replace")))
    return report


@pytest.fixture(scope="session")
def lab(guest):
    """An emulated arm64 machine with KVM, with what is needed to boot tiny there."""
    import inlab

    with inlab.running(guest) as lab:
        yield lab


@pytest.fixture
def start_in_lab(lab, tmp_path):
    """The same, with the engine kvm in the lab."""
    import inlab

    with inlab.starter(lab, tmp_path) as boot:
        yield boot


@pytest.fixture
def start_here(program, guest, accel, tmp_path):
    machines = []

    def boot(*options, kernel=None, initramfs=True, under_shell=False, within=(), **kwargs):
        args = [str(program), "boot", str(kernel or guest / "Image"), *accel]
        if initramfs:
            args += ["--initramfs", str(guest / "initramfs")]
        skip_if_not_in_mode(options)
        if JIT == "lockstep":
            options = with_words(options, "cryptomgr.notests")  # half of a boot
        args += [str(option) for option in options]
        if under_shell:  # which stays when the program has ended
            args = ["/bin/sh", "-c", '"$@"; read -r line', "sh", *args]
        args = [*within, *args]  # a command that becomes the program in the end
        machine = Machine(args, log=tmp_path / f"console{len(machines)}.log", **kwargs)
        machines.append(machine)
        return machine

    yield boot
    for machine in machines:
        machine.close()


@pytest.fixture(scope="session")
def hostio():
    """The library that fails, delays and records the host's calls on a file."""
    if MAC:
        pytest.skip("needs Linux: LD_PRELOAD, which puts the library in front of the C library")
    return must_exist(BUILD / "tests" / "fault" / "hostio.so", "build first: make")


@pytest.fixture(scope="session")
def disk_programs(guest, tmp_path_factory):
    """The recipe's initramfs with the programs that work a disk behind it, in /programs."""
    if MAC:
        pytest.skip("needs Linux: a compiler of static programs for arm64 Linux")
    archive = cpio.Archive(mtime=0)
    for file in sorted(must_exist(BUILD / "tests" / "guest" / "disk", "build first: make").iterdir()):
        archive.file(f"programs/{file.name}", file.read_bytes(), 0o755)
    assert archive.entries, "no programs: install what tools/deps.sh test names, then build: make"
    data = (guest / "initramfs").read_bytes()
    path = tmp_path_factory.mktemp("disk") / "initramfs"
    path.write_bytes(data + bytes(-len(data) % 4) + archive.bytes())
    return path


@pytest.fixture
def ext4(tmp_path):
    """A fresh ext4 image of 16 MiB."""
    image = tmp_path / "disk.img"
    with open(image, "wb") as f:
        f.truncate(16 << 20)
    subprocess.run([tool("mke2fs"), "-q", "-F", "-t", "ext4", str(image)], check=True)
    return image
