"""Machines in the lab (tools/lab.py), as the tests start them: files of the options go there, and come back
when the machine has ended."""

import contextlib
import itertools
import pathlib
import sys

from hosts import LAB, with_words
from machine import Machine

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import lab as labtool  # noqa: E402

BUILD = ROOT / "build" / "arm64"
HOW = "tools/sysroot.py && tools/build.sh arm64"
UNIT_TESTS = ("test_kvm", "test_kvm_calls", "test_kvm_dirty")

_numbers = itertools.count(1)


def must_exist(path):
    assert path.exists(), f"{path} is missing; {HOW}"
    return path


@contextlib.contextmanager
def running(guest):
    """The lab that IGNITION_LAB names, or a new one."""
    programs = [must_exist(BUILD / "src" / "cli" / "ignition")]
    programs += [must_exist(BUILD / "tests" / "unit" / name) for name in UNIT_TESTS]
    files = labtool.programs(*programs)
    files.update({"/lab/Image": guest / "Image", "/lab/initramfs": guest / "initramfs"})
    if LAB not in ("", "new"):
        lab = labtool.Lab(LAB)
        for path, source in files.items():
            lab.put(source, path)
        yield lab
        return
    with labtool.Lab.start(files=files) as lab:
        yield lab


class LabMachine(Machine):
    """A machine in the lab. Its disks come back at its end."""

    def __init__(self, lab, args, log, env=None):
        self.lab, self.disks = lab, {}
        super().__init__([sys.executable, str(ROOT / "tools" / "lab.py"), "run", "-t", "--", "/lab/ignition", "boot",
                          "/lab/Image", "--initramfs", "/lab/initramfs", "--accel", "kvm",
                          *(self._there(str(arg)) for arg in args)],
                         log, dict(env or {}, IGNITION_LAB=str(lab.folder)))

    def _there(self, option):
        """An option with its file, if it names one, put into the lab."""
        name, comma, rest = option.partition(",")
        source = pathlib.Path(name)
        if not source.is_absolute() or not source.is_file():
            return option
        path = self.lab.put(source, f"/lab/disks/{next(_numbers)}-{source.name}")
        self.disks[path] = source
        return path + comma + rest

    def wait(self):
        status = super().wait()
        for path, source in self.disks.items():
            source.write_bytes(self.lab.get(path))
            self.lab.ok("rm", path)
        self.disks = {}
        return status

    def vmm_pid(self):
        raise AssertionError("a machine in the lab has no process here")

    def close(self):
        # The client's end takes the lab's side with it.
        self.child.close(force=True)
        self.child.logfile_read.close()


@contextlib.contextmanager
def starter(lab, folder):
    """start(*options) in the lab."""
    machines = []

    def boot(*options, **kwargs):
        # Each character of a second-level guest's console costs milliseconds, and so do the kernel's own tests.
        machine = LabMachine(lab, with_words(options, "quiet", "cryptomgr.notests"), folder / f"console{len(machines)}.log", **kwargs)
        machines.append(machine)
        return machine

    yield boot
    for machine in machines:
        machine.close()
