"""`python -m benchmarks [name …] [--quick] [--json]`: ratios against a peer or a ceiling of the same run."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

from benchmarks.harness import Finding, Ground
from tests.support.postgres_server import shared_server

NAMES = ("append", "rebuild", "feed", "http", "reads", "start")


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
    with shared_server() as postgres, tempfile.TemporaryDirectory(prefix="okr-bench-") as directory:
        Path(directory).chmod(0o711)
        ground = Ground(postgres, Path(directory), is_quick=chosen.quick)
        for name in chosen.names or NAMES:
            measure: Callable[[Ground], Iterator[Finding]] = import_module(f"benchmarks.{name}").measure
            for finding in measure(ground):
                findings.append(finding)
                print(finding.as_json() if chosen.json else f"{finding}\n", flush=True)
    missed = [ratio for finding in findings for ratio in finding.ratios if not ratio.is_met]
    if not chosen.json:
        targets = sum(ratio.target is not None for finding in findings for ratio in finding.ratios)
        print(f"{targets - len(missed)} of {targets} targets met")
    return 0


if __name__ == "__main__":
    sys.exit(main())
