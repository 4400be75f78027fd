"""A feed worker as the process that it is, to be killed: `python -m tests.workers.process SETTINGS-AS-JSON`."""

import json
import logging
import sys

from workers.feeds.main import run
from workers.feeds.settings import WorkerSettings

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    run(WorkerSettings(**json.loads(sys.argv[1])))
