"""Talking to the API: what it answers, or a sentence that says what is in the way."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import ProxyHandler, Request, build_opener, urlopen

from cli import running
from cli.output import Failure
from cli.settings import Settings

TIMEOUT = 30.0

Json = dict[str, Any]


class Refused(Failure):
    """The API said no. `status` is HTTP's, `kind` the short name of the problem's type."""

    def __init__(self, message: str, status: int, kind: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


class Unreachable(Failure):
    """The API does not answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON document with the headers it came with."""

    body: Any
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Api:
    """An API and the token to talk to it. Methods raise Refused and Unreachable; both are Failures."""

    url: str
    token: str

    def get(self, path: str, **query: str | int | None) -> Any:
        """The JSON at a path below /v1; parameters that are None are left out."""
        asked = {name.rstrip("_"): value for name, value in query.items() if value is not None}
        return self.send("GET", f"{path}?{urlencode(asked)}" if asked else path).body

    def items(self, path: str, **query: str | int | None) -> Iterator[Json]:
        """All items of a list, page by page."""
        cursor: str | None = None
        while True:
            page = self.get(path, **query, cursor=cursor)
            yield from page["items"]
            cursor = page.get("next")
            if cursor is None:
                return

    def post(self, path: str, body: Json, *, key: str | None = None) -> Answer:
        """Give a command; sent again with the same `key` it happens once."""
        return self.send("POST", path, body, {} if key is None else {"Idempotency-Key": key})

    def send(
        self, method: str, path: str, body: Json | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Any request below /v1."""
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        sent = {"Authorization": f"Bearer {self.token}", "Accept": "application/json", **(headers or {})}
        if data is not None:
            sent["Content-Type"] = "application/json"
        address = f"{self.url}/v1{quote(path, safe='/?&=%')}"
        try:
            with opened(Request(address, data, sent, method=method), TIMEOUT) as response:  # noqa: S310
                return Answer(json.load(response), dict(response.headers))
        except HTTPError as error:
            with error:
                raise _refused(error, self.url) from None
        except (URLError, OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise Unreachable(
                f"no answer from {self.url} ({reason}): start it with `okr up`, or set OKR_URL."
            ) from None


def opened(request: Request, timeout: float) -> HTTPResponse:
    """The answer to a request; a proxy that the environment names is not asked for what this very machine serves."""
    is_here = urlsplit(request.full_url).hostname in ("127.0.0.1", "::1", "localhost")
    answer: HTTPResponse = (build_opener(ProxyHandler({})).open if is_here else urlopen)(request, timeout=timeout)
    return answer


def connect(settings: Settings) -> Api:
    """The API that the settings name, else the one that `okr up` runs, with the token they name or its admin's."""
    return Api(running.api_url(settings), settings.token or _admin_token(settings))


def _admin_token(settings: Settings) -> str:
    path = settings.admin_token_path
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Failure(
            f"no token: set OKR_TOKEN to one that `okr token create` printed ({path}: {error.strerror})."
        ) from None


def _refused(error: HTTPError, url: str) -> Refused:
    try:
        problem = json.load(error)
        kind = str(problem["type"]).rpartition("/")[2]
        said = problem.get("detail") or problem["title"]
    except (ValueError, KeyError, TypeError):
        return Refused(f"{url} answered {error.code} {error.reason}: is this the OKR API?", error.code, "")
    if kind == "before-creation":
        said = "it did not exist yet at that moment"
    if error.code == 401:
        said = f"{url} does not accept the token: make one with `okr token create` and set OKR_TOKEN ({said})"
    return Refused(f"{said}.", error.code, kind)
