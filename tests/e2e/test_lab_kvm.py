"""The engine kvm on a true arm64 KVM: the arm64 build in the lab (tools/lab.py), which QEMU emulates.

Input is given up front: the console holds it until the guest's shell listens.
"""

import base64
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import lab as lab_module  # noqa: E402

ARM64 = ROOT / "build" / "arm64"
LIMIT_S = "240"  # a hang must end; nothing else relies on it


@pytest.fixture(scope="module")
def lab(guest):
    program = ARM64 / "src" / "cli" / "ignition"
    if not program.exists():
        pytest.fail(f"{program} is missing; run tools/sysroot.py and tools/build.sh arm64",
                    pytrace=False)
    with lab_module.Lab.start() as running:
        running.put_program(program)
        running.put(guest / "Image")
        running.put(guest / "initramfs")
        yield running


def boot(lab, commands, *options):
    """Boot tiny on kvm, give the shell its commands; (status, console, messages)."""
    status, out, err = lab.run("timeout", LIMIT_S, "/lab/ignition", "boot", "/lab/Image", "--initramfs", "/lab/initramfs",
                               "--accel", "kvm", "--mem", "256M", *options,
                               stdin="".join(c + "\n" for c in commands).encode())
    return status, out.decode(errors="replace"), err.decode(errors="replace")


@pytest.mark.parametrize("smp", [1, 2])
def test_shell_on_kvm(lab, smp):
    status, console, messages = boot(lab, ["uname -m", "echo cpus=$(nproc)", "exit"], "--smp", smp)
    assert status == 0, messages + console
    assert "aarch64" in console
    assert f"cpus={smp}\r\n" in console


def test_reset_starts_again_on_kvm(lab):
    lab.ok("sh", "-c", "dd if=/dev/zero of=/lab/disk bs=1M count=1 2>/dev/null")
    # The first life marks the disk and resets; the second finds the mark and ends.
    life = ("read -r mark </dev/vda; if [ \"$mark\" = seen ]; then echo second life; "
            "else echo seen >/dev/vda; sync; reboot -f; fi")
    word = base64.b64encode(life.encode()).decode()
    status, console, messages = boot(lab, [], "--disk", "/lab/disk", "--append", f"ign.exec={word}")
    assert status == 0, messages + console
    assert "second life\r\n" in console
    assert "starting again" in messages


def test_engine_against_a_real_kvm(lab):
    """tests/unit/hv/test_kvm.c: exits, kicks, state and dirty pages."""
    lab.put_program(ARM64 / "tests" / "unit" / "test_kvm")
    status, out, err = lab.run("timeout", LIMIT_S, "/lab/test_kvm")
    assert status == 0, (out + err).decode(errors="replace")
