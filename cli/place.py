"""One `okr up` for each data directory, and the port that is its own before anything starts.

Two locks. The supervisor's own ends with its process. The children's is inherited by them, so it is free only
when the last of them is gone: a start after a killed supervisor waits for it.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from cli.output import Failure
from cli.settings import Settings

PATIENCE = 8.0


class Place:
    """A data directory that is ours from `take` to `leave`.

    `patience`: seconds that the children of a killed supervisor may take to end before they are killed.
    """

    def __init__(self, settings: Settings, *, patience: float = PATIENCE) -> None:
        self._settings = settings
        self._patience = patience
        self._pid_file = settings.run_dir / "up.pid"
        self._children_file = settings.run_dir / "children"
        self._noted: Mapping[str, int] = {}
        self._own: IO[str] | None = None
        self._children: IO[str] | None = None

    @property
    def inherited(self) -> tuple[int, ...]:
        """What every child must inherit: the lock that says that it lives."""
        return () if self._children is None else (self._children.fileno(),)

    def take(self) -> None:
        """Make the directory and take it. Failure when that cannot be done or another `okr up` has it."""
        run_dir = self._settings.run_dir
        try:
            self._settings.data_dir.mkdir(parents=True, exist_ok=True)
            run_dir.mkdir(mode=0o700, exist_ok=True)
            own = (run_dir / "up.lock").open("a")
            self._children = (run_dir / "children.lock").open("a")
        except OSError as error:
            raise Failure(
                f"cannot write in {self._settings.data_dir} ({error.strerror}): set OKR_DATA_DIR to another directory."
            ) from None
        try:
            fcntl.lockf(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            own.close()
            raise Failure(
                f"`okr up` runs already on {self._settings.data_dir} (process {_said(self._pid_file)}):"
                " stop that one, or set OKR_DATA_DIR to another directory."
            ) from None
        self._own = own
        self._wait_for_children()
        self._pid_file.write_text(f"{os.getpid()}\n")

    def note(self, pids: Mapping[str, int]) -> None:
        """Keep who our children are, for a start after we were killed."""
        if pids != self._noted:
            self._noted = dict(pids)
            self._children_file.write_text("".join(f"{pid} {name}\n" for name, pid in pids.items()))

    def leave(self) -> None:
        """Give the directory free, where it is ours."""
        if self._children is not None:
            self._children.close()
        if self._own is not None:
            self._pid_file.unlink(missing_ok=True)
            self._children_file.unlink(missing_ok=True)
            self._own.close()
        self._own = self._children = None

    def _wait_for_children(self) -> None:
        assert self._children is not None  # noqa: S101 - taken above
        began = time.monotonic()
        while True:
            try:
                fcntl.flock(self._children, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                waited = time.monotonic() - began
            if waited > self._patience + 2:
                raise Failure(
                    "processes of an earlier `okr up` do not end:"
                    f" {_said(self._children_file)}. Kill them and start again."
                ) from None
            self._end_left_behind(signal.SIGKILL if waited > self._patience else signal.SIGTERM)
            time.sleep(0.1)

    def _end_left_behind(self, number: signal.Signals) -> None:
        """Signal those of the noted processes that are still commands of ours: a number may have gone to another."""
        for line in _said(self._children_file).splitlines():
            pid, name = line.split(" ", 1)
            shown = subprocess.run(["ps", "-ww", "-o", "args=", "-p", pid], capture_output=True, text=True, check=False)  # noqa: S603, S607
            if shown.stdout.rstrip().endswith(f"okr {name}") or f"okr {name} " in shown.stdout:
                try:
                    os.killpg(int(pid), number)
                except (ProcessLookupError, PermissionError):
                    continue


def _said(file: Path) -> str:
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        return ""


def listening_socket(settings: Settings) -> socket.socket:
    """A socket on the API's host and port. Failure when another program has it, or the host is not ours."""
    host, port = settings.host, settings.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(1024)
        except BaseException:
            listening.close()
            raise
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Failure(f"cannot listen on {host}:{port} ({reason}): set OKR_PORT to a free port.") from None
    return listening
