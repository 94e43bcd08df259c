#!/usr/bin/env python3
"""Layout, characters, calls and names: what no compiler looks at."""

import collections
import pathlib
import re
import shutil
import subprocess

import tree

# Calls that cannot be used safely, or that read their input with no way to see an error.
BANNED = re.compile(r"(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|atoll|atof|strtok|"
                    r"mktemp|tmpnam|alloca|system|popen)\s*\(")

# Zero-width and direction characters, odd spaces, byte order marks: unseen, never meant.
INVISIBLE = re.compile("[\u00a0\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u2000-\u200f"
                       "\u2028-\u202f\u205f-\u206f\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0"
                       "\U000e0000-\U000e0fff]|[\x00-\x08\x0b-\x1f\x7f]")

# Binary files have their folders: saved states and inputs that once broke something.
BINARY_FOLDERS = ("tests/golden/", "tests/fuzz/corpus/")

# Where this machine's packages come from. The tree names none of these hosts: that is the user's
# choice, and this list is read from the machine, not kept here.
SOURCES = ("/etc/apt/sources.list", "/etc/apt/sources.list.d", "/etc/pip.conf")
HOST = re.compile(r"https?://([\w.-]+)")

SUBJECT = re.compile(r"^[a-z][a-z0-9_/, -]*: \S.*[^.\s]$")
SUBJECT_MAX = 72
SUBJECTS_SEEN = 50  # of the latest commits: a slip is seen, but does not hold up the tree for ever

# Subjects that were public before this gate saw them.
EXCUSED = {
    "vmm: machine life cycle, boot, PSCI, console; monitor, library and program",
    "tests: the interpreter against another arm64 CPU, instruction by instruction",
    "tools/lab: files from the start; the lab's tests are a stage of their own",
    "tests: vector instructions that trap, fault in the middle or do not exist",
}


def package_hosts(places=SOURCES):
    files = [f for place in map(pathlib.Path, places)
             for f in ([place] if place.is_file() else sorted(place.glob("*")))]
    return {host for f in files for host in HOST.findall(f.read_text(errors="replace"))}


def foreign_words(root, hosts):
    """What belongs to one machine: its package hosts, and the folder of this checkout."""
    return sorted(hosts | ({f"{root}/"} if len(str(root)) > 1 else set()))


def check_text(name, text, foreign=()):
    if not text:
        return
    if not text.endswith("\n") or text.endswith("\n\n"):
        yield f"{name}: end the file with one newline"
    for number, line in enumerate(text.split("\n"), 1):
        if line != line.rstrip(" \t"):
            yield f"{name}:{number}: trailing white space"
        found = INVISIBLE.search(line)
        if found:
            yield f"{name}:{number}: invisible character U+{ord(found.group(0)):04X}"
        for word in foreign:
            if word in line:
                yield f"{name}:{number}: names a package host or a folder of one machine: {word}"


def check_calls(name, text):
    for number, line in enumerate(tree.without_comments(text).split("\n"), 1):
        for call in BANNED.findall(line):
            yield f"{name}:{number}: {call}() is banned"


def check_unique(names):
    seen = collections.defaultdict(list)
    for name in names:
        seen[pathlib.PurePath(name).name].append(name)
    for same in seen.values():
        if len(same) > 1:
            yield f"source names are unique in the tree: {', '.join(same)}"


def check_subjects(subjects):
    for subject in subjects:
        good = len(subject) <= SUBJECT_MAX and SUBJECT.match(subject)
        if not good and subject not in EXCUSED:
            yield (f"commit subject '{subject}': write 'room: what', at most {SUBJECT_MAX} "
                   "characters, no full stop")


def subjects_of(root):
    if not (root / ".git").exists():
        return []
    run = subprocess.run(["git", "-C", root, "log", "--no-merges", f"-{SUBJECTS_SEEN}", "--format=%s"],
                         capture_output=True, text=True, check=False)
    return run.stdout.splitlines()


def check_layout(files, names):
    tool = shutil.which("clang-format")
    if not tool:
        return ["clang-format is missing; install it (tools/deps.sh test)"]
    run = subprocess.run([tool, "--dry-run", "-Werror", *names], cwd=files.root, text=True,
                         capture_output=True, check=False)
    lines = [line for line in run.stderr.splitlines() if "error:" in line]
    return lines + (["run: make format"] if lines else [])


def check(files):
    code = files.match("*.[ch]")
    findings = list(check_layout(files, code))
    foreign = foreign_words(files.root, package_hosts())
    for name in files.names:
        text = files.text(name)
        if text is None:
            if not name.startswith(BINARY_FOLDERS):
                findings.append(f"{name}: a binary file outside {' and '.join(BINARY_FOLDERS)}")
            continue
        findings += check_text(name, text, foreign)
        if name in code:
            findings += check_calls(name, text)
    findings += check_unique(files.match("*.c"))
    findings += check_unique(files.match("*.h"))
    findings += check_subjects(subjects_of(files.root))
    return findings


if __name__ == "__main__":
    tree.main(check)
