"""A ledger to tell facts to, and its views."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import DictRow, dict_row

from ledger.datastore import become
from tests.projections.teller import Teller


@pytest.fixture
def teller(migrated_url: str) -> Teller:
    return Teller(migrated_url)


@pytest.fixture
def connection(migrated_url: str) -> Iterator[Connection[DictRow]]:
    """A connection of the application's role."""
    with psycopg.connect(migrated_url, row_factory=dict_row) as connection:
        become(connection)
        yield connection
