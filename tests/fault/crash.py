"""What a disk may hold after a crash, from a log of tests/fault/hostio.c, and whether that keeps the
guest's word: the file system is whole, and files whose fsync() had returned are there.

A crash between the end of one flush and the end of the next: writes that had ended before the first
of the two began (or an earlier one, whichever began last) are there; of those begun since, any part.
"""

import collections
import pathlib
import random
import shutil
import struct
import subprocess
import zlib

BLOCK = 1024  # of the file systems in these tests: what is torn is torn between such blocks
SECTOR = 512

Record = collections.namedtuple("Record", "kind id file off len data")


def read_log(path):
    raw = pathlib.Path(path).read_bytes()
    records, at = [], 0
    while at + 40 <= len(raw):
        kind, number, file, off, length = struct.unpack_from("<5Q", raw, at)
        at += 40
        data = b""
        if chr(kind) == "W":
            data = raw[at:at + length]
            at += length
        records.append(Record(chr(kind), number, file, off, length, data))
    return records


def apply(image, record, keep=None):
    """Do what a record says; keep(): whether a block of it counts."""
    if record.kind == "T":
        del image[record.off:]
        image.extend(bytes(record.off - len(image)))
        return
    data = record.data if record.kind == "W" else bytes(record.len)
    if len(image) < record.off + len(data):
        image.extend(bytes(record.off + len(data) - len(image)))
    if not keep:
        image[record.off:record.off + len(data)] = data
        return
    at = 0
    while at < len(data):
        part = min(BLOCK - (record.off + at) % BLOCK, len(data) - at)
        if keep():
            image[record.off + at:record.off + at + part] = data[at:at + part]
        at += part


class Crashes:
    """Iterates over (number, image, markers): a crash after each flush of file 0, as described above.

    image(share) builds the content: `share` of the writes that may or may not be there are. markers are
    those that the guest had begun to write (to file 1) by then.
    """

    def __init__(self, records, start=b""):
        self.records = records
        self.start = start
        self.ends = [i for i, r in enumerate(records) if r.file == 0 and r.kind in "fL"]

    def __iter__(self):
        begun = {}   # id: position of a flush's begin
        ended = {}   # id: position of a write's end
        for i, r in enumerate(self.records):
            if r.kind == "F":
                begun[r.id] = i
            elif r.kind in "wp":
                ended[r.id] = i
        changes = [(i, r) for i, r in enumerate(self.records) if r.file == 0 and r.kind in "WPT"]
        durable, applied, since = bytearray(self.start), set(), -1
        markers, seen = [], 0
        for number, end in enumerate(self.ends):
            last = self.ends[number + 1] if number + 1 < len(self.ends) else len(self.records)
            record = self.records[end]
            if record.kind == "f":
                since = max(since, begun[record.id])
            maybe = []
            for i, r in changes:
                if i in applied or i >= last:
                    continue
                if r.kind == "T" or ended.get(r.id, len(self.records)) < since:
                    apply(durable, r)
                    applied.add(i)
                else:
                    maybe.append(r)
            while seen < last:
                r = self.records[seen]
                if r.file == 1 and r.kind == "W":
                    markers.append(r.data[:SECTOR].split(b"\0", 1)[0].decode())
                seen += 1
            yield number, lambda rng, share, maybe=maybe: build(durable, maybe, rng, share), list(markers)


def build(durable, maybe, rng, share):
    image = bytearray(durable)
    for record in maybe:
        whole = rng.random()
        if whole < share / 2:
            apply(image, record)
        elif share and whole < 0.5 + share / 2:
            apply(image, record, lambda: rng.random() < share)
    return image


def expected(markers):
    """What the markers promise: path to (size, crc), or to None for what must be gone."""
    files = {}
    for line in markers:
        words = line.split()
        if words[0] == "+":
            files[words[1]] = (int(words[2]), int(words[3]))
        elif words[0] == "-":
            files.pop(words[1], None)
        elif words[0] == "0":
            files[words[1]] = None
    return files


def tool(name):
    # Homebrew keeps its own beside those of macOS.
    folders = "/usr/sbin:/opt/homebrew/opt/e2fsprogs/sbin"
    return shutil.which(name) or shutil.which(name, path=folders) or name


def run(*args):
    return subprocess.run([str(a) for a in args], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)


def repair(image):
    """Replay the journal as a mount does; then nothing may be left to repair. Returns what is wrong."""
    for args, good in ((["-y", "-E", "journal_only"], (0, 1)), (["-p"], (0, 1)), (["-fn"], (0,))):
        result = run(tool("e2fsck"), *args, image)
        if result.returncode not in good:
            return f"e2fsck {' '.join(args)}: status {result.returncode}: {result.stdout}{result.stderr}"
    return ""


def missing(image, files, folder):
    """Which promises the file system in the image breaks."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    run(tool("debugfs"), "-R", f"rdump / {folder}", image)
    broken = []
    for path, want in sorted(files.items()):
        at = folder / path
        if want is None:
            if at.exists():
                broken.append(f"{path}: is there again")
        elif not at.exists():
            broken.append(f"{path}: not there")
        else:
            data = at.read_bytes()
            if (len(data), zlib.crc32(data)) != want:
                broken.append(f"{path}: {len(data)} bytes, other content than the {want[0]} it had")
    return broken


def check(image, markers, folder):
    """All that is wrong with a file system after a crash, as a list of sentences."""
    wrong = repair(image)
    return [wrong] if wrong else missing(image, expected(markers), folder)


def rounds(seed, number, more):
    """(random numbers, share) for each try at one crash: nothing of what is open, all, and mixtures."""
    rng = random.Random(f"{seed}/{number}")
    return [(rng, share) for share in [0, rng.choice([0.3, 0.6, 1])] + [rng.random() for _ in range(more)]]
