"""What /init of recipe tiny promises (docs/guest.md), on a machine that is not ours: QEMU's."""

import base64
import os
import pathlib
import re
import select
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TINY = ROOT / "build/guest/tiny"
SILENCE_S = 240  # a guest that says nothing for so long hangs; nothing else depends on it
TEXT_MAX = 1 << 20
PROMPT = rb"root@ignition:[^ ]*# "


class Guest:
    """A QEMU with its console on pipes."""

    def __init__(self, append, disk=None, reboots=True):
        args = ["qemu-system-aarch64", "-M", "virt,gic-version=3", "-cpu", "cortex-a76",
                "-m", "512", "-nographic", "-nic", "none", "-monitor", "none",
                "-global", "virtio-mmio.force-legacy=false", "-device", "virtio-rng-device",
                "-kernel", TINY / "Image", "-initrd", TINY / "initramfs",
                "-append", f"console=ttyAMA0 {append}"]
        if not reboots:
            args.append("-no-reboot")
        if disk:
            args += ["-drive", f"if=none,id=d,format=raw,file={disk}",
                     "-device", "virtio-blk-device,drive=d"]
        self.child = subprocess.Popen([str(a) for a in args], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.text = b""
        self.seen = 0

    def read(self):
        """False at the end."""
        out = self.child.stdout.fileno()
        assert select.select([out], [], [], SILENCE_S)[0], f"the guest hangs:\n{self.tail()}"
        data = os.read(out, 65536)
        self.text += data
        assert len(self.text) < TEXT_MAX, f"the guest goes round in circles:\n{self.tail()}"
        return bool(data)

    def tail(self):
        return self.text[-3000:].decode(errors="replace")

    def expect(self, pattern):
        while not (match := re.compile(pattern).search(self.text, self.seen)):
            assert self.read(), f"no {pattern!r}:\n{self.tail()}"
        self.seen = match.end()
        return match

    def send(self, data):
        self.child.stdin.write(data)
        self.child.stdin.flush()

    def run(self, command):
        """What it prints; the shell wraps longer lines than fit beside the prompt."""
        self.send(command.encode() + b"\n")
        self.expect(re.escape(command.encode()) + b"\r\r?\n")
        return self.expect(rb"(?s)(.*?)" + PROMPT).group(1).replace(b"\r\n", b"\n").decode()

    def wait(self):
        """Its exit status and all that it said."""
        while self.read():
            pass
        return self.child.wait(), self.text.decode(errors="replace").replace("\r\n", "\n")

    def close(self):
        self.child.kill()
        self.child.wait()


@pytest.fixture
def boot():
    assert TINY.exists(), "make guest RECIPE=tiny"
    guests = []

    def start(*args, **kwargs):
        guests.append(Guest(*args, **kwargs))
        return guests[-1]

    yield start
    for guest in guests:
        guest.close()


@pytest.fixture
def root_disk(tmp_path):
    """ext4 with busybox, an /sbin/init behind an absolute link, and an /etc/where."""
    tree = tmp_path / "root"
    (tree / "etc").mkdir(parents=True)
    subprocess.run(["cpio", "-id", "--quiet", "bin/*", "sbin"], cwd=tree, check=True,
                   stdin=open(TINY / "initramfs", "rb"))
    for name in ("proc", "sys", "dev", "tmp"):
        (tree / name).mkdir()
    (tree / "etc/where").write_text("on the disk\n")
    (tree / "etc/start").write_text("#!/bin/sh\ncat /etc/where\nls -1 /dev/pts/ptmx /proc/self/exe\n"
                                    "echo kept >/written\npoweroff -f\n")
    (tree / "etc/start").chmod(0o755)
    (tree / "bin/init").unlink()
    (tree / "bin/init").symlink_to("/etc/start")
    image = tmp_path / "root.img"
    subprocess.run([tool("mke2fs"), "-q", "-t", "ext4", "-d", tree, image, "24M"], check=True)
    return image


def tool(name):
    return shutil.which(name) or f"/usr/sbin/{name}"


def on_disk(image, path):
    return subprocess.run([tool("debugfs"), "-R", f"cat {path}", image], check=True,
                          capture_output=True, text=True).stdout


def ign_exec(script):
    return "ign.exec=" + base64.b64encode(script.encode()).decode()


def test_a_root_shell_with_job_control_that_reboots_and_powers_off(boot):
    guest = boot("quiet")
    guest.expect(rb"ignition: tiny is up\r\n")
    guest.expect(PROMPT)
    assert guest.run("tty") == "/dev/ttyAMA0\n"
    assert guest.run("id -un; hostname; pwd") == "root\nignition\n/root\n"
    assert guest.run("ls -1d /dev/pts/ptmx /dev/shm; grep -c tmpfs /proc/mounts") \
        == "/dev/pts/ptmx\n/dev/shm\n4\n"
    assert guest.run("ping -c 1 127.0.0.1 | grep -c ttl=") == "1\n"
    assert guest.run("lsmod | grep -o ^virtio_[a-z]* | sort | xargs") \
        == "virtio_mmio virtio_ring virtio_rng\n"
    guest.send(b"sh -c 'echo be''gun; sleep 100000'\n")
    guest.expect(rb"begun")
    guest.send(b"\x03")
    guest.expect(PROMPT)
    assert guest.run("echo $?") == "130\n"
    guest.send(b"sh -c 'echo stop''ped; kill -STOP $$; echo go''es on'\n")
    guest.expect(rb"stopped")
    guest.expect(PROMPT)
    assert "goes on" in guest.run("fg")
    guest.send(b"reboot\n")
    guest.expect(rb"ignition: tiny is up\r\n")
    guest.expect(PROMPT)
    guest.send(b"exit\n")
    status, text = guest.wait()
    assert status == 0
    assert "reboot: Restarting system" in text and text.rstrip().endswith("reboot: Power down")


def test_poweroff_ends_what_runs_and_leaves_a_clean_disk(boot, root_disk):
    guest = boot("quiet", root_disk)
    guest.expect(PROMPT)
    guest.run("mount /dev/vda /newroot && cd /newroot && echo unsaved >file")
    guest.run("setsid sh -c 'trap : TERM; sleep 100000' &")
    guest.send(b"poweroff\n")
    status, text = guest.wait()
    assert status == 0 and text.rstrip().endswith("reboot: Power down")
    assert on_disk(root_disk, "/file") == "unsaved\n"
    header = subprocess.run([tool("dumpe2fs"), "-h", root_disk], check=True, capture_output=True,
                            text=True).stdout
    assert "needs_recovery" not in header


def test_root_takes_over(boot, root_disk):
    status, text = boot("quiet root=/dev/vda rw", root_disk).wait()
    assert status == 0
    assert "ignition: starting /sbin/init of /dev/vda\non the disk\n" in text
    assert "/dev/pts/ptmx\n/proc/self/exe\n" in text
    assert on_disk(root_disk, "/written") == "kept\n"


def test_exec_runs_in_the_root_read_only(boot, root_disk):
    script = "cat /etc/where; echo no >/etc/where; ls -1d /proc/1/root /dev/pts/ptmx; tty; exit 42"
    status, text = boot(f"quiet ign.root=/dev/vda {ign_exec(script)}", root_disk).wait()
    assert status == 0
    assert text.partition("tiny is up\n")[2].startswith(
        "on the disk\n/bin/sh: can't create /etc/where: Read-only file system\n"
        "/dev/pts/ptmx\n/proc/1/root\n/dev/ttyAMA0\nignition: ign.exec ended with status 42\n")


@pytest.mark.parametrize("append, answer, end", [
    (ign_exec("echo $((6 * 7)); reboot"), "42", "Restarting system"),
    ("ign.exec=%%%", "ignition: ign.exec=%%%: not base64", "Power down"),
    ("root=/dev/vdb " + ign_exec("echo never"),
     "ignition: root=/dev/vdb: no such disk; the guest has none", "Power down"),
])
def test_exec_ends_the_machine(boot, append, answer, end):
    status, text = boot(f"quiet {append}", reboots=False).wait()
    assert status == 0 and text.rstrip().endswith(f"reboot: {end}")
    assert answer in text.splitlines() and "never" not in text
