"""Tests know what they are for: skipped elsewhere by name, and no engine is named where any would do."""

import pathlib
import re
import subprocess

import pytest

from hosts import children, why_not

FOLDER = pathlib.Path(__file__).parent
THE_LAB = ("test_lab_kvm.py", "inlab.py")  # has an engine of its own
NAMED = re.compile(r'"--accel", *"(?:hvf|kvm|soft)"')


class Item:
    """As much of a pytest item as is looked at."""

    def __init__(self, *marks):
        self.marks = marks

    def iter_markers(self, name):
        return (mark.mark for mark in self.marks if mark.mark.name == name)


SOFT = pytest.mark.engine("soft", "it has a translator")
LINUX = pytest.mark.linux("LD_PRELOAD")


@pytest.mark.parametrize("marks, engine, mac, why", [
    ((), "hvf", True, None),
    ((SOFT,), "soft", True, None),
    ((SOFT,), "hvf", True, "for engine soft, not hvf: it has a translator"),
    ((SOFT,), "kvm", False, "for engine soft, not kvm: it has a translator"),
    ((LINUX,), "soft", False, None),
    ((LINUX,), "soft", True, "needs Linux: LD_PRELOAD"),
    ((SOFT, LINUX), "soft", True, "needs Linux: LD_PRELOAD"),
])
def test_who_is_skipped_and_why(marks, engine, mac, why):
    assert why_not(Item(*marks), engine, mac, lab="") == why


def test_only_what_is_marked_runs_in_the_lab():
    assert why_not(Item(pytest.mark.lab), "kvm", False, "new") is None
    assert why_not(Item(), "kvm", False, "new").startswith("not for the lab")
    assert why_not(Item(pytest.mark.lab, SOFT), "kvm", False, "new").startswith("for engine soft")


def test_no_test_names_an_engine_without_need():
    looked, wrong = 0, []
    for path in sorted(FOLDER.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        looked += "*accel" in text or '"--accel"' in text
        if path.name not in THE_LAB and "mark.engine(" not in text:
            wrong += [f"{path.name}: {found}" for found in NAMED.findall(text)]
    assert looked > 5
    assert not wrong, wrong


def test_a_process_is_found_by_its_parent(tmp_path):
    with subprocess.Popen(["sh", "-c", "sleep 60 & echo $!; read -r line; kill $!"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        assert children(parent.pid) == [child]
        parent.stdin.write("\n")
