"""The first kind of recipe: a kernel, and an initramfs made of unpacked packages and our files.

    fetch(apt, recipe)                  -> Parts: the packages, downloaded
    make(recipe, parts, folder, say)    writes Image and initramfs there -> what the manifest adds
"""

import collections
import re
import shutil

import cpio
import privapt
from kernel import Kernel
from recipe import BuildError, mode

OUTPUTS = ("Image", "initramfs")

Parts = collections.namedtuple("Parts", "packages debs")  # parallel lists


def fetch(apt, recipe):
    depends = apt.show(recipe.kernel).get("Depends", "")
    image = re.match(r"linux-image-[\w.+-]+", depends)
    if not image:
        raise BuildError(f"package {recipe.kernel}: depends on {depends!r}, not on a kernel")
    packages = apt.resolve([image.group(), *recipe.packages], deps=False)
    return Parts(packages, apt.download(packages))


def make(recipe, parts, folder, say):
    tree = folder / "tree"
    try:
        return write(recipe, unpacked(parts, tree, say), folder, say)
    finally:
        shutil.rmtree(tree, ignore_errors=True)


def unpacked(parts, tree, say):
    """The kernel among the packages, whose files are then in tree."""
    say(f"unpacking {len(parts.debs)} packages")
    for deb in parts.debs:
        privapt.unpack(deb, tree)
    kernel = Kernel(tree)
    say(f"kernel {kernel.version}")
    return kernel


def write(recipe, kernel, folder, say):
    """Image and initramfs, from what is in the kernel's tree."""
    try:
        data = initramfs(recipe, kernel)
    except ValueError as exc:  # a path twice, bits that are not octal
        raise BuildError(f"recipe {recipe.name}: {exc}") from None
    say(f"initramfs of {len(data) >> 10} KiB")
    if len(data) > recipe.limit_mib << 20:
        raise BuildError(f"recipe {recipe.name}: the initramfs has {len(data)} bytes, more than "
                         f"limit_mib = {recipe.limit_mib}")
    (folder / "Image").write_bytes(kernel.image())
    (folder / "initramfs").write_bytes(data)
    return {"kernel": kernel.version}


def initramfs(recipe, kernel):
    archive = cpio.Archive(kernel.mtime())
    for path, bits in recipe.folders.items():
        archive.directory(path, int(bits, 8))
    for path, bits in recipe.fifos.items():
        archive.fifo(path, int(bits, 8))
    # The kernel opens it for the first process, before anything is mounted.
    archive.device("dev/console", 0o600, 5, 1)
    for path, source in recipe.files.items():
        archive.file(path, read(recipe, kernel.tree, source), mode(kernel.tree / source))
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
