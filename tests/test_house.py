"""The house itself: imports point one way, and the linter that says so would notice."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("domain", "ledger", "projections", "api", "workers", "cli")
LINT = Path(sys.executable).with_name("lint-imports")


def lint(directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT, "--no-cache"], cwd=directory, capture_output=True, text=True, check=False, env={"PYTHONPATH": "."}
    )


def test_imports_point_one_way() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("domain/team.py", "import ledger.line"),
        ("domain/team.py", "import flask"),
        ("domain/cycle.py", "from psycopg import connect"),
        ("ledger/merkle.py", "import projections"),
        ("api/__init__.py", "import workers"),
        ("workers/__init__.py", "import api"),
        ("projections/__init__.py", "import cli"),
    ],
)
def test_a_planted_violation_is_refused(tmp_path: Path, file: str, line: str) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    planted = tmp_path / file
    planted.write_text(planted.read_text() + f"\n{line}\n")
    result = lint(tmp_path)
    assert result.returncode == 1, result.stdout
    assert "BROKEN" in result.stdout
