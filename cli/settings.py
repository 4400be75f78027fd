"""The door to the environment: every setting of every process, read once into one frozen object.

TABLE is what there is. `okr settings` prints it, the reference is made from it, and a value that breaks its rule
stops the start with one sentence. A secret may stand in a file instead: OKR_DATABASE_URL_FILE names the file
whose content is OKR_DATABASE_URL.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli import kinds
from cli.kinds import KAFKA_SECURITY, LOG_LEVELS, SASL_MECHANISMS, Kind


class BadSetting(Exception):
    """A setting is missing or breaks its rule. The text is one sentence for the person who starts the program."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table. A `default` of None means what `otherwise` says."""

    name: str
    kind: Kind
    default: str | None
    read_by: str
    meaning: str
    otherwise: str = ""
    is_secret: bool = False

    @property
    def field(self) -> str:
        """The name of the value in `Settings`."""
        return self.name.removeprefix("OKR_").lower()

    @property
    def shown_default(self) -> str:
        return self.otherwise if self.default is None else self.default


TABLE = (
    Setting("OKR_DATA_DIR", kinds.DIRECTORY, "var", "all",
            "where `okr up` keeps its database, token, logs and run files"),
    Setting("OKR_DATABASE_URL", kinds.DATABASE_URL, None, "all",
            "PostgreSQL 15 or newer; with it `okr up` starts no database of its own",
            otherwise="the database that `okr up` runs", is_secret=True),
    Setting("OKR_MIGRATE_URL", kinds.DATABASE_URL, None, "up, migrate",
            "the same database as a user who may create schemas and roles",
            otherwise="OKR_DATABASE_URL", is_secret=True),
    Setting("OKR_POOL_SIZE", kinds.COUNT, "8", "serve",
            "database connections of one process"),
    Setting("OKR_HOST", kinds.HOST, "127.0.0.1", "up, serve",
            "the address on which the API listens"),
    Setting("OKR_PORT", kinds.PORT, "8080", "up, serve",
            "the port on which the API listens"),
    Setting("OKR_API_WORKERS", kinds.COUNT, "2", "serve",
            "processes that answer requests"),
    Setting("OKR_API_THREADS", kinds.COUNT, "8", "serve",
            "requests that one of them answers at a time; at most OKR_POOL_SIZE"),
    Setting("OKR_KAFKA", kinds.BROKERS, None, "up, feed",
            "Kafka brokers, separated by commas; with it `okr up` starts no broker of its own",
            otherwise="the trial broker that `okr up` runs"),
    Setting("OKR_KAFKA_GROUP", kinds.NAME, "okr-feeds", "feed",
            "the consumer group of the feed workers"),
    Setting("OKR_KAFKA_SECURITY", kinds.SECURITY, "PLAINTEXT", "feed",
            f"how to speak to the brokers: {', '.join(KAFKA_SECURITY)}"),
    Setting("OKR_KAFKA_SASL", kinds.MECHANISM, "SCRAM-SHA-512", "feed",
            f"how to log in to them, where that is asked for: {', '.join(SASL_MECHANISMS)}"),
    Setting("OKR_KAFKA_USER", kinds.TEXT, None, "feed",
            "the user to log in as", otherwise="nobody"),
    Setting("OKR_KAFKA_PASSWORD", kinds.TEXT, None, "feed",
            "that user's password", otherwise="none", is_secret=True),
    Setting("OKR_KAFKA_CA_FILE", kinds.FILE, None, "feed",
            "the certificates that vouch for the brokers, in PEM", otherwise="the system's"),
    Setting("OKR_METRICS_PORT", kinds.PORT_OR_NONE, "0", "feed",
            "where a feed worker serves its own /metrics; 0: nowhere"),
    Setting("OKR_SEAL_EVERY_S", kinds.COUNT, "10", "up, seal",
            "seconds between two looks of the sealer, which signs when the ledger has grown"),
    Setting("OKR_SEALING_KEY_FILE", kinds.FILE, None, "up, seal, key",
            "the sealer's private key, readable for its owner alone",
            otherwise="sealing-key in OKR_DATA_DIR"),
    Setting("OKR_CHECKPOINT_FOLDER", kinds.DIRECTORY, None, "up, seal",
            "where each signed checkpoint is written once more, one file each, out of the database's reach",
            otherwise="nowhere"),
    Setting("OKR_CHECKPOINT_WEBHOOK", kinds.WEBHOOK, None, "up, seal",
            "an https address to which each signed checkpoint is posted",
            otherwise="none", is_secret=True),
    Setting("OKR_LOG_LEVEL", kinds.LEVEL, "info", "all",
            f"how much to log: {', '.join(LOG_LEVELS)}"),
    Setting("OKR_ADMIN_TOKEN_FILE", kinds.FILE, None, "up, tree, show, …",
            "where `okr up` keeps the first admin's token, readable for you alone",
            otherwise="admin-token in OKR_DATA_DIR"),
    Setting("OKR_URL", kinds.HTTP_URL, None, "tree, show, …",
            "the API that the commands for people talk to",
            otherwise="the one that `okr up` runs"),
    Setting("OKR_TOKEN", kinds.TOKEN, None, "tree, show, …",
            "the token with which they talk to it",
            otherwise="the content of OKR_ADMIN_TOKEN_FILE", is_secret=True),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment says, checked; None where it says nothing and TABLE has no default."""

    data_dir: Path
    database_url: str | None
    migrate_url: str | None
    pool_size: int
    host: str
    port: int
    api_workers: int
    api_threads: int
    kafka: tuple[str, ...] | None
    kafka_group: str
    kafka_security: str
    kafka_sasl: str
    kafka_user: str | None
    kafka_password: str | None
    kafka_ca_file: Path | None
    metrics_port: int | None
    seal_every_s: int
    sealing_key_file: Path | None
    checkpoint_folder: Path | None
    checkpoint_webhook: str | None
    log_level: str
    admin_token_file: Path | None
    url: str | None
    token: str | None

    @property
    def admin_token_path(self) -> Path:
        """Where the first admin's token lies."""
        return self.admin_token_file or self.data_dir / "admin-token"

    @property
    def sealing_key_path(self) -> Path:
        """Where the sealer's private key lies."""
        return self.sealing_key_file or self.data_dir / "sealing-key"

    @property
    def kafka_options(self) -> dict[str, Any]:
        """kafka-python's options for TLS and for logging in."""
        if self.kafka_security == "PLAINTEXT":
            return {}
        options: dict[str, Any] = {"security_protocol": self.kafka_security}
        if self.kafka_ca_file is not None:
            options["ssl_cafile"] = str(self.kafka_ca_file)
        if self.kafka_security.startswith("SASL"):
            options["sasl_mechanism"] = self.kafka_sasl
            options["sasl_plain_username"] = self.kafka_user
            options["sasl_plain_password"] = self.kafka_password
        return options

    @property
    def run_dir(self) -> Path:
        """Where a running `okr up` says what it runs."""
        return self.data_dir / "run"

    @property
    def log_dir(self) -> Path:
        """Where `okr up` keeps what its processes print."""
        return self.data_dir / "log"


def read(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of an environment, of this process where none is given. BadSetting at the first bad value."""
    environment = os.environ if environment is None else environment
    settings = Settings(**{each.field: _value(each, environment) for each in TABLE})
    if settings.api_threads > settings.pool_size:
        raise BadSetting(
            f"OKR_API_THREADS ({settings.api_threads}) is at most OKR_POOL_SIZE ({settings.pool_size}): "
            "each request that is being answered needs a connection."
        )
    if settings.kafka_security.startswith("SASL") and not (settings.kafka_user and settings.kafka_password):
        raise BadSetting(
            f"OKR_KAFKA_SECURITY is {settings.kafka_security}, so OKR_KAFKA_USER and OKR_KAFKA_PASSWORD are needed."
        )
    return settings


def as_markdown() -> str:
    """The table as the documentation has it."""
    lines = ["| setting | kind | default | read by | meaning |", "|---|---|---|---|---|"]
    for each in TABLE:
        name = f"`{each.name}`" + (f" or `{each.name}_FILE`" if each.is_secret else "")
        default = each.otherwise if each.default is None else f"`{each.default}`"
        lines.append(f"| {name} | {each.kind.name} | {default} | {each.read_by} | {each.meaning} |")
    return "\n".join(lines) + "\n"


def _value(setting: Setting, environment: Mapping[str, str]) -> Any:
    text, source = _text(setting, environment)
    if not text:
        return None if setting.default is None else setting.kind.read(setting.default)
    try:
        return setting.kind.read(text)
    except ValueError as rule:
        said = "" if setting.is_secret else f", not {text!r}"
        raise BadSetting(f"{source} {rule}{said}.") from None


def _text(setting: Setting, environment: Mapping[str, str]) -> tuple[str, str]:
    """What the environment says, "" where it says nothing, and the name of the variable that says it."""
    text = environment.get(setting.name, "").strip()
    file_variable = f"{setting.name}_FILE"
    path = environment.get(file_variable, "").strip() if setting.is_secret else ""
    if not path:
        return text, setting.name
    if text:
        raise BadSetting(f"{setting.name} and {file_variable} are both set: keep one of them.")
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").strip(), file_variable
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise BadSetting(f"{file_variable} names a file that cannot be read: {path} ({reason}).") from None
