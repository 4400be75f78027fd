"""What stands on the screen once everything runs: where it is, how to get in, and five commands to try."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from rich.text import Text

from cli import finding, running
from cli.client import Api
from cli.demo import story
from cli.output import Failure, say
from cli.settings import Settings


def show(settings: Settings, okr: list[str], *, seconds: float) -> None:
    """Print the welcome. `okr` is how our command is run here; the commands work as they are in this directory."""
    url, token_file = running.api_url(settings), settings.admin_token_path
    token = token_file.read_text(encoding="utf-8").strip()
    say()
    say(Text(f"Ready after {seconds:.1f} s: ", "bold green").append(url, "bold default"))
    say(f"  documentation   {url}/docs")
    say(f"  admin's token   {token}")
    say(f"                  kept in {_from_here(token_file)}")
    say(f"  logs            {_from_here(settings.log_dir)}")
    say()
    say("Try in another terminal, in this directory:")
    for what, command in commands(settings, Api(url, token), _command(settings, okr)):
        say()
        say(Text(f"  # {what}", "dim"))
        say(f"  {command}")
    say()
    say("Ctrl-C ends everything in order.")


def commands(settings: Settings, api: Api, okr: str) -> list[tuple[str, str]]:
    """Five commands to try, each with what it shows: of the demonstration, where it is loaded."""
    curl = f'curl -s -H "Authorization: Bearer $(cat {_quoted(_from_here(settings.admin_token_path))})"'
    if not _has(api, story.REVENUE):
        return [
            ("the goals, once there are some", f"{okr} tree"),
            ("a demonstration to look at", f"{okr} demo"),
            ("a token for a colleague", f"{okr} token create --actor u-colleague --role member --expires 30d"),
            ("whether the record is intact", f"{okr} ledger verify"),
            ("the cycles, from the API", f"{curl} {api.url}/v1/cycles"),
        ]
    lowered = _named(api, "computing power", story.COMPUTING_POWER)
    found = [
        ("the goals of the running quarter", f"{okr} tree"),
        ("the history of a key result whose target was lowered", f"{okr} history {lowered}"),
        ("what its attainment owes to that", f"{okr} goalposts {lowered}"),
    ]
    if settings.kafka is not None:
        return [
            *found,
            ("the feeds, which wait for messages", f"{okr} feeds list"),
            ("a key result that they measure, from the API", f"{curl} {api.url}/v1/key-results/{story.REVENUE}"),
        ]
    revenue = _named(api, "revenue", story.REVENUE)
    address = f"{api.url}/v1/key-results/{story.REVENUE}/history?type=Measurement.Recorded&limit=1"
    return [
        *found,
        (
            "an automatic update, with the topic, partitions and offsets behind it",
            f"{okr} history {revenue} --type Measurement.Recorded",
        ),
        ("the same from the API", f"{curl} {_quoted(address)}"),
    ]


def _has(api: Api, key_result_id: str) -> bool:
    try:
        api.get(f"/key-results/{key_result_id}")
    except Failure:
        return False
    return True


def _named(api: Api, word: str, id: str) -> str:
    """The word, where it means that goal and no other, else its id."""
    try:
        return _quoted(word) if finding.key_result(api, word)["id"] == id else id
    except Failure:
        return id


def _command(settings: Settings, okr: list[str]) -> str:
    on_path = shutil.which("okr")
    short = len(okr) == 1 and on_path is not None and Path(on_path).samefile(okr[0])
    name = "okr" if short else " ".join(_quoted(_from_here(Path(part))) if "/" in part else part for part in okr)
    if settings.data_dir == Path("var").absolute():
        return name
    return f"OKR_DATA_DIR={_quoted(str(settings.data_dir))} {name}"


def _from_here(path: Path) -> str:
    """The path as short as it can be said in the present directory."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _quoted(text: str) -> str:
    return shlex.quote(text)
