#!/usr/bin/env python3
"""Who may include whom: every #include of src/ against tools/layers.txt, which has no cycles."""

import re

import tree

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', re.M)
PUBLIC = "ignition.h"  # the API of the room lib


def read_table(text, findings):
    table = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        room, colon, others = line.partition(":")
        if not colon or room in table:
            findings.append(f"tools/layers.txt:{number}: give each room one line, 'room: rooms'")
        table[room] = others.split()
    for room, others in table.items():
        for other in others:
            if other not in table:
                findings.append(f"tools/layers.txt: {room}: no such room: {other}")
    return table


def find_cycle(table):
    """A list of rooms that leads back to its first, or None."""
    done = set()

    def walk(room, path):
        if room in path:
            return path[path.index(room):] + [room]
        if room in done:
            return None
        for other in table.get(room, []):
            cycle = walk(other, path + [room])
            if cycle:
                return cycle
        done.add(room)
        return None

    return next(filter(None, (walk(room, []) for room in table)), None)


def room_of(include):
    return "lib" if include == PUBLIC else include.partition("/")[0]


def check(files):
    findings = []
    table = read_table(files.text("tools/layers.txt"), findings)
    cycle = find_cycle(table)
    if cycle:
        findings.append("tools/layers.txt: cycle: " + " > ".join(cycle))
    for name in files.match("src/*.[ch]"):
        room = name.split("/")[1]
        if room not in table:
            findings.append(f"{name}: room {room} has no line in tools/layers.txt")
            continue
        for found in INCLUDE.finditer(files.text(name)):
            include = found.group(1)
            line = files.text(name).count("\n", 0, found.start()) + 1
            other = room_of(include)
            if include != PUBLIC and "/" not in include:
                findings.append(f'{name}:{line}: "{include}": include by full path, "room/file.h"')
            elif other != room and other not in table[room]:
                findings.append(f"{name}:{line}: room {room} may not include {include}")
    return findings


if __name__ == "__main__":
    tree.main(check)
