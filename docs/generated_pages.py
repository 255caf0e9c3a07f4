"""Reference pages that are generated from the code: columns of exports, commands, errors."""

from __future__ import annotations

import argparse
import inspect
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

import asana_jobs_pd as aj
from asana_jobs_pd import errors
from asana_jobs_pd._cli.commands import COMMANDS, parser_of
from asana_jobs_pd._decode.schema import SCHEMA


def write(folder: Path) -> None:
    """Write all pages to a folder; a page that has not changed keeps its modification time."""
    folder.mkdir(exist_ok=True)
    pages = {"export-columns": export_columns, "command-line": command_line, "errors": error_tree}
    for name, lines in pages.items():
        page, text = folder / f"{name}.md", "\n".join(lines()) + "\n"
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def export_columns() -> Iterator[str]:
    """Yield the documented columns of every type of row, as an empty frame has them."""
    yield "# Columns of a loaded export\n"
    yield (
        "The documented columns of each resource type and their dtypes, with the default "
        '`dtype_backend`. An export without tasks has exactly these columns in `data["task"]`. '
        "[What is in a loaded export](../../exports.md) explains the others: custom fields, and "
        "fields that Asana does not document.\n"
    )
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "rows.jsonl"
        path.write_text('{"gid": "1", "resource_type": "other"}\n', encoding="utf-8")
        data = aj.read_asana_export(path, progress=False)
    for name in SCHEMA:
        yield f"## `{name}`\n"
        dtypes = data[name].dtypes
        yield from table(
            ("column", "dtype"),
            ((f"`{column}`", f"`{short(dtype)}`") for column, dtype in dtypes.items()),
        )


def short(dtype: object) -> str:
    """Return the name of a dtype; structs are shortened to the names of their fields."""
    arrow = getattr(dtype, "pyarrow_dtype", None)
    return str(dtype) if arrow is None else f"{_fields_of(arrow)}[pyarrow]"


def _fields_of(dtype: pa.DataType) -> str:
    if pa.types.is_list(dtype):
        return f"list<{_fields_of(dtype.value_type)}>"
    if pa.types.is_struct(dtype):
        return f"struct<{', '.join(field.name for field in dtype)}>"
    return str(dtype)


def command_line() -> Iterator[str]:
    """Yield the commands with their arguments, from their parsers."""
    yield "# Command line\n"
    yield (
        "Every command and its options. Run `asana-jobs` or `python -m asana_jobs_pd`; without "
        "arguments, it is a tour.\n"
    )
    for parser in map(parser_of, COMMANDS):
        yield f"## {'asana-jobs GID…' if parser.prog == 'asana-jobs' else parser.prog}\n"
        yield f"{parser.description}\n"
        yield f"```text\n{parser.format_usage()}```\n"
        yield from table(
            ("argument", "meaning"),
            ((spelled(action), meaning(action, parser)) for action in parser._actions),  # noqa: SLF001
        )
        if parser.epilog:
            yield f"```text\n{parser.epilog.strip()}\n```\n"


def spelled(action: argparse.Action) -> str:
    """Return an argument as it is typed."""
    if not action.option_strings:
        return f"`{action.metavar or action.dest}`"
    choices = "{" + ",".join(map(str, action.choices)) + "}" if action.choices else ""
    value = "" if action.nargs == 0 else f" {choices or action.metavar or action.dest.upper()}"
    return ", ".join(f"`{option}{value}`" for option in action.option_strings)


def meaning(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    """Return the help of an argument."""
    given = {**vars(action), "prog": parser.prog}
    return (action.help or "").replace("%%", "%") % given if action.help else ""


def error_tree() -> Iterator[str]:
    """Yield the errors as a tree with links, then each with its attributes."""
    yield "# Errors and warnings\n"
    yield (
        "Every error of the package is an `AsanaJobsError`; all of them live in `aj.errors`. "
        "What to do about each is in [When something goes wrong](../../guide/errors.md).\n"
    )
    kinds = [getattr(errors, name) for name in errors.__all__]
    for root in (errors.AsanaJobsError, errors.ReadInterrupted):
        yield from _branch(root, kinds, 0)
    warnings = [kind for kind in kinds if issubclass(kind, Warning)]
    for kind in warnings:
        yield _leaf(kind, 0)
    yield "\n## Details\n"
    yield "```{eval-rst}\n.. currentmodule:: asana_jobs_pd.errors\n"
    for name in errors.__all__:
        yield f".. autoclass:: {name}\n   :members:\n   :show-inheritance:\n"
    yield "```"


def _branch(kind: type, kinds: list[type], depth: int) -> Iterator[str]:
    yield _leaf(kind, depth)
    for child in kinds:
        parents = [base for base in child.__mro__[1:] if base in kinds]
        if parents and parents[0] is kind:
            yield from _branch(child, kinds, depth + 1)


def _leaf(kind: type, depth: int) -> str:
    first = (inspect.getdoc(kind) or "").split("\n\n")[0].replace("\n", " ")
    first = re.sub(r"``([^`]+)``", r"`\1`", first)
    return f"{'  ' * depth}- {{py:exc}}`~asana_jobs_pd.errors.{kind.__name__}`: {first}"


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yield a Markdown table, and an empty line."""
    yield f"| {' | '.join(header)} |\n|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield ""
