"""tools/check.py on a Mac: which stages there are, and what they run with."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import check  # noqa: E402


def test_a_mac_runs_the_end_to_end_tests_on_both_engines(monkeypatch, tmp_path):
    stages = check.select([], mac=True)
    assert [s.name for s in stages] == ["venv", "clang", "guest", "unit", "hvf", "soft"]
    seen = []
    monkeypatch.setattr(check, "run_counted", lambda log, args, junit, env=None: seen.append((args, env)))
    for stage in stages[-2:]:
        stage.run(tmp_path / "log")
    assert [env for _, env in seen] == [{"IGNITION_ACCEL": "hvf"}, {"IGNITION_ACCEL": "soft"}]
    assert all("tests" in args and f"--ignore={check.LAB_TESTS}" in args for args, _ in seen)


def test_a_missing_guest_is_named_with_the_way_to_it(monkeypatch, tmp_path):
    monkeypatch.setattr(check, "BUILD", tmp_path)
    for name in ("tiny", "debian"):
        counts = check.mac_guests(None)
        assert counts.failed == 1 and f"build/guest/{name} is missing" in counts.note and "Linux" in counts.note
        (tmp_path / "guest" / name).mkdir(parents=True)
        (tmp_path / "guest" / name / "Image").touch()
    assert check.mac_guests(None).failed == 0


def test_linux_has_the_macos_build_and_no_stage_of_a_mac():
    names = [s.name for s in check.select([], mac=False)]
    assert "macos" in names and "hvf" not in names
    with pytest.raises(SystemExit, match="no such stage"):
        check.select(["hvf"], mac=False)


def test_half_a_report_is_a_failure_and_no_end_of_the_check(tmp_path):
    report = tmp_path / "log.xml"
    report.write_text('<testsuite><testcase name="a"/></testsuite>', encoding="ascii")
    assert (check.read_junit(report).passed, check.read_junit(report).failed) == (1, 0)
    report.write_text('<testsuite><testcase name="a"/><testc', encoding="ascii")
    counts = check.read_junit(report)
    assert counts.failed == 1 and str(report) in counts.note


@pytest.mark.skipif(sys.platform == "darwin", reason="this is a Mac")
def test_check_mac_elsewhere_says_what_it_is_for():
    done = subprocess.run([ROOT / "tools" / "check-mac.sh"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "this is no Mac" in done.stderr
