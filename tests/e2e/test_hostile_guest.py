"""Bare binaries that do what no kernel should: no crash, no hang, a message that tells."""

import random
import struct
import subprocess

import pytest

# Words of A64, put together by hand from Arm DDI 0487, C6.
B_SELF = 0x14000000
UDF = 0x00000000
HVC_0 = 0xD4000002
MSR_VBAR_X0 = 0xD518C000
BR_X0 = 0xD61F0000
BRK_0 = 0xD4200000


def movz(reg, imm, shift=0):
    return 0xD2800000 | (shift // 16) << 21 | imm << 5 | reg


def movk(reg, imm, shift):
    return 0xF2800000 | (shift // 16) << 21 | imm << 5 | reg


def const(reg, value):
    return [movz(reg, value & 0xFFFF)] + [movk(reg, value >> s & 0xFFFF, s) for s in (16, 32, 48)]


def code(*words):
    flat = []
    for w in words:
        flat += w if isinstance(w, list) else [w]
    return struct.pack(f"<{len(flat)}I", *flat)


OFF = const(0, 0x84000008) + [HVC_0]


def boot_raw(program, engine, tmp_path, data, *options):
    path = tmp_path / "blob.bin"
    path.write_bytes(data)
    return subprocess.run([str(program), "boot", str(path), "--format", "raw", "--mem", "32M",
                           "--accel", engine, *options], capture_output=True, text=True, errors="replace",
                          stdin=subprocess.DEVNULL, timeout=120)


def test_power_off_from_bare_metal(program, engine, tmp_path):
    result = boot_raw(program, engine, tmp_path, code(OFF))
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("name,words", [
    ("garbage", [0xFFFFFFFF] * 64),
    ("undefined", [UDF] * 4),
    ("jump to nowhere", const(0, 0x7FFF_0000_0000) + [BR_X0]),
    ("jump to a device", const(0, 0x0900_0000) + [BR_X0]),
    ("vectors nowhere", const(0, 0x7FFF_0000_0000) + [MSR_VBAR_X0, UDF]),
    ("brk", [BRK_0]),
])
def test_lost_guest_is_told_and_ends(program, engine, tmp_path, name, words):
    result = boot_raw(program, engine, tmp_path, code(words))
    assert result.returncode == 1, result.stderr
    assert "vCPU 0" in result.stderr
    assert "pc" in result.stderr.lower()


def test_nonsense_to_every_device_register(program, engine, tmp_path):
    """A loop of stores and loads of every size over all device windows, then power off."""
    windows = [(0x0800_0000, 0x10000), (0x0900_0000, 0x1000), (0x0901_0000, 0x1000),
               (0x091F_F000, 0x1000), (0x0A00_0000, 0x3000), (0x1000_0000, 0x20000),
               (0x2000_0000, 0x1000)]
    words = []
    for base, size in windows:
        for value in (0, 0xFFFF_FFFF_FFFF_FFFF, 0x5A5A_A5A5_1234_5678):
            words += const(1, base) + const(2, base + size) + const(3, value)
            loop = [
                0x39000023,  # strb w3, [x1]
                0x79000023,  # strh w3, [x1]
                0xB9000023,  # str w3, [x1]
                0xF9000023,  # str x3, [x1]
                0x39400024,  # ldrb w4, [x1]
                0x79400024,  # ldrh w4, [x1]
                0xB9400024,  # ldr w4, [x1]
                0xF9400024,  # ldr x4, [x1]
                0x91002021,  # add x1, x1, #8
                0xEB02003F,  # cmp x1, x2
            ]
            words += loop + [0x54000003 | ((-len(loop) & 0x7FFFF) << 5)]  # b.lo loop
    result = boot_raw(program, engine, tmp_path, code(words, OFF))
    assert result.returncode == 0, result.stderr


def test_random_words_never_crash(program, engine, tmp_path):
    rng = random.Random(20240229)
    for i in range(10):
        data = rng.randbytes(4096)
        path = tmp_path / f"r{i}.bin"
        path.write_bytes(data)
        # A random program may also loop for ever; SIGTERM must then end it in good order.
        proc = subprocess.Popen([str(program), "boot", str(path), "--format", "raw", "--mem", "32M",
                                 "--accel", engine], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            _, stderr = proc.communicate(timeout=3)
            assert proc.returncode in (0, 1), stderr
        except subprocess.TimeoutExpired:
            proc.terminate()
            _, stderr = proc.communicate(timeout=60)
            assert proc.returncode == -15, stderr
