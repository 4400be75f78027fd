"""One child process: a command line in a process group of its own, whose output is read line by line.

When we are killed, Linux ends our children (PR_SET_PDEATHSIG); elsewhere the next start does.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

# Loaded before any fork: between fork and exec a child may do next to nothing.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1
_CHUNK = 65536


@dataclass(frozen=True, slots=True)
class Command:
    """A command line to run. Those of a lower `stage` are ended first.

    `over_at`: an exit code by which it says that there is no use in starting it again.
    """

    name: str
    line: Sequence[str | Path]
    stage: int = 0
    pass_fds: tuple[int, ...] = ()
    over_at: int | None = None


class Child:
    """A running process. `take` gets each line that it prints.

    Its group is ours to signal as long as nobody has called `bury`.
    """

    def __init__(self, command: Command, take: Callable[[str], None]) -> None:
        self.command = command
        self._take = take
        self._unfinished = b""
        parent = os.getpid()

        def die_with_us() -> None:
            if _LIBC is not None:
                _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
                if os.getppid() != parent:
                    os._exit(1)

        self._process = subprocess.Popen(  # noqa: S603 - our own command lines
            [*command.line],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
            pass_fds=command.pass_fds,
            preexec_fn=die_with_us,
        )
        assert self._process.stdout is not None  # noqa: S101 - asked for above
        self.output = self._process.stdout
        os.set_blocking(self.output.fileno(), False)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; below zero the number of the signal that killed it."""
        return self._process.poll()

    def ask_to_end(self) -> None:
        """SIGTERM, to the process alone: it sees to its own children."""
        self._process.terminate()

    def kill(self) -> None:
        """SIGKILL, to all of its group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def read(self) -> bool:
        """Take in what has been printed. False once its output has ended."""
        try:
            printed = os.read(self.output.fileno(), _CHUNK)
        except BlockingIOError:
            return True
        self._take_in(printed)
        return bool(printed)

    def bury(self) -> int:
        """After its death: end what it left behind, take in its last words; the exit code."""
        # Its own children (the API's workers) must be gone before its successor can have their port and locks.
        self.kill()
        code = self._process.wait()
        with contextlib.suppress(BlockingIOError):
            while printed := os.read(self.output.fileno(), _CHUNK):
                self._take_in(printed)
        if self._unfinished:
            self._take_in(b"\n")
        self.output.close()
        return code

    def _take_in(self, printed: bytes) -> None:
        *lines, self._unfinished = (self._unfinished + printed).split(b"\n")
        for line in lines:
            self._take(line.decode("utf-8", "replace").rstrip("\r"))
