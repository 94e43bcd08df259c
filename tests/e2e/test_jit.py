"""The translator as a user meets it: lockstep, statistics, dumps, a tiny cache, and no translator at all."""

import base64
import os
import pathlib
import platform
import re
import subprocess

import pytest

pytestmark = pytest.mark.engine("soft", "the translator is the software CPU's")

HAS_JIT = platform.system() == "Linux" and platform.machine() == "x86_64"
translated = pytest.mark.skipif(not HAS_JIT, reason="there is no translator for this host")

# Something of everything: processes, files, system calls, the scheduler.
SCRIPT = "uname -a; ls -lR /etc /proc/self | md5sum; seq 1 2000 | sort -r | md5sum; cat /proc/cpuinfo"


def boot(program, guest, *options, script=SCRIPT):
    """Run a script in a guest. Returns (console, errors)."""
    text = base64.b64encode(script.encode()).decode()
    result = subprocess.run(
        [str(program), "boot", str(guest / "Image"), "--initramfs", str(guest / "initramfs"),
         "--accel", "soft", *options, "--append", f"quiet cryptomgr.notests ign.exec={text}"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False)
    assert result.returncode == 0, result.stderr
    assert "GNU/Linux" in result.stdout and "Features" in result.stdout
    return result.stdout, result.stderr


@translated
def test_a_boot_in_lockstep(program, guest):
    """Every block that can be undone is compared: nothing is sampled."""
    _, errors = boot(program, guest, "--jit", "lockstep")
    found = re.search(r"lockstep: (\d+) blocks \((\d+) instructions\) compared and the same; of them (\d+) "
                      r"wrote memory, (\d+) ended by an exception, (\d+) had atomics", errors)
    assert found, errors
    blocks, instructions, wrote, exceptions, atomics = map(int, found.groups())
    alone, devices = map(int, re.search(
        r"lockstep: (\d+) system instructions and (\d+) blocks with device accesses", errors).groups())
    assert instructions > 100_000_000 and blocks > 10_000_000
    assert wrote and exceptions and atomics and devices
    assert alone + devices < blocks / 50


@translated
def test_a_boot_with_a_tiny_cache(program, guest):
    _, errors = boot(program, guest, "--jit-cache", "1M", "--jit-stats", "--smp", "2")
    assert int(re.search(r"the cache was emptied (\d+) times", errors).group(1)) > 10


@translated
def test_statistics(program, guest):
    _, errors = boot(program, guest, "--jit", "on", "--jit-stats")
    blocks, size = re.search(r"jit: (\d+) blocks of ([\d.]+) instructions", errors).groups()
    assert int(blocks) > 10_000 and 1 < float(size) < 64
    assert re.search(r"jit: entered \d+ times; left \d+ times at a request", errors)
    assert re.search(r"jit: cache: \d+ KiB of code", errors)
    calls = [int(n) for n in re.findall(r"jit:\s+(\d+)\s+[\d.]+ %  \w+", errors)]
    assert len(calls) == 20 and calls == sorted(calls, reverse=True)


@translated
def test_a_dump_has_both_codes_side_by_side(program, guest):
    """The kernel's first instructions are at the start of RAM."""
    _, errors = boot(program, guest, "--jit-dump", "0x40000000")
    assert re.search(r"jit: block at 0x40000000, physical 0x40000000, EL1, \d+ instructions", errors)
    lines = [line for line in errors.splitlines() if " | 0x" in line]
    assert any("(entry)" in line for line in lines) and any("(rarely executed)" in line for line in lines)
    assert any(re.search(r"0x4000000\d  b ", line) for line in lines), errors  # the Image's header
    assert any(re.search(r"\|.*cmp dword ptr \[rbp", line) for line in lines), errors


@translated
def test_a_profiler_finds_names(program, guest):
    before = set(pathlib.Path("/tmp").glob("perf-*.map"))
    boot(program, guest, "--jit-perf")
    maps = set(pathlib.Path("/tmp").glob("perf-*.map")) - before
    try:
        mine = [m for m in maps if "ignition_enter" in m.read_text().splitlines()[0]]
        assert mine, maps
        for line in mine[0].read_text().splitlines():
            assert re.fullmatch(r"[0-9a-f]+ [0-9a-f]+ (ignition|guest)_\w+", line)
    finally:
        for each in maps:
            if each.stat().st_uid == os.getuid():
                each.unlink()


def test_without_the_translator(program, guest):
    _, errors = boot(program, guest, "--jit", "off", "--jit-stats", "--jit-dump", "40000000")
    assert "jit:" not in errors


@pytest.mark.skipif(HAS_JIT, reason="this host has a translator")
def test_a_host_without_one_says_so(program, guest):
    _, errors = boot(program, guest)
    assert "no translator for this kind of host" in errors
    result = subprocess.run([str(program), "boot", str(guest / "Image"), "--accel", "soft", "--jit", "on"],
                            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "use --jit off" in result.stderr


@translated
def test_lockstep_is_for_one_vcpu_of_the_software_cpu(program, guest):
    for options, words in ((["--smp", "2"], "lockstep is for one vCPU, not 2; use --smp 1"),
                           (["--accel", "kvm"], "kvm")):
        result = subprocess.run([str(program), "boot", str(guest / "Image"), "--jit", "lockstep", *options],
                                stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert result.returncode == 1
        assert words in result.stderr
