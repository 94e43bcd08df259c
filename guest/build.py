#!/usr/bin/env python3
"""Builds a guest from Debian's packages and files of ours: build/guest/RECIPE/.

    guest/build.py RECIPE [--update]     build it unless it is up to date; print its folder
    guest/build.py --list                the recipes

The folder holds Image (the kernel), initramfs (a cpio archive), for some recipes rootfs.ext4 (a
disk), and manifest.json (what they were made of). It is complete or absent. The same recipe and the
same package versions give the same bytes. Nothing is fetched when nothing changed; --update asks
the archive for newer packages.
"""

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import signal
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import initramfs  # noqa: E402
import privapt  # noqa: E402
import rootfs  # noqa: E402
from kernel import KernelError  # noqa: E402
from namespace import NamespaceError  # noqa: E402
from recipe import BuildError, Recipe, RecipeError, names  # noqa: E402

# A guest boots from it and may write to it: then it is the user's, and only its size is looked at.
DISK = "rootfs.ext4"


def kind(recipe):
    """The module that makes this kind of recipe."""
    return rootfs if recipe.boot else initramfs


def is_current(folder, recipe):
    """The manifest of folder if it was built from this recipe and is whole, else None."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        if manifest["recipe_sha256"] != recipe.digest():
            return None
        for name in kind(recipe).OUTPUTS:
            output = manifest["outputs"][name]
            if (folder / name).stat().st_size != output["bytes"]:
                return None
            if name != DISK and sha256(folder / name) != output["sha256"]:
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
        parts = fetch(apt, recipe, update)
        versions = {p.name: p.version for p in parts.packages}
        if manifest and manifest["packages"] == versions:
            say("up to date with the archive")
            return folder
        temp = out / f".{recipe.name}.new"
        old = out / f".{recipe.name}.old"
        try:
            remove(temp, old)  # what a killed build left
            make(recipe, parts, versions, temp, say)
            if folder.exists():
                folder.rename(old)
            temp.rename(folder)
        finally:
            remove(temp, old)
    return folder


def fetch(apt, recipe, update):
    """The packages in today's version."""
    if update:
        apt.update()
    try:
        return kind(recipe).fetch(apt, recipe)
    except privapt.AptError:
        if update:
            raise
    apt.update()  # the lists were out of date, most likely
    return kind(recipe).fetch(apt, recipe)


def make(recipe, parts, versions, temp, say):
    temp.mkdir()
    added = kind(recipe).make(recipe, parts, temp, say)
    manifest = {
        "recipe": recipe.name, "about": recipe.about, "recipe_sha256": recipe.digest(), **added,
        "packages": dict(sorted(versions.items())),
        "outputs": {name: {"bytes": (temp / name).stat().st_size, "sha256": sha256(temp / name)}
                    for name in kind(recipe).OUTPUTS},
    }
    (temp / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


@contextlib.contextmanager
def locked(folder):
    """One build at a time, also when this process is killed and its namespace is still ending."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    os.set_inheritable(fd, True)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def remove(*folders):
    for folder in folders:
        rootfs.remove(folder)


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

    os.environ["PATH"] += ":/usr/sbin:/sbin"  # depmod, mke2fs: an ordinary user does not look there
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        print(build(Recipe(args.recipe), args.out, args.update, say))
    except RecipeError as exc:
        print(f"guest: {exc}", file=sys.stderr)
        return 2
    except (BuildError, KernelError, NamespaceError, privapt.AptError) as exc:
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
