"""What the bare-metal test kernel (tests/kernel) must print, and where QEMU's CPU is not to be believed."""

import difflib

from conftest import ROOT

FOLDER = ROOT / "tests" / "kernel"
ARGS = ("--format", "raw", "--smp", "2", "--quiet")


def lines(path):
    return path.read_text(encoding="utf-8").splitlines()


def name_of(line):
    return line.partition(":")[0]


def by_manual():
    """The text with the lines of differences.txt in it: each replaces that of its name."""
    instead = {name_of(line): line for line in lines(FOLDER / "differences.txt")
               if line and not line.startswith("#")}
    wanted = lines(FOLDER / "expected.txt")
    stale = set(instead) - {name_of(line) for line in wanted} | set(instead.values()) & set(wanted)
    assert not stale, f"differences.txt has lines that are none: {sorted(stale)}"
    return [instead.get(name_of(line), line) for line in wanted]


def by_qemu():
    """The text as KVM on QEMU's CPU has it."""
    return lines(FOLDER / "expected.txt")


def compare(output, wanted):
    got = output.replace("\r", "").splitlines()
    diff = list(difflib.unified_diff(wanted, got, "expected", "printed", lineterm="", n=0))
    assert not diff, "\n".join(diff[:80])
