"""What a worker process runs: this file, by its path, with the folder of its task.

The package's `__init__` needs pandas for the accessor, and pandas takes half a second to import. A
worker needs neither: it treats the package as a plain folder of modules.
"""

from __future__ import annotations

import os
import sys
import threading
import types
from contextlib import suppress
from importlib.abc import MetaPathFinder
from pathlib import Path


class _NoPandas(MetaPathFinder):
    """Arrow imports pandas when it can: here it cannot."""

    def find_spec(self, name: str, *_: object) -> None:
        """Look for a module."""
        if name == "pandas":
            raise ModuleNotFoundError(name)


def _without_pandas() -> None:
    """Make the modules of the package importable without what its `__init__` imports."""
    sys.meta_path.insert(0, _NoPandas())
    package = types.ModuleType("asana_jobs_pd")
    package.__path__ = [str(Path(__file__).parents[1])]
    sys.modules[package.__name__] = package


def _end_with_parent() -> None:
    """Leave at once when the pipe from the parent closes, in whatever way it has ended."""
    sys.stdin.buffer.read()
    os._exit(1)


def _run() -> int:
    from asana_jobs_pd._export.workers import run_task  # noqa: PLC0415  once it can be

    return run_task(Path(sys.argv[1]))


if __name__ == "__main__":
    with suppress(RuntimeError):  # where no thread can be started, it ends with its task
        threading.Thread(target=_end_with_parent, daemon=True).start()
    _without_pandas()
    code = _run()
    sys.stdout.flush()
    os._exit(code)
