"""tools/machocheck.py: a symbol that no Mac has is found, wherever it hides; what is known passes."""

import pathlib
import shutil
import struct
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import machocheck  # noqa: E402

STUB = """--- !tapi-tbd
targets:         [ x86_64-macos, arm64e-macos ]
install-name:    '/usr/lib/libSystem.B.dylib'
reexported-libraries:
  - targets:         [ x86_64-macos, arm64e-macos ]
    libraries:       [ '/usr/lib/system/libsystem_c.dylib' ]
exports:
  - targets:         [ x86_64-macos ]
    symbols:         [ '_old$INODE64' ]
  - targets:         [ x86_64-macos, arm64e-macos,
                       arm64e.x1-macos ]
    symbols:         [ _open, '_realpath$DARWIN_EXTSN',
                       _close ]
    weak-symbols:    [ _weak_one ]
  - targets:         [ arm64e-maccatalyst ]
    symbols:         [ _elsewhere ]
"""


@pytest.fixture
def known():
    return machocheck.Known(machocheck.read_stub(STUB), {"inflate": "z"}, machocheck.read_table(machocheck.FRAMEWORK),
                            {"ign_version"})


@pytest.fixture
def compiled(tmp_path):
    """compiled(C code): an object file for a Mac."""
    clang = shutil.which("clang")
    if not clang:
        pytest.fail("clang is missing; install it (tools/deps.sh test)", pytrace=False)

    def build(code, least="15.0"):
        path = tmp_path / "x.o"
        subprocess.run([clang, "-target", f"arm64-apple-macos{least}", "-xc", "-c", "-o", path, "-"], input=code,
                       text=True, check=True)
        return path

    return build


def test_the_stub_is_read_for_this_processor_alone(known):
    assert known.system == {"_open", "_realpath$DARWIN_EXTSN", "_close", "_weak_one"}


@pytest.mark.parametrize("name, weak, origin, words", [
    ("_open", False, "libSystem", None),
    ("_inflate", False, None, None),
    ("_ign_version", False, "libignition", None),
    ("_hv_vm_create", False, None, None),
    ("_hv_gic_create", False, None, None),
    ("_hv_vm_config_set_ipa_granule", True, None, None),
    ("_hv_vm_config_set_ipa_granule", False, None, "from macOS 26.0 on: import it weakly"),
    ("_hv_vcpu_get_sme_state", False, None, "from macOS 15.2 on"),
    ("_hv_vm_map_more", False, None, "no function of Hypervisor.framework"),
    ("_made_up", False, None, "comes from nowhere"),
    ("_made_up", True, None, "comes from nowhere"),
    ("_memfd_create", False, "libSystem", "not in libSystem's text stub"),
    ("_elsewhere", False, None, "comes from nowhere"),
    ("_old$INODE64", False, None, "comes from nowhere"),
])
def test_where_symbols_may_come_from(known, name, weak, origin, words):
    why = known.wrong(name, weak, origin)
    assert (why is None) if words is None else words in why


def test_a_made_up_symbol_in_a_real_file_is_found(known, compiled):
    code = "int open(void), inflate(void), hv_vm_destroy(void), {0}(void); int f(void) {{ return open() + inflate() " \
           "+ hv_vm_destroy() + {0}(); }}"
    assert machocheck.check_file(compiled(code.format("ign_version")), known) == ([], [])
    path = compiled(code.format("made_up"))
    findings, unknown = machocheck.check_file(path, known)
    assert findings == [f"{path}: _made_up comes from nowhere: neither libSystem, nor macos-symbols.txt, "
                        "nor hvf-symbols.txt"]
    assert unknown == ["made_up"]


def test_weak_and_strong_imports_are_told_apart(known, compiled):
    name = "hv_vm_config_set_ipa_granule"
    code = f"int {name}(void) %s; int f(void) {{ return {name}(); }}"
    assert machocheck.check_file(compiled(code % "__attribute__((weak_import))"), known)[0] == []
    assert "import it weakly" in machocheck.check_file(compiled(code % ""), known)[0][0]


def test_a_program_for_newer_systems_alone(known, compiled):
    assert "starts on macOS 26.0" in machocheck.check_file(compiled("int x;", "26.0"), known)[0][0]


@pytest.mark.parametrize("data, words", [
    (b"", "not a Mach-O file"),
    (b"\x7fELF" + bytes(60), "not a Mach-O file"),
    (struct.pack("<8I", 0xFEEDFACF, 0x100000C, 0, 2, 1, 64, 0, 0), "cut off"),
    (struct.pack("<10I", 0xFEEDFACF, 0x100000C, 0, 2, 1, 64, 0, 0, 0x32, 0), "damaged"),
    (struct.pack("<10I", 0xFEEDFACF, 0x100000C, 0, 2, 1, 64, 0, 0, 0x32, 1 << 30), "damaged"),
])
def test_files_that_are_none(known, tmp_path, data, words):
    path = tmp_path / "x"
    path.write_bytes(data)
    findings, _ = machocheck.check_file(path, known)
    assert len(findings) == 1 and words in findings[0] and str(path) in findings[0]


def test_nothing_to_look_at_is_a_failure(tmp_path):
    done = subprocess.run([sys.executable, ROOT / "tools/machocheck.py", tmp_path], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 1 and "build it first" in done.stderr and done.stderr.count("\n") == 1


def test_the_lists_are_what_they_should_be():
    framework = machocheck.read_table(machocheck.FRAMEWORK)
    assert all(name.startswith("hv_") for name in framework)
    assert set(framework.values()) <= {"11.0", "12.1", "13.0", "15.0", "15.2", "26.0", "27.0"}
    assert set(machocheck.read_table(machocheck.OURS).values()) <= set(machocheck.LIBRARIES)
    declared = (ROOT / "tests/hvf_standin/Hypervisor/Hypervisor.h").read_text()
    names = set(machocheck.re.findall(r"\b(hv_[a-z0-9_]+) ?\(", declared))
    assert names and names <= set(framework)  # our header declares nothing that there is not
