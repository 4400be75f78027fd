"""One `okr up` for a data directory, and a sentence for whatever is in the way of its start."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import main
from cli.output import Failure
from cli.place import Place, listening_socket
from cli.settings import Settings, read
from tests.cli.command import ROOT, environment, is_over, okr


def settings(data_dir: Path, **more: str) -> Settings:
    return read({"OKR_DATA_DIR": str(data_dir), **{f"OKR_{name.upper()}": value for name, value in more.items()}})


def elsewhere(program: str, data_dir: Path) -> "subprocess.Popen[str]":
    """Another process that has a `place` in the directory, runs `program` and then waits."""
    text = (
        "import os, subprocess, sys, time\n"
        "from cli.place import Place\nfrom cli.settings import read\n"
        "place = Place(read())\nplace.take()\n"
        f"{program}\nprint('there', flush=True)\ntime.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", text],
        env=environment(data_dir=str(data_dir)),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    return process


def test_a_second_one_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    with elsewhere("", tmp_path) as other:
        second = Place(settings(tmp_path))
        for _ in range(2):
            with pytest.raises(Failure, match=rf"runs already on {tmp_path} \(process {other.pid}\): stop that"):
                second.take()
            second.leave()
        other.kill()
    second.take()
    second.leave()


def test_okr_up_says_so_in_one_sentence(tmp_path: Path) -> None:
    with elsewhere("", tmp_path) as other:
        result = okr("up", data_dir=str(tmp_path))
        other.kill()
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "runs already" in result.stderr


def test_children_left_behind_are_ended_first(tmp_path: Path) -> None:
    """They hold the lock that they inherited; one that does not listen is killed."""
    child = tmp_path / "okr"
    child.write_text("import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint(flush=True)\ntime.sleep(60)\n")
    program = (
        f"child = subprocess.Popen([sys.executable, {str(child)!r}, 'feed'], pass_fds=place.inherited,"
        " process_group=0, stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\nplace.note({'feed': child.pid})"
    )
    with elsewhere(program, tmp_path) as other:
        other.kill()
    left_behind = int((tmp_path / "run" / "children").read_text().split()[0])
    os.kill(left_behind, 0)
    place = Place(settings(tmp_path), patience=0.5)
    place.take()
    place.leave()
    assert is_over(left_behind)


def test_a_number_that_went_to_another_program_is_not_touched(tmp_path: Path) -> None:
    program = (
        "child = subprocess.Popen(['sleep', '60'], pass_fds=place.inherited, process_group=0)\n"
        "place.note({'feed': child.pid})"
    )
    with elsewhere(program, tmp_path) as other:
        other.kill()
    stranger = int((tmp_path / "run" / "children").read_text().split()[0])
    place = Place(settings(tmp_path), patience=0.2)
    with pytest.raises(Failure, match=rf"processes of an earlier `okr up` do not end: {stranger} feed"):
        place.take()
    place.leave()
    os.kill(stranger, signal.SIGKILL)


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = okr("up", data_dir=str(tmp_path), port=str(port))
    assert result.returncode == 1
    assert result.stderr == (
        f"Error: cannot listen on 127.0.0.1:{port} (address already in use): set OKR_PORT to a free port.\n"
    )
    assert not (tmp_path / "postgres").exists()


def test_an_address_that_is_not_ours_is_named(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"cannot listen on 192\.0\.2\.1:8080 \(cannot assign requested address\)"):
        listening_socket(settings(tmp_path, host="192.0.2.1"))


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = okr("up", data_dir=str(tmp_path / "file" / "var"))
    assert result.returncode == 1
    assert result.stderr.startswith(f"Error: cannot write in {tmp_path}/file/var (")
    assert result.stderr.endswith("set OKR_DATA_DIR to another directory.\n")


def test_a_missing_broker_is_named_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    result = CliRunner().invoke(main, ["up"], env={"OKR_DATA_DIR": str(tmp_path / "var")})
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: the trial broker is not installed: run `pip install 'okr-ledger[trial]'`")
    assert not (tmp_path / "var").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_of_somebody_else_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(Failure, match=r"cannot write in .*/var \(Permission denied\)"):
        Place(settings(tmp_path / "var")).take()
