"""What a sealer must be told. It never reads the environment itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SealerSettings:
    """One sealer: its database, its key, how often it looks (seconds), and whom it tells."""

    database_url: str = field(repr=False)
    key_file: Path
    every: float = 10
    folder: Path | None = None
    webhook: str | None = field(default=None, repr=False)
