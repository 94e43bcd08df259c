#!/usr/bin/env python3
"""The lab: an arm64 machine with a working /dev/kvm on any host, emulated by QEMU.

    tools/lab.py [shell]            a root shell inside; the lab ends with it
    tools/lab.py run [-t] CMD...    one command inside, with this program's standard input and
                                    output (-t: on a terminal of its own); exits with its status
    tools/lab.py put FILE [PATH]    copy a file in (PATH: /lab/NAME); programs bring their
                                    shared libraries from the sysroot
    tools/lab.py get PATH [FILE]    copy a file out
    tools/lab.py start, stop        a lab that stays; without one, each command has its own

With IGNITION_LAB=FOLDER (Lab.folder) the commands use that running lab.

Debian's 6.12 kernel for arm64 boots with the guest hypervisor extensions that QEMU emulates, so
KVM runs there for real. Inside are busybox and what is put; everything is lost at the end.
The tests use class Lab.
"""

import argparse
import contextlib
import ctypes
import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import labport
import privapt
import sysroot

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "lab"
KEPT = BUILD / "kept"      # names the folder of the lab that `start` leaves running
VARIABLE = "IGNITION_LAB"  # names that of another one, instead
PORTS = 6
MEMORY = "2G"
CC = "aarch64-linux-gnu-gcc"
LIBRARIES = ("usr/lib/aarch64-linux-gnu", "lib/aarch64-linux-gnu")


class LabError(Exception):
    """One sentence that names the thing and the way out."""


def say(text):
    print(f"lab: {text}", file=sys.stderr, flush=True)


def prepare():
    """The kernel and the initramfs, made when they are missing or out of date."""
    sysroot.make()
    BUILD.mkdir(parents=True, exist_ok=True)
    with open(BUILD / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (BUILD / "Image").exists():
            _fetch_kernel()
        if not (BUILD / "busybox").exists():
            _fetch_busybox()
        _make_initramfs()


def _fetch(name):
    apt = privapt.Apt(ROOT / "build" / "apt", progress=say)
    _, debs = apt.fetch([name], deps=False)
    folder = pathlib.Path(tempfile.mkdtemp(dir=BUILD))
    privapt.unpack(debs[0], folder)
    return folder


def _fetch_kernel():
    apt = privapt.Apt(ROOT / "build" / "apt", progress=say)
    folder = _fetch(apt.show("linux-image-6.12-cloud-arm64")["Depends"].split()[0])
    (image,) = (folder / "boot").glob("vmlinuz-*")
    image.rename(BUILD / "Image")
    shutil.rmtree(folder)


def _fetch_busybox():
    folder = _fetch("busybox-static")
    (folder / "bin/busybox").rename(BUILD / "busybox")
    shutil.rmtree(folder)


def _make_initramfs():
    inputs = [ROOT / "tools/lab/agent.c", ROOT / "tools/lab/init", BUILD / "busybox"]
    key = hashlib.sha256(b"".join(p.read_bytes() for p in inputs)).hexdigest()
    stamp = BUILD / "initramfs.key"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == key:
        return
    agent = BUILD / "agent"
    _tool([CC, f"--sysroot={sysroot.SYSROOT}", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-static",
           "-Wall", "-Wextra", "-Werror", "-o", agent, inputs[0]])
    archive = _archive({"/bin/busybox": BUILD / "busybox", "/init": ROOT / "tools/lab/init",
                        "/agent": agent, "/dev": None})
    (BUILD / "initramfs").write_bytes(archive)
    stamp.write_text(key, encoding="utf-8")


def _archive(files):
    """A cpio archive: {absolute path: file, or None for a folder}."""
    with tempfile.TemporaryDirectory(dir=BUILD) as name:
        tree = pathlib.Path(name)
        for path, source in files.items():
            target = tree / path.lstrip("/")
            (target.parent if source else target).mkdir(parents=True, exist_ok=True)
            if source:
                shutil.copy(source, target)
        names = sorted(p.relative_to(tree).as_posix() for p in tree.rglob("*"))
        return _tool(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=tree,
                     input="\n".join(names).encode() + b"\n")


def _tool(argv, **kwargs):
    try:
        done = subprocess.run(argv, capture_output=True, check=False, **kwargs)
    except FileNotFoundError:
        raise LabError(f"{argv[0]}: not found; run tools/deps.sh test") from None
    if done.returncode != 0:
        raise LabError(f"{argv[0]} failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def _qemu_command(folder):
    argv = [
        "qemu-system-aarch64", "-nodefaults", "-no-reboot", "-display", "none",
        "-machine", "virt,gic-version=3,virtualization=on", "-accel", "tcg,thread=multi",
        "-cpu", "max,pauth-impdef=on,cntfrq=24000000", "-smp", "2", "-m", MEMORY,
        "-kernel", str(BUILD / "Image"), "-initrd", f"{folder}/initrd",
        "-append", f"console=ttyAMA0 loglevel=4 panic=-1 lab.ports={PORTS}",
        "-serial", f"file:{folder}/console.log",
        "-device", f"virtio-serial-pci,max_ports={PORTS + 1}",
    ]
    for n in range(1, PORTS + 1):
        argv += ["-chardev", f"socket,id=p{n},path={folder}/p{n},server=on,wait=off",
                 "-device", f"virtserialport,chardev=p{n},nr={n}"]
    return argv


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Lab:
    """A running lab. As a context manager it ends with the block."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.process = None
        self.there = {}

    @classmethod
    def start(cls, keep=False, files=None):
        """A new lab. files: {path inside: file} that are there from the start, which is faster
        than put(); programs() has what a program needs."""
        prepare()
        # Not under build/: the path of a unix socket must be short.
        lab = cls(tempfile.mkdtemp(prefix="lab-"))
        argv = _qemu_command(lab.folder)
        with open(lab.folder / "initrd", "wb") as initrd:
            initrd.write((BUILD / "initramfs").read_bytes())
            if files:
                initrd.write(_archive(files))
        if keep:
            _tool(argv + ["-daemonize", "-pidfile", str(lab.folder / "pid")])
            return lab
        with open(lab.folder / "qemu.log", "wb") as log:
            try:
                lab.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log,
                                               stderr=log, preexec_fn=_die_with_parent)
            except FileNotFoundError:
                raise LabError(f"{argv[0]}: not found; run tools/deps.sh test") from None
        (lab.folder / "pid").write_text(str(lab.process.pid), encoding="utf-8")
        return lab

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        else:
            with contextlib.suppress(OSError, ValueError):
                pid = int((self.folder / "pid").read_text(encoding="utf-8"))
                os.kill(pid, signal.SIGTERM)
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextlib.contextmanager
    def session(self):
        """A port of our own until the end of the block."""
        for n in range(1, PORTS + 1):
            with open(self.folder / f"lock{n}", "w", encoding="utf-8") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                with contextlib.closing(self._connect(n)) as session:
                    try:
                        yield session
                    except labport.LabGone:
                        raise LabError(self._obituary()) from None
                return
        raise LabError(f"all {PORTS} command ports of the lab are in use; end one first")

    def _connect(self, n):
        """QEMU makes its sockets before it does anything else; wait for that one moment, of which nothing tells."""
        path = str(self.folder / f"p{n}")
        while True:
            try:
                return labport.Session(path)
            except (FileNotFoundError, ConnectionRefusedError):
                if not self.is_alive():
                    raise LabError(self._obituary()) from None
                time.sleep(0.02)

    def is_alive(self):
        """Whoever started it."""
        if self.process:
            return self.process.poll() is None
        try:
            os.kill(int((self.folder / "pid").read_text(encoding="utf-8")), 0)
            return True
        except (OSError, ValueError):
            return False

    def _obituary(self):
        text = ""
        for name in ("qemu.log", "console.log"):
            with contextlib.suppress(OSError):
                text += (self.folder / name).read_text(encoding="utf-8", errors="replace")
        tail = "\n".join(text.splitlines()[-15:])
        return f"the lab is gone; its console ends:\n{tail}"

    def run(self, *argv, stdin=None):
        """Run a command; stdin is bytes or None. Returns (exit status, output, errors)."""
        output, errors = bytearray(), bytearray()
        with self.session() as session, tempfile.TemporaryFile() as source:
            if stdin is not None:
                source.write(stdin)
                source.seek(0)
            status = session.run([str(a) for a in argv], sink=output.extend, errors=errors.extend,
                                 source=source.fileno() if stdin is not None else None)
        return status, bytes(output), bytes(errors)

    def ok(self, *argv, stdin=None):
        """Run a command that must succeed; returns its output."""
        status, output, errors = self.run(*argv, stdin=stdin)
        if status != 0:
            raise LabError(f"{' '.join(map(str, argv))}: status {status}\n"
                           f"{(output + errors).decode(errors='replace')}")
        return output

    def put(self, source, path=None):
        """Copy a file in, with its mode, unless that very content is there already."""
        source = pathlib.Path(source)
        path = path or f"/lab/{source.name}"
        data = source.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        if self.there.get(path) != digest:
            mode = f"{source.stat().st_mode & 0o777:o}"
            self.ok("sh", "-c", 'mkdir -p "${1%/*}" && cat >"$1.new" && chmod "$2" "$1.new" && '
                    'mv "$1.new" "$1"', "put", path, mode, stdin=data)
            self.there[path] = digest
        return path

    def put_program(self, source, path=None):
        """A program for arm64 and the shared libraries that it needs."""
        for library in sorted(shared_libraries(source)):
            self.put(library, f"/lib/{library.name}")
        return self.put(source, path)

    def get(self, path):
        return self.ok("cat", path)


def programs(*paths):
    """{path inside: file} for start(): programs for arm64, in /lab, and their libraries."""
    files = {f"/lab/{path.name}": path for path in paths}
    for path in paths:
        files.update({f"/lib/{library.name}": library for library in shared_libraries(path)})
    return files


def shared_libraries(program, found=None):
    """The closure of what an arm64 file is linked against, as files of the sysroot."""
    found = set() if found is None else found
    text = _tool(["aarch64-linux-gnu-readelf", "-dl", str(program)]).decode(errors="replace")
    names = re.findall(r"\(NEEDED\).*\[(.*)\]", text)
    names += [pathlib.Path(p).name for p in re.findall(r"interpreter: (\S+)\]", text)]
    for name in names:
        path = next((sysroot.SYSROOT / d / name for d in LIBRARIES
                     if (sysroot.SYSROOT / d / name).exists()), None)
        if path is None:
            raise LabError(f"{program} needs {name}, which the sysroot lacks: add its package to "
                           "PACKAGES in tools/sysroot.py")
        if path not in found:
            found.add(path)
            shared_libraries(path, found)
    return found


@contextlib.contextmanager
def kept_or_new():
    """The lab that `start` left running, or one of our own."""
    folder = kept_folder()
    if folder:
        yield Lab(folder)
        return
    with Lab.start() as lab:
        yield lab


def kept_folder():
    try:
        folder = pathlib.Path(os.environ.get(VARIABLE) or KEPT.read_text(encoding="utf-8"))
    except OSError:
        return None
    return folder if Lab(folder).is_alive() else None


def is_elf(path):
    with open(path, "rb") as f:
        return f.read(4) == b"\x7fELF"


def command(args):
    if args.verb == "start":
        if not kept_folder():
            KEPT.parent.mkdir(parents=True, exist_ok=True)
            KEPT.write_text(str(Lab.start(keep=True).folder), encoding="utf-8")
        return 0
    if args.verb == "stop":
        if kept_folder():
            Lab(kept_folder()).stop()
        KEPT.unlink(missing_ok=True)
        return 0
    if args.verb in ("put", "get") and not kept_folder():
        raise LabError("no lab is running that could keep the file: tools/lab.py start")
    if (args.verb == "shell" or getattr(args, "terminal", False)) and not os.isatty(0):
        raise LabError("standard input is no terminal; run a command: tools/lab.py run CMD...")
    with kept_or_new() as lab:
        if args.verb == "put":
            put = lab.put_program if is_elf(args.file) else lab.put
            print(put(args.file, args.path))
            return 0
        if args.verb == "get":
            pathlib.Path(args.file or pathlib.Path(args.path).name).write_bytes(lab.get(args.path))
            return 0
        with lab.session() as session:
            if args.verb == "shell":
                say("a root shell in the lab; exit ends it")
                return labport.run_on_terminal(session, ["sh", "-l"])
            run = labport.run_on_terminal if args.terminal else labport.run_on_pipes
            return run(session, args.command)


def main():
    parser = argparse.ArgumentParser(description="An arm64 machine with KVM, emulated.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("shell", help="a root shell inside")
    run = verbs.add_parser("run", help="run one command inside")
    run.add_argument("-t", dest="terminal", action="store_true", help="on a terminal of its own")
    run.add_argument("command", nargs=argparse.REMAINDER)
    put = verbs.add_parser("put", help="copy a file in")
    put.add_argument("file")
    put.add_argument("path", nargs="?")
    get = verbs.add_parser("get", help="copy a file out")
    get.add_argument("path")
    get.add_argument("file", nargs="?")
    verbs.add_parser("start", help="start a lab that stays")
    verbs.add_parser("stop", help="end it")
    args = parser.parse_args(sys.argv[1:] or ["shell"])
    if args.verb == "run" and args.command[:1] == ["--"]:
        args.command.pop(0)
    if args.verb == "run" and not args.command:
        run.error("which command?")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda n, _: sys.exit(128 + n))  # so that what we started ends too
    try:
        sys.exit(command(args))
    except (LabError, privapt.AptError, OSError) as exc:
        sys.exit(f"lab: {exc}")


if __name__ == "__main__":
    main()
