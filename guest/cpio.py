"""Writes an initramfs: a cpio archive in the "newc" format of the kernel's
driver-api/early-userspace/buffer-format document.

Entries come out sorted by path, owned by root, with one time stamp and inode numbers counted from
1, so that the same tree gives the same bytes on every host and for every user.
"""

import stat

TRAILER = "TRAILER!!!"
BLOCK = 512  # the archive is padded to this, as cpio(1) does


class Archive:
    def __init__(self, mtime):
        """mtime: seconds since 1970, for every entry."""
        self.mtime = mtime
        self.entries = {}

    def directory(self, path, mode=0o755):
        self._add(path, stat.S_IFDIR | mode, b"")

    def file(self, path, data, mode=0o644):
        self._add(path, stat.S_IFREG | mode, data)

    def link(self, path, target):
        self._add(path, stat.S_IFLNK | 0o777, target.encode())

    def fifo(self, path, mode):
        self._add(path, stat.S_IFIFO | mode, b"")

    def device(self, path, mode, major, minor):
        """A character device; mode holds the permission bits alone."""
        self._add(path, stat.S_IFCHR | mode, b"", (major, minor))

    def _add(self, path, mode, data, device=(0, 0)):
        if path in self.entries:
            raise ValueError(f"{path}: in the archive twice")
        self.entries[path] = (mode, data, device)

    def bytes(self):
        """The whole archive. Directories that no one named are added; a parent sorts first."""
        for path in list(self.entries):
            while "/" in path:
                path = path.rpartition("/")[0]
                self.entries.setdefault(path, (stat.S_IFDIR | 0o755, b"", (0, 0)))
        out = bytearray()
        for inode, path in enumerate(sorted(self.entries), 1):
            out += _entry(inode, path, *self.entries[path], self.mtime)
        out += _entry(0, TRAILER, 0, b"", (0, 0), 0)
        out += bytes(-len(out) % BLOCK)
        return bytes(out)


def _entry(inode, path, mode, data, device, mtime):
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (inode, mode, 0, 0, links, mtime, len(data), 0, 0, *device, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % f for f in fields) + name
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)
