"""Recipes with a root file system: killed builds, hosts that lack something, wrong recipes, and with
LONG=1 the same bytes again. The root file system itself is tested in tests/e2e/test_debian.py.
"""

import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import pytest

from test_recipe import ROOT, Tree, one_line

sys.path.insert(0, str(ROOT / "guest"))
import namespace  # noqa: E402

LONG = os.environ.get("LONG", "") not in ("", "0")
DEBIAN = "guest/recipes/debian/"
NO_LIMIT_S = 1800  # a hang must end; nothing else depends on it


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path / "a")


def processes_of(tree):
    """Command lines that name a file in the tree."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:  # it ended meanwhile
            continue
        if str(tree.root).encode() in words:
            found.append(words)
    return found


def killed_build(tree, how, moment):
    """A build that gets a signal when its progress says so."""
    with subprocess.Popen(tree.command("debian"), stderr=subprocess.PIPE, text=True) as child:
        lines = []
        for line in child.stderr:
            lines.append(line)
            if moment in line:
                child.send_signal(how)
        assert child.wait(NO_LIMIT_S) != 0
    assert any(moment in line for line in lines), "".join(lines)


def test_a_killed_build_leaves_nothing_in_the_way(tree):
    moment = "unpacking and configuring: 10 %"
    killed_build(tree, signal.SIGKILL, moment)
    assert not (tree.out / "debian").exists()
    killed_build(tree, signal.SIGTERM, moment)  # it got as far: the other was not in its way
    assert list(tree.out.iterdir()) == []
    assert processes_of(tree) == []
    assert str(tree.root) not in pathlib.Path("/proc/self/mounts").read_text()


@pytest.mark.parametrize("size", ["60m", "160m"], ids=["unpacking", "installing"])
def test_a_full_disk_is_told_and_leaves_nothing(tree, size):
    out = tree.root / "small"
    out.mkdir()
    script = f'mount -t tmpfs -o size={size} small "$0" && "$@"; status=$?; ls -A "$0"; exit $status'
    ids = [] if os.geteuid() == 0 else ["--map-root-user", "--map-auto"]
    done = subprocess.run(["unshare", "--mount", *ids, "sh", "-c", script, out,
                           *tree.command("debian", "--out", str(out))],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    last = done.stderr.splitlines()[-1]
    assert f"{out}/" in last and "no space left on the device; make room" in last, done.stderr
    assert done.stdout == ""


def without(tree, program):
    """A PATH on which one program is missing."""
    folder = tree.root / "bin"
    folder.mkdir()
    for place in reversed(os.environ["PATH"].split(":") + ["/usr/sbin", "/sbin"]):
        for path in sorted(pathlib.Path(place).glob("*")):
            if path.name != program and not (folder / path.name).is_symlink():
                (folder / path.name).symlink_to(path)
    return str(folder)


def instead(tree, program, text):
    """A PATH on which one program is another."""
    path = without(tree, program)
    script = pathlib.Path(path, program)
    script.write_text(text)
    script.chmod(0o755)
    return path


@pytest.mark.parametrize("program, words", [
    ("mmdebstrap", "mmdebstrap: not found; install"),
    ("unshare", "unshare: not found; install the package util-linux"),
])
def test_a_missing_tool_is_named(tree, program, words):
    done = tree.build("debian", PATH=without(tree, program))
    assert done.returncode == 1 and done.stdout == ""
    assert words in done.stderr.splitlines()[-1], done.stderr
    assert list(tree.out.iterdir()) == []


@pytest.mark.parametrize("program, text, words", [
    ("unshare", "#!/bin/sh\necho unshare: unshare failed: Operation not permitted >&2\nexit 1\n",
     "no user namespaces here (unshare failed: Operation not permitted); allow them"),
    ("unshare", "#!/bin/sh\necho 'unshare: failed to find subuid for joe' >&2\nexit 1\n",
     "no ids for a user namespace (failed to find subuid for joe); install the package uidmap"),
    ("arch-test", "#!/bin/sh\nexit 1\n",
     "arm64 programs do not run here; install the package qemu-user-static"),
    ("mmdebstrap", "#!/bin/sh\necho noise\necho 'E: it rains' >&2\nexit 25\n",
     "mmdebstrap: it rains"),
])
def test_a_host_that_cannot_is_told_why(tree, program, text, words):
    done = tree.build("debian", PATH=instead(tree, program, text))
    assert done.returncode == 1 and done.stdout == ""
    assert words in done.stderr.splitlines()[-1], done.stderr
    assert list(tree.out.iterdir()) == []


@pytest.mark.parametrize("old, new, word", [
    ('boots_with = "tiny"', 'boots_with = "nope"', "'boots_with': recipe 'nope': not there"),
    ('boots_with = "tiny"', 'boots_with = "debian"', "'boots_with' is itself"),
    ('boots_with = "tiny"', 'boots_with = 1', "'boots_with' must be there, as a string"),
    ("size_mib = 2048", "", "'size_mib' must be there, as a number"),
    ("size_mib = 2048", "size_mib = 2048\nlimit_mib = 1", "unknown key 'limit_mib'"),
])
def test_a_broken_recipe_is_named(tree, old, new, word):
    tree.edit(DEBIAN + "recipe.toml", old, new)
    done = tree.build("debian")
    assert done.returncode == 2
    one_line(done, "recipe debian: recipe.toml", word)


def test_a_recipe_without_its_script_is_named(tree):
    (tree.root / DEBIAN / "finish").chmod(0o644)
    done = tree.build("debian")
    assert done.returncode == 2
    one_line(done, "recipe debian: finish")


def test_a_package_that_is_not_there_is_named(tree):
    tree.edit(DEBIAN + "recipe.toml", '"gcc",', '"gnucc",')
    done = tree.build("debian")
    assert done.returncode == 1
    assert "gnucc" in done.stderr.splitlines()[-1]
    assert list(tree.out.iterdir()) == []


def test_what_a_namespace_mounted_and_started_ends_with_it(tmp_path):
    lines = []
    status = namespace.run(["sh", "-c", f"mount -t tmpfs t {tmp_path}; touch {tmp_path}/inside; "
                            f"ls {tmp_path}; id -u; sleep 100000 & echo $$; exit 3"], lines.append)
    assert status == 3
    assert lines == ["inside", "0", "1"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not LONG, reason="minutes: LONG=1")
def test_two_builds_give_the_same_bytes(tree):
    built = ROOT / "build/guest/debian"
    want = json.loads((built / "manifest.json").read_text())
    for path in (tree.root / "guest").rglob("*"):
        os.utime(path, (0, 0))
    tree.ok("debian", LC_ALL="tr_TR.UTF-8", TZ="Asia/Tokyo", SOURCE_DATE_EPOCH="12345")
    made = json.loads((tree.out / "debian/manifest.json").read_text())
    assert made["recipe_sha256"] == want["recipe_sha256"], "make guest RECIPE=debian, then try again"
    assert made == want
    shutil.rmtree(tree.out)


def test_a_disk_that_was_written_to_stays(tree):
    """With a guest made of nothing: the builder looks at its sizes and at what is not a disk."""
    folder = tree.out / "debian"
    folder.mkdir(parents=True)
    outputs = {}
    for name in ("Image", "initramfs", "rootfs.ext4"):
        (folder / name).write_bytes(name.encode())
        outputs[name] = {"bytes": len(name), "sha256": hashlib.sha256(name.encode()).hexdigest()}
    digest = subprocess.run([sys.executable, "-c", "import recipe; print(recipe.Recipe('debian').digest())"],
                            cwd=tree.root / "guest", capture_output=True, text=True, check=True)
    (folder / "manifest.json").write_text(json.dumps(
        {"recipe_sha256": digest.stdout.strip(), "packages": {}, "outputs": outputs}))
    (folder / "rootfs.ext4").write_bytes(b"written.to!")
    assert "up to date" in tree.ok("debian").stderr
    assert (folder / "rootfs.ext4").read_bytes() == b"written.to!"
