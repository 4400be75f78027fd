"""Every alert asks for figures that exist, and the runbook says what to do about it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

from tests.api.client import Client
from tests.api.conftest import api_template, api_url, lonely
from workers.feeds.metrics import Metrics

__all__ = ["api_template", "api_url", "lonely"]

ROOT = Path(__file__).parents[1]
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "deploy" / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
RUNBOOK = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")


def test_the_figures_that_alerts_ask_for_are_there(lonely: Client) -> None:
    told = lonely.get("/metrics", role=None).text + generate_latest(Metrics().registry).decode()
    known = {line.split()[2] for line in told.splitlines() if line.startswith("# TYPE ")}
    asked = {name for rule in RULES for name in re.findall(r"\bokr_[a-z_]+", rule["expr"])}
    assert len(asked) > 8
    assert asked <= known, asked - known


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_has_its_severity_and_its_place_in_the_runbook(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket", "info")
    assert rule["annotations"]["summary"]
    assert rule["expr"].count("(") == rule["expr"].count(")")
    (row,) = [line for line in RUNBOOK.splitlines() if line.startswith(f"| `{rule['alert']}` ")]
    symptom, look, do = [cell.strip() for cell in row.strip("|").split(" | ")][1:4]
    assert symptom
    assert look
    assert do


def test_the_runbook_names_no_alert_that_is_none() -> None:
    named = set(re.findall(r"^\| `(Okr[A-Za-z]+)` ", RUNBOOK, re.MULTILINE))
    assert named == {rule["alert"] for rule in RULES}
