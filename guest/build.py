#!/usr/bin/env python3
"""Builds a guest from Debian's packages and files of ours: build/guest/RECIPE/.

    guest/build.py RECIPE [--update]     build it unless it is up to date; print its folder
    guest/build.py --list                the recipes

The folder holds Image (the kernel), initramfs (a cpio archive) and manifest.json (what they were
made of). It is complete or absent. The same recipe and the same package versions give the same
bytes. Nothing is fetched when nothing changed; --update asks the archive for newer packages.
"""

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import cpio  # noqa: E402
import privapt  # noqa: E402
from kernel import Kernel, KernelError  # noqa: E402
from recipe import Recipe, RecipeError, mode, names  # noqa: E402

OUTPUTS = ("Image", "initramfs")


class BuildError(Exception):
    """One sentence that names the thing and the way out."""


def is_current(folder, recipe):
    """The manifest of folder if it was built from this recipe and is whole, else None."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        if manifest["recipe_sha256"] != recipe.digest():
            return None
        for name in OUTPUTS:
            if sha256((folder / name).read_bytes()) != manifest["outputs"][name]["sha256"]:
                return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return manifest


def build(recipe, out, update, say):
    folder = out / recipe.name
    if not update and is_current(folder, recipe):
        say("up to date")
        return folder
    out.mkdir(parents=True, exist_ok=True)
    with locked(out):
        manifest = is_current(folder, recipe)
        if manifest and not update:  # by the one we waited for
            say("up to date")
            return folder
        apt = privapt.Apt(ROOT / "build/apt", progress=say)
        packages, debs = fetch(apt, recipe, update)
        versions = {p.name: p.version for p in packages}
        if manifest and manifest["packages"] == versions:
            say("up to date with the archive")
            return folder
        temp = out / f".{recipe.name}.new"
        old = out / f".{recipe.name}.old"
        try:
            remove(temp, old)  # what a killed build left
            make(recipe, versions, debs, temp, say)
            if folder.exists():
                folder.rename(old)
            temp.rename(folder)
        finally:
            remove(temp, old)
    return folder


def fetch(apt, recipe, update):
    """The packages in today's version: ([Package], [path])."""
    if update:
        apt.update()
    try:
        return _fetch(apt, recipe)
    except privapt.AptError:
        if update:
            raise
    apt.update()  # the lists were out of date, most likely
    return _fetch(apt, recipe)


def _fetch(apt, recipe):
    depends = apt.show(recipe.kernel).get("Depends", "")
    image = re.match(r"linux-image-[\w.+-]+", depends)
    if not image:
        raise BuildError(f"package {recipe.kernel}: depends on {depends!r}, not on a kernel")
    packages = apt.resolve([image.group(), *recipe.packages], deps=False)
    return packages, apt.download(packages)


def make(recipe, versions, debs, temp, say):
    tree = temp / "tree"
    say(f"unpacking {len(debs)} packages")
    for deb in debs:
        privapt.unpack(deb, tree)
    kernel = Kernel(tree)
    say(f"kernel {kernel.version}")
    try:
        outputs = {"Image": kernel.image(), "initramfs": initramfs(recipe, tree, kernel)}
    except ValueError as exc:  # a path twice, bits that are not octal
        raise BuildError(f"recipe {recipe.name}: {exc}") from None
    say(f"initramfs of {len(outputs['initramfs']) >> 10} KiB")
    if len(outputs["initramfs"]) > recipe.limit_mib << 20:
        raise BuildError(f"recipe {recipe.name}: the initramfs has {len(outputs['initramfs'])} "
                         f"bytes, more than limit_mib = {recipe.limit_mib}")
    shutil.rmtree(tree)
    for name, data in outputs.items():
        (temp / name).write_bytes(data)
    manifest = {
        "recipe": recipe.name, "about": recipe.about, "recipe_sha256": recipe.digest(),
        "kernel": kernel.version, "packages": versions,
        "outputs": {n: {"bytes": len(d), "sha256": sha256(d)} for n, d in outputs.items()},
    }
    (temp / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def initramfs(recipe, tree, kernel):
    archive = cpio.Archive(kernel.mtime())
    for path, bits in recipe.folders.items():
        archive.directory(path, int(bits, 8))
    for path, bits in recipe.fifos.items():
        archive.fifo(path, int(bits, 8))
    # The kernel opens it for the first process, before anything is mounted.
    archive.device("dev/console", 0o600, 5, 1)
    for path, source in recipe.files.items():
        archive.file(path, read(recipe, tree, source), mode(tree / source))
    for path, data in kernel.modules(recipe.modules).items():
        archive.file(path, data)
    for path, source in recipe.own_files():
        archive.file(path, source.read_bytes(), mode(source))
    for path, target in recipe.links.items():
        archive.link(path, target)
    folder, _, program = recipe.applets.rpartition("/")
    for applet in applets(recipe, archive.entries.get(recipe.applets)):
        if applet != program:
            archive.link(f"{folder}/{applet}", program)
    return archive.bytes()


def read(recipe, tree, source):
    try:
        return (tree / source).read_bytes()
    except OSError as exc:
        raise BuildError(f"recipe {recipe.name}: {source}: {exc.strerror} in "
                         f"{', '.join(recipe.packages)}") from None


def applets(recipe, entry):
    """What a busybox can do. It cannot be asked, being a program of another architecture; its
    table of names is a run of strings in alphabetical order, which "[" and "[[" begin."""
    data = entry[1] if entry else b""
    start = data.find(b"\0[\0[[\0") + 1
    found = data[start:data.find(b"\0\0", start)].decode("ascii", "replace").split("\0")
    if not start or "sh" not in found or found != sorted(found):
        raise BuildError(f"recipe {recipe.name}: applets: {recipe.applets} is not a busybox")
    return found


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@contextlib.contextmanager
def locked(folder):
    """One build at a time."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def remove(*folders):
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description="Build a guest from Debian's packages.")
    parser.add_argument("recipe", nargs="?", help="name of a folder in guest/recipes")
    parser.add_argument("--update", action="store_true", help="take the archive's newest packages")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build/guest", metavar="FOLDER",
                        help="where the guest's folder goes (build/guest)")
    parser.add_argument("--list", action="store_true", help="print the recipes")
    args = parser.parse_args()
    if args.list:
        print("\n".join(f"{name:12} {Recipe(name).about}" for name in names()))
        return 0
    if not args.recipe:
        parser.error(f"no recipe; give one of: {', '.join(names())}")

    def say(text):
        print(f"guest {args.recipe}: {text}", file=sys.stderr, flush=True)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        print(build(Recipe(args.recipe), args.out, args.update, say))
    except RecipeError as exc:
        print(f"guest: {exc}", file=sys.stderr)
        return 2
    except (BuildError, KernelError, privapt.AptError) as exc:
        say(exc)
        return 1
    except OSError as exc:
        say(f"{exc.filename}: {exc.strerror}" if exc.filename else exc)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    sys.exit(main())
