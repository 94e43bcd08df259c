#!/usr/bin/env python3
"""
What the rooms' static libraries export: a symbol starts with its file's name, or with leading words
of it that name a header beside it (gmem_os_linux.c: gmem_os_*, gmem_*). Nothing at file scope is
writable. Arguments: the root of the source, objdump, the build directory.
"""

import pathlib
import re
import subprocess
import sys

import tree

# file: second prefixes that it may export, because ...
EXTRA_PREFIXES = {
    "a64_table.c": ("a64",),         # generated: the tables behind a64.h
    "evloop.c": ("ev",),             # ev_fd, ev_timer, ev_task: what is registered with the loop
    "mem_reg.c": ("memop",),         # memop.h's one function that is no inline
    "sysreg_table.c": ("sysreg",),   # the rows behind sysreg_row.h
    "thread.c": ("lock", "cond"),    # threads come with what they wait on
    "vcpu_state.c": ("gic_state",),  # the interrupt controller is saved beside the vCPUs
}

# room: prefixes that any of its files may export, because one object is spread over them
ROOM_PREFIXES = {
    "cpu": ("cpu", "sys", "op", "fmt"),  # sys: system registers; op, fmt: the decode table's names
    "vmm": ("machine",),
}

# file: (writable data at file scope, why it may be)
WRITABLE = {
    "log.c": (r".*", "where log lines go is the one thing that is process-wide"),
    "evloop.c": (r"evloop_once", "libevent's lock table is process-wide: set up once"),
    "ign.c": (r"ign_log", "where log lines of the library go"),
    "link.c": (r"link_wake_fd", "a signal handler has no argument"),
    "monitor.c": (r"monitor_signal_fd", "a signal handler has no argument"),
}

# Sections a program can write to; .data.rel.ro is sealed after relocation.
WRITABLE_SECTION = re.compile(r"^(\.t?data(?!\.rel\.ro)|\.t?bss|\*COM\*)")

# objdump -t: value, seven flag characters, section, size, name.
SYMBOL = re.compile(r"^[0-9a-f]+ (.{7}) (\S+)\s+[0-9a-f]+\s+(?:\.hidden )?(\S+)$")
MEMBER = re.compile(r"^(\S*/)?(\S+)\.c\.o:\s+file format")


def parse(dump):
    """(object's name, flags, section, symbol) of each symbol in the output of objdump -t."""
    member = None
    for line in dump.splitlines():
        found = MEMBER.match(line)
        if found:
            member = found.group(2) + ".c"
            continue
        found = SYMBOL.match(line)
        if found and member and found.group(2) != "*UND*":
            yield member, found.group(1), found.group(2), found.group(3)


def sources(files, room):
    """Object name, as the build makes it, to source file."""
    prefix = f"src/{room}/"
    return {name[len(prefix):].replace("/", "_"): name
            for name in files.match(f"{prefix}*.c")}


def prefixes(name, headers):
    """What the file may call its exports."""
    path = pathlib.PurePath(name)
    words = path.stem.split("_")
    family = ["_".join(words[:n]) for n in range(1, len(words))]
    room = ROOM_PREFIXES.get(path.parts[1] if len(path.parts) > 1 else "", ())
    return [path.stem, *room, *EXTRA_PREFIXES.get(path.name, ()),
            *(f for f in family if str(path.with_name(f + ".h")) in headers)]


def check_dump(dump, names, headers):
    findings = []
    for member, flags, section, symbol in parse(dump):
        # A generated source is not in the tree; its object is named after itself.
        name = names.get(member, member.rpartition("meson-generated_.._")[2])
        source = pathlib.PurePath(name).name
        starts = prefixes(name, headers)
        if flags[0] in "gu!" and not any(symbol == s or symbol.startswith(s + "_") for s in starts):
            findings.append(f"{source} exports {symbol}: name it {starts[0]}_...")
        if flags[6] == "O" and WRITABLE_SECTION.match(section):
            allowed = WRITABLE.get(source)
            if not allowed or not re.fullmatch(allowed[0], symbol.partition(".")[0]):
                findings.append(f"{source}: {symbol} is writable at file scope: put it in an object")
    return findings


def main():
    files, objdump, build = tree.Tree(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
    libs = [lib for lib in sorted(build.glob("src/*/lib*.a")) if lib.stem == "lib" + lib.parent.name]
    findings = [] if libs else [f"{build}: no static library of any room"]
    for lib in libs:
        dump = subprocess.run([objdump, "-t", lib], capture_output=True, text=True, check=True)
        findings += check_dump(dump.stdout, sources(files, lib.parent.name),
                               set(files.match("src/*.h")))
    sys.exit(tree.report(findings))


if __name__ == "__main__":
    main()
