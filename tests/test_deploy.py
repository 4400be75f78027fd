"""What is deployed is at least well formed: the image's recipe by a linter, compose.yaml by its published schema."""

import subprocess
import sys
from pathlib import Path

import yaml

DEPLOY = Path(__file__).parents[1] / "deploy"
BIN = Path(sys.executable).parent


def run(*command: str | Path) -> str:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_the_dockerfile_has_no_findings() -> None:
    assert run(BIN / "hadolint", DEPLOY / "Dockerfile") == ""


def test_compose_fits_its_schema() -> None:
    run(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")


def test_every_process_waits_for_the_migrations_and_gets_its_secrets_from_files() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    processes = {name for name, service in services.items() if service["image"] == "okr-ledger"}
    assert processes == {"migrate", "api", "projector", "feeds"}
    for name in processes - {"migrate"}:
        assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
        assert services[name]["secrets"] == ["database_url"]
        assert not [value for value in services[name]["environment"].values() if "://" in str(value)]


def test_secrets_are_made_once_and_stay(tmp_path: Path) -> None:
    run(DEPLOY / "make-secrets", tmp_path / "secrets")
    made = {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()}
    assert set(made) == {"owner_password", "login_password", "database_url", "migrate_url"}
    assert made["login_password"] in made["database_url"]
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    run(DEPLOY / "make-secrets", tmp_path / "secrets")
    assert made == {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()}
