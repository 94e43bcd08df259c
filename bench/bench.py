#!/usr/bin/env python3
"""Ours and QEMU's system emulator side by side, in one run, as ratios of medians.

  bench/bench.py [WHAT ...] [--runs N] [--program build/ignition] [--guest build/guest/tiny]

boot   the same kernel and initramfs on both: spawn to the first line of init, spawn to the shell's
       prompt, with the kernel's own address randomisation and with nokaslr
rate   guest instructions per second: a bare binary with a known number of instructions, run on both
idle   the host's processor time that a guest at its prompt costs, in percent of one core, by number of
       vCPUs: one window each (--idle-s)
disk   what a guest reads and writes past its page cache: bench/disk.py. The figure of an overlay, which QEMU
       is not asked for, is beside ours, and the ratio is of the raw image: above 1 ours is faster

These four are what runs when nothing is named. Besides, and longer:

compute  kernels of integer, floating-point, cryptographic, atomic and system instructions in a guest
         (--kernel, --rounds, --seconds, --clock; --ours-arg adds an option for ours)
smp      the same with two threads on two vCPUs against one

The machine may be shared and noisy: runs alternate between the two, the median counts, and the ratio
is what to look at. Nothing here asserts anything.
"""

import argparse
import math
import os
import pathlib
import pty
import select
import statistics
import struct
import subprocess
import tempfile
import time

import compute
import disk

ROOT = pathlib.Path(__file__).resolve().parents[1]
KERNEL_MARK = b"Run /init as init process"
PROMPT = b"root@ignition:~# "
LIMIT_S = 300
SETTLE_S = 10       # what a guest still does after its prompt
PEER_VCPUS_MAX = 8  # with 32 on two cores, QEMU's boot does not come to its prompt within LIMIT_S


def spawn_until(args, marks, limit_s=LIMIT_S, then=None):
    """Run on a pseudo-terminal; seconds from spawn to the first sight of each mark, in order. After
    the last one, then(process id) is called while the program still runs."""
    master, slave = pty.openpty()
    start = time.monotonic()
    child = subprocess.Popen(args, stdin=slave, stdout=slave, stderr=slave, close_fds=True)
    os.close(slave)
    seen, times = b"", []
    try:
        while len(times) < len(marks):
            left = start + limit_s - time.monotonic()
            if left <= 0 or not select.select([master], [], [], left)[0]:
                raise SystemExit(f"{args[0]}: no {marks[len(times)]!r} within {limit_s} s")
            try:
                data = os.read(master, 65536)
            except OSError:
                data = b""
            if not data:
                raise SystemExit(f"{args[0]} ended early:\n{seen[-2000:].decode(errors='replace')}")
            seen += data
            while len(times) < len(marks) and marks[len(times)] in seen:
                times.append(time.monotonic() - start)
        if then:
            then(child.pid)
    finally:
        child.kill()
        child.wait()
        os.close(master)
    return times


def ours(options, kernel, initramfs, append):
    return [str(options.program), "boot", str(kernel), "--initramfs", str(initramfs), "--mem", "512M",
            "--accel", "soft", "--append", append]


def qemu(options, kernel, initramfs, append):
    return ["qemu-system-aarch64", "-M", "virt,gic-version=3", "-cpu", "cortex-a76", "-m", "512",
            "-nographic", "-nodefaults", "-serial", "stdio", "-kernel", str(kernel), "-initrd",
            str(initramfs), "-append", "console=ttyAMA0 " + append]


def compare(title, runs, run_ours, run_qemu):
    """Alternate, then print one row a measured thing."""
    a, b = [], []
    for _ in range(runs):
        a.append(run_ours())
        b.append(run_qemu())
    for i, name in enumerate(title):
        mine = statistics.median(x[i] for x in a)
        theirs = statistics.median(x[i] for x in b)
        yield name, mine, theirs


def processor_s(pid):
    """User and system time of a process and all that it started, in seconds."""
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return ((int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK") +
            sum(processor_s(int(child)) for child in children))


def idle_percent(args, window_s):
    """Boot to the prompt, let the guest come to rest, then measure a window."""
    figures = []

    def measure(pid):
        time.sleep(SETTLE_S)
        start, before = time.monotonic(), processor_s(pid)
        time.sleep(window_s)
        figures.append(100 * (processor_s(pid) - before) / (time.monotonic() - start))

    spawn_until(args, [PROMPT], then=measure)
    return figures[0]


def bench_idle(options):
    kernel, initramfs = options.guest / "Image", options.guest / "initramfs"
    for vcpus in (1, 2, 8, 32):
        mine = idle_percent(ours(options, kernel, initramfs, "quiet") + ["--smp", str(vcpus)],
                            options.idle_s)
        row = f"| {f'idle, {vcpus} vCPUs, of a core':28} | {mine:9.2f} % |"
        if vcpus > PEER_VCPUS_MAX:
            print(f"{row} {'-':>11} | {'-':>7} |")
            continue
        theirs = idle_percent(qemu(options, kernel, initramfs, "quiet") + ["-smp", str(vcpus)],
                              options.idle_s)
        print(f"{row} {theirs:9.2f} % | {mine / max(theirs, 0.01):7.2f} |")


def bench_boot(options):
    kernel, initramfs = options.guest / "Image", options.guest / "initramfs"
    for label, extra in (("", ""), (", nokaslr", " nokaslr")):
        rows = compare([f"spawn to init{label}", f"spawn to shell{label}"], options.runs,
                       lambda: spawn_until(ours(options, kernel, initramfs, "loglevel=7" + extra),
                                           [KERNEL_MARK, PROMPT]),
                       lambda: spawn_until(qemu(options, kernel, initramfs, "loglevel=7" + extra),
                                           [KERNEL_MARK, PROMPT]))
        for name, mine, theirs in rows:
            print(f"| {name:28} | {mine:9.2f} s | {theirs:9.2f} s | {mine / theirs:7.2f} |")


# A loop of 16 instructions, the last being B.NE: arithmetic, logic, a load and a store, a compare and a branch.
LOOP = [
    0x8B020021,  # add  x1, x1, x2
    0xCA010063,  # eor  x3, x3, x1
    0xD3431C64,  # ubfx x4, x3, #3, #5
    0xF90000C5,  # str  x5, [x6]
    0x8B4334A5,  # add  x5, x5, x3, lsr #13
    0xF94000C7,  # ldr  x7, [x6]
    0x9B017CE8,  # mul  x8, x7, x1
    0x8A030109,  # and  x9, x8, x3
    0xAA09014A,  # orr  x10, x10, x9
    0xCB04016B,  # sub  x11, x11, x4
    0xDAC00D6C,  # rev  x12, x11
    0x9AC4218D,  # lsl  x13, x12, x4
    0x8B0D01CE,  # add  x14, x14, x13
    0xD10005EF,  # sub  x15, x15, #1
    0xEB1F01FF,  # cmp  x15, xzr
]


def blob(iterations):
    movz = lambda reg, imm, half: 0xD2800000 | half << 21 | imm << 5 | reg
    movk = lambda reg, imm, half: 0xF2800000 | half << 21 | imm << 5 | reg
    const = lambda reg, val: [movz(reg, val & 0xFFFF, 0), movk(reg, val >> 16 & 0xFFFF, 1)]
    words = const(15, iterations) + const(6, 0x40200000) + const(2, 0x1234567)
    back = -len(LOOP) & 0x7FFFF
    words += LOOP + [0x54000001 | back << 5]  # b.ne to the loop's start
    words += const(0, 0x84000008) + [0xD4000002]  # PSCI SYSTEM_OFF by HVC
    return struct.pack(f"<{len(words)}I", *words), iterations * (len(LOOP) + 1)


def timed(args):
    start = time.monotonic()
    subprocess.run(args, check=True, stdin=subprocess.DEVNULL, timeout=LIMIT_S)
    return time.monotonic() - start


def bench_rate(options):
    small, few = blob(1000)
    large, many = blob(options.iterations)
    with tempfile.TemporaryDirectory() as folder:
        files = [pathlib.Path(folder) / "small.bin", pathlib.Path(folder) / "large.bin"]
        files[0].write_bytes(small)
        files[1].write_bytes(large)
        mine = lambda f: [str(options.program), "boot", str(f), "--format", "raw", "--mem", "64M",
                          "--accel", "soft"]
        theirs = lambda f: ["qemu-system-aarch64", "-M", "virt,gic-version=3", "-cpu", "cortex-a76",
                            "-m", "64", "-display", "none", "-nodefaults", "-kernel", str(f)]
        # Start-up is not the guest's: the difference of a long and a short run counts.
        rate = lambda cmd: [(many - few) / max(timed(cmd(files[1])) - timed(cmd(files[0])), 1e-6)]
        for name, a, b in compare(["million instructions / s"], options.runs,
                                  lambda: rate(mine), lambda: rate(theirs)):
            print(f"| {name:28} | {a / 1e6:11.1f} | {b / 1e6:11.1f} | {a / b:7.2f} |")


def bench_disk(options):
    with tempfile.TemporaryDirectory() as folder:
        for label, figures, rates in disk.bench(options.program, options.guest, options.diskrate,
                                                pathlib.Path(folder), options.runs):
            print(f"| {label:28} | {figures['raw']:>11} | {figures['qemu']:>11} | "
                  f"{rates['raw'] / rates['qemu']:7.2f} |")
            print(f"| {'- over a layer':28} | {figures['overlay']:>11} | {'-':>11} | {'-':>7} |")


def compare_table(benches, options):
    print(f"Medians of {options.runs} runs, alternating\n")
    print(f"| {'what':28} | {'ignition':>11} | {'QEMU':>11} | ratio   |")
    print(f"| {'---':28} | {'---:':>11} | {'---:':>11} | ---:    |")
    for bench in benches:
        bench(options)


TABLE = {"rate": bench_rate, "boot": bench_boot, "idle": bench_idle, "disk": bench_disk}
KERNELS = {"compute": compute.bench_compute, "smp": compute.bench_smp}


def positive(kind):
    def parse(text):
        value = kind(text)
        if not 0 < value < math.inf:
            raise ValueError
        return value
    parse.__name__ = "number above 0"  # what argparse calls it in its message
    return parse


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", nargs="*", metavar="WHAT", help=" ".join([*TABLE, *KERNELS]))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build" / "ignition")
    parser.add_argument("--guest", type=pathlib.Path, default=ROOT / "build" / "guest" / "tiny")
    parser.add_argument("--diskrate", type=pathlib.Path,
                        default=ROOT / "build" / "gcc" / "tests" / "guest" / "disk" / "diskrate")
    parser.add_argument("--iterations", type=int, default=8_000_000)
    parser.add_argument("--idle-s", type=float, default=20, help="seconds; longer is more exact")
    parser.add_argument("--kernel", action="append", default=[], metavar="NAME",
                        help="run this kernel; may be given several times")
    parser.add_argument("--rounds", type=positive(int), default=3, help="for each kernel")
    parser.add_argument("--seconds", type=positive(float), default=1, help="for one run of a kernel")
    parser.add_argument("--clock", choices=list(compute.CLOCKS), default="wall",
                        help="of compute: processor when the host has other work to do")
    parser.add_argument("--ours-arg", action="append", default=[], metavar="OPTION",
                        help="for build/ignition boot, as in --ours-arg=--deterministic")
    options = parser.parse_args()
    unknown = set(options.what) - set(TABLE) - set(KERNELS)
    if unknown:
        parser.error(f"there is no {' '.join(sorted(unknown))}; give {', '.join([*TABLE, *KERNELS])}")
    for path in (options.program, options.guest / "Image", options.guest / "initramfs", options.diskrate):
        if not path.exists():
            raise SystemExit(f"{path} is missing; run make and make guest RECIPE=tiny first")
    version = subprocess.run(["qemu-system-aarch64", "--version"], check=True, capture_output=True,
                             text=True).stdout.split("\n", 1)[0]
    print(f"Peer: {version}, -cpu cortex-a76")
    what = options.what or list(TABLE)
    chosen = [bench for name, bench in TABLE.items() if name in what]
    if chosen:
        compare_table(chosen, options)
    for name, bench in KERNELS.items():
        if name in what:
            bench(options, ours, qemu)


if __name__ == "__main__":
    main()
