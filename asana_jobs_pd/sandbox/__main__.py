"""The sandbox in a process of its own: `python -m asana_jobs_pd.sandbox`."""

from __future__ import annotations

import argparse
import signal
from threading import Event
from typing import TYPE_CHECKING

from ._sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Sequence

_GIDS_SHOWN = 5


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; what is not given is left to `Sandbox`."""
    parser = argparse.ArgumentParser(
        prog="python -m asana_jobs_pd.sandbox",
        description="Run an Asana of your own on 127.0.0.1 until Ctrl-C.",
        argument_default=argparse.SUPPRESS,
    )
    add = parser.add_argument
    add("--port", type=int, help="port to listen on (default: a free one)")
    add("--seed", type=int, help="decides names, durations, outcomes and rows")
    add("--token", help="the access token that is let in (default: sandbox)")
    add("--latency", type=float, help="seconds before every answer of the API")
    add("--time-scale", type=float, help="how much faster than real time jobs progress")
    add("--requests-per-minute", type=int, help="requests accepted in any window")
    add("--window", type=float, help="length of the window in seconds (default: 60)")
    add("--max-in-flight", type=int, help="requests answered at the same time")
    add("--max-jobs", type=int, help="started jobs that run at the same time (default: 5)")
    add("--retry-after", choices=("yes", "no", "text"), help="what a 429 says of it")
    add("--url-lifetime", type=float, help="seconds for which a signed URL is good")
    add("--export-rows", type=int, help="rows in an export file")
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
        print("# jobs:", *asana.gids(_GIDS_SHOWN), flush=True)
        # A wait without end cannot be interrupted on Windows.
        while not ended.wait(0.2):
            pass


if __name__ == "__main__":
    main()
