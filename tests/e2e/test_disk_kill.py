"""Killed without a warning: a layer holds what was fsync()ed, and a commit can be begun again."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests" / "fault"))
import crash  # noqa: E402

LONG = os.environ.get("LONG", "") not in ("", "0")
ROUNDS = 50 if LONG else 3
STEPS = 100000  # more than it gets to
MARKERS = (5, 400 if LONG else 120)  # killed after so many
WAIT_S = 240


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def markers_in(path):
    data = path.read_bytes()
    lines = [data[at:at + 512].split(b"\0", 1)[0].decode() for at in range(0, len(data), 512)]
    return [line for line in lines if line.endswith("\n")]


def disk(program, *args, **env):
    return subprocess.run([str(program), "disk", *map(str, args)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, check=False, env=dict(os.environ, **env))


def test_the_vmm_is_killed(start, program, ext4, tmp_path, disk_programs):
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    print(f"SEED={seed}")
    rng = random.Random(seed)
    before = digest(ext4)
    layer, markers, copy = tmp_path / "web.layer", tmp_path / "markers.img", tmp_path / "copy.img"
    promised = 0
    for number in range(ROUNDS):
        layer.unlink(missing_ok=True)
        markers.write_bytes(bytes(4 << 20))
        m = start("--initramfs", disk_programs, "--append", "quiet cryptomgr.notests", "--smp", "2", "--disk",
                  f"{ext4},overlay={layer}", "--disk", markers, initramfs=False).shell()
        m.ok("mkdir -p /mnt; mount -t ext4 /dev/vda /mnt")
        m.send(f"/programs/flushload /mnt /dev/vdb {rng.randrange(1 << 30)} {STEPS} 3\r")
        enough, limit = rng.randint(*MARKERS), time.monotonic() + WAIT_S
        while len(markers_in(markers)) < enough:
            assert time.monotonic() < limit, m.text()[-2000:]
            time.sleep(0.005)
        os.kill(m.vmm_pid(), signal.SIGKILL)
        m.wait()
        assert digest(ext4) == before
        result = disk(program, "check", layer)
        assert result.returncode == 0, result.stderr
        shutil.copyfile(ext4, copy)
        result = disk(program, "commit", layer, "--base", copy)
        assert result.returncode == 0, result.stderr
        lines = markers_in(markers)
        promised += len(crash.expected(lines))
        assert not crash.check(copy, lines, tmp_path / "files"), f"round {number}"
    assert digest(ext4) == before
    assert promised > ROUNDS


def test_commit_is_killed_at_every_step(start, program, hostio, ext4, tmp_path):
    layer = tmp_path / "web.layer"
    m = start("--disk", f"{ext4},overlay={layer}").shell()
    m.ok("dd if=/dev/urandom of=/dev/vda bs=64k seek=4 count=5 conv=fsync")
    m.ok("dd if=/dev/urandom of=/dev/vda bs=4k seek=1000 count=3 conv=fsync")
    m.ok("blkdiscard -o 8388608 -l 262144 /dev/vda; sync")
    m.send("poweroff -f\r")
    assert m.wait() == 0
    want, mine, base = tmp_path / "want.img", tmp_path / "mine.layer", tmp_path / "base.img"
    shutil.copyfile(ext4, want)
    shutil.copyfile(layer, mine)
    assert disk(program, "commit", mine, "--base", want).returncode == 0
    killed = 0
    while True:
        shutil.copyfile(ext4, base)
        shutil.copyfile(layer, mine)
        result = disk(program, "commit", mine, "--base", base, LD_PRELOAD=str(hostio),
                      HOSTIO_FILE=f"{mine}:{base}", HOSTIO_KILL=str(killed + 1))
        if result.returncode == 0:
            break
        assert result.returncode == -signal.SIGKILL, result.stderr
        killed += 1
        result = disk(program, "commit", mine, "--base", base)
        assert result.returncode == 0, f"killed at step {killed}: {result.stderr}"
        assert digest(base) == digest(want), f"killed at step {killed}"
        assert disk(program, "check", mine, "--base", base).returncode == 0
    assert killed > 10
