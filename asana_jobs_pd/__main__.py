"""The command line: ``python -m asana_jobs_pd``, or ``asana-jobs``."""

from __future__ import annotations

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


def _run(arguments: Sequence[str]) -> int:
    """Run a command, importing only what it needs."""
    match arguments[:1]:
        case []:
            from asana_jobs_pd._cli.tour import run_tour

            run_tour()
            return SUCCESS
        case ["export"]:
            from asana_jobs_pd._cli.export_command import run

            return run(arguments[1:])
        case ["recent"]:
            from asana_jobs_pd._cli.recent_command import run

            return run(arguments[1:])
        case ["watch"]:
            from asana_jobs_pd._cli.watch_command import run

            return run(arguments[1:])
        case [first]:
            from asana_jobs_pd._cli.read_command import run

            return run(arguments[1:] if first == "read" else arguments)
    return SUCCESS


if __name__ == "__main__":
    sys.exit(main())
