"""The peer of the HTTP API: the same tiny service on Flask and SQLAlchemy-Continuum, which keeps a version of each row.

No tokens, no audit of who and why, no proof: it does less than the product for each request.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import sqlalchemy as sa
from flask import Flask, Response, jsonify, request
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, configure_mappers, mapped_column
from sqlalchemy_continuum import make_versioned  # type: ignore[import-untyped]

make_versioned(user_cls=None)


class Base(DeclarativeBase):
    pass


class KeyResult(Base):
    """A key result and its present value."""

    __tablename__ = "key_results"
    __versioned__: ClassVar[dict[str, Any]] = {}

    id: Mapped[UUID] = mapped_column(primary_key=True)
    title: Mapped[str]
    owner_id: Mapped[str]
    baseline: Mapped[Decimal]
    target: Mapped[Decimal]
    value: Mapped[Decimal]
    version: Mapped[int]


configure_mappers()


def engine(url: str) -> sa.Engine:
    """For a libpq URL whose host may be the directory of a socket."""
    parts = urlsplit(url)
    return sa.create_engine(
        sa.URL.create(
            "postgresql+psycopg",
            username=parts.username,
            host=parse_qs(parts.query).get("host", [parts.hostname or ""])[0],
            port=parts.port,
            database=parts.path.lstrip("/"),
        ),
        pool_size=8,
    )


def make_tables(url: str, ids: list[UUID]) -> None:
    bound = engine(url)
    Base.metadata.create_all(bound)
    with Session(bound) as session:
        for id in ids:
            terms = {"title": "Revenue", "owner_id": "anna", "baseline": Decimal(0), "target": Decimal(1000)}
            session.add(KeyResult(id=id, value=Decimal(0), version=1, **terms))
        session.commit()
    bound.dispose()


def create_app(url: str) -> Flask:
    app = Flask(__name__)
    bound = engine(url)

    @app.get("/healthz")
    def healthz() -> str:
        return "ok"

    @app.get("/v1/key-results/<uuid:id>")
    def show(id: UUID) -> Response:
        with Session(bound) as session:
            return jsonify(_answer(session.get_one(KeyResult, id)))

    @app.post("/v1/key-results/<uuid:id>/progress")
    def progress(id: UUID) -> Response:
        value = Decimal(request.get_json()["value"])
        with Session(bound) as session:
            key_result = session.get_one(KeyResult, id)
            key_result.value = value
            key_result.version += 1
            session.commit()
            return jsonify(_answer(key_result))

    return app


def _answer(key_result: KeyResult) -> dict[str, Any]:
    return {
        "id": str(key_result.id),
        "title": key_result.title,
        "owner_id": key_result.owner_id,
        "baseline": str(key_result.baseline),
        "target": str(key_result.target),
        "value": str(key_result.value),
        "attainment": str(key_result.value / key_result.target),
        "version": key_result.version,
    }
