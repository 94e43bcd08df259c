"""ignition doctor: what it says of this host is so, and its status says whether a machine can run."""

import json
import os
import resource
import struct
import subprocess

import pexpect
import pytest

from hosts import MAC
from machine import TIMEOUT_S

# What it tells, in this order.
CHECKS = ["engine-hvf", "engine-kvm", "engine-soft",
          *(["macos", "hypervisor", "entitlement"] if MAC else
            ["kvm", "huge-pages", "landlock", "seccomp", "user-namespaces"]),
          "terminal", "memory", "open-files", "cores", "temporary-folder"]


def doctor(program, *args, env=None, **kwargs):
    return subprocess.run([str(program), "doctor", *args], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, timeout=TIMEOUT_S, env=dict(os.environ, **(env or {})), **kwargs)


def report(program, status=0, **kwargs):
    result = doctor(program, "--json", **kwargs)
    assert result.returncode == status, result.stdout + result.stderr
    assert result.stderr == ""
    found = json.loads(result.stdout)
    assert found["can_run"] == (status == 0)
    return found, {check["name"]: check for check in found["checks"]}


def boot_off(program, folder, accel, **kwargs):
    """The status of a machine that powers off at once."""
    blob = folder / "off.bin"
    # mov w0, #0x84000008 (PSCI SYSTEM_OFF); hvc #0
    blob.write_bytes(struct.pack("<3I", 0x52800100, 0x72B08000, 0xD4000002))
    return subprocess.run([str(program), "boot", str(blob), "--format", "raw", *accel], check=False,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, **kwargs).returncode


def limited(what, limit):
    return lambda: resource.setrlimit(what, (limit, limit))


def test_both_forms_tell_the_same(program):
    found, checks = report(program)
    assert list(checks) == CHECKS
    lines = doctor(program).stdout.splitlines()
    assert lines[0] == f"ignition {found['version']} on {found['system']}"
    assert lines[-1] == f"Machines can run here, on {found['accel']}."
    body = lines[2:-2]
    assert len(body) == len(CHECKS)
    column = len("  missing  ")
    for line, check in zip(body, found["checks"]):
        assert line[:column].strip() == check["verdict"] and check["verdict"] in ("ok", "note", "missing")
        name = check["name"].replace("-", " ")
        assert line[column:].startswith(name + " ")
        if check["name"] not in ("memory", "temporary-folder"):  # which change while we look
            assert line.endswith(check["text"] + (f"; {check['way_out']}" if check["way_out"] else ""))


def test_engines_are_as_boot_finds_them(program, tmp_path):
    found, checks = report(program)
    assert checks["engine-soft"]["facts"] == {"built_in": True, "works": True}
    first = next(name for name in ("hvf", "kvm", "soft") if checks[f"engine-{name}"]["facts"]["works"])
    assert found["accel"] == first
    for name in ("hvf", "kvm", "soft"):
        check = checks[f"engine-{name}"]
        assert (boot_off(program, tmp_path, ["--accel", name]) == 0) == check["facts"]["works"]
        assert ("--accel auto takes it" in check["text"]) == (name == found["accel"])
        if not check["facts"]["built_in"]:
            assert check["verdict"] == "note" and "not part of this build" in check["text"]


@pytest.mark.linux("/proc/meminfo and /dev/kvm")
def test_what_the_kernel_says(program):
    checks = report(program)[1]
    with open("/proc/meminfo", encoding="ascii") as f:
        total = int(f.readline().split()[1]) << 10
    facts = checks["memory"]["facts"]
    assert facts["total_bytes"] == total
    assert 0 < facts["available_bytes"] <= total and facts["fits_bytes"] < facts["available_bytes"]
    assert checks["cores"]["facts"]["count"] == len(os.sched_getaffinity(0))
    assert checks["open-files"]["facts"]["limit"] == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    kvm = checks["kvm"]
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
    except PermissionError:
        assert "no permission" in kvm["text"] and kvm["way_out"]
    except OSError as failure:
        assert os.strerror(failure.errno) in kvm["text"] and kvm["way_out"]
    else:
        assert kvm["facts"]["api_version"] == 12
    if os.uname().machine != "aarch64":
        assert kvm["verdict"] == "note"


@pytest.mark.linux("a process can be bound to cores")
def test_fewer_cores(program):
    core = min(os.sched_getaffinity(0))
    checks = report(program, preexec_fn=lambda: os.sched_setaffinity(0, {core}))[1]
    assert checks["cores"]["facts"]["count"] == 1


@pytest.mark.linux("limits of addresses are kept")
def test_no_machine_without_memory_or_files(program):
    checks = report(program, status=1, preexec_fn=limited(resource.RLIMIT_AS, 128 << 20))[1]
    assert checks["memory"]["verdict"] == "missing" and "ulimit -v" in checks["memory"]["way_out"]
    checks = report(program, status=1, preexec_fn=limited(resource.RLIMIT_NOFILE, 10))[1]
    assert checks["open-files"]["verdict"] == "missing" and "ulimit -n" in checks["open-files"]["way_out"]
    result = doctor(program, preexec_fn=limited(resource.RLIMIT_NOFILE, 10))
    assert result.returncode == 1
    assert result.stdout.splitlines()[-1] == "No machine can run here: see open files."


@pytest.mark.linux("limits of addresses are kept")
def test_memory_under_a_limit(program):
    checks = report(program, preexec_fn=limited(resource.RLIMIT_AS, 1 << 30))[1]
    assert checks["memory"]["facts"]["fits_bytes"] <= 768 << 20
    assert checks["memory"]["verdict"] == "note"


def test_a_limit_of_files_that_is_enough_for_the_smallest_machine(program, accel, tmp_path):
    """The number that the doctor goes by is one that boot can live with."""
    report(program, preexec_fn=limited(resource.RLIMIT_NOFILE, 16))
    assert boot_off(program, tmp_path, accel, preexec_fn=limited(resource.RLIMIT_NOFILE, 16)) == 0


def test_temporary_folder(program, tmp_path):
    checks = report(program, env={"TMPDIR": str(tmp_path)})[1]
    assert checks["temporary-folder"]["facts"]["path"] == str(tmp_path)
    assert list(tmp_path.iterdir()) == []  # nothing stays behind
    checks = report(program, env={"TMPDIR": str(tmp_path / "missing")})[1]
    assert checks["temporary-folder"]["verdict"] == "missing" and "TMPDIR" in checks["temporary-folder"]["way_out"]


def test_at_a_terminal(program):
    child = pexpect.spawn(str(program), ["doctor"], timeout=TIMEOUT_S, encoding="utf-8", dimensions=(30, 110),
                          env=dict(os.environ, TERM="vt220", LC_ALL="C.UTF-8"))
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert "terminal          110x30 characters, TERM is vt220, UTF-8\r\n" in child.before
    child = pexpect.spawn(str(program), ["doctor"], timeout=TIMEOUT_S, encoding="utf-8",
                          env=dict(os.environ, TERM="dumb", LC_ALL="C"))
    child.expect(pexpect.EOF)
    assert "not UTF-8; set TERM" in child.before


@pytest.mark.linux("/dev/full")
def test_output_that_does_not_arrive(program):
    with open("/dev/full", "w", encoding="ascii") as full:
        for args in (["doctor"], ["doctor", "--json"], ["manual"], ["completion", "zsh"], ["--version"], ["--help"]):
            result = subprocess.run([str(program), *args], stdout=full, stderr=subprocess.PIPE, text=True, check=False,
                                    stdin=subprocess.DEVNULL, timeout=TIMEOUT_S)
            assert result.returncode == 1, args
            assert result.stderr == "ignition: write to standard output: No space left on device\n"
