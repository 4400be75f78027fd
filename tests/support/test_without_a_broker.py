"""Where no broker can be started, a developer is told so once, and CI fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TEST = "tests/support/test_kafka_server.py::test_topics_of_one_name_are_apart"


def run_without_maven(tmp_path: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    inherited = {name: value for name, value in os.environ.items() if name not in {"CI", "OKR_TEST_KAFKA"}}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", TEST],
        check=False,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**inherited, "PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), **environment},
    )


@pytest.mark.slow
def test_a_developer_is_told_once_what_to_install(tmp_path: Path) -> None:
    run = run_without_maven(tmp_path)
    assert run.returncode == 0, run.stdout
    assert run.stdout.count("NOTHING WAS TESTED AGAINST A REAL KAFKA: install Maven") == 1
    assert "1 skipped" in run.stdout


@pytest.mark.slow
def test_in_ci_it_is_a_failure(tmp_path: Path) -> None:
    run = run_without_maven(tmp_path, CI="true")
    assert run.returncode == 1, run.stdout
    assert "KafkaUnavailableError: install Maven" in run.stdout
    assert "skipped" not in run.stdout
