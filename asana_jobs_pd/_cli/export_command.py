"""``asana-jobs export`` and ``export-resources``: start, download and convert exports."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

import pandas as pd

from asana_jobs_pd._cli.console import (
    AUTHENTICATION,
    EXIT_CODES,
    SUCCESS,
    add_fields,
    check_output,
    create_parser,
    say,
    split_gids,
    write,
)
from asana_jobs_pd._cli.pipeline import add_steps, check_steps, run_steps
from asana_jobs_pd._start.api import export_graph, export_resources
from asana_jobs_pd._start.resource_export import ResourceExport
from asana_jobs_pd.errors import AsanaStartWarning

_GRAPH = """\
Start a graph export of each goal, team, portfolio or project and wait until all are finished.
--download fetches the files, --to parquet converts them.\
"""
_RESOURCES = """\
Start an export of the tasks, teams or messages of a workspace and wait until it is finished.
--download fetches the file, --to parquet converts it.\
"""
_GRAPH_NOTES = """\
Asana runs five jobs per user at a time; with more parents, the next job starts when one ends. Graph
exports require an Enterprise plan; with more than 1,000 tasks, they may come from Asana's cache
and be up to 4 hours old.\
"""
_RESOURCES_NOTES = """\
Asana runs one resource export per workspace at a time; while another one is running, this command
waits. Resource exports are for service accounts only. Filters apply to tasks and messages; of a
repeated one, any user matches. A time is a day, which begins at midnight UTC, or has a time zone,
as in 2026-05-21T09:30:00Z.\
"""
_EPILOG = f"""\
{{notes}}

An export is requested again only if it is certain that the first request started nothing.
Whatever happens, the table has a row for each parent, with the gid of its job.
{AUTHENTICATION}
{EXIT_CODES.format(failed="a parent, a job or a file failed, or it took too long")}
"""
_ROLES = {
    "assignee": "assigned to",
    "assigned-by": "assigned by",
    "created-by": "created by",
    "commented-on-by": "commented on by",
    "followers": "followed by",
    "liked-by": "liked by",
}
"""The options that filter by people, and what each says about them."""
_TIMES = ("created-after", "created-before", "modified-after", "modified-before")


def graph_parser() -> argparse.ArgumentParser:
    """Return the parser of ``asana-jobs export``."""
    parser = create_parser("asana-jobs export", _GRAPH, _EPILOG.format(notes=_GRAPH_NOTES))
    _add_parents(parser, "PARENT", "parent gids or URLs")
    parser.set_defaults(run=_run_graph)
    return parser


def resources_parser() -> argparse.ArgumentParser:
    """Return the parser of ``asana-jobs export-resources``."""
    parser = create_parser(
        "asana-jobs export-resources", _RESOURCES, _EPILOG.format(notes=_RESOURCES_NOTES)
    )
    for kind in ("tasks", "teams", "messages"):
        parser.add_argument(f"--{kind}", action="store_true", help=f"export {kind}")
    add_fields(
        parser, "fields to export, such as name,assignee.name; for one kind only (default: Asana's)"
    )
    for name, role in _ROLES.items():
        parser.add_argument(
            f"--{name}",
            action="append",
            metavar="GID",
            help=f"only objects {role} this user; may be repeated",
        )
    for name in _TIMES:
        parser.add_argument(
            f"--{name}", metavar="TIME", help=f"only objects {name.replace('-', ' ')} this time"
        )
    _add_parents(parser, "WORKSPACE", "workspace gids or URLs")
    parser.set_defaults(run=_run_resources)
    return parser


def _add_parents(parser: argparse.ArgumentParser, metavar: str, what: str) -> None:
    parser.add_argument(
        "parents",
        nargs="+",
        metavar=metavar,
        help=f"{what}, separated by spaces or commas; - reads them from standard input",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the requests without sending them"
    )
    parser.add_argument(
        "--max-age",
        metavar="AGE",
        help="instead of starting another, use an export of the same that this machine started, "
        "if it is running or was completed no longer ago than this, such as 4h or 30min",
    )
    parser.add_argument(
        "--download", dest="folder", metavar="DIR", help="download the files to this folder"
    )
    add_steps(parser, "give up after this many seconds; jobs that were started continue")
    parser.set_defaults(wait=True)


def _run_graph(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    parents = split_gids(options.parents, parser.prog)
    return _run(options, parser, lambda **more: _export_graph(parents, **more))


def _run_resources(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    workspaces = split_gids(options.parents, parser.prog)
    resources = _resources(options, parser)
    return _run(options, parser, lambda **more: export_resources(workspaces, resources, **more))


def _export_graph(parents: Sequence[str], **options: Any) -> pd.DataFrame:
    frame = export_graph(parents, **options)
    if not options.get("dry_run") and (frame["error.status"] == HTTPStatus.NOT_FOUND).any():
        say("Is one of them a workspace? asana-jobs export-resources exports its tasks.")
    return frame


def _resources(
    options: argparse.Namespace, parser: argparse.ArgumentParser
) -> list[ResourceExport]:
    kinds = [kind for kind in ("tasks", "teams", "messages") if getattr(options, kind)]
    if not kinds:
        parser.error("say what to export: --tasks, --teams or --messages")
    if options.fields and len(kinds) > 1:
        parser.error("--fields needs one of --tasks, --teams and --messages, not several")
    filters: dict[str, Any] = {}
    for name in (*_ROLES, *_TIMES):
        key = name.replace("-", "_")
        if (value := getattr(options, key)) is not None:
            filters[key] = split_gids(value, parser.prog) if name in _ROLES else value
    if "teams" in kinds and filters:
        parser.error(f"--{next(iter(filters)).replace('_', '-')}: Asana has no filters for teams")
    of_tasks = [name for name in filters if name.startswith("assign")]
    if "messages" in kinds and of_tasks:
        parser.error(f"--{of_tasks[0].replace('_', '-')} is for --tasks only")
    return [getattr(ResourceExport, kind)(**filters, fields=options.fields or ()) for kind in kinds]


def _run(
    options: argparse.Namespace,
    parser: argparse.ArgumentParser,
    start: Callable[..., pd.DataFrame],
) -> int:
    check_output(options, parser)
    check_steps(options, parser, "--download")
    if options.dry_run:
        requests = start(dry_run=True, max_age=options.max_age)
        write(requests, requests, options.format, options.output)
        return SUCCESS

    def first() -> pd.DataFrame:
        with warnings.catch_warnings():
            # The table and the next steps show what these warnings say.
            warnings.filterwarnings("ignore", "(?!max_age)", AsanaStartWarning)
            return start(
                timeout=options.timeout, progress=options.progress, max_age=options.max_age
            )

    return run_steps(options, first)
