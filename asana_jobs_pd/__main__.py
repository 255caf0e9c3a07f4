"""The command line: ``python -m asana_jobs_pd``, or ``asana-jobs``."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

from asana_jobs_pd._cli.commands import COMMANDS, parser_of
from asana_jobs_pd._cli.console import SUCCESS, run_guarded


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    if arguments is None:
        arguments = sys.argv[1:]
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # lists and terminals of another encoding
    given = list(arguments)
    return run_guarded(lambda: run_command(given))


def run_command(arguments: Sequence[str]) -> int:
    """Run a command, or the tour if there are no arguments; errors are raised."""
    if not arguments:
        from asana_jobs_pd._cli.tour import run_tour

        run_tour()
        return SUCCESS
    name, *rest = arguments if arguments[0] in COMMANDS else ("read", *arguments)
    parser = parser_of(name)
    options = parser.parse_intermixed_args(rest)
    return int(options.run(options, parser))


if __name__ == "__main__":
    sys.exit(main())
