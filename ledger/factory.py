"""What eventsourcing asks for when PERSISTENCE_MODULE names the ledger."""

from __future__ import annotations

from typing import Any

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    InfrastructureFactory,
    InfrastructureFactoryError,
    Mapper,
    ProcessRecorder,
    TrackingRecorder,
    Transcoder,
)
from eventsourcing.utils import Environment, strtobool

from ledger.datastore import LedgerDatastore
from ledger.mapper import FactMapper
from ledger.recorder import LedgerRecorder

DATABASE_URL = "OKR_DATABASE_URL"
POOL_SIZE = "OKR_POOL_SIZE"
DEFAULT_POOL_SIZE = "8"


class LedgerFactory(InfrastructureFactory[TrackingRecorder]):
    """Makes the ledger's mapper and recorder from OKR_DATABASE_URL and OKR_POOL_SIZE of the given environment."""

    def __init__(self, env: Environment | dict[str, str] | None) -> None:
        super().__init__(env)
        url = self.env.get(DATABASE_URL)
        if not url:
            raise InfrastructureFactoryError(f"{DATABASE_URL} names no database for the ledger")
        if strtobool(self.env.get("POSTGRES_ENABLE_DB_FUNCTIONS", "no")):
            raise InfrastructureFactoryError(
                "POSTGRES_ENABLE_DB_FUNCTIONS would write past the ledger's numbering and hashing: unset it"
            )
        self.datastore = LedgerDatastore(url, pool_size=int(self.env.get(POOL_SIZE, DEFAULT_POOL_SIZE)))

    def mapper(self, transcoder: Transcoder | None = None, mapper_class: Any = None) -> Mapper[Any]:
        return (mapper_class or FactMapper)(transcoder=transcoder or self.transcoder())

    def application_recorder(self) -> ApplicationRecorder:
        return LedgerRecorder(self.datastore)

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        raise NotImplementedError("the ledger keeps no snapshots: its streams are short")

    def tracking_recorder(self, tracking_recorder_class: Any = None) -> TrackingRecorder:
        raise NotImplementedError("read models keep their position in their own schema")

    def process_recorder(self) -> ProcessRecorder:
        raise NotImplementedError("read models keep their position in their own schema")

    def close(self) -> None:
        self.datastore.close()
