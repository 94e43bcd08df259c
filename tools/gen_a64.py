#!/usr/bin/env python3
"""Turn the A64 decode tables (src/cpu/a64_*.decode) into C.

usage: gen_a64.py OUT.h OUT.c TABLE...

OUT.h: enum a64_op, and the prototypes of the handlers and formats that the tables name.
OUT.c: a64_rows[] and a64_match(), which finds the row of a word with nested switches.
The language of the tables is described at the top of src/cpu/a64_int.decode. Other programs may
import this file and call parse().
"""

import re
import sys
from dataclasses import dataclass, field

MAX_SWITCH_BITS = 6
MAX_LEAF_ROWS = 2


class TableError(Exception):
    """A sentence that names file, line and what is wrong."""


@dataclass
class Row:
    where: str
    name: str
    pattern: str
    fmt: str
    cls: str
    mask: int = 0
    value: int = 0
    fn: str = ""
    over: str = ""
    needs: str = ""
    nodiff: bool = False
    beats: set = field(default_factory=set)


def expand(line, where):
    """A line with {a,b} groups as the list of lines it stands for."""
    groups = [g.split(",") for g in re.findall(r"\{([^}]*)\}", line)]
    if not groups:
        return [line]
    if len({len(g) for g in groups}) != 1:
        raise TableError(f"{where}: groups of different length")
    out = []
    for k in range(len(groups[0])):
        choice = iter(groups)
        out.append(re.sub(r"\{[^}]*\}", lambda _: next(choice)[k], line))
    return out


def parse_row(line, cls, where):
    words = line.split()
    if len(words) < 3:
        raise TableError(f"{where}: need a name, a pattern and a format")
    name, pattern, fmt = words[:3]
    pattern = pattern.replace("_", "")
    if not re.fullmatch(r"[01A-Za-z]{32}", pattern):
        raise TableError(f"{where}: {name}: the pattern has {len(pattern)} bits or an odd character")
    row = Row(where, name, pattern, fmt, cls, fn=name)
    for bit in pattern:
        row.mask = row.mask << 1 | (bit in "01")
        row.value = row.value << 1 | (bit == "1")
    for option in words[3:]:
        key, _, value = option.partition("=")
        if key == "nodiff" and not value:
            row.nodiff = True
        elif key in ("fn", "over", "needs") and value:
            setattr(row, key, value)
        else:
            raise TableError(f"{where}: {name}: unknown option {option}")
    return row


def parse(paths):
    """All rows of the tables, in order, checked."""
    rows = []
    for path in paths:
        cls = None
        with open(path, encoding="ascii") as table:
            for number, line in enumerate(table, 1):
                where = f"{path}:{number}"
                line = line.partition("#")[0].strip()
                if line.startswith("@class"):
                    cls = line.split()[1]
                elif line:
                    if cls is None:
                        raise TableError(f"{where}: a row before the first @class")
                    rows += [parse_row(text, cls, where) for text in expand(line, where)]
    check(rows)
    return rows


def check(rows):
    """Names are unique, and rows overlap only where one says that it wins."""
    by_name = {}
    for row in rows:
        if row.name in by_name:
            raise TableError(f"{row.where}: {row.name} again, first at {by_name[row.name].where}")
        by_name[row.name] = row
    for row in rows:
        over, seen = row.over, row
        while over:
            if over not in by_name or over == row.name:
                raise TableError(f"{seen.where}: {seen.name}: over={over} names no other row")
            row.beats.add(over)
            seen = by_name[over]
            over = seen.over
            if over in row.beats:
                raise TableError(f"{row.where}: {row.name}: over= goes in a circle")
    for i, a in enumerate(rows):
        for b in rows[i + 1:]:
            if (a.value ^ b.value) & a.mask & b.mask:
                if b.name in a.beats and a.over == b.name or a.name in b.beats and b.over == a.name:
                    raise TableError(f"{a.where}: {a.name} and {b.name}: over= but no overlap")
                continue
            if b.name in a.beats:
                winner, loser = a, b
            elif a.name in b.beats:
                winner, loser = b, a
            else:
                raise TableError(f"{a.where}: {a.name} overlaps {b.name} ({b.where})")
            if winner.mask & loser.mask == winner.mask:
                raise TableError(f"{loser.where}: {loser.name} is never reached: {winner.name}")


def fits(row, lo, bits, value):
    """Can a word whose bits lo.. are value belong to the row?"""
    window = ((1 << bits) - 1) << lo
    return not (row.value ^ value << lo) & row.mask & window


def window_sizes(rows, lo, bits):
    """How many rows fit each value of the bits lo.. of a word."""
    sizes = [0] * (1 << bits)
    for row in rows:
        free = ~(row.mask >> lo) & ((1 << bits) - 1)
        fixed = row.value >> lo & ((1 << bits) - 1)
        some = free
        while True:
            sizes[fixed | some] += 1
            if not some:
                break
            some = (some - 1) & free
    return sizes


def best_window(rows, known):
    """The run of bits that splits rows best, as (lo, bits); None when nothing splits them."""
    best, best_cost = None, len(rows)
    for lo in range(32):
        for bits in range(1, MAX_SWITCH_BITS + 1):
            window = ((1 << bits) - 1) << lo
            if lo + bits > 32 or window & known or not any(r.mask & window for r in rows):
                continue
            sizes = window_sizes(rows, lo, bits)
            # What a word has left to try on average, and a little for every case label.
            cost = sum(s * s for s in sizes) / max(1, sum(sizes)) + len(sizes) / 64
            if max(sizes) < len(rows) and cost < best_cost:
                best, best_cost = (lo, bits), cost
    return best


def emit_tree(out, rows, known, depth):
    pad = "    " * depth
    window = best_window(rows, known) if len(rows) > MAX_LEAF_ROWS else None
    if window is None:
        for row in sorted(rows, key=lambda r: -len(r.beats)):
            left = row.mask & ~known
            if not left:
                out.append(f"{pad}return A64_{row.name};")
                return
            out.append(f"{pad}if ((w & {left:#010x}) == {row.value & left:#010x}) "
                       f"return A64_{row.name};")
        out.append(f"{pad}return A64_OPS;")
        return
    lo, bits = window
    mask = (1 << bits) - 1
    cases = {}
    for value in range(1 << bits):
        inside = tuple(i for i, r in enumerate(rows) if fits(r, lo, bits, value))
        cases.setdefault(inside, []).append(value)
    out.append(f"{pad}switch (w >> {lo} & {mask:#x}) {{")
    for inside, values in cases.items():
        if not inside:
            continue
        out.append(pad + " ".join(f"case {v:#x}:" for v in values))
        # Bits that are equal for every value of this branch need no second test.
        same = mask
        for value in values:
            same &= ~(value ^ values[0])
        emit_tree(out, [rows[i] for i in inside], known | same << lo, depth + 1)
    out.append(f"{pad}default: return A64_OPS;")
    out.append(f"{pad}}}")


def emit_header(rows):
    out = ["/* Made by tools/gen_a64.py from src/cpu/a64_*.decode. */", "#pragma once", "",
           '#include "cpu/insn.h"', "", "enum a64_op {"]
    out += [f"    A64_{row.name}," for row in rows]
    out += ["    A64_OPS /* also: no row, UNDEFINED */", "};", ""]
    for fmt in sorted({row.fmt for row in rows}):
        out.append(f"bool fmt_{fmt}(struct a64_insn *i, unsigned at);")
    for fn in sorted({row.fn for row in rows}):
        out.append(f"const struct a64_insn *op_{fn}(struct cpu *c, const struct a64_insn *i);")
    return out


def emit_source(rows, header):
    out = ["/* Made by tools/gen_a64.py from src/cpu/a64_*.decode. */",
           f'#include "{header}"', '#include "cpu/a64.h"', "",
           "const struct a64_row a64_rows[A64_OPS] = {"]
    for row in rows:
        out.append(f'    {{ "{row.name}", "{row.pattern}", {row.mask:#010x}, {row.value:#010x}, '
                   f'fmt_{row.fmt}, op_{row.fn}, A64_CLASS_{row.cls.upper()}, {"A64_NODIFF" if row.nodiff else 0}, '
                   f'{"CPU_" + row.needs if row.needs else 0} }},')
    out += ["};", "", "enum a64_op a64_match(uint32_t w)", "{"]
    emit_tree(out, rows, 0, 1)
    out.append("}")
    return out


def main(argv):
    if len(argv) < 4:
        sys.stderr.write(__doc__)
        return 2
    try:
        rows = parse(argv[3:])
    except (TableError, OSError) as error:
        sys.stderr.write(f"gen_a64: {error}\n")
        return 1
    header = argv[1].replace("\\", "/").rpartition("/")[2]
    for path, lines in ((argv[1], emit_header(rows)), (argv[2], emit_source(rows, header))):
        with open(path, "w", encoding="ascii") as out:
            out.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
