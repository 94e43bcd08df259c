#!/usr/bin/env python3
"""
The translator's assembler against GNU binutils: what the bytes of each row of x64_table.c mean to
objdump must be what the row says. The row's text goes through GNU as and objdump, too, so that both are
in objdump's words; encodings may differ (there are two of many instructions), meanings may not.

usage: x64_oracle.py PROGRAM, which prints the rows
"""

import pathlib
import re
import subprocess
import sys
import tempfile

ROWS_MIN = 3000
APART = 32  # bytes a row has in the object file, so that each begins at a known address
LINE = re.compile(r"^\s*([0-9a-f]+):\t(.*?)\s*$")


def assemble(folder, name, lines):
    source, obj = folder / f"{name}.s", folder / f"{name}.o"
    source.write_text("\n".join([".intel_syntax noprefix", *lines, ""]))
    subprocess.run(["as", "--64", "-o", obj, source], check=True)
    return obj


def disassemble(obj):
    """The instructions of each row, without the padding behind them; jumps relative to the row."""
    dump = subprocess.run(["objdump", "-d", "-M", "intel", "--no-show-raw-insn", obj],
                          check=True, capture_output=True, text=True).stdout
    rows = {}
    for line in dump.splitlines():
        found = LINE.match(line)
        if not found:
            continue
        at, text = int(found.group(1), 16), found.group(2)
        text = re.sub(r"\s*(#.*|<.*>)$", "", text)
        if re.match(r"(j\w+|call)\s+(0x)?[0-9a-f]+$", text):
            name, target = text.split()
            text = f"{name} +{int(target, 16) - at // APART * APART}"
        text = text.removeprefix("rex ")  # one without a bit, where 8-bit registers may need it
        if text != "int3":
            rows.setdefault(at // APART, []).append(re.sub(r"\s+", " ", text))
    return rows


def main():
    table = subprocess.run([sys.argv[1]], check=True, capture_output=True, text=True).stdout
    rows = [line.split("\t") for line in table.splitlines()]
    pad = f".balign {APART}, 0xcc"
    ours, theirs = [pad], [pad]
    for code, text in rows:
        ours += [".byte " + ",".join(f"0x{b:02x}" for b in bytes.fromhex(code)), pad]
        theirs += [*text.split("; "), pad]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        is_ours = disassemble(assemble(folder, "ours", ours))
        is_theirs = disassemble(assemble(folder, "theirs", theirs))
    wrong = 0
    for n, (code, text) in enumerate(rows):
        if is_ours.get(n) != is_theirs.get(n):
            wrong += 1
            if wrong <= 20:
                print(f"{text}: {code} is {is_ours.get(n)}, not {is_theirs.get(n)}")
    print(f"{len(rows)} instructions, {wrong} differ")
    if len(rows) < ROWS_MIN:
        sys.exit(f"fewer than {ROWS_MIN}: the table has lost rows")
    sys.exit(wrong != 0)


if __name__ == "__main__":
    main()
