"""What processes print: kept in files that never grow without bound, and judged for the screen."""

from __future__ import annotations

import logging
import re
from collections import deque
from logging.handlers import RotatingFileHandler
from pathlib import Path

MOST_BYTES = 4 * 1024 * 1024
OLDER_FILES = 2

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

_IMPORTANT = re.compile(r"\b(WARNING|ERROR|CRITICAL|FATAL|PANIC)\b")


class LogFile:
    """One process's log: at most OLDER_FILES + 1 files of MOST_BYTES, named `.1`, `.2` from the newer on."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = path
        self._handler = RotatingFileHandler(path, maxBytes=MOST_BYTES, backupCount=OLDER_FILES, encoding="utf-8")
        self._last: deque[str] = deque(maxlen=200)

    def write(self, line: str) -> None:
        self._last.append(line)
        self._handler.emit(logging.makeLogRecord({"msg": line}))

    def last(self, count: int) -> list[str]:
        """The last lines that were written here."""
        return list(self._last)[-count:]

    def close(self) -> None:
        self._handler.close()


def is_important(line: str) -> bool:
    """Whether a person should see the line at once."""
    return _IMPORTANT.search(line) is not None


def configure(level: str) -> None:
    """Log to the standard error, as all our processes do."""
    logging.basicConfig(level=level.upper(), format=FORMAT)
