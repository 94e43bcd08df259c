"""What differs between the hosts and engines that the tests run on, and which test is for which."""

import os
import pathlib
import shutil
import subprocess
import sys

ENGINE = os.environ.get("IGNITION_ACCEL", "soft")
# How the engine `soft` executes (--jit), where a test does not say it itself.
JIT = os.environ.get("IGNITION_JIT", "")
ACCEL = ["--accel", ENGINE, *(["--jit", JIT] if JIT else [])]
MAC = sys.platform == "darwin"
# The lab that the machines run in: the folder of a running one, "new" for one of this session, or "".
LAB = os.environ.get("IGNITION_LAB", "")

# Where tools are that are not everybody's: of the administrator, and Homebrew's own copies of what macOS has.
FOLDERS = ("/usr/sbin", "/sbin", "/opt/homebrew/opt/e2fsprogs/sbin")

MARKERS = (
    "engine(name, why): the test is of one engine, named with the reason; on others it is skipped",
    "linux(what): the test needs what only Linux has; elsewhere it is skipped",
    "lab: the test needs nothing of its machines but their consoles and disks: they can run in the lab",
)


def why_not(item, engine=ENGINE, mac=MAC, lab=LAB):
    """Why a test is not for this engine or host, or None."""
    for mark in item.iter_markers("engine"):
        name, why = mark.args
        if engine != name:
            return f"for engine {name}, not {engine}: {why}"
    for mark in item.iter_markers("linux"):
        (what,) = mark.args
        if mac:
            return f"needs Linux: {what}"
    if lab and not any(item.iter_markers("lab")):
        return "not for the lab: it is without the mark, or too slow there"
    return None


def with_words(options, *words):
    """Options of `ignition boot` with more words for the kernel."""
    options, words = [str(option) for option in options], list(words)
    if "--append" in options:
        at = options.index("--append") + 1
        words.append(options.pop(at))
        options.pop(at - 1)
    return [*options, "--append", " ".join(words)]


def tool(name):
    """The path of a tool of file systems."""
    path = shutil.which(name) or shutil.which(name, path=":".join(FOLDERS))
    assert path, f"{name} is missing; install what tools/deps.sh test names"
    return path


def copy_image(source, target):
    """A copy of a disk image that takes no space for its holes, or none at all."""
    how = ["-c"] if MAC else ["--sparse=always"]
    subprocess.run(["cp", *how, str(source), str(target)], check=True)


def children(pid):
    """The processes that a process has started."""
    listed = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    if not MAC:
        return [int(child) for child in listed.read_text().split()]
    table = subprocess.run(["ps", "-A", "-o", "ppid=", "-o", "pid="], capture_output=True, text=True, check=True)
    pairs = [map(int, line.split()) for line in table.stdout.splitlines()]
    return [child for parent, child in pairs if parent == pid]
