"""The guest `debian`: it boots to a login, and programs that nobody here wrote prove the machine:
Python's own tests, OpenSSL, stress-ng, gcc, SQLite.
"""

import os
import re
import subprocess
import tarfile

import pytest

from conftest import ROOT, skip_if_not_in_mode
from hosts import copy_image, tool
from machine import TIMEOUT_S, Machine

LONG = os.environ.get("LONG", "") not in ("", "0")
SCALE = 20 if LONG else 1  # multiplies what is repeated
FILES = ROOT / "tests/e2e/debian"
PYTHON_TESTS = ["test_math", "test_struct", "test_json", "test_float"]

# Of stress-ng's classes cpu and memory: what cannot work in this guest, and stress-ng's words for it.
CANNOT = {
    "cpu-online": "disabled 'cpu-online' as it may hang or reboot the machine",
    "ioport": "not x86 CPU",
    "ipsec-mb": "CPU needs to be an x86-64",
    "oom-pipe": "disabled 'oom-pipe' as it may hang or reboot the machine",
    "plugin": "no plugin-so specified",
    "rdrand": "CPU does not support the rdrand instruction",
    "rseq": "rseq system call failed to register",  # the C library has registered the one there is
    "smi": "disabled 'smi' as it may hang or reboot the machine",
    "tsc": "CPU does not support the rdtsc instruction",
    "x86cpuid": "built without x86 cpuid instruction support",
}
STRESS_OPS, STRESS_LIMIT_S = 20, 2  # of each; a single operation of some takes longer than that

@pytest.fixture(scope="module")
def command(program, debian, accel, tmp_path_factory):
    """command(disk, *options): a machine on this disk, with our files as a tar archive on /dev/vdb."""
    archive = tmp_path_factory.mktemp("files") / "files.tar"
    with tarfile.open(archive, "w") as tar:
        for path in sorted(FILES.iterdir()):
            tar.add(path, path.name)

    def arguments(disk, *options):
        skip_if_not_in_mode(options)
        return [str(a) for a in (program, "boot", debian / "Image", disk, "--initramfs",
                                 debian / "initramfs", "--disk", f"{archive},ro", *accel,
                                 "--mem", "1G", "--append", "quiet cryptomgr.notests secretmem.enable=1",
                                 *options)]
    return arguments


class System:
    """The guest with 2 vCPUs, one for all tests; one that failed is not used again."""

    def __init__(self, args, folder):
        self.args, self.folder = args, folder
        self.machine, self.boots = None, 0

    def run(self, command):
        try:
            if not self.machine:
                self.boots += 1
                self.machine = Machine(self.args, log=self.folder / f"console{self.boots}.log")
                self.machine.login()
                self.machine.child.timeout = max(1800, TIMEOUT_S) * SCALE
                self.machine.ok("mount -t debugfs debugfs /sys/kernel/debug")
                self.machine.ok("mkdir /proof && tar xf /dev/vdb -C /proof && cd /proof")
            return self.machine.run(command)
        except BaseException:
            self.close()
            raise

    def ok(self, command):
        status, output = self.run(command)
        assert status == 0, f"{command}: status {status}\n{output}"
        return output

    def close(self):
        if self.machine:
            self.machine.close()
            self.machine = None


@pytest.fixture(scope="module")
def system(command, debian, tmp_path_factory):
    the_system = System(command(f"{debian / 'rootfs.ext4'},overlay", "--smp", 2),
                        tmp_path_factory.mktemp("system"))
    yield the_system
    the_system.close()


@pytest.mark.parametrize("cpus", [1, 2, 4])
def test_boots_to_a_login_and_powers_off(command, debian, tmp_path, cpus):
    m = Machine(command(f"{debian / 'rootfs.ext4'},overlay", "--smp", cpus), log=tmp_path / "console")
    try:
        m.login()
        assert m.ok("nproc; id -un; hostname; tty") == f"{cpus}\nroot\nignition\n/dev/ttyS0"
        assert m.ok("ps -o args= 1").startswith("init")
        assert m.ok("findmnt -n -o SOURCE,FSTYPE /").split() == ["/dev/vda", "ext4"]
        assert "rw" in m.ok("findmnt -n -o OPTIONS /").split(",")
        assert m.ok("bash -c 'cat <(echo a pipe in /dev/fd)'") == "a pipe in /dev/fd"
        assert m.ok("dpkg --audit; dpkg-query -f '${db:Status-Abbrev}\\n' -W | sort -u").split() == ["ii"]
        m.send("poweroff\r")
        assert m.wait() == 0
        assert "reboot: Power down" in m.text()
    finally:
        m.close()


def test_python_passes_its_own_tests(system):
    output = system.ok(f"python3 -m test -j 2 {' '.join(PYTHON_TESTS)}")
    assert "Tests result: SUCCESS" in output
    assert f"All {len(PYTHON_TESTS)} tests OK." in output
    assert "skipped" not in output


@pytest.mark.parametrize("how", ["", "OPENSSL_armcap=0"], ids=["instructions", "generic"])
def test_openssl_agrees_with_published_vectors(system, how):
    assert re.fullmatch(r"ok \d\d+ vectors", system.ok(f"{how} python3 vectors.py"))


def test_openssl_signs_and_verifies(system):
    system.ok("openssl rand -out data 4096")
    for kind in ("RSA -pkeyopt rsa_keygen_bits:2048", "EC -pkeyopt ec_paramgen_curve:P-256"):
        system.ok(f"openssl genpkey -quiet -algorithm {kind} -out key")
        system.ok("openssl pkey -in key -pubout -out public")
        system.ok("openssl dgst -sha256 -sign key -out signature data")
        verify = "openssl dgst -sha256 -verify public -signature signature data"
        assert system.ok(verify) == "Verified OK"
        system.ok("cp data copy; printf x >>data")
        status, output = system.run(verify)
        assert status != 0 and "Verification failure" in output, output
        system.ok("mv copy data")


def test_openssl_speed_runs_to_the_end(system):
    for names, rows in (("-bytes 1024 -evp aes-128-gcm", 1), ("-bytes 1024 -evp chacha20-poly1305", 1),
                        ("-bytes 1024 sha256 sha512", 2)):
        output = system.ok(f"openssl speed -seconds {SCALE} {names} 2>/dev/null")
        figures = re.findall(r"(?m)^\S+ +(\d+\.\d+)k$", output)
        assert len(figures) == rows and all(float(f) > 0 for f in figures), output
    output = system.ok(f"openssl speed -seconds {SCALE} rsa2048 ecdsap256 ed25519 2>/dev/null")
    figures = re.findall(r"(?m) +(\d+\.\d)(?= |$)", output)
    assert len(figures) == 6 and all(float(f) > 0 for f in figures), output


def stressors(system, name):
    return system.ok(f"stress-ng --class '{name}?'").partition("stressors: ")[2].split()


@pytest.mark.parametrize("name", ["cpu", "memory"])
def test_stress_ng_finds_nothing_wrong(system, name):
    names = stressors(system, name)
    assert len(names) > 40
    if name != "cpu":  # each once
        names = sorted(set(names) - set(stressors(system, "cpu")))
    output = system.ok(f"sh stress.sh {STRESS_OPS * SCALE} {STRESS_LIMIT_S * SCALE} {' '.join(names)}")
    said = {line.split()[0]: line for line in output.splitlines() if line.split()[:1]}
    wrong = [said.get(name, f"{name}: nothing") for name in names if not stressed(name, said)]
    assert not wrong, "\n".join(wrong)


def stressed(name, said):
    """Did it run, and all go well? Or not at all, for the reason that we know?"""
    text = said.get(name, "")
    if name in CANNOT:
        return CANNOT[name] in text
    return text.startswith(f"{name} 0 ") and " successful run completed" in text \
        and not re.search(r"fail: |skipped|No stress workers|not implemented", text)


def test_eight_vcpus_under_stress(command, debian, tmp_path):
    """All at once: what they share is each other's memory, locks and interrupts."""
    workers = {"cpu": 4, "vm": 2, "atomic": 4, "memcpy": 2, "matrix": 2, "qsort": 2, "futex": 2, "pipe": 2, "switch": 2}
    seconds = 600 if LONG else 60
    m = Machine(command(f"{debian / 'rootfs.ext4'},overlay", "--smp", 8), log=tmp_path / "console")
    try:
        m.login()
        m.child.timeout = max(1800, TIMEOUT_S)
        options = " ".join(f"--{name} {count}" for name, count in workers.items())
        output = m.ok(f"stress-ng --verify --timeout {seconds}s --vm-bytes 64M {options} 2>&1")
        assert f"dispatching hogs: {', '.join(f'{n} {name}' for name, n in workers.items())}" in output
        assert "successful run completed" in output and "fail" not in output.replace("failed: 0", ""), output
        assert m.ok("dmesg --level=emerg,alert,crit,err | grep -v virtio_blk | wc -l") == "0"
    finally:
        m.close()


def test_a_program_is_compiled_and_runs(system):
    system.ok("gcc -O2 -Wall -Werror -o pthreads pthreads.c -lm -lpthread")
    assert system.ok("./pthreads").splitlines() == [
        "primes 17984", "pi 3.141592654",
        "sin -0.852200849767189 gamma 1133278.388949 erf 0.520499877813047",
        "root 0.500000000000 0.866025403784",
        "pow 12157665459056928801.000000 fma 5.5511151231257827e-17"]


def fsck(path):
    return subprocess.run([tool("e2fsck"), "-fn", str(path)],
                          capture_output=True, text=True, check=False)


def test_sqlite_keeps_what_it_was_given(command, debian, tmp_path):
    image = tmp_path / "root.ext4"
    copy_image(debian / "rootfs.ext4", image)
    m = Machine(command(image, "--smp", 2), log=tmp_path / "console")
    try:
        m.login()
        m.child.timeout = max(1800, TIMEOUT_S) * SCALE
        m.ok("mkdir /proof && tar xf /dev/vdb -C /proof")
        want = m.ok(f"python3 /proof/load.py /root/load.db {10 * SCALE}")
        assert re.fullmatch(r"money \d+, rows \d+, wrong 0, integrity ok", want)
        check = "python3 /proof/load.py /root/load.db check"
        assert m.ok(check) == want
        m.send("reboot\r")
        m.login()
        assert m.ok(check) == want
        assert m.ok("sqlite3 /root/load.db 'PRAGMA integrity_check'") == "ok"
        m.send("poweroff\r")
        assert m.wait() == 0
    finally:
        m.close()
    result = fsck(image)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "recover" not in result.stdout + result.stderr
