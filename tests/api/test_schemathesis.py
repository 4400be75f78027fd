"""A fuzzer that has read the specification tries to find an answer that is not in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from api.settings import ApiSettings
from tests.api.client import Client
from tests.api.live import live_server

# A request may fit the schema and break a rule that no schema says: a deadline outside the cycle, an as_of to come.
CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "304", "400", "403", "404", "409", "412", "422"]

[checks.missing_required_header]
expected-statuses = ["401", "428"]
"""
KNOWN = """
[[operations]]
include-path-regex = "^/v1/{collection}/"
parameters = {{ "path.id" = "{id}" }}
"""


@pytest.mark.slow
@pytest.mark.timeout(800)
def test_no_answer_is_outside_the_specification(client: Client, api_url: str, tmp_path: Path) -> None:
    key_result = client.key_result()
    state = client.state(f"/v1/key-results/{key_result}")
    ids = {"key-results": key_result, "objectives": state["objective_id"], "cycles": state["cycle_id"]}
    known = "".join(KNOWN.format(collection=collection, id=id) for collection, id in ids.items())
    (tmp_path / "schemathesis.toml").write_text(CONFIG + known)
    with live_server(ApiSettings(api_url, wait_seconds=0.5)) as server:
        run = subprocess.run(
            [
                Path(sys.executable).with_name("schemathesis"),
                *("--config-file", str(tmp_path / "schemathesis.toml")),
                *("run", f"{server.url}/openapi.json", "--no-color", "--checks", "all"),
                *("--header", f"Authorization: Bearer {client.tokens['admin']}"),
                *("--max-examples", "4", "--max-failures", "20", "--seed", "1", "--workers", "1"),
                *("--generation-database", "none"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=780,
            check=False,
        )
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
