"""What a person means by a short word: an id or the beginning or end of one, a name, or a part of a title."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TypeVar

from cli.client import Api, Json
from cli.output import Failure

T = TypeVar("T")

SHORT = 8
"""How many characters of an id are shown: the last ones, which differ even where ids are made together."""

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_PART_OF_ID = re.compile(r"[0-9a-f-]{4,35}", re.IGNORECASE)


def short(id: str) -> str:
    """The end of an id, by which it can be named again."""
    return id[-SHORT:]


def cycle(api: Api, word: str | None) -> Json:
    """The cycle that is meant; without a word the one that runs, else the newest."""
    cycles = list(api.items("/cycles"))
    if word is not None:
        return _the_one(word, cycles, lambda each: str(each["name"]), "cycle", "okr tree")
    if not cycles:
        raise Failure("there is no cycle yet: POST /v1/cycles opens one, and `okr demo` loads a demonstration.")
    running = [each for each in cycles if each["state"] == "running"]
    return (running or cycles)[-1]


def goal(api: Api, word: str) -> tuple[str, Json]:
    """The key result or objective that is meant: its collection ("key-results", "objectives") and what it is now."""
    if _ID.fullmatch(word):
        return _by_id(api, word)
    for each in [cycle(api, None), *api.items("/cycles")]:
        tree = api.get(f"/cycles/{each['id']}/tree")
        goals = [("objectives", objective) for objective in tree["objectives"]]
        goals += [("key-results", kr) for objective in tree["objectives"] for kr in objective["key_results"]]
        matches = _matches(word, goals, lambda pair: (pair[1]["id"], pair[1]["title"]))
        if matches:
            return _only(word, matches, lambda pair: f"{short(pair[1]['id'])}  {pair[1]['title']}")
    raise Failure(f"there is no objective or key result {word!r}: `okr tree` shows them with their ids.")


def key_result(api: Api, word: str) -> Json:
    """The key result that is meant."""
    collection, found = goal(api, word)
    if collection != "key-results":
        raise Failure(f"{word!r} is an objective: name one of its key results, as `okr tree` shows them.")
    return found


def feed(api: Api, word: str) -> Json:
    """The feed that is meant."""
    return _the_one(word, list(api.items("/feeds")), lambda each: str(each["name"]), "feed", "okr feeds list")


def _by_id(api: Api, id: str) -> tuple[str, Json]:
    for collection in ("key-results", "objectives"):
        try:
            return collection, api.get(f"/{collection}/{id}")
        except Failure as refused:
            if getattr(refused, "status", None) != 404:
                raise
    raise Failure(f"there is no objective or key result {id}: `okr tree` shows them with their ids.")


def _the_one(word: str, known: list[Json], name: Callable[[Json], str], what: str, where: str) -> Json:
    matches = _matches(word, known, lambda each: (each["id"], name(each)))
    if not matches:
        raise Failure(f"there is no {what} {word!r}: `{where}` shows what there is.")
    return _only(word, matches, lambda each: f"{short(each['id'])}  {name(each)}")


def _matches(word: str, known: Iterable[T], of: Callable[[T], tuple[str, str]]) -> list[T]:
    """Those of which the word is the id or the whole title, else a part of one or the other."""
    wanted = word.casefold()
    named = [(each, *of(each)) for each in known]
    exact = [each for each, id, title in named if wanted in (id, title.casefold())]
    if exact:
        return exact
    is_id = _PART_OF_ID.fullmatch(word) is not None
    return [
        each
        for each, id, title in named
        if (is_id and (id.startswith(wanted) or id.endswith(wanted))) or wanted in title.casefold()
    ]


def _only(word: str, matches: list[T], shown: Callable[[T], str]) -> T:
    if len(matches) == 1:
        return matches[0]
    listed = "\n".join(f"  {shown(each)}" for each in matches[:10])
    raise Failure(f"{word!r} may mean {len(matches)} things: say more of the title, or name one by its id.\n{listed}")
