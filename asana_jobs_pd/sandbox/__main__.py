"""Run the sandbox as a process: `python -m asana_jobs_pd.sandbox`."""

from __future__ import annotations

import argparse
import signal
import sys
from threading import Event
from typing import TYPE_CHECKING

from ._sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Sequence

_GIDS_SHOWN = 5


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line; options that are not given are left to the defaults of `Sandbox`."""
    parser = argparse.ArgumentParser(
        prog="python -m asana_jobs_pd.sandbox",
        description="Run a mock Asana server on 127.0.0.1 until Ctrl-C.",
        argument_default=argparse.SUPPRESS,
    )
    add = parser.add_argument
    add("--port", type=int, help="port to listen on (default: a free one)")
    add("--seed", type=int, help="seed of all names, durations, outcomes and rows")
    add("--token", help="the accepted access token (default: sandbox)")
    add("--latency", type=float, help="seconds before each API response")
    add("--time-scale", type=float, help="how many times faster than real time jobs progress")
    add("--requests-per-minute", type=int, help="requests accepted per window")
    add("--window", type=float, help="length of the window in seconds (default: 60)")
    add("--max-in-flight", type=int, help="GET requests served concurrently")
    add("--max-jobs", type=int, help="started jobs that may run concurrently (default: 5)")
    add(
        "--retry-after",
        choices=("yes", "no", "text"),
        help="whether a 429 carries Retry-After, or text instead of seconds",
    )
    add("--url-lifetime", type=float, help="seconds until a signed URL expires")
    add("--export-rows", type=int, help="rows in an export file")
    add("--weeks", type=int, help="weeks of changes in the exports (default: 0); compare 0 with 1")
    add("--hidden", type=float, help="share of projects that exports leave out, as not visible")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    settings = vars(options(arguments))
    if "retry_after" in settings:
        settings["retry_after"] = {"yes": True, "no": False}.get(settings["retry_after"], "text")
    ended = Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: ended.set())
    with Sandbox(**settings) as asana:
        for variable, value in asana.environ.items():
            print(f"export {variable}={value}")
        print("# jobs:", *asana.gids(_GIDS_SHOWN))
        project, workspace = *asana.parents(1), *asana.parents(1, "workspace")
        print(f"# to export a project: asana-jobs export {project}")
        print(f"# to export a workspace: asana-jobs export-resources {workspace} --tasks")
        week = settings.get("weeks", 0) + 1
        print(f"# a week later: python -m asana_jobs_pd.sandbox --weeks {week}")
        print("# to record its jobs: export ASANA_JOBS_LEDGER=sandbox.sqlite3")
        sys.stdout.flush()
        # On Windows, a wait without a timeout cannot be interrupted.
        while not ended.wait(0.2):
            pass


if __name__ == "__main__":
    main()
