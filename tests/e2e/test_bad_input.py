"""Wrong usage and broken files: one line that names the thing and the way out, and the status."""

import json
import os
import subprocess

import pytest


def ignition(program, *args, **kwargs):
    return subprocess.run([str(program), *map(str, args)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=120, **kwargs)


def refused(result, status, *words):
    lines = result.stderr.splitlines()
    assert result.returncode == status, result.stderr
    assert len(lines) == 1, result.stderr
    for word in words:
        assert word in lines[0], f"{word!r} is not in {lines[0]!r}"
    assert result.stdout == ""


USAGE = [
    (["--mem", "0"], ["--mem", "16M"]),
    (["--mem", "12x"], ["--mem", "12x"]),
    (["--mem", ""], ["--mem"]),
    (["--mem", "-1"], ["--mem"]),
    (["--mem", "99999999999999999999G"], ["--mem"]),
    (["--smp", "0"], ["--smp", "1"]),
    (["--smp", "65"], ["--smp", "64"]),
    (["--smp", "two"], ["--smp", "two"]),
    (["--accel", "vax"], ["--accel", "soft"]),
    (["--cpu", "cortex-a76"], ["--cpu", "portable", "max", "host"]),
    (["--hvf-granule", "64k"], ["--hvf-granule", "4k", "16k"]),
    (["--jit", "maybe"], ["--jit", "auto", "lockstep"]),
    (["--jit-cache", "1k"], ["--jit-cache", "1M"]),
    (["--jit-dump", "main"], ["--jit-dump main", "hexadecimal"]),
    (["--jit-dump", "0x1ffffffffffffffff"], ["--jit-dump", "hexadecimal"]),
    (["--format", "pdf"], ["--format", "raw"]),
    (["--no-such-option"], ["--no-such-option"]),
    (["--initramfs"], ["--initramfs"]),
    (["--smp", "1", "--smp", "2"], ["--smp"]),
    (["--disk", ""], ["--disk"]),
    (["--disk", "x.img,wo"], ["wo", "ro"]),
    (["--disk", "x.img,overlay="], ["overlay=", "overlay=LAYER"]),
    (["--disk", ",overlay"], ["--disk"]),
    (["--disk", "x.img,wo,ro"], ["wo"]),
]


@pytest.mark.parametrize("options,words", USAGE, ids=lambda v: " ".join(v) if v and v[0].startswith("--") else "")
def test_wrong_usage(program, guest, options, words):
    refused(ignition(program, "boot", guest / "Image", *options), 2, *words)


def test_a_pipe_is_refused_and_not_waited_for(program, guest, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    refused(ignition(program, "boot", fifo), 1, str(fifo), "not a regular file")
    for options in (["--initramfs", fifo], ["--disk", f"{fifo},ro"], ["--disk", f"{fifo},overlay"]):
        refused(ignition(program, "boot", guest / "Image", *options), 1, str(fifo), "regular file")


def test_no_command_and_unknown_command(program):
    assert ignition(program).returncode == 2
    refused(ignition(program, "bot"), 2, "bot", "--help")
    refused(ignition(program, "boot"), 2, "KERNEL", "Image")


def test_more_memory_than_the_host_has(program, guest, accel):
    refused(ignition(program, "boot", guest / "Image", *accel, "--mem", "900G"), 1, "--mem", "host")


def test_memory_that_not_every_host_could_map(program, guest, accel):
    refused(ignition(program, "boot", guest / "Image", *accel, "--mem", "16388K"), 1, "mem: 16781312 bytes",
            "16 KiB pages")


@pytest.mark.engine("soft", "the limit is the software CPU's")
def test_more_vcpus_than_the_software_cpu_runs(program, guest, accel):
    refused(ignition(program, "boot", guest / "Image", *accel, "--smp", "33"), 1,
            "at most 32 vCPUs, not 33", "--smp 32")


@pytest.mark.engine("soft", "the others have no model but the host's own")
def test_a_model_that_the_software_cpu_lacks(program, guest, accel):
    refused(ignition(program, "boot", guest / "Image", *accel, "--cpu", "host"), 1,
            "no model host", "--cpu portable", "--cpu max")


@pytest.mark.engine("soft", "hvf has the choice")
def test_pages_that_only_hvf_can_choose(program, guest, accel, engine):
    refused(ignition(program, "boot", guest / "Image", *accel, "--hvf-granule", "4k"), 1, "4 KiB", "hvf",
            engine)


def test_missing_files(program, guest, tmp_path):
    image = guest / "Image"
    missing = tmp_path / "missing"
    refused(ignition(program, "boot", missing), 1, "kernel", str(missing), "No such file")
    refused(ignition(program, "boot", image, "--initramfs", missing), 1, "initramfs", str(missing))
    refused(ignition(program, "boot", image, "--disk", missing), 1, "disk", str(missing))
    refused(ignition(program, "boot", tmp_path), 1, "directory")


@pytest.mark.skipif(os.geteuid() != 0, reason="root drops to another user for this")
def test_unreadable_file(program, guest, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"x" * 512)
    secret.chmod(0)
    if os.access(secret, os.R_OK):
        # Root reads everything: an unreadable file wants another user, and a path it can reach.
        os.chmod(tmp_path, 0o755)
        result = ignition(program, "boot", secret, user="nobody", cwd="/")
    else:
        result = ignition(program, "boot", secret)
    refused(result, 1, "kernel", "secret", "Permission denied")


def kernels(guest, tmp_path):
    image = (guest / "Image").read_bytes()
    import gzip

    packed = gzip.compress(image[: 4 << 20], 1)
    elf = bytearray(64)
    elf[:7] = b"\x7fELF\x02\x01\x01"
    return {
        "empty": (b"", ["empty"]),
        "text": (b"hello, world\n" * 100, ["not an arm64 Image"]),
        "short": (image[:40], ["truncated"]),
        "half": (image[: len(image) // 2], ["truncated"]),
        "half.gz": (packed[: len(packed) // 2], ["truncated"]),
        "damaged.gz": (packed[:1000] + b"\xff" * 1000 + packed[2000:], ["damaged"]),
        "x86": (bytes(elf[:18]) + b"\x3e\x00" + bytes(elf[20:]), ["arm64"]),
        "cut.elf": (bytes(elf[:30]), ["ELF"]),
    }


@pytest.mark.parametrize("name", ["empty", "text", "short", "half", "half.gz", "damaged.gz", "x86",
                                  "cut.elf"])
def test_not_a_kernel(program, guest, accel, tmp_path, name):
    data, words = kernels(guest, tmp_path)[name]
    path = tmp_path / name
    path.write_bytes(data)
    refused(ignition(program, "boot", path, *accel), 1, "kernel", str(path), *words)


def test_larger_than_ram(program, guest, accel, tmp_path):
    refused(ignition(program, "boot", guest / "Image", *accel, "--mem", "16M"), 1, "kernel", "--mem")
    big = tmp_path / "big.cpio"
    with open(big, "wb") as f:
        f.truncate(100 << 20)
    refused(ignition(program, "boot", guest / "Image", *accel, "--mem", "64M", "--initramfs", big), 1,
            "initramfs", str(big), "--mem")
    raw = tmp_path / "raw.bin"
    with open(raw, "wb") as f:
        f.truncate(17 << 20)
    refused(ignition(program, "boot", raw, *accel, "--format", "raw", "--mem", "16M"), 1, str(raw),
            "--mem")


def test_truncated_initramfs(program, guest, accel, tmp_path):
    import gzip

    cut = tmp_path / "initramfs.gz"
    cut.write_bytes(gzip.compress(os.urandom(1 << 20))[:500000])
    refused(ignition(program, "boot", guest / "Image", *accel, "--initramfs", cut), 1, "initramfs",
            "truncated")


def test_disk_of_an_odd_size_and_empty_disk(program, guest, accel, tmp_path):
    disk = tmp_path / "odd.img"
    disk.write_bytes(b"x" * 1000)
    refused(ignition(program, "boot", guest / "Image", *accel, "--disk", disk), 1, str(disk), "512")
    disk.write_bytes(b"")
    refused(ignition(program, "boot", guest / "Image", *accel, "--disk", disk), 1, str(disk))


def test_overlong_command_line(program, guest, accel):
    refused(ignition(program, "boot", guest / "Image", *accel, "--append", "x" * 3000), 1, "--append")


def test_auto_says_with_v_what_it_took_and_why(program, guest):
    """One line, with a reason for each engine that was passed over; for nobody who did not ask."""
    def lines(*options):
        result = ignition(program, "boot", guest / "initramfs", *options)  # which is no kernel
        assert result.returncode == 1
        return [line for line in result.stderr.splitlines() if line.startswith("ignition: accel: ")]

    found = {check["name"]: check for check in json.loads(ignition(program, "doctor", "--json").stdout)["checks"]}
    why = [f"auto takes {name}" if found[f"engine-{name}"]["facts"]["works"] else
           f"not {name}: {found[f'engine-{name}']['text']}" for name in ("hvf", "kvm", "soft")]
    taken = next(i for i, words in enumerate(why) if words.startswith("auto"))
    line = "ignition: accel: " + "; ".join([why[taken], *why[:taken]])
    assert lines("-v") == lines("--debug") == [line]
    assert lines() == lines("-v", "--accel", "soft") == []
    assert lines("-v", "--deterministic") == ["ignition: accel: auto takes soft, the one that can run deterministically"]
