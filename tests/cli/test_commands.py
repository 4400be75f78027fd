"""The commands as a whole: each is documented, explains itself, and answers wrong use in its own words."""

import click
import pytest
from click.testing import CliRunner

from cli.main import main
from cli.reference import all_commands, commands_page, settings_page
from tests.cli.command import ROOT, okr

ALL = dict(all_commands())
LEAVES = {name: command for name, command in ALL.items() if not isinstance(command, click.Group)}
PRINTING = {
    "okr tree",
    "okr show",
    "okr history",
    "okr goalposts",
    "okr replay",
    "okr diff",
    "okr what-if",
    "okr audit questions",
    "okr audit ask",
    "okr audit goalposts",
    "okr feeds apply",
    "okr feeds dead-letters discard",
    "okr feeds dead-letters list",
    "okr feeds dead-letters retry",
    "okr feeds dead-letters show",
    "okr feeds formats",
    "okr feeds list",
    "okr feeds show",
    "okr feeds try",
    "okr token create",
    "okr token list",
    "okr views status",
    "okr ledger status",
    "okr ledger verify",
    "okr ledger checkpoint",
    "okr ledger proof",
    "okr ledger consistency",
    "okr key show",
    "okr settings",
}


@pytest.mark.parametrize("name", ALL)
def test_every_command_teaches_itself(name: str) -> None:
    result = CliRunner().invoke(main, [*name.split()[1:], "--help"])
    assert result.exit_code == 0
    assert len(ALL[name].get_short_help_str(200)) > 15
    if name in LEAVES:
        assert "Example" in result.output
        assert f"  {name}" in result.output or f" {name}" in result.output


@pytest.mark.parametrize("name", LEAVES)
def test_every_option_says_what_it_is_for(name: str) -> None:
    for option in LEAVES[name].params:
        if isinstance(option, click.Option):
            assert option.help, option.name


def test_what_prints_data_prints_json() -> None:
    assert {
        name for name, command in LEAVES.items() if any(each.name == "as_json" for each in command.params)
    } == PRINTING


def test_the_documentation_is_the_programs_own() -> None:
    assert (ROOT / "docs/commands.md").read_text(encoding="utf-8") == commands_page(), "run `make docs`"
    assert (ROOT / "docs/settings.md").read_text(encoding="utf-8") == settings_page(), "run `make docs`"
    for name in ALL:
        assert f"`{name} " in commands_page() or f"`{name}`" in commands_page()


def test_help_lists_the_commands_by_topic() -> None:
    shown = okr("--help").stdout
    assert shown.index("Try it:") < shown.index("Look at goals:") < shown.index("Administer:")
    assert "trial-broker" in shown


def test_an_unknown_command_is_a_misuse() -> None:
    result = okr("trea")
    assert result.returncode == 2
    assert "No such command 'trea'" in result.stderr


def test_without_an_api_people_are_told_how_to_start_one() -> None:
    result = okr("tree", url="http://127.0.0.1:1", token="okr_x")
    assert result.returncode == 1
    assert result.stderr.startswith("Error: no answer from http://127.0.0.1:1 (")
    assert result.stderr.endswith("start it with `okr up`, or set OKR_URL.\n")


def test_without_a_token_people_are_told_how_to_get_one(tmp_path_factory: pytest.TempPathFactory) -> None:
    result = okr("tree", data_dir=str(tmp_path_factory.mktemp("empty")))
    assert result.returncode == 1
    assert "okr token create" in result.stderr
