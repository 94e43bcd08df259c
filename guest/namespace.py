"""Runs a program as root of namespaces of its own (users, processes, mounts), and as root of nothing
else: what it mounts, and the processes that it leaves, are gone when it ends. Linux only.

As root, the namespace has the ids of the host. As another user it has those that /etc/subuid and
/etc/subgid give, with the user as its root; files of the other ids can only be removed from inside.
"""

import contextlib
import os
import subprocess

PRIVATE = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]
# An empty line says that the namespaces are there; what unshare complains of is never empty.
STARTED = ["sh", "-c", 'echo; exec "$@"', "sh"]
# A namespace of users without a map has no root yet: the caller makes the map, then sends a line.
UNMAPPED = ["unshare", "--user", "--", "sh", "-c", 'echo; read -r _ && exec "$@"', "sh"]


class NamespaceError(Exception):
    """One sentence that names the thing and the way out."""


def run(argv, line=lambda text: None):
    """Start argv as the first process of the namespaces; line(text) gets each line that it prints,
    errors too. Returns its exit status.

    Its standard input ends when the caller does, however that happens. A program that takes a while
    must watch that; with the first process all others of the namespaces end. Descriptors that may be
    inherited stay open until then: a lock among them is held for as long."""
    with started([str(a) for a in argv]) as child:
        for text in child.stdout:
            line(text.rstrip("\n"))
        return child.wait()


@contextlib.contextmanager
def started(argv):
    as_root = os.geteuid() == 0
    who = [] if as_root else ["--user", "--map-root-user", "--map-auto"]
    command = [*(UNMAPPED if as_root else []), "unshare", *who, *PRIVATE, *STARTED, *argv]
    try:
        child = subprocess.Popen(command, text=True, errors="replace", start_new_session=True,
                                 close_fds=False, stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except FileNotFoundError:
        raise NamespaceError("unshare: not found; install the package util-linux") from None
    try:
        if as_root:
            wait_for_start(child)
            map_all_ids(child)
        wait_for_start(child)
        yield child
    finally:
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()
        child.stdout.close()
        child.wait()


def wait_for_start(child):
    first = child.stdout.readline()
    if first == "\n":
        return
    reason = first.strip().removeprefix("unshare: ") or "unshare gave no reason"
    if "uidmap" in reason or "gidmap" in reason or "sub" in reason:
        raise NamespaceError(f"no ids for a user namespace ({reason}); install the package uidmap "
                             "and give this user a range in /etc/subuid and /etc/subgid, or build "
                             "as root")
    raise NamespaceError(f"no user namespaces here ({reason}); allow them, for example with the "
                         "sysctl user.max_user_namespaces, or build on a host that does")


def map_all_ids(child):
    """Each id that there is here, to itself. A line of a map: the first inside, outside, how many."""
    for name in ("uid_map", "gid_map"):
        with open(f"/proc/self/{name}", encoding="ascii") as f:
            ours = [line.split() for line in f]
        with open(f"/proc/{child.pid}/{name}", "w", encoding="ascii") as f:
            f.write("".join(f"{first} {first} {count}\n" for first, _, count in ours))
    child.stdin.write("\n")
    child.stdin.flush()
