"""The main job: a distribution kernel boots to a root shell that one can type into."""

import hashlib
import subprocess

import pytest

from hosts import tool


@pytest.mark.lab
def test_shell_answers_and_power_off_ends_with_0(start):
    m = start("--mem", "512M").shell()
    assert "Linux" in m.ok("uname -a")
    assert "aarch64" in m.ok("uname -a")
    assert m.ok("nproc") == "1"
    total_kb = int(m.ok("head -1 /proc/meminfo").split()[1])
    assert 400_000 < total_kb < 512 * 1024
    m.send("poweroff -f\r")
    assert m.wait() == 0


def test_leaving_the_shell_powers_off(start):
    m = start().shell()
    m.send("exit\r")
    assert m.wait() == 0


@pytest.mark.lab
def test_devices_are_what_the_manual_says(start):
    m = start().shell()
    assert "PL031" in m.ok("dmesg | grep -i pl031 || true") or "rtc-pl031" in m.ok("cat /sys/class/rtc/rtc0/name")
    host = int(subprocess.run(["date", "+%s"], capture_output=True, check=True).stdout)
    assert abs(int(m.ok("date +%s")) - host) < 120
    assert "virtio" in m.ok("cat /sys/class/misc/hw_random/rng_available")
    assert m.ok("head -c 32 /dev/hwrng | wc -c") == "32"
    interrupts = m.ok("cat /proc/interrupts")
    assert "GICv3" in interrupts and "arch_timer" in interrupts and "ttyS0" in interrupts
    assert "panic" not in m.text().lower()


@pytest.mark.engine("soft", "the model max is the software CPU's")
def test_linux_sees_what_model_max_adds(start):
    m = start("--cpu", "max").shell()
    features = m.ok("grep -m1 Features /proc/cpuinfo").split()
    assert {"flagm", "rng", "atomics", "asimddp"} <= set(features)
    assert not {"flagm2", "sb", "paca", "sve"} & set(features)


@pytest.mark.engine("hvf", "it has a choice of pages")
def test_boots_with_pages_of_4_kib(start):
    m = start("--hvf-granule", "4k").shell()
    m.send("poweroff -f\r")
    assert m.wait() == 0


def test_guest_boot_time_is_reported(start):
    m = start()
    m.expect(r"Guest-boot-time = \d+ ms")


@pytest.mark.lab
def test_disk_keeps_what_was_synced_over_a_reboot(start, ext4):
    before = ext4.read_bytes()
    m = start("--disk", ext4).shell()
    m.ok("mkdir -p /mnt; mount -t ext4 /dev/vda /mnt")
    m.ok("dd if=/dev/urandom of=/mnt/data bs=64k count=32 2>/dev/null")
    want = m.ok("md5sum < /mnt/data")
    m.ok("sync; umount /mnt")
    m.send("reboot -f\r")
    m.shell()  # the same process: the machine starts again in place
    m.ok("mkdir -p /mnt; mount -t ext4 /dev/vda /mnt")
    assert m.ok("md5sum < /mnt/data") == want
    m.ok("umount /mnt")
    m.send("poweroff -f\r")
    assert m.wait() == 0
    assert ext4.read_bytes() != before
    subprocess.run([tool("e2fsck"), "-f", "-n", str(ext4)], check=True, capture_output=True)


def test_read_only_disk_is_left_alone(start, ext4):
    before = hashlib.sha256(ext4.read_bytes()).hexdigest()
    m = start("--disk", f"{ext4},ro").shell()
    assert m.ok("cat /sys/block/vda/ro") == "1"
    status, _ = m.run("dd if=/dev/zero of=/dev/vda bs=4k count=1 conv=fsync")
    assert status != 0
    m.ok("mkdir -p /mnt; mount -t ext4 -o ro,noload /dev/vda /mnt")
    m.send("poweroff -f\r")
    assert m.wait() == 0
    assert hashlib.sha256(ext4.read_bytes()).hexdigest() == before


def test_paste_of_100_kb_arrives_whole(start):
    m = start().shell()
    text = "".join(f"{i:07d} the quick brown fox jumps over the lazy dog\n" for i in range(2000))
    text = text[: 100 * 1024]
    assert len(text) == 102400
    m.send("stty raw -echo; echo re''ady; head -c 102400 | md5sum; stty sane; echo do''ne\r")
    m.expect("ready")
    m.send(text)
    m.expect("done")
    assert hashlib.md5(text.encode()).hexdigest() in m.text()


def test_two_machines_at_once(start):
    a, b = start("--append", "hostname=a"), start("--append", "hostname=b")
    a.shell()
    b.shell()
    assert a.ok("echo $((6*7))") == "42"
    assert b.ok("echo $((6*7))") == "42"
    for m in (a, b):
        m.send("poweroff -f\r")
        assert m.wait() == 0


def test_zstd_and_gzip_kernels_boot(start, guest, tmp_path):
    packed = tmp_path / "Image.zst"
    subprocess.run(["zstd", "-q", "-1", str(guest / "Image"), "-o", str(packed)], check=True)
    m = start(kernel=packed)
    m.expect("Linux version")
    m.close()
    packed = tmp_path / "Image.gz"
    with open(packed, "wb") as f:
        subprocess.run(["gzip", "-1", "-c", str(guest / "Image")], check=True, stdout=f)
    m = start(kernel=packed)
    m.expect("Linux version")
