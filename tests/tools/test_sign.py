"""tools/sign.sh, with a codesign of ours: it signs what is not signed, once, with one entitlement."""

import os
import pathlib
import plistlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SIGN = ROOT / "tools" / "sign.sh"
ENTITLEMENTS = ROOT / "tools" / "ignition.entitlements"

# What is signed ends with a line of its own; every call is written down.
CODESIGN = """#!/bin/sh
echo "$*" >>"$CALLS"
for program; do :; done
case $* in
*--verify*) grep -q '^signed' "$program" ;;
*--display*) grep '^signed' "$program" ;;
*) [ -z "${REFUSE-}" ] || { echo "codesign: $REFUSE" >&2; exit 1; }
   echo "signed com.apple.security.hypervisor" >>"$program" ;;
esac
"""


@pytest.fixture
def sign(tmp_path):
    tool = tmp_path / "codesign"
    tool.write_text(CODESIGN)
    tool.chmod(0o755)
    calls = tmp_path / "calls"

    def run(*args, **env):
        calls.write_text("")
        done = subprocess.run([SIGN, *map(str, args)], capture_output=True, text=True, check=False,
                              env=dict(os.environ, CODESIGN=str(tool), CALLS=str(calls)) | env)
        done.signed = [line for line in calls.read_text().splitlines() if "--force" in line]
        return done

    return run


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "a program"
    path.write_text("linked\n")
    os.utime(path, (1000, 1000))
    return path


def test_it_signs_once(sign, program):
    first = sign(program)
    assert (first.returncode, first.stdout, first.stderr) == (0, "", "")
    assert first.signed == [f"--force --sign - --entitlements {ENTITLEMENTS} {program}"]
    assert program.stat().st_mtime == 1000  # what depends on it is not made anew
    assert sign(program).signed == []
    program.write_text("linked again\n")
    assert len(sign(program).signed) == 1


def test_another_signature_is_replaced(sign, program):
    program.write_text("signed com.apple.security.other\n")
    assert len(sign(program).signed) == 1


def test_the_builds_own_way(sign, program, tmp_path):
    stamp = tmp_path / "stamp"
    assert sign("--stamp", stamp, program).returncode == 0
    assert stamp.exists() and program.stat().st_mtime <= stamp.stat().st_mtime
    (tmp_path / "opt" / "bin").mkdir(parents=True)
    (tmp_path / "opt" / "bin" / "ignition").write_text("linked\n")
    done = sign("--installed", "bin/ignition", MESON_INSTALL_DESTDIR_PREFIX=str(tmp_path / "opt"))
    assert done.signed == [f"--force --sign - --entitlements {ENTITLEMENTS} {tmp_path}/opt/bin/ignition"]


@pytest.mark.parametrize("args, env, status, words", [
    ([], {}, 2, "usage: tools/sign.sh"),
    (["--stamp", "x"], {}, 2, "usage: tools/sign.sh"),
    (["{missing}"], {}, 1, "missing: no such program; build it first"),
    (["{program}"], {"CODESIGN": "/no/such/codesign"}, 1, "xcode-select --install"),
    (["{program}"], {"REFUSE": "no identity found"}, 1, "codesign failed: codesign: no identity found"),
    (["--stamp", "{stamp}", "{program}"], {"REFUSE": "no"}, 1, "codesign failed"),
])
def test_one_sentence_for_what_goes_wrong(sign, program, tmp_path, args, env, status, words):
    names = {"missing": tmp_path / "missing", "program": program, "stamp": tmp_path / "stamp"}
    done = sign(*(arg.format(**names) for arg in args), **env)
    assert done.returncode == status and words in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "stamp").exists()


def test_the_entitlement_alone():
    """A restricted one, such as com.apple.vm.networking, has an ad hoc signed program killed at its start."""
    assert plistlib.loads(ENTITLEMENTS.read_bytes()) == {"com.apple.security.hypervisor": True}
