"""The second kind of recipe: a root file system of configured packages, beside the kernel and the
initramfs of the recipe that it boots with.

    fetch(apt, recipe)                  -> Parts: the packages, downloaded
    make(recipe, parts, folder, say)    writes Image, initramfs and rootfs.ext4 there
                                        -> what the manifest adds
    remove(folder)                      also what another user of a namespace owns there

The work is done as root of namespaces (namespace.py) by inside.py. Nothing is fetched there: apt
finds the downloaded packages in a small archive of their own.
"""

import collections
import json
import os
import pathlib
import re
import shutil
import sys
import urllib.parse
import uuid

import initramfs
import namespace
from recipe import BuildError, mode

OUTPUTS = (*initramfs.OUTPUTS, "rootfs.ext4")

# Besides what a recipe names: Debian's minimal system, and of two ways to a merged /usr the small one.
BASE = ["?essential", "?priority(required)", "apt", "usr-is-merged"]

# system: of the root file system; boot: the Parts of the recipe that it boots with.
Parts = collections.namedtuple("Parts", "packages debs system boot")
System = collections.namedtuple("System", "debs records")


def fetch(apt, recipe):
    boot = initramfs.fetch(apt, recipe.boot)
    packages = apt.resolve([*BASE, *recipe.packages])
    system = System(apt.download(packages), apt.records(packages))
    both = {p.name: (p, deb) for p, deb in zip(boot.packages + packages, boot.debs + system.debs)}
    return Parts([p for p, _ in both.values()], [deb for _, deb in both.values()], system, boot)


def make(recipe, parts, folder, say):
    work = folder / "work"
    extra = work / "extra"
    extra.mkdir(parents=True)
    try:
        kernel = initramfs.unpacked(parts.boot, work / "tree", say)
        added = initramfs.write(recipe.boot, kernel, folder, say)
        write_extra(recipe, kernel, extra)
        shutil.rmtree(work / "tree")
        write_archive(parts.system, work / "repo")
        say(f"installing {len(parts.system.debs)} packages, which takes minutes")
        run_inside(recipe, parts, work, folder / "rootfs.ext4", say)
    finally:
        remove(work)
    return added


def run_inside(recipe, parts, work, image, say):
    job = {
        "work": str(work), "image": str(image), "extra": str(work / "extra"),
        "repo": f"copy://{urllib.parse.quote(str(work / 'repo'))}", "count": len(parts.system.debs),
        "packages": recipe.packages, "exclude": recipe.exclude,
        "finish": (recipe.folder / "finish").read_text(encoding="utf-8"),
        "size_mib": recipe.size_mib, "epoch": max(built_at(deb) for deb in parts.system.debs),
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"ignition:{recipe.name}")),
    }
    errors = []

    def line(text):
        kind, _, rest = text.partition(" ")
        if kind == "say":
            say(rest)
        else:
            errors.append(rest if kind == "error" else text)

    program = pathlib.Path(__file__).resolve().parent / "inside.py"
    if namespace.run([sys.executable, program, json.dumps(job)], line) != 0:
        raise BuildError(errors[-1] if errors else "killed; is there enough memory?")


def write_extra(recipe, kernel, extra):
    """Our files, and for modprobe in the guest the modules that the initramfs has."""
    for path, data in kernel.modules(recipe.boot.modules).items():
        write(extra / path, data, 0o644)
    for path, source in recipe.own_files():
        write(extra / path, source.read_bytes(), mode(source))


def write(path, data, bits):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(bits)


def write_archive(system, folder):
    """An archive that apt can read: the records of the packages, pointing at the files."""
    (folder / "debs").mkdir(parents=True)
    with open(folder / "Packages", "w", encoding="utf-8") as index:
        for deb, record in zip(system.debs, system.records):
            (folder / "debs" / deb.name).symlink_to(deb)
            index.write(re.sub(r"^Filename: .*$", f"Filename: debs/{deb.name}", record,
                               flags=re.M) + "\n\n")


def built_at(deb):
    """Seconds since 1970 when a package was made, in the head of the first part of its ar archive:
    no file in it is younger."""
    with open(deb, "rb") as f:
        return int(f.read(8 + 28)[8 + 16:])


def remove(folder):
    """A build of an ordinary user that was killed leaves files that only its namespace can remove."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists() and os.geteuid() != 0:
        namespace.run(["rm", "-rf", folder])
