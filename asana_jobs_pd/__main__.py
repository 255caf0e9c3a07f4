"""The command line: ``python -m asana_jobs_pd``, or ``asana-jobs``."""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Sequence

from asana_jobs_pd._cli.console import SUCCESS, run_guarded


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    if arguments is None:
        arguments = sys.argv[1:]
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # some terminals cannot show every name
    given = list(arguments)
    return run_guarded(lambda: _run(given))


_COMMANDS = {
    "completion": "completion_command",
    "download": "download_command",
    "export": "export_command",
    "export-resources": "export_command:run_resources",
    "read": "read_command",
    "recent": "recent_command",
    "watch": "watch_command",
}


def _run(arguments: Sequence[str]) -> int:
    """Run a command, importing only what it needs."""
    if not arguments:
        importlib.import_module("asana_jobs_pd._cli.tour").run_tour()
        return SUCCESS
    name = arguments[0] if arguments[0] in _COMMANDS else "read"
    module, _, function = _COMMANDS[name].partition(":")
    command = getattr(importlib.import_module(f"asana_jobs_pd._cli.{module}"), function or "run")
    return int(command(arguments[1:] if arguments[0] == name else arguments))


if __name__ == "__main__":
    sys.exit(main())
