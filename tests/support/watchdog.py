"""Servers that end with the test run even when the run is killed and no fixture is torn down."""

import shutil
import signal
import subprocess
from pathlib import Path

_WATCH = 'read _; kill -"$1" "$2"; sleep 1; rm -rf "$3"'


class Watchdog:
    """Signals `pid` and removes `directory` as soon as this process is gone, however it went.

    The shell waits at a pipe whose other end closes with us. Call `dismiss()` once the server is stopped.
    """

    def __init__(self, pid: int, number: signal.Signals, directory: Path) -> None:
        shell = shutil.which("sh") or "/bin/sh"
        self._shell = subprocess.Popen(
            [shell, "-c", _WATCH, "sh", str(int(number)), str(pid), str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def dismiss(self) -> None:
        """Ends the watch and leaves server and directory alone."""
        self._shell.kill()
        self._shell.communicate()
