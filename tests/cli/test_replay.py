"""`okr replay`: the film, the terminal, the page. On a real ledger whose people write what they like."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
from psycopg.rows import dict_row

from api.settings import ApiSettings
from cli.replay import chart, page, picture
from cli.replay.chart import Point, Scale
from cli.replay.film import Film, developed
from cli.replay.player import SPEEDS, Player
from domain.key_result import KeyResultCheckedIn, ProgressRecorded, TargetAdjusted
from domain.stream import Text
from ledger.datastore import become
from ledger.tokens import Role, create_token
from projections import replay
from projections.moment import resolve
from projections.replay import Asked
from projections.runner import catch_up
from projections.stops import step_of
from tests.api.live import live_server
from tests.cli.command import OKR, ROOT, environment, okr
from tests.projections.goals import CYCLE, KEY_RESULT, committed
from tests.projections.teller import Teller
from tests.support.postgres_server import TestPostgres

HOSTILE = "</script><img src=x onerror=alert(1)><!--DATA--> \"'`&amp;\u2028\u202e$0 {{x}}"
REASON = "</td><svg/onload=alert(2)>]]>\u2029\ttwo\nlines"
WORDS = "--><script>alert(3)</script>"
Json = dict[str, Any]


def told(url: str, *, title: str = "新增收入 Revenue", erase: bool = False) -> Json:
    """A replay by day: committed, halfway after two days, then promised less."""
    teller = Teller(url)
    committed(teller, title=title, unit="EUR")
    teller.after(days=2).tell(KEY_RESULT, ProgressRecorded(value=Decimal(48), effective_at=teller.now))
    teller.tell(KEY_RESULT, KeyResultCheckedIn(progress=Text(WORDS), confidence=3))
    teller.after(days=3).tell(KEY_RESULT, TargetAdjusted(from_=Decimal(100), to=Decimal(60)), reason=REASON)
    teller.record()
    with psycopg.connect(url, row_factory=dict_row) as connection:
        become(connection)
        catch_up(connection)
        if erase:
            connection.execute("RESET ROLE")
            connection.execute("DELETE FROM people.texts")
        moment = resolve(connection, now=teller.now + timedelta(hours=1))
        found = replay.of_cycle(connection, CYCLE, Asked(step_of("P1D"), 1_000), moment)
    read: Json = orjson.loads(orjson.dumps(found))
    return read


@pytest.fixture(scope="module")
def replayed(postgres: TestPostgres, migrated_template: str) -> Iterator[Json]:
    url = postgres.new_database(template=migrated_template)
    with psycopg.connect(url) as connection:
        connection.execute(f'GRANT CREATE ON DATABASE "{connection.info.dbname}" TO okr_app')
    yield told(url)
    postgres.drop_database(url)


@pytest.fixture
def film(replayed: Json) -> Film:
    return developed(replayed)


class Reader(HTMLParser):
    """What a browser would make of a page: its elements with attributes, and the text in each."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.inside: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "input", "br", "path"):
            self.inside.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.inside.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.texts.append((self.inside[-1] if self.inside else "", data))

    def text_in(self, tag: str) -> list[str]:
        return [text for inside, text in self.texts if inside == tag]


# The page


def test_what_people_write_stays_text(migrated_url: str) -> None:
    source = page.html(developed(told(migrated_url, title=HOSTILE)), language="en")
    reader = Reader(source)
    assert reader.inside == []
    tags = [tag for tag, _ in reader.elements]
    assert "img" not in tags
    assert tags.count("script") == 2
    assert tags.count("svg") == 5, "one chart, four in the key to it"
    assert not [name for _, attributes in reader.elements for name in attributes if name.startswith("on")]
    shown = HOSTILE.replace("\u2028", " ").replace("\u202e", " ")
    assert reader.text_in("h3") == [shown]
    assert REASON.replace("\u2029\t", "  ").replace("\n", " ") in "".join(text for _, text in reader.texts)
    data, _ = (text for inside, text in reader.texts if inside == "script")
    assert not set(data) & set("<>&\u2028\u2029")
    facts = [fact for frame in json.loads(data)["frames"] for fact in frame["facts"]]
    assert {fact["about"] for fact in facts if fact["about"]} >= {shown}


def test_nothing_comes_from_outside(film: Film) -> None:
    source = page.html(film, language="en")
    reader = Reader(source)
    (policy,) = (each["content"] for tag, each in reader.elements if tag == "meta" and "http-equiv" in each)
    assert policy is not None
    (style,) = reader.text_in("style")
    _, script = reader.text_in("script")
    named = {f"sha256-{b64encode(sha256(code.encode()).digest()).decode()}" for code in (style, script)}
    assert set(re.findall(r"'(sha256-[^']+)'", policy)) == named
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert set(rules) == {"default-src", "style-src", "script-src", "base-uri", "form-action"}
    for _, attributes in reader.elements:
        assert not {"src", "href", "style", "srcset", "action", "data", "xlink:href"} & set(attributes)
    assert "url(" not in style
    assert "@import" not in style
    assert "http:" not in source
    assert "https:" not in source


def test_it_can_be_read_without_a_script(film: Film) -> None:
    reader = Reader(page.html(film, language="zh"))
    cells = "|".join(reader.text_in("td"))
    assert "新增收入 Revenue|anna|2026-09-30|100 EUR|60 EUR|48 EUR|80 %|" in cells
    assert all("hidden" in attributes for tag, attributes in reader.elements if tag == "aside")
    chosen = [each["id"] for tag, each in reader.elements if tag == "input" and "checked" in each]
    assert chosen == ["in-chinese"]
    said = "|".join(text for _, text in reader.texts)
    for words in ("Target 100 → 60", "目标值 100 → 60", "other: ", "其他：", "changed promise"):
        assert words in said


def test_erased_words_are_named_as_such(migrated_url: str) -> None:
    reader = Reader(page.html(developed(told(migrated_url, erase=True)), language="en"))
    said = "|".join(text for _, text in reader.texts)
    assert "other: erased" in said
    assert "其他：已删除" in said
    assert "progress: erased" in said


def test_a_chart_keeps_each_value_until_the_next() -> None:
    points = [Point(None, None, None), *[Point(Decimal(0), Decimal(100), Decimal(100))] * 2]
    points += [Point(Decimal(48), Decimal(60), Decimal(100))]
    scaled = chart.scale(points, Decimal(0))
    assert scaled == Scale(Decimal(0), Decimal(100))
    assert chart.steps([each.value for each in points], scaled) == "M1 100.00H3V52.00H3"
    assert chart.steps([each.target for each in points], scaled) == "M1 0.00H3V40.00H3"
    assert chart.steps([each.original for each in points], scaled) == "M1 0.00H3"
    assert chart.steps([Decimal(1), None, None, Decimal(1)], scaled) == "M0 99.00H1M3 99.00H3"
    assert chart.scale([], None) == Scale(Decimal(0), Decimal(1))


# The film and the terminal


def test_a_film_knows_every_state_of_every_frame(film: Film) -> None:
    states = [frame.states.get(str(KEY_RESULT)) for frame in film.frames]
    shown = [None if state is None else (state["value"], state["target"]) for state in states]
    assert shown == [(None, "100")] * 2 + [("48", "100")] * 3 + [("48", "60")] * 2
    assert film.adjusted == [5]
    assert str(KEY_RESULT) in film.frames[5].changed


def test_keys_move_through_the_film(film: Film) -> None:
    player = Player(film)
    assert (player.status, player.pause_s) == ("▶ 1/s", 1 / SPEEDS[1])
    player.tick()
    assert (player.index, player.is_playing) == (1, True)
    for key, index in (("\x1b[C", 2), ("\x1b[D", 1), ("a", 5), ("a", 6), ("A", 5), ("A", 0), ("G", 6), ("g", 0)):
        player.press(key)
        assert (player.index, player.is_playing) == (index, False), key
    assert player.status == "⏸ 1/s"
    player.press("+")
    assert player.status == "⏸ 2/s"
    for _ in range(9):
        player.press("-")
    assert player.speed == 0
    player.press("G")
    player.press(" ")
    assert (player.index, player.is_playing) == (0, True), "from the end it begins anew"
    player.press(" ")
    assert not player.is_playing
    player.press("z")
    assert not player.is_over
    player.press("\x03")
    assert player.is_over


def test_a_picture_fits_the_screen(migrated_url: str) -> None:
    film = developed(told(migrated_url, title="收入" * 60 + "\x1b[2J\u202e"))
    for frame, (width, height) in product(film.frames, [(80, 24), (30, 12), (9, 5)]):
        lines = picture.picture(film, frame.number, width, height, "▶ 1/s")
        assert len(lines) == height
        for line in lines:
            bare = re.sub(r"\x1b\[[0-9]*m", "", line)
            assert picture.cells(bare) <= width
            assert "\x1b" not in bare
            assert "\u202e" not in bare


_PLAY = """
import json, sys
from cli.replay import film, player
player.play(film.developed(json.load(open(sys.argv[1]))))
"""


@contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    """Our end of a terminal, and the end of who runs in it."""
    ours, theirs = pty.openpty()
    try:
        yield ours, theirs
    finally:
        os.close(ours)
        os.close(theirs)


def read_until(ours: int, wanted: bytes, seen: bytes = b"") -> bytes:
    give_up_at = time.monotonic() + 60
    while wanted not in seen:
        assert time.monotonic() < give_up_at, seen
        if select.select([ours], [], [], 0.1)[0]:
            seen += os.read(ours, 65_536)
    return seen


@pytest.mark.parametrize("end", [b"q", b"\x03", signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_terminal_is_left_as_it_was(replayed: Json, tmp_path: Path, end: bytes | signal.Signals) -> None:
    path = tmp_path / "replay.json"
    path.write_bytes(orjson.dumps(replayed))
    with terminal() as (ours, theirs):
        before = termios.tcgetattr(theirs)
        command = [sys.executable, "-c", _PLAY, str(path)]
        process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT)
        seen = read_until(ours, b"2026-07-01")
        assert b"\x1b[?1049h" in seen
        assert termios.tcgetattr(theirs) != before
        if isinstance(end, bytes):
            os.write(ours, b"a")
            read_until(ours, b"6 of 7")
            os.write(ours, end)
        else:
            process.send_signal(end)
        read_until(ours, b"\x1b[?1049l")
        assert process.wait(30) == (0 if isinstance(end, bytes) else 128 + end)
        assert termios.tcgetattr(theirs) == before


def test_the_command(migrated_url: str, tmp_path: Path) -> None:
    """Prints where there is no terminal; writes JSON and a page; plays on a terminal."""
    told(migrated_url)
    with psycopg.connect(migrated_url, autocommit=True) as connection:
        token, _ = create_token(connection, "anna", Role.VIEWER)
    with live_server(ApiSettings(migrated_url), workers=1) as server:
        here = {"url": server.url, "token": token}
        printed = okr("replay", "2026 Q3", "--step", "adjustments", **here)
        assert printed.returncode == 0, printed.stderr
        assert "── 2026-07-06 16:00:00" in printed.stdout
        assert "Target 100 → 60 · 新增收入 Revenue · anna · other: " in printed.stdout
        found = json.loads(okr("replay", "--step", "facts", "--json", **here).stdout)
        assert [frame["number"] for frame in found["frames"]] == list(range(5))
        written = okr("replay", "--objective", "Chips", "--html", str(tmp_path / "out.html"), **here)
        assert "open it in a browser" in written.stdout
        assert (tmp_path / "out.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
        wrong = okr("replay", "--step", "P9D", **here)
        assert (wrong.returncode, "P1D to P7D" in wrong.stderr) == (1, True)
        both = okr("replay", "2026 Q3", "--objective", "Chips", **here)
        assert (both.returncode, "not both" in both.stderr) == (2, True)
        nowhere = okr("replay", "--html", str(tmp_path / "no" / "out.html"), **here)
        assert (nowhere.returncode, "cannot write" in nowhere.stderr) == (1, True)
        with terminal() as (ours, theirs):
            command = [str(OKR), "replay", "--step", "adjustments"]
            process = subprocess.Popen(
                command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, env=environment(**here)
            )
            read_until(ours, b"q quit")
            os.write(ours, b"q")
            read_until(ours, b"\x1b[?1049l")
            assert process.wait(30) == 0
