"""What the Makefile promises without making an environment."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import ROOT, environment

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed here")


def make(*arguments: str, directory: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments], env=environment(), cwd=directory, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A place with the Makefile and nothing made yet."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_help_lists_every_target() -> None:
    shown = make().stdout
    for target in ("run", "test", "check", "docs", "bench", "clean-data", "clean"):
        assert f"make {target} " in shown


def test_without_a_new_enough_python_it_says_so(copy: Path) -> None:
    result = make("run", "PYTHON=/bin/false", directory=copy)
    assert result.returncode == 2
    assert result.stderr.startswith("Python 3.11 or newer is needed: install it, or name one: make PYTHON=")
    assert not (copy / ".venv").exists()


def test_the_environment_depends_on_what_pyproject_says_not_on_when(copy: Path) -> None:
    first = make("-n", "run", directory=copy).stdout
    (copy / "pyproject.toml").touch()
    assert make("-n", "run", directory=copy).stdout == first
    with (copy / "pyproject.toml").open("a") as file:
        file.write("# more\n")
    assert make("-n", "run", directory=copy).stdout != first


def test_data_of_a_running_house_are_not_thrown_away(copy: Path) -> None:
    run = copy / "var" / "run"
    run.mkdir(parents=True)
    with subprocess.Popen(["sleep", "60"]) as house:
        (run / "up.pid").write_text(f"{house.pid}\n")
        result = make("clean-data", directory=copy)
        assert result.returncode == 2
        assert f"okr up is running on it (process {house.pid}): stop it first." in result.stderr
        house.kill()
    assert make("clean-data", directory=copy).returncode == 0
    assert not (copy / "var").exists()
