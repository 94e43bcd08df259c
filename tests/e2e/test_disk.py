"""Drives: layers over an image that stays as it is, what `ignition disk` says, one writer each."""

import hashlib
import json
import os
import signal
import struct
import subprocess

import pytest

from hosts import tool


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def disk(program, *args):
    return subprocess.run([str(program), "disk", *map(str, args)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, check=False)


def info(program, path):
    result = disk(program, "info", path, "--json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def refused(result, *words, status=1):
    assert result.returncode == status, result.stdout + result.stderr
    assert result.stderr.count("\n") == 1
    for word in words:
        assert str(word) in result.stderr, result.stderr


def mount(machine):
    machine.ok("mkdir -p /mnt; mount -t ext4 /dev/vda /mnt")


def power_off(machine):
    machine.send("poweroff -f\r")
    assert machine.wait() == 0


def fsck(path):
    return subprocess.run([tool("e2fsck"), "-fn", str(path)], capture_output=True, check=False).returncode


def test_a_temporary_overlay_is_forgotten(start, ext4, tmp_path):
    before = digest(ext4)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    os.chmod(ext4, 0o444)
    m = start("--disk", f"{ext4},overlay", env={"TMPDIR": str(scratch)}).shell()
    mount(m)
    m.ok("echo kept > /mnt/file; sync")
    assert m.ok("cat /mnt/file") == "kept"
    assert m.ok("cat /sys/block/vda/ro") == "0"
    assert list(scratch.iterdir()) == []  # it has no name
    m.ok("umount /mnt")
    power_off(m)
    assert digest(ext4) == before
    m = start("--disk", f"{ext4},overlay").shell()
    mount(m)
    assert m.run("cat /mnt/file")[0] != 0
    power_off(m)
    assert digest(ext4) == before


def test_a_kept_overlay_survives_and_is_committed(start, program, ext4, tmp_path):
    before = digest(ext4)
    layer = tmp_path / "web.layer"
    spec = f"{ext4},overlay={layer}"
    m = start("--disk", spec).shell()
    mount(m)
    m.ok("dd if=/dev/urandom of=/mnt/data bs=64k count=16 2>/dev/null")
    want = m.ok("md5sum < /mnt/data")
    m.ok("sync")
    # Killed without a warning: what was synced is there.
    os.kill(m.vmm_pid(), signal.SIGKILL)
    m.wait()
    assert digest(ext4) == before
    about = info(program, layer)
    assert about["kind"] == "layer" and about["base"] == str(ext4) and about["image_bytes"] == 16 << 20
    assert 16 <= about["here"] <= about["clusters"] == 256
    assert disk(program, "check", layer).stdout == f"{layer}: ok\n"

    m = start("--disk", spec).shell()
    mount(m)
    assert m.ok("md5sum < /mnt/data") == want
    m.ok("umount /mnt")
    power_off(m)
    assert digest(ext4) == before

    result = disk(program, "commit", layer)
    assert result.returncode == 0, result.stderr
    assert info(program, layer)["here"] == 0
    assert fsck(ext4) == 0
    m = start("--disk", f"{ext4},ro").shell()
    m.ok("mkdir -p /mnt; mount -t ext4 -o ro /dev/vda /mnt")
    assert m.ok("md5sum < /mnt/data") == want
    power_off(m)
    # The layer goes on over what it was committed into.
    assert disk(program, "check", layer).returncode == 0


def test_trim_makes_zero_clusters(start, program, ext4, tmp_path):
    layer = tmp_path / "web.layer"
    m = start("--disk", f"{ext4},overlay={layer}").shell()
    assert m.ok("cat /sys/block/vda/queue/discard_granularity") == "65536"
    assert int(m.ok("cat /sys/block/vda/queue/write_zeroes_max_bytes")) == 16 << 20
    assert m.ok("cat /sys/block/vda/serial") == "drive0"
    # mount -o discard hands each freed extent down.
    m.ok("mkdir -p /mnt; mount -t ext4 -o discard /dev/vda /mnt")
    m.ok("dd if=/dev/urandom of=/mnt/data bs=64k count=64 2>/dev/null; sync")
    full = info(program, layer)
    assert full["here"] >= 64
    m.ok("rm /mnt/data; sync; umount /mnt; sync")
    power_off(m)
    after = info(program, layer)
    assert after["zero"] >= 56
    assert after["used_bytes"] < full["used_bytes"]


def test_two_machines_on_one_image(start, program, ext4, tmp_path, guest, accel):
    def second(spec):
        return subprocess.run([str(program), "boot", str(guest / "Image"), *accel, "--disk", spec],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)

    layer = tmp_path / "web.layer"
    m = start("--disk", ext4).shell()
    for spec in (f"{ext4}", f"{ext4},ro", f"{ext4},overlay", f"{ext4},overlay={layer}"):
        refused(second(spec), ext4, "in use")
    power_off(m)

    m = start("--disk", f"{ext4},overlay={layer}").shell()
    refused(second(f"{ext4}"), ext4, "in use")
    refused(second(f"{ext4},overlay={layer}"), layer, "in use")
    refused(disk(program, "commit", layer), "in use")
    other = start("--disk", f"{ext4},overlay={tmp_path / 'other.layer'}").shell()  # the base is shared
    power_off(other)
    power_off(m)


def test_a_failed_boot_leaves_no_layer(program, ext4, tmp_path, accel):
    """One that it made: a file of the user's stays, whatever it is."""
    kernel, layer, mine = tmp_path / "kernel", tmp_path / "new.layer", tmp_path / "mine.layer"
    kernel.write_bytes(b"no kernel" * 1000)
    mine.touch()
    for path, stays in ((layer, False), (mine, True)):
        for more in ([], ["--disk", str(tmp_path / "missing")]):
            result = subprocess.run([str(program), "boot", str(kernel), *accel, "--disk",
                                     f"{ext4},overlay={path}", *more], capture_output=True, text=True,
                                    stdin=subprocess.DEVNULL, check=False)
            assert result.returncode == 1
            assert path.exists() == stays


def test_a_layer_is_no_image(program, ext4, tmp_path, accel):
    layer, blob = tmp_path / "web.layer", tmp_path / "off.bin"
    blob.write_bytes(struct.pack("<3I", 0x52800100, 0x72B08000, 0xD4000002))  # as below

    def boot(spec):
        return subprocess.run([str(program), "boot", str(blob), "--format", "raw", *accel, "--disk", str(spec)],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)

    assert boot(f"{ext4},overlay={layer}").returncode == 0
    for spec in (layer, f"{layer},ro", f"{layer},overlay", f"{layer},overlay={tmp_path / 'new.layer'}"):
        refused(boot(spec), layer, "copy-on-write layer", ",overlay=")
    assert not (tmp_path / "new.layer").exists()


def test_what_is_no_layer(program, ext4, tmp_path):
    missing = tmp_path / "missing"
    refused(disk(program, "info", missing), missing, "No such file", "check the path")
    refused(disk(program, "check", ext4), ext4, "not a layer")
    refused(disk(program, "commit", ext4), ext4, "not a layer")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (tmp_path, fifo, "/dev/null"):
        refused(disk(program, "info", path), path, "neither")
    assert info(program, ext4)["kind"] == "raw"
    refused(disk(program, "melt", ext4), "melt", "info", status=2)
    refused(disk(program, "info"), "FILE", "path", status=2)
    refused(disk(program), "info, commit or check", status=2)
    refused(disk(program, "info", ext4, "--base", ext4), "--base", "disk info --help", status=2)
    refused(disk(program, "check", ext4, "--json"), "--json", "disk check --help", status=2)


def test_a_base_with_control_characters_is_no_text_for_a_terminal(program, ext4, tmp_path, accel):
    layer, blob = tmp_path / "web.layer", tmp_path / "off.bin"
    base = tmp_path / "a\x1b[2J\nb\x7f.img"
    blob.write_bytes(struct.pack("<3I", 0x52800100, 0x72B08000, 0xD4000002))  # as below
    ext4.rename(base)
    subprocess.run([str(program), "boot", str(blob), "--format", "raw", *accel, "--disk", f"{base},overlay={layer}"],
                   stdin=subprocess.DEVNULL, check=True)
    result = disk(program, "info", layer)
    assert f"base       {tmp_path}/a?[2J?b?.img\n" in result.stdout
    assert info(program, layer)["base"] == str(base)
    assert disk(program, "check", layer).returncode == 0
    base.unlink()
    refused(disk(program, "check", layer), "a?[2J?b?.img: No such file")


def test_names_of_any_bytes_are_json(program, tmp_path):
    for name in (b'quote " and \\ backslash', b"tab\tand\nnewline", "caf\u00e9".encode(), b"latin caf\xe9"):
        path = os.path.join(os.fsencode(tmp_path), name)
        with open(path, "wb") as f:
            f.truncate(1 << 20)
        result = subprocess.run([str(program), "disk", "info", path, "--json"], capture_output=True, check=True)
        assert json.loads(result.stdout) == {
            "file": path.decode(errors="replace"), "kind": "raw", "image_bytes": 1 << 20, "used_bytes": 0}


@pytest.mark.parametrize("change,words", [
    (lambda layer, base: os.truncate(layer, 100_000), ["cut off"]),
    (lambda layer, base: base.write_bytes(b"y" + base.read_bytes()[1:]), ["base"]),
    (lambda layer, base: os.truncate(base, 1 << 20), ["bytes"]),
    (lambda layer, base: base.unlink(), ["base", "No such file", "--base FILE"]),
    (lambda layer, base: layer.write_bytes(layer.read_bytes()[:8] + b"\x02" + layer.read_bytes()[9:]),
     ["version 2"]),
])
def test_damage_is_told_in_one_sentence(program, ext4, tmp_path, change, words, accel):
    layer = tmp_path / "web.layer"
    blob = tmp_path / "off.bin"
    # mov w0, #0x84000008 (PSCI SYSTEM_OFF); hvc #0
    blob.write_bytes(struct.pack("<3I", 0x52800100, 0x72B08000, 0xD4000002))
    subprocess.run([str(program), "boot", str(blob), "--format", "raw", *accel,
                    "--disk", f"{ext4},overlay={layer}"], stdin=subprocess.DEVNULL, check=True)
    assert info(program, layer)["kind"] == "layer"
    change(layer, ext4)
    refused(disk(program, "check", layer), *words)
