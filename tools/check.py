#!/usr/bin/env python3
"""
Build and test everything, stage by stage; one failing stage does not hide the others.

  tools/check.py [STAGE ...]     all stages, or those named
  SAN=1     also the unit tests and a boot of `tiny` under address and undefined sanitizers, and both
            under the thread sanitizer, with several vCPUs
  LONG=1    also soaks: unit tests repeated, guest programs 20 times as long, fuzzing for minutes,
            100 million random instructions, the end-to-end tests interpreted and in lockstep

On a Mac the stages are others: units, and the end-to-end tests on hvf and on soft (make check-mac).

Logs are in build/check/. The last line is "N passed, N failed"; the exit status is 1 when anything
failed or a stage found nothing to test.
"""

import collections
import concurrent.futures
import os
import pathlib
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
LOGS = BUILD / "check"
SAN = os.environ.get("SAN", "") not in ("", "0")
LONG = os.environ.get("LONG", "") not in ("", "0")
FUZZ_S = 300 if LONG else 20
REPEAT = 20
LIMIT_S = 7200  # for one command: a hang must end, nothing else relies on it
LAB_TESTS = "tests/e2e/test_lab_kvm.py"  # need the arm64 build; each lab boot takes a while
# Choose themselves between translating and interpreting, wherever that matters.
MODE_TESTS = [f"tests/e2e/test_{name}.py" for name in ("deterministic", "jit", "kernels", "programs")]
TAIL = 200      # lines of a failing stage's log that are shown

SAN_ENV = {
    "ASAN_OPTIONS": "allocator_may_return_null=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}

TSAN_ENV = {
    "TSAN_OPTIONS": f"suppressions={ROOT}/tests/tsan.supp:allocator_may_return_null=1:halt_on_error=1",
}

Stage = collections.namedtuple("Stage", "name needs run")


class Counts:
    """What a stage counted: tests passed, failed, skipped, and words for its line."""

    def __init__(self, passed=0, failed=0, skipped=0, note=""):
        self.passed, self.failed, self.skipped, self.note = passed, failed, skipped, note

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.note = self.note or other.note
        return self


def run(log, args, env=None, limit_s=LIMIT_S):
    """Run a command with its output at the end of the log; its exit status."""
    with open(log, "ab") as out:
        out.write(f"$ {' '.join(map(str, args))}\n".encode())
        out.flush()
        # A session of its own, so that a stage that hangs is ended with all it started.
        child = subprocess.Popen([str(a) for a in args], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out,
                                 stderr=subprocess.STDOUT, start_new_session=True,
                                 env=dict(os.environ, **(env or {})))
        try:
            return child.wait(limit_s)
        except subprocess.TimeoutExpired:
            out.write(f"no end after {limit_s} s: killed\n".encode())
            return -signal.SIGKILL
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()


def read_junit(path):
    """Counts from the XML that meson and pytest write."""
    counts = Counts()
    if not path.exists():
        return counts
    try:
        cases = ElementTree.parse(path)
    except ElementTree.ParseError as exc:  # cut off by a full disk, or by the end of a runner
        return Counts(failed=1, note=f"{path}: {exc}")
    for case in cases.iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            counts.failed += 1
        elif case.find("skipped") is not None:
            counts.skipped += 1
        else:
            counts.passed += 1
    return counts


def run_counted(log, args, junit, env=None):
    """Run a test runner and read what it counted."""
    junit.unlink(missing_ok=True)
    status = run(log, args, env)
    counts = read_junit(junit)
    if status and not counts.failed:  # a crash or a time-out may not have a case of its own
        counts.add(Counts(failed=1, note=f"the runner ended with status {status}"))
    if not counts.passed and not counts.failed:
        counts.add(Counts(failed=1, note="found nothing to run"))
    return counts


def one_check(status):
    return Counts(failed=1) if status else Counts(passed=1)


def silent(status):
    """A stage that prepares: only its failure counts."""
    return Counts(failed=1) if status else Counts()


def build(flavour):
    return lambda log: one_check(run(log, ["tools/build.sh", flavour]))


def meson_tests(flavour, *args, env=None):
    logs = BUILD / flavour / "meson-logs"
    command = ["meson", "test", "-C", BUILD / flavour, "--no-rebuild", "--print-errorlogs", *args]
    return lambda log: run_counted(log, command, logs / "testlog.junit.xml", env)


def python():
    venv = BUILD / "venv" / "bin" / "python"
    return venv if venv.exists() else "python3"


def pytest(*what, env=None):
    def stage(log):
        junit = LOGS / f"{log.stem}.xml"
        return run_counted(log, [python(), "-m", "pytest", "-ra", f"--junitxml={junit}", *what],
                           junit, env)
    return stage


def guests(log):
    return silent(run(log, ["guest/build.py", "tiny"]) or run(log, ["guest/build.py", "debian"]))


def cross_arm64(log):
    return one_check(run(log, ["tools/sysroot.py"]) or run(log, ["tools/build.sh", "arm64"]))


def cross_macos(log):
    return one_check(run(log, ["tools/macos.sh"]))


def mac_guests(log):
    """They are made of Debian's packages, by Debian's tools: a Mac gets them from another machine."""
    missing = [name for name in ("tiny", "debian") if not (BUILD / "guest" / name / "Image").exists()]
    if not missing:
        return Counts()
    return Counts(failed=1, note=f"build/guest/{missing[0]} is missing: make it on Linux (make guest "
                                 f"RECIPE={missing[0]}) and copy the folder here")


def mac_end_to_end(engine):
    return pytest("tests", f"--ignore={LAB_TESTS}", env={"IGNITION_ACCEL": engine})


# The default mode is the stage `e2e`.
def end_to_end_with_jit(mode):
    return pytest("tests/e2e", *(f"--ignore={path}" for path in [LAB_TESTS, *MODE_TESTS]), env={"IGNITION_JIT": mode})


# The engine `hvf` on the stand-in for its framework: its own tests, and what a user meets.
STANDIN_E2E = [f"tests/e2e/test_{name}.py" for name in ("boot", "smp", "disk", "ends", "hostile_guest")]


def standin(log):
    counts = build("standin")(log)
    if counts.failed:
        return counts
    counts.add(meson_tests("standin", "hv_hvf", "machine_hvf", "machine_to_hvf")(log))
    env = {"IGNITION_ACCEL": "hvf", "IGNITION_BUILD": str(BUILD / "standin")}
    return counts.add(pytest(*STANDIN_E2E, env=env)(log))


def fuzz_one(target, log):
    name = target.name.removeprefix("fuzz_")
    folder = LOGS / "fuzz" / name
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    seeds = ROOT / "tests" / "fuzz" / "corpus" / name
    args = [target, f"-max_total_time={FUZZ_S}", "-timeout=20", "-rss_limit_mb=2048",
            f"-artifact_prefix={folder}/", "-print_final_stats=1", "-verbosity=1", corpus]
    own_log = folder / "log"
    own_log.unlink(missing_ok=True)
    counts = one_check(run(own_log, args + ([seeds] if seeds.exists() else []),
                           env=SAN_ENV))
    if counts.failed:
        counts.note = f"{target.name} failed: {own_log}"
        with open(log, "ab") as out:
            out.write(own_log.read_bytes())
    return counts


def fuzz(log):
    if run(log, ["tools/build.sh", "fuzz"]):
        return Counts(failed=1, note="does not build")
    targets = [t for t in sorted((BUILD / "fuzz" / "tests" / "fuzz").glob("fuzz_*")) if t.is_file()]
    if not targets:
        return Counts(failed=1, note="found nothing to run")
    counts = Counts()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for each in pool.map(lambda target: fuzz_one(target, log), targets):
            counts.add(each)
    return counts


STAGES = [
    Stage("venv", [], lambda log: silent(run(log, ["tools/venv.sh"]))),
    Stage("gcc", [], build("gcc")),
    Stage("clang", [], build("clang")),
    Stage("guest", [], guests),
    Stage("unit", ["gcc"], meson_tests("gcc")),
    Stage("e2e", ["venv", "gcc", "guest"], pytest("tests", f"--ignore={LAB_TESTS}")),
    Stage("standin", ["venv", "guest"], standin),
    Stage("arm64", [], cross_arm64),
    Stage("lab", ["venv", "arm64", "guest"],
          pytest("tests/e2e", "-m", "lab", env={"IGNITION_ACCEL": "kvm", "IGNITION_LAB": "new"})),
    Stage("macos", ["venv"], cross_macos),
    Stage("fuzz", [], fuzz),
]

MAC_STAGES = [
    Stage("venv", [], lambda log: silent(run(log, ["tools/venv.sh"]))),
    Stage("clang", [], build("clang")),  # and signed
    Stage("guest", [], mac_guests),
    Stage("unit", ["clang"], meson_tests("clang", "--suite", "unit")),
    Stage("hvf", ["venv", "clang", "guest"], mac_end_to_end("hvf")),
    Stage("soft", ["venv", "clang", "guest"], mac_end_to_end("soft")),
]

# Each prints a seed of its own, or how far it walked: that belongs in the log.
LONG_STAGES = [
    Stage("repeat", ["gcc"], meson_tests("gcc", "--suite", "unit", "--repeat", str(REPEAT))),
    Stage("diff", ["gcc"], meson_tests("gcc", "--benchmark", "--verbose")),
    Stage("e2e-off", ["venv", "gcc", "guest"], end_to_end_with_jit("off")),
    Stage("lockstep", ["venv", "gcc", "guest"], end_to_end_with_jit("lockstep")),
]

SAN_STAGES = [
    Stage("san", [], build("san")),
    Stage("san-unit", ["san"], meson_tests("san", "--suite", "unit")),
    Stage("san-boot", ["san", "venv", "guest"],
          pytest("tests/e2e/test_boot.py", "-k", "test_shell_answers",
                 env=dict(SAN_ENV, IGNITION_BUILD=str(BUILD / "san")))),
    Stage("tsan", [], build("tsan")),
    Stage("tsan-unit", ["tsan"], meson_tests("tsan", "--suite", "unit", env=TSAN_ENV)),
    Stage("tsan-boot", ["tsan", "venv", "guest"],
          pytest("tests/e2e/test_smp.py", "-k", "test_all_cpus_come_up_and_work and 4",
                 env=dict(TSAN_ENV, IGNITION_BUILD=str(BUILD / "tsan")))),
]


def select(names, mac=sys.platform == "darwin"):
    stages = MAC_STAGES if mac else STAGES + (LONG_STAGES if LONG else []) + (SAN_STAGES if SAN else [])
    unknown = set(names) - {s.name for s in stages}
    if unknown:
        known = ", ".join(s.name for s in stages)
        sys.exit(f"check: {' '.join(unknown)}: no such stage; there are {known}")
    return [s for s in stages if not names or s.name in names]


def run_stage(stage, broken):
    """Counts of one stage. What it needs and has not got makes it fail, not vanish."""
    missing = [name for name in stage.needs if name in broken]
    log = LOGS / f"{stage.name}.log"
    log.unlink(missing_ok=True)
    if missing:
        return Counts(failed=1, note=f"not run: {missing[0]} failed")
    try:
        counts = stage.run(log)
    except OSError as failure:
        counts = Counts(failed=1, note=str(failure))
    return counts


def show(stage, counts, seconds):
    words = [f"{counts.passed} passed"] if counts.passed else []
    words += [f"{counts.failed} FAILED"] if counts.failed else []
    words += [f"{counts.skipped} skipped"] if counts.skipped else []
    words += [counts.note] if counts.note else []
    print(f"{stage.name:9} {seconds:7.1f} s  {', '.join(words) or 'ready'}", flush=True)
    log = LOGS / f"{stage.name}.log"
    if counts.failed and log.exists():
        lines = log.read_text(errors="replace").splitlines()[-TAIL:]
        print(f"--- the end of {log.relative_to(ROOT)}", *lines, "---", sep="\n", flush=True)


def main():
    LOGS.mkdir(parents=True, exist_ok=True)
    total, broken = Counts(), set()
    for stage in select(sys.argv[1:]):
        start = time.monotonic()
        counts = run_stage(stage, broken)
        if counts.failed:
            broken.add(stage.name)
        total.add(counts)
        show(stage, counts, time.monotonic() - start)
    summary = f"{total.passed} passed, {total.failed} failed"
    (LOGS / "summary").write_text(summary + "\n")
    print(summary, flush=True)
    sys.exit(1 if total.failed or not total.passed else 0)


if __name__ == "__main__":
    main()
