#!/usr/bin/env python3
"""
What programs for macOS ask of the system that will load them.

    tools/machocheck.py [--write] BUILD_FOLDER|FILE ...

Every undefined symbol must be known: one of libSystem's (from the text stub that Zig brings), one of a
library that we use (tools/macos-symbols.txt), one of Hypervisor.framework's (tools/hvf-symbols.txt), or one
of our own shared library. What the framework has only from a later macOS on than the program starts on
must be imported weakly. The symbols are read by llvm-nm, or on a Mac nm.

--write puts unknown symbols that a library of this host has into tools/macos-symbols.txt.
"""

import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
OURS = ROOT / "tools" / "macos-symbols.txt"
FRAMEWORK = ROOT / "tools" / "hvf-symbols.txt"
LEAST = (15, 0)  # the macOS that programs start on

# <mach-o/loader.h>
MH_MAGIC_64, MH_EXECUTE, MH_DYLIB, LC_BUILD_VERSION = 0xFEEDFACF, 2, 6, 0x32

# "   (undefined) weak external _name (from libSystem)"; without the end: left to dynamic lookup.
UNDEFINED = re.compile(r"\(undefined[^)]*\) (weak )?(?:private )?external (\S+)(?: \(from ([^)]+)\))?")

# The text stub: exports are lists behind the targets that have them.
STUB = re.compile(r"- targets:\s*\[(.*?)\]((?:\s+[a-z-]+:\s*\[.*?\])+)", re.S)
STUB_LIST = re.compile(r"\s(?:weak-|thread-local-)?symbols:\s*\[(.*?)\]", re.S)

# Those that we use, as their files are named: lib*.so.
LIBRARIES = ("cbor", "cmocka", "event", "fdt", "jansson", "xxhash", "z", "zstd")


class CheckError(Exception):
    """One sentence for the user."""


def read_table(path):
    """{first word: second word} of a list with comments."""
    rows = [line.split() for line in path.read_text(encoding="ascii").splitlines()
            if line and not line.startswith("#")]
    wrong = [row for row in rows if len(row) != 2]
    if wrong:
        raise CheckError(f"{path}: {' '.join(wrong[0])}: give two words a line")
    return dict(rows)


def read_stub(text):
    """Every symbol that a text stub exports to programs for macOS on Apple Silicon."""
    symbols = set()
    for targets, lists in STUB.findall(text):
        if not re.search(r"\barm64e?-macos\b", targets):
            continue
        for names in STUB_LIST.findall(lists):
            symbols.update(name.strip().strip("'\"") for name in names.split(","))
    return symbols - {""}


def libsystem():
    stubs = list((ROOT / "build" / "venv").glob("lib/python*/site-packages/ziglang/lib/libc/darwin/libSystem.tbd"))
    if not stubs:
        raise CheckError("the text stub of libSystem is missing: run tools/venv.sh, which installs Zig")
    return read_stub(stubs[0].read_text(encoding="utf-8"))


def header(data):
    """(type, macOS that it starts on or None) of a Mach-O file, or None for any other."""
    if len(data) < 32 or struct.unpack_from("<I", data)[0] != MH_MAGIC_64:
        return None
    kind, count = struct.unpack_from("<II", data, 12)
    at, least = 32, None
    for _ in range(count):
        if at + 8 > len(data):
            raise CheckError("its load commands are cut off")
        command, size = struct.unpack_from("<II", data, at)
        if size < 8 or at + size > len(data):
            raise CheckError("its load commands are damaged")
        if command == LC_BUILD_VERSION and size >= 24:
            version = struct.unpack_from("<I", data, at + 12)[0]
            least = (version >> 16, version >> 8 & 0xFF)
        at += size
    return kind, least


def nm(path):
    """[(name, weak, the library it is bound to or None)] of the undefined symbols."""
    tool = shutil.which("llvm-nm") or shutil.which("nm")
    if not tool:
        raise CheckError("llvm-nm is missing: install llvm (tools/deps.sh test)")
    done = subprocess.run([tool, "-m", "-u", str(path)], capture_output=True, text=True, check=False)
    if done.returncode or done.stderr:
        raise CheckError(f"{path}: {tool} cannot read it: {done.stderr.strip()}")
    found = [UNDEFINED.search(line) for line in done.stdout.splitlines() if line.strip()]
    if None in found:
        raise CheckError(f"{path}: {tool} says what is not understood: {done.stdout.splitlines()[0]}")
    return [(m.group(2), bool(m.group(1)), m.group(3)) for m in found]


class Known:
    """Where a symbol may come from."""

    def __init__(self, system, third, framework, own=()):
        self.system, self.third, self.framework, self.own = system, third, framework, set(own)

    def wrong(self, name, weak, origin):
        """Why the symbol may not be imported, or None."""
        plain = name.removeprefix("_")
        if name == "dyld_stub_binder" or name in self.system:
            return None
        if origin and origin.startswith("libSystem"):
            return "is not in libSystem's text stub"
        if plain in self.framework:
            since = self.framework[plain]
            if tuple(map(int, since.split("."))) > LEAST and not weak:
                return (f"is in Hypervisor.framework from macOS {since} on: import it weakly, or look it up "
                        f"when it is needed; the program would not start on {LEAST[0]}.{LEAST[1]}")
            return None
        if plain in self.third or plain in self.own:
            return None
        if plain.startswith("hv_"):
            return f"is no function of Hypervisor.framework ({FRAMEWORK.name})"
        return f"comes from nowhere: neither libSystem, nor {OURS.name}, nor {FRAMEWORK.name}"


def programs(paths):
    """The linked files among what is given, and below folders that are."""
    for path in map(pathlib.Path, paths):
        if not path.is_dir():
            yield path
            continue
        for folder, _, names in os.walk(path):
            for file in sorted(pathlib.Path(folder) / name for name in names):
                if file.suffix in (".o", ".a") or file.is_symlink() or not file.is_file():
                    continue
                with open(file, "rb") as f:
                    start = f.read(16)
                if len(start) == 16 and start[:4] == struct.pack("<I", MH_MAGIC_64) and \
                        struct.unpack_from("<I", start, 12)[0] in (MH_EXECUTE, MH_DYLIB):
                    yield file


def check_file(path, known):
    """What is wrong with one file: sentences; and the unknown symbols."""
    try:
        found = header(path.read_bytes())
    except (OSError, CheckError) as failure:
        return [f"{path}: {failure}"], []
    if not found:
        return [f"{path}: not a Mach-O file of 64 bits; give one that the macOS build has made"], []
    findings, unknown = [], []
    if found[1] and found[1] > LEAST:
        findings.append(f"{path}: starts on macOS {found[1][0]}.{found[1][1]} and newer alone, not on "
                        f"{LEAST[0]}.{LEAST[1]}")
    for name, weak, origin in nm(path):
        why = known.wrong(name, weak, origin)
        if why:
            findings.append(f"{path}: {name} {why}")
            unknown.append(name.removeprefix("_"))
    return findings, unknown


def exported(path):
    """What a dynamic library of ours, for macOS, has for others."""
    done = subprocess.run([shutil.which("llvm-nm") or "nm", "-g", "-U", "-j", str(path)], capture_output=True,
                          text=True, check=True)
    return {name.removeprefix("_") for name in done.stdout.split()}


def write_missing(unknown):
    """Symbols that libraries of this host export, into the list. Returns how many."""
    rows = read_table(OURS)
    comment = [line for line in OURS.read_text(encoding="ascii").splitlines() if line.startswith("#")]
    libraries = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    for library in LIBRARIES:
        for file in set(re.findall(rf"=> (\S+/lib{library}(?:_\w+)?[-.0-9]*\.so[.0-9]*)$", libraries, re.M)):
            names = subprocess.run(["llvm-nm", "-D", "--defined-only", "-j", file], capture_output=True, text=True,
                                   check=True).stdout.split()
            rows.update({name: library for name in unknown & {n.partition("@")[0] for n in names}})
    OURS.write_text("\n".join(comment + [f"{name} {rows[name]}" for name in sorted(rows)]) + "\n")
    return len(unknown & set(rows))


def main(argv):
    write = argv[:1] == ["--write"]
    files = list(programs(argv[1:] if write else argv))
    if not files:
        raise CheckError("no program for macOS there: build it first (tools/macos.sh)")
    own = set().union(*(exported(f) for f in files if f.suffix == ".dylib"))
    known = Known(libsystem(), read_table(OURS), read_table(FRAMEWORK), own)
    findings, unknown = [], set()
    for file in files:
        wrong, names = check_file(file, known)
        findings += wrong
        unknown.update(names)
    if write:
        print(f"machocheck: {write_missing(unknown)} of {len(unknown)} unknown symbols added")
        return 0
    for line in findings:
        print(line)
    print(f"machocheck: {len(files)} programs, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except CheckError as failure:
        sys.exit(f"machocheck: {failure}")
