"""Compute kernels inside guests: ours and QEMU's, and the host itself for comparison.

Called by bench.py. Both machines are booted once and stand at their prompt; the kernels of
bench/guest/kernels then run on one and the other in turn. The program prints a mark before and after
the work, and the host's clock decides: a guest's clock would be part of what is measured. On a host
with other work (--clock processor) it is the processor time of all the machine's threads between the
marks. Every checksum is compared with the other machine's and with qemu-user's.
"""

import contextlib
import math
import os
import pathlib
import pty
import re
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tty

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "gcc" / "bench" / "guest" / "kernels"
IN_GUEST = "/bench/kernels"
PROMPT = b"root@ignition:~# "
LIMIT_S = 300  # without a word from a machine: a hang must end
SMP_KERNELS = ["alu", "l1", "recursion", "ldaddal"]
CLOCKS = {"wall": 0, "processor": 1}  # which of Console.time_marks()
END = re.compile(rb">>\w+ [0-9a-f]{16}\r*\n|" + re.escape(PROMPT))

sys.path.insert(0, str(ROOT / "guest"))
import cpio  # noqa: E402


def busy_s(pid):
    """Processor time of a process, its threads and its children, in seconds."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that just ended
            total += int((task / "schedstat").read_text().split()[0]) / 1e9
            total += sum(busy_s(int(child)) for child in (task / "children").read_text().split())
    return total


class Console:
    """A program on a pseudo-terminal, and what it has said that nobody has taken yet."""

    def __init__(self, args):
        self.name = pathlib.Path(args[0]).name
        self.text = b""
        self.master, slave = pty.openpty()
        tty.setraw(slave)  # no echo; QEMU itself still turns a line feed into two characters
        self.child = subprocess.Popen(args, stdin=slave, stdout=slave, stderr=slave, close_fds=True)
        os.close(slave)

    def until(self, pattern):
        """Read up to a pattern; the match, the time at which it was there, and the processor time."""
        while True:
            found = re.search(pattern, self.text)
            if found:
                self.text = self.text[found.end():]
                return found, time.monotonic(), busy_s(self.child.pid)
            if not select.select([self.master], [], [], LIMIT_S)[0]:
                raise SystemExit(f"{self.name}: silent for {LIMIT_S} s, waiting for {pattern!r}; "
                                 f"it said:\n{self.tail()}")
            try:
                data = os.read(self.master, 65536)
            except OSError:  # how a pseudo-terminal ends
                data = b""
            if not data:
                raise SystemExit(f"{self.name}: ended early; it said:\n{self.tail()}")
            self.text += data

    def tail(self):
        return self.text[-2000:].decode(errors="replace")

    def time_marks(self, kernel):
        """Seconds between the marks of one run: by the host's clock, of processor time."""
        _, start, busy_start = self.until(rb"<<%s\r*\n" % kernel.encode())
        found, end, busy_end = self.until(END)
        if found.group() == PROMPT:
            raise SystemExit(f"{self.name}: {kernel} ended without a result; it said:\n"
                             f"{found.string.decode(errors='replace')}")
        return max(end - start, 1e-9), max(busy_end - busy_start, 1e-9)

    def close(self):
        self.child.kill()
        self.child.wait()
        os.close(self.master)


class Guest:
    """A booted machine that runs kernels."""

    def __init__(self, args):
        self.console = Console(args)
        try:
            self.console.until(re.escape(PROMPT))
        except BaseException:
            self.close()
            raise

    def command(self, text):
        self.console.text = b""
        os.write(self.console.master, text.encode() + b"\n")

    def run(self, kernel, iterations, threads):
        self.command(f"{IN_GUEST} {kernel} {iterations} {threads}")
        result = self.console.time_marks(kernel)
        self.console.until(re.escape(PROMPT))
        return result

    def check(self):
        self.command(f"{IN_GUEST} check; echo do''ne")
        said = self.console.until(rb"done\r*\n")[0].string.decode()
        self.console.until(re.escape(PROMPT))
        return re.findall(r"(\w+) ([0-9a-f]{16})\r*\n", said)

    def close(self):
        self.console.close()


class Native:
    """The host: the same source, compiled for it."""

    def __init__(self, program):
        self.program = program

    def run(self, kernel, iterations, threads):
        with contextlib.closing(Console([str(self.program), kernel, str(iterations),
                                         str(threads)])) as console:
            return console.time_marks(kernel)


def calibrate(machine, kernel, threads, seconds, clock):
    """How many iterations take about so many seconds there."""
    iterations = 1
    while True:
        took = machine.run(kernel, iterations, threads)[clock]
        if took > seconds / 8:
            return max(1, round(iterations * seconds / took))
        iterations *= max(2, min(50, round(seconds / 4 / max(took, 1e-6))))


def rates(machines, kernel, options, clock):
    """Iterations per second of each (machine, threads), the median of rounds that alternate. clock:
    which of the times that a run returns."""
    todo = [(machine, threads, calibrate(machine, kernel, threads, options.seconds, clock))
            for machine, threads in machines]
    seen = [[] for _ in todo]
    for _ in range(options.rounds):
        for (machine, threads, iterations), results in zip(todo, seen):
            results.append(threads * iterations / machine.run(kernel, iterations, threads)[clock])
    return [statistics.median(results) for results in seen]


def mean(values):
    return math.exp(statistics.fmean(map(math.log, values)))


def qemu_user(*args):
    emulator = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    if not emulator:
        raise SystemExit("qemu-aarch64-static is missing; install what tools/deps.sh test names")
    return subprocess.run([emulator, str(FOLDER / "kernels"), *args], check=True, text=True,
                          capture_output=True).stdout


def check_sums(guests):
    """Every machine computes the same, or its speed means nothing."""
    expected = re.findall(r"(\w+) ([0-9a-f]{16})\n", qemu_user("check"))
    for guest in guests:
        got = guest.check()
        if got != expected:
            wrong = sorted({name for name, _ in set(expected) ^ set(got)})
            raise SystemExit(f"{guest.console.name}: wrong or missing checksums: {' '.join(wrong)}")
    return len(expected)


def select_kernels(wanted, default=None):
    """Class by name of the kernels to run, in the program's order."""
    if not (FOLDER / "kernels").exists():
        raise SystemExit(f"{FOLDER / 'kernels'} is missing; install what tools/deps.sh test names, "
                         "then run make")
    known = {name: which for which, name in
             (line.split() for line in qemu_user("list").splitlines())}
    unknown = set(wanted) - set(known)
    if unknown:
        raise SystemExit(f"no kernel is called {' '.join(sorted(unknown))}; "
                         f"there are {' '.join(known)}")
    names = wanted or default or known
    return {name: which for name, which in known.items() if name in names}


def native_runs(kernel):
    """Does this host have the instructions that the native program was compiled for?"""
    program = FOLDER / "kernels_native"
    return program.exists() and subprocess.run([program, kernel, "1"], check=False,
                                               stdout=subprocess.DEVNULL).returncode == 0


@contextlib.contextmanager
def booted(options, commands, vcpus):
    """Guests with the program in them: for each number of vCPUs, one of each command."""
    archive = cpio.Archive(mtime=0)
    archive.file(IN_GUEST[1:], (FOLDER / "kernels").read_bytes(), 0o755)
    data = (options.guest / "initramfs").read_bytes()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        initramfs = pathlib.Path(folder) / "initramfs"
        initramfs.write_bytes(data + bytes(-len(data) % 4) + archive.bytes())
        guests = []
        for count in vcpus:
            for command, cpus in commands:
                args = command(options, options.guest / "Image", initramfs, "quiet nokaslr")
                guest = Guest(args + [cpus, str(count)])
                stack.callback(guest.close)
                guests.append(guest)
        yield guests


def commands_of(ours, qemu):
    with_extra = lambda options, *rest: ours(options, *rest) + options.ours_arg
    return [(with_extra, "--smp"), (qemu, "-smp")]


def bench_compute(options, ours, qemu):
    kernels = select_kernels(options.kernel)
    with booted(options, commands_of(ours, qemu), [1]) as guests:
        print(f"Checksums of {check_sums(guests)} kernels agree with qemu-user's. Iterations a second "
              f"of {options.clock} time, medians of {options.rounds} rounds;\nthe host's figure is how "
              "many times faster than each it runs the same source.\n")
        print(f"| {'kernel':10} | {'ignition':>10} | {'QEMU':>10} | ours/QEMU | host/ours | host/QEMU |")
        print(f"| {'---':10} | {'---:':>10} | {'---:':>10} | {'---:':>9} | {'---:':>9} | {'---:':>9} |")
        by_class = {}
        for kernel, which in kernels.items():
            machines = [(guest, 1) for guest in guests]
            if native_runs(kernel):
                machines.append((Native(FOLDER / "kernels_native"), 1))
            mine, theirs, *host = rates(machines, kernel, options, CLOCKS[options.clock])
            row = [mine / theirs] + [x for h in host for x in (h / mine, h / theirs)]
            by_class.setdefault(which, []).append(row)
            print(f"| {kernel:10} | {mine:10.1f} | {theirs:10.1f} | {columns(row)}", flush=True)
        for which, rows in by_class.items():
            means = [mean(column) for column in zip(*rows)]
            print(f"| {which:10} | {'':10} | {'':10} | {columns(means)}")


def columns(values):
    cells = [f"{value:9.3f}" if value < 10 else f"{value:9.1f}" for value in values]
    return " | ".join(cells + [f"{'-':>9}"] * (3 - len(cells))) + " |"


def bench_smp(options, ours, qemu):
    kernels = select_kernels(options.kernel, SMP_KERNELS)
    with booted(options, commands_of(ours, qemu), [1, 2]) as (ours1, qemu1, ours2, qemu2):
        print(f"Two threads on two vCPUs against one on one: times the rate, medians of "
              f"{options.rounds} rounds.\n")
        print(f"| {'kernel':10} | {'ignition':>9} | {'QEMU':>9} | {'the host':>9} |")
        print(f"| {'---':10} | {'---:':>9} | {'---:':>9} | {'---:':>9} |")
        for kernel in kernels:
            machines = [(ours1, 1), (ours2, 2), (qemu1, 1), (qemu2, 2)]
            if native_runs(kernel):
                native = Native(FOLDER / "kernels_native")
                machines += [(native, 1), (native, 2)]
            figures = rates(machines, kernel, options, CLOCKS["wall"])
            print(f"| {kernel:10} | "
                  f"{columns([two / one for one, two in zip(figures[::2], figures[1::2])])}",
                  flush=True)
