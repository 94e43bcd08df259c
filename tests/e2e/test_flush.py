"""Flush means flush: every write and flush of a busy guest's drive is recorded, and for a crash at each
flush the image is built as the medium may hold it. Its file system must be whole, and what the guest
had fsync()ed must be there.
"""

import os
import random
import subprocess
import sys

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests" / "fault"))
import crash  # noqa: E402

LONG = os.environ.get("LONG", "") not in ("", "0")
STEPS = 150 if LONG else 12
THREADS = 3
MORE = 4 if LONG else 0  # mixtures tried at each flush, beyond two
MARKER_BYTES = 2 << 20


@pytest.fixture
def record(start, ext4, tmp_path, disk_programs, hostio):
    """record(overlay, **env): run the workload; returns (seed, records, what the image held before)."""

    def run(overlay=None, **env):
        seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
        print(f"SEED={seed}")
        before = ext4.read_bytes()
        markers = tmp_path / "markers.img"
        markers.write_bytes(bytes(MARKER_BYTES))
        log = tmp_path / "io.log"
        spec = f"{ext4},overlay={overlay}" if overlay else str(ext4)
        env = dict(LD_PRELOAD=str(hostio), HOSTIO_LOG=str(log), HOSTIO_FILE=f"{overlay or ext4}:{markers}",
                   **env)
        machine = start("--initramfs", disk_programs, "--append", "quiet cryptomgr.notests", "--smp", "2",
                        "--disk", spec, "--disk", markers, initramfs=False, env=env).shell()
        machine.ok("mkdir -p /mnt; mount -t ext4 /dev/vda /mnt")
        machine.ok(f"/programs/flushload /mnt /dev/vdb {seed} {STEPS} {THREADS}")
        machine.send("poweroff -f\r")  # without unmounting
        assert machine.wait() == 0
        return seed, crash.read_log(log), before

    return run


def broken_promises(seed, records, start, image, folder, rebuild=None, enough=None):
    """Crash at every flush; returns (crashes looked at, what was wrong)."""
    looked, wrong = 0, []
    for number, make, markers in crash.Crashes(records, start):
        for rng, share in crash.rounds(seed, number, MORE):
            image.write_bytes(make(rng, share))
            target = rebuild(image) if rebuild else image
            if not target:
                continue
            looked += 1
            wrong += [f"flush {number}, {share:.2f} of what was open: {words}"
                      for words in crash.check(target, markers, folder)]
        if enough and len(wrong) >= enough:
            break
    return looked, wrong


def test_every_flush_of_an_image(record, tmp_path):
    seed, records, start = record()
    assert max(len(crash.expected(m)) for _, _, m in crash.Crashes(records, start)) > 10
    looked, wrong = broken_promises(seed, records, start, tmp_path / "crash.img", tmp_path / "files")
    assert looked > 4 * STEPS, looked
    assert not wrong, "\n".join(wrong[:20])


def test_every_flush_of_a_layer(record, program, ext4, tmp_path):
    layer = tmp_path / "web.layer"
    seed, records, base = record(layer)
    assert ext4.read_bytes() == base
    target = tmp_path / "base.img"
    # Until its header is flushed the file is no layer: its creation.
    flushes = [i for i, r in enumerate(records) if r.file == 0 and r.kind == "f"]
    made = sum(i <= flushes[1] for i in flushes)

    def commit(image):
        target.write_bytes(base)
        result = subprocess.run([str(program), "disk", "commit", str(image), "--base", str(target)],
                                capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if commit.calls < 2 * made:
            commit.calls += 1
            return target if result.returncode == 0 else None
        assert result.returncode == 0, result.stderr
        return target

    commit.calls = 0
    looked, wrong = broken_promises(seed, records, b"", tmp_path / "crash.layer", tmp_path / "files", commit)
    assert looked > 4 * STEPS, looked
    assert not wrong, "\n".join(wrong[:20])


def test_a_lie_is_found_out(record, tmp_path):
    """Flushes that are not done, but reported done, break promises: the tests above would see it."""
    seed, records, start = record(HOSTIO_LIE="8")
    assert any(r.kind == "L" for r in records)
    _, wrong = broken_promises(seed, records, start, tmp_path / "crash.img", tmp_path / "files", enough=3)
    assert wrong
