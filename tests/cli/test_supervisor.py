"""The supervisor, with small real children."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli import supervisor as module
from cli.child import Command
from cli.log_files import LogFile
from cli.supervisor import GaveUp, Supervisor
from tests.cli.command import ROOT, is_over

PATIENCE = 10.0


class Watched:
    """A supervisor whose screen is a list."""

    def __init__(self, log_dir: Path) -> None:
        self.screen: list[str] = []
        self.log_dir = log_dir
        self.supervisor = Supervisor(log_dir, lambda name, line: self.screen.append(f"{name}: {line}"))

    def keep(self, name: str, program: str, stage: int = 0, over_at: int | None = None) -> int:
        self.supervisor.keep(Command(name, [sys.executable, "-c", program], stage, over_at=over_at))
        return self.supervisor.pids[name]

    def until(self, happened: Callable[[], bool]) -> float:
        """Step until it has happened; the seconds it took."""
        began = time.monotonic()
        while not happened():
            assert time.monotonic() - began < PATIENCE, self.screen
            self.supervisor.step(0.05)
        return time.monotonic() - began

    def until_replaced(self, name: str, pid: int) -> float:
        return self.until(lambda: self.supervisor.pids.get(name, pid) != pid)

    def log(self, name: str) -> str:
        path = self.log_dir / f"{name}.log"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    watched = Watched(tmp_path)
    with watched.supervisor.signals():
        try:
            yield watched
        finally:
            watched.supervisor.stop()


READY = "print('ready', flush=True); import time, signal; "


def test_one_killed_by_a_signal_is_back_within_a_second(watched: Watched) -> None:
    killed = watched.keep("worker", READY + "time.sleep(60)")
    watched.until(lambda: "ready" in watched.log("worker"))
    os.kill(killed, signal.SIGKILL)
    took = watched.until_replaced("worker", killed)
    assert took < 1
    assert watched.screen == ["worker: was killed by SIGKILL; starts again in 0.25 s"]


def test_however_often_it_is_killed(watched: Watched) -> None:
    watched.keep("worker", READY + "time.sleep(60)")
    for _ in range(module.ENOUGH_FAILURES + 1):
        killed = watched.supervisor.pids["worker"]
        os.kill(killed, signal.SIGKILL)
        assert watched.until_replaced("worker", killed) < 1


def test_what_a_killed_one_left_behind_is_gone_before_the_next(watched: Watched) -> None:
    program = "import os, time\nchild = os.fork()\nif child:\n    print(child, flush=True)\ntime.sleep(60)"
    leader = watched.keep("api", program)
    watched.until(lambda: watched.log("api") != "")
    left_behind = int(watched.log("api"))
    os.kill(leader, signal.SIGKILL)
    watched.until_replaced("api", leader)
    assert is_over(left_behind)


def test_five_errors_within_a_minute_end_it_with_the_last_lines(watched: Watched) -> None:
    watched.keep("feed", "import sys; print('the broker is no broker'); sys.exit(3)")
    with pytest.raises(GaveUp) as end:
        watched.until(lambda: False)
    text = str(end.value)
    assert text.startswith("feed ended with an error 5 times within a minute (exit code 3). Its last lines, more")
    assert text.count("the broker is no broker") == 5
    waits = [line.rsplit(" ", 2)[1] for line in watched.screen]
    assert waits == ["0.25", "0.5", "1", "2"]


def test_one_that_says_that_it_is_over_is_not_started_again(watched: Watched) -> None:
    watched.keep("seal", "print('the past was rewritten'); raise SystemExit(3)", over_at=3)
    watched.until(lambda: bool(watched.screen))
    assert watched.screen == ["seal: ended for good: the past was rewritten"]
    assert watched.supervisor.pids == {}


def test_an_end_without_error_does_not_count_but_is_waited_after(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST_WAIT", 0.5)
    watched.keep("feed", "print('done')")
    watched.until(lambda: watched.log("feed").count("done") > module.ENOUGH_FAILURES)
    waits = [line.rsplit(" ", 2)[1] for line in watched.screen]
    assert waits[:4] == ["0.25", "0.5", "0.5", "0.5"]


def test_important_lines_are_shown_and_all_are_kept(watched: Watched) -> None:
    watched.keep("feed", READY + "print('INFO a: fine'); print('WARNING b: look', flush=True); time.sleep(60)")
    watched.until(lambda: "look" in watched.log("feed"))
    assert watched.log("feed") == "ready\nINFO a: fine\nWARNING b: look\n"
    assert watched.screen == ["feed: WARNING b: look"]


def test_the_last_words_of_a_dying_one_are_kept(watched: Watched) -> None:
    watched.keep("feed", "import os; os.write(1, b'x' * 200_000 + b' the end')")
    watched.until(lambda: "the end" in watched.log("feed"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_asks_to_stop_and_the_stages_end_in_order(watched: Watched, tmp_path: Path, number: int) -> None:
    ends = tmp_path / "ends"
    for stage, name in enumerate(["feed", "project", "broker"]):
        write = f"open({str(ends)!r}, 'a').write('{name} ')"
        program = f"import sys; signal.signal(15, lambda *_: ({write}, sys.exit(0))); "
        watched.keep(name, f"import time, signal; {program} print('ready', flush=True); time.sleep(60)", stage=stage)
    watched.until(lambda: all("ready" in watched.log(name) for name in ("feed", "project", "broker")))
    os.kill(os.getpid(), number)
    watched.until(lambda: watched.supervisor.is_asked_to_stop)
    watched.supervisor.stop()
    assert ends.read_text() == "feed project broker "
    assert watched.screen == []


def test_one_that_does_not_listen_is_killed(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIME_TO_STOP", 0.3)
    pid = watched.keep("feed", "import signal, time; signal.signal(15, signal.SIG_IGN);" + READY + "time.sleep(60)")
    watched.until(lambda: "ready" in watched.log("feed"))
    began = time.monotonic()
    watched.supervisor.stop()
    assert time.monotonic() - began < 2
    assert is_over(pid)


def test_children_sit_in_our_session_but_not_in_our_group(watched: Watched) -> None:
    pid = watched.keep("feed", READY + "time.sleep(60)")
    assert os.getsid(pid) == os.getsid(0)
    assert os.getpgid(pid) == pid


def test_restart_gives_another_process(watched: Watched) -> None:
    before = watched.keep("feed", READY + "time.sleep(60)")
    watched.supervisor.restart("feed")
    assert watched.supervisor.pids["feed"] != before
    assert watched.screen == []


def test_a_task_runs_once_beside_the_others(watched: Watched) -> None:
    watched.keep("feed", READY + "time.sleep(60)")
    code = watched.supervisor.run_once(Command("task", [sys.executable, "-c", "print('ERROR no'); exit(4)"]))
    assert code == 4
    assert watched.screen == ["task: ERROR no"]
    watched.supervisor.step(0)
    assert list(watched.supervisor.pids) == ["feed"]


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_the_children_of_a_killed_supervisor_end(tmp_path: Path) -> None:
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        "from cli.child import Command\nfrom cli.supervisor import Supervisor\n"
        f"s = Supervisor(Path({str(tmp_path)!r}), print)\n"
        "s.keep(Command('feed', [sys.executable, '-c', 'import time; time.sleep(60)']))\n"
        "print(s.pids['feed'], flush=True)\ntime.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=ROOT) as supervisor:
        assert supervisor.stdout is not None
        child = int(supervisor.stdout.readline())
        supervisor.kill()
    deadline = time.monotonic() + PATIENCE
    while not is_over(child):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_logs_do_not_grow_without_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.log_files.MOST_BYTES", 1000)
    log = LogFile(tmp_path / "feed.log")
    for number in range(500):
        log.write(f"line {number}")
    log.close()
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["feed.log", "feed.log.1", "feed.log.2"]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())
    assert log.last(2) == ["line 498", "line 499"]


def test_nohup_is_respected(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        supervisor = Supervisor(tmp_path / "other", lambda *_: None)
        with supervisor.signals():
            os.kill(os.getpid(), signal.SIGHUP)
            supervisor.step(0.05)
            assert not supervisor.is_asked_to_stop
    finally:
        signal.signal(signal.SIGHUP, before)
