"""`python -m benchmarks [name …] [--quick] [--json]`: ratios against a peer or a ceiling of the same run."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from benchmarks.harness import Finding, Ground
from cli.trial.postgres import EmbeddedPostgres
from tests.support.postgres_server import TestPostgres

NAMES = ("append", "rebuild", "feed", "http", "reads", "replay", "proof", "start")


@contextmanager
def ground_of(*, is_quick: bool) -> Iterator[Ground]:
    """A new PostgreSQL with its default durability; a quick run, whose figures mean nothing, does without."""
    settings = {"max_connections": "200"} | ({"fsync": "off", "full_page_writes": "off"} if is_quick else {})
    with tempfile.TemporaryDirectory(prefix="okr-bench-") as name:
        directory = Path(name)
        directory.chmod(0o711)
        with EmbeddedPostgres(directory / "postgres", settings=settings) as server:
            yield Ground(TestPostgres(server.url), directory, is_quick=is_quick)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"one or more of {', '.join(NAMES)}; all without one")
    parser.add_argument(
        "--quick", action="store_true", help="small and short: shows that it runs, its ratios say little"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of words")
    chosen = parser.parse_args()
    unknown = set(chosen.names) - set(NAMES)
    if unknown:
        parser.error(f"there is no benchmark named {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    findings: list[Finding] = []
    with ground_of(is_quick=chosen.quick) as ground:
        for name in chosen.names or NAMES:
            measure: Callable[[Ground], Iterator[Finding]] = import_module(f"benchmarks.{name}").measure
            for finding in measure(ground):
                findings.append(finding)
                print(finding.as_json() if chosen.json else f"{finding}\n", flush=True)
    missed = [ratio for finding in findings for ratio in finding.ratios if not ratio.is_met]
    if not chosen.json:
        targets = sum(ratio.target is not None for finding in findings for ratio in finding.ratios)
        print(f"{targets - len(missed)} of {targets} targets met")
        if chosen.quick:
            print("A quick run shows that everything runs; what its ratios say of speed is next to nothing.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
