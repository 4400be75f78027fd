"""The API in a thread of this process, and the `okr` command as somebody types it who talks to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result
from werkzeug.serving import make_server

from cli.main import main
from tests.api.client import Client
from tests.api.conftest import api_template, api_url, client, lonely, projector

__all__ = ["api_template", "api_url", "client", "lonely", "projector"]


class Desk:
    """Somebody's terminal: `okr(...)` runs a command against the API, `answers` is what they type."""

    def __init__(self, url: str, client: Client) -> None:
        self.url, self.client = url, client

    def okr(self, *arguments: str, role: str = "feed-admin", answers: str | None = None, **settings: str) -> Result:
        said = {"OKR_URL": self.url, "OKR_TOKEN": self.client.tokens[role]}
        said |= {f"OKR_{name.upper()}": value for name, value in settings.items()}
        return CliRunner().invoke(main, list(arguments), input=answers, env=said)

    def shows(self, *arguments: str, **settings: str) -> str:
        """The output of a command that must succeed."""
        done = self.okr(*arguments, **settings)
        assert done.exit_code == 0, done.output
        return done.stdout


@pytest.fixture
def desk(client: Client) -> Iterator[Desk]:
    server = make_server("127.0.0.1", 0, client.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Desk(f"http://127.0.0.1:{server.server_port}", client)
    server.shutdown()
    thread.join(10)
    server.server_close()
