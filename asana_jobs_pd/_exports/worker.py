"""What a child process runs: `python -m asana_jobs_pd._exports.worker FOLDER`."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from asana_jobs_pd._exports.workers import run_task


def _end_with_parent() -> None:
    """Leave at once when the pipe from the parent closes: it has ended, in whatever way."""
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    code = run_task(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(code)
