"""Plays a film on a terminal, with the standard library only, and leaves the terminal as it was."""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

from cli.replay.film import Film
from cli.replay.picture import picture

SPEEDS = (0.5, 1, 2, 4, 8, 16)
"""Frames a second."""

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _REST_OF_LINE = "\x1b[H", "\x1b[K"
_KEYS = {
    "\x1b[C": "forward", "\x1bOC": "forward", "l": "forward",
    "\x1b[D": "back", "\x1bOD": "back", "h": "back",
    "a": "next adjustment", "A": "adjustment before",
    "+": "faster", "=": "faster", "-": "slower",
    " ": "pause",
    "g": "first", "\x1b[H": "first", "G": "last", "\x1b[F": "last",
    "q": "quit", "Q": "quit", "\x03": "quit", "\x04": "quit",
}  # fmt: skip


class Player:
    """Where one is in a film, and how it goes on: what keys do, without a terminal."""

    def __init__(self, film: Film) -> None:
        self.film = film
        self.index = 0
        self.speed = 1
        self.is_playing = len(film.frames) > 1
        self.is_over = False

    @property
    def pause_s(self) -> float | None:
        """How long this frame stands; None until a key is pressed."""
        return 1 / SPEEDS[self.speed] if self.is_playing else None

    @property
    def status(self) -> str:
        return f"{'▶' if self.is_playing else '⏸'} {SPEEDS[self.speed]:g}/s"

    def tick(self) -> None:
        """Time has passed: the next frame, and a stop at the last."""
        self._go(self.index + 1)
        self.is_playing = self.index < self._last

    def press(self, key: str) -> None:
        match _KEYS.get(key):
            case "forward":
                self._step(self.index + 1)
            case "back":
                self._step(self.index - 1)
            case "next adjustment":
                self._step(next((each for each in self.film.adjusted if each > self.index), self._last))
            case "adjustment before":
                self._step(next((each for each in reversed(self.film.adjusted) if each < self.index), 0))
            case "first":
                self._step(0)
            case "last":
                self._step(self._last)
            case "faster":
                self.speed = min(self.speed + 1, len(SPEEDS) - 1)
            case "slower":
                self.speed = max(self.speed - 1, 0)
            case "pause":
                if self.index == self._last and not self.is_playing:
                    self.index = 0
                self.is_playing = not self.is_playing and self._last > 0
            case "quit":
                self.is_over = True

    @property
    def _last(self) -> int:
        return len(self.film.frames) - 1

    def _step(self, index: int) -> None:
        self.is_playing = False
        self._go(index)

    def _go(self, index: int) -> None:
        self.index = min(max(index, 0), self._last)


def play(film: Film, keyboard: TextIO = sys.stdin, screen: TextIO = sys.stdout) -> None:
    """Play until somebody quits."""
    player = Player(film)
    with _terminal(keyboard, screen):
        while not player.is_over:
            _draw(player, screen)
            key = _key(keyboard.fileno(), player.pause_s)
            if key is None:
                player.tick()
            else:
                player.press(key)


def _draw(player: Player, screen: TextIO) -> None:
    size = shutil.get_terminal_size()
    lines = picture(player.film, player.index, size.columns, size.lines, player.status)
    screen.write(_HOME + "\r\n".join(line + _REST_OF_LINE for line in lines))
    screen.flush()


def _key(descriptor: int, timeout_s: float | None) -> str | None:
    """The key that is pressed within this time, None where none is. A keyboard that is gone quits."""
    if not select.select([descriptor], [], [], timeout_s)[0]:
        return None
    typed = os.read(descriptor, 8)
    if not typed:
        return "q"
    text = typed.decode(errors="replace")
    return text if text.startswith("\x1b") else text[0]


@contextmanager
def _terminal(keyboard: TextIO, screen: TextIO) -> Iterator[None]:
    """A screen of our own and keys as they are pressed, until the block ends, however it ends."""
    descriptor = keyboard.fileno()
    before = termios.tcgetattr(descriptor)
    ours = termios.tcgetattr(descriptor)
    # Ctrl-C and Ctrl-Z come as keys: a player that is suspended would leave its screen behind.
    ours[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG)
    handlers = {each: signal.signal(each, _end) for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    try:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, ours)
        screen.write(_ENTER)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        try:
            screen.write(_LEAVE)
            screen.flush()
        finally:
            for each, handler in handlers.items():
                signal.signal(each, handler)


def _end(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)
