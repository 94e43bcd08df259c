"""The lab (tools/lab.py), an emulated arm64 machine with KVM; and in it the engine kvm, for real."""

import contextlib
import hashlib
import json
import os
import re
import socket
import struct
import subprocess
import threading

import pytest

import inlab
import kernel_text
from inlab import labtool
from machine import PROMPT
import labport

pytestmark = pytest.mark.lab


@pytest.fixture
def start(start_in_lab):
    """Here machines run in the lab, whatever IGNITION_LAB says."""
    return start_in_lab


# ---- the lab itself ----

def test_commands_report_all_that_they_said_and_how_they_ended(lab):
    assert lab.run("sh", "-c", "echo out; echo err >&2; exit 7") == (7, b"out\n", b"err\n")
    assert lab.run("sh", "-c", "kill -9 $$")[0] == 137
    assert lab.run("no-such-program")[0] == 127


def test_files_arrive_whole(lab, tmp_path):
    data = os.urandom(1 << 20) + b"\xc0\xdb\xdc\xdd" * 1000  # what the framing escapes, too
    (tmp_path / "blob").write_bytes(data)
    assert lab.get(lab.put(tmp_path / "blob")) == data
    # A command that does not want its input neither hangs nor hurts.
    assert lab.run("true", stdin=data)[0] == 0


def test_a_client_that_died_leaves_its_port_usable(lab):
    for chunk in (b"", b"\xdb", b"x" * 200_000):
        with lab.session() as session:
            session.socket.setblocking(True)
            session.socket.sendall(labport.encode(session.id, b"S", b"\0\0\0\0\0cat\0") + chunk)
        assert lab.run("echo", "next") == (0, b"next\n", b"")


def test_more_commands_than_ports_are_refused(lab):
    with contextlib.ExitStack() as stack:
        for _ in range(labtool.PORTS):
            stack.enter_context(lab.session())
        with pytest.raises(labtool.LabError, match="command ports of the lab are in use"):
            lab.run("true")


def test_a_lab_that_somebody_else_has_just_started_is_waited_for(tmp_path):
    (tmp_path / "pid").write_text(str(os.getpid()))
    port = socket.socket(socket.AF_UNIX)

    def listen():
        port.bind(str(tmp_path / "p1"))
        port.listen()

    late = threading.Timer(0.2, listen)
    late.start()
    with labtool.Lab(tmp_path).session() as session:
        assert session.socket.getpeername() == str(tmp_path / "p1")
    late.join()
    port.close()
    os.unlink(tmp_path / "p1")
    (tmp_path / "pid").write_text("0x")
    with pytest.raises(labtool.LabError, match="the lab is gone"), labtool.Lab(tmp_path).session():
        pass


def test_a_program_that_the_sysroot_cannot_serve_is_named(tmp_path):
    (tmp_path / "f.c").write_text("int f(void); int f(void) { return 0; }")
    (tmp_path / "x.c").write_text("int f(void); int main(void) { return f(); }")
    for args in ("-shared -o libnone.so f.c -Wl,-soname,libnone.so", "-o x x.c libnone.so"):
        subprocess.run([labtool.CC, *args.split()], cwd=tmp_path, check=True)
    with pytest.raises(labtool.LabError, match="needs libnone.so, which the sysroot lacks"):
        labtool.shared_libraries(tmp_path / "x")


# ---- the engine ----


@pytest.mark.parametrize("name", inlab.UNIT_TESTS)
def test_engine_unit_tests_pass(lab, name):
    """State from machine to machine, kicks, dirty pages, calls that fail: what needs no guest's kernel."""
    status, output, errors = lab.run("env", "CMOCKA_MESSAGE_OUTPUT=TAP", "timeout", "300", f"/lab/{name}")
    text = (output + errors).decode()
    assert status == 0, text
    lines = text.splitlines()
    assert lines[0].startswith("1..") and int(lines[0][3:]) > 0
    assert sum(line.startswith("ok ") for line in lines) == int(lines[0][3:])


def test_console_input_and_output_of_some_kib(start):
    m = start().shell()
    assert "KVM" in m.ok("dmesg | grep smccc")
    text = "".join(f"{i:07d} the quick brown fox jumps over the lazy dog\n" for i in range(64))
    text += "x" * (4096 - len(text))
    m.send("stty raw -echo; echo re''ady; head -c 4096 >/tmp/in; stty sane; cat /tmp/in | md5sum; echo do''ne\r")
    m.expect("ready")
    m.send(text)
    m.expect("done")
    m.expect(PROMPT)
    assert hashlib.md5(text.encode()).hexdigest() in m.text()
    assert m.ok("head -c 3000 /tmp/in") == text[:3000].rstrip("\n")
    m.send("exit\r")
    assert m.wait() == 0


def refused(lab, *argv):
    """The one line with which a command says no."""
    status, output, errors = lab.run(*argv)
    assert status == 1 and not output, (status, output)
    (line,) = errors.decode().splitlines()
    return line


def test_the_bare_metal_kernel_prints_what_is_expected(lab):
    """Its text is that of this CPU, written down: IGNITION_WRITE_EXPECTED=1 writes it anew."""
    kernel = inlab.must_exist(inlab.BUILD / "tests" / "kernel" / "kernel.bin")
    path = lab.put(kernel)
    status, output, errors = lab.run("/lab/ignition", "boot", path, *kernel_text.ARGS,
                                     "--accel", "kvm")
    assert (status, errors) == (0, b"")
    if os.environ.get("IGNITION_WRITE_EXPECTED"):
        (kernel_text.FOLDER / "expected.txt").write_bytes(output)
    kernel_text.compare(output.decode(), kernel_text.by_qemu())


BOOT = ("/lab/ignition", "boot", "/lab/Image", "--accel", "kvm")


def doctor(lab, *argv):
    """What the doctor says there, by the names of its checks; and what "auto" takes."""
    status, output, errors = lab.run(*argv)
    assert (status, errors) == (0, b""), output
    report = json.loads(output)
    return {check["name"]: check for check in report["checks"]}, report["accel"]


def test_doctor_finds_kvm(lab):
    checks, accel = doctor(lab, "/lab/ignition", "doctor", "--json")
    assert accel == "kvm"
    assert checks["engine-kvm"]["verdict"] == "ok" and "--accel auto takes it" in checks["engine-kvm"]["text"]
    assert checks["engine-soft"]["text"] == "works"
    assert checks["kvm"]["verdict"] == "ok" and checks["kvm"]["facts"]["api_version"] == 12


def test_a_cpu_model_that_kvm_lacks_is_refused(lab):
    line = refused(lab, *BOOT, "--cpu", "max")
    assert "KVM has no CPU model max; use --cpu portable or --cpu host" in line


def test_kvm_without_permission_says_which_group(lab):
    lab.ok("sh", "-c", "echo kvm:x:106: >/etc/group; echo user:x:1000:1000::/:/bin/sh >/etc/passwd;"
           "chown 0:106 /dev/kvm; chmod 660 /dev/kvm; chmod 755 / /lab")
    line = refused(lab, "su", "user", "-c", " ".join(BOOT))
    assert "/dev/kvm: no permission; it belongs to group kvm" in line
    checks, accel = doctor(lab, "su", "user", "-c", "/lab/ignition doctor --json")
    assert accel == "soft"
    assert checks["engine-kvm"]["verdict"] == "missing" and "group kvm" in checks["engine-kvm"]["text"]
    assert checks["kvm"]["verdict"] == "missing" and checks["kvm"]["facts"]["group"] == "kvm"
    assert "usermod -aG kvm" in checks["kvm"]["way_out"]


def test_no_kvm_is_said_with_the_way_out(lab):
    lab.ok("mv", "/dev/kvm", "/dev/kvm.away")
    try:
        line = refused(lab, *BOOT)
        checks, accel = doctor(lab, "/lab/ignition", "doctor", "--json")
    finally:
        lab.ok("mv", "/dev/kvm.away", "/dev/kvm")
    assert "/dev/kvm is not there" in line and "--accel soft" in line
    assert accel == "soft"
    assert checks["kvm"]["verdict"] == "missing" and "EL2" in checks["kvm"]["way_out"]


def test_a_kvm_that_is_none_is_said(lab):
    """Another device in its place, and one that no driver serves."""
    lab.ok("mv", "/dev/kvm", "/dev/kvm.away")
    try:
        lab.ok("mknod", "/dev/kvm", "c", "1", "3")
        other = refused(lab, *BOOT)
        lab.ok("sh", "-c", "rm /dev/kvm; mknod /dev/kvm c 240 77")
        nobody = refused(lab, *BOOT)
    finally:
        lab.ok("sh", "-c", "rm -f /dev/kvm; mv /dev/kvm.away /dev/kvm")
    assert "/dev/kvm is not KVM: KVM_GET_API_VERSION: " in other and "use --accel soft" in other
    assert "/dev/kvm is not there" in nobody and "use --accel soft" in nobody


def test_what_cpu_model_portable_cannot_hide_is_said(lab, tmp_path):
    blob = tmp_path / "off.bin"
    # mov w0, #0x84000008 (PSCI SYSTEM_OFF); hvc #0
    blob.write_bytes(struct.pack("<3I", 0x52800100, 0x72B08000, 0xD4000002))
    argv = ["/lab/ignition", "boot", lab.put(blob), "--format", "raw", "--accel", "kvm", "-v"]
    status, _, errors = lab.run(*argv)
    assert status == 0 and re.search(r"kvm: ID_AA64MMFR1_EL1: 0x\w+ of 0x\w+ cannot be lowered", errors.decode())
    status, _, errors = lab.run(*argv, "--cpu", "host")
    assert status == 0 and "cannot be lowered" not in errors.decode()
