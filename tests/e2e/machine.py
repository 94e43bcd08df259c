"""A running `ignition boot` on a pseudo-terminal, driven by what appears on its console."""

import os
import pathlib
import re
import signal
import termios

import pexpect

from hosts import children

# Generous: a shared test machine may stand still for a while. Nothing asserts on time.
TIMEOUT_S = int(os.environ.get("IGNITION_TEST_TIMEOUT", "240"))
PROMPT = r"root@ignition:[^\r\n ]*# "


class Machine:
    def __init__(self, args, log, env=None):
        self.log = log
        self.child = pexpect.spawn(args[0], args[1:], timeout=TIMEOUT_S, encoding="utf-8",
                                   codec_errors="replace", echo=True, dimensions=(50, 400),
                                   env=dict(os.environ, **(env or {})))
        self.child.logfile_read = open(log, "w", encoding="utf-8")
        self.child.delaybeforesend = None
        # The modes before the program can have changed them: the slave side of our own pty.
        self.modes = None
        self.commands = 0

    def expect(self, pattern):
        try:
            self.child.expect(pattern)
        except (pexpect.TIMEOUT, pexpect.EOF) as exc:
            tail = pathlib.Path(self.log).read_text(encoding="utf-8", errors="replace")[-3000:]
            raise AssertionError(
                f"waited for {pattern!r}, got {type(exc).__name__}; console ends:\n{tail}") from None
        return self.child.match

    def shell(self):
        """Wait for the root shell's prompt, and make its line editor leave long lines alone."""
        self.expect(PROMPT)
        self.child.send("stty cols 2000\r")
        self.expect(PROMPT)
        return self

    def login(self):
        """Log in as root at a getty, and have a plain shell."""
        self.expect("login: ")
        self.child.send("root\r")
        self.expect(PROMPT)
        self.child.send("bind 'set enable-bracketed-paste off'\r")
        return self.shell()

    def send(self, text):
        self.child.send(text)

    def run(self, command):
        """Run a command in the guest's shell; returns (exit status, output)."""
        self.commands += 1
        mark = f"=={self.commands}=="
        self.child.send(f"{command}; echo \"{mark[:2]}\"\"{mark[2:]}$?.\"\r")
        match = self.expect(rf"(?s)\r\n(.*?)?{re.escape(mark)}(\d+)\.\r\n")
        output = (match.group(1) or "").replace("\r\n", "\n")
        self.expect(PROMPT)
        return int(match.group(2)), output.strip("\n")

    def ok(self, command):
        status, output = self.run(command)
        assert status == 0, f"{command}: status {status}\n{output}"
        return output

    def wait(self):
        """Wait for the end of the program; returns its exit status, -N for death by signal N."""
        self.child.expect(pexpect.EOF)
        self.child.close()
        if self.child.signalstatus is not None:
            return -self.child.signalstatus
        return self.child.exitstatus

    def text(self):
        self.child.logfile_read.flush()
        return pathlib.Path(self.log).read_text(encoding="utf-8", errors="replace")

    def is_raw(self):
        lflag = termios.tcgetattr(self.child.child_fd)[3]
        return not lflag & (termios.ICANON | termios.ECHO)

    def vmm_pid(self):
        """The one child of the monitor process."""
        return children(self.child.pid)[0]

    def close(self):
        if self.child.isalive():
            try:
                os.kill(self.vmm_pid(), signal.SIGKILL)
            except (OSError, IndexError):
                pass
            self.child.kill(signal.SIGKILL)
        self.child.close(force=True)
        self.child.logfile_read.close()
