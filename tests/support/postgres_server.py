"""A real PostgreSQL for the tests: one server for the whole run, an empty database for each test."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg
from psycopg import sql

from cli.trial.postgres import EmbeddedPostgres
from tests.support.watchdog import Watchdog


class TestPostgres:
    """Makes and drops databases on the server behind `server_url`, whose user may create them."""

    __test__ = False

    def __init__(self, server_url: str) -> None:
        self.server_url = server_url
        self._names: set[str] = set()

    def new_database(self, template: str | None = None) -> str:
        """URL of a fresh database.

        `template` is the URL of a database made here that the new one copies, rows and all; nobody may be
        connected to it at that moment. Without it the database is empty.
        """
        name = f"okr_test_{secrets.token_hex(6)}"
        source = "template0" if template is None else _database_of(template)
        self._execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} ENCODING 'UTF8'").format(
                sql.Identifier(name), sql.Identifier(source)
            )
        )
        self._names.add(name)
        return urlsplit(self.server_url)._replace(path=f"/{name}").geturl()

    def drop_database(self, url: str) -> None:
        """Drops a database that `new_database` made, and whatever is still connected to it."""
        self._drop(_database_of(url))

    def drop_all(self) -> None:
        """Drops every database made here that is still there."""
        for name in sorted(self._names):
            self._drop(name)

    def _drop(self, name: str) -> None:
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        self._names.discard(name)

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.server_url, autocommit=True) as connection:
            connection.execute(statement)


class OwnServer:
    """A PostgreSQL of one test's own, to be crashed and started again on the same URL."""

    def __init__(self, data_dir: Path) -> None:
        self._server = EmbeddedPostgres(data_dir)
        self.url = self._server.start()
        self._watchdog = _watch(self._server, data_dir)

    def stop_immediate(self) -> None:
        """Stops it as a crash would (SIGQUIT): nothing is flushed, the next start recovers from the log."""
        pid = self._server.pid
        assert pid is not None, "the server does not run"
        self._watchdog.dismiss()
        os.kill(pid, signal.SIGQUIT)
        self._server.stop()

    def start_again(self) -> None:
        """Starts it on the same data and the same URL; returns once it answers."""
        assert self._server.start() == self.url
        self._watchdog = _watch(self._server, self._server.data_dir)

    def back_up(self) -> None:
        """Keeps a copy of its data. It is stopped."""
        subprocess.run(["cp", "-a", self._server.data_dir, self._backup], check=True)

    def put_back(self) -> None:
        """Gives it the data that were kept. It is stopped."""
        shutil.rmtree(self._server.data_dir)
        self._backup.rename(self._server.data_dir)

    def close(self) -> None:
        self._watchdog.dismiss()
        self._server.stop()

    @property
    def _backup(self) -> Path:
        return self._server.data_dir.with_suffix(".backup")


@contextmanager
def passable_directory() -> Iterator[Path]:
    """A new directory that PostgreSQL's own user can reach when we are root; removed at the end.

    Not below pytest's tmp_path: each run of pytest that begins bars other users from the root of all those.
    """
    directory = Path(tempfile.mkdtemp(prefix="okr-test-"))
    directory.chmod(0o711)
    started_by = os.getpid()
    try:
        yield directory
    finally:
        if os.getpid() == started_by:  # a forked child that ends here must leave the server its files
            shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def own_server() -> Iterator[OwnServer]:
    """An independent server for a test that crashes it; stopped and removed at the end."""
    with passable_directory() as directory:
        server = OwnServer(directory / "postgres")
        try:
            yield server
        finally:
            server.close()


@contextmanager
def shared_server() -> Iterator[TestPostgres]:
    """The server of a test run: the one OKR_TEST_DATABASE_URL names, else one of our own in a new directory.

    PostgreSQL's durability settings stay at their defaults: tests of crashes must mean something.
    """
    if url := os.environ.get("OKR_TEST_DATABASE_URL"):
        postgres = TestPostgres(url)
        try:
            yield postgres
        finally:
            postgres.drop_all()
        return
    with passable_directory() as directory:
        with EmbeddedPostgres(directory / "postgres", settings={"max_connections": "200"}) as server:
            watchdog = _watch(server, directory)
            yield TestPostgres(server.url)
            watchdog.dismiss()


def _watch(server: EmbeddedPostgres, directory: Path) -> Watchdog:
    assert server.pid is not None, "the server does not run"
    return Watchdog(server.pid, signal.SIGQUIT, directory)


def _database_of(url: str) -> str:
    return unquote(urlsplit(url).path.lstrip("/"))
