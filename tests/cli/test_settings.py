"""Settings: one table, read once, and a sentence for each value that breaks its rule."""

import ast
from dataclasses import fields
from pathlib import Path

import pytest
from kafka import KafkaConsumer

from cli.settings import TABLE, BadSetting, Settings, read
from tests.cli.command import ROOT


def test_the_table_is_the_object() -> None:
    assert [each.field for each in TABLE] == [each.name for each in fields(Settings)]


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = read({})
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.database_url is None
    assert settings.kafka is None
    assert settings.data_dir == Path("var").absolute()
    assert settings.admin_token_path == settings.data_dir / "admin-token"


def test_an_empty_value_says_nothing() -> None:
    assert read({"OKR_PORT": " ", "OKR_DATABASE_URL": ""}) == read({})


def test_values_are_read_once_into_their_types(tmp_path: Path) -> None:
    settings = read(
        {
            "OKR_DATA_DIR": str(tmp_path),
            "OKR_PORT": "9000",
            "OKR_KAFKA": "kafka-1:9092, [::1]:9093",
            "OKR_METRICS_PORT": "9100",
            "OKR_LOG_LEVEL": "DEBUG",
            "OKR_URL": "https://okr.example/",
        }
    )
    assert settings.data_dir == tmp_path
    assert settings.port == 9000
    assert settings.kafka == ("kafka-1:9092", "[::1]:9093")
    assert settings.metrics_port == 9100
    assert settings.log_level == "debug"
    assert settings.url == "https://okr.example"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("OKR_PORT", "http", "OKR_PORT is a port: a number from 1 to 65535, not 'http'."),
        ("OKR_PORT", "0", "OKR_PORT is a port: a number from 1 to 65535, not '0'."),
        ("OKR_PORT", "１", "OKR_PORT is a port: a number from 1 to 65535, not '１'."),
        ("OKR_HOST", "http://here", "OKR_HOST is a host name or an address such as 127.0.0.1, not 'http://here'."),
        ("OKR_API_WORKERS", "-1", "OKR_API_WORKERS is a number from 1 to 1000, not '-1'."),
        ("OKR_KAFKA", "kafka", "OKR_KAFKA is a list of Kafka brokers such as kafka-1:9092,kafka-2:9092, not 'kafka'."),
        ("OKR_LOG_LEVEL", "loud", "OKR_LOG_LEVEL is one of debug, info, warning, error, not 'loud'."),
        ("OKR_URL", "okr.example", "OKR_URL is an address such as https://okr.example, not 'okr.example'."),
        (
            "OKR_API_THREADS",
            "9",
            "OKR_API_THREADS (9) is at most OKR_POOL_SIZE (8): each request that is being answered needs a connection.",
        ),
    ],
)
def test_a_bad_value_is_told_with_its_rule(name: str, value: str, sentence: str) -> None:
    with pytest.raises(BadSetting) as refusal:
        read({name: value})
    assert str(refusal.value) == sentence


@pytest.mark.parametrize("url", ["mysql://okr:hunter2@db/okr", "postgresql://okr:hunter2@db/okr?nonsense=1"])
def test_a_bad_secret_is_not_repeated(url: str) -> None:
    with pytest.raises(BadSetting) as refusal:
        read({"OKR_DATABASE_URL": url})
    assert str(refusal.value) == "OKR_DATABASE_URL is a PostgreSQL URL such as postgresql://okr@db.example/okr."


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("postgresql://okr:hunter2@db/okr\n")
    assert read({"OKR_DATABASE_URL_FILE": str(secret)}).database_url == "postgresql://okr:hunter2@db/okr"


def test_a_secret_stands_in_one_place_only(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"OKR_TOKEN and OKR_TOKEN_FILE are both set: keep one of them\."):
        read({"OKR_TOKEN": "x", "OKR_TOKEN_FILE": str(tmp_path)})


def test_a_missing_secret_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"OKR_TOKEN_FILE names a file that cannot be read: .*/none \(No such file"):
        read({"OKR_TOKEN_FILE": str(tmp_path / "none")})


def test_a_login_needs_a_user_and_a_password() -> None:
    with pytest.raises(BadSetting, match="OKR_KAFKA_USER and OKR_KAFKA_PASSWORD are needed"):
        read({"OKR_KAFKA_SECURITY": "sasl_ssl", "OKR_KAFKA_USER": "okr"})


def test_a_secured_broker_is_spoken_to_in_kafka_pythons_words() -> None:
    settings = read({"OKR_KAFKA_SECURITY": "sasl_ssl", "OKR_KAFKA_USER": "okr", "OKR_KAFKA_PASSWORD": "hunter2"})
    assert settings.kafka_options == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "okr",
        "sasl_plain_password": "hunter2",
    }
    assert settings.kafka_options.keys() <= KafkaConsumer.DEFAULT_CONFIG.keys()


def is_reading_of_the_environment(node: ast.AST) -> bool:
    names = {"environ", "environb", "getenv", "getenvb"}
    if isinstance(node, ast.ImportFrom):
        return node.module == "os" and any(each.name in names for each in node.names)
    return isinstance(node, ast.Attribute) and node.attr in names and ast.unparse(node.value) == "os"


def test_the_environment_is_read_at_this_door_only() -> None:
    readers = set()
    for package in ("domain", "ledger", "projections", "api", "workers", "cli"):
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if is_reading_of_the_environment(node):
                    readers.add(str(file.relative_to(ROOT)))
    assert readers == {"cli/settings.py"}
