"""The compute kernels of the benchmark: they say the same in a guest, on qemu-user and on the host."""

import subprocess

import pytest

from conftest import BUILD, ROOT, must_exist
from test_programs import cpio, run_elsewhere

pytestmark = pytest.mark.linux("a compiler of static programs for arm64 Linux")

KERNELS = BUILD / "bench" / "guest" / "kernels"


@pytest.fixture(scope="module")
def initramfs(guest, tmp_path_factory):
    program = must_exist(KERNELS / "kernels", "install what tools/deps.sh test names, then: make")
    archive = cpio.Archive(mtime=0)
    archive.file("bench/kernels", program.read_bytes(), 0o755)
    data = (guest / "initramfs").read_bytes()
    path = tmp_path_factory.mktemp("kernels") / "initramfs"
    path.write_bytes(data + bytes(-len(data) % 4) + archive.bytes())
    return path


def test_checksums_are_the_same_everywhere(start, initramfs):
    expected = run_elsewhere(KERNELS / "kernels", "check").splitlines()
    assert len(expected) == 19, expected
    machine = start("--initramfs", initramfs, "--append", "quiet cryptomgr.notests", "--smp", 2,
                    initramfs=False)
    machine.shell()
    assert machine.ok("/bench/kernels check").splitlines() == expected
    for line in expected:  # with threads, and between marks
        name = line.split()[0]
        said = machine.ok(f"/bench/kernels {name} 3 2").splitlines()
        assert said == [f"<<{name}", f">>{line}"]


def test_sha256_by_instructions_is_sha256():
    sums = dict(line.split() for line in run_elsewhere(KERNELS / "kernels", "check").splitlines())
    assert sums["sha256"] == sums["sha256hw"]


@pytest.mark.parametrize("args, words", [
    ([], "usage: kernels"),
    (["nothing", "1"], "nothing: no such kernel; see kernels list"),
    (["alu", "0"], "0: give a whole number"),
    (["alu", "-1"], "-1: give a whole number"),
    (["alu", "1", "65"], "65: give a whole number"),
])
def test_wrong_arguments_are_refused_in_words(args, words):
    with pytest.raises(subprocess.CalledProcessError) as failure:
        run_elsewhere(KERNELS / "kernels", *args)
    assert words in failure.value.stderr


def test_bench_refuses_what_it_does_not_know():
    bench = subprocess.run([ROOT / "bench" / "bench.py", "nonsense"], capture_output=True, text=True,
                           check=False)
    assert bench.returncode == 2 and "there is no nonsense; give rate, boot" in bench.stderr


def test_bench_runs_a_kernel_on_both_machines(program, guest):
    bench = subprocess.run([ROOT / "bench" / "bench.py", "compute", "--kernel", "alu", "--rounds", "1",
                            "--seconds", "0.05", "--clock", "processor", "--program", program,
                            "--guest", guest, "--ours-arg=--cpu=max"],
                           capture_output=True, text=True, check=False)
    assert bench.returncode == 0, bench.stderr
    rows = [line.split("|")[1].strip() for line in bench.stdout.splitlines() if line.startswith("|")]
    assert rows == ["kernel", "---", "alu", "integer"], bench.stdout
