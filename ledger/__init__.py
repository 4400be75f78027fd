"""The record: an eventsourcing persistence module for PostgreSQL that numbers, hashes, keeps and proves.

Named by `PERSISTENCE_MODULE=ledger`. The module offers exactly one infrastructure factory.
"""

from ledger.factory import LedgerFactory

__all__ = ["LedgerFactory"]
