import pytest

from domain.application import OkrLedger
from tests.workers.given import Workplace


@pytest.fixture
def work(okr: OkrLedger, migrated_url: str) -> Workplace:
    """A running cycle on an empty ledger."""
    return Workplace(okr, migrated_url)
