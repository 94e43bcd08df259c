"""The kernel package: its Image, and the modules that a recipe wants with their dependencies."""

import gzip
import pathlib
import subprocess
import zlib

# Offset 56 of an arm64 Image (the kernel's arch/arm64/booting document).
IMAGE_MAGIC = slice(56, 60), b"ARM\x64"


class KernelError(Exception):
    """One sentence that names the thing and the way out."""


class Kernel:
    def __init__(self, tree):
        """tree: where the kernel's package was unpacked."""
        found = sorted(pathlib.Path(tree).glob("boot/vmlinuz-*"))
        if len(found) != 1:
            raise KernelError(f"the kernel package holds {len(found)} files boot/vmlinuz-*, not 1")
        self.vmlinuz = found[0]
        self.version = found[0].name.removeprefix("vmlinuz-")
        self.tree = pathlib.Path(tree)
        self.modules_path = f"lib/modules/{self.version}"

    def mtime(self):
        """When the package was made: the time stamp of all that is built from it."""
        return int(self.vmlinuz.stat().st_mtime)

    def image(self):
        """The uncompressed arm64 Image."""
        data = self.vmlinuz.read_bytes()
        if data[:2] == b"\x1f\x8b":
            try:
                data = gzip.decompress(data)
            except (OSError, EOFError, zlib.error) as exc:
                raise KernelError(f"{self.vmlinuz.name}: {exc}") from None
        where, magic = IMAGE_MAGIC
        if data[where] != magic:
            raise KernelError(f"{self.vmlinuz.name}: neither an arm64 Image nor a gzip of one; "
                              "the recipe needs another kernel")
        return data

    def modules(self, wanted):
        """{path in the guest: bytes}: the modules, what they depend on, and the two tables of
        depmod(8) that modprobe reads, cut down to them."""
        self._depmod()
        folder = self.tree / self.modules_path
        needs = {}  # module file -> the module files it depends on
        for line in (folder / "modules.dep").read_text(encoding="utf-8").splitlines():
            file, _, others = line.partition(":")
            needs[file] = others.split()
        by_name = {_name(file): file for file in needs}
        chosen = set()
        for name in wanted:
            if name not in by_name:
                raise KernelError(f"module {name}: not in kernel {self.version}; "
                                  "take it out of the recipe if the kernel has it built in")
            chosen |= {by_name[name], *needs[by_name[name]]}
        out = {file: (folder / file).read_bytes() for file in chosen}
        names = {_name(file) for file in chosen}
        out["modules.dep"] = "".join(
            f"{file}:{''.join(' ' + n for n in needs[file])}\n" for file in sorted(chosen)).encode()
        aliases = (folder / "modules.alias").read_text(encoding="utf-8").splitlines()
        out["modules.alias"] = "".join(
            line + "\n" for line in sorted(aliases) if line.split()[-1] in names).encode()
        return {f"{self.modules_path}/{file}": data for file, data in out.items()}

    def _depmod(self):
        try:
            subprocess.run(["depmod", "-b", str(self.tree), self.version], check=True,
                           capture_output=True, text=True)
        except FileNotFoundError:
            raise KernelError("depmod: not found; install the package kmod") from None
        except subprocess.CalledProcessError as exc:
            raise KernelError(f"depmod of {self.version}: {exc.stderr.strip()}") from None


def _name(file):
    """The kernel's name of a module: of drivers/char/hw_random/virtio-rng.ko it is virtio_rng."""
    return pathlib.PurePath(file).name.split(".")[0].replace("-", "_")
