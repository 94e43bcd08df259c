#!/usr/bin/env python3
"""The gates themselves: each must find what it is for, and nothing in a good tree."""

import pathlib
import sys
import tempfile

import headers
import layers
import style
import symbols
import tree

GOOD = {
    "tools/layers.txt": "# a table\nbase:\nmem: base\nlib: base mem\ncli: lib\n",
    "src/base/bits.h": "#pragma once\n#include <stdint.h>\n",
    "src/mem/gmem.h": '#pragma once\n\n#include "base/bits.h"\n\nvoid gmem_mark(void);\n',
    "src/mem/gmem.c": '#include "mem/gmem.h"\n\nvoid gmem_mark(void)\n{\n}\n',
    "src/cli/cli.c": '#include "ignition.h"\n',
    "include/ignition.h": "#pragma once\n",
    ".clang-format": "IndentWidth: 4\nBreakBeforeBraces: Linux\n"
                     "AllowShortFunctionsOnASingleLine: None\n",
}

# gate, what is changed in the good tree, words that must be in a finding
BAD = [
    (layers, {"src/base/bits.h": '#include "mem/gmem.h"\n'}, "room base may not include mem/gmem.h"),
    (layers, {"src/base/deep/er.h": '# include "mem/gmem.h"\n'}, "src/base/deep/er.h:1: room base"),
    (layers, {"src/mem/gmem.c": '#include "ignition.h"\n'}, "room mem may not include ignition.h"),
    (layers, {"src/mem/gmem.c": '#include "gmem.h"\n'}, "include by full path"),
    (layers, {"src/gui/gui.c": "\n"}, "room gui has no line"),
    (layers, {"tools/layers.txt": "base: mem\nmem: base\nlib:\ncli: lib\n"}, "cycle: base > mem > base"),
    (layers, {"tools/layers.txt": "base:\nmem: bass base\nlib:\ncli: lib\n"}, "no such room: bass"),
    (layers, {"tools/layers.txt": "base:\nbase:\nmem: base\nlib:\ncli: lib\n"}, "one line"),
    (style, {"src/mem/gmem.c": "int  x;\n"}, "clang-format"),
    (style, {"a.md": "text \n"}, "a.md:1: trailing white space"),
    (style, {"a.md": "text"}, "end the file with one newline"),
    (style, {"a.md": "text\n\n"}, "end the file with one newline"),
    (style, {"a.md": "te\u200bxt\n"}, "a.md:1: invisible character U+200B"),
    (style, {"a.md": "text\r\n"}, "invisible character U+000D"),
    (style, {"a.bin": "a\0b"}, "a.bin: a binary file"),
    (style, {"src/mem/gmem.c": "void f(char *d, char *s)\n{\n    strcpy(d, s);\n}\n"},
     "src/mem/gmem.c:3: strcpy() is banned"),
    (style, {"src/cli/gmem.c": "\n"}, "unique in the tree: src/cli/gmem.c, src/mem/gmem.c"),
    (style, {"src/cli/bits.h": "\n"}, "unique in the tree: src/base/bits.h, src/cli/bits.h"),
]

GOOD_SUBJECTS = ["base: files and flags", "dev, vmm: one lock less", "tests/e2e: a 100 KB paste"]
BAD_SUBJECTS = ["Base: files", "files and flags", "base: files.", "base:files", "base: " + "x" * 70]

# A line of objdump -t, and words that must be in the finding; "" when there must be none.
DUMP = "../lib.a.p/{}.o:     file format elf64-x86-64\n\nSYMBOL TABLE:\n{}\n"
SYMBOLS = [
    ("gmem.c", "0000000000000000 g     F .text\t0000000000000010 gmem_mark", ""),
    ("gmem.c", "0000000000000000 g     F .text\t0000000000000010 gmemory", "gmem.c exports gmemory"),
    ("gmem.c", "0000000000000000 g     F .text\t0000000000000010 .hidden mark", "exports mark"),
    ("gmem.c", "0000000000000000  w    F .text\t0000000000000010 mark", ""),
    ("gmem.c", "0000000000000000 l     F .text\t0000000000000010 mark", ""),
    ("gmem.c", "0000000000000000         *UND*\t0000000000000000 mark", ""),
    ("gmem_os_linux.c", "0000000000000000 g     F .text\t0000000000000010 os_get", "exports os_get"),
    ("gmem_linux.c", "0000000000000000 g     F .text\t0000000000000010 gmem_os_get", ""),
    ("gmem.c", "0000000000000000 l     O .bss\t0000000000000004 count.0", "count.0 is writable"),
    ("gmem.c", "0000000000000000 l     O .data\t0000000000000004 count", "count is writable"),
    ("gmem.c", "0000000000000000 l     O .tbss\t0000000000000004 count", "count is writable"),
    ("gmem.c", "0000000000000000 l     O .data.rel.ro\t0000000000000004 rows", ""),
    ("gmem.c", "0000000000000000 l     O .rodata\t0000000000000004 rows", ""),
    ("log.c", "0000000000000000 l     O .bss\t0000000000000004 log_sink", ""),
]


def make_tree(folder, changes):
    for name, text in (GOOD | changes).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return tree.Tree(folder)


def run(gate, changes):
    with tempfile.TemporaryDirectory() as folder:
        return gate.check(make_tree(pathlib.Path(folder), changes))


def run_headers(text, compilers):
    with tempfile.TemporaryDirectory() as folder:
        files = make_tree(pathlib.Path(folder), {"src/mem/gmem.h": text})
        return headers.check(files, folder, compilers)


def run_symbols(source, line):
    names = {source: f"src/mem/{source}"}
    dump = DUMP.format(source, line)
    return symbols.check_dump(dump, names, {"src/mem/gmem.h"})


def failures():
    for gate in (layers, style):
        for finding in run(gate, {}):
            yield f"{gate.__name__}: finds in a good tree: {finding}"
    for gate, changes, words in BAD:
        found = run(gate, changes)
        if not any(words in f for f in found):
            yield f"{gate.__name__}: {changes}: no finding has '{words}': {found}"
    if list(style.check_subjects(GOOD_SUBJECTS)):
        yield "style: refuses a good commit subject"
    for subject in BAD_SUBJECTS:
        if not list(style.check_subjects([subject])):
            yield f"style: takes the commit subject '{subject}'"
    if not any("of one machine" in f for f in
               style.check_text("a.md", "see host.example/x\n", {"host.example"})):
        yield "style: takes a package host"
    if style.foreign_words("/some/where", {"host.example"}) != ["/some/where/", "host.example"]:
        yield "style: does not know this checkout's folder"
    for source, line, words in SYMBOLS:
        found = run_symbols(source, line)
        if words not in "".join(found) or bool(words) != bool(found):
            yield f"symbols: {source}: '{line}': wanted '{words}', found {found}"
    if run_headers(GOOD["src/mem/gmem.h"], sys.argv[1:]):
        yield "headers: refuses a good header"
    if not run_headers("#pragma once\nstruct x { uint32_t y; };\n", sys.argv[1:]):
        yield "headers: takes a header that misses an include"
    if not run_headers("struct x { int y; };\n", sys.argv[1:]):
        yield "headers: takes a header that cannot be included twice"
    if not run_headers(GOOD["src/mem/gmem.h"], ["no-such-compiler"]):
        yield "headers: is content without a compiler"


if __name__ == "__main__":
    sys.exit(tree.report(list(failures())))
