"""The `okr` command as a person runs it: a process of its own, with exactly the given environment."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
OKR = Path(sys.executable).with_name("okr")


def environment(**settings: str) -> dict[str, str]:
    """This process's environment without any setting of ours, and with the given ones (`PORT="1"`: OKR_PORT).

    It names a proxy that does not answer, as an office's environment may: nothing here is to be asked through it.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OKR_")}
    inherited |= {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    return inherited | {f"OKR_{name.upper()}": value for name, value in settings.items()}


def okr(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; the result has its exit code, output and errors."""
    return subprocess.run(
        [OKR, *arguments],
        env=environment(**settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def is_over(pid: int) -> bool:
    """Whether the process has ended; where nobody waits for orphans, they stay as zombies."""
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip()[:1] in ("", "Z")
