"""A host that fails: the guest sees I/O errors and lives on, the log says once what to do."""

import errno
import os
import shutil
import signal
import subprocess

import pytest

from hosts import JIT, MAC

FULL = "No space left on device"
BROKEN = "Input/output error"


def once(machine, *words):
    """The one line of the log that has all of the words."""
    lines = [line for line in machine.text().splitlines()
             if "ignition: virtio-blk: " in line and all(word in line for word in words)]
    assert len(lines) == 1, lines or machine.text()[-2000:]
    return lines[0]


class Full:
    """A tmpfs of its own, in a mount namespace that the machine runs in; no special rights needed."""

    def __init__(self, folder, size, files):
        self.folder, self.files = folder, files
        folder.mkdir()
        lines = [f"mount -t tmpfs -o size={size} tmpfs {folder}"]
        lines += [f"cp --sparse=always {source} {folder}/{name}" for name, source in files.items()]
        lines += [f"dd if=/dev/zero of={folder}/filler bs=64k count=32 2>/dev/null", 'exec "$@"']
        self.within = ["unshare", "-rm", "/bin/sh", "-ec", "\n".join(lines), "sh"]

    def inside(self, machine):
        """The folder, seen from here."""
        return f"/proc/{machine.child.pid}/root{self.folder}"


@pytest.fixture
def full(tmp_path):
    if MAC:
        pytest.skip("needs Linux: a mount namespace with a file system that is full")
    test = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", str(tmp_path)],
                          capture_output=True, text=True, check=False)
    if test.returncode:
        pytest.fail("this host has no user namespaces (unshare -rm), which make a full file system without"
                    f" special rights; run the tests as root, or enable them: {test.stderr}", pytrace=False)
    return lambda size, **files: Full(tmp_path / "full", size, files)


def test_a_new_layer_that_cannot_be_read_is_kept(start, program, hostio, ext4, tmp_path):
    """A boot that fails removes a layer that it made, if that holds nothing: and only if that is known."""
    layer, broken = tmp_path / "web.layer", tmp_path / "broken"
    m = start("--disk", f"{ext4},overlay={layer}",
              env={"LD_PRELOAD": str(hostio), "HOSTIO_FILE": str(layer),
                   "HOSTIO_FAIL": f"read:1:0:{errno.EIO}:{broken}"}).shell()
    m.ok("dd if=/dev/urandom of=/dev/vda bs=64k count=4 conv=fsync")
    broken.touch()
    os.kill(m.vmm_pid(), signal.SIGKILL)
    assert m.wait() == 1
    assert layer.exists()
    result = subprocess.run([str(program), "disk", "check", str(layer)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    env = dict(os.environ, LD_PRELOAD=str(hostio), HOSTIO_FILE=str(layer), HOSTIO_FAIL=f"read:1:0:{errno.EIO}")
    result = subprocess.run([str(program), "disk", "info", str(layer)], capture_output=True, text=True, check=False,
                            env=env)
    assert result.returncode == 1 and BROKEN in result.stderr, result.stdout + result.stderr


def test_an_image_on_a_full_file_system(start, full, ext4):
    space = full("6m", **{"disk.img": ext4})
    m = start("--disk", space.folder / "disk.img", within=space.within).shell()
    fill = "dd if=/dev/urandom of=/dev/vda bs=64k count=128 conv=fsync"
    status, output = m.run(fill)
    assert status != 0 and BROKEN in output
    for _ in range(2):
        assert m.run(fill)[0] != 0
    line = once(m, FULL)
    assert "drive0: write to" in line and str(space.folder / "disk.img") in line
    assert "free space on its file system: the guest gets I/O errors until then" in line
    assert m.ok("echo alive") == "alive"
    subprocess.run(["rm", f"{space.inside(m)}/filler"], check=True)
    m.ok("dd if=/dev/urandom of=/dev/vda bs=64k count=64 conv=fsync")
    m.send("poweroff -f\r")
    assert m.wait() == 0


def test_ext4_on_a_full_file_system(start, full, ext4):
    space = full("6m", **{"disk.img": ext4})
    m = start("--disk", space.folder / "disk.img", within=space.within).shell()
    m.ok("mkdir -p /mnt; mount -t ext4 /dev/vda /mnt; echo kept > /mnt/kept; sync")
    assert m.run("dd if=/dev/urandom of=/mnt/data bs=64k count=160 conv=fsync")[0] != 0
    assert "I/O error, dev vda" in m.ok("dmesg")
    assert m.ok("cat /mnt/kept") == "kept"
    once(m, FULL)


def test_a_layer_on_a_full_file_system(start, full, program, ext4, tmp_path):
    space = full("6m")
    layer = space.folder / "web.layer"
    m = start("--disk", f"{ext4},overlay={layer}", within=space.within).shell()
    assert m.run("dd if=/dev/urandom of=/dev/vda bs=64k count=128 conv=fsync")[0] != 0
    line = once(m, FULL, f"{layer} over {ext4}")
    assert "free space on its file system: the guest gets I/O errors until then" in line
    subprocess.run(["rm", f"{space.inside(m)}/filler"], check=True)
    m.ok("dd if=/dev/zero bs=64k count=32 2>/dev/null | tr '\\0' g > /good")
    m.ok("dd if=/good of=/dev/vda bs=64k conv=fsync")
    kept = tmp_path / "kept.layer"
    shutil.copyfile(f"{space.inside(m)}/web.layer", kept)
    m.send("poweroff -f\r")
    assert m.wait() == 0
    subprocess.run([str(program), "disk", "commit", str(kept)], check=True, capture_output=True)
    assert ext4.read_bytes()[:2 << 20] == b"g" * (2 << 20)


def test_a_temporary_layer_on_a_full_file_system(start, full, ext4):
    space = full("6m")
    m = start("--disk", f"{ext4},overlay", within=space.within, env={"TMPDIR": str(space.folder)}).shell()
    assert m.run("dd if=/dev/urandom of=/dev/vda bs=64k count=128 conv=fsync")[0] != 0
    assert "$TMPDIR" in once(m, FULL, f"over {ext4}")  # else nobody knows where to make room


def test_no_room_for_a_new_layer(full, program, guest, ext4, accel):
    space = full("2m")
    layer = space.folder / "web.layer"
    boot = [str(program), "boot", str(guest / "Image"), *accel, "--disk", f"{ext4},overlay={layer}"]
    shell = ["/bin/sh", "-c", '"$@"; s=$?; ls "$0"; exit $s', str(space.folder), *boot]
    result = subprocess.run([*space.within, *shell], capture_output=True, text=True, check=False,
                            stdin=subprocess.DEVNULL)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert str(layer) in result.stderr and FULL in result.stderr and "free space" in result.stderr
    assert result.stdout.split() == ["filler"]  # and nothing of the layer stays


def boot_failing(start, hostio, spec, file, rule, **env):
    return start("--disk", spec, env=dict(LD_PRELOAD=str(hostio), HOSTIO_FILE=str(file), HOSTIO_FAIL=rule, **env))


def test_an_image_that_cannot_be_read(start, hostio, ext4, tmp_path):
    flag = tmp_path / "flag"
    m = boot_failing(start, hostio, ext4, ext4, f"read:1:0:{errno.EIO}:{flag}").shell()
    read = "echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/vda of=/dev/null bs=64k count=16"
    m.ok(read)
    flag.touch()
    for _ in range(3):
        status, output = m.run(read)
        assert status != 0 and BROKEN in output
    line = once(m, BROKEN, f"read from {ext4} at byte")
    assert "look after its storage: the guest gets I/O errors until then" in line
    flag.unlink()
    m.ok(read)


@pytest.mark.parametrize("call, code, words", [
    ("write", errno.EIO, [BROKEN, "write to", "at byte"]),
    ("write", errno.EDQUOT, ["quota", "write to", "raise the quota there"]),
    ("flush", errno.EIO, [BROKEN, "flush"]),
])
def test_an_image_that_cannot_be_written(start, hostio, ext4, tmp_path, call, code, words):
    flag = tmp_path / "flag"
    m = boot_failing(start, hostio, ext4, ext4, f"{call}:1:0:{code}:{flag}").shell()
    write = "dd if=/dev/urandom of=/dev/vda bs=64k count=4 conv=fsync"
    m.ok(write)
    flag.touch()
    for _ in range(3):
        assert m.run(write)[0] != 0
    assert str(ext4) in once(m, *words)
    flag.unlink()
    m.ok(write)


def test_one_error_among_many_requests(start, hostio, ext4):
    """The one that failed is told to the guest, the others are done."""
    m = boot_failing(start, hostio, ext4, ext4, f"write:5:1:{errno.EIO}").shell()
    assert m.run("dd if=/dev/urandom of=/dev/vda bs=4k count=4000 conv=fsync")[0] != 0
    m.ok("dd if=/dev/urandom of=/dev/vda bs=4k count=4000 conv=fsync")
    once(m, BROKEN)


def test_a_layer_whose_flush_failed_keeps_the_last_one(start, hostio, program, ext4, tmp_path):
    flag, layer = tmp_path / "flag", tmp_path / "web.layer"
    put = "tr '\\0' {0} < /dev/zero | head -c 262144 > /{0}; dd if=/{0} of=/dev/vda bs=64k conv=fsync"
    m = boot_failing(start, hostio, f"{ext4},overlay={layer}", layer, f"flush:1:1:{errno.EIO}:{flag}").shell()
    m.ok(put.format("a"))
    flag.touch()
    assert m.run(put.format("b"))[0] != 0
    flag.unlink()
    assert m.run(put.format("c"))[0] != 0  # the host would do it now, but what it forgot is gone
    line = once(m, BROKEN, "drive0: flush")
    assert "it keeps what was flushed before" in line and "start the machine again" in line
    assert m.ok("echo alive") == "alive"
    m.send("poweroff -f\r")
    assert m.wait() == 0
    m = start("--disk", f"{ext4},overlay={layer}").shell()
    m.ok(put.format("d").replace("of=/dev/vda", "of=/dev/vda seek=4"))
    m.send("poweroff -f\r")
    assert m.wait() == 0
    subprocess.run([str(program), "disk", "commit", str(layer)], check=True, capture_output=True)
    content = ext4.read_bytes()
    # In place, where the first flush had put it, sectors of later writes may be there: never a mixture of
    # the map's making, which would show the base.
    assert set(content[:262144]) <= set(b"abc") and content[262144:524288] == b"d" * 262144


@pytest.mark.skipif(JIT == "lockstep", reason="in lockstep a device at work holds up the CPU")
def test_a_slow_disk_holds_up_nobody_else(start, hostio, ext4, tmp_path):
    flag = tmp_path / "flag"
    other = tmp_path / "other.img"
    other.write_bytes(b"o" * (1 << 20))
    m = start("--disk", ext4, "--disk", other,
              env=dict(LD_PRELOAD=str(hostio), HOSTIO_FILE=str(ext4), HOSTIO_DELAY=f"read:{flag}")).shell()
    reads = " ".join(f"dd if=/dev/vda of=/dev/null bs=64k count=1 skip={n} 2>/dev/null & pids=\"$pids $!\";"
                     for n in range(8, 16))
    flag.touch()
    m.ok(reads + " true")
    assert m.ok("echo alive") == "alive"
    assert m.ok("head -c 5 /dev/vdb") == "ooooo"
    m.ok("dd if=/dev/urandom of=/dev/vdb bs=64k count=8 conv=fsync")
    flag.unlink()
    m.ok("wait $pids")
