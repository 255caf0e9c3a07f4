"""The command line: ``python -m asana_jobs_pd``, or ``asana-jobs``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from asana_jobs_pd._cli.console import DONE, guarded

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    return guarded(lambda: _run(words))


def _run(words: Sequence[str]) -> int:
    """Import what a command needs, and no more, and run it."""
    match words[:1]:
        case []:
            from asana_jobs_pd._cli.tour import run_demo

            run_demo()
            return DONE
        case ["export"]:
            from asana_jobs_pd._cli.export import run

            return run(words[1:])
        case ["recent"]:
            from asana_jobs_pd._cli.recent import run

            return run(words[1:])
        case ["watch"]:
            from asana_jobs_pd._cli.watch import run

            return run(words[1:])
        case _:
            from asana_jobs_pd._cli.read import run

            return run(words)


if __name__ == "__main__":
    sys.exit(main())
