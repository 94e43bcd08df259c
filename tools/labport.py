"""The host's side of the lab's command ports; tools/lab/agent.c is the other and has the format.

A port is a unix socket that QEMU listens on. Session.run() is one command: arguments and input
in, output and exit status out; with a terminal, this process's own terminal is lent to it.
"""

import os
import select
import signal
import socket
import struct
import termios
import tty

END, ESC = 0xC0, 0xDB
WINDOW = 256 * 1024  # input bytes on the way; the agent's buffer
CHUNK = 16 * 1024


class LabGone(Exception):
    """The lab closed the connection: it crashed, or somebody stopped it."""


def encode(session, kind, payload=b""):
    body = session + kind + payload
    return body.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"


def decode(body):
    return body.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")


class Session:
    """One command on a port that nobody else uses."""

    def __init__(self, path):
        self.id = os.urandom(8)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.setblocking(False)
        self.received = b""
        self.window = WINDOW
        self.sending = b""

    def close(self):
        self.socket.close()

    def run(self, argv, source=None, sink=None, errors=None, terminal=False):
        """Run argv. source: file descriptor of its input, None for none; sink and errors are
        called with bytes. Returns the exit status, 128 + N after signal N."""
        rows, cols = _terminal_size() if terminal else (0, 0)
        start = struct.pack("<BHH", terminal, rows, cols)
        start += b"".join(os.fsencode(a) + b"\0" for a in argv)
        # The first END closes whatever half a frame an earlier client left behind.
        self.sending = b"\xc0" + encode(self.id, b"S", start)
        if source is None:
            self.sending += encode(self.id, b"E")
        resized, unwatch = _watch_size() if terminal else (None, None)
        try:
            return self._pump(source, sink, errors, resized)
        except BaseException:
            self._kill()
            raise
        finally:
            if unwatch:
                unwatch()

    def _kill(self):
        """End the command. A client that cannot do this, because it was killed, leaves it to the
        next session on the port."""
        try:
            self.socket.setblocking(True)
            self.socket.sendall(self.sending + encode(self.id, b"K"))
        except OSError:
            pass

    def _pump(self, source, sink, errors, resized):
        while True:
            readers = [self.socket]
            if source is not None and self.window >= CHUNK:
                readers.append(source)
            if resized is not None:
                readers.append(resized)
            ready, writable, _ = select.select(readers, [self.socket] if self.sending else [], [])
            if writable:
                try:
                    self.sending = self.sending[self.socket.send(self.sending):]
                except (BrokenPipeError, ConnectionResetError):
                    raise LabGone from None
            if source in ready:
                data = os.read(source, CHUNK)
                self.window -= len(data)
                self.sending += encode(self.id, b"I", data) if data else encode(self.id, b"E")
                if not data:
                    source = None
            if resized is not None and resized in ready:
                os.read(resized, 1024)
                self.sending += encode(self.id, b"W", struct.pack("<HH", *_terminal_size()))
            if self.socket in ready:
                for kind, payload in self._receive():
                    if kind == b"X":
                        return struct.unpack("<i", payload)[0]
                    if kind == b"A":
                        self.window += struct.unpack("<I", payload)[0]
                    elif kind == b"O" and sink:
                        sink(payload)
                    elif kind == b"R" and errors:
                        errors(payload)

    def _receive(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            raise LabGone
        *frames, self.received = (self.received + data).split(b"\xc0")
        for frame in map(decode, frames):
            if frame[:8] == self.id:
                yield frame[8:9], frame[9:]


def run_on_terminal(session, argv):
    """The user's own terminal becomes the command's."""
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        return session.run(argv, source=0, sink=_to(1), terminal=True)
    finally:
        termios.tcsetattr(0, termios.TCSAFLUSH, before)


def run_on_pipes(session, argv):
    """Standard input, output and errors of this process are the command's."""
    return session.run(argv, source=0, sink=_to(1), errors=_to(2))


def _to(fd):
    def write(data):
        while data:
            data = data[os.write(fd, data):]
    return write


def _terminal_size():
    try:
        size = os.get_terminal_size(0)
    except OSError:
        return 24, 80
    return size.lines, size.columns


def _watch_size():
    """A descriptor that becomes readable when the terminal's size changes, and its end."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    old_fd = signal.set_wakeup_fd(writer)
    old = signal.signal(signal.SIGWINCH, lambda *_: None)

    def unwatch():
        signal.signal(signal.SIGWINCH, old)
        signal.set_wakeup_fd(old_fd)
        os.close(reader)
        os.close(writer)
    return reader, unwatch
