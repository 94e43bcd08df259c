"""Bare binaries that do what no kernel should: no crash, no hang, a message that tells."""

import random
import signal
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
ISB = 0xD5033FDF
ERET = 0xD69F03E0
MSR_DAIFSET_15 = 0xD5034FDF
STRB_W3_X1 = 0x39000023
WFI, WFE = 0xD503207F, 0xD503205F
SVC_0 = 0xD4000001
RAW_START = 0x4008_0000


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


def boot_raw(program, accel, tmp_path, data, *options):
    path = tmp_path / "blob.bin"
    path.write_bytes(data)
    return subprocess.run([str(program), "boot", str(path), "--format", "raw", "--mem", "32M",
                           *accel, *options], capture_output=True, text=True, errors="replace",
                          stdin=subprocess.DEVNULL, timeout=120)


def test_power_off_from_bare_metal(program, accel, tmp_path):
    result = boot_raw(program, accel, tmp_path, code(OFF), "--quiet")
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("name,words", [
    ("garbage", [0xFFFFFFFF] * 64),
    ("undefined", [UDF] * 4),
    ("jump to nowhere", const(0, 0x7FFF_0000_0000) + [BR_X0]),
    ("jump to a device", const(0, 0x0900_0000) + [BR_X0]),
    ("vectors nowhere", const(0, 0x7FFF_0000_0000) + [MSR_VBAR_X0, UDF]),
    ("brk", [BRK_0]),
])
def test_lost_guest_is_told_and_ends(program, accel, engine, tmp_path, name, words):
    if name == "vectors nowhere" and engine != "soft":
        pytest.skip("a chip takes one exception after the other for ever: only the software CPU notices")
    result = boot_raw(program, accel, tmp_path, code(words))
    assert result.returncode == 1, result.stderr
    assert "vCPU 0" in result.stderr
    assert "pc" in result.stderr.lower()


def test_nonsense_to_every_device_register(program, accel, tmp_path):
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
    result = boot_raw(program, accel, tmp_path, code(words, OFF))
    assert result.returncode == 0, result.stderr


def test_random_words_never_crash(program, accel, tmp_path):
    rng = random.Random(20240229)
    for i in range(10):
        data = rng.randbytes(4096)
        path = tmp_path / f"r{i}.bin"
        path.write_bytes(data)
        # A random program may also loop for ever; SIGTERM must then end it in good order.
        ends_or_can_be_ended(program, accel, path)


# ---- every system register ----

def sysreg(op0, op1, crn, crm, op2):
    return op0 << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5


def msr(enc, reg):
    return 0xD5000000 | enc | reg


def mrs(enc, reg):
    return 0xD5200000 | enc | reg


SCTLR, TCR, TTBR0, MAIR = (sysreg(3, 0, *r) for r in ((1, 0, 0), (2, 0, 2), (2, 0, 0), (10, 2, 0)))
VBAR, ELR, SPSR = (sysreg(3, 0, *r) for r in ((12, 0, 0), (4, 0, 1), (4, 0, 0)))

# What the program stands on: with these as they are it comes to its end.
FOUNDATION = (SCTLR, TCR, TTBR0, MAIR, VBAR)
REGISTERS = [sysreg(op0, op1, crn, crm, op2) for op0 in (1, 2, 3) for op1 in range(8)
             for crn in range(16) for crm in range(16) for op2 in range(8)]

# Whatever happened: the next instruction, at EL1 with everything masked.
SKIP = [mrs(ELR, 28), 0x9100139C, msr(ELR, 28), movz(28, 0x3C5), msr(SPSR, 28), ERET]
IRQ = [movz(28, 0x3C5), msr(SPSR, 28), ERET]
VECTORS = [word for slot in range(16) for word in
           (SKIP if slot % 4 == 0 else IRQ) + [UDF] * (32 - len(SKIP if slot % 4 == 0 else IRQ))]


def with_vectors(words):
    """Vectors of their own in front: the first word jumps over them."""
    start = [0x14000000 | (0x800 + 4 * len(VECTORS)) // 4] + [UDF] * (0x800 // 4 - 1)
    return code(start, VECTORS, const(0, RAW_START + 0x800), MSR_VBAR_X0, ISB, words)


def mmu_on():
    """A GiB of RAM and one of devices where they are; the table lies 16 MiB into RAM."""
    table = 0x4100_0000
    words = const(1, table)
    for i, desc in enumerate((0x405 | 3 << 53, 0x4000_0701)):
        words += const(0, desc) + [0xF9000020 | i << 10]  # str x0, [x1, #8 * i]
    for reg, value in ((MAIR, 0x04FF), (TCR, 25 | 25 << 16 | 1 << 23 | 2 << 30), (TTBR0, table)):
        words += const(0, value) + [msr(reg, 0)]
    return words + [ISB, mrs(SCTLR, 0), 0xB2400000, msr(SCTLR, 0), ISB]  # orr x0, x0, #1


def register_storm(rng, spared, count):
    words = []
    for _ in range(count):
        enc = rng.choice(REGISTERS)
        value = rng.choice((rng.getrandbits(64), 0, 2**64 - 1, 1 << rng.randrange(64)))
        words += const(0, value)
        words += [mrs(enc, 1) if enc in spared or rng.random() < 0.2 else msr(enc, 0)]
    return words


@pytest.mark.parametrize("mmu", [False, True], ids=["mmu off", "mmu on"])
@pytest.mark.parametrize("seed", range(4))
def test_random_values_to_every_system_register(program, accel, tmp_path, seed, mmu):
    """All but what the program stands on: it comes to its end, whatever is in the others."""
    rng = random.Random(seed)
    words = (mmu_on() if mmu else []) + register_storm(rng, FOUNDATION, 40_000)
    result = boot_raw(program, accel, tmp_path, with_vectors(words + OFF), "--quiet")
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("seed", range(12))
def test_random_values_to_what_the_program_stands_on(program, accel, tmp_path, seed):
    """It may get lost, which is told, or loop: then SIGTERM ends it in good order."""
    rng = random.Random(1000 + seed)
    spared = FOUNDATION[:seed % 6]
    words = mmu_on() if seed % 2 else []
    for reg in rng.sample(FOUNDATION, len(FOUNDATION)):
        words += register_storm(rng, spared, 2000)
        words += [] if reg in spared else const(0, rng.getrandbits(64)) + [msr(reg, 0), ISB]
    path = tmp_path / "blob.bin"
    path.write_bytes(with_vectors(words + OFF))
    ends_or_can_be_ended(program, accel, path)


def ends_or_can_be_ended(program, accel, path):
    proc = subprocess.Popen([str(program), "boot", str(path), "--format", "raw", "--mem", "32M",
                             *accel], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        _, stderr = proc.communicate(timeout=3)
        assert proc.returncode in (0, 1), stderr
        assert proc.returncode == 0 or b"vCPU 0" in stderr
    except subprocess.TimeoutExpired:
        proc.terminate()
        _, stderr = proc.communicate(timeout=60)
        assert proc.returncode == -15, stderr


# ---- guests that hear nobody ----

SAY_SO = const(1, 0x0900_0000) + [movz(3, ord("!")), STRB_W3_X1]
LOOPS = {
    "nothing": [MSR_DAIFSET_15, *SAY_SO, B_SELF],
    "wfi": [MSR_DAIFSET_15, *SAY_SO, WFI, 0x17FFFFFF],
    "wfe": [MSR_DAIFSET_15, *SAY_SO, WFE, 0x17FFFFFF],
    "device": [MSR_DAIFSET_15, *SAY_SO, 0x39401424, 0x17FFFFFF],  # ldrb w4, [x1, #5]
    "exceptions": [*SAY_SO, UDF, SVC_0, 0x17FFFFFE],
    "mmu on": [MSR_DAIFSET_15, *mmu_on(), *SAY_SO, B_SELF],
}


@pytest.mark.parametrize("how", ["Ctrl-A x", "SIGTERM"])
@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_with_interrupts_masked_can_be_left(start, tmp_path, loop, how):
    path = tmp_path / "loop.bin"
    path.write_bytes(with_vectors(LOOPS[loop]))
    machine = start("--format", "raw", kernel=path, initramfs=False)
    machine.expect("!")
    if how == "SIGTERM":
        machine.child.kill(signal.SIGTERM)
        assert machine.wait() == -signal.SIGTERM
    else:
        machine.send("\x01x")
        assert machine.wait() == 0
