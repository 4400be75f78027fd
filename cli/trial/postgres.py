"""PostgreSQL 18 out of a wheel: a server of our own in one directory, reached through a unix socket only.

Of the wheel we take the programs. Its Python part decides who stops the server by a list of process ids,
where a killed process stays for ever, and makes every directory above the data readable for everybody.
"""

import fcntl
import logging
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

import psycopg

from cli.trial import TrialError
from cli.trial.pgserver import VERSION, Account, account, binaries, initdb

DATABASE = "okr"
START_SECONDS = 120.0
"""How long a start may take; recovery after a crash is part of it."""
STOP_SECONDS = 30.0
"""How long a fast shutdown may take before the server is stopped at once and recovers at its next start."""

_LONGEST_SOCKET_PATH = 103  # bytes; macOS allows 103, Linux 107

log = logging.getLogger(__name__)


class EmbeddedPostgres:
    """A PostgreSQL server whose data lives in `data_dir` and which ends with `stop()`.

    The server sits in a session of its own, so a Ctrl-C at the terminal does not reach it: whoever started
    it stops it, after everybody who still writes. Only the process that called `start()` can stop it; in a
    forked child `stop()` does nothing. A server that a killed supervisor left behind is stopped first. One
    data directory serves one process at a time; different directories run side by side.

    `settings` are PostgreSQL's own configuration parameters. Raises TrialError, from `start()` only.
    """

    def __init__(self, data_dir: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self.data_dir = data_dir.expanduser().resolve()
        self.log_file = self.data_dir / "server.log"
        self._settings = dict(settings or {})
        self._socket_dir = self.data_dir
        self._process: subprocess.Popen[bytes] | None = None
        self._started_by: int | None = None
        self._lock: IO[str] | None = None

    @property
    def url(self) -> str:
        """libpq URL of the database `okr`, as the superuser `postgres`; after start, and again the same."""
        return f"postgresql://postgres@:5432/{DATABASE}?host={quote(str(self._socket_dir), safe='')}"

    @property
    def pid(self) -> int | None:
        """Process id of the running server; None when it does not run, whoever ended it."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> str:
        """Starts the server on a new or an existing data directory; returns `url` once it answers."""
        if self.pid is not None:
            return self.url
        self.stop()
        programs, who = binaries(), account()
        self._started_by = os.getpid()
        try:
            self._take_lock()
            self._create_cluster(programs, who)
            self._stop_left_behind()
            self._spawn(programs, who)
            self._wait_until_ready()
        except OSError as error:
            self.stop()
            raise TrialError(
                f"cannot keep PostgreSQL's data in {self.data_dir}: {error.strerror} ({error.filename})."
            ) from None
        except BaseException:
            self.stop()
            raise
        return self.url

    def stop(self) -> None:
        """Ends the server in order: clients are disconnected, everything is on disk. May be repeated."""
        if self._started_by != os.getpid():
            return
        if self._process is not None:
            _end(self._process)
            self._process = None
        if self._socket_dir != self.data_dir:
            shutil.rmtree(self._socket_dir, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        self._started_by = None

    def _take_lock(self) -> None:
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        self._lock = self.data_dir.with_name(f".{self.data_dir.name}.lock").open("w")
        try:
            # lockf, not flock: a forked child must not keep the lock when its parent is gone.
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TrialError(f"another process already runs PostgreSQL in {self.data_dir}.") from None

    def _create_cluster(self, programs: Path, who: Account) -> None:
        who.let_through(self.data_dir)
        version_file = self.data_dir / "PG_VERSION"
        if version_file.exists():
            found = version_file.read_text().strip()
            if found != str(VERSION):
                raise TrialError(
                    f"{self.data_dir} belongs to PostgreSQL {found}, and PostgreSQL {VERSION} cannot read it:"
                    " name another directory, or remove this one if its data may go."
                )
            return
        if self.data_dir.exists() and any(self.data_dir.iterdir()):
            raise TrialError(f"{self.data_dir} is neither empty nor a PostgreSQL data directory.")
        # Made beside and then renamed, so that an interrupted start leaves nothing half made behind.
        unfinished = self.data_dir.with_name(f".{self.data_dir.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        who.make_private_dir(unfinished)
        initdb(programs, unfinished, who)
        unfinished.rename(self.data_dir)

    def _stop_left_behind(self) -> None:
        pid_file = self.data_dir / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().splitlines()[0])
        except (FileNotFoundError, ValueError, IndexError):
            return
        if not _is_server_of(self.data_dir, pid):
            # After a container's restart another program often has this number; PostgreSQL would take it
            # for a server that is still running and refuse to start.
            pid_file.unlink(missing_ok=True)
            return
        log.info("stopping the PostgreSQL that an earlier run left behind in %s", self.data_dir)
        for number in (signal.SIGINT, signal.SIGQUIT):
            os.kill(pid, number)
            deadline = time.monotonic() + STOP_SECONDS
            while time.monotonic() < deadline:
                if not _is_server_of(self.data_dir, pid):
                    return
                time.sleep(0.02)
        raise TrialError(f"the PostgreSQL left behind in {self.data_dir} (process {pid}) does not stop.")

    def _spawn(self, programs: Path, who: Account) -> None:
        self._choose_socket_dir(who)
        quoted = str(self._socket_dir).replace('"', '""')
        settings = {
            "listen_addresses": "",
            "port": "5432",
            "unix_socket_directories": f'"{quoted}"',
            "unix_socket_permissions": "0700",
            **self._settings,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        who.let_through(programs / "postgres")
        with self.log_file.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own wheel's program
                [programs / "postgres", "-D", self.data_dir, *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                start_new_session=True,
                user=who.user,
                group=who.group,
                extra_groups=who.extra_groups,
            )

    def _choose_socket_dir(self, who: Account) -> None:
        path = os.fsencode(self.data_dir / ".s.PGSQL.5432")
        # libpq takes a comma in `host` for the end of one host among several.
        if len(path) <= _LONGEST_SOCKET_PATH and b"," not in path:
            return
        if self._socket_dir == self.data_dir:
            roomy = len(os.fsencode(tempfile.gettempdir())) < _LONGEST_SOCKET_PATH - 40
            parent = tempfile.gettempdir() if roomy else "/tmp"  # noqa: S108 - mkdtemp makes it ours alone
            self._socket_dir = Path(tempfile.mkdtemp(prefix="okr-postgres-", dir=parent))
            who.own(self._socket_dir)
        elif not self._socket_dir.exists():
            who.make_private_dir(self._socket_dir)
        who.let_through(self._socket_dir)

    def _wait_until_ready(self) -> None:
        maintenance = self.url.replace(f"/{DATABASE}?", "/postgres?")
        known = "SELECT 1 FROM pg_database WHERE datname = %s"
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with psycopg.connect(maintenance, autocommit=True, connect_timeout=5) as connection:
                    if connection.execute(known, (DATABASE,)).fetchone() is None:
                        connection.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0 ENCODING 'UTF8'")
                return
            except psycopg.OperationalError as error:
                if self.pid is None or time.monotonic() > deadline:
                    reason = _last_complaint(self.log_file) or str(error)
                    raise TrialError(f"PostgreSQL in {self.data_dir} does not start: {reason}") from None
                time.sleep(0.02)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Fast shutdown; when that takes too long, an immediate one, from which the next start recovers."""
    try:
        process.send_signal(signal.SIGINT)
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        log.warning("PostgreSQL did not shut down in %.0f s and is stopped at once", STOP_SECONDS)
        process.send_signal(signal.SIGQUIT)
        process.wait()


def _is_server_of(data_dir: Path, pid: int) -> bool:
    import psutil  # comes with the wheel

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE or process.name() != "postgres":
            return False
        return Path(process.cwd()) == data_dir
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _last_complaint(log_file: Path) -> str | None:
    lines = log_file.read_text(errors="replace").splitlines()[-50:] if log_file.exists() else []
    complaints = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
    return complaints[-1].split(":  ", 1)[-1] + "." if complaints else None
