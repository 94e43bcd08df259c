"""The recipe builder: the same bytes each time, nothing done twice, nothing half done.

Each test works on a copy of guest/ in a folder of its own; only the downloaded packages are shared.
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

ROOT = pathlib.Path(__file__).resolve().parents[2]
TINY = "guest/recipes/tiny/"


class Tree:
    """A copy of what a build reads, and the builds in it."""

    def __init__(self, folder):
        self.root = folder
        shutil.copytree(ROOT / "guest", folder / "guest",
                        ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "tools").mkdir()
        shutil.copy(ROOT / "tools/privapt.py", folder / "tools")
        (ROOT / "build/apt").mkdir(parents=True, exist_ok=True)
        (folder / "build").mkdir()
        (folder / "build/apt").symlink_to(ROOT / "build/apt")
        self.out = folder / "build/guest"
        self.tiny = self.out / "tiny"

    def command(self, *args):
        return [sys.executable, str(self.root / "guest/build.py"), *args]

    def build(self, *args, **env):
        return subprocess.run(self.command(*args), capture_output=True, text=True, check=False,
                              env=dict(os.environ, **env))

    def ok(self, *args, **env):
        done = self.build(*args, **env)
        assert done.returncode == 0, done.stderr
        return done

    def edit(self, path, old, new):
        text = (self.root / path).read_text()
        assert old in text
        (self.root / path).write_text(text.replace(old, new))

    def digests(self):
        return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in self.tiny.iterdir()}


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path / "a")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A tree with tiny built; tests that use it leave it as it is."""
    tree = Tree(tmp_path_factory.mktemp("built"))
    tree.ok("tiny")
    return tree


def one_line(done, *words):
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and done.stdout == "", done
    for word in words:
        assert word in lines[0]


def test_two_builds_give_the_same_bytes(built, tree):
    for path in (tree.root / "guest").rglob("*"):
        os.utime(path, (0, 0))
        if path.is_file():
            path.chmod(path.stat().st_mode & 0o700)
    tree.ok("tiny", LC_ALL="tr_TR.UTF-8", TZ="Asia/Tokyo", SOURCE_DATE_EPOCH="12345")
    assert tree.digests() == built.digests()


def test_a_built_recipe_is_left_alone_and_needs_no_network(built):
    before = {p: p.stat() for p in [built.tiny, *built.tiny.iterdir()]}
    done = built.ok("tiny", PATH="/nonexistent")
    assert "up to date" in done.stderr
    assert done.stdout.strip() == str(built.tiny)
    for path, stat in before.items():
        assert (path.stat().st_ino, path.stat().st_mtime_ns) == (stat.st_ino, stat.st_mtime_ns)


def test_the_manifest_tells_what_is_inside(built):
    manifest = json.loads((built.tiny / "manifest.json").read_text())
    assert sorted(p.name for p in built.tiny.iterdir()) == ["Image", "initramfs", "manifest.json"]
    assert f"linux-image-{manifest['kernel']}" in manifest["packages"]
    assert "busybox-static" in manifest["packages"]
    for name in ("Image", "initramfs"):
        output = manifest["outputs"][name]
        data = (built.tiny / name).read_bytes()
        assert (output["bytes"], output["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert manifest["outputs"]["initramfs"]["bytes"] < 16 << 20
    assert (built.tiny / "Image").read_bytes()[56:60] == b"ARM\x64"


def test_what_changes_is_built_again(tree):
    tree.ok("tiny")
    first = tree.digests()
    tree.edit(TINY + "files/etc/passwd", "/root", "/tmp")
    tree.ok("tiny")
    second = tree.digests()
    assert second["initramfs"] != first["initramfs"] and second["Image"] == first["Image"]
    with open(tree.tiny / "initramfs", "r+b") as f:
        f.truncate(1000)
    tree.ok("tiny")
    assert tree.digests() == second


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_build_leaves_nothing_half_done(tree, how):
    # A shell's background job ignores SIGINT and hands that on: ask for what a terminal gives.
    with subprocess.Popen(tree.command("tiny"), stderr=subprocess.PIPE, text=True,
                          start_new_session=True,
                          preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) as child:
        for line in child.stderr:
            if "unpacking" in line:
                os.killpg(child.pid, how)
        assert child.wait() != 0
    assert not tree.tiny.exists()
    if how != signal.SIGKILL:
        assert not list(tree.out.iterdir())
    for left in ("new", "old"):  # what a kill at another moment leaves
        (tree.out / f".tiny.{left}").mkdir(exist_ok=True)
        (tree.out / f".tiny.{left}/junk").touch()
    tree.ok("tiny")
    assert [p.name for p in tree.out.iterdir()] == ["tiny"]
    assert sorted(tree.digests()) == ["Image", "initramfs", "manifest.json"]


def test_too_large_an_initramfs_is_refused(tree):
    tree.edit(TINY + "recipe.toml", "limit_mib = 16", "limit_mib = 1")
    done = tree.build("tiny")
    assert done.returncode == 1
    assert "limit_mib = 1" in done.stderr.splitlines()[-1]
    assert not list(tree.out.iterdir())


@pytest.mark.parametrize("name", ["nope", "../tiny", "tiny/", ".", "TINY", "a\nb"])
def test_an_unknown_recipe_is_named(built, name):
    done = built.build(name)
    assert done.returncode == 2
    one_line(done, repr(name), "the recipes are: debian, tiny")


def test_no_recipe_is_wrong_usage(built):
    done = built.build()
    assert done.returncode == 2 and "give one of: debian, tiny" in done.stderr


@pytest.mark.parametrize("old, new, word", [
    ("limit_mib = 16", "limit_mib = 16\ncolour = 1", "unknown key 'colour'"),
    ("limit_mib = 16", "limit_mib = '16'", "'limit_mib' must be there, as a number"),
    ("limit_mib = 16", "", "'limit_mib' must be there, as a number"),
    ("limit_mib = 16", "limit_mib = ", "recipe.toml: Invalid value"),
    ('"tmp" = "1777"', '"tmp" = 1777', "'folders' must be there, as a table of strings"),
    ('["busybox-static"]', "[1]", "'packages' must be there, as a list of strings"),
])
def test_a_broken_recipe_is_named(tree, old, new, word):
    tree.edit(TINY + "recipe.toml", old, new)
    done = tree.build("tiny")
    assert done.returncode == 2
    one_line(done, "recipe tiny: recipe.toml", word)


def test_a_recipe_without_init_is_named(tree):
    (tree.root / TINY / "files/init").chmod(0o644)
    done = tree.build("tiny")
    assert done.returncode == 2
    one_line(done, "recipe tiny: files/init")


@pytest.mark.parametrize("old, new, words", [
    ('"virtio_blk"', '"virtio_bulk"', "module virtio_bulk: not in kernel"),
    ('= "bin/busybox"\n\n[links]', '= "bin/busbox"\n\n[links]', "bin/busbox: No such file"),
    ('applets = "bin/busybox"', 'applets = "init"', "init is not a busybox"),
    ('"tmp" = "1777"', '"tmp" = "1778"', "1778"),
    ('"tmp" = "1777"', '"tmp" = "1777"\n"init" = "755"', "init: in the archive twice"),
])
def test_what_cannot_be_built_is_named_and_leaves_nothing(tree, old, new, words):
    tree.edit(TINY + "recipe.toml", old, new)
    done = tree.build("tiny")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("guest tiny: ")
    assert words in done.stderr.splitlines()[-1]
    assert not list(tree.out.iterdir())


def test_a_missing_tool_is_named(tree):
    done = tree.build("tiny", PATH="/nonexistent")
    assert done.returncode == 1
    one_line(done, "not found")
