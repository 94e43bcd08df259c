#!/usr/bin/env python3
"""The arm64 sysroot: Debian's headers and libraries, unpacked under build/sysroot-arm64.

    tools/sysroot.py [--update]     make it if it is not there or out of date; print its path

The folder is complete or absent. It is made again when the list below changes, or with --update
when the archive has newer packages. Beside it stands build/cross-arm64.ini for
`meson setup build/arm64 --cross-file build/cross-arm64.ini`.
"""

import argparse
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import sys

import privapt

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
SYSROOT = BUILD / "sysroot-arm64"
CROSS = BUILD / "cross-arm64.ini"
STAMP = "sysroot.json"

PACKAGES = [
    "libc6-dev", "libcbor-dev", "libcmocka-dev", "libevent-dev", "libfdt-dev", "libjansson-dev",
    "libxxhash-dev", "libzstd-dev", "zlib1g-dev",
]


def say(text):
    print(f"sysroot: {text}", file=sys.stderr, flush=True)


def _recipe():
    """What the sysroot was made from: its packages and the code that fixes them up."""
    code = pathlib.Path(__file__).read_bytes()
    return hashlib.sha256(code).hexdigest()


def make(update=False):
    BUILD.mkdir(exist_ok=True)
    with open(BUILD / "sysroot.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _make_locked(update)
        write_cross_file()


def _make_locked(update):
    try:
        stamp = json.loads((SYSROOT / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        stamp = {}
    if stamp.get("recipe") == _recipe() and not update:
        return
    apt = privapt.Apt(BUILD / "apt", progress=say)
    if update:
        apt.update()
    packages, debs = apt.fetch(PACKAGES)
    temp = BUILD / f"sysroot-arm64.{os.getpid()}"
    shutil.rmtree(temp, ignore_errors=True)
    try:
        say(f"unpacking {len(debs)} packages")
        for deb in debs:
            privapt.unpack(deb, temp)
        fix(temp)
        stamp = {"recipe": _recipe(), "packages": {p.name: p.version for p in packages}}
        (temp / STAMP).write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")
        shutil.rmtree(SYSROOT, ignore_errors=True)
        temp.rename(SYSROOT)
    finally:
        shutil.rmtree(temp, ignore_errors=True)


def fix(sysroot):
    """Make absolute links relative. Debian 12's /lib is a link into /usr, which base-files would
    bring; unpacked packages still have both trees, so they are joined here."""
    for name in ("lib", "bin", "sbin"):
        top = sysroot / name
        if top.is_dir() and not top.is_symlink():
            shutil.copytree(top, sysroot / "usr" / name, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(top)
            top.symlink_to(f"usr/{name}")
    for folder, folders, files in os.walk(sysroot):
        for name in folders + files:
            path = pathlib.Path(folder, name)
            if path.is_symlink() and os.readlink(path).startswith("/"):
                target = sysroot / os.readlink(path).lstrip("/")
                path.unlink()
                path.symlink_to(os.path.relpath(target, folder))
    for unused in ("usr/share/doc", "usr/share/man", "etc", "var"):
        shutil.rmtree(sysroot / unused, ignore_errors=True)


def write_cross_file():
    """Meson's view of it. pkg-config looks only into the sysroot."""
    template = (ROOT / "tools/cross-arm64.ini").read_text(encoding="utf-8")
    text = template.replace("@SYSROOT@", str(SYSROOT))
    if not CROSS.exists() or CROSS.read_text(encoding="utf-8") != text:
        CROSS.write_text(text, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description="Make the arm64 sysroot.")
    parser.add_argument("--update", action="store_true", help="take the archive's newest packages")
    args = parser.parse_args()
    try:
        make(args.update)
    except (privapt.AptError, OSError) as exc:
        sys.exit(f"sysroot: {exc}")
    print(SYSROOT)


if __name__ == "__main__":
    main()
