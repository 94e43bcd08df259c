"""Every way out: the exit status, the terminal, and nothing left behind."""

import contextlib
import os
import select
import signal

import pytest

from hosts import MAC, children


def _gone(pid):
    """The process has ended (a zombie of somebody else counts as ended)."""
    if MAC:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def _wait_gone(pid):
    if _gone(pid):
        return
    if MAC:
        event = select.kevent(pid, filter=select.KQ_FILTER_PROC, flags=select.KQ_EV_ADD, fflags=select.KQ_NOTE_EXIT)
        with contextlib.closing(select.kqueue()) as events, contextlib.suppress(ProcessLookupError):
            assert events.control([event], 1, 60), f"process {pid} is still there"
        return
    fd = os.pidfd_open(pid)
    assert select.select([fd], [], [], 60)[0], f"process {pid} is still there"
    os.close(fd)


@pytest.mark.lab
def test_no_reboot_ends_at_a_reset(start):
    m = start("--no-reboot").shell()
    m.send("reboot -f\r")
    assert m.wait() == 0


def test_panic_with_minus_1_resets(start):
    m = start("--no-reboot", "--append", "panic=-1").shell()
    m.send("echo c > /proc/sysrq-trigger\r")
    m.expect("Kernel panic")
    assert m.wait() == 0


def test_panic_restarts_the_machine_in_place(start):
    m = start("--append", "panic=-1").shell()
    m.send("echo c > /proc/sysrq-trigger\r")
    m.expect("Kernel panic")
    m.shell()


def test_console_keys(start):
    m = start().shell()
    m.send("\x01?")
    m.expect("Ctrl-A x")
    m.send("cat -v\r")
    m.send("\x01a\r")  # a literal Ctrl-A
    m.expect(r"\^A")
    m.send("\x01x")
    _finish(m)
    assert m.child.exitstatus == 0


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_machine_and_is_seen_by_the_parent(start, sig):
    m = start()
    m.expect("Linux version")
    vmm = m.vmm_pid()
    assert m.is_raw()
    os.kill(m.child.pid, sig)
    _finish(m)
    assert m.child.signalstatus == sig
    _wait_gone(vmm)


def test_a_signal_that_is_ignored_stays_ignored(start):
    m = start(within=("sh", "-c", 'trap "" HUP INT; exec "$@"', "sh")).shell()
    for sig in (signal.SIGHUP, signal.SIGINT):
        os.kill(m.child.pid, sig)
        assert m.ok("echo still here") == "still here"
    os.kill(m.child.pid, signal.SIGTERM)
    _finish(m)
    assert m.child.signalstatus == signal.SIGTERM


def test_a_stopped_machine_gives_the_terminal_back(start):
    # A shell with job control that leaves the modes of the terminal alone.
    m = start(within=("sh", "-mc", '"$@"; echo "sto""pped"; read -r line; fg', "sh")).shell()
    (monitor,) = children(m.child.pid)
    assert m.is_raw()
    os.kill(monitor, signal.SIGTSTP)
    m.expect("stopped")
    assert not m.is_raw()
    m.send("\r")
    m.send("echo here-$((1 + 1))\r")
    m.expect("here-2")
    assert m.is_raw()
    m.send("poweroff -f\r")
    _finish(m)


def test_sigterm_to_the_vmm_ends_in_good_order(start):
    m = start()
    m.expect("Linux version")
    os.kill(m.vmm_pid(), signal.SIGTERM)
    _finish(m)
    assert m.child.exitstatus == 0


def test_killed_vmm_leaves_a_working_terminal(start):
    m = start()
    m.expect("Linux version")
    os.kill(m.vmm_pid(), signal.SIGKILL)
    m.expect("killed by signal 9")
    _finish(m)
    assert m.child.exitstatus == 1


def test_killed_monitor_leaves_a_working_terminal(start):
    # Under a shell, as everywhere: with a session's leader its terminal goes, and every last word.
    m = start(under_shell=True)
    m.expect("Linux version")
    (monitor,) = children(m.child.pid)
    (vmm,) = children(monitor)
    assert m.is_raw()
    os.kill(monitor, signal.SIGKILL)
    m.expect("the monitor process is gone")
    _wait_gone(vmm)
    assert not m.is_raw()


def _finish(m):
    """Read to the end, look at the terminal's modes while the pty is open, then collect."""
    import pexpect

    m.child.expect(pexpect.EOF)
    assert not m.is_raw(), "the terminal was left in raw mode"
    m.child.close()
