"""A film as one HTML page that needs nothing from outside: charts, a slider through time, tables, in two languages.

Without JavaScript it is the last frame with all charts and tables. What people wrote gets into it only escaped: as
text of HTML, or as a string of the JSON that the page's script reads. The policy in its head lets run and load
nothing but the page's own style and script, which it names by their hashes.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from importlib import resources
from typing import Any

from cli.client import Json
from cli.replay import sections
from cli.replay.film import Film, Frame
from cli.replay.picture import clean, when
from cli.replay.words import STATUS, UNBORN, Words, both, reached, status_name, text, value, why
from cli.wording import with_unit


def html(film: Film, *, language: str) -> str:
    """The page; `language` ("en" or "zh") is the one that it begins with."""
    template = resources.files("cli.replay").joinpath("template.html").read_text(encoding="utf-8")
    parts = {
        "POLICY": _policy(template),
        "TITLE": text(film.cycle["name"]),
        "ENGLISH": "checked" if language == "en" else "",
        "CHINESE": "checked" if language == "zh" else "",
        "HEADER": sections.header(film),
        "OBJECTIVES": "\n".join(sections.objective(film, *each) for each in film.objectives),
        "TABLES": sections.tables(film),
        "FOOTER": both(Words("Made from the ledger by okr replay.", "由 okr replay 根据账本生成。")),
        "DATA": in_script(_data(film)),
    }
    # In one pass: what is put in is not looked at again.
    return re.sub(r"<!--([A-Z]+)-->", lambda match: parts[match[1]], template)


def in_script(document: Any) -> str:
    """JSON that can stand in a script element: no text in it can end that, or a line of it."""
    said = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return re.sub("[&<>\u2028\u2029\x7f-\x9f]", lambda match: f"\\u{ord(match[0]):04x}", said)


def _policy(template: str) -> str:
    """Nothing from outside, and of what is inside only the style and the script as they are."""

    def hashed(tag: str) -> str:
        content = template.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
        return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; style-src {hashed('style')}; script-src {hashed('script')};"
        " base-uri 'none'; form-action 'none'"
    )


def _data(film: Film) -> Json:
    """The frames with what happened in them, and of each goal what is shown of it from which frame on."""
    return {
        "frames": [
            {
                "at": when(frame.moment, film.cycle),
                "facts": [_fact(fact, frame) for fact in frame.facts],
                "more": frame.fact_count - len(frame.facts),
            }
            for frame in film.frames
        ],
        "adjusted": film.adjusted,
        "goals": {id: list(_track(film, id)) for id in film.frames[-1].states},
        "words": {name: list(words) for name, words in STATUS.items()},
        "unborn": list(UNBORN),
    }


def _fact(fact: Json, frame: Frame) -> Json:
    about = frame.states.get(fact["subject"]["id"])
    return {
        "en": clean(fact["sentence"]["en"]),
        "zh": clean(fact["sentence"]["zh"]),
        "who": fact["actor"]["id"],
        "about": None if about is None else clean(about["title"]),
        "why": [[clean(words) for words in line] for line in why(fact)],
        "adjusts": fact in frame.adjustments,
    }


def _track(film: Film, id: str) -> Iterator[list[Any]]:
    """[[number of the frame, {share, status, value, target}], …] where what is shown differs."""
    before: Json | None = None
    for frame in film.frames:
        state = frame.states.get(id)
        if state is None:
            continue
        shown = {"share": reached(state), "status": status_name(state)}
        if "objective_id" in state:
            shown |= {"value": clean(value(state)), "target": clean(with_unit(state["target"], state["unit"]))}
        if shown != before:
            yield [frame.number, shown]
        before = shown
