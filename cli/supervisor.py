"""Keeps a handful of processes running, shows what is important of what they print, and ends them in order.

One thread, one loop: `step` waits for output, deaths and signals, and starts again what died. Children sit in the
supervisor's session, each in a process group of its own, so that a Ctrl-C at the terminal reaches the supervisor
alone.
"""

from __future__ import annotations

import selectors
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cli.child import Child, Command
from cli.log_files import LogFile, is_important

ENOUGH_FAILURES = 5
"""So many exits with an error within FAILURE_WINDOW end everything."""
FAILURE_WINDOW = 60.0
ENOUGH_ENDS = 16
"""More ends without an error than the longest wait lets fall within FAILURE_WINDOW."""
FIRST_WAIT = 0.25
LONGEST_WAIT = 15.0
WAIT_AFTER_A_KILL = 0.25
TIME_TO_STOP = 3.0
"""How long the children of a stage may take to end before they are killed."""
SHOWN_LINES = 15

Say = Callable[[str, str], None]
"""Shows a line of a child (its name, the line) to the person at the terminal."""


class GaveUp(Exception):
    """A child failed again and again. The text names it and shows its last lines."""


@dataclass(slots=True)
class _Kept:
    """A command that is to run, and how it fares."""

    command: Command
    log: LogFile
    child: Child | None = None
    start_at: float | None = None
    failed_at: deque[float] = field(default_factory=lambda: deque(maxlen=ENOUGH_FAILURES))
    finished_at: deque[float] = field(default_factory=lambda: deque(maxlen=ENOUGH_ENDS))

    def wait_after(self, code: int, now: float) -> float:
        """How long to wait before the next start, after an end with that exit code. Raises GaveUp."""
        if code < 0:
            return WAIT_AFTER_A_KILL
        ends = self.failed_at if code else self.finished_at
        ends.append(now)
        recent = sum(now - moment < FAILURE_WINDOW for moment in ends)
        if code and recent >= ENOUGH_FAILURES:
            lines = "\n".join(f"  {line}" for line in self.log.last(SHOWN_LINES))
            raise GaveUp(
                f"{self.command.name} ended with an error {recent} times within a minute (exit code {code}). "
                f"Its last lines, more of them in {self.log.path}:\n{lines}"
            )
        return float(min(LONGEST_WAIT, FIRST_WAIT * 2 ** (recent - 1)))


class Supervisor:
    """Use it in the main thread, inside `with supervisor.signals():`.

    What the children print goes to `<log_dir>/<name>.log`, important lines also to `say`.
    """

    def __init__(self, log_dir: Path, say: Say) -> None:
        self._log_dir = log_dir
        self._say = say
        self._kept: dict[str, _Kept] = {}
        self._selector = selectors.DefaultSelector()
        self._signals = 0

    @property
    def is_asked_to_stop(self) -> bool:
        """Whether SIGINT, SIGTERM or SIGHUP has come."""
        return self._signals > 0

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of the children that run, by name."""
        return {name: kept.child.pid for name, kept in self._kept.items() if kept.child is not None}

    @contextmanager
    def signals(self) -> Iterator[None]:
        """SIGINT, SIGTERM and SIGHUP ask to stop; they and the death of a child wake `step`."""

        def count(*_: object) -> None:
            self._signals += 1

        ear, mouth = socket.socketpair()
        ear.setblocking(False)
        mouth.setblocking(False)
        asking = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup means it
            asking.append(signal.SIGHUP)
        before = {number: signal.signal(number, count) for number in asking}
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(mouth.fileno(), warn_on_full_buffer=False)
        self._selector.register(ear, selectors.EVENT_READ, lambda: ear.recv(4096))
        try:
            yield
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._selector.unregister(ear)
            ear.close()
            mouth.close()

    def keep(self, command: Command) -> None:
        """Run a command, and run it again whenever it ends."""
        self._kept[command.name] = kept = self._known(command)
        self._start(kept)

    def restart(self, name: str) -> None:
        """End a command in order and start it again at once."""
        kept = self._kept[name]
        self._end([kept])
        self._start(kept)

    def run_once(self, command: Command) -> int:
        """Run a command to its end while the others are kept; its exit code. Asked to stop, it is ended early."""
        kept = self._known(command)
        child = self._start(kept)
        while child.exit_code is None and not self.is_asked_to_stop:
            self.step(0.2)
        code = self._end([kept])[0]
        kept.log.close()
        return code

    def step(self, timeout: float) -> None:
        """Wait so many seconds at most for something to happen, and see to it. Raises GaveUp."""
        now = time.monotonic()
        self._listen(max(0.0, min([timeout, *(k.start_at - now for k in self._kept.values() if k.start_at)])))
        for kept in self._kept.values():
            if kept.child is not None and kept.child.exit_code is not None:
                self._mourn(kept, self._bury(kept))
            if kept.start_at is not None and kept.start_at <= time.monotonic() and not self.is_asked_to_stop:
                self._start(kept)

    def stop(self) -> None:
        """End all, stage by stage: asked first, killed when it takes too long or at the second signal."""
        for stage in sorted({kept.command.stage for kept in self._kept.values()}):
            self._end([kept for kept in self._kept.values() if kept.command.stage == stage])
        for kept in self._kept.values():
            kept.log.close()
        self._kept.clear()

    def _known(self, command: Command) -> _Kept:
        return _Kept(command, LogFile(self._log_dir / f"{command.name}.log"))

    def _start(self, kept: _Kept) -> Child:
        def take(line: str) -> None:
            kept.log.write(line)
            if is_important(line):
                self._say(kept.command.name, line)

        child = Child(kept.command, take)
        kept.child, kept.start_at = child, None
        self._selector.register(child.output, selectors.EVENT_READ, lambda: self._read(child))
        return child

    def _read(self, child: Child) -> None:
        if not child.read():  # it has closed its output: listening on would keep the loop busy
            self._selector.unregister(child.output)

    def _listen(self, timeout: float) -> None:
        for key, _ in self._selector.select(timeout):
            key.data()

    def _mourn(self, kept: _Kept, code: int) -> None:
        if self.is_asked_to_stop:
            return
        if code == kept.command.over_at:
            self._say(kept.command.name, f"ended for good: {' '.join(kept.log.last(1))}")
            return
        now = time.monotonic()
        wait = kept.wait_after(code, now)
        how = f"ended with exit code {code}" if code >= 0 else f"was killed by {signal.Signals(-code).name}"
        self._say(kept.command.name, f"{how}; starts again in {wait:g} s")
        kept.start_at = now + wait

    def _bury(self, kept: _Kept) -> int:
        child = kept.child
        assert child is not None  # noqa: S101 - asked by who knows
        if child.output in self._selector.get_map():
            self._selector.unregister(child.output)
        kept.child = None
        return child.bury()

    def _end(self, group: list[_Kept]) -> list[int]:
        children = [kept.child for kept in group if kept.child is not None]
        for child in children:
            child.ask_to_end()
        deadline = time.monotonic() + TIME_TO_STOP
        while any(child.exit_code is None for child in children):
            if time.monotonic() > deadline or self._signals > 1:
                for child in children:
                    child.kill()
            self._listen(0.05)
        for kept in group:
            kept.start_at = None
        return [self._bury(kept) for kept in group if kept.child is not None]
