#!/usr/bin/env python3
"""Makes a root file system, as root of namespaces of its own (guest/namespace.py). Started by
guest/rootfs.py, with one argument: the Job as JSON.

Prints lines: "say TEXT" is progress, "error TEXT" the one sentence of a failure (status 1).
"""

import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import threading

BINFMT = pathlib.Path("/proc/sys/fs/binfmt_misc")
# How Debian's qemu-user-static registers itself: the interpreter is opened at once ("F"), so that it
# also works where it is not in the file system.
QEMU = pathlib.Path("/usr/lib/binfmt.d/qemu-aarch64.conf")
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# What apt and dpkg keep for their own sake, and what mmdebstrap added.
TRACES = ["etc/apt/apt.conf.d/99mmdebstrap", "etc/dpkg/dpkg.cfg.d/99mmdebstrap",
          "var/cache/apt/*.bin", "var/cache/debconf/*-old", "var/cache/ldconfig/aux-cache",
          "var/lib/apt/lists/*", "var/lib/dpkg/*-old", "var/log/*.log", "var/log/apt/*", "run/*",
          "tmp/*"]
# Instead of the host's /etc/mke2fs.conf: the same image everywhere.
MKE2FS_CONF = """[defaults]
    base_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr
    blocksize = 4096
    inode_size = 256
    inode_ratio = 16384
[fs_types]
    ext4 = {
        features = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize
    }
"""
STEPS = 10  # of the long one that are told


class Failure(Exception):
    """One sentence that names the thing and the way out."""


class Job:
    """What guest/rootfs.py wants: paths of the host, and facts of the recipe."""

    def __init__(self, work, image, repo, count, extra, packages, exclude, finish, size_mib, uuid, epoch):
        self.root = pathlib.Path(work) / "root"      # where the tree is made
        self.log = pathlib.Path(work) / "log"        # what mmdebstrap says
        self.temp = pathlib.Path(work) / "tmp"
        self.image = pathlib.Path(image)             # the result
        self.repo = repo                             # URI of a folder with the file Packages,
        self.count = count                           # which lists so many
        self.extra = pathlib.Path(extra)             # files of ours, with their final modes
        self.packages, self.exclude = packages, exclude
        self.finish = finish                         # a script for the guest's sh
        self.size_mib, self.uuid, self.epoch = size_mib, uuid, epoch


def end_with_caller():
    """Nobody else ends this process: a first process ignores signals that it does not handle."""
    def watch():
        sys.stdin.read()
        os._exit(1)
    threading.Thread(target=watch, daemon=True).start()


def run_arm64_programs():
    """Since Linux 6.7 a namespace has a register of its own; before, there is only the host's."""
    if platform.machine() == "aarch64":
        return
    if QEMU.exists() and subprocess.run(["mount", "-t", "binfmt_misc", "binfmt", BINFMT],
                                        capture_output=True, check=False).returncode == 0:
        (BINFMT / "register").write_text(QEMU.read_text(encoding="ascii"), encoding="ascii")
    if command(["arch-test", "arm64"], check=False).returncode != 0:
        raise Failure("arm64 programs do not run here; install the package qemu-user-static, and "
                      "on Linux before 6.7 also binfmt-support, as root of the host")


def command(argv, check=True, **kwargs):
    try:
        done = subprocess.run([str(a) for a in argv], text=True, errors="replace", check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kwargs)
    except FileNotFoundError:
        raise Failure(f"{argv[0]}: not found; install what tools/deps.sh test names") from None
    if check and done.returncode != 0:
        raise Failure(f"{argv[0]}: {' '.join(done.stdout.split())[-300:] or 'no message'}")
    return done


def bootstrap(job, say):
    options = ["--verbose", "--mode=root", "--variant=minbase", "--format=directory",
               "--architectures=arm64", "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
               '--aptopt=APT::Sandbox::User "root"', f"--include={','.join(job.packages)}"]
    # A tree that a crash spoils is thrown away: dpkg need not wait for the disk.
    options += [f"--dpkgopt={option}" for option in ["force-unsafe-io", *job.exclude]]
    source = f"deb [trusted=yes] {job.repo} ./"  # each package was checked when it was fetched
    job.temp.mkdir()
    done, told = 0, 0
    with open(job.log, "w", encoding="utf-8") as log, started(options, job, source) as child:
        for line in child.stdout:
            log.write(line)
            done += line.startswith(("Unpacking ", "Setting up "))
            if done * STEPS // (2 * job.count) > told:
                told = done * STEPS // (2 * job.count)
                say(f"unpacking and configuring: {100 * told // STEPS} %")
    if child.returncode != 0:
        raise Failure(why(job.log.read_text(encoding="utf-8"), job.root))


def started(options, job, source):
    try:
        return subprocess.Popen(["mmdebstrap", *options, "", str(job.root), source], text=True,
                                errors="replace", stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                env=dict(os.environ, TMPDIR=str(job.temp)))
    except FileNotFoundError:
        raise Failure("mmdebstrap: not found; install what tools/deps.sh test names") from None


def why(log, folder):
    """The line of mmdebstrap's log that tells most."""
    if "No space left on device" in log or "enough free space" in log:
        return f"{folder}: no space left on the device; make room there, or build with --out elsewhere"
    lines = log.splitlines()
    for start in ("dpkg: error", "E: "):
        found = [line for line in lines if line.startswith(start)]
        if found:
            return f"mmdebstrap: {found[0].removeprefix('E: ')}"
    return f"mmdebstrap: {lines[-1] if lines else 'no message'}"


def complete(job):
    """Our files, the recipe's script, and nothing of this host."""
    for trace in TRACES:
        for path in job.root.glob(trace):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    shutil.copytree(job.extra, job.root, symlinks=True, dirs_exist_ok=True)
    command(["chroot", job.root, "/bin/sh", "-e", "-c", job.finish], stdin=subprocess.DEVNULL,
            env={"PATH": PATH, "LC_ALL": "C", "SOURCE_DATE_EPOCH": str(job.epoch)})
    if not os.path.lexists(job.root / "sbin/init"):
        raise Failure("no /sbin/init in the new system; name a package that brings one, such as "
                      "sysvinit-core")
    for folder, folders, files in os.walk(job.root):
        for path in [folder, *(os.path.join(folder, name) for name in folders + files)]:
            when = min(int(os.lstat(path).st_mtime), job.epoch)
            os.utime(path, (when, when), follow_symlinks=False)


def make_image(job):
    config = job.temp / "mke2fs.conf"
    config.write_text(MKE2FS_CONF, encoding="ascii")
    env = dict(os.environ, MKE2FS_CONFIG=str(config), E2FSPROGS_FAKE_TIME=str(job.epoch))
    command(["mke2fs", "-q", "-t", "ext4", "-U", job.uuid, "-E",
             f"hash_seed={job.uuid},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0",
             "-d", job.root, job.image, f"{job.size_mib}M"], env=env)
    # mke2fs takes these from the tree, where nobody can set the change of an inode, and where the
    # kernel notes the use of a link.
    stat = command(["dumpe2fs", "-h", job.image]).stdout
    count, free = (int(re.search(rf"^{what}: +(\d+)$", stat, re.M).group(1))
                   for what in ("Inode count", "Free inodes"))
    changes = "".join(f"sif <{inode}> {field} @{job.epoch}\n"
                      for inode in [2, *range(11, count - free + 1)]
                      for field in ("atime", "ctime", "crtime"))
    command(["debugfs", "-w", "-f", "-", job.image], input=changes, env=env)
    command(["e2fsck", "-f", "-n", job.image])


def make(job, say):
    run_arm64_programs()
    bootstrap(job, say)
    complete(job)
    say(f"file system of {job.size_mib} MiB")
    make_image(job)


def main():
    end_with_caller()
    os.umask(0o022)
    job = Job(**json.loads(sys.argv[1]))
    os.environ.update(LC_ALL="C", TZ="UTC", SOURCE_DATE_EPOCH=str(job.epoch))

    def say(text):
        print("say", text, flush=True)

    try:
        make(job, say)
    except Failure as exc:
        print("error", exc, flush=True)
        return 1
    except OSError as exc:
        print("error", f"{exc.filename}: {exc.strerror}" if exc.filename else exc.strerror,
              flush=True)
        return 1
    finally:
        for left in (job.root, job.temp):
            shutil.rmtree(left, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
